"""A real worker and requests that name pictures: their bytes arrive, a lost file ends one job, an expired one goes."""

import psutil
import torch
from safetensors.torch import save

from contract.file_content import FileContent
from contract.files import EXPIRING, FileStore, StoredFile
from contract.leases import Lease
from tests.pictures import encoded, gradient
from tests.system.installation import Installation
from tests.waiting import wait_until_async
from worker.execution import Execution
from worker.messages import Generate

UP = torch.ones(4, 2, 1, 1)


async def stored(installation: Installation, ttl_seconds: float = 3600) -> StoredFile:
    picture = gradient(64, 64)
    content = FileContent("image", "image/png", encoded(picture), *picture.size)
    return await FileStore(installation.connection, installation.artifacts).add(content, ttl_seconds=ttl_seconds)


async def execution_of(installation: Installation, job_id: str) -> Execution:
    lease = await installation.leases.claim("w")
    assert lease == Lease(job_id, lease.execution_id if lease else "")
    return Execution(lease, await installation.jobs.get(job_id), installation.leases, installation.artifacts)


async def test_the_child_is_sent_the_bytes_of_every_reference(installation: Installation) -> None:
    image, mask = await stored(installation), await stored(installation)
    job_id = await installation.submit(image=image.id, mask=mask.id)
    order = await (await execution_of(installation, job_id)).order()
    assert isinstance(order, Generate)
    assert dict(order.inputs) == {file.id: encoded(gradient(64, 64)) for file in (image, mask)}
    assert {type(key) for key in order.inputs} == {str}


async def test_a_lost_file_fails_its_job_and_nobody_elses(installation: Installation, worker: psutil.Process) -> None:
    expired = await stored(installation, ttl_seconds=0.001)
    there, lost = await stored(installation), await stored(installation)
    await installation.artifacts.delete(lost.storage_key)
    good = await installation.submit(image=there.id)
    bad = await installation.submit(image=there.id, mask=lost.id)
    after = await installation.submit(image=there.id)
    failed = await installation.until(bad, "failed")
    assert failed.error is not None
    assert (failed.error.code, failed.error.field, failed.error.retryable) == ("unknown_file", "mask", False)
    assert failed.attempt == 1
    for job_id in (good, after):
        assert len((await installation.until(job_id, "succeeded")).images) == 1
    assert worker.is_running()

    async def swept() -> bool:
        return await installation.connection.redis.zscore(EXPIRING, expired.id) is None

    await wait_until_async(swept, 30)
    assert not (installation.home / "artifacts" / expired.storage_key).exists()


async def test_uploaded_weights_adapt_their_own_job_and_misfits_harm_nobody(
    installation: Installation, worker: psutil.Process
) -> None:
    files = FileStore(installation.connection, installation.artifacts)

    async def uploaded(channels: int) -> str:
        factors = {"unet.conv_out.lora_A.weight": torch.ones(2, channels, 3, 3), "unet.conv_out.lora_B.weight": UP}
        content = FileContent("weights", "application/octet-stream", save(factors))
        return (await files.add(content, ttl_seconds=3600)).id

    plain = await installation.submit()
    adapted = await installation.submit(adapters=[{"id": await uploaded(16)}])
    misfit = await installation.submit(adapters=[{"id": await uploaded(17)}])
    after = await installation.submit(seed=8)
    failed = await installation.until(misfit, "failed")
    assert failed.error is not None
    assert (failed.error.code, failed.error.field) == ("adapter_mismatch", "adapters.0.id")
    jobs = [await installation.until(job_id, "succeeded") for job_id in (plain, adapted, after)]
    assert len({job.images[0].sha256 for job in jobs}) == 3
    assert worker.is_running()
