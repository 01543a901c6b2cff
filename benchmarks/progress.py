"""What has been measured so far, on disk after every turn: an interrupted run loses one turn at most."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.life import Life

#: What has to be the same for two runs to be one.
_SAME = ("format", "commit", "quick", "plan", "versions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The circumstances of a run, and what came of each turn, by its name."""

    path: Path
    circumstances: dict[str, Any]
    turns: dict[str, dict[str, Any]]

    @classmethod
    def begin(cls, path: Path, circumstances: dict[str, Any], *, resume: bool) -> Progress:
        """A new run, or the one that was interrupted when it was of the same code and plan."""
        circumstances = json.loads(json.dumps(circumstances))
        if resume and path.exists():
            before = json.loads(path.read_text(encoding="utf-8"))
            if all(before["circumstances"][name] == circumstances[name] for name in _SAME):
                # What failed is tried again.
                kept = {name: turn for name, turn in before["turns"].items() if not turn["failures"]}
                return cls(path=path, circumstances=before["circumstances"], turns=kept)
        return cls(path=path, circumstances=circumstances, turns={})

    def has(self, name: str) -> bool:
        """Whether a turn has been run."""
        return name in self.turns

    def keep(self, name: str, life: Life) -> None:
        """Write down what came of a turn."""
        self.turns[name] = life.as_plain()
        whole = {"circumstances": self.circumstances, "turns": self.turns}
        draft = self.path.with_suffix(".new")
        draft.write_text(json.dumps(whole), encoding="utf-8")
        draft.replace(self.path)

    def record(self, *, load_after: float) -> dict[str, Any]:
        """Everything, with the samples by system and round."""
        rounds: dict[str, dict[str, dict[str, list[float]]]] = {}
        for name, turn in self.turns.items():
            number, _, rest = name.partition(": ")
            system, _, alone = rest.partition(" ")
            one = rounds.setdefault(system, {}).setdefault(number, {})
            # A start is measured where nothing but the start has been asked yet; the same key must not be told twice.
            one.update({key: values for key, values in turn["samples"].items() if not (alone and key == "start_s")})
        load = self.circumstances["load"] | {"after": load_after}
        return self.circumstances | {
            "load": load,
            "failures": {name: turn["failures"] for name, turn in self.turns.items() if turn["failures"]},
            "rounds": {system: list(by_number.values()) for system, by_number in rounds.items()},
        }
