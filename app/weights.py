"""Weights from outside: safetensors only, whose header is read and held against the file; no tensor is made of them.

Source: https://github.com/huggingface/safetensors, section "Format".
"""

from itertools import pairwise
from math import prod
from typing import Annotated, NoReturn

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from app.errors import MalformedJSON
from app.json_bodies import parse_json
from app.pictures import check_num_bytes
from app.settings import AppSettings
from contract.errors import DamagedFile, UnsupportedFile
from contract.file_content import FileContent

MAX_HEADER_BYTES = 1_000_000
LENGTH_BYTES = 8

ITEM_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip
"""Bytes of one element, by the name of its type."""

Count = Annotated[int, Field(ge=0, lt=2**48)]


class Tensor(BaseModel):
    """One entry of the header."""

    model_config = ConfigDict(extra="forbid", strict=True)

    dtype: str
    shape: list[Count] = Field(max_length=16)
    data_offsets: list[Count] = Field(min_length=2, max_length=2)

    @property
    def num_bytes(self) -> int | None:
        """What the shape says; None for a type that is not known."""
        item = ITEM_BYTES.get(self.dtype)
        return None if item is None else item * prod(self.shape)

    @property
    def range(self) -> tuple[int, int]:
        """From where to where its bytes are, after the header."""
        begin, end = self.data_offsets
        return begin, end


_TENSORS = TypeAdapter(dict[str, Tensor])
_METADATA = TypeAdapter(dict[str, str], config=ConfigDict(strict=True))


def is_weights(content: bytes) -> bool:
    """Whether the bytes begin as a safetensors file does: the length of a header, and the header's brace."""
    return content[LENGTH_BYTES : LENGTH_BYTES + 1] == b"{" and _header_bytes(content) <= len(content) - LENGTH_BYTES


def check_weights(content: bytes, settings: AppSettings) -> FileContent:
    """The file as it is, when its header fits its bytes. Raises: DamagedFile, UnsupportedFile, LimitExceeded."""
    check_num_bytes(content, settings.max_weights_bytes)
    start = LENGTH_BYTES + _header_bytes(content)
    if start - LENGTH_BYTES > MAX_HEADER_BYTES:
        raise UnsupportedFile(f"The header has more than {MAX_HEADER_BYTES} bytes.")
    _check_ranges(_tensors(content[LENGTH_BYTES:start]), len(content) - start)
    return FileContent("weights", "application/octet-stream", content)


def _header_bytes(content: bytes) -> int:
    return int.from_bytes(content[:LENGTH_BYTES], "little")


def _tensors(header: bytes) -> dict[str, Tensor]:
    try:
        parsed = parse_json(header)
        _METADATA.validate_python(parsed.pop("__metadata__", {}))
        return _TENSORS.validate_python(parsed)
    except (MalformedJSON, ValidationError) as error:
        raise DamagedFile("The header of the safetensors file is not as the format has it.") from error


def _check_ranges(tensors: dict[str, Tensor], num_bytes: int) -> None:
    """The tensors stand one behind the other, from the first byte to the last."""
    if not tensors:
        raise UnsupportedFile("The safetensors file has no tensors.")
    for name, tensor in tensors.items():
        begin, end = tensor.range
        if tensor.num_bytes is None:
            raise UnsupportedFile(f"Tensors of type {tensor.dtype[:20]!r} are not taken.")
        if end - begin != tensor.num_bytes:
            _refuse(f"The bytes of {name[:100]!r} do not fit its shape")
    ranges = sorted(tensor.range for tensor in tensors.values() if tensor.num_bytes)
    if any(end != begin for (_, end), (begin, _) in pairwise([(0, 0), *ranges, (num_bytes, num_bytes)])):
        _refuse("The tensors leave gaps, overlap, or do not end where the file does")


def _refuse(why: str) -> NoReturn:
    raise DamagedFile(f"{why}.")
