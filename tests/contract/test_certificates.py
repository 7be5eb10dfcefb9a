"""Certificates: what live workers have proven of a model."""

from contract.certificates import Certificates, ModelCertificate
from contract.liveness import Liveness, Pulse
from contract.store_connection import StoreConnection
from tests.waiting import wait_until_async

SMALL = ModelCertificate(
    model="tiny",
    height=64,
    width=64,
    device="cpu",
    dtype="float32",
    text_dtype="float32",
    vae_dtype="float32",
    num_threads=2,
    layout="contiguous",
    compiled=False,
    torch="2",
    buckets=(2, 4),
    row_cap=4,
    reproducibility="exact",
    tolerance=None,
    digest="0123",
)
LARGE = SMALL.model_copy(update={"height": 128, "reproducibility": "tolerance", "tolerance": 1e-5})
OTHER = SMALL.model_copy(update={"model": "other"})


async def beat(connection: StoreConnection, *workers: str) -> None:
    for worker in workers:
        await Liveness(connection, lease_seconds=15).beat(Pulse(worker, 0, 0, 0, 0.0))


async def test_what_workers_have_proven_is_shown_by_size_and_once(connection: StoreConnection) -> None:
    certificates = Certificates(connection, lease_seconds=15)
    assert await certificates.of_model("tiny") == []
    await beat(connection, "w1", "w2")
    await certificates.report("w1", [LARGE, OTHER, SMALL])
    await certificates.report("w2", [SMALL])
    assert await certificates.of_model("tiny") == [SMALL, LARGE]
    assert await certificates.of_model("other") == [OTHER]
    await certificates.report("w1", [])
    assert await certificates.of_model("tiny") == [SMALL]


async def test_certificates_go_with_their_worker(connection: StoreConnection) -> None:
    brief = Certificates(connection, lease_seconds=0.05)
    await beat(connection, "w1")
    await brief.report("w1", [SMALL])

    async def gone() -> bool:
        return await brief.of_model("tiny") == []

    await wait_until_async(gone, 5)
    lasting = Certificates(connection, lease_seconds=15)
    await lasting.report("w1", [SMALL])
    await Liveness(connection, lease_seconds=15).depart("w1")
    assert await lasting.of_model("tiny") == []
