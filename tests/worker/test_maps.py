"""A model that was taught to map pictures is served as it was taught: from zeros, beside the picture, in one step."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from contract.catalogue import Catalogue, ModelSpec
from contract.editing import Size
from contract.errors import SafelightError
from contract.maps import Task
from contract.request import GenerationRequest
from contract.rows import LocalSource
from tests.worker.edits import IMAGE_ID, PICTURE, inputs
from tests.worker.engines import CPU, cpu_pipeline, engine_of, pictures, run, spec_of
from worker.fine_tuning.image_conditional import MapMaker, widened
from worker.images import Pixels, pixels_of
from worker.inputs import tensor_of
from worker.loading import folder_of, load_pipeline
from worker.maps import read_off
from worker.pipelines.stable_diffusion import StableDiffusion
from worker.rows import BroughtRows


@pytest.fixture(scope="module")
def unet(tmp_path_factory: pytest.TempPathFactory, v_prediction_folder: Path) -> Path:
    """A U-Net that takes a picture too, its new weights not those of the old ones."""
    network = widened(cpu_pipeline(v_prediction_folder).network)
    with torch.no_grad():
        network.conv_in.weight.add_(0.05 * torch.randn(network.conv_in.weight.shape))
    folder = tmp_path_factory.mktemp("taught") / "unet"
    network.save_pretrained(folder, safe_serialization=True)
    return folder


def row(base: Path, unet: Path, task: Task = "depth", begins_at: Any = "zeros", **changes: object) -> ModelSpec:
    spec = spec_of(base)
    fields = {
        "trained_for": "maps",
        "map": {"task": task, "begins_at": begins_at},
        "unet": {"path": unet},
        "defaults": spec.defaults.model_copy(
            update={"num_inference_steps": 1, "guidance_scale": 1.0, "scheduler": "ddim_trailing"}
        ),
    }
    return ModelSpec.model_validate(spec.model_dump() | fields | changes)


def served(spec: ModelSpec, picture: Pixels = PICTURE, **fields: object) -> Pixels:
    request = GenerationRequest.model_validate({"image": IMAGE_ID, "seed": 3} | fields)
    complete = spec.complete(request, {"image": Size(*picture.shape[:2])})
    engine = engine_of(load_pipeline(spec, CPU))
    engine.add("one", complete, inputs(picture))
    return pictures(run(engine))["one"]


def test_one_step_from_zeros_is_what_was_taught(v_prediction_folder: Path, unet: Path) -> None:
    spec = row(v_prediction_folder, unet)
    model = load_pipeline(spec, CPU)
    assert isinstance(model, StableDiffusion)
    with torch.inference_mode():
        beside = model.encode_picture(tensor_of(PICTURE), None)
        drawn = pixels_of(MapMaker.of(model).draw(beside, torch.zeros_like(beside), 1))
    found = served(spec)
    assert np.abs(found.astype(int) - read_off("depth", drawn)).max() <= 1
    assert (found == served(spec, seed=99)).all(), "nothing of it is random"


def test_what_begins_at_noise_depends_on_the_seed(v_prediction_folder: Path, unet: Path) -> None:
    spec = row(v_prediction_folder, unet, begins_at="noise")
    assert (served(spec, num_inference_steps=3) != served(spec, num_inference_steps=3, seed=99)).any()


def test_a_map_has_the_size_of_its_picture(v_prediction_folder: Path, unet: Path) -> None:
    picture = np.asarray(np.resize(PICTURE, (50, 90, 3)))
    assert served(row(v_prediction_folder, unet), picture, resize="stretch").shape == (50, 90, 3)


def test_depth_is_grey_and_normals_have_length_one(v_prediction_folder: Path, unet: Path) -> None:
    depth = served(row(v_prediction_folder, unet))
    assert (depth == depth[..., :1]).all()
    normals = served(row(v_prediction_folder, unet, task="normals")).astype(float) / 127.5 - 1
    assert np.abs(np.linalg.norm(normals, axis=-1) - 1).max() < 0.02
    drawn = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    assert (read_off("segmentation", drawn) == drawn).all()


def test_digests_are_those_of_the_parts_that_are_used(v_prediction_folder: Path, unet: Path) -> None:
    base, taught = cpu_pipeline(v_prediction_folder), load_pipeline(row(v_prediction_folder, unet), CPU)
    assert base.text_digest == taught.text_digest
    assert base.weights_digest != taught.weights_digest
    assert folder_of(row(v_prediction_folder, unet)) == folder_of(row(v_prediction_folder, unet))


def test_a_network_of_another_shape_in_the_place_of_the_bases(v_prediction_folder: Path, unet: Path) -> None:
    """A row without `map` whose U-Net is its own is a model like any other."""
    narrow = unet.parent.parent / "full" / "unet"
    cpu_pipeline(v_prediction_folder).network.save_pretrained(narrow, safe_serialization=True)
    spec = spec_of(v_prediction_folder).model_copy(update={"unet": LocalSource(path=narrow)})
    found, expected = load_pipeline(spec, CPU), cpu_pipeline(v_prediction_folder)
    assert found.num_extra_channels == 0
    assert all(
        torch.equal(one, expected.network.state_dict()[name]) for name, one in found.network.state_dict().items()
    )


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"prompt": "a fox"}, "prompt"),
        ({"negative_prompt": "a fox"}, "negative_prompt"),
        ({"strength": 0.5}, "strength"),
        ({"resize": "crop"}, "resize"),
        ({"image_guidance_scale": 2.0}, "image_guidance_scale"),
        ({"image": None}, "image"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_says_nothing_of_a_map_is_refused(
    v_prediction_folder: Path, unet: Path, fields: dict[str, object], field: str
) -> None:
    with pytest.raises(SafelightError) as refusal:
        served(row(v_prediction_folder, unet), **fields)
    assert refusal.value.field == field


def test_what_was_asked_for_can_be_asked_for_again(v_prediction_folder: Path, unet: Path) -> None:
    spec = row(v_prediction_folder, unet)
    sizes = {"image": Size(64, 64)}
    complete = spec.complete(GenerationRequest(image=IMAGE_ID), sizes)
    assert complete.num_steps == 1
    assert spec.complete(complete.again, sizes) == complete


def test_rows_for_maps_say_what_they_show(v_prediction_folder: Path, unet: Path) -> None:
    for changes in ({"map": None}, {"trained_for": "pictures"}):
        with pytest.raises(ValidationError, match="map is for rows"):
            row(v_prediction_folder, unet, **changes)


def test_a_row_that_was_brought_is_found_until_many_others_were(v_prediction_folder: Path, unet: Path) -> None:
    rows = BroughtRows(Catalogue(default_model="tiny", models=(spec_of(v_prediction_folder),)))
    taught = row(v_prediction_folder, unet, id="ft_" + "0" * 32)
    rows.bring(taught)
    assert rows.find(taught.id) == taught
    assert rows.find("tiny").id == "tiny"
    assert rows.checker_of(taught.id) is None
    for number in range(300):
        rows.bring(taught.model_copy(update={"id": f"ft_{number}"}))
    assert rows.find("ft_299").id == "ft_299"
    with pytest.raises(SafelightError):
        rows.find(taught.id)
