"""Whether a worker's device works: it has to make a picture of its own before it is given anybody's job."""

from contract.errors import GenerationFailed, NonFiniteLatents, OutOfMemory
from contract.job import JobFailure

QUARANTINE_AFTER = 3
"""So many children in a row have ended before their first picture when the worker is in quarantine."""

PROOF_AFTER = 3
"""So many jobs in a row have failed when the device has to prove itself before it gets another."""

SUSPICIOUS = frozenset({GenerationFailed.code, NonFiniteLatents.code, OutOfMemory.code})
"""What a broken device does to good jobs, and a healthy one to bad ones."""


class Fitness:
    """Promise: whatever clients ask for, a device is in quarantine when it makes no pictures, and only then."""

    def __init__(self) -> None:
        self._num_unproven = 0
        self._num_failures = 0

    @property
    def in_quarantine(self) -> bool:
        """Whether the device keeps failing."""
        return self._num_unproven >= QUARANTINE_AFTER

    @property
    def needs_proof(self) -> bool:
        """Whether so much has failed lately that the next child is to make its own picture first."""
        return self._num_failures >= PROOF_AFTER

    def proven(self) -> None:
        """A child has made its own picture."""
        self._num_unproven = self._num_failures = 0

    def unproven(self) -> None:
        """A child has ended before that."""
        self._num_unproven += 1

    def ended(self, failure: JobFailure | None) -> None:
        """A job has ended."""
        if failure is None:
            self._num_failures = 0
        elif failure.code in SUSPICIOUS:
            self._num_failures += 1
