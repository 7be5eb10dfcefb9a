"""Adapters of every kind in one request: words, prompts with an accent, gradients, compiled networks."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from contract.adapters import AdapterUse
from contract.errors import AdapterMismatch
from contract.inputs import WeightsReference
from tests.tiny_adapters import content, in_diffusers_layout, parts_of
from tests.worker.engines import asked, cpu_pipeline, engine_of, pictures, run, sizes
from worker.engine import Engine
from worker.generation import Generation
from worker.gradients import pulled
from worker.lane import Lane
from worker.lexicon import Accent, Lexicon
from worker.lora_files import read_lora
from worker.prompt_cache import PromptCache
from worker.sigmas import Level
from worker.stepping import row_of
from worker.stepwise_pipeline import StepwisePipeline

FILE = WeightsReference("file_" + "0" * 32)


def test_words_come_through_the_same_list(pipeline: StepwisePipeline) -> None:
    """What a file is, its tensors say: these are a word of two vectors, which are a known letter's."""
    letter = pipeline.parts["text_encoder"].get_input_embeddings().weight[ord("z") - ord("!") + 94]
    word = content({"<zorro>": torch.stack([letter, letter])})
    use = AdapterUse(id=FILE, scale=1.0)

    def made(prompt: str, *uses: AdapterUse) -> Any:
        engine = engine_of(pipeline, 2)
        engine.add("one", asked(prompt=prompt, num_inference_steps=2, adapters=uses), {str(FILE): word})
        return pictures(run(engine))["one"]

    assert np.array_equal(made("<zorro>", use), made("z z"))
    assert not np.array_equal(made("<zorro>"), made("z z"))
    wide = {str(FILE): content({"<zorro>": torch.zeros(2, 9)})}
    with pytest.raises(AdapterMismatch) as refused:
        engine_of(pipeline).add("one", asked(adapters=(use,)), wide)
    assert refused.value.field == "adapters.0.id"


def test_prompts_are_remembered_by_what_reads_them(pipeline: StepwisePipeline) -> None:
    parts = parts_of(pipeline, 4, 1)
    lora = read_lora(content(in_diffusers_layout(parts)), pipeline.parts)
    prompts = PromptCache()

    def read(*accents: Accent) -> Tensor:
        lexicon = Lexicon(accents=accents)
        with torch.inference_mode():
            return prompts.encode_prompt(pipeline, "a fox", negative=False, lexicon=lexicon).prompt_embeds

    plain, half, whole = read(), read(Accent("one", 0.5, lora)), read(Accent("one", 1.0, lora))
    assert read() is plain
    assert read(Accent("one", 0.5, lora)) is half
    assert len({tuple(one.flatten().tolist()) for one in (plain, half, whole)}) == 3
    fresh = pipeline.encode_prompt("a fox", negative=False).prompt_embeds
    assert torch.equal(plain, fresh), "the shared encoder is as it was"
    assert not any(accent.lora for key in prompts._embeds for accent in key.lexicon.accents)


class Brightness:
    """How far a picture's latents are from one number."""

    max_shift = 1.0

    def __call__(self, denoised: Tensor, level: Level) -> Tensor:
        return ((denoised - 1.0) ** 2).mean()


def test_gradients_pass_through_the_products(pipeline: StepwisePipeline) -> None:
    """Guidance that needs a gradient sees the network as it is for this row, in the engine's inference mode."""
    request = asked(adapters=(AdapterUse(id=FILE),))
    inputs = {str(FILE): content(in_diffusers_layout(parts_of(pipeline, 4, 1)))}
    adapted = engine_of(pipeline).prepare("one", request, inputs)
    plain = engine_of(pipeline).prepare("one", asked())
    assert isinstance(adapted, Generation)
    assert isinstance(plain, Generation)

    def output(one: Generation) -> Tensor:
        row = partial(row_of, one, "prompt")
        found = pulled(pipeline, row, one.latents, one.evaluation.here, [Brightness()])
        assert found.shift.abs().max() > 0
        return found.output

    with torch.inference_mode():
        (_, forward) = engine_of(pipeline)._forward(_lane(adapted), [adapted]).split(1)
        assert torch.allclose(output(adapted), forward, atol=1e-5)
        assert not torch.allclose(output(plain), forward, atol=1e-2)


def _lane(generation: Generation) -> Lane:
    lane = Lane(generation.lane_key, sizes(2)(generation.lane_key, generation.pipeline), generation.latents.device)
    lane.measure()
    return lane


class Counts:
    """A backend of torch.compile that compiles nothing, and counts what it was given."""

    def __init__(self) -> None:
        self.num_graphs = 0

    def __call__(self, graph: Any, inputs: Any) -> Any:
        self.num_graphs += 1
        return graph.forward


@pytest.mark.filterwarnings("ignore")  # of torch.compile's own
def test_rows_of_compiled_networks_are_steered_in_other_lanes(pipeline: StepwisePipeline, epsilon_folder: Path) -> None:
    """Compiled code was made before there were hooks; these forwards neither use it nor have it made again."""
    compiled, backend = cpu_pipeline(epsilon_folder), Counts()
    compiled.parts["unet"].compile(dynamic=False, backend=backend)
    steered = asked(seed=2, num_inference_steps=1, adapters=(AdapterUse(id=FILE),))
    inputs = {str(FILE): content(in_diffusers_layout(parts_of(pipeline, 4, 1)))}

    def made(engine: Engine) -> list[Any]:
        found = []
        for request in (asked(seed=1, num_inference_steps=1), steered):
            engine.add("one", request, inputs)
            found += [pictures(run(engine))["one"], backend.num_graphs]
        return found

    engine = engine_of(compiled)
    plain, graphs, changed, graphs_after = made(engine)
    assert [lane.key.eager for lane in engine.lanes] == [False, True]
    assert 0 < graphs == graphs_after
    expected, _, expected_changed, _ = made(engine_of(pipeline))
    assert np.array_equal(plain, expected)
    assert np.array_equal(changed, expected_changed)
