"""The files of the pages: read and packed once, answered so that an update is seen and nothing is sent twice."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from app.ranges import unchanged

FOLDER = Path(__file__).parent / "web"

MEDIA_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".LICENSE": "text/plain; charset=utf-8",
}
"""What is served, by the end of its name; other files in the folder are not."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a page may load and do: nothing of anybody else's, and nothing that stands in the page itself."""


@dataclass(frozen=True, slots=True)
class WebFile:
    """One file, as it is and packed."""

    media_type: str
    content: bytes
    packed: bytes
    etag: str

    @classmethod
    def of(cls, path: Path) -> "WebFile":
        """The file there."""
        content = path.read_bytes()
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        return cls(MEDIA_TYPES[path.suffix], content, gzip.compress(content, mtime=0), etag)

    def answer(self, request: Request) -> Response:
        """The file, or that the client has it already."""
        headers = {
            "Cache-Control": "no-cache",
            "Content-Security-Policy": POLICY,
            "ETag": f"W/{self.etag}",
            "Referrer-Policy": "no-referrer",
            "Vary": "Accept, Accept-Encoding",
        }
        if unchanged(request.headers.get("if-none-match"), self.etag):
            return Response(status_code=304, headers=headers)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(self.content, headers=headers, media_type=self.media_type)
        return Response(self.packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=self.media_type)


def read_web_files(folder: Path = FOLDER) -> Mapping[str, WebFile]:
    """Every file that is served, by its path below the folder."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in MEDIA_TYPES)
    return {path.relative_to(folder).as_posix(): WebFile.of(path) for path in paths}
