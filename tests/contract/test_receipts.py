"""A receipt says what was signed, to everybody who has the key; a file is the same with it as without."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from contract.errors import DamagedFile, UnsupportedFile
from contract.receipt_keys import PrivateKey, ReceiptKeys, private_key
from contract.receipts import MalformedReceiptError, SignedReceipt, differences, sign
from contract.request import OutputFormat
from contract.sealed_files import parted, with_receipt
from contract.settings import SettingError
from contract.store_connection import StoreConnection
from tests.pictures import pixels_of
from tests.receipts import FORMATS, KEY, bare_file, receipt_of, sealed_file


def test_any_jose_library_checks_a_receipt() -> None:
    receipt = receipt_of(bare_file("png"), "png")
    text = sign(receipt, KEY)
    said = jwt.api_jws.decode_complete(text, jwt.PyJWK(KEY.public.jwk), algorithms=["EdDSA"])
    assert json.loads(said["payload"])["request"]["seed"] == receipt.request.seed
    assert said["header"]["kid"] == KEY.public.id
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.api_jws.decode_complete(text, jwt.PyJWK(other_key().public.jwk), algorithms=["EdDSA"])


def test_a_receipt_reads_back_and_holds_for_its_key_alone() -> None:
    receipt = receipt_of(bare_file("png"), "png", files={"gilded": "ab"}, certificate={"digest": "c", "buckets": [2]})
    read = SignedReceipt.read(sign(receipt, KEY))
    assert read.receipt == receipt
    assert read.holds(KEY.public)
    assert not read.holds(other_key().public)


def test_another_word_is_another_signature() -> None:
    head, _, signature = sign(receipt_of(bare_file("png"), "png"), KEY).split(".")
    other = sign(receipt_of(bare_file("png"), "png", width=9), KEY).split(".")[1]
    assert not SignedReceipt.read(f"{head}.{other}.{signature}").holds(KEY.public)


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "e30.e30.e30", "..", "é.é.é", "x" * 9000])
def test_what_is_no_receipt_is_refused(text: str) -> None:
    with pytest.raises(MalformedReceiptError):
        SignedReceipt.read(text)


def other_key() -> PrivateKey:
    return PrivateKey(Ed25519PrivateKey.generate())


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("length", [1, 1000, 200_000])
def test_a_file_with_a_receipt_is_the_file_and_the_receipt(output_format: OutputFormat, length: int) -> None:
    bare, receipt = bare_file(output_format), "r" * length
    sealed = with_receipt(bare, receipt)
    parts = parted(sealed)
    assert (parts.bare, parts.signed, parts.receipt, parts.has_manifest) == (bare, sealed, receipt, False)
    assert pixels_of(sealed) == pixels_of(bare)
    assert parted(bare).receipt is None


@pytest.mark.parametrize("output_format", FORMATS)
def test_no_cut_off_file_makes_trouble(output_format: OutputFormat) -> None:
    sealed = sealed_file(output_format)
    for length in range(len(sealed)):
        try:
            parted(sealed[:length])
        except (DamagedFile, UnsupportedFile):
            continue


def test_a_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "receipt-key.pem"
    with ThreadPoolExecutor(8) as threads:
        keys = list(threads.map(lambda _: private_key(file), range(8)))
    assert len({key.public.id for key in keys}) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in file.parent.iterdir()] == ["receipt-key.pem"]


def test_what_is_no_ed25519_key_is_named(tmp_path: Path) -> None:
    words, rsa = tmp_path / "words.pem", tmp_path / "rsa.pem"
    words.write_text("words")
    key = generate_private_key(65537, 2048)
    rsa.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for file in (words, rsa, tmp_path):
        with pytest.raises(SettingError, match=str(file)):
            private_key(file)


async def test_a_key_that_signed_once_is_known_for_ever(connection: StoreConnection) -> None:
    old, new, keys = other_key().public, other_key().public, ReceiptKeys(connection)
    for one in (old, new, old):
        await keys.announce(one)
    assert await keys.all() == {old.id: old, new.id: new}
    for name in await connection.redis.keys():
        assert await connection.redis.ttl(name) == -1


def test_differences_are_told_leaf_by_leaf() -> None:
    then = {"a": {"b": 1, "c": [2]}, "d": "x", "e": None}
    now = {"a": {"b": 2, "c": [2]}, "f": True}
    assert [tuple(one.model_dump().values()) for one in differences(then, now)] == [
        ("a.b", "1", "2"),
        ("d", "x", None),
        ("f", None, "true"),
    ]
