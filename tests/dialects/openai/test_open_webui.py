"""What Open WebUI sends, byte by byte as its HTTP client writes it, and what it reads of the answers.

It asks with aiohttp: JSON for generations; a form for edits, whose texts have a media type of their own, and whose
pictures come under `image` or, from a list, under `image[]`. It reads `data[*].b64_json` or `.url`, with its headers.
"""

import base64
from collections.abc import Iterator

import httpx
import pytest

from tests.pictures import encoded, gradient
from tests.system.launched import Launched

HEADERS = {"Authorization": "Bearer sk-0000", "X-OpenWebUI-User-Name": "Ada"}
BOUNDARY = "5f2b8c1d9e7a4f60"


@pytest.fixture
def client(service: Launched) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.address, headers=HEADERS, timeout=60) as client:
        yield client


def form(texts: dict[str, str], picture_name: str, picture: bytes) -> bytes:
    """A body as aiohttp writes it."""
    said = "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="
    parts = [f'{said}"{name}"\r\n\r\n{text}'.encode() for name, text in texts.items()]
    head = (
        "Content-Type: image/png\r\n"
        f'Content-Disposition: form-data; name="{picture_name}"; filename="0a1b2c.png"\r\n\r\n'
    )
    parts.append(head.encode() + picture)
    lines = b"".join(b"--%s\r\n%s\r\n" % (BOUNDARY.encode(), part) for part in parts)
    return lines + f"--{BOUNDARY}--\r\n".encode()


def test_generations(client: httpx.Client) -> None:
    body = {
        "model": "safelight-emoji",
        "prompt": "a red apple",
        "n": 1,
        "size": "128x128",
        "response_format": "b64_json",
    }
    parameters = {"num_inference_steps": 2, "negative_prompt": "a leaf"}  # set by its administrator
    response = client.post("/v1/images/generations?api-version=2024-02-01", json=body | parameters)
    assert response.status_code == 200, response.text
    (picture,) = response.json()["data"]
    assert base64.b64decode(picture["b64_json"]).startswith(b"\x89PNG")
    assert "url" not in picture, "it would take the address before the picture"


@pytest.mark.parametrize("name", ["image", "image[]"])
def test_edits(client: httpx.Client, name: str) -> None:
    texts = {"model": "safelight-emoji", "prompt": "a fox", "n": "1", "size": "64x64", "background": "auto"}
    content = form(texts, name, encoded(gradient(200, 200)))
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    response = client.post("/v1/images/edits", content=content, headers=headers)
    assert response.status_code == 200, response.text
    (picture,) = response.json()["data"]
    assert base64.b64decode(picture["b64_json"]).startswith(b"\x89PNG")


def test_addresses_can_be_read_with_its_headers(client: httpx.Client) -> None:
    body = {"prompt": "a red apple", "n": 1, "size": "64x64", "response_format": "url", "num_inference_steps": 2}
    response = client.post("/v1/images/generations", json=body)
    (picture,) = response.json()["data"]
    answer = client.get(picture["url"])
    assert answer.headers["content-type"].startswith("image/")


@pytest.mark.parametrize(
    ("changes", "parameter", "status"),
    [({"model": "dall-e-2"}, "model", 404), ({"size": "512x512"}, "size", 400), ({"steps": 20}, "steps", 400)],
)
def test_what_is_not_here_is_said_in_words_that_it_shows(
    client: httpx.Client, changes: dict[str, object], parameter: str, status: int
) -> None:
    response = client.post("/v1/images/generations", json={"prompt": "a red apple", "n": 1} | changes)
    assert response.status_code == status
    assert parameter in response.json()["error"]["message"]
