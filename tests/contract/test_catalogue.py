"""The catalogue: completing requests, and refusing what a model cannot do."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from contract.catalogue import Catalogue, read_catalogue
from contract.errors import (
    CatalogueInvalid,
    InvalidRequest,
    LimitExceeded,
    SafelightError,
    UnknownClassifier,
    UnknownLabel,
    UnknownModel,
    UnsupportedClassifier,
    UnsupportedScheduler,
)
from contract.request import MAX_SEED, CompleteRequest, GenerationRequest
from contract.rows import HubSource, LocalSource

LIMITS = """{ size_multiple = 8, min_size = 16, max_size = 256, max_num_inference_steps = 50, \
max_guidance_scale = 9.0, max_cost = 1000000 }"""

TEXT = """
default_model = "small"

[[models]]
id = "small"
family = "stable_diffusion"
source = { path = "weights/small" }
owned_by = "tests"
licence = "MIT"
created = 0
defaults = { height = 64, width = 96, num_inference_steps = 4, guidance_scale = 3.0, scheduler = "euler" }
limits = {LIMITS}
schedulers = ["euler", "ddim"]

[[models]]
id = "far"
family = "stable_diffusion_xl"
source = { hub = "somebody/something", revision = "0123456789" }
owned_by = "tests"
licence = "MIT"
created = 0
defaults = { height = 64, width = 64, num_inference_steps = 4, guidance_scale = 3.0, scheduler = "heun" }
limits = {LIMITS}
""".replace("{LIMITS}", LIMITS)


CLASSIFIERS = """
[[classifiers]]
id = "noisy"
kind = "latents"
models = ["small"]
source = { path = "weights/noisy" }
sha256 = "00"
owned_by = "tests"
licence = "MIT"
created = 0
labels = ["animals", "plants"]

[[classifiers]]
id = "clear"
kind = "pixels"
source = { hub = "somebody/else", revision = "0123456789" }
sha256 = "11"
owned_by = "tests"
licence = "MIT"
created = 0
labels = ["cat"]
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    (tmp_path / "models.toml").write_text(TEXT + CLASSIFIERS)
    return read_catalogue(tmp_path / "models.toml")


def test_paths_start_at_the_catalogue(catalogue: Catalogue, tmp_path: Path) -> None:
    assert catalogue.find("small").source == LocalSource(path=tmp_path / "weights/small")
    assert catalogue.find("far").source == HubSource(hub="somebody/something", revision="0123456789")
    assert catalogue.classifier("noisy").source == LocalSource(path=tmp_path / "weights/noisy")
    assert catalogue.classifier("clear").source == HubSource(hub="somebody/else", revision="0123456789")


def test_every_default_and_a_seed_are_filled_in(catalogue: Catalogue) -> None:
    complete = catalogue.resolve(GenerationRequest(prompt="a fox"))
    assert (complete.model, complete.height, complete.width) == ("small", 64, 96)
    assert (complete.num_inference_steps, complete.guidance_scale, complete.scheduler) == (4, 3.0, "euler")
    assert 0 <= complete.seed <= MAX_SEED


def test_what_is_given_stays(catalogue: Catalogue) -> None:
    asked = {"prompt": "x", "model": "far", "height": 32, "width": 40, "num_inference_steps": 7, "guidance_scale": 0.0}
    asked |= {
        "scheduler": "dpmpp_2m_karras",
        "seed": 0,
        "num_images": 3,
        "output_format": "webp",
        "metadata": {"a": "b"},
    }
    complete = catalogue.resolve(GenerationRequest.model_validate(asked))
    assert {name: getattr(complete, name) for name in asked} == asked


def test_a_complete_request_resolves_to_itself(catalogue: Catalogue) -> None:
    complete = catalogue.resolve(GenerationRequest(prompt="a fox"))
    assert catalogue.resolve(GenerationRequest.model_validate_json(complete.model_dump_json())) == complete


def test_seeds_of_images_are_consecutive_and_stay_in_range() -> None:
    fields = {"prompt": "x", "model": "m", "height": 8, "width": 8, "num_inference_steps": 1, "guidance_scale": 1.0}
    complete = CompleteRequest.model_validate(fields | {"scheduler": "euler", "seed": MAX_SEED, "num_images": 2})
    assert [complete.seed_of(index) for index in range(2)] == [MAX_SEED, 0]
    assert complete.of_image(1).of_image(0) == complete.of_image(1)


@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"model": "absent"}, UnknownModel, "model"),
        ({"scheduler": "heun"}, UnsupportedScheduler, "scheduler"),
        ({"height": 65}, LimitExceeded, "height"),
        ({"width": 8}, LimitExceeded, "width"),
        ({"width": 264}, LimitExceeded, "width"),
        ({"num_inference_steps": 51}, LimitExceeded, "num_inference_steps"),
        ({"guidance_scale": 9.1}, LimitExceeded, "guidance_scale"),
        ({"prompt": ""}, InvalidRequest, "prompt"),
        ({"height": 256, "width": 256, "num_images": 16}, LimitExceeded, "num_images"),
    ],
)
def test_what_a_model_cannot_do_is_refused_by_field(
    catalogue: Catalogue, changes: dict[str, object], error: type[SafelightError], field: str
) -> None:
    with pytest.raises(error) as raised:
        catalogue.resolve(GenerationRequest.model_validate({"prompt": "x"} | changes))
    assert raised.value.field == field


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "x" * 2001},
        {"num_images": 0},
        {"num_images": 17},
        {"num_images": 1.5},
        {"num_images": True},
        {"height": "64"},
        {"seed": -1},
        {"seed": MAX_SEED + 1},
        {"guidance_scale": float("nan")},
        {"guidance_scale": float("inf")},
        {"scheduler": "fastest"},
        {"output_format": "gif"},
        {"metadata": {"a": 1}},
        {"metadata": {"": "x"}},
        {"metadata": {str(n): "x" for n in range(17)}},
        {"surprise": 1},
    ],
)
def test_a_request_of_another_form_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        GenerationRequest.model_validate({"prompt": "x"} | changes)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('default_model = "small"', 'default_model = "absent"'),
        ('id = "far"', 'id = "small"'),
        ('family = "stable_diffusion"', 'family = "unknown"'),
        ('schedulers = ["euler", "ddim"]', 'schedulers = ["ddim"]'),
        ("created = 0", "created = 0\nsurprise = 1"),
        ("[[models]]", "[[models"),
        ('id = "clear"', 'id = "noisy"'),
        ('models = ["small"]', 'models = ["absent"]'),
        ('models = ["small"]', "models = []"),
        ('kind = "pixels"', 'kind = "pixels"\nmodels = ["small"]'),
        ('labels = ["cat"]', "labels = []"),
        ('sha256 = "11"', ""),
    ],
)
def test_a_catalogue_that_contradicts_itself_is_refused(tmp_path: Path, old: str, new: str) -> None:
    assert old in TEXT + CLASSIFIERS
    (tmp_path / "models.toml").write_text((TEXT + CLASSIFIERS).replace(old, new, 1))
    with pytest.raises(CatalogueInvalid):
        read_catalogue(tmp_path / "models.toml")


def test_a_classifier_steers_what_it_knows(catalogue: Catalogue) -> None:
    catalogue.classifier("noisy").check("plants", "small")
    catalogue.classifier("clear").check("cat", "far")


@pytest.mark.parametrize(
    ("asked", "error", "field"),
    [
        (("absent", "animals", "small"), UnknownClassifier, "guidance.0.classifier"),
        (("noisy", "cars", "small"), UnknownLabel, "guidance.0.label"),
        (("noisy", "Animals", "small"), UnknownLabel, "guidance.0.label"),
        (("noisy", "animals", "far"), UnsupportedClassifier, "guidance.0.classifier"),
    ],
)
def test_what_a_classifier_cannot_steer_is_refused_by_field(
    catalogue: Catalogue, asked: tuple[str, str, str], error: type[SafelightError], field: str
) -> None:
    classifier, label, model = asked
    with pytest.raises(error) as raised:
        catalogue.classifier(classifier, within="guidance.0.").check(label, model, within="guidance.0.")
    assert raised.value.field == field


def test_a_refused_label_names_those_on_offer(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownLabel, match="animals, plants"):
        catalogue.classifier("noisy").check("cars", "small")


def test_our_own_catalogue_can_be_read() -> None:
    assert read_catalogue(Path(__file__).parents[2] / "models.toml").default_model == "safelight-emoji"
