"""A pipeline that misbehaves in every way, each for a prompt of its own."""

from tests.worker.misbehaving.exhausts_memory import ExhaustsMemory
from tests.worker.misbehaving.hangs_in_denoise import HangsInDenoise
from tests.worker.misbehaving.kills_in_denoise import KillsInDenoise
from tests.worker.misbehaving.loses_the_device import LosesTheDevice
from tests.worker.misbehaving.returns_nan import ReturnsNan
from worker.stepwise_pipeline import StepwisePipeline

WAYS = (ExhaustsMemory, HangsInDenoise, KillsInDenoise, LosesTheDevice, ReturnsNan)


def misbehaving(pipeline: StepwisePipeline) -> StepwisePipeline:
    """The pipeline, in the middle of all that may go wrong with it."""
    for way in WAYS:
        pipeline = way(pipeline)
    return pipeline
