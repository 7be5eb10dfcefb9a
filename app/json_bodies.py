"""Request bodies: read up to a limit, and parsed so strictly that no two readers can disagree about them."""

import json
import re
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.auth import caller
from app.body_sizes import bounded
from app.errors import BodyTooLarge, MalformedJSON, UnsupportedMediaType

_PICTURE = re.compile(rb'"(?:data:|iVBORw0KGgo|\\?/9j\\?/|UklGR)[^"]*"')
"""A `data:` URI; or base64 as some clients send it without one, known by how a PNG, JPEG or WebP begins in it."""

_FORBIDDEN = re.compile("[\0\ud800-\udfff]")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class JSONRequest(Request):
    """A request whose body has been read and parsed."""

    def __init__(self, request: Request, content: bytes, parsed: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._body = content
        self._parsed = parsed

    async def json(self) -> Any:
        """The parsed body."""
        return self._parsed


class JSONRoute(APIRoute):
    """A route that judges the body before anything else does, once it is known who sends it."""

    async def read(self, request: Request) -> "JSONRequest":
        """The request with its body parsed. Raises: as `read_json`."""
        return await read_json(request)

    def get_route_handler(self) -> Handler:
        """FastAPI's handler, behind `read_json` where the route has a body."""
        handler = super().get_route_handler()
        if self.body_field is None:
            return handler

        async def judged(request: Request) -> Response:
            await caller(request)
            return await handler(await self.read(request))

        return judged


async def read_json(request: Request) -> JSONRequest:
    """The request with its body parsed. Raises: BodyTooLarge, UnsupportedMediaType, MalformedJSON."""
    content = await _read(request)
    if not content:
        raise MalformedJSON("The body is empty; it must be a JSON object.")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise UnsupportedMediaType("Send the body as application/json.", field="Content-Type")
    return JSONRequest(request, content, parse_json(content))


def parse_json(content: bytes) -> Any:
    """JSON as RFC 8259 has it, less what readers disagree about. Raises: MalformedJSON."""
    try:
        return json.loads(content.decode(), object_pairs_hook=_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise MalformedJSON(f"The body is not JSON: {error.msg} at character {error.pos}.") from error
    except UnicodeDecodeError as error:
        raise MalformedJSON("The body is not UTF-8.") from error
    except RecursionError as error:
        raise MalformedJSON("The body is nested too deeply.") from error
    except ValueError as error:
        raise MalformedJSON("The body has a number with too many digits.") from error


async def _read(request: Request) -> bytes:
    settings = request.state.resources.settings
    content = await bounded(request, settings.max_body_bytes + settings.max_inline_bytes).body()
    num_bytes = len(content) if len(content) <= settings.max_body_bytes else len(content) - _inline_bytes(content)
    if num_bytes > settings.max_body_bytes:
        raise BodyTooLarge(f"Beside pictures in base64, the body may have at most {settings.max_body_bytes} bytes.")
    return content


def _inline_bytes(content: bytes) -> int:
    """The bytes of the pictures in a JSON body: they take no more memory when they are parsed, unlike the rest."""
    return sum(len(picture.group()) for picture in _PICTURE.finditer(content))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        _check_text(name)
        if isinstance(value, str):
            _check_text(value)
        if name in found:
            raise MalformedJSON(f"The body says {name[:100]!r} twice.")
        found[name] = value
    return found


def _check_text(text: str) -> None:
    if _FORBIDDEN.search(text):
        raise MalformedJSON("The body has text with a NUL or with half of a surrogate pair.")


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedJSON(f"{name} is not JSON.")
