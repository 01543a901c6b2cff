"""Whether the server answers, and when to ask again. Pure: times and chances are given."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from covalent.worker.settings import Patience

_log = logging.getLogger("covalent.worker")


@dataclass(slots=True)
class Contact:
    """Whether the server answers, and when to ask again."""

    patience: Patience
    #: Since when nobody answers, None while somebody does.
    lost_since: float | None = None
    pause: float = 0.0
    not_before: float = 0.0

    def kept(self) -> None:
        """The server has answered."""
        if self.lost_since is not None:
            _log.info("the server answers again")
        self.lost_since, self.pause, self.not_before = None, 0.0, 0.0

    def failed(self, now: float, chance: float, error: Exception) -> None:
        """Nobody answered: wait longer each time; ``chance``, from 0 to 1, keeps workers out of step."""
        if self.lost_since is None:
            _log.warning("no answer: %s", error)
            self.lost_since = now
        self.pause = min(self.patience.longest_pause, max(self.patience.first_pause, self.pause * 2))
        self.not_before = now + self.pause * (0.5 + chance / 2)

    def lost_for(self, now: float) -> float:
        """How long nobody has answered, in seconds."""
        return 0.0 if self.lost_since is None else now - self.lost_since
