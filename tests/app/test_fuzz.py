"""Whatever is sent, the answer is a job or an error in the one shape, and never a fault of ours."""

import json
from io import BytesIO
from typing import Any
from urllib.parse import quote
from zipfile import ZipFile

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.request import GenerationRequest
from tests.app.conftest import BODY, assert_error
from tests.pictures import encoded, gradient

SETTINGS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**60), max_value=10**60)
    | st.floats()
    | st.text()
    | st.text(st.characters(categories=["Cs", "Cc", "Co"]))
)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
fields = st.sampled_from([*GenerationRequest.model_fields, "stepz", ""])


async def assert_sound(response: httpx.Response) -> None:
    if response.status_code not in (201, 202):
        error = response.json()["error"]
        assert response.status_code in (400, 404, 413, 415, 422), response.text
        assert_error(response, response.status_code, error["code"], error["field"])


@SETTINGS
@given(changes=st.dictionaries(fields, values, max_size=3))
async def test_any_values_in_the_fields(client: httpx.AsyncClient, changes: dict[str, Any]) -> None:
    content = json.dumps(BODY | changes).encode()
    await assert_sound(
        await client.post("/v1/generations", content=content, headers={"content-type": "application/json"})
    )


@SETTINGS
@given(content=st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))
async def test_any_body(client: httpx.AsyncClient, content: bytes) -> None:
    await assert_sound(
        await client.post("/v1/generations", content=content, headers={"content-type": "application/json"})
    )


@SETTINGS
@given(name=st.text(), file_name=st.text(), content=st.binary(max_size=60))
async def test_any_upload(client: httpx.AsyncClient, name: str, file_name: str, content: bytes) -> None:
    await assert_sound(await client.post("/v1/files", files={name: (file_name, content)}))
    await assert_sound(await client.post("/v1/files", files={"file": (file_name, content)}))
    headers = {"content-type": "multipart/form-data; boundary=b"}
    await assert_sound(await client.post("/v1/files", content=b"--b\r\n" + content, headers=headers))


@SETTINGS
@given(at=st.integers(0, 2000), cut=st.booleans(), changes=st.binary(min_size=1, max_size=4))
@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
async def test_any_picture(*, client: httpx.AsyncClient, image_format: str, at: int, cut: bool, changes: bytes) -> None:
    whole = encoded(gradient(), image_format)
    at %= len(whole)
    content = whole[:at] + changes + (b"" if cut else whole[at + len(changes) :])
    await assert_sound(await client.post("/v1/files", files={"file": content}))


def archive() -> bytes:
    output = BytesIO()
    with ZipFile(output, "w") as packed:
        packed.writestr("a.png", encoded(gradient(32, 32)))
        packed.writestr("a.txt", "a cat")
    return output.getvalue()


@SETTINGS
@given(at=st.integers(0, 5000), changes=st.binary(min_size=1, max_size=4))
async def test_any_archive(client: httpx.AsyncClient, at: int, changes: bytes) -> None:
    whole = archive()
    at %= len(whole)
    content = whole[:at] + changes + whole[at + len(changes) :]
    response = await client.post("/v1/datasets", files={"archive": ("a.zip", content)})
    await assert_sound(response)
    if response.status_code == 201:
        await client.delete(response.headers["location"])


header_text = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40)
header_names = st.sampled_from(
    ["Prefer", "Idempotency-Key", "X-Request-Id", "Content-Type", "Host", "Accept", "Last-Event-ID", "Range"]
)


@SETTINGS
@given(name=header_names, value=header_text, wait=st.booleans())
async def test_any_headers(client: httpx.AsyncClient, name: str, value: str, wait: bool) -> None:
    text = f"wait={value}" if wait and not value.strip().isdecimal() else value
    headers = {"content-type": "application/json", name: text.encode("latin-1")}
    await assert_sound(await client.post("/v1/generations", content=json.dumps(BODY), headers=headers))


@SETTINGS
@given(path=st.binary(max_size=30), query=st.binary(max_size=30))
async def test_any_path(client: httpx.AsyncClient, path: bytes, query: bytes) -> None:
    for start in ("/v1/jobs/", "/v1/artifacts/", "/v1/files/", "/v1/models/", "/v1/", "/docs/", "/web/"):
        response = await client.get(f"{start}{quote(path)}?{quote(query, safe='=&')}")
        assert response.status_code < 500
        if response.status_code >= 400:
            assert response.json()["error"]["code"]
