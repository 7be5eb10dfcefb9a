"""Who follows a job: calls are counted in the store, so that it does not matter which process serves them."""

from contract.store_connection import StoreConnection


class Followers:
    """Promise: of all calls that leave a job, the last one knows that it is the last.

    All methods raise StoreUnavailable within two seconds when the server does not answer; all may be repeated.
    """

    def __init__(self, connection: StoreConnection, *, retention_seconds: float) -> None:
        self._connection = connection
        self._retention_seconds = retention_seconds

    async def join(self, job_id: str, follower: str) -> None:
        """Counts a call among those that follow a job; one that has ended has no followers."""
        await self._connection.run("join", job_id, follower)

    async def leave(self, job_id: str, follower: str, *, cancel: bool) -> bool:
        """Counts a call no more; with `cancel`, the last one asks for the end of the job, and this says whether."""
        then = "cancel" if cancel else "keep"
        return bool(await self._connection.run("leave", job_id, follower, then, self._retention_seconds))
