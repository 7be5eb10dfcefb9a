"""How many bytes of a body are read: a request that stops where the limit is, whatever its headers say."""

from starlette.requests import Request
from starlette.types import Message

from app.errors import BodyTooLarge


def bounded(request: Request, max_bytes: int) -> Request:
    """The same request, not read yet; reading more than `max_bytes` of its body raises BodyTooLarge.

    Raises: BodyTooLarge, when the body is declared to be larger.
    """
    too_large = BodyTooLarge(f"The body may have at most {max_bytes} bytes.")
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared[:20]) > max_bytes:
        raise too_large
    num_bytes = 0

    async def receive() -> Message:
        nonlocal num_bytes
        message = await request.receive()
        num_bytes += len(message.get("body", b""))
        if num_bytes > max_bytes:
            raise too_large
        return message

    return Request(request.scope, receive)
