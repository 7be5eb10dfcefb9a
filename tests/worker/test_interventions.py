"""Interventions do what they say, in their steps and no others, and to their own image alone."""

import random
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import TextTimeEmbedding
from torch import Tensor, nn

from contract.costs import amount
from contract.errors import InvalidRequest, SafelightError, UnsupportedIntervention
from contract.intervention_limits import FORGETS_WHERE_IT_IS, intervention_kinds
from contract.request import CompleteRequest
from tests.tiny_models import build_flux
from tests.worker.engines import Held, RecordsLatents, alone, asked, cpu_pipeline, engine_of, pictures, run, sizes
from tests.worker.oracles import DIFFUSION
from tests.worker.test_batch_independence import run_joining
from worker.engine import Engine
from worker.events import Previewed
from worker.images import Pixels
from worker.pipelines.latent_diffusion import LatentDiffusion
from worker.steering import Passage, steered
from worker.stepwise_pipeline import StepwisePipeline
from worker.token_attention import TokensScaled

Change = dict[str, Any]

STEPS = 4
MUTED: Change = {"kind": "mute_token", "token": 2}
UP = "up_blocks.1.attentions.0"

KINDS: dict[str, list[Change]] = {
    "muted": [MUTED],
    "muted at first": [MUTED | {"step_to": 2}],
    "scaled": [{"kind": "scale_token", "token": 3, "factor": 3.0}],
    "several tokens": [MUTED, {"kind": "scale_token", "token": 1, "factor": -1.0, "step_from": 1}],
    "guided more": [{"kind": "set_guidance", "scale": 9.0}],
    "guided less, later": [{"kind": "set_guidance", "scale": 0.5, "step_from": 2}],
    "against the prompt": [{"kind": "set_guidance", "scale": -2.0}],
    "not guided at last": [{"kind": "set_guidance", "scale": 1.0, "step_from": 3}],
    "another prompt": [{"kind": "swap_prompt", "prompt": "a blue fox", "step_from": 1}],
    "another negative prompt": [{"kind": "swap_prompt", "negative_prompt": "a leaf", "step_to": 3}],
    "noise": [{"kind": "add_noise", "strength": 0.7, "seed": 5, "step_from": 1, "step_to": 3}],
    "no middle": [{"kind": "skip_block", "block": "mid_block"}],
    "no attention": [{"kind": "skip_block", "block": UP, "step_from": 1}],
    "everything": [
        MUTED,
        {"kind": "set_guidance", "scale": 2.0, "step_to": 2},
        {"kind": "swap_prompt", "prompt": "rain and a red apple", "step_from": 2},
        {"kind": "add_noise", "strength": 0.2, "seed": 9, "step_to": 1},
        {"kind": "skip_block", "block": "mid_block", "step_from": 2, "step_to": 3},
    ],
}


def changed(*changes: Change, **fields: object) -> CompleteRequest:
    return asked(num_inference_steps=STEPS, intervene=list(changes), **fields)


EQUAL: dict[str, tuple[Change, Change]] = {
    "guidance off": ({"kind": "set_guidance", "scale": 1.0}, {"guidance_scale": 1.0}),
    "guidance": ({"kind": "set_guidance", "scale": 7.0}, {"guidance_scale": 7.0}),
    "prompt": ({"kind": "swap_prompt", "prompt": "a blue fox"}, {"prompt": "a blue fox"}),
    "negative prompt": ({"kind": "swap_prompt", "negative_prompt": "a leaf"}, {"negative_prompt": "a leaf"}),
    "factor 1": ({"kind": "scale_token", "token": 2, "factor": 1.0}, {}),
    "factor 0": ({"kind": "scale_token", "token": 2, "factor": 0.0}, {"intervene": [MUTED]}),
    "guidance that was there": ({"kind": "set_guidance", "scale": 4.0, "step_from": 2}, {}),
}


@pytest.mark.parametrize("name", EQUAL)
@pytest.mark.parametrize("scheduler", ["euler", "heun", "dpmpp_2m"])
def test_what_says_the_same_makes_the_same_bytes(pipeline: StepwisePipeline, name: str, scheduler: str) -> None:
    change, fields = EQUAL[name]
    expected = alone(pipeline, asked(scheduler=scheduler, **fields))
    assert np.array_equal(alone(pipeline, changed(change, scheduler=scheduler)), expected)


def test_a_guidance_that_was_off_is_set_with_its_rescale(pipeline: StepwisePipeline) -> None:
    def rescaled(scale: float) -> Change:
        guidance = [{"kind": "classifier_free", "scale": scale, "rescale": 0.7}]
        return {"guidance": guidance, "guidance_scale": None}

    found = alone(pipeline, changed({"kind": "set_guidance", "scale": 6.0}, **rescaled(1.0)))
    assert np.array_equal(found, alone(pipeline, asked(**rescaled(6.0))))


def test_long_prompts_that_are_not_read_any_more_leave_no_trace(pipeline: StepwisePipeline) -> None:
    long = ", ".join(["a red apple and a blue fox"] * 6)
    swap = {"kind": "swap_prompt", "prompt": "a fox"}
    found = alone(pipeline, changed(swap, prompt=long, prompt_syntax="weighted"))
    assert np.array_equal(found, alone(pipeline, asked(prompt="a fox", prompt_syntax="weighted")))


def test_every_change_makes_a_picture_of_its_own(pipeline: StepwisePipeline) -> None:
    found = {alone(pipeline, changed(*changes)).tobytes() for changes in [[], *KINDS.values()]}
    assert len(found) == len(KINDS) + 1


def previews(pipeline: StepwisePipeline, request: CompleteRequest) -> dict[int, Pixels]:
    engine = engine_of(pipeline)
    engine.add("watched", request)
    engine.set_previews("watched", True)
    return {event.step: event.pixels for event in run(engine) if isinstance(event, Previewed)}


@pytest.mark.parametrize("kind", ["muted", "guided more", "another prompt", "no middle"])
def test_before_its_first_step_nothing_is_different(pipeline: StepwisePipeline, kind: str) -> None:
    before = previews(pipeline, asked())
    after = previews(pipeline, changed(*[change | {"step_from": 2} for change in KINDS[kind]]))
    assert [np.array_equal(before[step], after[step]) for step in (1, 2, 3)] == [True, True, False]


def test_the_noise_of_a_step_is_its_own(pipeline: StepwisePipeline) -> None:
    noise: Change = {"kind": "add_noise", "strength": 0.5, "seed": 7}
    whole = alone(pipeline, changed(noise))
    assert np.array_equal(alone(pipeline, changed(noise | {"step_to": 2}, noise | {"step_from": 2})), whole)
    assert not np.array_equal(alone(pipeline, changed(noise | {"seed": 8})), whole)
    assert not np.array_equal(alone(pipeline, changed(noise, seed=8)), whole)


def test_noise_is_as_strong_as_it_says(pipeline: StepwisePipeline) -> None:
    """In the first step nearly all that the network sees is noise: of a deviation of one, and half as much more."""

    class Sees(RecordsLatents):
        def denoise(self, latents: Tensor, *others: Any) -> Tensor:
            self.decoded.append(latents[:1].clone())
            return super().denoise(latents, *others)

    seen = Sees(pipeline)
    for changes in ([], [{"kind": "add_noise", "strength": 0.5, "seed": 1}]):
        alone(seen, changed(*changes))
    plain, noisy = seen.decoded[0], seen.decoded[STEPS + 1]
    added = (noisy - plain).std() / plain.std()
    assert 0.45 < float(added) < 0.55


@pytest.mark.parametrize(
    "block", ["mid_block", "down_blocks.0.attentions.0.transformer_blocks.0", "down_blocks.0.resnets.0"]
)
def test_a_skipped_block_is_as_if_it_were_not_there(pipeline: StepwisePipeline, block: str) -> None:
    assert isinstance(pipeline, LatentDiffusion)
    network = deepcopy(pipeline.network)
    parent, _, name = block.rpartition(".")
    setattr(network.get_submodule(parent), name, PassesOn())
    expected = alone(replace(pipeline, network=network), asked())
    assert np.array_equal(alone(pipeline, changed({"kind": "skip_block", "block": block})), expected)


class PassesOn(nn.Module):
    """In the place of a block: returns what it is given."""

    def forward(self, hidden_states: Tensor, *args: object, **named: object) -> Tensor:
        return hidden_states


class ColumnsScaled:
    """Attention whose map is written out, with one column scaled in all rows but the first: the oracle."""

    def __init__(self, token: int, factor: float) -> None:
        self._token, self._factor = token, factor

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor, **named: Any) -> Tensor:
        projected = attn.to_q(hidden_states), attn.to_k(encoder_hidden_states), attn.to_v(encoder_hidden_states)
        query, key, value = (attn.head_to_batch_dim(one) for one in projected)
        maps = attn.get_attention_scores(query, key).unflatten(0, (len(hidden_states), -1))
        maps[1:, :, :, self._token] *= self._factor
        seen: Tensor = attn.to_out[0](attn.batch_to_head_dim(maps.flatten(0, 1) @ value))
        return seen


def test_a_scaled_token_has_its_column_scaled(pipeline: StepwisePipeline) -> None:
    """The row without the prompt comes first, and is let be."""
    network = deepcopy(pipeline.network)
    for module in network.modules():
        if isinstance(module, Attention) and module.is_cross_attention:
            module.set_processor(ColumnsScaled(2, 2.5))  # type: ignore[arg-type]
    assert isinstance(pipeline, LatentDiffusion)
    theirs, ours = RecordsLatents(replace(pipeline, network=network)), RecordsLatents(pipeline)
    alone(theirs, asked())
    alone(ours, changed({"kind": "scale_token", "token": 2, "factor": 2.5}))
    torch.testing.assert_close(ours.decoded[0], theirs.decoded[0], atol=1e-4, rtol=1e-4)


def test_a_token_that_nothing_looks_at_can_be_muted_without_a_trace() -> None:
    attention = Attention(query_dim=8, cross_attention_dim=8, heads=2, dim_head=4).eval()
    hidden, words = torch.ones(1, 5, 8), torch.randn(1, 3, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        attention.to_q.weight.fill_(1.0)
        attention.to_k.weight.copy_(1000.0 * torch.eye(8))
        words[0, 1] = -1.0  # Its similarity is some 30,000 below that of the others.
        words[0, 0], words[0, 2] = 1.0, 0.99999
        output = attention(hidden, encoder_hidden_states=words)
        passage = Passage(attention, hidden, words, output)
        for factors, equal in ((((1, 0.0),), True), (((0, 0.0),), False)):
            hook = TokensScaled(factors).hooks(attention)[attention]
            assert torch.equal(hook(passage), output) is equal  # type: ignore[arg-type]


def test_the_pooled_caption_counts_tokens_too() -> None:
    torch.manual_seed(3)
    pooling = TextTimeEmbedding(16, 32, num_heads=4).eval()
    words = torch.randn(2, 6, 16)

    def pooled(*factors: tuple[int, float]) -> Tensor:
        with torch.inference_mode(), steered(pooling, [(), (TokensScaled(factors),)]):
            found: Tensor = pooling(words)
        return found

    with torch.inference_mode():
        plain = pooling(words)
    torch.testing.assert_close(pooled((2, 1.0)), plain)
    muted = pooled((2, 0.0))
    assert torch.equal(muted[0], plain[0])
    assert not torch.allclose(muted[1], plain[1])


@pytest.mark.parametrize("mix", range(3))
def test_any_mix_equals_each_request_alone(
    pipeline: StepwisePipeline, other_pipeline: StepwisePipeline, mix: int
) -> None:
    draw = random.Random(mix)
    names = draw.sample(list(KINDS), 7)
    schedulers = [one for one in DIFFUSION if one not in FORGETS_WHERE_IT_IS]
    requests = [
        changed(
            *KINDS[name],
            scheduler=draw.choice(schedulers),
            seed=index,
            model=draw.choice(["tiny", "tiny", "other"]),
            guidance_scale=draw.choice([1.0, 4.0]),
        )
        for index, name in enumerate(names)
    ]
    requests += [asked(seed=8, scheduler="unipc"), asked(seed=9, guidance_scale=1.0)]
    pipelines = {"tiny": pipeline, "other": other_pipeline}
    together = pictures(run_joining(Engine(Held(pipelines), sizes(4)), requests, draw))
    for index, request in enumerate(requests):
        expected = alone(pipelines[request.model], request.model_copy(update={"model": "tiny"}), 4)
        assert np.array_equal(together[str(index)], expected), request.intervene


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("guidance_scale", [1.0, 4.0])
def test_a_change_costs_what_its_request_says(pipeline: StepwisePipeline, name: str, guidance_scale: float) -> None:
    request = changed(*KINDS[name], guidance_scale=guidance_scale)
    engine = engine_of(pipeline)
    engine.add("one", request)
    run(engine)
    said = amount(request).num_rows
    scales = {guidance_scale if one.guidance_scale is None else one.guidance_scale for one in request.moments}
    assert said == STEPS * (1 if scales == {1.0} else 2)
    assert engine.counters.num_rows == said if len(scales) == 1 else STEPS < engine.counters.num_rows <= said


WRONG: dict[str, tuple[Change, type[SafelightError], str]] = {
    "a token beyond the prompt": ({"kind": "mute_token", "token": 15}, InvalidRequest, "intervene.0.token"),
    "no block": ({"kind": "skip_block", "block": "side_block"}, UnsupportedIntervention, "intervene.0.block"),
    "another shape": (
        {"kind": "skip_block", "block": "down_blocks.0"},
        UnsupportedIntervention,
        "intervene.0.block",
    ),
    "other channels": (
        {"kind": "skip_block", "block": "up_blocks.0.resnets.0"},
        UnsupportedIntervention,
        "intervene.0.block",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_only_the_model_can_say_no_to(pipeline: StepwisePipeline, name: str) -> None:
    change, kind, field = WRONG[name]
    with pytest.raises(kind) as raised:
        engine_of(pipeline).add("wrong", changed(change))
    assert raised.value.field == field


def test_a_token_is_held_against_the_prompt_of_its_step(pipeline: StepwisePipeline) -> None:
    swap = {"kind": "swap_prompt", "prompt": "fox", "step_from": 2}
    late = {"kind": "mute_token", "token": 5}
    engine_of(pipeline).add("fits", changed(late | {"step_to": 2}, swap, prompt="a red apple and a fox"))
    with pytest.raises(InvalidRequest):
        engine_of(pipeline).add("does not", changed(late, swap, prompt="a red apple and a fox"))


@pytest.mark.parametrize("family", ["stable_diffusion_3", "flux"])
def test_transformers_are_changed_as_far_as_they_can_be(family: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue({"stable_diffusion_3": "sd3_folder", "flux": "flux_folder"}[family])
    pipeline = cpu_pipeline(folder, family)  # type: ignore[arg-type]
    usual: Change = {"scheduler": "flow_match_euler", "guidance_scale": 3.0}
    equal: list[tuple[Change, Change]] = [
        ({"kind": "swap_prompt", "prompt": "a blue fox"}, {"prompt": "a blue fox"}),
        ({"kind": "set_guidance", "scale": 5.0}, {"guidance_scale": 5.0}),
    ]
    for change, fields in equal:
        assert np.array_equal(alone(pipeline, changed(change, **usual)), alone(pipeline, asked(**usual | fields)))
    plain = alone(pipeline, asked(**usual))
    skip = {"kind": "skip_block", "block": "transformer_blocks.0"}
    others = [{"kind": "add_noise", "strength": 0.5, "seed": 3}, skip]
    assert len({alone(pipeline, changed(change, **usual)).tobytes() for change in others} | {plain.tobytes()}) == 3
    together = Engine(Held({"tiny": pipeline}), sizes(4))
    together.add("skips", changed(skip, **usual))
    together.add("does not", asked(**usual | {"seed": 8}))
    found = pictures(run(together))
    assert np.array_equal(found["skips"], alone(pipeline, changed(skip, **usual), 4))
    assert np.array_equal(found["does not"], alone(pipeline, asked(**usual | {"seed": 8}), 4))
    assert not {"mute_token", "scale_token"} & set(intervention_kinds(family))


def test_a_block_of_two_streams_is_left_out_of_both(flux_folder: Any) -> None:
    pipeline = cpu_pipeline(flux_folder, "flux")
    assert isinstance(pipeline, LatentDiffusion)
    network = deepcopy(pipeline.network)
    network.transformer_blocks = nn.ModuleList()
    usual: Change = {"scheduler": "flow_match_euler"}
    expected = alone(replace(pipeline, network=network), asked(**usual))
    skip = {"kind": "skip_block", "block": "transformer_blocks.0"}
    assert np.array_equal(alone(pipeline, changed(skip, **usual)), expected)


def test_a_scale_that_is_an_input_changes_on_the_way(tmp_path: Any) -> None:
    build_flux(tmp_path, guidance_embeds=True)
    pipeline = cpu_pipeline(tmp_path, "flux")
    usual: Change = {"scheduler": "flow_match_euler", "guidance_scale": 3.0}
    found = alone(pipeline, changed({"kind": "set_guidance", "scale": 5.0}, **usual))
    assert np.array_equal(found, alone(pipeline, asked(**usual | {"guidance_scale": 5.0})))
    assert not np.array_equal(found, alone(pipeline, asked(**usual)))
    with pytest.raises(UnsupportedIntervention) as raised:
        engine_of(pipeline).add("below", changed({"kind": "set_guidance", "scale": -1.0}, **usual))
    assert raised.value.field == "intervene.0.scale"
