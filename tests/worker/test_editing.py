"""What edits keep, byte for byte, and what they change."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from contract.editing import Expand, Size
from contract.errors import InvalidMask
from contract.request import CompleteRequest
from tests.worker.edits import PICTURE, edit, inputs, made, masked, right_half
from tests.worker.engines import RecordsLatents, Wrapped, alone, asked, engine_of, pictures, run
from worker.masks import Mask, region
from worker.stepwise_pipeline import StepwisePipeline

METHODS = ["fast", "standard", "quality"]

MASKS = st.one_of(
    arrays.arrays(np.uint8, (64, 64), elements=st.integers(0, 255)),
    arrays.arrays(np.uint8, (64, 64), elements=st.sampled_from([0, 255]), fill=st.just(0)),
    st.tuples(*[st.integers(0, 63)] * 4).map(lambda box: rectangle(*box)),
).filter(lambda mask: mask.any() and not mask.all())


def rectangle(top: int, left: int, bottom: int, right: int) -> Mask:
    mask = np.zeros((64, 64), np.uint8)
    mask[min(top, bottom) : max(top, bottom) + 1, min(left, right) : max(left, right) + 1] = 255
    return mask


def assert_kept(result: np.ndarray, mask: Mask) -> None:
    assert np.array_equal(result[mask == 0], PICTURE[mask == 0])


@pytest.mark.parametrize("method", METHODS)
@given(mask=MASKS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pixels_outside_of_any_mask_are_kept(pipeline: StepwisePipeline, method: str, mask: Mask) -> None:
    result = made(pipeline, masked(inpaint_method=method, num_inference_steps=1), mask=mask)
    assert_kept(result, mask)
    assert not np.array_equal(result, PICTURE)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scheduler", ["ddim", "euler_ancestral"])
def test_every_method_keeps_and_changes(pipeline: StepwisePipeline, method: str, scheduler: str) -> None:
    result = made(pipeline, masked(inpaint_method=method, scheduler=scheduler), mask=right_half())
    assert_kept(result, right_half())
    assert np.abs(result[:, 32:].astype(int) - PICTURE[:, 32:]).mean() > 5


def test_methods_differ_and_seeds_decide(pipeline: StepwisePipeline) -> None:
    results = [made(pipeline, masked(inpaint_method=method, seed=seed), mask=right_half())
               for method in METHODS for seed in (1, 2)]  # fmt: skip
    assert len({result.tobytes() for result in results}) == len(results)
    again = made(pipeline, masked(inpaint_method="standard", seed=1), mask=right_half())
    assert np.array_equal(again, results[2])


def test_a_strength_map_keeps_what_is_black(pipeline: StepwisePipeline) -> None:
    mask = np.tile(np.linspace(0, 200, 64).astype(np.uint8), (64, 1))
    mask[:, :8] = 0
    assert_kept(made(pipeline, masked(mask_mode="strength"), mask=mask), mask)


def test_removing_keeps_the_rest(pipeline: StepwisePipeline) -> None:
    results = [
        made(pipeline, masked(prompt="", remove=True, inpaint_method="fast", guidance_scale=scale), mask=right_half())
        for scale in (1.0, 8.0)
    ]
    assert_kept(results[0], right_half())
    assert not np.array_equal(*results)


@pytest.mark.parametrize(
    "fields", [{}, {"strength": 1.0}, {"mask_padding": 0}, {"inpaint_method": "standard"}], ids=repr
)
def test_what_is_removed_leaves_no_trace(pipeline: StepwisePipeline, fields: dict[str, object]) -> None:
    """Pictures that differ under the mask alone become the same picture."""
    mask = rectangle(9, 13, 38, 50)
    other = np.where(mask[..., None] > 0, 255 - PICTURE, PICTURE)
    request = masked(prompt="", remove=True, **{"inpaint_method": "fast"} | fields)
    assert np.array_equal(*(made(pipeline, request, picture=shown, mask=mask) for shown in (PICTURE, other)))


def test_an_expanded_picture_has_the_old_one_inside(pipeline: StepwisePipeline) -> None:
    expand = Expand(left=16, top=8, right=0, bottom=24)
    result = made(pipeline, edit(expand=expand.model_dump(), inpaint_method="standard", height=96, width=80))
    assert result.shape == (96, 80, 3)
    assert np.array_equal(result[8:72, 16:80], PICTURE)


def test_an_expanded_picture_may_change_inside_too(pipeline: StepwisePipeline) -> None:
    request = masked(expand={"right": 16}, inpaint_method="fast", width=80)
    result = made(pipeline, request, mask=right_half())
    assert np.array_equal(result[:, :32], PICTURE[:, :32])
    assert not np.array_equal(result[:, 32:64], PICTURE[:, 32:])


# ---- a region of a picture, and latents of another size


def small_mask() -> Mask:
    mask = np.zeros((64, 64), np.uint8)
    mask[20:31, 40:53] = 255
    mask[31:34, 40:53] = 100
    return mask


@pytest.mark.parametrize(("padding", "size"), [(0, (64, 64)), (5, (32, 96)), (64, (96, 64))])
def test_a_region_is_painted_and_the_rest_kept(pipeline: StepwisePipeline, padding: int, size: tuple[int, int]) -> None:
    request = masked(mask_padding=padding, height=size[0], width=size[1])
    result = made(pipeline, request, mask=small_mask())
    assert result.shape == PICTURE.shape
    assert_kept(result, small_mask())
    assert np.abs(result.astype(int) - PICTURE)[small_mask() == 255].mean() > 5


def test_a_region_that_is_all_is_the_whole_picture(pipeline: StepwisePipeline) -> None:
    whole, region = (
        made(pipeline, masked(inpaint_method="fast", **changes), mask=small_mask())
        for changes in ({}, {"mask_padding": 64})
    )
    assert np.array_equal(whole, region)


@given(
    mask=MASKS,
    padding=st.integers(0, 70),
    height=st.integers(1, 9).map(lambda count: 8 * count),
    width=st.integers(1, 9).map(lambda count: 8 * count),
)
def test_a_region_has_the_mask_in_proportions(mask: Mask, padding: int, height: int, width: int) -> None:
    rows, columns = region(mask, padding, Size(height, width))
    assert mask[rows, columns].sum() == mask.sum()
    assert 0 <= rows.start < rows.stop <= 64
    assert 0 <= columns.start < columns.stop <= 64
    sides = rows.stop - rows.start, columns.stop - columns.start
    if max(sides) < 64:
        assert abs(sides[0] * width - sides[1] * height) <= max(height, width)


def test_stretched_latents_are_the_picture_in_its_own_size_and_not_its_pixels_in_another(
    pipeline: StepwisePipeline,
) -> None:
    assert np.array_equal(made(pipeline, edit(resize="latents")), made(pipeline, edit()))
    latents, pixels = (
        made(pipeline, edit(resize=resize, strength=0.3, height=96, width=128)) for resize in ("latents", "stretch")
    )
    assert latents.shape == pixels.shape == (96, 128, 3)
    assert not np.array_equal(latents, pixels)


# ---- strengths


def test_more_strength_leaves_the_picture_further(pipeline: StepwisePipeline) -> None:
    latents = RecordsLatents(pipeline)
    distances = []
    for strength in (0.1, 0.4, 0.7, 1.0):
        made(latents, edit(strength=strength, num_inference_steps=10, scheduler="ddim"))
        distances.append((latents.decoded[-1] - latents.decoded[0]).abs().mean().item())
    assert distances == sorted(distances)
    assert distances[-1] > 0


def test_whole_strength_over_noise_forgets_the_picture(other_pipeline: StepwisePipeline) -> None:
    """The other model's first level is noise alone, so what is painted over it is what is painted over nothing.

    An autoencoder with a deviation draws before the noise is drawn, so the noise is another one: nothing of the two
    pictures is left, and both results are equal.
    """
    request = edit(strength=1.0, scheduler="ddim")
    assert np.array_equal(made(other_pipeline, request), made(other_pipeline, request, picture=255 - PICTURE))


@pytest.mark.parametrize("scheduler", ["euler", "ddim", "heun"])
@pytest.mark.parametrize("grey", [100, 200])
def test_an_even_strength_map_is_that_strength(pipeline: StepwisePipeline, scheduler: str, grey: int) -> None:
    even = np.full((64, 64), grey, np.uint8)
    request = {"num_inference_steps": 10, "scheduler": scheduler}
    by_map = made(pipeline, masked(mask_mode="strength", strength=0.9, **request), mask=even)
    plain = made(pipeline, edit(strength=0.9 * float(np.float32(grey) / 255), **request))
    assert np.array_equal(by_map, plain)


def test_a_strength_map_changes_more_where_it_is_lighter(pipeline: StepwisePipeline) -> None:
    latents = RecordsLatents(pipeline)
    mask = np.repeat(np.array([40, 100, 170, 250], np.uint8), 16)
    made(latents, masked(mask_mode="strength", num_inference_steps=20), mask=np.tile(mask, (64, 1)))
    made(latents, edit(strength=0.01, num_inference_steps=20))
    changes = (latents.decoded[0] - latents.decoded[1]).abs().mean(dim=(0, 1, 2)).view(4, 2).mean(dim=1).tolist()
    assert changes == sorted(changes)


def test_grey_fades_out_inside_the_mask(pipeline: StepwisePipeline) -> None:
    hard, soft = right_half(), right_half() // 4
    full, faint = (
        made(pipeline, masked(inpaint_method="fast"), mask=mask).astype(int) - PICTURE for mask in (hard, soft)
    )
    assert np.abs(faint * 255 - full * soft[..., None].astype(int)).max() <= 255


# ---- what it costs


class CountsRows(Wrapped):
    """A pipeline that counts the rows of its network."""

    num_calls = 0

    def denoise(self, *args: object) -> object:
        self.num_calls += 1
        return super().denoise(*args)


@pytest.mark.parametrize(("method", "times"), [("fast", 1), ("standard", 5)])
def test_standard_makes_every_step_again(pipeline: StepwisePipeline, method: str, times: int) -> None:
    counting = CountsRows(pipeline)
    made(counting, masked(inpaint_method=method, num_inference_steps=6, strength=0.5), mask=right_half())
    assert counting.num_calls == 3 * times


def test_enlarging_makes_a_larger_picture(pipeline: StepwisePipeline) -> None:
    assert made(pipeline, edit(upscale=2, strength=0.3, height=128, width=128)).shape == (128, 128, 3)


def test_what_a_model_cannot_draw_is_resampled_and_said(pipeline: StepwisePipeline) -> None:
    engine = engine_of(pipeline)
    (warning,) = engine.add("one", edit(upscale=4, strength=0.3, height=128, width=128), inputs())
    assert "128 × 128" in warning
    assert "256 × 256" in warning
    assert pictures(run(engine))["one"].shape == (256, 256, 3)


@pytest.mark.parametrize("how", ["stretch", "crop", "pad"])
def test_a_picture_is_brought_to_a_size(pipeline: StepwisePipeline, how: str) -> None:
    wide = np.concatenate([PICTURE, PICTURE], axis=1)
    mask = right_half(128)
    result = made(pipeline, masked(resize=how, inpaint_method="fast"), picture=wide, mask=mask)
    assert result.shape == (64, 64, 3)
    if how == "crop":
        assert np.array_equal(result[:, :32], wide[:, 32:64])


# ---- company


def company() -> list[tuple[CompleteRequest, Mask | None]]:
    return [
        (masked(inpaint_method="standard", scheduler="ddim"), right_half()),
        (masked(inpaint_method="quality"), right_half()),
        (masked(prompt="", remove=True, inpaint_method="fast"), rectangle(8, 8, 40, 40)),
        (masked(mask_mode="strength"), right_half() // 2 + 60),
        (edit(strength=0.5, scheduler="euler_ancestral"), None),
        (asked(seed=11, scheduler="heun"), None),
    ]


def test_edits_do_not_depend_on_company(pipeline: StepwisePipeline) -> None:
    engine = engine_of(pipeline, 4)
    for index, (request, mask) in enumerate(company()):
        engine.add(str(index), request, inputs(mask=mask))
    together = pictures(run(engine))
    for index, (request, mask) in enumerate(company()):
        expected = alone(pipeline, request, 4) if request.image is None else made(
            pipeline, request, mask=mask, buckets=(4,)
        )  # fmt: skip
        assert np.array_equal(together[str(index)], expected), index


# ---- masks that are no masks


@pytest.mark.parametrize(
    ("mask", "problem"),
    [
        (np.zeros((64, 64), np.uint8), "black"),
        (np.full((64, 64), 255, np.uint8), "white"),
        (right_half(48), "64 × 48"),
    ],
)
def test_masks_that_select_nothing_are_refused(pipeline: StepwisePipeline, mask: Mask, problem: str) -> None:
    engine = engine_of(pipeline)
    with pytest.raises(InvalidMask, match=problem) as refused:
        engine.add("one", masked(inpaint_method="fast"), inputs(mask=mask))
    assert refused.value.field == "mask"
    assert not engine.has_work
