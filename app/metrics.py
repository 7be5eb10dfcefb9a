"""What /metrics says: the requests that this process has seen, and what the store knows of jobs and workers."""

from collections import Counter as Counts
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from contract.backlog import Backlog, Waiting
from contract.job import JobStatus
from contract.liveness import Pulse

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestMetrics:
    """Requests by route template, method and status; never by what a client can invent."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        labels = ("route", "method", "status")
        self._requests = Counter(
            "safelight_http_requests", "Requests that were answered.", labels, registry=self.registry
        )
        self._seconds = Histogram(
            "safelight_http_request_seconds", "Time until an answer began.", labels, registry=self.registry
        )
        self._errors = Counter(
            "safelight_http_errors",
            "Answers that said no, by the code of the error.",
            ("code",),
            registry=self.registry,
        )

    def observe(self, route: str, method: str, status: int, seconds: float, error_code: str | None = None) -> None:
        """Counts one answered request."""
        if error_code is not None:
            self._errors.labels(error_code).inc()
        labels = (route, method if method in METHODS else "other", str(status))
        self._requests.labels(*labels).inc()
        self._seconds.labels(*labels).observe(seconds)


class Snapshot:
    """Metrics that were collected already, for a registry that only writes them down."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        """The metrics, as they were."""
        return iter(self._metrics)


def store_state(up: bool, seconds: float) -> Iterator[Metric]:
    """Whether the store answered this scrape, and after how long."""
    yield GaugeMetricFamily("safelight_store_up", "Whether the job store answers.", value=float(up))
    yield GaugeMetricFamily("safelight_store_seconds", "How long it took to ask it all of this.", value=seconds)


def backlog_metrics(backlog: Backlog, models: Iterable[str]) -> Iterator[Metric]:
    """What waits; of every model of the catalogue, also when nothing does."""
    depth = GaugeMetricFamily("safelight_model_queue_depth", "Jobs that wait, by model.", labels=["model"])
    age = GaugeMetricFamily(
        "safelight_model_queue_age_seconds", "How long the first job that waits has, by model.", labels=["model"]
    )
    for model in dict.fromkeys((*models, *backlog.models)):
        waiting = backlog.models.get(model, Waiting(0, 0.0))
        depth.add_metric([model], waiting.num_jobs)
        age.add_metric([model], waiting.oldest_seconds)
    yield from (depth, age)
    pending = "Deliveries of webhooks that are to be tried, or tried again."
    yield GaugeMetricFamily("safelight_webhooks_pending", pending, value=backlog.num_deliveries)
    overdue = "How late the first of them is."
    yield GaugeMetricFamily("safelight_webhooks_overdue_seconds", overdue, value=backlog.overdue_seconds)


def job_metrics(counts: dict[JobStatus, int], statistics: dict[str, float]) -> Iterator[Metric]:
    """Jobs now by status, and jobs ever: how they ended, how long they waited and ran, and what was told of them."""
    jobs = GaugeMetricFamily("safelight_jobs", "Jobs that the store keeps, by status.", labels=["status"])
    for status, count in counts.items():
        jobs.add_metric([status], count)
    yield jobs
    yield GaugeMetricFamily("safelight_queue_depth", "Jobs that wait for a worker.", value=counts["queued"])
    ended = CounterMetricFamily("safelight_jobs_ended", "Jobs that have ended, by how.", labels=["status"])
    for status in ("succeeded", "failed", "cancelled"):
        ended.add_metric([status], statistics.get(f"ended:{status}", 0))
    yield ended
    yield _by("safelight_jobs_failed", "Jobs that have failed, by the code of the error.", "code", statistics, "failed")
    why = "Executions given up, by why: drained, lost with their process, stalled, or expired with their lease."
    yield _by("safelight_jobs_returned", why, "why", statistics, "returned")
    told = CounterMetricFamily("safelight_webhooks", "Webhooks that are told no more, by how.", labels=["status"])
    for outcome in ("succeeded", "failed", "disabled"):
        told.add_metric([outcome], statistics.get(f"delivered:{outcome}", 0))
    yield told
    attempts = statistics.get("delivery_attempts", 0)
    yield CounterMetricFamily("safelight_webhook_attempts", "Tries to tell a webhook.", value=attempts)
    yield _histogram("safelight_job_wait_seconds", "Time from admission to the first start.", statistics, "wait")
    yield _histogram("safelight_job_run_seconds", "Time from the last start to the end.", statistics, "run")


def worker_metrics(pulses: Iterable[Pulse]) -> Iterator[Metric]:
    """What each live worker has done since it started."""
    up = GaugeMetricFamily("safelight_worker_up", "Workers with a heartbeat.", labels=["worker"])
    quarantined = GaugeMetricFamily(
        "safelight_worker_quarantined",
        "Whether the worker takes no jobs, as its device keeps failing.",
        labels=["worker"],
    )
    steps = _counter("safelight_worker_denoising_steps", "Denoising steps, one per image and step.")
    forwards = _counter("safelight_worker_forwards", "Forward passes of the denoiser.")
    rows = _counter("safelight_worker_rows", "Rows in those forward passes.")
    batch = GaugeMetricFamily("safelight_worker_rows_per_forward", "Mean batch size.", labels=["worker"])
    speed = GaugeMetricFamily("safelight_worker_steps_per_second", "Denoising steps lately.", labels=["worker"])
    can_store = GaugeMetricFamily(
        "safelight_worker_can_store", "Whether the artifact store takes what the worker makes.", labels=["worker"]
    )
    resident = GaugeMetricFamily("safelight_model_resident", "Workers with the model in memory.", labels=["model"])
    pulses = list(pulses)
    for model, num_workers in Counts(model for pulse in pulses for model in pulse.resident).items():
        resident.add_metric([model], num_workers)
    for pulse in pulses:
        name = [pulse.worker]
        up.add_metric(name, 1)
        quarantined.add_metric(name, float(pulse.in_quarantine))
        steps.add_metric(name, pulse.num_steps)
        forwards.add_metric(name, pulse.num_forwards)
        rows.add_metric(name, pulse.num_rows)
        batch.add_metric(name, pulse.num_rows / max(1, pulse.num_forwards))
        speed.add_metric(name, pulse.steps_per_second)
        can_store.add_metric(name, float(pulse.can_store))
    yield from (up, quarantined, steps, forwards, rows, batch, speed, can_store, resident)


def _counter(name: str, documentation: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, documentation, labels=["worker"])


def _by(name: str, documentation: str, label: str, statistics: dict[str, float], prefix: str) -> Metric:
    """A counter for every name that the store has counted under a prefix."""
    family = CounterMetricFamily(name, documentation, labels=[label])
    for key, value in statistics.items():
        if key.startswith(f"{prefix}:"):
            family.add_metric([key.removeprefix(f"{prefix}:")], value)
    return family


def _histogram(name: str, documentation: str, statistics: dict[str, float], prefix: str) -> Metric:
    """Makes the store's counts per bucket cumulative, as Prometheus wants them."""
    bounds = [key.removeprefix(f"{prefix}:") for key in statistics if key.startswith(f"{prefix}:")]
    total, buckets = 0.0, []
    for bound in sorted({*bounds, "inf"} - {"sum"}, key=float):
        total += statistics.get(f"{prefix}:{bound}", 0)
        buckets.append(("+Inf" if bound == "inf" else bound, total))
    return HistogramMetricFamily(name, documentation, buckets, statistics.get(f"{prefix}:sum", 0))
