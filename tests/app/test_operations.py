"""Health, readiness, metrics, the first page."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

from app.settings import AppSettings
from contract.job_store import JobStore
from contract.liveness import Liveness, Pulse
from contract.store_connection import StoreConnection
from tests.app.conftest import Player, assert_error, client_of, submit

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def scrape(client: httpx.AsyncClient) -> Samples:
    """Every sample by name and labels."""
    response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(response.text)
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for f in families for sample in f.samples}


def sample(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


async def test_the_process_is_healthy_whatever_else_is(settings: AppSettings) -> None:
    async with client_of(settings.model_copy(update={"redis_url": "unix:///nowhere.sock"})) as client:
        response = await client.get("/healthz")
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_ready_is_a_store_and_a_worker(client: httpx.AsyncClient, connection: StoreConnection) -> None:
    lonely = await client.get("/readyz")
    assert_error(lonely, 503, "no_worker")
    assert "retry-after" in lonely.headers
    liveness = Liveness(connection, lease_seconds=15)
    await liveness.beat(Pulse("w1", 0, 0, 0, 0.0))
    assert (await client.get("/readyz")).json() == {"status": "ready", "num_workers": 1, "num_quarantined": 0}
    await liveness.depart("w1")
    assert_error(await client.get("/readyz"), 503, "no_worker")


async def test_ready_is_somewhere_to_put_pictures(client: httpx.AsyncClient, connection: StoreConnection) -> None:
    liveness = Liveness(connection, lease_seconds=15)
    await liveness.beat(Pulse("w1", 0, 0, 0, 0.0, can_store=False))
    full = await client.get("/readyz")
    assert_error(full, 503, "artifact_store_unavailable")
    assert int(full.headers["retry-after"]) > 0
    assert sample(await scrape(client), "safelight_worker_can_store", worker="w1") == 0
    await liveness.beat(Pulse("w2", 0, 0, 0, 0.0))
    assert (await client.get("/readyz")).status_code == 200


async def test_the_first_page_leads_on(client: httpx.AsyncClient) -> None:
    links = (await client.get("/")).json()
    for name in ("docs", "openapi", "jobs", "models"):
        assert (await client.get(links[name])).status_code == 200


async def test_requests_are_counted_by_template_and_never_by_what_clients_invent(client: httpx.AsyncClient) -> None:
    for path in ("/v1/jobs/job_1", "/v1/jobs/job_2", "/secret-words", "/v1/models/secret-words?q=secret-words"):
        await client.get(path)
    await client.request("SECRET", "/healthz")
    samples = await scrape(client)
    name = "safelight_http_requests_total"
    assert sample(samples, name, route="/v1/jobs/{job_id}", method="GET", status="404") == 2
    assert sample(samples, name, route="unmatched", method="GET", status="404") == 1
    assert sample(samples, name, route="/healthz", method="other", status="405") == 1
    latency = "safelight_http_request_seconds_count"
    assert sample(samples, latency, route="/v1/jobs/{job_id}", method="GET", status="404") == 2
    assert "secret" not in (await client.get("/metrics")).text.lower()


async def test_applications_do_not_share_metrics(client: httpx.AsyncClient, settings: AppSettings) -> None:
    await client.get("/healthz")
    async with client_of(settings) as other:
        assert not any("/healthz" in str(key) for key in await scrape(other))


async def test_jobs_are_counted_and_timed(client: httpx.AsyncClient, player: Player) -> None:
    for _ in range(3):
        await submit(client)
    await player.finish()
    await player.claim()
    samples = await scrape(client)
    assert sample(samples, "safelight_store_up") == 1
    for status, count in {"queued": 1, "running": 1, "succeeded": 1, "failed": 0, "cancelled": 0}.items():
        assert sample(samples, "safelight_jobs", status=status) == count
    assert sample(samples, "safelight_queue_depth") == 1
    assert sample(samples, "safelight_jobs_ended_total", status="succeeded") == 1
    assert sample(samples, "safelight_job_wait_seconds_count") == 2
    assert sample(samples, "safelight_job_wait_seconds_bucket", le="+Inf") == 2
    assert sample(samples, "safelight_job_run_seconds_count") == 1
    assert 0 < sample(samples, "safelight_job_run_seconds_sum") < 60


async def test_histograms_are_cumulative(client: httpx.AsyncClient, connection: StoreConnection) -> None:
    counts = {"wait:0.1": 1, "wait:2.5": 2, "wait:10": 3, "wait:inf": 4, "wait:sum": 5000.5}
    await connection.redis.hset("safelight:statistics", mapping=counts)
    samples = await scrape(client)
    name = "safelight_job_wait_seconds"
    cumulative = {"0.1": 1, "2.5": 3, "10": 6, "+Inf": 10}
    assert {le: sample(samples, f"{name}_bucket", le=le) for le in cumulative} == cumulative
    assert (sample(samples, f"{name}_count"), sample(samples, f"{name}_sum")) == (10, 5000.5)


async def test_workers_say_what_they_have_done(client: httpx.AsyncClient, connection: StoreConnection) -> None:
    await Liveness(connection, lease_seconds=15).beat(Pulse("w1", 300, 100, 250, 12.5))
    samples = await scrape(client)
    for name, value in {
        "up": 1,
        "denoising_steps_total": 300,
        "forwards_total": 100,
        "rows_total": 250,
        "rows_per_forward": 2.5,
        "steps_per_second": 12.5,
    }.items():
        assert sample(samples, f"safelight_worker_{name}", worker="w1") == value


async def test_models_in_memory_are_counted_over_workers(
    client: httpx.AsyncClient, connection: StoreConnection
) -> None:
    liveness = Liveness(connection, lease_seconds=15)
    await liveness.beat(Pulse("w1", 0, 0, 0, 0.0, ("a", "b")))
    await liveness.beat(Pulse("w2", 0, 0, 0, 0.0, ("a",)))
    samples = await scrape(client)
    for model, num_workers in {"a": 2, "b": 1}.items():
        assert sample(samples, "safelight_model_resident", model=model) == num_workers


async def test_openmetrics_is_spoken_too(client: httpx.AsyncClient, job_store: JobStore) -> None:
    response = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")
