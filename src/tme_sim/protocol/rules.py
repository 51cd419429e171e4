"""Rules as tables: the memory that :mod:`tme_sim.protocol.kernel` works on, and what its log says in words.

No protocol is ever compiled: one decision function reads these tables, in single runs and in batches alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tme_sim.criteria import CLINIC, CRITERIA, LESION_COLUMNS, default_settings, memory_size
from tme_sim.protocol import places as p
from tme_sim.protocol.calendar import LOOKS, Calendar, Entry, Stretch, Track
from tme_sim.protocol.conditions import BY_CRITERION, MEASURES, SIDES, Condition
from tme_sim.protocol.dates import TICKS_PER_DAY
from tme_sim.quantities import internal

ACTIONS = {"discontinue": p.END, "skip": p.SKIP, "reduce": p.REDUCE, "interrupt": p.PAUSE}
READINGS = {
    "progression": p.READ_PROGRESSION, "complete response": p.READ_COMPLETE, "untaceable": p.READ_UNTACEABLE,
    "tace progression": p.READ_TACE, "response": p.READ_RESPONSE, "resectable": p.READ_RESECTABLE,
    "stable disease": p.READ_STABLE, "best complete response": p.READ_BEST_COMPLETE, "best response": p.READ_BEST,
    "best stable disease": p.READ_BEST_STABLE, "best progressive disease": p.READ_BEST_PROGRESSIVE,
    "existing intrahepatic progression": p.READ_EXISTING, "new intrahepatic progression": p.READ_NEW_LIVER,
    "extrahepatic progression": p.READ_SPREAD,
}  # fmt: skip
SIDE_CODES = dict(zip(SIDES, (p.ABOVE, p.BELOW, p.AT_LEAST, p.AT_MOST), strict=True))
ANCHORS = {"": p.NO_ANCHOR, "first": p.FIRST_OF, "last": p.LAST_OF, "start": p.START_OF, "end": p.END_OF}
STEADY_DAYS = 2  # tablets at most so far apart are averaged over time

# What is given: (lesion from 0 or -1, ticks to wait, order, jump group).
Part = tuple[int, int, int, int]


@dataclass(frozen=True)
class Signals:
    """Where a model keeps what visits look at: places in its vectors, ordered as in :mod:`tme_sim.protocol.places`."""

    body: Sequence[float]
    lesions: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Visits:
    """How visits look: settings of the criteria, reading error (share), and the keys of its random numbers."""

    settings: np.ndarray | None = None
    error: float = 0.0
    seed: int = 1
    patient: int = 0
    invaded: bool = False  # macroscopic vascular invasion at entry
    invasion_at: float = np.inf  # cumulative hazard at which it comes


def steady(track: Track, oral: str = "averaged") -> bool:
    """Whether a treatment is a steady intake, switched on and off instead of dosed."""
    first = track.given[0]
    return (
        first.kind == "drug" and first.data["route"] == "oral" and oral == "averaged" and not track.loading
        and 0 < track.every <= STEADY_DAYS * TICKS_PER_DAY
    )  # fmt: skip


class _Table:
    """Rows of one table, to be laid down in the memory."""

    def __init__(self, columns: int = 1):
        self.columns, self.rows = columns, []

    def add(self, *values: float) -> int:
        self.rows.append(values)
        return len(self.rows) - 1

    def flat(self) -> np.ndarray:
        return np.array(self.rows, dtype=np.float64).ravel()


def memory_of(
    calendar: Calendar,
    signals: Signals,
    parts_of: Callable[[Track, Entry | None], Sequence[Part]],
    *,
    start: int,
    stop: int,
    oral: str = "averaged",
    visits: Visits = Visits(),
) -> np.ndarray:
    """The memory of one patient at the start (float64, 1-D).

    `parts_of(track, entry)` gives the parts of an entry of the track, and with None those that end its steady intake.
    """
    n = len(signals.lesions)
    numbers: dict[tuple, int] = {}
    conditions, links = _Table(p.C_COLUMNS), _Table(p.L_COLUMNS)

    def link(is_phase: int, target: int, found: Sequence[Condition], action: int) -> None:
        for condition in found:
            row = _condition(condition)
            if row not in numbers:
                numbers[row] = conditions.add(*row)
            links.add(is_phase, target, numbers[row], action)

    for i, phase in enumerate(calendar.phases):
        link(1, i, phase.ends, p.END)
    for i, track in enumerate(calendar.tracks):
        link(0, i, track.ends, p.END)
        for rule in track.item.rule:
            link(0, i, rule.when, ACTIONS[rule.then])
        if track.on_demand:
            link(0, i, track.on_demand.when, p.REPEAT)
    offsets, given, parts, holds, rows = (
        _Table(),
        _Table(2),
        _Table(p.G_COLUMNS),
        _Table(p.H_COLUMNS),
        _Table(p.T_COLUMNS),
    )
    for i, track in enumerate(calendar.tracks):
        is_steady = steady(track, oral)
        first_offset = len(offsets.rows)
        for tick in track.offsets[:1] if track.every else track.offsets:
            offsets.add(tick)
        first_given = len(given.rows)
        for entry in (*track.given, *([None] if is_steady else [])):
            begin = len(parts.rows)
            for part in parts_of(track, entry):
                parts.add(*part)
            given.add(begin, len(parts.rows))
        for hold in track.holds:
            holds.add(i, hold.around, hold.before, hold.after, hold.delay)
        rows.add(*_track(track, is_steady, first_offset, first_given))
    phases = _Table(p.P_COLUMNS)
    for phase in calendar.phases:
        phases.add(*_phase(phase))
    settings = default_settings() if visits.settings is None else visits.settings
    log_rows = 64 + 8 * sum(_all_dues(calendar, start, stop, oral)) + 4 * len(calendar.phases)
    tables = {
        p.AT_SIGNALS: np.array([*signals.body, *(x for row in signals.lesions for x in row)], dtype=np.float64),
        p.AT_SETTINGS: settings, p.AT_CRITERIA: np.zeros(memory_size(n)), p.AT_LESIONS: np.zeros(n * LESION_COLUMNS),
        p.AT_CLINIC: np.zeros(CLINIC), p.AT_VALUES: np.full(p.VALUES, np.nan), p.AT_FIRST: np.zeros(p.FIRST),
        p.AT_CONDITIONS: conditions.flat(), p.AT_LINKS: links.flat(), p.AT_TRACKS: rows.flat(),
        p.AT_PHASES: phases.flat(),
        p.AT_HOLDS: holds.flat(), p.AT_OFFSETS: offsets.flat(), p.AT_GIVEN: given.flat(), p.AT_PARTS: parts.flat(),
        p.AT_COUNTS: np.zeros(n * len(calendar.tracks)), p.AT_LOG: np.zeros(log_rows * p.J_COLUMNS),
    }  # fmt: skip
    head = np.zeros(p.HEADER)
    head[[p.LESIONS_N, p.TRACKS_N, p.PHASES_N]] = n, len(calendar.tracks), len(calendar.phases)
    head[[p.CONDITIONS_N, p.LINKS_N, p.HOLDS_N]] = len(conditions.rows), len(links.rows), len(holds.rows)
    head[[p.STOP, p.SEED, p.PATIENT, p.ERROR]] = stop, visits.seed, visits.patient, visits.error
    head[[p.CRITERIA_N, p.LOG_N, p.SESSION_TICK]] = memory_size(n), log_rows, p.NEVER
    head[[p.INVADED, p.INVASION_AT]] = visits.invaded, visits.invasion_at
    at, out = p.HEADER, [head]
    for place, table in tables.items():
        head[place] = at
        at += table.size
        out.append(table)
    memory = np.concatenate(out)
    memory[int(head[p.AT_VALUES]) + p.V_SESSIONS] = 0.0
    return memory


def shift_groups(memory: np.ndarray, by: int) -> None:
    """Let a memory point into a table of jump groups that begins `by` groups later, as batches join them."""
    parts, end = int(memory[p.AT_PARTS]), int(memory[p.AT_COUNTS])
    memory[parts + p.G_GROUP : end : p.G_COLUMNS] += by


def _condition(condition: Condition) -> tuple[float, ...]:
    if not condition.side:
        code = READINGS.get(condition.what)
        if condition.what == "refractory":
            code = {"jsh": p.READ_JSH, "easl": p.READ_EASL}[condition.criterion]
        elif condition.criterion:
            code += CRITERIA.index(condition.criterion)
        return (1, code, 0, 0.0, condition.negated)
    bound = float(internal(condition.bound, MEASURES[condition.what][0]))
    return (0, _value(condition), SIDE_CODES[condition.side], bound, condition.negated)


def _value(condition: Condition) -> int:
    """Place of a measure among the values of the memory."""
    before = list(MEASURES)[: list(MEASURES).index(condition.what)]
    place = sum(len(CRITERIA) if name in BY_CRITERION else 1 for name in before)
    return place + (CRITERIA.index(condition.criterion) if condition.criterion else 0)


def _track(track: Track, is_steady: bool, offset: int, given: int) -> tuple[float, ...]:
    demand = track.on_demand
    procedure = track.given[0].kind != "drug"
    count = -1 if track.open and track.every else len(track.offsets)
    length = p.OPEN if count < 0 else count * track.every
    row = np.zeros(p.T_COLUMNS)
    row[p.T_MODE] = p.PROCEDURE if procedure else p.STEADY if is_steady else p.DOSES
    row[p.T_SITE] = track.given[0].kind == "tace"
    row[[p.T_PHASE, p.T_BASE]] = track.phase, track.base
    row[[p.T_EVERY, p.T_COUNT, p.T_OFFSETS]] = track.every, count, offset
    row[[p.T_GIVEN, p.T_LOADING, p.T_LEVELS]] = given, track.loading, len(track.given) - track.loading
    row[p.T_LENGTH] = length
    row[p.T_ORDER] = track.given[0].order
    row[[p.T_MAXIMUM, p.T_PER_LESION]] = p.OPEN, p.OPEN
    if demand is not None:
        row[p.T_DEMAND] = 1.0
        row[p.T_MAXIMUM] = demand.maximum or p.OPEN
        row[p.T_PER_LESION] = demand.maximum_per_lesion or p.OPEN
        row[[p.T_INTERVAL, p.T_DELAY]] = _ticks(demand.minimum_interval), _ticks(demand.delay)
    row[[p.T_PENDING, p.T_LAST, p.T_EARLIEST, p.T_REDUCED]] = p.NEVER
    return tuple(row)


def _ticks(quantity) -> int:
    return round(float(internal(*quantity)) * TICKS_PER_DAY)


def _phase(phase: Stretch) -> tuple[float, ...]:
    row = np.zeros(p.P_COLUMNS)
    row[p.P_FOLLOWS] = phase.follows
    row[p.P_LENGTH] = p.OPEN if phase.length is None else phase.length
    row[p.P_TICK] = phase.start if phase.start is not None else p.NEVER if phase.tick is None else phase.tick
    row[[p.P_ANCHOR, p.P_ANCHORED, p.P_OFFSET]] = ANCHORS[phase.anchor], phase.anchored, phase.offset
    row[p.P_FRESH] = phase.new_baseline
    row[p.P_ENDS_ALL] = phase.ends_all
    row[[p.P_START, p.P_END]] = p.NEVER
    return tuple(row)


def _dues(track: Track, start: int, stop: int) -> int:
    """A bound on how often a treatment comes up for decision."""
    span = stop - start
    if track.on_demand is not None:
        return 2 + span // max(TICKS_PER_DAY, _ticks(track.on_demand.minimum_interval))
    if not track.every:
        return len(track.offsets)
    return 2 + min(span // track.every, 10**6 if track.open else len(track.offsets))


def _all_dues(calendar: Calendar, start: int, stop: int, oral: str) -> list[int]:
    """Bounds for each treatment; a steady intake is switched when something is looked at, not day by day.

    Rules are asked at each look, before each dose, and before and after each session.
    """
    dues = [_dues(track, start, stop) for track in calendar.tracks]
    is_steady = [steady(track, oral) for track in calendar.tracks]
    looks = sum(e.kind in LOOKS for e in calendar.entries)
    asked = looks + 2 * sum(due for due, apart in zip(dues, is_steady, strict=True) if not apart)
    return [min(due, 4 + asked) if apart else due for due, apart in zip(dues, is_steady, strict=True)]


def queue_size(calendar: Calendar, memory: np.ndarray, start: int, stop: int, oral: str) -> int:
    """A bound on the entries that the decisions of a run append to the calendar queue."""
    given, parts = int(memory[p.AT_GIVEN]), int(memory[p.AT_PARTS])
    widest = max((int(memory[i + 1] - memory[i]) for i in range(given, parts, 2)), default=0)
    sessions = sum(_dues(t, start, stop) for t in calendar.tracks if t.given[0].kind != "drug")
    total = sum(_all_dues(calendar, start, stop, oral)) * (2 + widest)
    held = sum(len(t.holds) for t in calendar.tracks)
    looks = 2 * sum(e.kind in LOOKS for e in calendar.entries)
    return (
        total
        + (2 + 2 * widest) * held * (sessions + 1)
        + looks
        + 4 * (len(calendar.phases) + len(calendar.tracks))
        + 64
    )


# --- what happened, in words ---------------------------------------------------------------------------------------


def log_of(memory: np.ndarray) -> np.ndarray:
    """The log of a finished run, rows of :mod:`tme_sim.protocol.places` J_ columns."""
    at, rows = int(memory[p.AT_LOG]), int(memory[p.LOGGED])
    return memory[at : at + rows * p.J_COLUMNS].reshape(rows, p.J_COLUMNS)


def _reasons(calendar: Calendar) -> list[str]:
    """Texts of the conditions in the order of the memory's table."""
    found: dict[tuple, str] = {}
    groups = [phase.ends for phase in calendar.phases]
    for track in calendar.tracks:
        groups += [track.ends, *(r.when for r in track.item.rule), *([track.on_demand.when] if track.on_demand else [])]
    for group in groups:
        for condition in group:
            found.setdefault(_condition(condition), str(condition))
    return list(found.values())


WORDS = {
    p.BY_HOLD: "hold around a session", p.BY_NUMBER: "its last date has come", p.BY_PHASE: "its phase has ended",
    p.BY_MAXIMUM: "as many sessions as allowed", p.BY_LESIONS: "no lesion left to treat",
    p.BY_LEVELS: "no lower dose level", p.NO_REASON: "",
}  # fmt: skip


@dataclass(frozen=True)
class Happened:
    """One line of the log: `entry` is what was given (dated), None for a decision told by `what`."""

    tick: int
    what: str
    target: str
    number: int
    reason: str
    entry: Entry | None = None


def happened(calendar: Calendar, memory: np.ndarray, stop: int, oral: str = "averaged") -> list[Happened]:
    """What decisions did in a run, in order; days of a steady intake appear as its doses."""
    reasons, out = _reasons(calendar), []
    running: dict[int, tuple[int, int]] = {}  # steady intakes: since when, at which level
    counts: dict[int, int] = {}

    def intake(i: int, until: int) -> None:
        track = calendar.tracks[i]
        since, level = running.pop(i)
        for tick in range(since, until, track.every):
            counts[i] = counts.get(i, 0) + 1
            out.append(_given(track, track.given[level], tick, counts[i], ""))

    def told(i: int, tick: int, what: str, number: int, reason: str, phase: bool = False) -> None:
        name = calendar.phases[i].name if phase else calendar.tracks[i].name
        out.append(Happened(tick, what, name, number, reason))

    for tick, what, target, number, level, why in log_of(memory).astype(np.int64):
        reason = reasons[why - 1] if why > 0 else WORDS[int(why)]
        tick, i, is_steady = int(tick), int(target), False
        if what not in (p.PHASE_BEGAN, p.PHASE_OVER):
            is_steady = steady(calendar.tracks[i], oral)
            if i in running and what in (p.PAUSED, p.REDUCED, p.STOPPED):
                intake(i, tick)
                if what == p.REDUCED:
                    running[i] = (tick, int(level))
        if what == p.GAVE:
            track = calendar.tracks[i]
            out.append(_given(track, track.given[int(level)], tick, int(number), reason))
        elif what == p.STARTED:
            running[i] = (tick, int(level))
            if number > 1:
                told(i, tick, "goes on", int(number), reason)
        elif what == p.REDUCED:
            dose = calendar.tracks[i].given[int(level)].data["dose"]
            told(i, tick, f"reduced to {dose:g} mg", int(number), reason)
        elif what in (p.PHASE_BEGAN, p.PHASE_OVER):
            told(i, tick, "phase begins" if what == p.PHASE_BEGAN else "phase ends", 0, reason, phase=True)
        elif not (what == p.STOPPED and number == 0 and not is_steady and why == p.BY_PHASE):
            words = {
                p.SKIPPED: "left out",
                p.HELD: "delayed",
                p.PAUSED: "interrupted",
                p.STOPPED: "ended",
                p.ASKED: "asked for",
            }
            told(i, tick, words[int(what)], int(number), reason)
    for i in list(running):
        intake(i, stop + 1)
    return sorted(out, key=lambda h: h.tick)


def _given(track: Track, entry: Entry, tick: int, number: int, reason: str) -> Happened:
    dated = Entry(tick, entry.order, entry.kind, entry.treatment, number, entry.data)
    return Happened(tick, "given", track.name, number, reason, dated)
