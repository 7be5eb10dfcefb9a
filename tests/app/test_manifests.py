"""C2PA manifests: written last, found again, told from those that do not hold, and missed where they are gone."""

import subprocess
import sys
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import c2pa
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from PIL import Image

from app.settings import AppSettings
from contract.receipt_keys import ReceiptKeys
from contract.request import OutputFormat
from contract.sealed_files import parted, with_receipt
from contract.settings import SettingError
from contract.store_connection import StoreConnection
from tests.app.conftest import ROOT, client_of
from tests.certificates import Signed, make_signer
from tests.pictures import chunk, encoded, pixels_of
from tests.receipts import FORMATS, KEY, bare_file, sealed_file
from worker.manifests import GENERATED, ManifestWriter, manifest_writer
from worker.settings import WorkerSettings


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return make_signer(tmp_path_factory.mktemp("signer"))


@pytest.fixture(scope="module")
def writer(signer: Signed) -> ManifestWriter:
    made = manifest_writer(WorkerSettings(c2pa_certificate=signer.chain, c2pa_key=signer.key))
    assert made is not None
    return made


@pytest.fixture
async def client(
    settings: AppSettings, signer: Signed, connection: StoreConnection
) -> AsyncIterator[httpx.AsyncClient]:
    """Of a service that trusts the tests' authority."""
    await ReceiptKeys(connection).announce(KEY.public)
    async with client_of(settings.model_copy(update={"c2pa_trust": signer.authority})) as client:
        yield client


def published(writer: ManifestWriter, output_format: OutputFormat = "png") -> bytes:
    """A file as a worker with this certificate writes it."""
    return writer.written(sealed_file(output_format, c2pa=True), f"image/{output_format}")


async def verified(client: httpx.AsyncClient, content: bytes) -> tuple[str, dict[str, object]]:
    found = (await client.post("/v1/verify", files={"file": content})).json()
    return found["status"], found["manifest"]


@pytest.mark.parametrize("output_format", FORMATS)
async def test_a_manifest_is_the_last_write_and_the_receipt_holds_below_it(
    client: httpx.AsyncClient, writer: ManifestWriter, output_format: OutputFormat
) -> None:
    content = published(writer, output_format)
    assert parted(content).signed == sealed_file(output_format, c2pa=True)
    assert pixels_of(content) == pixels_of(bare_file(output_format))
    status, manifest = await verified(client, content)
    assert (status, manifest["status"], manifest["signed_by"]) == ("valid", "trusted", "Acme Pictures")
    assert manifest["source_types"] == [GENERATED]
    assert manifest["problems"] == []


@pytest.mark.parametrize("output_format", FORMATS)
def test_other_readers_find_what_was_said(writer: ManifestWriter, output_format: OutputFormat) -> None:
    content = published(writer, output_format)
    manifest = c2pa.Reader(f"image/{output_format}", BytesIO(content)).get_active_manifest()
    assert manifest is not None
    (actions,) = [one for one in manifest["assertions"] if one["label"].startswith("c2pa.actions")]
    assert actions["data"]["actions"] == [{"action": "c2pa.created", "digitalSourceType": GENERATED}]
    assert manifest["claim_generator_info"][0]["name"] == "Safelight"
    assert len(content) - len(sealed_file(output_format, c2pa=True)) < 6000, "there is no second picture in it"


async def test_nobody_vouches_for_a_certificate_without_an_authority(
    settings: AppSettings, writer: ManifestWriter, connection: StoreConnection
) -> None:
    await ReceiptKeys(connection).announce(KEY.public)
    async with client_of(settings) as client:
        status, manifest = await verified(client, published(writer))
    assert (status, manifest["status"]) == ("valid", "untrusted")
    assert manifest["problems"] == ["signingCredential.untrusted"]


async def test_an_edit_after_the_manifest_is_found(client: httpx.AsyncClient, writer: ManifestWriter) -> None:
    content = published(writer)
    at = content.index(b"IDAT") - 4
    status, manifest = await verified(client, content[:at] + chunk(b"tEXt", b"a\0bcd") + content[at:])
    assert (status, manifest["status"]) == ("resaved", "invalid")
    assert "assertion.dataHash.mismatch" in manifest["problems"]  # type: ignore[operator]


async def test_a_copy_without_its_manifest_is_told_so(client: httpx.AsyncClient, writer: ManifestWriter) -> None:
    content = published(writer)
    assert (await verified(client, parted(content).signed))[1]["status"] == "stripped"
    with Image.open(BytesIO(content)) as picture:
        again = with_receipt(encoded(picture, compress_level=0), str(parted(content).receipt))
    status, manifest = await verified(client, again)
    assert (status, manifest["status"]) == ("resaved", "stripped")


async def test_without_a_receipt_the_manifest_speaks_for_itself(
    client: httpx.AsyncClient, writer: ManifestWriter
) -> None:
    status, manifest = await verified(client, writer.written(bare_file("png"), "image/png"))
    assert (status, manifest["status"]) == ("stripped", "trusted")
    assert (await verified(client, bare_file("png")))[1]["status"] == "none"


def test_a_manifest_differs_each_time_and_nothing_below_it(writer: ManifestWriter) -> None:
    one, other = published(writer), published(writer)
    assert one != other
    assert parted(one).signed == parted(other).signed


def test_settings_that_cannot_be_followed_are_refused(signer: Signed, tmp_path: Path) -> None:
    words = tmp_path / "words.pem"
    words.write_text("words")
    other = generate_private_key(SECP256R1())
    strange = tmp_path / "strange.pem"
    strange.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for certificate, key, why in [
        (signer.chain, None, "both needed"),
        (None, signer.key, "both needed"),
        (words, signer.key, "no certificate"),
        (signer.chain, words, "no private key"),
        (signer.chain, strange, "is not the key of"),
        (tmp_path / "nowhere.pem", signer.key, "cannot be read"),
    ]:
        with pytest.raises(SettingError, match=why):
            manifest_writer(WorkerSettings(c2pa_certificate=certificate, c2pa_key=key))
    assert manifest_writer(WorkerSettings()) is None


WITHOUT = """
import sys
sys.modules["c2pa"] = None
from pathlib import Path
from app.manifests import read_manifest
from worker.manifests import manifest_writer
from worker.settings import WorkerSettings
print(read_manifest(b"", "image/png", None).status)
manifest_writer(WorkerSettings(c2pa_certificate=Path("a"), c2pa_key=Path("b")))
"""


def test_without_the_package_nothing_is_read_and_no_worker_starts_that_should_write() -> None:
    run = subprocess.run([sys.executable, "-c", WITHOUT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.stdout == "unread\n", run.stderr
    assert run.stderr.rstrip().endswith("SAFELIGHT_C2PA_CERTIFICATE is set, and c2pa-python is not installed.")
