"""Each part of the service killed in the middle of a job: clients try again, and nothing is lost or doubled."""

import signal

from tests.faults.site import Part, Site

NUM_STEPS = 150
PARTS: tuple[Part, ...] = ("api", "child", "store")


async def test_a_job_goes_on_whichever_part_is_killed(site: Site) -> None:
    for part in PARTS:
        job_id = await site.ada.submit(num_inference_steps=NUM_STEPS)
        async with site.ada.following(job_id) as heard:
            await site.ada.until_step(job_id, 5)
            site.send(part, signal.SIGKILL)
            if part != "child":
                site.until_gone(part)
                site.start(part)
            assert (await site.ada.finish(job_id))["status"] == "succeeded"
            await heard
        assert (await site.clients["ben"].call("GET", f"/v1/jobs/{job_id}")).status == 404
