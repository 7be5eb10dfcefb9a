"""What is said of a picture's receipt, and pictures that are made again, with somebody who plays the worker."""

import base64
from io import BytesIO

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image

from contract.certificates import Certificates, ModelCertificate
from contract.liveness import Liveness, Pulse
from contract.receipt_keys import PrivateKey, ReceiptKeys
from contract.receipts import sign
from contract.request import OutputFormat
from contract.sealed_files import parted, with_receipt
from contract.store_connection import StoreConnection
from tests.app.conftest import Player, assert_error, submit
from tests.app.keys import bearer, make_key
from tests.pictures import encoded, gradient, one_bit_bomb
from tests.receipts import FORMATS, KEY, bare_file, receipt_of, sealed_file


@pytest.fixture(autouse=True)
async def key_is_known(connection: StoreConnection) -> None:
    await ReceiptKeys(connection).announce(KEY.public)


async def verified(client: httpx.AsyncClient, content: bytes) -> str:
    response = await client.post("/v1/verify", files={"file": content})
    assert response.status_code == 200, response.text
    return str(response.json()["status"])


def saved(content: bytes, output_format: str, **options: object) -> bytes:
    """A file as another program saves it that keeps texts."""
    with Image.open(BytesIO(content)) as picture:
        again = encoded(picture, output_format.upper(), **options)
    receipt = parted(content).receipt
    assert receipt is not None
    return again if parted(again).receipt else with_receipt(again, receipt)  # Pillow keeps the comments of a JPEG.


@pytest.mark.parametrize("output_format", FORMATS)
async def test_what_was_signed_is_valid_and_says_how_it_was_made(
    client: httpx.AsyncClient, output_format: OutputFormat
) -> None:
    found = (await client.post("/v1/verify", files={"file": sealed_file(output_format)})).json()
    assert (found["status"], found["key_id"]) == ("valid", KEY.public.id)
    receipt = found["receipt"]
    assert receipt["request"]["prompt"] == "a red apple"
    assert (receipt["weights_sha256"], receipt["versions"]["torch"]) == ("11", "1.0")


async def test_a_picture_saved_anew_without_loss_is_told_from_one_that_was_changed(client: httpx.AsyncClient) -> None:
    content = sealed_file("png")
    assert await verified(client, saved(content, "png", compress_level=9, optimize=True)) == "resaved"
    opaque = gradient()
    opaque.putalpha(255)
    assert await verified(client, with_receipt(encoded(opaque), str(parted(content).receipt))) == "resaved"


@pytest.mark.parametrize("output_format", FORMATS)
async def test_a_picture_with_other_pixels_is_altered(client: httpx.AsyncClient, output_format: OutputFormat) -> None:
    content = sealed_file(output_format)
    receipt = str(parted(content).receipt)
    picture = gradient()
    picture.putpixel((3, 3), (255, 255, 255))
    assert await verified(client, with_receipt(bare_file(output_format, picture), receipt)) == "altered"
    if output_format != "png":
        assert await verified(client, saved(content, output_format, quality=50)) == "altered"


async def test_a_picture_behind_glass_is_altered(client: httpx.AsyncClient) -> None:
    picture = gradient()
    picture.putalpha(200)
    assert await verified(client, with_receipt(encoded(picture), str(parted(sealed_file()).receipt))) == "altered"


async def test_what_we_did_not_sign_is_not_ours(client: httpx.AsyncClient) -> None:
    assert await verified(client, sealed_file(key=PrivateKey(Ed25519PrivateKey.generate()))) == "unknown_key"
    head, body, signature = sign(receipt_of(bare_file("png"), "png"), KEY).split(".")
    other = sign(receipt_of(bare_file("png"), "png", weights_sha256="33"), KEY).split(".")[1]
    for text in (f"{head}.{other}.{signature}", f"{head}.{body}.AAAA", f"{head}.{body}", "words"):
        assert await verified(client, with_receipt(bare_file("png"), text)) == "invalid_signature"
    twice = with_receipt(sealed_file(), sign(receipt_of(bare_file("png"), "png"), KEY))
    assert await verified(client, twice) == "invalid_signature"


async def test_without_a_receipt_nothing_is_proven(client: httpx.AsyncClient) -> None:
    assert await verified(client, bare_file("png")) == "unsigned"
    exif = Image.Exif()
    exif[0x010E] = '{"prompt":"a","num_inference_steps":4}'
    assert await verified(client, encoded(gradient(), "JPEG", exif=exif)) == "stripped"


async def test_a_picture_may_be_named_or_sent_as_text(client: httpx.AsyncClient, player: Player) -> None:
    job_id = await submit(client)
    artifact = await player.publish(await player.claim(), content=sealed_file("jpeg"))
    named = await client.post("/v1/verify", json={"file": artifact.id})
    assert named.json()["status"] == "valid"
    uri = f"data:image/png;base64,{base64.b64encode(sealed_file()).decode()}"
    assert (await client.post("/v1/verify", json={"file": uri})).json()["status"] == "valid"
    assert (await client.get(f"/v1/jobs/{job_id}")).json()["replay"] is None
    upload = (await client.post("/v1/files", files={"file": sealed_file()})).json()["id"]
    assert_error(await client.post("/v1/verify", json={"file": upload}), 422, "unsupported_file", "file")
    absent = f"art_{0:032x}_0"
    assert_error(await client.post("/v1/verify", json={"file": absent}), 404, "unknown_artifact")


@pytest.mark.parametrize("path", ["/v1/verify", "/v1/replay"])
async def test_bad_bodies_are_told_apart(client: httpx.AsyncClient, path: str) -> None:
    assert_error(await client.post(path, files={"file": b"words"}), 422, "unsupported_file", "file")
    assert_error(await client.post(path, files={"file": sealed_file()[:-300]}), 422, "damaged_file", "file")
    assert_error(await client.post(path, files={"file": one_bit_bomb()}), 422, "limit_exceeded", "file")
    assert_error(await client.post(path, files={"picture": b""}), 422, "invalid_request", "picture")
    assert_error(await client.post(path, json={}), 422, "invalid_request", "file")
    assert_error(await client.post(path, json={"file": "dog.png"}), 422, "invalid_request", "file")
    assert_error(await client.post(path, json={"file": "data:image/png;base64,a"}), 422, "invalid_request", "file")
    assert_error(await client.post(path, content=b"x", headers={"content-type": "image/png"}), 415, *MEDIA_TYPE)


MEDIA_TYPE = ("unsupported_media_type", "Content-Type")


async def test_everybody_may_have_the_keys(client: httpx.AsyncClient, connection: StoreConnection) -> None:
    await make_key(connection)
    found = await client.get("/v1/receipts/keys")
    assert found.json() == {"keys": [KEY.public.jwk]}


async def test_a_picture_is_made_again_as_a_job(client: httpx.AsyncClient, player: Player) -> None:
    content = sealed_file()
    accepted = await client.post("/v1/replay", files={"file": content})
    assert accepted.status_code == 202, accepted.text
    job = accepted.json()
    assert accepted.headers["location"] == f"/v1/jobs/{job['id']}"
    assert job["request"]["seed"] == 7
    assert (job["replay"]["agrees"], job["replay"]["pixels_agree"]) == (None, None)
    assert job["replay"]["differences"] == [{"what": "versions.safelight", "then": "0.0.9", "now": "0.1.0"}]
    record = await player.job_store.get(job["id"])
    assert record.no_store, "or it could be given the very picture that it is to make again"
    assert record.replay is not None


async def test_what_is_different_is_said_before_the_job_runs(
    client: httpx.AsyncClient, connection: StoreConnection
) -> None:
    certificate = ModelCertificate(
        model="safelight-emoji", height=128, width=128, device="cpu", dtype="float32", text_dtype="float32",
        vae_dtype="float32", num_threads=1, layout="contiguous", compiled=False, torch="2.13.0", buckets=(2, 4),
        row_cap=4, reproducibility="exact", tolerance=None, weights_sha256="44", digest="d",
    )  # fmt: skip
    await Liveness(connection, lease_seconds=15).beat(Pulse("player", 0, 0, 0, 0.0))
    await Certificates(connection, lease_seconds=15).report("player", [certificate])
    then = {"digest": "c", "device": "cpu", "buckets": [2, 4]}
    job = (await client.post("/v1/replay", files={"file": sealed_file(certificate=then)})).json()
    assert {one["what"]: (one["then"], one["now"]) for one in job["replay"]["differences"]} == {
        "certificate.digest": ("c", "d"),
        "versions.safelight": ("0.0.9", "0.1.0"),
        "versions.torch": ("1.0", "2.13.0"),
        "weights_sha256": ("11", "44"),
    }


async def test_a_replay_is_one_job_under_its_key(client: httpx.AsyncClient) -> None:
    async def replayed(content: bytes) -> httpx.Response:
        return await client.post("/v1/replay", files={"file": content}, headers={"Idempotency-Key": "k"})

    first, again = await replayed(sealed_file()), await replayed(sealed_file())
    assert first.json()["id"] == again.json()["id"]
    assert_error(await replayed(sealed_file(text_sha256="55")), 409, "idempotency_conflict", "Idempotency-Key")


async def test_what_is_not_proven_is_not_made_again(client: httpx.AsyncClient) -> None:
    for content in (bare_file("png"), sealed_file(key=PrivateKey(Ed25519PrivateKey.generate()))):
        assert_error(await client.post("/v1/replay", files={"file": content}), 422, "unproven_receipt", "file")
    assert (await client.get("/v1/jobs")).json()["data"] == []


@pytest.fixture
async def tenants(client: httpx.AsyncClient, connection: StoreConnection) -> list[httpx.AsyncClient]:
    keys = [await make_key(connection, tenant) for tenant in ("acme", "rival")]
    return [httpx.AsyncClient(transport=client._transport, base_url="http://test", headers=bearer(key)) for key in keys]


async def test_another_tenants_artifact_is_one_that_is_not_there(
    tenants: list[httpx.AsyncClient], player: Player
) -> None:
    acme, rival = tenants
    await submit(acme)
    artifact = await player.publish(await player.claim(), content=sealed_file())
    for path in ("/v1/verify", "/v1/replay"):
        assert_error(await rival.post(path, json={"file": artifact.id}), 404, "unknown_artifact")
        assert (await acme.post(path, json={"file": artifact.id})).is_success
        assert (await rival.post(path, files={"file": sealed_file()})).is_success, "what it holds in its hands"


async def test_a_foreign_receipt_opens_no_foreign_file(tenants: list[httpx.AsyncClient]) -> None:
    acme, rival = tenants
    file_id = (await acme.post("/v1/files", files={"file": encoded(gradient(128, 128))})).json()["id"]
    request = receipt_of(bare_file("png"), "png").request.model_dump() | {"image": file_id, "strength": 0.5}
    content = sealed_file(request=request)
    assert (await acme.post("/v1/replay", files={"file": content})).status_code == 202
    assert_error(await rival.post("/v1/replay", files={"file": content}), 404, "unknown_file", "image")
