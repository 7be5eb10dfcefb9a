"""Networks that predict flow: our loop equals `FlowMatchEulerDiscreteScheduler` stepped by hand."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.flux.pipeline_flux import calculate_shift

from contract.errors import UnsupportedScheduler
from contract.request import Scheduler
from tests.worker.engines import RecordsLatents, asked, cpu_pipeline, engine_of, run
from worker.guidance import classifier_free
from worker.stepwise_pipeline import Conditioning, StepwisePipeline

STEPS = 5
STATIC = {"num_train_timesteps": 1000, "shift": 3.0}
DYNAMIC = {"num_train_timesteps": 1000, "use_dynamic_shifting": True, "base_image_seq_len": 8}


def built(folder: Path, config: dict[str, Any], parent: Path) -> StepwisePipeline:
    copy = Path(shutil.copytree(folder, parent / "model"))
    named = {"_class_name": "FlowMatchEulerDiscreteScheduler"} | config
    (copy / "scheduler" / "scheduler_config.json").write_text(json.dumps(named))
    return cpu_pipeline(copy)


@pytest.fixture(scope="module")
def flow_pipeline(epsilon_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> StepwisePipeline:
    return built(epsilon_folder, STATIC, tmp_path_factory.mktemp("flow"))


@pytest.fixture(scope="module")
def dynamic_pipeline(epsilon_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> StepwisePipeline:
    return built(epsilon_folder, DYNAMIC, tmp_path_factory.mktemp("dynamic"))


def by_hand(pipeline: StepwisePipeline, scheduler: Scheduler, config: dict[str, Any]) -> torch.Tensor:
    theirs = FlowMatchEulerDiscreteScheduler.from_config(config, use_karras_sigmas=scheduler.endswith("karras"))
    # 64 × 64 pixels are 8 × 8 latents are 16 tokens.
    mu = calculate_shift(16, config["base_image_seq_len"]) if "use_dynamic_shifting" in config else None
    if scheduler.endswith("trailing"):
        theirs.set_timesteps(sigmas=np.linspace(1, 1 / STEPS, STEPS), mu=mu)
    else:
        theirs.set_timesteps(STEPS, mu=mu)
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


@pytest.mark.parametrize(
    "scheduler", ["euler", "euler_karras", "euler_trailing", "flow_match_euler", "flow_match_euler_trailing"]
)
def test_euler_equals_flow_match_euler(flow_pipeline: StepwisePipeline, scheduler: Scheduler) -> None:
    with torch.inference_mode():
        expected = by_hand(flow_pipeline, scheduler, STATIC)
    torch.testing.assert_close(latents_of(flow_pipeline, scheduler), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scheduler", ["flow_match_euler", "flow_match_euler_trailing"])
def test_the_shift_grows_with_the_image(dynamic_pipeline: StepwisePipeline, scheduler: Scheduler) -> None:
    with torch.inference_mode():
        expected = by_hand(dynamic_pipeline, scheduler, DYNAMIC)
    torch.testing.assert_close(latents_of(dynamic_pipeline, scheduler), expected, rtol=1e-5, atol=1e-5)


def test_ddim_is_euler_on_a_straight_line(flow_pipeline: StepwisePipeline) -> None:
    euler, ddim = (latents_of(flow_pipeline, name) for name in ("euler_trailing", "ddim_trailing"))
    torch.testing.assert_close(ddim, euler, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scheduler", ["heun", "heun_karras", "dpmpp_2m", "dpmpp_2m_sde"])
def test_other_methods_stay_finite_from_pure_noise(flow_pipeline: StepwisePipeline, scheduler: Scheduler) -> None:
    assert latents_of(flow_pipeline, scheduler).isfinite().all()


def test_ancestral_sampling_is_refused(flow_pipeline: StepwisePipeline) -> None:
    with pytest.raises(UnsupportedScheduler):
        engine_of(flow_pipeline).add("one", asked(scheduler="euler_ancestral"))
