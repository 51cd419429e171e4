"""What one worker does at a time: points of a study that run together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tme_sim.study.definition import Study


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
