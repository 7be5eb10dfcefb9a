"""Networks that predict flow: our loop equals `FlowMatchEulerDiscreteScheduler` stepped by hand."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from contract.errors import UnsupportedScheduler
from contract.request import Scheduler
from tests.worker.engines import RecordsLatents, asked, cpu_pipeline, engine_of, run
from worker.guidance import classifier_free
from worker.stepwise_pipeline import Conditioning, StepwisePipeline

STEPS = 5


@pytest.fixture(scope="module")
def flow_pipeline(epsilon_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> StepwisePipeline:
    folder = Path(shutil.copytree(epsilon_folder, tmp_path_factory.mktemp("flow") / "model"))
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    return cpu_pipeline(folder)


def by_hand(pipeline: StepwisePipeline, scheduler: Scheduler) -> torch.Tensor:
    theirs = FlowMatchEulerDiscreteScheduler(shift=3.0, use_karras_sigmas=scheduler.endswith("karras"))
    if scheduler.endswith("trailing"):
        theirs.set_timesteps(sigmas=np.linspace(1, 1 / STEPS, STEPS))
    else:
        theirs.set_timesteps(STEPS)
    embeds = [pipeline.encode_prompt("", negative=True), pipeline.encode_prompt("a red apple", negative=False)]
    conditioning = Conditioning(torch.cat([row.prompt_embeds for row in embeds]), None, torch.tensor([4.0, 4.0]))
    latents = pipeline.prepare_latents(64, 64, torch.Generator().manual_seed(7))
    for timestep in theirs.timesteps:
        outputs = pipeline.denoise(torch.cat([latents, latents]), timestep.repeat(2), conditioning)
        velocity = classifier_free(*outputs.split(1), 4.0)
        latents = theirs.step(velocity, timestep, latents).prev_sample
    return latents


def latents_of(pipeline: StepwisePipeline, scheduler: Scheduler) -> torch.Tensor:
    recording = RecordsLatents(pipeline)
    engine = engine_of(recording)
    engine.add("one", asked(scheduler=scheduler, num_inference_steps=STEPS))
    run(engine)
    return recording.decoded[0]


@pytest.mark.parametrize("scheduler", ["euler", "euler_karras", "euler_trailing"])
def test_euler_equals_flow_match_euler(flow_pipeline: StepwisePipeline, scheduler: Scheduler) -> None:
    with torch.inference_mode():
        expected = by_hand(flow_pipeline, scheduler)
    torch.testing.assert_close(latents_of(flow_pipeline, scheduler), expected, rtol=1e-5, atol=1e-5)


def test_ddim_is_euler_on_a_straight_line(flow_pipeline: StepwisePipeline) -> None:
    euler, ddim = (latents_of(flow_pipeline, name) for name in ("euler_trailing", "ddim_trailing"))
    torch.testing.assert_close(ddim, euler, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scheduler", ["heun", "heun_karras", "dpmpp_2m", "dpmpp_2m_trailing"])
def test_other_methods_stay_finite_from_pure_noise(flow_pipeline: StepwisePipeline, scheduler: Scheduler) -> None:
    assert latents_of(flow_pipeline, scheduler).isfinite().all()


def test_ancestral_sampling_is_refused(flow_pipeline: StepwisePipeline) -> None:
    with pytest.raises(UnsupportedScheduler):
        engine_of(flow_pipeline).add("one", asked(scheduler="euler_ancestral"))
