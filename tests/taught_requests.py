"""Requests for fine-tunes with nothing left open."""

from typing import Any

from contract.datasets import DatasetPicture
from contract.fine_tuning import CompleteFineTune

PICTURE = DatasetPicture(
    index=0, place="0", file_name="0.png", caption="", width=64, height=64, sha256="0" * 64, size_bytes=1
)


def taught_request(**changes: Any) -> CompleteFineTune:
    """A complete request to be taught maps of depth, with these changes."""
    usual = {
        "model": "tiny",
        "dataset": "ds_" + "0" * 32,
        "method": "image_conditional",
        "task": "depth",
        "steps": 40,
        "learning_rate": 2e-3,
        "batch_size": 3,
        "resolution": 64,
        "seed": 5,
        "sample_every": 100,
        "checkpoint_every": 100,
        "pictures": (PICTURE,),
        "dataset_digest": "",
    }
    return CompleteFineTune.model_validate(usual | changes)
