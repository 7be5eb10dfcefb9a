"""Where webhooks may go: the form of URLs, every address behind a name, and that what was judged is what is called."""

import ssl
import subprocess
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from app.settings import AppSettings
from app.webhooks.addresses import AddressRefused, judged, may_be_reached, origin, receiver, resolve
from app.webhooks.messenger import Messenger
from contract.errors import InvalidRequest
from contract.outbox import Attempt
from tests.receivers import Receiver, answers, receiving

LOOPBACK = (ip_network("127.0.0.0/8"),)

REFUSED = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1
172.31.255.255 192.0.0.1 192.0.0.8 192.0.0.170 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.1 192.175.48.1
198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:8.8.8.8 64:ff9b::7f00:1 64:ff9b::808:808
64:ff9b:1::1 100::1 2001::1 2001:0:7f00:1:: 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:808:808::
2620:4f:8000::1 3fff::1 5f00::1 fc00::1 fd12:3456::1 fe80::1 fe80::1%lo fec0::1 ff02::1 ff0e::1 4000::1
"""

PUBLIC = """
1.1.1.1 8.8.8.8 172.15.255.255 172.32.0.1 192.0.1.1 100.63.255.255 100.128.0.1 198.17.255.255 223.255.255.255
2606:4700:4700::1111 2a00:1450:4001::1 2001:4860::8888
"""


@pytest.mark.parametrize("address", REFUSED.split())
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not may_be_reached(address, ())


@pytest.mark.parametrize("address", PUBLIC.split())
def test_what_is_public_may_be_reached(address: str) -> None:
    assert may_be_reached(address, ())


def test_a_network_that_the_operator_allows_is_reached_and_no_other_form_of_it() -> None:
    assert may_be_reached("127.0.0.1", LOOPBACK)
    for address in ("::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "10.0.0.1"):
        assert not may_be_reached(address, LOOPBACK), address


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/", "http://017700000001/",
        "http://127.1/", "http://127.0.1/", "http://127.0.0.1./", "http://0/", "http://a.0x7f/", "http://a.1/",
        "http://127.0.0.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[fe80::1%25lo]/", "http://①②⑦.0.0.1/",
        "http://user@example.com/", "http://user:secret@example.com/", "http://:@example.com/",
        "http://example.com/#part", "http://example.com:0/", "http://example.com:99999/", "http:///path", "http://",
        "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "javascript:alert(1)", "//example.com/",
        "example.com", "", " http://example.com/", "http://example.com/a b", "http://example.com\\@127.0.0.1/",
        "http://example.com/\r\nHost: x", "http://example.com/\x00", "http://exa mple.com/", "http://[::1/",
        "http://example.com/" + "a" * 2048,
    ],
)  # fmt: skip
def test_urls_that_webhooks_are_not_sent_to(url: str) -> None:
    with pytest.raises(InvalidRequest):
        receiver(url, ())


def test_urls_are_kept_in_one_form() -> None:
    assert str(receiver("https://Example.COM:443/Hook?a=1&b=%20", ())) == "https://example.com/Hook?a=1&b=%20"
    assert origin(receiver("http://Bücher.example/x", ())) == "http://xn--bcher-kva.example:80"
    assert origin(receiver("http://[2606:4700::1]:81/x", ())) == "http://[2606:4700::1]:81"


async def test_numbers_that_pass_for_names_are_judged_as_what_they_stand_for() -> None:
    for host in ("2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost"):
        with pytest.raises(AddressRefused):
            judged(await resolve(host, 80), ())


async def to(host: str, port: int, addresses: Sequence[str], **headers: str) -> Attempt:
    """What comes of a message to this name, which stands for these addresses."""

    async def resolver(name: str, port: int) -> Sequence[str]:
        assert name == host
        return addresses

    messenger = Messenger(LOOPBACK, timeout_seconds=2, resolver=resolver)
    scheme = headers.pop("scheme", "http")
    try:
        return await messenger.post(httpx.URL(f"{scheme}://{host}:{port}/hook"), headers, b"{}")
    finally:
        await messenger.close()


def port_of(receiver: Receiver) -> int:
    port = httpx.URL(receiver.url).port
    assert port is not None
    return port


async def test_one_private_answer_among_several_is_one_too_many() -> None:
    async with receiving() as one:
        for addresses in (["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "::1"], []):
            attempt = await to("hooks.test", port_of(one), addresses)
            assert (attempt.status_code, attempt.error) == (None, "address_refused"), addresses
        assert one.messages == []


async def test_the_first_address_that_answers_is_told_in_the_name_of_the_receiver() -> None:
    async with receiving() as one:
        attempt = await to("hooks.test", port_of(one), ["127.0.0.2", "127.0.0.1"])
        assert (attempt.status_code, attempt.error) == (200, None)
        (message,) = one.messages
        assert message.headers["host"] == f"hooks.test:{port_of(one)}"


async def test_a_redirect_is_not_followed() -> None:
    async with receiving() as secret, receiving(answers(302, f"Location: {secret.url}")) as one:
        attempt = await to("hooks.test", port_of(one), ["127.0.0.1"])
        assert attempt.status_code == 302
        assert secret.messages == []


async def test_names_that_nobody_knows_and_ports_where_nobody_listens() -> None:
    messenger = Messenger(LOOPBACK, timeout_seconds=10)
    unknown = await messenger.post(httpx.URL("http://no-such-name.invalid/"), {}, b"")
    long = await messenger.post(httpx.URL(f"http://{'a' * 70}.invalid/"), {}, b"")
    async with receiving() as one:
        port = port_of(one)
    closed = await messenger.post(httpx.URL(f"http://127.0.0.1:{port}/"), {}, b"")
    await messenger.close()
    assert (unknown.error, long.error, closed.error) == ("name_unknown", "name_unknown", "unreachable")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of hooks.test, its key, and its own authority, in one folder."""
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=hooks.test -addext subjectAltName=DNS:hooks.test "
        "-keyout key.pem -out certificate.pem"
    )
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder


async def test_the_certificate_is_held_against_the_name_although_an_address_is_called(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    asked: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with receiving(tls=tls) as one:
        untrusted = await to("hooks.test", port_of(one), ["127.0.0.1"], scheme="https")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
        right = await to("hooks.test", port_of(one), ["127.0.0.1"], scheme="https")
        wrong = await to("other.test", port_of(one), ["127.0.0.1"], scheme="https")
    assert (untrusted.error, right.status_code, wrong.error) == ("tls_failed", 200, "tls_failed")
    assert asked == ["hooks.test", "hooks.test", "other.test"]
    assert len(one.messages) == 1


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as one:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert (await to("hooks.test", port_of(one), ["127.0.0.1"])).status_code == 200
        assert proxy.messages == []


def test_settings_are_judged_at_the_start() -> None:
    settings = AppSettings(webhook_networks="10.0.0.0/8, fd00::/8", webhook_retries_seconds="5,300")
    assert settings.reachable_networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert settings.retries_at_seconds == (5, 300)
    assert AppSettings(webhook_retries_seconds="").retries_at_seconds == ()
    for wrong in ({"webhook_networks": "10.0.0.1/8"}, {"webhook_networks": "x"}, {"webhook_retries_seconds": "5,x"}):
        with pytest.raises(ValidationError):
            AppSettings(**wrong)
    for retries in ("0", "5,5", "9,5", "-1", "nan", "inf"):
        with pytest.raises(ValidationError):
            AppSettings(webhook_retries_seconds=retries)
