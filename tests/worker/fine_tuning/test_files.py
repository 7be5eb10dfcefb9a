"""The files of results, read by our own worker and by diffusers: what they say must be what was taught."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor

from tests.tiny_models import build_embedded_layout
from tests.worker.engines import cpu_pipeline, spec_of
from tests.worker.fine_tuning.orders import lessons, request
from worker.fine_tuning.learners import LowRank, Whole, Word
from worker.fine_tuning.method import Curriculum
from worker.lexicon import Accent, Lexicon
from worker.lora_files import read_lora
from worker.pipelines.stable_diffusion import StableDiffusion
from worker.steering import steered
from worker.textual_inversion import read_inversions


def curriculum(folder: Path, **changes: object) -> Curriculum:
    model = cpu_pipeline(folder)
    assert isinstance(model, StableDiffusion)
    return Curriculum(request(**changes), spec_of(folder), model, lessons())


def moved(learner: Any) -> Any:
    """A learner that has learnt something."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in learner.weights.values():
            weight.add_(torch.randn(weight.shape, generator=draw), alpha=0.1)
    return learner


@torch.no_grad()
def seen(network: Any, states: Tensor) -> Tensor:
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    output: Tensor = network(latents, torch.tensor([500]), encoder_hidden_states=states, return_dict=False)[0]
    return output


@pytest.mark.parametrize("name", ["pytorch_lora_weights.safetensors", "kohya.safetensors"])
@pytest.mark.parametrize("layout", ["clip", "bert"])
@torch.no_grad()
def test_low_rank_files_are_what_was_taught(epsilon_folder: Path, tmp_path: Path, name: str, layout: str) -> None:
    folder = epsilon_folder
    if layout == "bert":
        folder = tmp_path / "model"
        build_embedded_layout(folder)
    lesson = curriculum(folder, train_text_encoder=True)
    learner = moved(LowRank(lesson))
    learner.files(tmp_path)
    states = learner.states(["a red fox"])
    expected = seen(lesson.model.network, states)
    fresh = cpu_pipeline(folder)
    plain = fresh.encode_prompt("a red fox", negative=False).prompt_embeds
    assert not torch.allclose(states, plain, atol=1e-3)
    assert not torch.allclose(expected, seen(fresh.network, states), atol=1e-3)
    lora = read_lora((tmp_path / name).read_bytes(), fresh.parts)
    lexicon = Lexicon(accents=(Accent("x", 1.0, lora),))
    ours = fresh.encode_prompt("a red fox", negative=False, lexicon=lexicon).prompt_embeds
    torch.testing.assert_close(ours, states, atol=1e-5, rtol=1e-4)
    steering = lora.steering("unet", fresh.network, 1.0)
    assert steering is not None
    with steered(fresh.network, [(steering,)]):
        torch.testing.assert_close(seen(fresh.network, states), expected, atol=1e-5, rtol=1e-4)
    if layout == "clip":
        theirs = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
        theirs.load_lora_weights(tmp_path, weight_name=name)
        torch.testing.assert_close(theirs.encode_prompt("a red fox", "cpu", 1, False)[0], states, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(seen(theirs.unet, states), expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_the_file_of_a_word_is_what_was_taught(epsilon_folder: Path, tmp_path: Path) -> None:
    lesson = curriculum(epsilon_folder, method="textual_inversion", num_vectors=3)
    learner = moved(Word(lesson))
    (file,) = learner.files(tmp_path)
    expected = learner.states(["a red zorbling"])
    lexicon = Lexicon(inversions=read_inversions(file.path.read_bytes(), "x"))
    fresh = cpu_pipeline(epsilon_folder)
    assert torch.equal(fresh.encode_prompt("a red zorbling", negative=False, lexicon=lexicon).prompt_embeds, expected)
    theirs = StableDiffusionPipeline.from_pretrained(epsilon_folder, safety_checker=None)
    theirs.load_textual_inversion(file.path)
    torch.testing.assert_close(
        theirs.encode_prompt("a red zorbling", "cpu", 1, False)[0], expected, atol=1e-5, rtol=1e-4
    )


@torch.no_grad()
def test_the_files_of_a_whole_network_are_what_was_taught(epsilon_folder: Path, tmp_path: Path) -> None:
    lesson = curriculum(epsilon_folder, method="full")
    learner = moved(Whole(lesson))
    learner.files(tmp_path)
    states = learner.states(["a red fox"])
    network = UNet2DConditionModel.from_pretrained(tmp_path)
    assert torch.equal(seen(network, states), seen(lesson.model.network, states))
