"""Dated entries, and what only the run will date: a protocol resolved for one patient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tme_sim.protocol.conditions import Condition
from tme_sim.protocol.dates import TICKS_PER_DAY, When
from tme_sim.protocol.tables import Given, OnDemand

# At one tick a scan sees what was before the procedure of that visit, and drugs follow the procedure.
ORDER = {"scan": 10, "planning": 10, "visit": 10, "drug": 30}
ORDER |= {"tace": 20, "ablation": 20, "sbrt": 20, "radioembolisation": 20}
DECIDED = 15  # where events that tell a decision stand: after the look that led to it
LOOKS = ("scan", "planning", "visit")
PROCEDURES = ("tace", "ablation", "sbrt", "radioembolisation")


def told_order(event: Mapping[str, Any]) -> tuple[int, int]:
    """Key that sorts the told events of a run as they happened."""
    return event["tick"], ORDER.get(event["kind"], DECIDED)


@dataclass(frozen=True)
class Body:
    """What dosing needs of a patient: weight in kg and height in cm."""

    weight: float = 70.0
    height: float = 170.0

    @property
    def surface(self) -> float:
        """Body surface in m^2 (Mosteller 1987, doi:10.1056/NEJM198710223171717)."""
        return math.sqrt(self.weight * self.height / 3600.0)


@dataclass(frozen=True)
class Entry:
    """One dated thing: `tick` in minutes from day 0; `number` counts within its treatment from 1.

    `data` of a drug: drug, dose (mg), duration (min, 0 for oral), route.  Of a TACE: technique, selectivity, endpoint,
    drug, drug_load (mg or None), targets (names of lesions, empty for all).  Of a scan: method.  Of other procedures:
    the keys of their table in :mod:`tme_sim.protocol.tables`, in mm and Gy.
    """

    tick: int
    order: int
    kind: str
    treatment: str
    number: int
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def day(self) -> float:
        """Date in days from day 0."""
        return self.tick / TICKS_PER_DAY


@dataclass(frozen=True)
class HeldAround:
    """A hold of a ruled treatment: ticks before and after each session of treatment number `around`."""

    around: int
    before: int
    after: int
    delay: bool


@dataclass(frozen=True)
class Track:
    """A treatment whose dates or doses depend on what visits see.

    It ends with phase number `phase` (-1: none).  `offsets` are its ticks from the start of phase number `base`
    (-1: from day 0), and `every` continues them when `open`.  `given` are entries without meaning of their date: first
    the `loading` ones, then the usual one and its
    reduced levels.  `until` (ticks from the base, or None) ends it.
    """

    item: Given
    phase: int
    base: int
    offsets: tuple[int, ...]
    every: int
    open: bool
    until: int | None
    given: tuple[Entry, ...]
    loading: int = 0
    holds: tuple[HeldAround, ...] = ()

    @property
    def name(self) -> str:
        """Name of the treatment."""
        return self.item.name

    @property
    def ends(self) -> tuple[Condition, ...]:
        """Conditions that end it for good."""
        return self.item.until if isinstance(self.item.until, tuple) else ()

    @property
    def on_demand(self) -> OnDemand | None:
        """How a procedure is repeated, if scans decide."""
        return getattr(self.item, "on_demand", None)


@dataclass(frozen=True)
class Stretch:
    """A phase resolved: `start` is its tick, None if it follows phase number `follows`; `length` ticks or None.

    Not before `tick` when `anchor` is "": else `offset` ticks after the first or last entry of track `anchored`
    ("first", "last"), or after the start or end of phase `anchored` ("start", "end").  `nominal` is its planned tick.
    One that `ends_all` ends whatever does not follow it.
    """

    name: str
    start: int | None
    follows: int = -1
    length: int | None = None
    ends: tuple[Condition, ...] = ()
    tick: int | None = None
    anchor: str = ""
    anchored: int = -1
    offset: int = 0
    nominal: int = 0
    new_baseline: bool = False
    ends_all: bool = False


@dataclass(frozen=True)
class Calendar:
    """All dated entries in the order they happen, what depends on visits, and what the user should know.

    `planned` are the dates of `tracks` if no rule acts; a phase without an end of its own gives way at the first look,
    and a session on demand stands there once.
    """

    entries: tuple[Entry, ...] = ()
    warnings: tuple[str, ...] = ()
    planned: tuple[Entry, ...] = ()
    tracks: tuple[Track, ...] = ()
    phases: tuple[Stretch, ...] = ()

    @property
    def ruled(self) -> bool:
        """Whether the run decides anything."""
        return bool(self.tracks)

    def follows_all(self, number: int) -> bool:
        """Whether a phase by number (-1: none) comes after one that ends all, as therapy after progression does."""
        while number >= 0:
            number = self.phases[number].follows
            if number >= 0 and self.phases[number].ends_all:
                return True
        return False

    @cached_property
    def later(self) -> frozenset[str]:
        """Names of the treatments that are therapy after progression."""
        return frozenset(track.name for track in self.tracks if self.follows_all(track.phase))

    @cached_property
    def all(self) -> tuple[Entry, ...]:
        """Entries and planned entries by date."""
        return tuple(sorted((*self.entries, *self.planned), key=lambda e: (e.tick, e.order)))

    @cached_property
    def drugs(self) -> tuple[str, ...]:
        """Library names of all drugs, in the order of their first dose; those that only a rule brings come last."""
        given = [e for t in self.tracks for e in t.given]
        return tuple(dict.fromkeys(e.data["drug"] for e in (*self.all, *given) if e.kind == "drug"))

    @cached_property
    def first_tick(self) -> int:
        """Start of the run: day 0, or the first entry if that is earlier."""
        return min([0, *(e.tick for e in (*self.entries, *self.planned))])

    def of(self, name: str) -> tuple[Entry, ...]:
        """Entries of one treatment, kind or drug, planned ones included."""
        return tuple(e for e in self.all if name in (e.treatment, e.kind, e.data.get("drug")))

    def tick_of(self, when: When) -> int | None:
        """The minute from day 0 of a date; None where no dated entry is what it counts from, or only a run dates it.

        A name means a treatment of that name, else a drug, else a kind.
        """
        if not when.anchor:
            return when.offset
        if when.phase:
            return None
        meant = when.anchor.lower()
        names = [(e.tick, (e.treatment.lower(), e.data.get("drug"), e.kind)) for e in self.entries]
        dated = next(filter(None, ([t for t, n in names if n[i] == meant] for i in range(3))), [])
        place = len(dated) if when.which == -1 else when.which
        return dated[place - 1] + when.offset if 1 <= place <= len(dated) else None
