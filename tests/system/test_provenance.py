"""Pictures of the whole service are checked, and made again to the byte; an old key stays good after a new one."""

import hashlib
import io
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from PIL import Image

from contract.receipt_keys import ReceiptKeys
from contract.receipts import SignedReceipt
from contract.replays import Replay
from contract.request import GenerationRequest
from contract.sealed_files import parted
from contract.terms import Terms
from tests.certificates import make_signer
from tests.conftest import complete_request
from tests.pictures import chunk
from tests.system.installation import ROOT, Installation
from tests.system.launched import Launched
from tests.waiting import wait_until

FAST = {"num_inference_steps": 2, "height": 64, "width": 64}


@pytest.fixture
def http(service: Launched) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.address, timeout=90) as client:
        yield client


def made(http: httpx.Client, **fields: Any) -> bytes:
    """The file of a picture."""
    job = ended(http, http.post("/v1/generations", json=FAST | fields))
    return http.get(job["images"][0]["url"]).content


def made_again(http: httpx.Client, content: bytes) -> dict[str, Any]:
    """What a replay has come to."""
    return dict(ended(http, http.post("/v1/replay", files={"file": content}))["replay"])


def ended(http: httpx.Client, accepted: httpx.Response) -> dict[str, Any]:
    """The accepted job when it has succeeded."""
    assert accepted.status_code == 202, accepted.text
    path = f"/v1/jobs/{accepted.json()['id']}"
    return wait_until(lambda: _succeeded(http.get(path).json()), 100)


def _succeeded(job: dict[str, Any]) -> dict[str, Any] | None:
    assert job["status"] in ("queued", "running", "succeeded"), job
    return job if job["status"] == "succeeded" else None


ASKED: dict[str, dict[str, Any]] = {
    "png": {"prompt": "a red apple", "seed": 7},
    "jpeg": {"prompt": "a fox", "output_format": "jpeg", "seed": 8, "scheduler": "heun"},
    "webp": {"prompt": "a car", "output_format": "webp", "adapters": [{"id": "gilded", "scale": 0.8}]},
    "guided": {
        "prompt": "",
        "guidance": {"kind": "classifier", "classifier": "emoji-groups", "label": "animals", "scale": 5},
    },
}


@pytest.mark.parametrize("kind", ASKED)
def test_a_picture_is_valid_and_is_made_again_to_the_byte(http: httpx.Client, kind: str) -> None:
    content = made(http, **ASKED[kind])
    found = http.post("/v1/verify", files={"file": content}).json()
    assert (found["status"], found["receipt"]["request"]["prompt"]) == ("valid", ASKED[kind]["prompt"])
    assert set(found["receipt"]["files"]) == {"webp": {"gilded"}, "guided": {"emoji-groups"}}.get(kind, set())
    replay = made_again(http, content)
    assert (replay["agrees"], replay["pixels_agree"], replay["differences"]) == (True, True, [])


def test_a_picture_made_from_another_is_made_again(http: httpx.Client) -> None:
    first = ended(http, http.post("/v1/generations", json=FAST | {"prompt": "a dog", "seed": 1}))
    content = made(http, prompt="a cat", image=first["images"][0]["id"], strength=0.6)
    receipt = http.post("/v1/verify", files={"file": content}).json()["receipt"]
    assert list(receipt["files"]) == [receipt["request"]["image"]]
    assert made_again(http, content)["agrees"] is True


def test_a_picture_that_was_changed_is_made_again_and_does_not_agree(http: httpx.Client) -> None:
    content = made(http, prompt="a red apple", seed=7)
    with Image.open(io.BytesIO(content)) as picture:
        assert http.post("/v1/verify", files={"file": _saved(picture)}).json()["status"] == "unsigned"
    changed = _with_another_seed(content)
    found = http.post("/v1/verify", files={"file": changed}).json()
    assert (found["status"], found["receipt"]["request"]["seed"]) == ("resaved", 7), "the text is not what is signed"
    replay = made_again(http, changed)
    assert (replay["agrees"], replay["pixels_agree"]) == (False, True)


def _with_another_seed(content: bytes) -> bytes:
    """The file with another word in its text, where anybody can write."""
    start = content.index(b"iTXtsafelight\0") - 4
    body = content[start + 8 : start + 8 + int.from_bytes(content[start : start + 4])]
    assert b'"seed":7' in body
    return content.replace(chunk(b"iTXt", body), chunk(b"iTXt", body.replace(b'"seed":7', b'"seed":8')))


def _saved(picture: Image.Image) -> bytes:
    output = io.BytesIO()
    picture.save(output, "PNG")
    return output.getvalue()


async def test_after_a_new_key_the_old_one_is_known_and_the_pixels_agree(
    installation: Installation, tmp_path: Path
) -> None:
    old = installation.start_worker()
    content = await _picture(installation)
    _stop(old)
    installation.start_worker(SAFELIGHT_RECEIPT_KEY=str(tmp_path / "new.pem"))
    signed = SignedReceipt.read(str(parted(content).receipt))
    replay = Replay(of="of", signed_sha256="other bytes", made=signed.receipt.made)
    job_id = await _admitted(installation, Terms(replay=replay, no_store=True))
    image = (await installation.until(job_id, "succeeded")).images[0]
    assert image.replayed is not None
    assert (image.replayed.bytes_agree, image.replayed.pixels_agree) == (False, True)
    known = await ReceiptKeys(installation.connection).all()
    new = SignedReceipt.read(str(parted(await installation.artifacts.get(image.storage_key)).receipt))
    assert signed.key_id != new.key_id
    assert all(one.holds(known[one.key_id]) for one in (signed, new))
    assert json.loads(json.dumps(signed.receipt.certificate)) == new.receipt.certificate


def test_every_command_of_the_page_on_provenance_works(service: Launched, tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/provenance.md").read_text(), re.DOTALL)
    script = "".join(blocks).replace("http://localhost:8000", service.address)
    bash = ["bash", "-euo", "pipefail", "-c", script]
    run = subprocess.run(bash, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stderr
    assert '"error":{' not in run.stdout, run.stdout
    assert '"status":"valid"' in run.stdout
    assert '"crv":"Ed25519"' in run.stdout


async def test_with_a_certificate_pictures_have_manifests_and_agree_below_them(
    installation: Installation, tmp_path: Path
) -> None:
    signer = make_signer(tmp_path)
    installation.start_worker(SAFELIGHT_C2PA_CERTIFICATE=str(signer.chain), SAFELIGHT_C2PA_KEY=str(signer.key))
    content = await _picture(installation)
    parts = parted(content)
    receipt = SignedReceipt.read(str(parts.receipt)).receipt
    assert (parts.has_manifest, receipt.c2pa) == (True, True)
    digest = hashlib.sha256(parts.signed).hexdigest()
    terms = Terms(replay=Replay(of="of", signed_sha256=digest, made=receipt.made), no_store=True)
    image = (await installation.until(await _admitted(installation, terms), "succeeded")).images[0]
    assert image.replayed is not None
    assert (image.replayed.bytes_agree, image.replayed.differences) == (True, ())
    assert await installation.artifacts.get(image.storage_key) != content, "a manifest is another each time"


async def test_a_worker_with_half_a_certificate_does_not_start(installation: Installation, tmp_path: Path) -> None:
    worker = installation.start_worker(SAFELIGHT_C2PA_KEY=str(tmp_path / "key.pem"))
    assert worker.wait(30) == 1
    assert (
        "safelight: SAFELIGHT_C2PA_CERTIFICATE and SAFELIGHT_C2PA_KEY are both needed" in installation.log.read_text()
    )


def _stop(worker: psutil.Process) -> None:
    worker.terminate()
    worker.wait(20)


async def _picture(installation: Installation) -> bytes:
    job = await installation.until(await _admitted(installation, Terms()), "succeeded")
    return await installation.artifacts.get(job.images[0].storage_key)


async def _admitted(installation: Installation, terms: Terms) -> str:
    request = GenerationRequest(prompt="a red apple")
    return (await installation.jobs.admit(request, complete_request(), terms, max_queued=9)).job.id


async def test_a_worker_without_a_good_key_does_not_start(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "words.pem").write_text("words")
    worker = installation.start_worker(SAFELIGHT_RECEIPT_KEY=str(tmp_path / "words.pem"))
    assert worker.wait(30) == 1
    said = installation.log.read_text()
    assert f"safelight: {tmp_path / 'words.pem'}, the key that signs receipts, cannot be read" in said
    assert "Traceback" not in said
