"""Pictures and masks to edit, and edits that are ready for an engine."""

from collections.abc import Mapping

import numpy as np
from PIL import Image

from contract.request import CompleteRequest
from tests.pictures import encoded, gradient
from tests.worker.engines import asked, engine_of, pictures, run
from worker.images import Pixels
from worker.masks import Mask
from worker.stepwise_pipeline import StepwisePipeline

PICTURE: Pixels = np.asarray(gradient(64, 64))
IMAGE_ID, MASK_ID = "file_" + "1" * 32, "file_" + "2" * 32


def right_half(width: int = 64) -> Mask:
    """A mask that lets the right half change."""
    mask = np.zeros((64, width), np.uint8)
    mask[:, width // 2 :] = 255
    return mask


def edit(**changes: object) -> CompleteRequest:
    """A complete request that changes a picture."""
    return asked(image=IMAGE_ID, **changes)


def masked(**changes: object) -> CompleteRequest:
    """A complete request that changes a part of a picture."""
    return edit(mask=MASK_ID, **changes)


def inputs(picture: Pixels = PICTURE, mask: Mask | None = None) -> Mapping[str, bytes]:
    """The files that edits name."""
    files = {IMAGE_ID: encoded(Image.fromarray(picture))}
    return files if mask is None else files | {MASK_ID: encoded(Image.fromarray(mask))}


def made(
    pipeline: StepwisePipeline,
    request: CompleteRequest,
    picture: Pixels = PICTURE,
    mask: Mask | None = None,
    buckets: tuple[int, ...] = (2,),
) -> Pixels:
    """The picture that an edit makes alone."""
    engine = engine_of(pipeline, *buckets)
    engine.add("one", request, inputs(picture, mask))
    return pictures(run(engine))["one"]
