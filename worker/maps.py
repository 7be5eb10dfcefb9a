"""How what a network has drawn becomes a map."""

import numpy as np

from contract.maps import Task
from worker.images import Pixels


def read_off(task: Task, pixels: Pixels) -> Pixels:
    """Depth and edges as grey, normals of length one, segmentation as it was drawn. Shapes: (height, width, 3)."""
    if task == "segmentation":
        return pixels
    drawn = pixels.astype(np.float32)
    if task == "normals":
        normals = drawn / 127.5 - 1
        length = np.linalg.norm(normals, axis=-1, keepdims=True)
        drawn = (normals / np.maximum(length, 1e-6) + 1) * 127.5
    else:
        drawn = np.broadcast_to(drawn.mean(axis=-1, keepdims=True), drawn.shape)
    return drawn.round().astype(np.uint8)
