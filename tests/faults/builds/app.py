"""`python -m tests.faults.builds.app`: the API process, which waits before and after it admits a job."""

from typing import Any

from app.__main__ import main
from contract.job_store import Admission, JobStore
from tests.faults.holds import Holds


def place(holds: Holds) -> None:
    """Puts the points into the code of this process."""
    admit = JobStore.admit

    async def held_admit(self: JobStore, *args: Any, **named: Any) -> Admission:
        await holds.wait_async("admitting")
        admission = await admit(self, *args, **named)
        await holds.wait_async("admitted")
        return admission

    JobStore.admit = held_admit  # type: ignore[method-assign]


if __name__ == "__main__":
    place(Holds.of_environment())
    main()
