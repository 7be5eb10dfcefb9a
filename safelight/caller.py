"""What all calls stand on: a sender, and the two calls that say nothing of what they are about."""

from urllib.parse import quote

from safelight.refusals import UnknownDataset, UnknownFile, UnknownJob
from safelight.sending import Sender
from safelight.settings import Settings
from safelight.sources import Named
from safelight.transports import Transport


class Caller:
    """Somebody who can call the service."""

    def __init__(self, transport: Transport, settings: Settings) -> None:
        self._transport = transport
        self._sender = Sender(transport, settings)

    async def _content(self, path: str) -> bytes:
        return (await self._sender.whole(self._sender.request("GET", path))).content

    async def _remove(self, path: str) -> None:
        try:
            await self._sender.whole(self._sender.request("DELETE", path))
        except (UnknownJob, UnknownFile, UnknownDataset) as error:
            # An earlier try has removed it, and its answer was lost.
            if error.num_tries == 1:
                raise


def id_of(named: Named | str) -> str:
    """The id of what has one."""
    return named if isinstance(named, str) else named.id


def path_of(named: Named | str) -> str:
    """The same, as part of a path."""
    return quote(id_of(named))


def place_of(job: Named | str) -> str:
    """Where a job or a fine-tune is."""
    return f"/v1/{'fine-tunes' if id_of(job).startswith('ft_') else 'jobs'}/{path_of(job)}"
