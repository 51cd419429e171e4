"""Dates of a protocol: what each reference means, trains, holds, phases, and which dates only the run can know.

A treatment is *ruled* when a rule may change it: it has conditions, belongs to a phase that one ends or starts, stands
beside a phase that ends all, is held around sessions on demand, or is what a ruled treatment is held around.  In a
phase that starts by rule, dates count from its start.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tme_sim.diagnostics import Key, nearest, quoted
from tme_sim.protocol.calendar import ORDER
from tme_sim.protocol.dates import START, TICKS_PER_DAY, When, parse_when, to_ticks
from tme_sim.protocol.tables import DrugTreatment, Given, Hold, Procedure, Protocol, Timed
from tme_sim.quantities import QuantityError, internal
from tme_sim.therapies.drug import Drug, Regimen
from tme_sim.therapies.library import Library
from tme_sim.validation import Problems

MAX_ENTRIES = 20_000
EARLIEST = -3650 * TICKS_PER_DAY


@dataclass
class Dates:
    """Ticks of one entry from day 0, or from the start of the phase number `base`; an `open` train has no known end."""

    ticks: list[int]
    open: bool
    base: int = -1


class Refused(Exception):
    """This entry has no dates; the reason has been noted."""


def name_unknown_anchors(section: Any, library: Library, key: Key, problems: Problems) -> None:
    """Note dates that count from what is not there, in the tables of a protocol that cannot be dated further.

    What may be named wrongly elsewhere (kinds, drugs) is not held against a date.
    """
    lists = {name: section.get(name) for name in ("treatment", "scan", "visit")} if isinstance(section, dict) else {}
    tables = [(name, i, one) for name, found in lists.items() if isinstance(found, list)
              for i, one in enumerate(found) if isinstance(one, dict)]  # fmt: skip
    given = [str(one[k]) for _, _, one in tables for k in ("name", "drug", "kind") if isinstance(one.get(k), str)]
    known = {n.lower() for n in (*given, *ORDER)}
    for name, i, one in tables:
        for where in ("start", "until"):
            try:
                when = parse_when(one.get(where))
            except QuantityError:
                continue  # none, a condition, or a mistake that is told where it stands
            anchor = when.anchor.lower()
            if anchor and not when.phase and anchor not in known and anchor not in library:
                said = f"{quoted(when.anchor)} names nothing in this protocol{nearest(anchor, given)}"
                problems.add((*key, name, i, where), said)


class Dating:
    """Finds the dates of every entry of a protocol; notes contradictions in `problems`."""

    def __init__(self, protocol: Protocol, weight: float, library: Library, end: int, key: Key, problems: Problems):
        self.items: list[Timed] = [*protocol.treatment, *protocol.scan, *protocol.visit]
        self.keys: list[Key] = [(*key, "treatment", i) for i in range(len(protocol.treatment))]
        self.keys += [(*key, "scan", i) for i in range(len(protocol.scan))]
        self.keys += [(*key, "visit", i) for i in range(len(protocol.visit))]
        self.phases, self.phase_keys = protocol.phase, [(*key, "phase", i) for i in range(len(protocol.phase))]
        self.weight, self.library, self.end, self.problems = weight, library, end, problems
        self.done: dict[int, Dates | None] = {}
        self.path: list[int] = []
        self.warnings: list[str] = []
        self.ruled = self._ruled()

    # --- names -----------------------------------------------------------------------------------------------

    def drug(self, name: str) -> Drug | None:
        """The library entry of a drug, None if there is none."""
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
        """Everything that a reference may name."""
        drugs = [t.drug for t in self.items if isinstance(t, DrugTreatment)]
        return list(dict.fromkeys([*(t.name for t in self.items), *drugs, *(t.kind for t in self.items)]))

    def meant(self, name: str, at: Key) -> list[int]:
        """As `named`; a name of nothing is a mistake."""
        found = self.named(name)
        if not found:
            known = self.known_names()
            listed = f"; this protocol has {', '.join(known)}" if known else ""
            self.problems.add(at, f"{quoted(name)} names nothing in this protocol{nearest(name, known)}{listed}")
            raise Refused
        return found

    def phase_of(self, item: Timed, at: Key) -> int:
        """Number of the phase that an entry belongs to, -1 for none; an unknown one is a mistake."""
        return self.phase_number(item.in_phase, at) if item.in_phase else -1

    def phase_number(self, name: str, at: Key) -> int:
        """Number of a phase; an unknown one is a mistake."""
        for i, phase in enumerate(self.phases):
            if phase.name.lower() == name.lower():
                return i
        known = [p.name for p in self.phases]
        listed = f"; this protocol has {', '.join(known)}" if known else "; write one as [[phase]]"
        self.problems.add(at, f"{quoted(name)} is no phase of this protocol{nearest(name, known)}{listed}")
        raise Refused

    # --- what rules change -------------------------------------------------------------------------------------

    def by_rule(self, number: int) -> bool:
        """Whether only the run knows when phase `number` starts."""
        seen = set()
        while number >= 0 and number not in seen:
            seen.add(number)
            phase = self.phases[number]
            if phase.follows is None:
                return False
            number = next((i for i, p in enumerate(self.phases) if p.name.lower() == phase.follows.lower()), -1)
            if number >= 0 and self.phases[number].until is not None:
                return True
        return False

    def _ruled(self) -> set[int]:
        out = set()
        names = {p.name.lower(): i for i, p in enumerate(self.phases)}
        for i, item in enumerate(self.items):
            if not isinstance(item, Given):
                continue
            phase = names.get(item.in_phase.lower(), -1)
            own = item.rule or isinstance(item.until, tuple) or getattr(item, "on_demand", None)
            ended = any(p.ends_all for p in self.phases)
            if own or ended or (phase >= 0 and (self.phases[phase].until is not None or self.by_rule(phase))):
                out.add(i)
        while True:
            more = set()
            for i, item in enumerate(self.items):
                for hold in getattr(item, "hold", ()):
                    around = {j for j in self.named(hold.around) if isinstance(self.items[j], Procedure)}
                    if i in out or around & out:
                        more |= {i, *around}
            if more <= out:
                return out
            out |= more

    # --- dates -----------------------------------------------------------------------------------------------

    def dates(self, index: int) -> Dates:
        """Dates of one entry after its holds; follows references depth first."""
        if index in self.path:
            loop = [self.items[i].name for i in [*self.path[self.path.index(index) :], index]]
            chain = ", which waits for ".join(quoted(n) for n in loop[1:])
            self.problems.add(self.keys[index], f"{quoted(loop[0])} waits for {chain}; give one of them a fixed day")
            for i in self.path[self.path.index(index) :]:
                self.done[i] = None
            raise Refused
        if index not in self.done:
            self.path.append(index)
            try:
                self.done[index] = self.made(index)
            except Refused:
                self.done[index] = None
            finally:
                self.path.pop()
        found = self.done[index]
        if found is None:
            raise Refused
        return found

    def events(self, name: str, at: Key, base: int = -1) -> tuple[list[int], bool]:
        """Ticks of everything a name means, and whether that goes on; refuses what counts from another start."""
        ticks: list[int] = []
        is_open = False
        for i in self.meant(name, at):
            dates = self.dates(i)
            if dates.base != base:
                self.problems.add(at, self._other_base(quoted(self.items[i].name), base, dates.base))
                raise Refused
            ticks += dates.ticks
            is_open |= dates.open
        return sorted(ticks), is_open

    def _other_base(self, what: str, base: int, other: int) -> str:
        if base < 0:
            name = self.phases[other].name
            return (
                f"{what} belongs to the phase {quoted(name)}, which starts only when the run decides; put this into "
                f"that phase, or into one that follows it"
            )
        name = self.phases[base].name
        return (
            f"{what} is dated by itself, but the phase {quoted(name)} starts only when the run decides; count from its "
            f'start: "7 day after start of {name}"'
        )

    def tick(self, when: When, at: Key, base: int = -1) -> int:
        """The tick that a date means, from day 0 or from the start of the phase `base`."""
        if when.phase:
            return self.phase_tick(when, at, base)
        if not when.which:
            if base >= 0:
                self.problems.add(at, self._other_base(quoted(when.text), base, -1))
                raise Refused
            return when.offset
        ticks, is_open = self.events(when.anchor, at, base)
        if when.which < 0 and is_open:
            demanded = any(getattr(self.items[i], "on_demand", None) for i in self.named(when.anchor))
            self.problems.add(
                at,
                f"{quoted(when.text)}: {quoted(when.anchor)} is repeated on demand, so only the run knows its last; "
                'put this into a [[phase]] with follows = "..." and start = "14 day after last tace"'
                if demanded
                else f"{quoted(when.text)}: {quoted(when.anchor)} repeats until the run ends and has no last one; "
                'give it "times" or "until"',
            )
            raise Refused
        if when.which > len(ticks):
            self.problems.add(at, f"{quoted(when.text)}: {quoted(when.anchor)} happens only {len(ticks)} times")
            raise Refused
        return ticks[-1 if when.which < 0 else when.which - 1] + when.offset

    def phase_tick(self, when: When, at: Key, base: int) -> int:
        """The tick of the start or end of a phase, in the same count as what asks."""
        number = self.phase_number(when.anchor, at)
        if number == base and when.which == START:
            return when.offset
        if self.by_rule(number) or base >= 0:
            self.problems.add(at, self._other_base(quoted(when.text), base, number))
            raise Refused
        if when.which == START:
            return self.phase_start(number) + when.offset
        if self.phases[number].until is not None or self.phases[number].end is None:
            self.problems.add(
                at, f"{quoted(when.text)}: only the run knows when it ends; put this into a phase that follows it"
            )
            raise Refused
        return self.phase_end(number) + when.offset

    def phase_start(self, number: int) -> int:
        """First tick of a phase whose start is fixed."""
        phase, key = self.phases[number], self.phase_keys[number]
        if -1 - number in self.path:
            self.problems.add(key, f"{quoted(phase.name)} waits for itself; give it a fixed day")
            raise Refused
        self.path.append(-1 - number)
        try:
            ticks = [] if phase.start is None else [self.tick(phase.start, (*key, "start"))]
            if phase.follows is not None:
                before = self.phase_number(phase.follows, (*key, "follows"))
                if self.phases[before].end is None:
                    self.never_ends(before, number)
                ticks.append(self.phase_end(before))
            return max(ticks)
        finally:
            self.path.pop()

    def phase_end(self, number: int) -> int:
        """Last tick of a phase whose start and end are fixed."""
        return self.tick(self.phases[number].end, (*self.phase_keys[number], "end"))

    def never_ends(self, before: int, number: int) -> None:
        """Note that a phase is never reached."""
        self.problems.add(
            (*self.phase_keys[number], "follows"),
            f"{quoted(self.phases[before].name)} never ends, so {quoted(self.phases[number].name)} never starts; give "
            'the first an "end" or "until"',
        )
        raise Refused

    def made(self, index: int) -> Dates:
        """Dates of one entry."""
        item, key = self.items[index], self.keys[index]
        phase = self.phase_of(item, (*key, "phase"))
        base = phase if phase >= 0 and self.by_rule(phase) else -1
        if item.at is not None:
            given = [self.tick(w, (*key, "at"), base) for w in item.at]
            if len(set(given)) < len(given):
                self.problems.add((*key, "at"), "names the same date twice")
                raise Refused
            dates = Dates(sorted(given), False, base)
            self.within(item, dates, key, phase)
        else:
            dates = self.train(item, key, phase, base)
        for tick in (dates.ticks[0], dates.ticks[-1]):
            if tick < EARLIEST:
                self.problems.add(
                    (*key, "start"), f"lies more than ten years before day 0 (day {tick / TICKS_PER_DAY:g})"
                )
                raise Refused
        if isinstance(item, DrugTreatment) and item.hold:
            dates = self.held(item, index, dates, key)
        return dates

    def within(self, item: Timed, dates: Dates, key: Key, phase: int) -> None:
        """Refuse dates of a list that lie outside the phase it belongs to."""
        begin = 0 if phase < 0 or dates.base >= 0 else self.phase_start(phase)
        end = self.until(item, key, phase, dates.base)
        for tick in dates.ticks if phase >= 0 else ():
            if tick < begin or (end is not None and tick >= end):
                side = "before" if tick < begin else "after"
                where = "starts" if tick < begin else "ends"
                self.problems.add(
                    (*key, "at"),
                    f"day {tick / TICKS_PER_DAY:g} lies {side} its phase {quoted(item.in_phase)} {where}; move it or "
                    "change the phase",
                )
                raise Refused

    def train(self, item: Timed, key: Key, phase: int, base: int) -> Dates:
        """Dates of one date, or of a train with "every"."""
        begin = 0 if phase < 0 or base >= 0 else self.phase_start(phase)
        start = begin if item.start is None else self.tick(item.start, (*key, "start"), base)
        every = self.interval(item, key)
        until = self.until(item, key, phase, base)
        if phase >= 0 and start < begin:
            self.problems.add(
                (*key, "start"), f"lies before its phase {quoted(item.in_phase)} starts; move it or change the phase"
            )
            raise Refused
        if until is not None and until <= start:
            end = f"{quoted(item.until)} is day" if isinstance(item.until, When) else "its phase ends on day"
            self.problems.add(
                (*key, "until" if isinstance(item.until, When) else "start"),
                f"{end} {until / TICKS_PER_DAY:g}, not after the start on day {start / TICKS_PER_DAY:g}, so nothing "
                "would be given; move one of the two",
            )
            raise Refused
        if every is None:
            return Dates([start], bool(getattr(item, "on_demand", None)), base)
        repeats = item.every is not None or item.times is not None or until is not None
        count = math.inf if item.times is None else item.times
        if until is not None:
            count = min(count, -(-(until - start) // every))
        is_open = math.isinf(count)
        if is_open:
            count = max(1, (self.end - start) // every + 1) if repeats or item.spaced_elsewhere else 1
        if count > MAX_ENTRIES:
            self.problems.add(key, f"would be given {count:g} times; at most {MAX_ENTRIES} dates are followed")
            raise Refused
        return Dates([start + k * every for k in range(int(count))], is_open, base)

    def until(self, item: Timed, key: Key, phase: int, base: int) -> int | None:
        """Tick before which a train ends by its own date or by that of its phase; None for neither."""
        ends = [self.tick(item.until, (*key, "until"), base)] if isinstance(item.until, When) else []
        if phase >= 0 and self.phases[phase].end is not None:
            ends.append(self.tick(self.phases[phase].end, (*self.phase_keys[phase], "end"), base))
        return min(ends, default=None)

    def interval(self, item: Timed, key: Key) -> int | None:
        """Ticks between two of a train, by the file or by the regimen of the library."""
        if item.every is not None:
            return to_ticks(item.every, "every")
        regimen = self.regimen(item) if isinstance(item, DrugTreatment) and item.regimen is not None else None
        if regimen is None:
            return None
        return round(regimen.band(internal(self.weight, "kg")).start.interval * TICKS_PER_DAY)

    def regimen(self, item: DrugTreatment) -> Regimen | None:
        """The regimen of the library that a treatment names."""
        drug = self.drug(item.drug)
        return next((r for r in drug.dosing if r.name == item.regimen), None) if drug else None

    def route(self, item: DrugTreatment) -> str:
        """How a drug is given: as the treatment says, else its regimen, else the library."""
        regimen, drug = self.regimen(item), self.drug(item.drug)
        return item.route or (regimen.route if regimen else drug.usual_route if drug else "")

    # --- holds -------------------------------------------------------------------------------------------------

    def held(self, item: DrugTreatment, index: int, dates: Dates, key: Key) -> Dates:
        """Dates after holds; holds of a ruled treatment are kept by the run, which knows all sessions."""
        ticks = dates.ticks
        for number, hold in enumerate(item.hold):
            at = (*key, "hold", number)
            around = self.named(hold.around)
            if around == [index]:
                self.problems.add(at, f"{quoted(item.name)} cannot be held around itself")
                raise Refused
            if index in self.ruled:
                self.held_by_the_run(item, hold, at)
                continue
            anchors, _ = self.events(hold.around, at)
            ticks = self.kept(item, ticks, hold, anchors)
            if not ticks:
                self.problems.add(
                    at, f"leaves no day on which {quoted(item.name)} is given; shorten the hold or move the start"
                )
                raise Refused
        return Dates(ticks, dates.open, dates.base)

    def held_by_the_run(self, item: DrugTreatment, hold: Hold, at: Key) -> None:
        """What the run cannot hold around, would hold for ever, or learns of too late."""
        for i in self.meant(hold.around, at):
            around = self.items[i]
            if not isinstance(around, Procedure):
                self.problems.add(
                    at, f"{quoted(around.name)} is no procedure; a treatment that rules change is held around one"
                )
                raise Refused
            notice = to_ticks(around.on_demand.delay, "delay") if around.on_demand else math.inf
            if to_ticks(hold.before, "before") > notice:
                self.warnings.append(
                    f"{item.name}: its hold begins {hold.before} before each {around.name}, but a scan asks for one "
                    f'only {around.on_demand.delay} before, so it begins late; lengthen "delay" or shorten "before"'
                )
            spacing = around.on_demand.minimum_interval if around.on_demand else around.every
            length = to_ticks(hold.before, "before") + to_ticks(hold.after, "after")
            if spacing is None or length < to_ticks(spacing, "every"):
                continue
            if around.on_demand:  # sessions may well be further apart
                self.warnings.append(
                    f"{around.name}: a hold around it lasts as long as its minimum interval, which leaves no dosing "
                    "day while sessions follow as closely as that; shorten the hold"
                )
                continue
            self.problems.add(
                at,
                f"lasts as long as the time between two of {quoted(around.name)}, which leaves no dosing day; "
                "shorten it",
            )
            raise Refused

    def kept(self, item: DrugTreatment, ticks: Sequence[int], hold: Hold, anchors: Sequence[int]) -> list[int]:
        """Ticks that a hold around `anchors` leaves, or delays to its end."""
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
