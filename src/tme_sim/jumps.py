"""Dated entries as groups of jumps in the engine's queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tme_sim.compiler.model import CompiledModel
from tme_sim.engine import queue as queue_module
from tme_sim.engine import run as engine
from tme_sim.protocol.calendar import told_order
from tme_sim.therapies import procedures, reach, session
from tme_sim.thresholds import DETECT

if TYPE_CHECKING:
    import numpy as np

    from tme_sim.plan import Plan

TICKS_PER_DAY = queue_module.TICKS_PER_DAY


class CalendarBuilder:
    """Collects jump groups by name and turns them into the engine's arrays; `drawn_for` is (seed, patient)."""

    def __init__(self, model: CompiledModel, th: np.ndarray, numbers: Mapping[str, float] | None = None,
                 drawn_for: tuple[int, int] = (1, 0)):  # fmt: skip
        self.model, self.th, self.numbers, self.drawn_for = model, th, numbers or {}, drawn_for
        self.jumps = engine.Jumps()
        self.queued: list[tuple[int, int, int]] = []
        self.events: list[dict] = []
        self.place = {n: i for i, n in enumerate(model.state_names)}
        self.place |= {n: len(model.state_names) + i for i, n in enumerate(model.held_names)}
        self.read: dict[tuple[str, int], float] = {}  # what the calendar took from the patient so far
        self.known: list[int] | None = None

    def value(self, name: str) -> float:
        """A body parameter of the working vector."""
        return self._kept(name, 0)

    def of_lesion(self, name: str, lesion: int) -> float:
        """A lesion parameter of the working vector; lesions count from 1."""
        return self._kept(name, lesion)

    def _kept(self, name: str, lesion: int) -> float:
        if (name, lesion) not in self.read:
            self.read[name, lesion] = _value(self.model, self.th, name, lesion)
        return self.read[name, lesion]

    def fits(self, th: np.ndarray) -> bool:
        """Whether the patient with this working vector gets the calendar that has been built, to the last bit."""
        return all(_value(self.model, th, *where) == value for where, value in self.read.items()) and (
            self.known is None or _known_lesions(self.model, th) == self.known)

    def delivered(self) -> float:
        """How much of a session an invaded portal vein leaves."""
        if "portal_invasion" not in self.model.layout.theta["body"]:  # when fate is switched off
            return 1.0
        return 1.0 - self.value("invasion_shunt") * self.value("portal_invasion")

    @property
    def known_lesions(self) -> list[int]:
        """Lesions in the liver that imaging shows at entry: what a session without named targets treats."""
        if self.known is None:
            self.known = _known_lesions(self.model, self.th)
        return self.known

    def rows(self, changes, lesion: int = 0):
        """Engine rows (dest, src, coef, const) of named changes; names of a lesion get its number."""
        out = []
        for change in changes:
            dest = self._index(change.target, lesion)
            src = self._index(change.source, lesion) if change.source else -1
            out.append((dest, src, change.coefficient, change.constant))
        return out

    def _index(self, name: str, lesion: int) -> int:
        return self.place[f"{name}.{lesion}" if lesion else name]

    def add_all(self, groups) -> None:
        """Queue jump groups (tick, order, rows)."""
        for tick, order, rows in groups:
            self.add(tick, order, rows)

    def add(self, tick: int, order: int, rows) -> None:
        """Queue one jump group."""
        self.queued.append((tick, order, self.jumps.group(rows)))

    def group(self, changes) -> int:
        """Number of a new jump group of the body, which a decision may queue."""
        return self.jumps.group(self.rows(changes))

    def _of_body(self, entry, lesions: list[int]) -> list[tuple[float, list]]:
        """Changes of the body by a procedure, as (delay in days, rows); none with the liver switched off."""
        if "injury" not in self.place:
            return []
        if entry.kind == "tace":
            return [(0.0, session.body_changes(_session(entry, self.numbers), self.value))]
        if all(self.of_lesion("extrahepatic", lesion) == 1.0 for lesion in lesions):
            return []
        return procedures.body_changes(entry.kind, entry.data)

    def _of_lesion(self, entry, lesion: int) -> list[tuple[float, list]]:
        """Changes of a treated lesion, as (delay in days, rows); states that are switched off are left out."""
        if entry.kind == "tace":
            one, share = _session(entry, self.numbers), self.of_lesion("arterial_share", lesion)
            closed = self._closed(one, entry, lesion, share)
            share = self.delivered() * (share if closed is None else 1.0)  # drawn reach knows what the artery feeds
            changes = session.lesion_changes(one, self.value, closed)
            return [(delay, session.reached(rows, share)) for delay, rows in changes]
        core = self.value("core_share") if "core_share" in self.model.layout.theta["body"] else 1.0
        found = procedures.lesion_changes(entry.kind, entry.data, lambda name: self.of_lesion(name, lesion), core)
        kept = [(delay, [row for row in rows if f"{row.target}.{lesion}" in self.place]) for delay, rows in found]
        return [(delay, rows) for delay, rows in kept if rows]

    def _closed(self, one: session.Session, entry, lesion: int, arterial: float) -> tuple[float, float, float] | None:
        """What a session closes of a lesion where that is drawn; None where it is the end point's, or given."""
        if one.lost is not None or not reach.is_drawn(self.model):
            return None
        size = self.of_lesion("diameter", lesion)
        depth = reach.depth_at(one, size, self.value) if reach.is_sized(self.model) else one.depth
        return reach.closed_by(one, size, self.value, *reach.draws(*self.drawn_for, lesion, entry.tick), arterial,
                               depth)  # fmt: skip

    def session_parts(self, entry) -> list[tuple[int, int, int, int]]:
        """Parts of a session that decisions date: lesion from 0 (-1: the body), delay in ticks, order, jump group."""
        named = [int(t) for t in entry.data.get("targets", ())]
        lesions = named or list(range(1, self.model.layout.n_lesions + 1))
        out = [(-1, round(delay * TICKS_PER_DAY), entry.order, self.group(rows))
               for delay, rows in self._of_body(entry, lesions)]  # fmt: skip
        for lesion in lesions:
            for delay, rows in self._of_lesion(entry, lesion):
                group = self.jumps.group(self.rows(rows, lesion))
                out.append((lesion - 1, round(delay * TICKS_PER_DAY), entry.order, group))
        return out

    def procedure(self, entry) -> None:
        """Queue a procedure: the body once, every treated lesion, each change at its own delay."""
        lesions = [int(t) for t in entry.data.get("targets", ())] or self.known_lesions
        groups: dict[float, list] = {0.0: []}
        for delay, rows in self._of_body(entry, lesions):
            groups.setdefault(delay, []).extend(self.rows(rows))
        for lesion in lesions:
            for delay, rows in self._of_lesion(entry, lesion):
                groups.setdefault(delay, []).extend(self.rows(rows, lesion))
        for delay, group in groups.items():
            self.add(entry.tick + round(delay * TICKS_PER_DAY), entry.order, group)

    def finish(self, plan: Plan, more: int = 0):
        """Engine jumps, queue with `more` places for decisions, and told events, in calendar order."""
        queue = queue_module.new_queue(len(self.queued) + 64 + more)
        for tick, order, group in sorted(self.queued, key=lambda q: (q[0], q[1])):
            if tick <= plan.stop:
                queue_module.append(queue, tick, order, queue_module.JUMP, group)
        return self.jumps, queue, sorted(self.events, key=told_order)


def _value(model: CompiledModel, th: np.ndarray, name: str, lesion: int) -> float:
    """A value of the working vector; lesions count from 1, values of the body have lesion 0."""
    return float(th[model.index("theta", name, max(lesion - 1, 0))])


def _known_lesions(model: CompiledModel, th: np.ndarray) -> list[int]:
    return [
        b for b in range(1, model.layout.n_lesions + 1)
        if _value(model, th, "present", b) > 0.0 and _value(model, th, "extrahepatic", b) == 0.0
        and _value(model, th, "diameter", b) >= DETECT
    ]  # fmt: skip


def _session(entry, numbers: Mapping[str, float]) -> session.Session:
    """The embolisation of a calendar entry; `lost` in its data is the share of perfused vessels that it costs."""
    data = entry.data
    load = data.get("drug_load") or 0.0
    return session.Session(data["technique"], data["endpoint"], data["selectivity"], load, data.get("lost"), numbers)
