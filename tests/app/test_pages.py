"""The pages' files: who gets a page, what it may do, and that an update is seen and nothing is sent twice."""

import re

import httpx
import pytest

PAGES = {"/": {"accept": "text/html,*/*;q=0.8"}, "/teach": {}, "/inside": {}}


async def test_browsers_get_a_page_and_programs_are_told_the_way(client: httpx.AsyncClient) -> None:
    page = await client.get("/", headers=PAGES["/"])
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert (await client.get("/", headers={"accept": "*/*"})).json()["name"] == "Safelight"
    assert {"Accept", "Accept-Encoding"} == set(page.headers["vary"].split(", "))


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_may_do_nothing_beyond_this_service(client: httpx.AsyncClient, path: str) -> None:
    page = await client.get(path, headers=PAGES[path])
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'",
        "img-src": "'self' blob: data:", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'",
    }  # fmt: skip
    assert not re.search(r"https?://|<style|<script>|style=|\son[a-z]+=", page.text)


@pytest.mark.parametrize("path", PAGES)
async def test_an_update_is_seen_and_nothing_is_sent_twice(client: httpx.AsyncClient, path: str) -> None:
    page = await client.get(path, headers=PAGES[path])
    for name in [path, *re.findall(r'(?:src|href)="([^"]+)"', page.text)]:
        file = await client.get(name, headers=PAGES[path] | {"accept-encoding": "gzip"})
        assert (file.status_code, file.headers["cache-control"]) == (200, "no-cache")
        assert (file.headers["content-encoding"], file.headers["x-content-type-options"]) == ("gzip", "nosniff")
        plain = await client.get(name, headers=PAGES[path] | {"accept-encoding": "identity"})
        assert plain.content == file.content
        assert "content-encoding" not in plain.headers
        again = await client.get(name, headers=PAGES[path] | {"if-none-match": file.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["", "nothing.js", "..%2fmain.py", "%2e%2e%2fweb_files.py", "vendor/README.md"])
async def test_only_the_pages_own_files_are_served(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/web/{name}")).status_code == 404
