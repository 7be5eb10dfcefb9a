"""When the child did what of one image, for whoever wants to know where the time went."""

import time
from dataclasses import dataclass, field

from worker.messages import Phase


@dataclass(slots=True)
class Phases:
    """What is known so far: whatever is called after another has begun where that one ended."""

    ended: list[Phase] = field(default_factory=list)
    began_at: float = field(default_factory=time.time)

    def end(self, name: str) -> None:
        """The phase that went on is over, and has this name."""
        now = time.time()
        self.ended.append(Phase(name, self.began_at, now))
        self.began_at = now
