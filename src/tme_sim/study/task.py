"""What one worker does at a time: points of a study that run together; and points to compile for before that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tme_sim.study.definition import Study

__all__ = ["Task", "samples"]


@dataclass(frozen=True)
class Task:
    """Points of a study that run together, by their ordinals in the plan."""

    study: Study
    ordinals: tuple[int, ...]

    @property
    def points(self) -> list[tuple[str, dict[str, Any]]]:
        """Each as (arm, overrides); made when asked for, since a study may have millions."""
        found = [self.study.point(i) for i in self.ordinals]
        return [(point[1], self.study.changes(point)) for point in found]

    def __len__(self) -> int:
        return len(self.ordinals)

    def singly(self) -> list[Task]:
        """Each of its points as a task."""
        return [Task(self.study, (ordinal,)) for ordinal in self.ordinals]


def samples(study: Study, ordinals: Iterable[int]) -> list[tuple[str, dict[str, Any]]]:
    """Points whose models are compiled before all workers begin: one for each arm and set of biological choices."""
    structural = [
        f.name for f in study.all_factors if any(k.startswith("biology.") and "gains" not in k for k in f.keys)
    ]
    seen: dict[tuple, int] = {}
    for i in ordinals:
        values, arm, _ = study.point(i)
        seen.setdefault((arm, *(values.get(name) for name in structural)), i)
        if not structural and len(seen) == len(study.arms):
            break
    return Task(study, tuple(seen.values())[:200]).points
