"""Where a receipt stands in a file, and what the file is without it: PNG, JPEG and WebP, no pixel read.

PNG has it as a text chunk, JPEG as comments, WebP as XMP. A C2PA manifest, which is written later, is known by where
it is.
"""

import hashlib
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from contract.errors import DamagedFile, UnsupportedFile

RECEIPT_KEY = "safelight-receipt"
"""The keyword under which a file holds its receipt."""

PNG, JPEG, RIFF, WEBP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"RIFF", b"WEBP"

_IN_PNG = RECEIPT_KEY.encode() + b"\0\0\0\0\0"
_IN_JPEG = RECEIPT_KEY.encode() + b" "
COMMENT, APP11, FIRST_APP, LAST_APP, SCAN = 0xFE, 0xEB, 0xE0, 0xEF, 0xDA
_MARKER = re.compile(rb"\xff+([^\xff\x00])")
PER_COMMENT = 65_533 - len(_IN_JPEG)
XMP_FLAG = 0x04
_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    f'<rdf:Description rdf:about="" xmlns:safelight="urn:safelight" safelight:{RECEIPT_KEY}="',
    '"/></rdf:RDF></x:xmpmeta>',
)


class Parted(NamedTuple):
    """A file, taken apart: without receipt and manifest, without the manifest alone, and what was in it."""

    bare: bytes
    signed: bytes
    receipt: str | None
    has_manifest: bool


class _Piece(NamedTuple):
    """A part of a file; what it is of a receipt, where it is one, and whether it is of a manifest."""

    content: bytes
    receipt: bytes | None = None
    is_manifest: bool = False


class _Form(NamedTuple):
    """How a format is read piece by piece, put together, and given a receipt."""

    pieces: Callable[[bytes], Iterator[_Piece]]
    joined: Callable[[list[_Piece]], bytes]
    sealed: Callable[[list[_Piece], bytes], list[_Piece]]


def with_receipt(content: bytes, receipt: str) -> bytes:
    """The file with a receipt in it. Raises: DamagedFile, UnsupportedFile."""
    form = _form(content)
    return form.joined(form.sealed(list(form.pieces(content)), receipt.encode()))


def parted(content: bytes) -> Parted:
    """The file in its parts. Several receipts are none, as nobody could say which is meant.

    Raises: DamagedFile, UnsupportedFile.
    """
    form = _form(content)
    pieces = list(form.pieces(content))
    signed = [piece for piece in pieces if not piece.is_manifest]
    receipt = b"".join(piece.receipt for piece in pieces if piece.receipt is not None)
    return Parted(
        bare=form.joined([piece for piece in signed if piece.receipt is None]),
        signed=form.joined(signed),
        receipt=receipt.decode("ascii", "replace") if receipt else None,
        has_manifest=len(signed) < len(pieces),
    )


def pixels_digest(width: int, height: int, pixels: bytes) -> str:
    """What names pixels, whatever file they are in. Shapes: pixels (height, width, 3)."""
    digest = hashlib.sha256(f"{width}x{height}:".encode())
    digest.update(pixels)
    return digest.hexdigest()


def _form(content: bytes) -> _Form:
    if content.startswith(PNG):
        return _Form(_png_pieces, _joined, _sealed_png)
    if content.startswith(JPEG):
        return _Form(_jpeg_pieces, _joined, _sealed_jpeg)
    if content.startswith(RIFF) and content[8:12] == WEBP:
        return _Form(_webp_pieces, _joined_webp, _sealed_webp)
    raise UnsupportedFile("Pictures are PNG, JPEG or WebP, and this is none of them.")


def _joined(pieces: list[_Piece]) -> bytes:
    return b"".join(piece.content for piece in pieces)


def _damaged() -> DamagedFile:
    return DamagedFile("The picture is cut off, or its bytes contradict each other.")


# ---- PNG: chunks. Source: PNG (Third Edition), section 5.3


def _png_pieces(content: bytes) -> Iterator[_Piece]:
    yield _Piece(content[: len(PNG)])
    at = len(PNG)
    while at < len(content):
        name, end = content[at + 4 : at + 8], at + 12 + int.from_bytes(content[at : at + 4])
        if end > len(content):
            raise _damaged()
        body = content[at + 8 : end - 4]
        is_receipt = name == b"iTXt" and body.startswith(_IN_PNG)
        yield _Piece(content[at:end], body[len(_IN_PNG) :] if is_receipt else None, name == b"caBX")
        at = end
        if name == b"IEND":
            yield _Piece(content[at:])
            return


def _sealed_png(pieces: list[_Piece], receipt: bytes) -> list[_Piece]:
    body = b"iTXt" + _IN_PNG + receipt
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    place = next((at for at, piece in enumerate(pieces) if piece.content[4:8] == b"IDAT"), None)
    if place is None:
        raise _damaged()
    return [*pieces[:place], _Piece(chunk, receipt), *pieces[place:]]


# ---- JPEG: segments up to the first scan. Source: ITU-T T.81, annex B


def _jpeg_pieces(content: bytes) -> Iterator[_Piece]:
    yield _Piece(content[:2])
    at = 2
    while content[at + 1 : at + 2] != bytes([SCAN]):
        marker = _MARKER.match(content, at)
        if marker is None:
            raise _damaged()
        code, start = marker[1][0], marker.end() + 2
        end = marker.end() + int.from_bytes(content[marker.end() : start])
        if end < start or end > len(content):
            raise _damaged()
        body = content[start:end]
        is_receipt = code == COMMENT and body.startswith(_IN_JPEG)
        yield _Piece(content[at:end], body[len(_IN_JPEG) :] if is_receipt else None, _is_jumbf(code, body))
        at = end
    yield _Piece(content[at:])


def _is_jumbf(code: int, body: bytes) -> bool:
    """Whether a segment holds a part of a C2PA manifest. Source: ISO 19566-5, annex D.2."""
    return code == APP11 and body.startswith(b"JP")


def _sealed_jpeg(pieces: list[_Piece], receipt: bytes) -> list[_Piece]:
    place = next(at for at, piece in enumerate(pieces) if at and not FIRST_APP <= piece.content[1] <= LAST_APP)
    parts = [receipt[start : start + PER_COMMENT] for start in range(0, len(receipt), PER_COMMENT)]
    comments = [
        _Piece(struct.pack(">BBH", 0xFF, COMMENT, len(_IN_JPEG) + len(part) + 2) + _IN_JPEG + part, part)
        for part in parts
    ]
    return [*pieces[:place], *comments, *pieces[place:]]


# ---- WebP: chunks of RIFF. Source: RFC 9649, sections 2.3 and 2.7


def _webp_pieces(content: bytes) -> Iterator[_Piece]:
    yield _Piece(content[:12])
    at, end = 12, min(len(content), 8 + int.from_bytes(content[4:8], "little"))
    while at < end:
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        after = at + 8 + size + size % 2
        if after > end:
            raise _damaged()
        name, body = content[at : at + 4], content[at + 8 : at + 8 + size]
        yield _Piece(content[at:after], _in_xmp(body) if name == b"XMP " else None, name == b"C2PA")
        at = after
    if at < len(content):
        yield _Piece(content[at:])


def _in_xmp(body: bytes) -> bytes | None:
    before, after = (text.encode() for text in _XMP)
    if body.startswith(before) and body.endswith(after):
        return body[len(before) : len(body) - len(after)]
    return None


def _sealed_webp(pieces: list[_Piece], receipt: bytes) -> list[_Piece]:
    before, after = (text.encode() for text in _XMP)
    body = before + receipt + after
    chunk = b"XMP " + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    return [*pieces, _Piece(chunk, receipt)]


def _joined_webp(pieces: list[_Piece]) -> bytes:
    """The header says how much follows, and the first chunk whether there is XMP in it."""
    has_xmp = any(piece.content[:4] == b"XMP " for piece in pieces[1:])
    head, *chunks = (piece.content for piece in pieces)
    if chunks and chunks[0][:4] == b"VP8X":
        flags = (chunks[0][8] & ~XMP_FLAG) | (XMP_FLAG if has_xmp else 0)
        chunks[0] = chunks[0][:8] + bytes([flags]) + chunks[0][9:]
    body = b"".join(chunks)
    return head[:4] + struct.pack("<I", len(body) + 4) + head[8:] + body
