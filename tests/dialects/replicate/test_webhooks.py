"""Webhooks of predictions: which there are, what they say, and that the SDK believes them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import replicate
from replicate.exceptions import ReplicateError
from replicate.prediction import Prediction
from replicate.webhook import InvalidSignatureError, Webhooks, WebhookSigningSecret

from app.settings import AppSettings
from tests.app.conftest import CATALOGUE, Player
from tests.conftest import running_store
from tests.dialects.replicate.conftest import MODEL, creating
from tests.receivers import Receiver, receiving

INPUT = {"prompt": "a red apple", "num_inference_steps": 4, "num_outputs": 2}


@pytest.fixture(scope="module")
def store_socket() -> Iterator[Path]:
    """A store of these tests' own: API processes of other tests would carry what is in its outbox."""
    yield from running_store()


@pytest.fixture
def settings(store_url: str, artifacts_folder: Path) -> AppSettings:
    return AppSettings(
        redis_url=store_url,
        artifacts_url=artifacts_folder.as_uri(),
        catalogue=CATALOGUE,
        webhook_networks="127.0.0.0/8",
    )


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def told(local: replicate.Client, player: Player, receiver: Receiver, number: int, **asked: Any) -> list[Any]:
    """What is told of a prediction of two pictures, in the order in which it happened."""
    await local.predictions.async_create(MODEL, INPUT, **asked)
    lease = await player.claim()
    await player.report(lease, 1, ("progress", {"step": 1}))
    await player.publish(lease, 0)
    await player.publish(lease, 1)
    await player.settle(lease)
    messages = await receiver.received(number)
    return sorted((message.told for message in messages), key=_age)


def _age(prediction: dict[str, Any]) -> tuple[bool, int, int]:
    return prediction["completed_at"] is not None, len(prediction["output"] or ()), len(prediction["logs"])


def summary(predictions: list[Any]) -> list[tuple[str, int]]:
    return [(prediction["status"], len(prediction["output"] or ())) for prediction in predictions]


@creating("webhook", "exact", "told of `output` and `completed`, signed as Standard Webhooks say")
async def test_a_webhook_tells_of_outputs_and_the_end(
    local: replicate.Client, player: Player, receiver: Receiver
) -> None:
    predictions = await told(local, player, receiver, 3, webhook=receiver.url)
    assert summary(predictions) == [("processing", 1), ("processing", 2), ("succeeded", 2)]
    read = await local.predictions.async_get(predictions[-1]["id"])
    assert Prediction(**predictions[-1]).dict() == read.dict()


@creating("webhook_events_filter", "exact", "`start`, `output`, `logs`, `completed`; logs at most twice a second")
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["start"], [("processing", 0)]),
        (["logs"], [("processing", 0)]),
        (["completed"], [("succeeded", 2)]),
        (
            ["completed", "start", "output"],
            [("processing", 0), ("processing", 1), ("processing", 2), ("succeeded", 2)],
        ),
    ],
)
async def test_a_webhook_tells_of_what_was_chosen(
    *,
    local: replicate.Client,
    player: Player,
    receiver: Receiver,
    names: list[str],
    expected: list[tuple[str, int]],
) -> None:
    predictions = await told(local, player, receiver, len(expected), webhook=receiver.url, webhook_events_filter=names)
    assert summary(predictions) == expected
    assert [bool(prediction["logs"]) for prediction in predictions] == [
        names == ["logs"] or number > 0 or names == ["completed"] for number in range(len(predictions))
    ]


@creating("webhook_completed", "exact", "a webhook of the end alone, as old clients have it")
async def test_old_clients_are_told_of_the_end(local: replicate.Client, player: Player, receiver: Receiver) -> None:
    predictions = await told(local, player, receiver, 1, webhook_completed=receiver.url)
    assert summary(predictions) == [("succeeded", 2)]


@pytest.mark.compat("GET /v1/webhooks/default/secret", "-", "exact", "each tenant has one")
async def test_the_sdk_believes_webhooks_and_no_forgery(
    local: replicate.Client, player: Player, receiver: Receiver
) -> None:
    secret = await local.webhooks.default.async_secret()
    await told(local, player, receiver, 1, webhook=receiver.url, webhook_events_filter=["completed"])
    (message,) = receiver.messages
    Webhooks.validate(headers=message.headers, body=message.body.decode(), secret=secret, tolerance=60)
    assert message.verified(secret.key)
    assert (await local.webhooks.default.async_secret()).key == secret.key
    other = WebhookSigningSecret(key="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=")
    for body, key in ((message.body.decode() + " ", secret), (message.body.decode(), other)):
        with pytest.raises(InvalidSignatureError):
            Webhooks.validate(headers=message.headers, body=body, secret=key)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"webhook": "ftp://example.com"}, "webhook"),
        ({"webhook": "http://10.0.0.1/hook"}, "webhook"),
        ({"webhook_completed": "nonsense"}, "webhook_completed"),
        ({"webhook_events_filter": ["start"]}, "webhook_events_filter"),
        ({"webhook": "https://example.com", "webhook_events_filter": []}, "webhook_events_filter"),
        ({"webhook": "https://example.com", "webhook_events_filter": ["end"]}, "webhook_events_filter.0"),
        ({"webhook": "https://example.com", "webhook_completed": "https://example.com"}, "webhook_completed"),
    ],
)
async def test_what_cannot_be_told_is_refused(
    client: httpx.AsyncClient, local: replicate.Client, asked: dict[str, Any], field: str
) -> None:
    with pytest.raises(ReplicateError) as raised:
        await local.predictions.async_create(MODEL, INPUT, **asked)
    assert raised.value.status == 422
    answer = await client.post("/v1/predictions", json={"version": MODEL, "input": INPUT} | asked)
    assert answer.json()["invalid_fields"][0]["field"] == field
    assert (await client.get("/v1/predictions")).json()["results"] == []
