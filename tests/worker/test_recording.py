"""A run that is recorded makes the same picture, and what is recorded of it is what happened."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from contract.adapters import AdapterUse
from contract.catalogue import Family
from contract.inputs import WeightsReference
from contract.request import CompleteRequest
from contract.trace_document import TraceDocument
from contract.traces import TraceAsked
from tests.tiny_adapters import content, in_diffusers_layout, parts_of
from tests.worker.edits import inputs, masked, right_half
from tests.worker.engines import Held, Wrapped, alone, asked, cpu_pipeline, engine_of, pictures, run, sizes
from tests.worker.mixtures import BOTH, KNOWN, Mixtures
from worker.engine import Engine
from worker.events import Event, Finished
from worker.lexicon import Lexicon
from worker.recording import Recording
from worker.result_cache import ResultCache
from worker.stepwise_pipeline import Conditioning, StepwisePipeline
from worker.token_attention import key_of, weights_of
from worker.tokens import legend_of
from worker.trace_files import TraceFiles
from worker.watching import MAX_MAPS_BYTES, Watch

EVERYTHING = TraceAsked(attention=True, latents=True, guidance=True, text=True, autoencoder=True)
LONG = "a red apple " * 40
"""More words than are read at once, so that all places of the text are known by name."""

Files = dict[str, bytes]


def recording(events: list[Event], name: str = "one") -> Recording:
    (found,) = [one.picture.recording for one in events if isinstance(one, Finished) and one.generation_id == name]
    assert found is not None
    return found


def add(engine: Engine, name: str, request: CompleteRequest, trace: TraceAsked = EVERYTHING) -> None:
    """Has the engine make a picture and record how."""
    engine.admit(engine.prepare(name, request, trace=trace))


def recorded(pipeline: StepwisePipeline, trace: TraceAsked = EVERYTHING, **changes: object) -> Recording:
    engine = engine_of(pipeline)
    add(engine, "one", asked(**changes), trace)
    return recording(run(engine))


def written(
    found: Recording, family: Family = "stable_diffusion", *, withheld: bool = False
) -> tuple[TraceDocument, Files]:
    document, *sidecars = TraceFiles(found, family, withheld=withheld).written()
    files = {part.name: part.content for part in sidecars}
    return TraceDocument.model_validate_json(document.content), files


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("changes", [{}, {"guidance_scale": 1.0}, {"scheduler": "heun"}, {"num_inference_steps": 3}])
def test_recording_changes_no_byte_of_a_picture(pipeline: StepwisePipeline, changes: dict[str, object]) -> None:
    engine = engine_of(pipeline)
    add(engine, "one", asked(**changes))
    assert np.array_equal(pictures(run(engine))["one"], alone(pipeline, asked(**changes)))


def test_recording_changes_no_byte_of_any_neighbour(pipeline: StepwisePipeline) -> None:
    """Recorded, steered and plain rows share forwards, and each picture is the one that it is alone."""
    requests = {
        "recorded": asked(seed=1),
        "plain": asked(seed=2, guidance_scale=1.0),
        "steered": asked(seed=3, guidance=[{"kind": "perturbed_attention", "scale": 2.0}], guidance_scale=None),
        "late": asked(seed=4, prompt="a green leaf", num_inference_steps=6),
    }
    engine = engine_of(pipeline, 8)
    for name, request in requests.items():
        if name in ("recorded", "late"):
            add(engine, name, request)
        else:
            engine.add(name, request)
    found = pictures(run(engine))
    for name, request in requests.items():
        assert np.array_equal(found[name], alone(pipeline, request, 8)), name


LORA = WeightsReference("file_" + "0" * 32)
TOLD = {"intervene": [{"kind": "mute_token", "token": 2}, {"kind": "skip_block", "block": "mid_block", "step_from": 1}]}


@pytest.mark.parametrize("name", ["adapted", "changed on the way", "edited", "swapped", "pulled"])
def test_what_changes_the_network_or_the_picture_is_recorded_like_anything(
    pipeline: StepwisePipeline, name: str
) -> None:
    """Recording comes after what steers the row, and changes no byte of that either."""
    lora = {str(LORA): content(in_diffusers_layout(parts_of(pipeline, 4, 1)))}
    swapped = [{"kind": "swap_prompt", "prompt": "a green leaf", "step_from": 2, "step_to": 4}]
    request, files = {
        "adapted": (asked(adapters=(AdapterUse(id=LORA),)), lora),
        "changed on the way": (asked(**TOLD), {}),
        "edited": (masked(strength=0.7), inputs(mask=right_half())),
        "swapped": (asked(intervene=swapped), {}),
        "pulled": (masked(inpaint_method="quality"), inputs(mask=right_half())),
    }[name]
    made = {}
    for trace in (None, EVERYTHING):
        engine = engine_of(pipeline)
        engine.admit(engine.prepare("one", request, files, trace))
        events = run(engine)
        made[trace] = pictures(events)["one"]
    assert np.array_equal(made[None], made[EVERYTHING])
    document, _ = written(recording(events))
    assert document.attention is not None
    assert document.autoencoder is not None
    assert len(document.notes) == (name == "swapped")


def test_a_recorded_run_is_made_though_its_picture_is_known(pipeline: StepwisePipeline) -> None:
    engine = Engine(Held({"tiny": pipeline}), sizes(2), results=ResultCache(10**8))
    engine.add("plain", asked())
    known = pictures(run(engine))["plain"]
    add(engine, "one", asked())
    events = run(engine)
    assert np.array_equal(pictures(events)["one"], known)
    assert recording(events) is not None
    engine.add("again", asked())
    (told,) = run(engine)
    assert isinstance(told, Finished)
    assert told.picture.recording is None


def test_a_recorded_run_and_the_same_unrecorded_are_two(pipeline: StepwisePipeline) -> None:
    engine = engine_of(pipeline)
    engine.add("plain", asked())
    for name in ("one", "other"):
        add(engine, name, asked())
    events = run(engine)
    found = pictures(events)
    assert np.array_equal(found["plain"], found["one"])
    assert recording(events) is recording(events, "other")
    assert [one.picture.recording is None for one in events if isinstance(one, Finished)].count(True) == 1


def test_a_place_looks_at_all_tokens_with_probability_one(pipeline: StepwisePipeline) -> None:
    document, files = written(recorded(pipeline, prompt=LONG))
    attention = document.attention
    assert attention is not None
    assert document.truncated
    assert attention.tokens == len(document.tokens) == pipeline.readers[0].max_length
    for block, after in zip(attention.blocks, [*attention.blocks[1:], None], strict=True):
        end = len(files["attention"]) if after is None else after.offset
        maps = np.frombuffer(files["attention"][block.offset : end], np.uint8)
        maps = maps.reshape(attention.steps, attention.tokens, block.height, block.width)
        shares = (maps / 255 * np.array(block.scales)[:, None, None]).sum(axis=1)
        np.testing.assert_allclose(shares, 1, atol=0.02)
    known = tuple(block.name for block in document.blocks)
    assert all(block.name.startswith(known) for block in attention.blocks)


def test_maps_are_those_that_the_network_multiplies_by(pipeline: StepwisePipeline) -> None:
    """The output of an attention is its weights times its values."""
    attention = next(one for name, one in pipeline.network.named_modules() if name.endswith("attn2"))
    draw = torch.Generator().manual_seed(0)
    hidden = torch.randn(1, 16, attention.to_q.in_features, generator=draw)
    context = torch.randn(1, 7, attention.to_k.in_features, generator=draw)
    with torch.no_grad():
        weights = weights_of(attention, hidden, key_of(attention, context))
        values = attention.to_v(context).unflatten(-1, (attention.heads, -1)).transpose(1, 2)
        output = attention.to_out[0]((weights @ values).transpose(1, 2).flatten(2))
        torch.testing.assert_close(output, attention(hidden, encoder_hidden_states=context), atol=1e-5, rtol=1e-4)


def test_the_rows_of_the_prompt_are_looked_into_and_no_others(pipeline: StepwisePipeline) -> None:
    """With company and without, the recording is the same, to what rounding does to rows."""
    alone_found, _ = written(recorded(pipeline))
    engine = engine_of(pipeline, 8)
    engine.add("other", asked(seed=9, prompt="a green leaf"))
    add(engine, "one", asked())
    found, _ = written(recording(run(engine)))
    assert found.attention is not None
    assert alone_found.attention is not None
    for one, other in zip(found.attention.blocks, alone_found.attention.blocks, strict=True):
        assert one.scales == pytest.approx(other.scales, rel=1e-3)
    for block, other_block in zip(found.blocks, alone_found.blocks, strict=True):
        assert block.mean_activation == pytest.approx(other_block.mean_activation, rel=1e-3)


def test_large_maps_are_averaged_until_they_fit(pipeline: StepwisePipeline) -> None:
    watch = Watch(pipeline.network, list(range(77)), 50, (64, 64))
    looking = [name for name, _ in pipeline.network.named_modules() if name.endswith("attn2")]
    draw = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        latents = torch.randn(1, 4, 64, 64, generator=draw)
        conditioning = Conditioning(torch.randn(1, 77, 32, generator=draw), None, torch.ones(1), [(watch,)])
        pipeline.denoise(latents, torch.ones(1), conditioning)
        watch.end_step()
    assert set(watch.attention) == {name.partition(".transformer_blocks")[0] for name in looking}
    assert 50 * sum(maps[0].numel() for maps in watch.attention.values()) <= 1.2 * MAX_MAPS_BYTES


def test_the_document_says_what_happened(pipeline: StepwisePipeline) -> None:
    found = recorded(pipeline)
    document, files = written(found)
    assert "".join(token.text for token in document.tokens if not token.is_special) == "aredapple"
    assert [token.position for token in document.tokens if token.is_special] == [0, len(document.tokens) - 1]
    assert [step.step for step in document.steps] == [0, 1, 2, 3]
    assert all(
        earlier.snr < later.snr for earlier, later in zip(document.schedule, document.schedule[1:], strict=False)
    )
    assert document.text is not None
    assert np.diag(np.array(document.text.similarities)) == pytest.approx(1, abs=1e-5)
    assert all(step.guidance is not None and -1 <= step.guidance.cosine <= 1 for step in document.steps)
    assert document.seconds.network == pytest.approx(sum(step.seconds for step in document.steps))
    assert document.seconds.total > document.seconds.network > 0
    sides = [block.shape[1] for block in document.blocks]
    assert document.blocks[0].name == "conv_in"
    assert document.blocks[-1].name == "conv_out"
    assert sides[0] == sides[-1] == 8
    assert min(sides) < 8
    assert {len(block.mean_activation) for block in document.blocks} == {4}
    assert set(files) == {"attention", "activations", "latents", "guidance", "autoencoder"}


def test_latents_are_those_of_the_steps(pipeline: StepwisePipeline) -> None:
    """Euler's last step ends where the estimate is, and each row of tiles has a column a step."""
    found = recorded(pipeline)
    assert found.latents is not None
    torch.testing.assert_close(found.steps[3].denoised, found.latents, atol=1e-5, rtol=1e-5)
    document, files = written(found)
    sprite = document.latents
    assert sprite is not None
    assert pixels(files["latents"]).shape == (2 * sprite.tile_height, 4 * sprite.tile_width, 3)
    assert pixels(files["guidance"]).shape == (3 * sprite.tile_height, 4 * sprite.tile_width, 3)
    mixed = np.tensordot(found.latents[0].numpy(), np.array(sprite.matrix), axes=(0, 1)) + np.array(sprite.offset)
    last = pixels(files["latents"])[sprite.tile_height :, -sprite.tile_width :]
    np.testing.assert_allclose(last, (mixed * 255).clip(0, 255), atol=1)


def test_guidance_is_the_difference_of_the_predictions(pipeline: StepwisePipeline) -> None:
    """A guided prediction lies on the line through both, so the estimate says how long their difference is."""
    found = recorded(pipeline, guidance_scale=3.0)
    document, _ = written(found)
    first, seen = document.steps[0], found.steps[0]
    assert first.guidance is not None
    assert seen.unprompted is not None
    here = seen.evaluation.here
    guided = (seen.latents - here.alpha * seen.denoised) / here.sigma
    assert (guided - seen.unprompted).norm().item() == pytest.approx(3 * first.guidance.norm, rel=1e-3)


def test_without_a_second_prediction_there_is_no_difference(pipeline: StepwisePipeline) -> None:
    document, files = written(recorded(pipeline, guidance_scale=1.0))
    assert document.guidance is None
    assert all(step.guidance is None for step in document.steps)
    assert "guidance" not in files


def test_what_is_not_asked_for_is_not_there(pipeline: StepwisePipeline) -> None:
    document, files = written(recorded(pipeline, TraceAsked(text=True)))
    assert document.text is not None
    assert (document.attention, document.latents, document.guidance, document.autoencoder) == (None,) * 4
    assert (document.blocks, files) == ([], {})


def test_the_round_trip_is_that_of_the_picture(pipeline: StepwisePipeline) -> None:
    found = recorded(pipeline)
    document, files = written(found)
    autoencoder, sheet = document.autoencoder, pixels(files["autoencoder"])
    assert autoencoder is not None
    assert autoencoder.shape == [4, 8, 8]
    assert autoencoder.compression == 64 * 64 * 3 / (8 * 8 * 4)
    parts = {
        tile.name: sheet[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] for tile in autoencoder.tiles
    }
    assert found.pixels is not None
    assert np.array_equal(parts["picture"], found.pixels)
    error = ((parts["picture"].astype(float) - parts["round_trip"]) ** 2).mean()
    assert autoencoder.psnr == pytest.approx(10 * np.log10(255**2 / error))
    assert [name for name in parts if name.startswith("channel")] == [f"channel_{number}" for number in range(4)]


def test_pictures_that_nobody_has_looked_at_are_not_shown(pipeline: StepwisePipeline) -> None:
    document, files = written(recorded(pipeline), withheld=True)
    assert (document.latents, document.guidance, document.autoencoder) == (None,) * 3
    assert set(files) == {"attention", "activations"}
    assert len(document.notes) == 1


class CannotEncode(Wrapped):
    """A pipeline whose autoencoder only decodes."""

    def encode_picture(self, picture: Tensor, generator: torch.Generator) -> Tensor:
        raise RuntimeError("no encoder")


def test_what_goes_wrong_in_a_recording_ends_no_picture(pipeline: StepwisePipeline) -> None:
    engine = engine_of(CannotEncode(pipeline))
    add(engine, "one", asked())
    events = run(engine)
    assert np.array_equal(pictures(events)["one"], alone(pipeline, asked()))
    document, _ = written(recording(events))
    assert document.autoencoder is None
    assert len(document.notes) == 1


class Compiled(Wrapped):
    """A pipeline whose network is said to be compiled: nobody looks into it."""

    @property
    def is_compiled(self) -> bool:
        return True


def test_a_compiled_network_is_left_as_it_is(pipeline: StepwisePipeline) -> None:
    found = recorded(Compiled(pipeline))
    document, files = written(found)
    assert (document.attention, document.activations, document.blocks) == (None, None, [])
    assert set(files) == {"latents", "guidance", "autoencoder"}
    assert len(document.notes) == 1
    assert found.pixels is not None
    assert np.array_equal(found.pixels, alone(pipeline, asked()))


class OfAnotherShape(Wrapped):
    """A pipeline whose latents are longer than its network's maps say."""

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        return self.inner.denoise(latents[:, :, :6], timesteps, conditioning).repeat(1, 1, 2, 1)[:, :, :8]


def test_a_network_that_cannot_be_watched_goes_on(pipeline: StepwisePipeline) -> None:
    """Places that are no grid of the latents' sides are noticed after the forward, and end the watch alone."""
    odd = OfAnotherShape(pipeline)
    found = recorded(odd)
    document, files = written(found)
    assert document.attention is None
    assert "attention" not in files
    assert len(document.notes) == 1
    assert found.pixels is not None
    assert np.array_equal(found.pixels, alone(odd, asked()))


def test_words_in_chunks_have_the_places_of_their_states(pipeline: StepwisePipeline) -> None:
    weighted = Lexicon(syntax="weighted")
    prompt = "a (red:1.3) apple BREAK a leaf"
    legend, length = legend_of(pipeline.readers[0], prompt, weighted), pipeline.readers[0].max_length
    first = [token for token in legend.tokens if token.position < length]
    second = legend.tokens[len(first) :]
    assert [token.position for token in first] == list(range(len(first)))
    assert [token.position for token in second] == list(range(length, length + len(second)))
    assert "".join(token.text for token in legend.tokens if token.weight == 1.3) == "red"
    assert "".join(token.text for token in second[1:-1]) == "aleaf"
    found, _ = written(recorded(pipeline, prompt=prompt, prompt_syntax="weighted"))
    assert found.attention is not None
    assert found.attention.tokens == len(legend.tokens)


@pytest.mark.parametrize(
    ("family", "trace"),
    [
        ("stable_diffusion_xl", EVERYTHING),
        ("stable_diffusion_3", TraceAsked(latents=True, guidance=True, autoencoder=True)),
        ("flux", TraceAsked(latents=True, autoencoder=True)),
    ],
)
def test_every_family_records_what_it_can(request: pytest.FixtureRequest, family: Family, trace: TraceAsked) -> None:
    fixture = {"stable_diffusion_xl": "xl_folder", "stable_diffusion_3": "sd3_folder", "flux": "flux_folder"}[family]
    folder: Path = request.getfixturevalue(fixture)
    pipeline = cpu_pipeline(folder, family)
    scheduler = "euler" if family == "stable_diffusion_xl" else "flow_match_euler"
    document, _ = written(recorded(pipeline, trace, scheduler=scheduler), family)
    assert document.latents is not None
    assert document.autoencoder is not None
    assert (document.guidance is not None) == trace.guidance
    assert (document.attention is not None) == trace.attention
    assert document.notes == []


def test_what_a_classifier_says_is_recorded() -> None:
    engine = Engine(Held({"tiny": Mixtures()}), sizes(4), classifiers=KNOWN)
    guidance = [{"kind": "classifier", "classifier": "latents", "label": "high", "scale": 1.0}]
    add(
        engine,
        "one",
        asked(prompt=BOTH, guidance=guidance, guidance_scale=None, scheduler="ddim"),
        TraceAsked(guidance=True),
    )
    document, _ = written(recording(run(engine)))
    said = [step.classifier for step in document.steps]
    assert all(one is not None and one.log_probability <= 0 and one.gradient_norm >= 0 for one in said)
