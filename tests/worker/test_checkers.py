"""Checkers say of pictures what their own libraries do, and no picture that they flag gets out against the policy."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessorPil

from contract.catalogue import Catalogue, read_catalogue
from contract.classifier_specs import CheckerSpec
from contract.errors import CatalogueInvalid, ModelUnavailable
from contract.receipt_keys import PrivateKey
from contract.receipts import SignedReceipt
from contract.rows import LocalSource
from contract.safety import Finding, SafetyPolicy
from contract.sealed_files import parted, pixels_digest
from tests.pictures import pixels_of
from tests.system.installation import ROOT
from tests.worker.engines import CPU, asked, spec_of
from worker.checkers import load_checker
from worker.events import Picture
from worker.finishing import Finishing
from worker.images import Pixels
from worker.messages import Failed, ImageFinished
from worker.notary import Notary
from worker.phases import Phases
from worker.screening import Screening, blurred

PIXELS = ROOT / "models/classifiers/emoji-groups-pixels"
USUAL = {"owned_by": "tests", "licence": "none", "created": 0}


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def groups(**changes: Any) -> CheckerSpec:
    """The embedded classifier as a checker."""
    row = {
        "id": "groups",
        "kind": "image_classification",
        "source": LocalSource(path=PIXELS),
        "sha256": digest(PIXELS / "model.safetensors"),
        "flags": {"animals": 0.5, "smileys": 0.5},
    }
    return CheckerSpec.model_validate(USUAL | row | changes)


@pytest.fixture(scope="module")
def stable_diffusion(tmp_path_factory: pytest.TempPathFactory) -> CheckerSpec:
    """A tiny checker in the layout of Stable Diffusion's pipelines."""
    folder = tmp_path_factory.mktemp("pipeline")
    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**small, "image_size": 32, "patch_size": 8, "projection_dim": 12}
    checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, projection_dim=12))
    for concepts in (checker.concept_embeds, checker.special_care_embeds):
        torch.nn.init.normal_(concepts)
    checker.concept_embeds_weights.data = torch.linspace(0.3, 0.6, 17)
    checker.special_care_embeds_weights.data = torch.tensor([0.2, 0.25, 0.3])
    checker.save_pretrained(folder / "safety_checker")
    size = {"shortest_edge": 32}
    CLIPImageProcessorPil(size=size, crop_size=32).save_pretrained(folder / "feature_extractor")
    return CheckerSpec.model_validate(
        USUAL
        | {
            "id": "safety",
            "kind": "stable_diffusion",
            "source": LocalSource(path=folder),
            "sha256": digest(folder / "safety_checker/model.safetensors"),
        }
    )


def random(seed: int, height: int = 32, width: int = 32) -> Pixels:
    drawn: Pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return drawn


def test_a_classifier_flags_from_its_threshold_on() -> None:
    score = load_checker(groups(flags={"animals": 0.5}), CPU).find(random(1, 128, 128)).score
    assert 0 < score < 1
    for threshold, flagged in ((score - 0.001, True), (score + 0.001, False)):
        found = load_checker(groups(flags={"animals": threshold}), CPU).find(random(1, 128, 128))
        assert found == Finding(checker="groups", flagged=flagged, label="animals", score=score)


def test_the_label_furthest_above_its_threshold_is_named() -> None:
    low = load_checker(groups(flags={"animals": 1.0, "smileys": 1e-9}), CPU).find(random(1, 128, 128))
    assert (low.label, low.flagged) == ("smileys", True)


def test_diffusers_own_checker_flags_what_diffusers_flags(stable_diffusion: CheckerSpec) -> None:
    assert isinstance(stable_diffusion.source, LocalSource)
    folder = stable_diffusion.source.path
    theirs = StableDiffusionSafetyChecker.from_pretrained(folder / "safety_checker")
    processor = CLIPImageProcessorPil.from_pretrained(folder / "feature_extractor")
    ours = load_checker(stable_diffusion, CPU)
    flags = []
    for seed in range(24):
        pixels = random(seed)
        seen = processor(Image.fromarray(pixels), return_tensors="pt").pixel_values
        _, [flagged] = theirs(clip_input=seen, images=[np.zeros((1, 1, 3))])
        assert ours.find(pixels).flagged == flagged
        flags.append(flagged)
    assert {True, False} == set(flags), "the test would see no difference"


def test_weights_and_labels_that_are_not_those_of_the_catalogue_are_refused() -> None:
    with pytest.raises(ModelUnavailable, match="SHA-256"):
        load_checker(groups(sha256="0"), CPU)
    with pytest.raises(ModelUnavailable, match="nudity"):
        load_checker(groups(flags={"nudity": 0.5}), CPU)


# ---- what becomes of pictures


KEY = PrivateKey(Ed25519PrivateKey.generate())


class Says:
    """A checker that has made up its mind, and counts how often it is asked."""

    def __init__(self, flagged: bool | None) -> None:
        self.flagged = flagged
        self.asked = 0

    def find(self, pixels: Pixels) -> Finding:
        self.asked += 1
        if self.flagged is None:
            raise ValueError("no number")
        return Finding(checker="groups", flagged=self.flagged, label="animals", score=0.9)


@pytest.fixture
def catalogue() -> Catalogue:
    spec = spec_of(PIXELS).model_copy(update={"checker": "groups"})
    other = spec.model_copy(update={"id": "other", "checker": None})
    return Catalogue(default_model=spec.id, models=(spec, other), checkers=(groups(),))


Finish = Callable[[SafetyPolicy, Any], Finishing]


@pytest.fixture
def finish(catalogue: Catalogue) -> Finish:
    return lambda policy, says: Finishing(
        Screening(catalogue, lambda _: says, policy), Notary(KEY, catalogue), catalogue
    )


def made(finishing: Finishing, picture: Picture, **changes: object) -> ImageFinished | Failed:
    return finishing.image("execution", 0, picture, request=asked(**changes), inputs={}, phases=Phases())


def test_what_is_not_flagged_is_shown_as_it_is(finish: Finish) -> None:
    pixels = random(0, 64, 64)
    for policy in ("allow", "blur", "refuse"):
        message = made(finish(policy, Says(False)), Picture(pixels))
        assert isinstance(message, ImageFinished)
        assert pixels_of(message.encoded)[2] == pixels.tobytes()
        assert message.finding == Finding(checker="groups", flagged=False, label="animals", score=0.9)


def test_what_is_flagged_is_allowed_blurred_or_refused(finish: Finish) -> None:
    pixels = random(0, 64, 64)
    allowed = made(finish("allow", Says(True)), Picture(pixels))
    assert isinstance(allowed, ImageFinished)
    assert allowed.finding is not None
    assert (allowed.finding.flagged, allowed.finding.blurred) == (True, False)
    assert pixels_of(allowed.encoded)[2] == pixels.tobytes()
    hidden = made(finish("blur", Says(True)), Picture(pixels))
    assert isinstance(hidden, ImageFinished)
    assert hidden.finding is not None
    assert (hidden.finding.flagged, hidden.finding.blurred) == (True, True)
    assert pixels_of(hidden.encoded)[2] == blurred(pixels).tobytes()
    receipt = SignedReceipt.read(str(parted(hidden.encoded).receipt)).receipt
    assert (receipt.changes, receipt.pixels_sha256) == (("blur",), pixels_digest(64, 64, blurred(pixels).tobytes()))
    refused = made(finish("refuse", Says(True)), Picture(pixels))
    assert isinstance(refused, Failed)
    assert (refused.failure.code, refused.failure.retryable) == ("picture_refused", False)
    assert refused.failure.message.endswith("groups found animals in it, with 0.9.")


def test_nothing_is_left_of_a_blurred_picture_but_patches() -> None:
    board = np.indices((96, 64)).sum(axis=0) // 4 % 2 * 255
    picture = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
    assert blurred(picture).shape == picture.shape
    assert blurred(picture).std() < picture.std() / 20


def test_one_picture_is_looked_at_once(finish: Finish) -> None:
    """Whoever asks for a picture that is remembered, or in flight for somebody else, is given the same verdict."""
    says, picture = Says(True), Picture(random(0, 64, 64))
    finishing = finish("refuse", says)
    assert {type(made(finishing, picture)) for _ in range(3)} == {Failed}
    assert says.asked == 1
    made(finishing, Picture(picture.pixels))
    assert says.asked == 2


def test_a_checker_that_cannot_say_lets_nothing_out(finish: Finish, catalogue: Catalogue) -> None:
    failed = made(finish("allow", Says(None)), Picture(random(0)))
    assert isinstance(failed, Failed)
    assert failed.failure.code == "generation_failed"

    def missing(spec: CheckerSpec) -> Any:
        raise ModelUnavailable("There is no such folder.")

    away = Finishing(Screening(catalogue, missing, "allow"), Notary(KEY, catalogue), catalogue)
    message = made(away, Picture(random(0)))
    assert isinstance(message, Failed)
    assert message.failure.code == "model_unavailable"


def test_only_the_models_that_name_it_are_looked_at(finish: Finish) -> None:
    says = Says(True)
    finishing = finish("refuse", says)
    message = made(finishing, Picture(random(0)), model="other")
    assert isinstance(message, ImageFinished)
    assert (message.finding, says.asked) == (None, 0)
    assert not finishing.withholds_previews("other")
    assert finishing.withholds_previews("tiny")
    assert not finish("allow", says).withholds_previews("tiny")


# ---- the catalogue


ROW = """
[[checkers]]
id = "groups"
kind = "image_classification"
source = {{ path = "models/classifiers/emoji-groups-pixels" }}
sha256 = "1a51"
owned_by = "tests"
licence = "MIT"
created = 0
{rest}
"""


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ("", "flags are what image_classification has"),
        ("flags = { animals = 0.0 }", "more than 0"),
        ("flags = { animals = 1.5 }", "at most 1"),
        ("flags = { animals = 0.5 }\nother = 1", "Extra inputs"),
    ],
)
def test_a_row_that_means_nothing_is_refused(tmp_path: Path, rest: str, why: str) -> None:
    file = tmp_path / "models.toml"
    file.write_text((ROOT / "models.toml").read_text() + ROW.format(rest=rest))
    with pytest.raises(CatalogueInvalid, match=why):
        read_catalogue(file)


def test_a_model_names_a_checker_that_is_there(tmp_path: Path) -> None:
    text = (ROOT / "models.toml").read_text()
    file = tmp_path / "models.toml"
    file.write_text(text.replace('family = "stable_diffusion"', 'family = "stable_diffusion"\nchecker = "groups"', 1))
    with pytest.raises(CatalogueInvalid, match="checkers that are not there: groups"):
        read_catalogue(file)
    file.write_text(file.read_text() + ROW.format(rest="flags = { animals = 0.5 }"))
    found = read_catalogue(file).checker_of("safelight-emoji")
    assert found is not None
    assert json.loads(found.model_dump_json())["flags"] == {"animals": 0.5}
