"""From a protocol to dated entries: a pure function of protocol, patient, drug library and length of the run."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tme_sim.diagnostics import Key, Places, nearest, quoted
from tme_sim.protocol import (
    TICKS_PER_DAY,
    DrugTreatment,
    Hold,
    Protocol,
    Scan,
    Tace,
    Timed,
    When,
    dose_basis,
    to_ticks,
)  # fmt: skip
from tme_sim.quantities import Quantity, convert, internal
from tme_sim.therapies.drug import Drug, Regimen
from tme_sim.therapies.library import Library
from tme_sim.validation import Problems

__all__ = ["Body", "Calendar", "Entry", "resolve"]

# At one tick a scan sees what was before the procedure of that visit, and drugs follow the procedure.
ORDER = {"scan": 10, "tace": 20, "drug": 30}
MAX_ENTRIES = 20_000
EARLIEST = -3650 * TICKS_PER_DAY


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
    drug, drug_load (mg or None), targets (names of lesions, empty for all).  Of a scan: method.
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
class Calendar:
    """All dated entries in the order they happen, and what the user should know about them."""

    entries: tuple[Entry, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def first_tick(self) -> int:
        """Start of the run: day 0, or the first entry if that is earlier."""
        return min([0, *(e.tick for e in self.entries)])

    def of(self, name: str) -> tuple[Entry, ...]:
        """Entries of one treatment, kind or drug."""
        return tuple(e for e in self.entries if name in (e.treatment, e.kind, e.data.get("drug")))


@dataclass
class _Dates:
    ticks: list[int]
    open: bool  # a train that goes on until the run ends


class _Refused(Exception):
    """This entry has no dates; the reason has been noted."""


class _Resolver:
    def __init__(self, protocol: Protocol, body: Body, library: Library, end: int, key: Key, problems: Problems):
        self.items: list[Timed] = [*protocol.treatment, *protocol.scan]
        self.keys: list[Key] = [(*key, "treatment", i) for i in range(len(protocol.treatment))]
        self.keys += [(*key, "scan", i) for i in range(len(protocol.scan))]
        self.body, self.library, self.end, self.problems = body, library, end, problems
        self.done: dict[int, _Dates | None] = {}
        self.path: list[int] = []
        self.warnings: list[str] = []

    # --- names -----------------------------------------------------------------------------------------------

    def drug(self, name: str) -> Drug | None:
        try:
            return self.library.get(name)
        except KeyError:
            return None

    def named(self, name: str) -> list[int]:
        """Entries that a reference means: by their own name, else by drug, else by kind."""
        wanted = name.lower()
        by_name = [i for i, t in enumerate(self.items) if t.name.lower() == wanted]
        if by_name:
            return by_name
        drug = self.drug(name)
        if drug is not None:
            found = [i for i, t in enumerate(self.items) if isinstance(t, DrugTreatment) and self.drug(t.drug) == drug]
            if found:
                return found
        return [i for i, t in enumerate(self.items) if t.kind == wanted]

    def known_names(self) -> list[str]:
        drugs = [t.drug for t in self.items if isinstance(t, DrugTreatment)]
        return list(dict.fromkeys([*(t.name for t in self.items), *drugs, *(t.kind for t in self.items)]))

    def meant(self, name: str, at: Key) -> list[int]:
        found = self.named(name)
        if not found:
            known = self.known_names()
            listed = f"; this protocol has {', '.join(known)}" if known else ""
            self.problems.add(at, f"{quoted(name)} names nothing in this protocol{nearest(name, known)}{listed}")
            raise _Refused
        return found

    # --- dates -----------------------------------------------------------------------------------------------

    def dates(self, index: int) -> _Dates:
        """Dates of one entry after its holds; follows references depth first."""
        if index in self.path:
            loop = [self.items[i].name for i in [*self.path[self.path.index(index) :], index]]
            chain = ", which waits for ".join(quoted(n) for n in loop[1:])
            self.problems.add(self.keys[index], f"{quoted(loop[0])} waits for {chain}; give one of them a fixed day")
            for i in self.path[self.path.index(index) :]:
                self.done[i] = None
            raise _Refused
        if index not in self.done:
            self.path.append(index)
            try:
                self.done[index] = self.made(index)
            except _Refused:
                self.done[index] = None
            finally:
                self.path.pop()
        found = self.done[index]
        if found is None:
            raise _Refused
        return found

    def events(self, name: str, at: Key) -> tuple[list[int], bool]:
        ticks: list[int] = []
        is_open = False
        for i in self.meant(name, at):
            dates = self.dates(i)
            ticks += dates.ticks
            is_open |= dates.open
        return sorted(ticks), is_open

    def tick(self, when: When, at: Key) -> int:
        if not when.which:
            return when.offset
        ticks, is_open = self.events(when.anchor, at)
        if when.which < 0 and is_open:
            self.problems.add(
                at,
                f"{quoted(when.text)}: {quoted(when.anchor)} repeats until the run ends and has no last one; "
                'give it "times" or "until"',
            )
            raise _Refused
        if when.which > len(ticks):
            self.problems.add(at, f"{quoted(when.text)}: {quoted(when.anchor)} happens only {len(ticks)} times")
            raise _Refused
        return ticks[-1 if when.which < 0 else when.which - 1] + when.offset

    def made(self, index: int) -> _Dates:
        item, key = self.items[index], self.keys[index]
        if item.at is not None:
            given = [self.tick(w, (*key, "at")) for w in item.at]
            if len(set(given)) < len(given):
                self.problems.add((*key, "at"), "names the same date twice")
                raise _Refused
            dates = _Dates(sorted(given), False)
        else:
            dates = self.train(item, key)
        for tick in (dates.ticks[0], dates.ticks[-1]):
            if tick < EARLIEST:
                self.problems.add(
                    (*key, "start"), f"lies more than ten years before day 0 (day {tick / TICKS_PER_DAY:g})"
                )
                raise _Refused
        if isinstance(item, DrugTreatment) and item.hold:
            dates = self.held(item, dates, key)
        return dates

    def train(self, item: Timed, key: Key) -> _Dates:
        start = self.tick(item.start, (*key, "start"))
        every = self.interval(item, key)
        until = None if item.until is None else self.tick(item.until, (*key, "until"))
        if until is not None and until <= start:
            self.problems.add(
                (*key, "until"),
                f"{quoted(item.until)} is day {until / TICKS_PER_DAY:g}, not after the start on day "
                f"{start / TICKS_PER_DAY:g}, so nothing would be given; move one of the two",
            )
            raise _Refused
        if every is None:
            return _Dates([start], False)
        repeats = item.every is not None or item.times is not None or until is not None
        count = math.inf if item.times is None else item.times
        if until is not None:
            count = min(count, -(-(until - start) // every))
        is_open = math.isinf(count)
        if is_open:
            count = max(1, (self.end - start) // every + 1) if repeats or item.spaced_elsewhere else 1
        if count > MAX_ENTRIES:
            self.problems.add(key, f"would be given {count:g} times; at most {MAX_ENTRIES} dates are followed")
            raise _Refused
        return _Dates([start + k * every for k in range(int(count))], is_open)

    def interval(self, item: Timed, key: Key) -> int | None:
        if item.every is not None:
            return to_ticks(item.every, "every")
        regimen = self.regimen(item) if isinstance(item, DrugTreatment) and item.regimen is not None else None
        if regimen is None:
            return None
        return round(regimen.band(internal(self.body.weight, "kg")).start.interval * TICKS_PER_DAY)

    def held(self, item: DrugTreatment, dates: _Dates, key: Key) -> _Dates:
        ticks = dates.ticks
        for number, hold in enumerate(item.hold):
            at = (*key, "hold", number)
            if self.named(hold.around) == [self.items.index(item)]:
                self.problems.add(at, f"{quoted(item.name)} cannot be held around itself")
                raise _Refused
            anchors, _ = self.events(hold.around, at)
            ticks = self.kept(item, ticks, hold, anchors)
            if not ticks:
                self.problems.add(
                    at, f"leaves no day on which {quoted(item.name)} is given; shorten the hold or move the start"
                )
                raise _Refused
        return _Dates(ticks, dates.open)

    def kept(self, item: DrugTreatment, ticks: Sequence[int], hold: Hold, anchors: Sequence[int]) -> list[int]:
        before, after = to_ticks(hold.before, "before"), to_ticks(hold.after, "after")
        windows: list[list[int]] = []
        for a in anchors:  # joined where they overlap, so that a delayed dose never lands in the next window
            if windows and a - before <= windows[-1][1]:
                windows[-1][1] = max(windows[-1][1], a + after)
            else:
                windows.append([a - before, a + after])
        starts = [w[0] for w in windows]
        out: list[int] = []
        for tick in ticks:
            window = windows[max(0, bisect_right(starts, tick) - 1)]
            if not window[0] <= tick < window[1]:
                out.append(tick)
            elif hold.policy == "delay":
                out.append(window[1])
        unique = sorted(set(out))
        if len(unique) < len(out):
            self.warnings.append(f"{item.name}: doses delayed to the same date by a hold are given once")
        return unique

    # --- doses -----------------------------------------------------------------------------------------------

    def regimen(self, item: DrugTreatment) -> Regimen | None:
        drug = self.drug(item.drug)
        return next((r for r in drug.dosing if r.name == item.regimen), None) if drug else None

    def check_drug(self, item: DrugTreatment, key: Key) -> Drug | None:
        drug = self.drug(item.drug)
        if drug is None:
            tail = nearest(item.drug, self.library.names())
            self.problems.add((*key, "drug"), f"{quoted(item.drug)} is not in the drug library{tail}")
            return None
        names = [r.name for r in drug.dosing]
        if item.regimen is not None and item.regimen not in names:
            tail = nearest(item.regimen, names)
            self.problems.add(
                (*key, "regimen"),
                f"{quoted(item.regimen)} is no regimen of {drug.name}{tail}; it has: {', '.join(names) or 'none'}",
            )
            return None
        if (item.route or drug.route) == "oral" and item.infusion is not None:
            self.problems.add((*key, "infusion"), f'{drug.name} is taken by mouth; remove "infusion"')
            return None
        return drug

    def milligrams(self, dose: Quantity) -> float:
        """The amount of one dose in mg for this body."""
        per = dose_basis(dose.unit)
        if per == "kg":
            return convert(dose.value, dose.unit, "mg/kg") * self.body.weight
        if per == "m2":
            return convert(dose.value, dose.unit, "mg/m^2") * self.body.surface
        return convert(dose.value, dose.unit, "mg")

    def of_regimen(self, regimen: Regimen) -> float:
        """The starting dose of a library regimen in mg for this body."""
        start = regimen.band(internal(self.body.weight, "kg")).start
        return start.milligrams(internal(self.body.weight, "kg"), internal(self.body.surface, "m^2"))

    def duration(self, item: DrugTreatment, drug: Drug, regimen: Regimen | None, route: str) -> int:
        """Minutes of an infusion: as given, as in the regimen, as in any regimen of the drug, or one hour."""
        if route == "oral":
            return 0
        if item.infusion is not None:
            return max(1, to_ticks(item.infusion, "infusion"))
        for known in [*([regimen] if regimen else []), *drug.dosing]:
            if known.infusion > 0:
                return max(1, round(known.infusion * TICKS_PER_DAY))
        return 60

    def drug_entries(self, item: DrugTreatment, ticks: Sequence[int], key: Key) -> list[Entry]:
        drug = self.check_drug(item, key)
        if drug is None:
            return []
        regimen = self.regimen(item)
        amount = self.milligrams(item.dose) if item.dose is not None else self.of_regimen(regimen)
        route = item.route or (regimen.route if regimen else drug.route)
        duration = self.duration(item, drug, regimen, route)
        if any(b - a < duration for a, b in zip(ticks, ticks[1:], strict=False)):
            self.problems.add((*key, "infusion"), "an infusion would still run when the next one starts")
            return []
        amounts = [self.milligrams(load.dose) for load in item.loading for _ in range(load.times)][: len(ticks)]
        usual = [self.of_regimen(r) for r in drug.dosing]
        for given in sorted({amount, *amounts}):
            if usual and not min(usual) / 4 <= given <= 4 * max(usual):
                self.warnings.append(
                    f"{item.name}: {given:g} mg is far from the doses the library knows "
                    f"({min(usual):g} to {max(usual):g} mg)"
                )
        amounts += [amount] * (len(ticks) - len(amounts))
        same = {"drug": drug.name, "duration": duration, "route": route}
        return [
            Entry(tick, ORDER["drug"], "drug", item.name, n, {"dose": dose, **same})
            for n, (tick, dose) in enumerate(zip(ticks, amounts, strict=True), 1)
        ]

    def entries_of(self, item: Timed, ticks: Sequence[int], key: Key) -> list[Entry]:
        if isinstance(item, DrugTreatment):
            return self.drug_entries(item, ticks, key)
        if isinstance(item, Tace):
            load = None if item.drug_load is None else convert(item.drug_load.value, item.drug_load.unit, "mg")
            drug = item.drug if item.drug is not None or item.technique == "bland" else "doxorubicin"
            data = {
                "technique": item.technique, "selectivity": item.selectivity, "endpoint": item.endpoint,
                "drug": drug, "drug_load": load, "targets": item.targets,
            }  # fmt: skip
            return [Entry(t, ORDER["tace"], "tace", item.name, n, data) for n, t in enumerate(ticks, 1)]
        assert isinstance(item, Scan)
        return [Entry(t, ORDER["scan"], "scan", item.name, n, {"method": item.method}) for n, t in enumerate(ticks, 1)]

    def all_entries(self) -> list[Entry]:
        found: list[Entry] = []
        total = 0
        for index, item in enumerate(self.items):
            try:
                dates = self.dates(index)
            except _Refused:
                if isinstance(item, DrugTreatment):
                    self.check_drug(item, self.keys[index])
                continue
            total += len(dates.ticks)
            if total > MAX_ENTRIES:
                self.problems.add(self.keys[index], f"brings the protocol above {MAX_ENTRIES} dates; lengthen it")
                return []
            found += self.entries_of(item, dates.ticks, self.keys[index])
        position = {item.name: i for i, item in enumerate(self.items)}
        found.sort(key=lambda e: (e.tick, e.order, position[e.treatment], e.number))
        return found

    def roles(self) -> None:
        """Two drugs of one role: a run has one kinetic slot for each role."""
        first: dict[str, DrugTreatment] = {}
        for key, item in zip(self.keys, self.items, strict=True):
            drug = self.drug(item.drug) if isinstance(item, DrugTreatment) else None
            if drug is None:
                continue
            other = self.drug(first.setdefault(drug.slot, item).drug)
            if other is not None and other.name != drug.name:
                self.problems.add(
                    (*key, "drug"),
                    f"{other.name} and {drug.name} are both {drug.role}: a run holds one drug of a role",
                )

    def clashes(self, entries: Sequence[Entry]) -> None:
        """Two entries that cannot both be meant: sessions within a day, one drug from two treatments within a day."""
        last: dict[str, Entry] = {}
        told: set[tuple[str, str]] = set()
        index = {item.name: i for i, item in enumerate(self.items)}
        for entry in entries:
            if entry.kind == "scan":
                continue
            what = "tace" if entry.kind == "tace" else entry.data["drug"]
            before = last.get(what)
            last[what] = entry
            if before is None or entry.tick - before.tick >= TICKS_PER_DAY:
                continue
            pair = (before.treatment, entry.treatment)
            if pair in told or (entry.kind == "drug" and pair[0] == pair[1]):
                continue
            told.add(pair)
            self.problems.add(
                self.keys[index[entry.treatment]],
                f"{quoted(entry.treatment)} on day {entry.day:g} comes within a day of {quoted(before.treatment)} "
                f'({"two sessions" if what == "tace" else what + " twice"}); move one, or end one with "until"',
            )


def resolve(
    protocol: Protocol,
    *,
    end: int,
    body: Body = Body(),
    library: Library,
    problems: Problems | None = None,
    key: Key = (),
) -> Calendar:
    """Dated entries of `protocol` up to tick `end`; notes contradictions in `problems`.

    Entries after `end` are left out with a warning when a date was given, silently when an open train goes on.

    Raises:
        InputError: contradictions, when no `problems` is given.
    """
    from tme_sim.diagnostics import InputError

    collected = problems if problems is not None else Problems(Places("protocol"))
    resolver = _Resolver(protocol, body, library, end, key, collected)
    entries = resolver.all_entries()
    resolver.roles()
    resolver.clashes(entries)
    if problems is None and collected:
        raise InputError(collected.found)
    late = sorted({e.treatment for e in entries if e.tick > end})
    warnings = [*resolver.warnings, *(f"{name}: dates after the end of the run are left out" for name in late)]
    kept = [e for e in entries if e.tick <= end]
    return Calendar(tuple(kept), tuple(dict.fromkeys(warnings)))
