"""Whatever is made has a receipt that says what it was made with, and is the same file every time."""

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contract.catalogue import Catalogue, read_catalogue
from contract.receipt_keys import PrivateKey
from contract.receipts import Receipt, SignedReceipt
from contract.request import OutputFormat
from contract.sealed_files import parted, pixels_digest
from contract.versions import SAFELIGHT
from tests.pictures import pixels_of
from tests.receipts import FORMATS
from tests.system.installation import ROOT
from tests.worker.engines import asked
from worker.certificate import Certificate, Setting
from worker.digests import Ingredients
from worker.events import Picture
from worker.images import read_request, read_texts
from worker.notary import VERSIONS, Notary

KEY = PrivateKey(Ed25519PrivateKey.generate())
SETTING = Setting("cpu", "float32", "float32", "float32", "contiguous", 1, False, "2.13.0")
CERTIFICATE = Certificate("tiny", 96, 160, SETTING, (2, 4), (0.1, 0.2), weights_sha256="weights")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue(ROOT / "models.toml")


@pytest.fixture
def notary(catalogue: Catalogue) -> Notary:
    return Notary(KEY, catalogue)


@pytest.fixture
def picture() -> Picture:
    import numpy as np

    pixels = np.random.default_rng(0).integers(0, 256, (96, 160, 3), dtype=np.uint8)
    return Picture(pixels, CERTIFICATE, Ingredients("text", "weights", {"gilded": "adapter"}))


def receipt_in(content: bytes) -> Receipt:
    text = parted(content).receipt
    assert text is not None
    signed = SignedReceipt.read(text)
    assert signed.holds(KEY.public)
    return signed.receipt


@pytest.mark.parametrize("output_format", FORMATS)
def test_a_receipt_says_what_was_made_and_with_what(
    notary: Notary, picture: Picture, output_format: OutputFormat
) -> None:
    request = asked(output_format=output_format, metadata={"order": "4²"})
    content = notary.file(picture, picture.pixels, request, {"file_1": b"bytes"})
    receipt = receipt_in(content)
    assert receipt.request == request
    assert receipt.content_sha256 == hashlib.sha256(parted(content).bare).hexdigest()
    assert receipt.pixels_sha256 == pixels_digest(*pixels_of(content))
    assert (receipt.weights_sha256, receipt.text_sha256) == ("weights", "text")
    assert receipt.files == {"file_1": hashlib.sha256(b"bytes").hexdigest(), "gilded": "adapter"}
    assert receipt.versions == VERSIONS
    assert receipt.certificate is not None
    assert receipt.certificate["digest"] == CERTIFICATE.digest
    assert read_request(content) == request
    assert "safelight-certificate" in read_texts(content)


def test_classifiers_that_were_followed_are_named(notary: Notary, picture: Picture, catalogue: Catalogue) -> None:
    guidance = [{"kind": "classifier", "classifier": "emoji-groups", "label": "animals", "scale": 1.0}]
    receipt = receipt_in(notary.file(picture, picture.pixels, asked(guidance=guidance), {}))
    assert receipt.files["emoji-groups"] == catalogue.classifier("emoji-groups").sha256


@pytest.mark.parametrize("output_format", FORMATS)
def test_the_same_picture_is_the_same_file(notary: Notary, picture: Picture, output_format: OutputFormat) -> None:
    request = asked(output_format=output_format)
    assert notary.file(picture, picture.pixels, request, {}) == notary.file(picture, picture.pixels, request, {})


@pytest.mark.parametrize("output_format", FORMATS)
def test_the_largest_request_is_in_the_receipt(notary: Notary, picture: Picture, output_format: OutputFormat) -> None:
    metadata = {f"key {index}": "🍎" * 512 for index in range(16)}
    request = asked(prompt="🍎" * 2000, output_format=output_format, metadata=metadata)
    assert receipt_in(notary.file(picture, picture.pixels, request, {})).request == request


def test_a_certificate_of_other_weights_is_another_certificate() -> None:
    other = Certificate("tiny", 96, 160, SETTING, (2, 4), (0.1, 0.2), weights_sha256="others")
    assert other.digest != CERTIFICATE.digest


def test_the_version_is_that_of_the_project() -> None:
    import tomllib

    project = tomllib.loads(Path(ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == SAFELIGHT
