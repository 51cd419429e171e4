"""From a protocol to dated entries: a pure function of protocol, patient, drug library and length of the run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from tme_sim.diagnostics import InputError, Key, Places, quoted
from tme_sim.protocol import TICKS_PER_DAY, DrugTreatment, Protocol, to_ticks
from tme_sim.protocol.calendar import LOOKS, PROCEDURES, Body, Calendar, Entry, HeldAround, Stretch, Track
from tme_sim.protocol.checks import check_rules
from tme_sim.protocol.dating import MAX_ENTRIES, Dates, Dating, Refused
from tme_sim.protocol.giving import Amounts, Giving, procedure_data
from tme_sim.protocol.phases import stretches
from tme_sim.therapies.drug_file import PLACES
from tme_sim.therapies.library import Library
from tme_sim.therapies.procedures import fraction_days
from tme_sim.validation import Problems

__all__ = ["Body", "Calendar", "Dated", "Entry", "resolve"]

BODIES = 16  # sets of doses whose calendars are kept: patients in the same bands of weight share theirs


TYPICAL = Body()


class _Resolver:
    def __init__(self, protocol: Protocol, body: Body, library: Library, end: int, key: Key, problems: Problems):
        self.dating = Dating(protocol, body.weight, library, end, key, problems)
        self.giving = Giving(self.dating, body)
        self.items, self.keys, self.problems = self.dating.items, self.dating.keys, problems
        self.resolved: dict[int, Dates] = {}

    def dates(self) -> None:
        """Dates of all entries; those refused are left out."""
        total = 0
        for index, item in enumerate(self.items):
            try:
                found = self.dating.dates(index)
            except Refused:
                if isinstance(item, DrugTreatment):
                    self.giving.check_drug(item, self.keys[index])
                continue
            total += len(found.ticks)
            if total > MAX_ENTRIES:
                self.problems.add(self.keys[index], f"brings the protocol above {MAX_ENTRIES} dates; lengthen it")
                self.resolved = {}
                return
            self.resolved[index] = found

    def entries(self, chosen: Sequence[int], shift: dict[int, int]) -> list[Entry]:
        """Entries of some of the items, those of phases that start by rule moved by `shift`, in calendar order."""
        found: list[Entry] = []
        for index in chosen:
            dates = self.resolved[index]
            ticks = [t + shift.get(dates.base, 0) for t in dates.ticks]
            found += self.giving.entries_of(self.items[index], ticks, self.keys[index])
        position = {item.name: i for i, item in enumerate(self.items)}
        return sorted(found, key=lambda e: (e.tick, e.order, position[e.treatment], e.number))

    def within_phases(self, planned: Sequence[Entry], phases: Sequence[Stretch]) -> list[Entry]:
        """Planned entries up to the planned start of the phase that follows theirs; the first of each is kept."""
        follower = {s.follows: s.nominal for s in phases if s.follows >= 0}
        numbers = {phase.name.lower(): i for i, phase in enumerate(self.dating.phases)}
        ends = {item.name: follower.get(numbers.get(item.in_phase.lower(), -1), math.inf) for item in self.items}
        return [entry for entry in planned if entry.number == 1 or entry.tick < ends[entry.treatment]]

    def tracks(self, ruled: Sequence[int]) -> list[Track]:
        """The treatments that the run decides about."""
        number = {index: i for i, index in enumerate(ruled)}
        return [self.track(index, number) for index in ruled]

    def track(self, index: int, number: dict[int, int]) -> Track:
        """One of them."""
        item, key, dates = self.items[index], self.keys[index], self.resolved[index]
        loading = 0
        if isinstance(item, DrugTreatment):
            given, loading = self.giving.levels_of(item, key)
            every = self.dating.interval(item, key) or 0
            if given:
                self.giving.too_close((), every, given[0].data["duration"], key)
        else:
            data = procedure_data(item)
            given, every = (
                [Entry(0, 20, item.kind, item.name, 1, data)],
                to_ticks(item.every, "every") if item.every else 0,
            )
        phase = self.dating.phase_of(item, (*key, "phase"))
        holds = [
            HeldAround(
                number[j], to_ticks(hold.before, "before"), to_ticks(hold.after, "after"), hold.policy == "delay"
            )
            for hold in getattr(item, "hold", ())
            for j in self.dating.named(hold.around)
            if j in number
        ]
        until = None if item.at is not None else self.dating.until(item, key, phase, dates.base)
        open_ended = dates.open and item.every is not None or (dates.open and every > 0)
        return Track(
            item, phase, dates.base, tuple(dates.ticks), every, open_ended, until, tuple(given), loading, tuple(holds)
        )

    def roles(self) -> None:
        """More drugs of one role than a run has kinetic slots for it."""
        taken: dict[str, list[tuple[str, Key]]] = {}
        for key, item in zip(self.keys, self.items, strict=True):
            drug = self.dating.drug(item.drug) if isinstance(item, DrugTreatment) else None
            if drug is None:
                continue
            others = taken.setdefault(drug.role, [])
            if drug.name not in [name for name, _ in others]:
                others.append((drug.name, key))
        for role, drugs in taken.items():
            room = len(PLACES[role])
            for name, key in drugs[room:]:
                held = " and ".join(n for n, _ in drugs[:room])
                number = {1: "one drug", 2: "two drugs"}[room]
                self.problems.add(
                    (*key, "drug"),
                    f"{held} and {name} are {'both' if room == 1 else 'all'} {role}: a run holds {number} of a role; "
                    "leave one out",
                )

    def clashes(self, entries: Sequence[Entry]) -> None:
        """Two entries that cannot both be meant: sessions within a day, or within a course of radiotherapy, or one drug
        from two treatments within a day."""
        last: dict[str, Entry] = {}
        told: set[tuple[str, str]] = set()
        index = {item.name: i for i, item in enumerate(self.items)}
        for entry in entries:
            if entry.kind in LOOKS:
                continue
            what = entry.kind if entry.kind in PROCEDURES else entry.data["drug"]
            before = last.get(what)
            last[what] = entry
            if before is None:
                continue
            course = fraction_days(before.data["fractions"])[-1] if what == "sbrt" else 0
            if entry.tick - before.tick >= (course + 1) * TICKS_PER_DAY:
                continue
            pair = (before.treatment, entry.treatment)
            if pair in told or (entry.kind == "drug" and (pair[0] == pair[1] or self.meant_together(index, *pair))):
                continue
            told.add(pair)
            within = f"into the {course + 1} days" if course else "within a day"
            self.problems.add(
                self.keys[index[entry.treatment]],
                f"{quoted(entry.treatment)} on day {entry.day:g} comes {within} of {quoted(before.treatment)} "
                f'({"two sessions" if what in PROCEDURES else what + " twice"}); move one, or end one with "until"',
            )

    def meant_together(self, index: dict[str, int], first: str, second: str) -> bool:
        """Whether one of two treatments is dated from the other, as an infusion from its bolus."""
        for one, other in ((first, second), (second, first)):
            start = self.items[index[one]].start
            dated = start is not None and not start.phase and start.which
            if dated and index[other] in self.dating.named(start.anchor):
                return True
        return False

    def in_ending_phase(self, index: int) -> bool:
        """Whether an entry belongs to a phase that a date or a visit ends."""
        number = self.dating.phase_of(self.items[index], (*self.keys[index], "phase"))
        return number >= 0 and (self.dating.phases[number].end or self.dating.phases[number].until) is not None

    def endless(self) -> None:
        """Treatments that nothing ends but the run."""
        for index, dates in self.resolved.items():
            item = self.items[index]
            ended = self.in_ending_phase(index) or isinstance(item.until, tuple) or any(
                r.then == "discontinue" for r in getattr(item, "rule", ()))  # fmt: skip
            demanded = getattr(item, "on_demand", None)
            if dates.open and item.kind not in ("scan", "visit") and not ended and not (demanded and demanded.maximum):
                self.giving.warnings.append(
                    f'{item.name}: goes on until the run ends; end it with until = "progression", "times" or a phase '
                    "that ends"
                )


def resolve(
    protocol: Protocol,
    *,
    end: int,
    body: Body = TYPICAL,
    library: Library,
    problems: Problems | None = None,
    key: Key = (),
) -> Calendar:
    """Dated entries of `protocol` up to tick `end`, and what rules decide; notes contradictions in `problems`.

    Entries after `end` are left out with a warning when a date was given, silently when an open train goes on.

    Raises:
        InputError: contradictions, when no `problems` is given.
    """
    collected = problems if problems is not None else Problems(Places("protocol"))
    before = len(collected.found)
    resolver = _Resolver(protocol, body, library, end, key, collected)
    resolver.dates()
    phases = stretches(resolver.dating, resolver.resolved)
    ruled = [i for i in resolver.resolved if i in resolver.dating.ruled]
    shift = {i: s.nominal for i, s in enumerate(phases)}
    entries = resolver.entries([i for i in resolver.resolved if i not in resolver.dating.ruled], shift)
    planned = resolver.within_phases(resolver.entries(ruled, shift), phases)
    fixed = {resolver.items[i].name for i in ruled if resolver.resolved[i].base < 0}
    resolver.roles()
    resolver.clashes(sorted([*entries, *(e for e in planned if e.treatment in fixed)], key=lambda e: (e.tick, e.order)))
    resolver.endless()
    check_rules(resolver.dating, phases, resolver.giving.warnings)
    tracks = resolver.tracks(ruled) if len(collected.found) == before else []
    if problems is None and collected:
        raise InputError(collected.found)
    known = [*entries, *(e for e in planned if e.treatment in fixed)]
    late = sorted({e.treatment for e in known if e.tick > end})
    warnings = [
        *resolver.dating.warnings, *resolver.giving.warnings,
        *(f"{name}: dates after the end of the run are left out" for name in late),
    ]  # fmt: skip
    return Calendar(
        tuple(e for e in entries if e.tick <= end), tuple(dict.fromkeys(warnings)),
        tuple(e for e in planned if e.tick <= end), tuple(tracks), tuple(phases),
    )  # fmt: skip


class Dated:
    """A protocol resolved for one body after another: dates are found once, and what a body changes are doses.

    A body whose doses come at other intervals, at another number of levels, or with something to tell is resolved by
    itself.
    """

    def __init__(self, protocol: Protocol, *, end: int, library: Library, key: Key = ()):
        self.protocol, self.end, self.library, self.key = protocol, end, library, key
        self.dating: Dating | None = None  # once a body was resolved without a mistake
        self.known: dict[tuple, Calendar] = {}
        self.models: dict[tuple, tuple[tuple, Calendar]] = {}  # by what must be equal: doses, and their calendar

    def calendar(self, body: Body, problems: Problems) -> Calendar:
        """What :func:`resolve` gives for a body; bodies of the same doses are given the same object."""
        doses = self._doses(body) if self.dating is not None else None
        if doses is not None and doses in self.known:
            return self.known[doses]
        shape = None if doses is None else tuple(one and one.shape for one in doses)
        if shape in self.models:
            found = _with_doses(self.protocol, *self.models[shape], doses)
        else:
            before = len(problems.found)
            found = resolve(self.protocol, end=self.end, body=body, library=self.library, problems=problems,
                            key=self.key)  # fmt: skip
            if len(problems.found) > before:
                return found
            if self.dating is None:
                self.dating = Dating(self.protocol, body.weight, self.library, self.end, self.key, problems)
                doses = self._doses(body)
            if doses is None:
                return found
            self.models[tuple(one and one.shape for one in doses)] = doses, found
        while len(self.known) >= BODIES:
            self.known.pop(next(iter(self.known)))
        self.known[doses] = found
        return found

    def _doses(self, body: Body) -> tuple[Amounts | None, ...] | None:
        """Doses of each treatment (None of those that are no drug), or None where one has something to tell."""
        giving, out = Giving(self.dating, body), []
        for item in self.protocol.treatment:
            out.append(giving.amounts(item) if isinstance(item, DrugTreatment) else None)
            if isinstance(item, DrugTreatment) and out[-1] is None:
                return None
        return tuple(out)


def _with_doses(protocol: Protocol, before: tuple, calendar: Calendar, after: tuple) -> Calendar:
    """A calendar with the doses `after` in place of those `before`, by treatment."""
    items = zip(protocol.treatment, before, after, strict=True)
    changed = {item.name: new for item, old, new in items if old != new}

    def dated(entries: Sequence[Entry]) -> tuple[Entry, ...]:
        return tuple(
            replace(e, data={**e.data, "dose": changed[e.treatment].dated(e.number)}) if e.treatment in changed else e
            for e in entries
        )

    def levels(track: Track) -> Track:
        if track.name not in changed:
            return track
        given = zip(track.given, changed[track.name].levels, strict=True)
        return replace(track, given=tuple(replace(e, data={**e.data, "dose": dose}) for e, dose in given))

    return replace(calendar, entries=dated(calendar.entries), planned=dated(calendar.planned),
                   tracks=tuple(map(levels, calendar.tracks)))  # fmt: skip
