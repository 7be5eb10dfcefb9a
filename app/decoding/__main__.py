"""The process that decodes: it reads files from its only connection, and has no secrets, no network and no disk."""

import json
import resource
import socket
import sys
from collections.abc import Mapping
from io import BufferedRWPair
from typing import Any

from app.decoding.frames import LENGTHS, packed
from app.picture_texts import texts_of
from app.pictures import Limits, check_lesson, check_picture
from contract.errors import LimitExceeded, SafelightError
from contract.file_content import FileContent

Answer = tuple[Mapping[str, object], bytes]


def main(stream: BufferedRWPair, limits: Limits, seconds: float) -> None:
    """Answers one question after the other, until there are no more."""
    while head := stream.read(LENGTHS.size):
        num_words, num_bytes = LENGTHS.unpack(head)
        words = json.loads(stream.read(num_words))
        content = stream.read(num_bytes)
        allow_seconds(seconds)
        stream.write(packed(*answer(words, content, limits)))
        stream.flush()


def answer(words: Mapping[str, Any], content: bytes, limits: Limits) -> Answer:
    """What becomes of a file, or why nothing does."""
    try:
        match words["verb"]:
            case "picture":
                return picture(check_picture(content, limits))
            case "lesson":
                return picture(check_lesson(content, limits))
            case "look":
                return looked_at(content, limits, words["anchors"])
        return {}, json.dumps(texts_of(content)).encode()
    except MemoryError:
        return refusal(LimitExceeded("The picture takes more memory to decode than there is for it."))
    except SafelightError as error:
        return refusal(error)


def picture(kept: FileContent) -> Answer:
    """A picture as it is kept."""
    numbers = {"width": kept.width, "height": kept.height, "darkest": kept.darkest, "brightest": kept.brightest}
    return numbers, kept.content


def looked_at(content: bytes, limits: Limits, anchors: str | None) -> Answer:
    """What verifying needs of a file. Raises: as check_picture."""
    from app.looking import look  # Few files are verified, and reading manifests takes memory.

    return {}, look(content, limits, anchors).model_dump_json().encode()


def refusal(error: SafelightError) -> Answer:
    """An error in words."""
    return {"code": error.code, "message": error.message}, b""


def confine(memory_bytes: int) -> None:
    """From now on, memory is bounded, and no file can be written."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def allow_seconds(seconds: float) -> None:
    """Ends this process when it has computed for so much longer, even if nobody is there to end it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    confine(told["memory_bytes"])
    with socket.socket(fileno=sys.stdin.fileno()) as connection, connection.makefile("rwb") as opened:
        main(opened, Limits(**told["limits"]), told["seconds"])
