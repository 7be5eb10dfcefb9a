"""The dashboard and the alert rules that we ship ask for what /metrics says, in PromQL that can be read."""

import json
import re

import httpx
import promql_parser
import pytest
import yaml

from app.errors import ANSWERS
from contract.errors import GenerationFailed
from contract.job import JobFailure
from contract.liveness import Liveness, Pulse
from contract.store_connection import StoreConnection
from tests.app.conftest import ROOT, Api, Player, submit
from tests.app.test_operations import Samples, sample, scrape

FOLDER = ROOT / "docs" / "operations"
DASHBOARD = json.loads((FOLDER / "grafana-dashboard.json").read_text())
ALERTS = [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]

QUERIES = {f"alert {rule['alert']}": rule["expr"] for rule in ALERTS} | {
    f"panel {panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", "5m")
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
}
OURS = re.compile(r"\b(?:safelight|process)_\w+")
MATCHERS = re.compile(r'\b((?:safelight|process)_\w+)\{(\w+)="(\w+)"\}')


@pytest.fixture
async def samples(api: Api, player: Player, connection: StoreConnection) -> Samples:
    """What an API process says of a service in which everything has happened once."""
    async with api.client() as client:
        for _ in range(3):
            await submit(client, webhook={"url": "https://receiver.invalid/hook"})
        await player.finish()
        failure = JobFailure.of(GenerationFailed("It broke."))
        await player.settle(await player.claim(), "failed", failure)
        assert await player.leases.give_back([await player.claim()], "lost") == 1
        pulse = Pulse("w1", 300, 100, 250, 12.5, ("safelight-emoji",))
        await Liveness(connection, lease_seconds=15).beat(pulse)
        await client.get("/v1/jobs/job_1")
        return await scrape(client)


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_every_query_can_be_read(query: str) -> None:
    promql_parser.parse(query)


def test_a_query_that_cannot_be_read_is_found() -> None:
    with pytest.raises(ValueError, match="parenthesis"):
        promql_parser.parse("sum(rate(safelight_jobs_failed_total[5m])")


async def test_every_metric_that_is_asked_for_is_exported(samples: Samples) -> None:
    exported = {name for name, _ in samples}
    asked = {name for query in QUERIES.values() for name in OURS.findall(query)}
    assert len(asked) > 20
    assert asked - exported == set()


async def test_every_label_that_is_asked_for_is_there(samples: Samples) -> None:
    labels = {(name, *pair) for name, pairs in samples for pair in pairs}
    labels |= {("safelight_http_errors_total", "code", kind.code) for kind in ANSWERS}
    asked = {found for query in QUERIES.values() for found in MATCHERS.findall(query)}
    assert asked - labels == set()


def test_every_alert_is_there_once() -> None:
    names = [rule["alert"] for rule in ALERTS]
    assert len(set(names)) == len(names)


def test_every_alert_is_in_the_handbook() -> None:
    handbook = (ROOT / "docs" / "operations.md").read_text()
    assert [rule["alert"] for rule in ALERTS if f"`{rule['alert']}`" not in handbook] == []


async def test_what_waits_is_counted_by_model(client: httpx.AsyncClient, player: Player) -> None:
    for _ in range(2):
        await submit(client)
    samples = await scrape(client)
    assert sample(samples, "safelight_model_queue_depth", model="safelight-emoji") == 2
    assert 0 < sample(samples, "safelight_model_queue_age_seconds", model="safelight-emoji") < 60
    await player.finish()
    await player.finish()
    assert sample(await scrape(client), "safelight_model_queue_depth", model="safelight-emoji") == 0
    assert sample(await scrape(client), "safelight_model_queue_age_seconds", model="safelight-emoji") == 0


async def test_failures_are_counted_by_code_and_executions_by_why(samples: Samples) -> None:
    assert sample(samples, "safelight_jobs_failed_total", code="generation_failed") == 1
    assert sample(samples, "safelight_jobs_returned_total", why="lost") == 1
    assert sample(samples, "safelight_http_errors_total", code="unknown_job") >= 1


async def test_late_webhooks_are_seen(client: httpx.AsyncClient, connection: StoreConnection) -> None:
    """Nobody could carry these, so they are taken away again before the next test."""
    assert sample(await scrape(client), "safelight_webhooks_pending") == 0
    await connection.redis.zadd("safelight:outbox:r", {"whd_1": 1.0, "whd_2": 2.0})
    await connection.redis.zadd("safelight:outbox", {"r": 1.0})
    samples = await scrape(client)
    assert sample(samples, "safelight_webhooks_pending") == 2
    await connection.redis.delete("safelight:outbox", "safelight:outbox:r")
    assert sample(samples, "safelight_webhooks_overdue_seconds") > 1000
