"""LoRA: the products that diffusers would add, for the rows that ask for them, whoever else is in flight."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from peft import LoraConfig
from torch import Tensor

from contract.adapters import AdapterUse
from contract.errors import AdapterMismatch
from contract.inputs import WeightsReference
from tests.tiny_adapters import State, content, in_diffusers_layout, in_kohya_layout, parts_of
from tests.worker.engines import RecordsLatents, alone, asked, cpu_pipeline, engine_of, pictures, run
from tests.worker.oracles import diffusers_latents, oracle
from worker.stepwise_pipeline import StepwisePipeline

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # diffusers on NumPy 2
    pytest.mark.filterwarnings("ignore:Already found a `peft_config`:UserWarning"),
]

STEPS = 3
FILES = [WeightsReference(f"file_{number:032x}") for number in range(4)]


class Pair(NamedTuple):
    """The same model, loaded by diffusers and by us."""

    theirs: Any
    ours: StepwisePipeline


@pytest.fixture(scope="module")
def sd(epsilon_folder: Path) -> Pair:
    return Pair(oracle(StableDiffusionPipeline, epsilon_folder), cpu_pipeline(epsilon_folder))


@pytest.fixture(scope="module")
def xl(xl_folder: Path) -> Pair:
    return Pair(oracle(StableDiffusionXLPipeline, xl_folder), cpu_pipeline(xl_folder, "stable_diffusion_xl"))


@contextmanager
def loaded(theirs: Any, states: Mapping[str, State], scales: list[float]) -> Iterator[Any]:
    """diffusers' pipeline with these LoRAs, unmerged."""
    for name, state in states.items():
        theirs.load_lora_weights(dict(state), adapter_name=name)
    theirs.set_adapters(list(states), scales)
    try:
        yield theirs
    finally:
        theirs.unload_lora_weights()


def our_latents(ours: StepwisePipeline, *files: tuple[bytes, float]) -> Tensor:
    recording = RecordsLatents(ours)
    engine = engine_of(recording, 2)
    uses = [AdapterUse(id=name, scale=scale) for name, (_, scale) in zip(FILES, files, strict=False)]
    inputs = {str(name): data for name, (data, _) in zip(FILES, files, strict=False)}
    engine.add("one", asked(num_inference_steps=STEPS, adapters=tuple(uses)), inputs)
    run(engine)
    return recording.decoded[0]


def assert_near(ours: Tensor, theirs: Tensor, base: Tensor) -> None:
    """Equal but for rounding, and far from what the model makes by itself."""
    size = theirs.abs().max().item()
    assert (ours - theirs).abs().max().item() <= 2e-6 * size
    assert (ours - base).abs().max().item() >= 1e-2 * size


@pytest.mark.parametrize("family", ["sd", "xl"])
def test_diffusers_layout_equals_load_lora_weights(family: str, request: pytest.FixtureRequest) -> None:
    pair: Pair = request.getfixturevalue(family)
    state = in_diffusers_layout(parts_of(pair.ours, rank=4, seed=1))
    with loaded(pair.theirs, {"a": state}, [0.8]) as theirs:
        expected = diffusers_latents(theirs, pair.ours, STEPS)
    assert_near(our_latents(pair.ours, (content(state), 0.8)), expected, our_latents(pair.ours))


@pytest.mark.parametrize("family", ["sd", "xl"])
def test_kohya_layout_equals_load_lora_weights(family: str, request: pytest.FixtureRequest) -> None:
    pair: Pair = request.getfixturevalue(family)
    state = in_kohya_layout(parts_of(pair.ours, rank=4, seed=2), alpha=1.5, of_two=family == "xl")
    with loaded(pair.theirs, {"a": state}, [1.0]) as theirs:
        expected = diffusers_latents(theirs, pair.ours, STEPS)
    assert_near(our_latents(pair.ours, (content(state), 1.0)), expected, our_latents(pair.ours))


def test_every_layer_has_its_own_alpha(sd: Pair) -> None:
    """Alpha over rank is a factor of the product, so doubling both an alpha and undoing it in the factor is nothing."""
    parts = parts_of(sd.ours, rank=2, seed=3)
    state = in_kohya_layout(parts, alpha=2.0)
    other = dict(state)
    for name in [name for name in state if name.endswith(".alpha")][::2]:
        other[name] = state[name] * 4
        up = f"{name.removesuffix('.alpha')}.lora_up.weight"
        other[up] = state[up] / 4
    assert torch.equal(our_latents(sd.ours, (content(state), 1.0)), our_latents(sd.ours, (content(other), 1.0)))


def test_what_peft_says_of_alpha_is_heeded(sd: Pair, tmp_path: Path) -> None:
    unet = sd.theirs.unet
    config = LoraConfig(r=4, lora_alpha=2, init_lora_weights=False, target_modules=["to_q", "to_v"])
    with torch.random.fork_rng():
        torch.manual_seed(5)
        unet.add_adapter(config, adapter_name="a")
    expected = diffusers_latents(sd.theirs, sd.ours, STEPS)
    unet.save_lora_adapter(tmp_path, adapter_name="a")
    unet.delete_adapters("a")
    (file,) = tmp_path.glob("*.safetensors")
    assert_near(our_latents(sd.ours, (file.read_bytes(), 1.0)), expected, our_latents(sd.ours))


def test_several_add(sd: Pair) -> None:
    states = {
        "a": in_diffusers_layout(parts_of(sd.ours, 4, 1)),
        "b": in_kohya_layout(parts_of(sd.ours, 2, 6), alpha=2.0),
    }
    with loaded(sd.theirs, states, [0.5, -0.7]) as theirs:
        expected = diffusers_latents(theirs, sd.ours, STEPS)
    ours = our_latents(sd.ours, (content(states["a"]), 0.5), (content(states["b"]), -0.7))
    assert_near(ours, expected, our_latents(sd.ours))


def test_a_scale_of_zero_is_the_model_itself(sd: Pair) -> None:
    state = in_diffusers_layout(parts_of(sd.ours, 4, 1))
    assert torch.equal(our_latents(sd.ours, (content(state), 0.0)), our_latents(sd.ours))


def test_any_mix_has_the_bits_of_each_alone(sd: Pair) -> None:
    """Rows of different LoRAs, ranks and layouts, of several at once and of none share forwards."""
    states = [
        in_diffusers_layout(parts_of(sd.ours, 4, 1)),
        in_kohya_layout(parts_of(sd.ours, 2, 6), alpha=1.0),
        in_diffusers_layout({"unet": parts_of(sd.ours, 4, 8)["unet"]}),
    ]
    inputs = {str(name): content(state) for name, state in zip(FILES, states, strict=False)}
    wanted = [(), ((0, 0.8),), ((1, 1.0),), ((2, 0.5),), ((0, 0.3), (2, -1.0)), ()]
    requests = [
        asked(
            seed=seed,
            num_inference_steps=2 + seed % 3,
            guidance_scale=1.0 if seed == 3 else 4.0,
            adapters=tuple(AdapterUse(id=FILES[place], scale=scale) for place, scale in uses),
        )
        for seed, uses in enumerate(wanted)
    ]
    engine = engine_of(sd.ours, 4)
    for seed, request in enumerate(requests):
        engine.add(str(seed), request, inputs)
    together = pictures(run(engine))
    for seed, request in enumerate(requests):
        single = engine_of(sd.ours, 4)
        single.add("alone", request, inputs)
        assert np.array_equal(together[str(seed)], pictures(run(single))["alone"]), request.adapters


def odd_files(sd: Pair, xl: Pair) -> dict[str, bytes]:
    state = in_diffusers_layout(parts_of(sd.ours, 4, 1))
    first = next(iter(state))
    return {
        "xl": content(in_diffusers_layout(parts_of(xl.ours, 4, 1))),
        "flux": content({"transformer.single_blocks.0.lora_A.weight": torch.zeros(4, 8)}),
        "shape": content(state | {first: torch.zeros(4, 9)}),
        "half": content({name: values for name, values in state.items() if name != first}),
        "dora": content(state | {first.replace("lora_A.weight", "lora_magnitude_vector"): torch.ones(8)}),
        "alpha": content(
            in_kohya_layout(parts_of(sd.ours, 4, 1), 1.0) | {"lora_unet_nowhere.alpha": torch.tensor(1.0)}
        ),
    }


def test_what_does_not_fit_is_refused_and_nothing_is_harmed(sd: Pair, xl: Pair) -> None:
    before = alone(sd.ours, asked())
    engine = engine_of(sd.ours)
    for name, data in odd_files(sd, xl).items():
        with pytest.raises(AdapterMismatch) as refused:
            engine.add(name, asked(adapters=(AdapterUse(id=FILES[0]),)), {str(FILES[0]): data})
        assert refused.value.field == "adapters.0.id", name
    engine.add("after", asked())
    assert np.array_equal(pictures(run(engine))["after"], before)
    assert set(engine._models.num_users.values()) == {0}
