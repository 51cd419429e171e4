"""The dosing table: a calendar as CSV with the columns of NONMEM, written and read.

TIME in days from day 0, AMT in mg, RATE in mg/day (0: at once), II and ADDL repeat a row every II days ADDL more times,
EVID is 1 for a dose and 2 for anything else (procedures, scans, visits; AMT 0), CMT 1 is plasma, 2 the gut, 3 the
hepatic artery, 0 nothing.  DRUG, ROUTE, TREATMENT, KIND and DETAIL are ours; a table from elsewhere needs TIME, AMT,
EVID and DRUG.  COND is 1 where the date is only planned, because a visit decides about it.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tme_sim.diagnostics import InputError, Places, Problem, known_key, nearest, quoted
from tme_sim.kinds import SCHEMA
from tme_sim.protocol.calendar import LOOKS, ORDER, Calendar, Entry
from tme_sim.protocol.dates import TICKS_PER_DAY
from tme_sim.protocol.giving import not_by, procedure_data
from tme_sim.protocol.tables import KINDS, Scan, Timed, Visit
from tme_sim.validation import NAME_PATTERN, NAME_SIGNS, Problems, check_table, shortest

COLUMNS = (
    "ID", "TIME", "AMT", "RATE", "II", "ADDL", "EVID", "CMT", "COND", "DRUG", "ROUTE",
    "TREATMENT", "NUMBER", "KIND", "DETAIL",
)  # fmt: skip
COMPARTMENTS = {"intravenous": 1, "oral": 2, "hepatic_artery": 3}
MAX_ROWS = 20_000
FARTHEST = 36_525.0
LONGEST = 30 * TICKS_PER_DAY  # of an infusion
LONGEST_TRAIN = 10_000  # as a protocol file allows
UNITS = {"drug_load": "mg", "margin": "mm", "dose": "Gy"}
EVENTS: dict[str, type[Timed]] = {k: v for k, v in KINDS.items() if k != "drug"} | {
    "scan": Scan, "planning": Scan, "visit": Visit,
}  # fmt: skip


def dosing_table(calendar: Calendar) -> str:
    """The table of a calendar as CSV; trains of equal doses stand in one row."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    planned = {id(e) for e in calendar.planned}
    names = dict.fromkeys(e.treatment for e in calendar.all)
    rows = []
    for name in names:
        for group in _trains([e for e in calendar.all if e.treatment == name], planned):
            rows.append((group[0].tick, group[0].order, _row(group, id(group[0]) in planned)))
    for _, _, row in sorted(rows, key=lambda r: r[:2]):
        writer.writerow(row)
    return out.getvalue()


def _trains(entries: Sequence[Entry], planned: set[int]) -> list[list[Entry]]:
    """Entries of one treatment cut into runs of the same content and interval."""
    out: list[list[Entry]] = []
    for entry in entries:
        run = out[-1] if out else []
        same = run and run[-1].data == entry.data and run[-1].number + 1 == entry.number
        same = same and (id(run[-1]) in planned) == (id(entry) in planned)
        if (
            same
            and (len(run) == 1 or entry.tick - run[-1].tick == run[1].tick - run[0].tick)
            and entry.tick > run[-1].tick
            and len(run) < LONGEST_TRAIN
        ):
            run.append(entry)
        else:
            out.append([entry])
    return out


def _days(ticks: int) -> str:
    return repr(ticks // TICKS_PER_DAY if ticks % TICKS_PER_DAY == 0 else ticks / TICKS_PER_DAY)


def _row(group: Sequence[Entry], planned: bool) -> list[Any]:
    first = group[0]
    every = group[1].tick - first.tick if len(group) > 1 else 0
    amount, rate, evid, compartment, drug, route, detail = "0", "0", 2, 0, "", "", ""
    if first.kind == "drug":
        dose, minutes = float(first.data["dose"]), first.data["duration"]
        amount, rate = repr(dose), repr(dose * TICKS_PER_DAY / minutes if minutes else 0.0)
        evid, drug, route = 1, first.data["drug"], first.data["route"]
        compartment = COMPARTMENTS[route]
    else:
        detail = ";".join(f"{k}={_text(v)}" for k, v in first.data.items())
    when = [1, _days(first.tick), amount, rate, _days(every), len(group) - 1, evid, compartment, int(planned)]
    return [*when, drug, route, first.treatment, first.number, first.kind, detail]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return "|".join(value) if isinstance(value, tuple) else str(value)


# --- reading --------------------------------------------------------------------------------------------------


class _Reader:
    """Reads the cells of one row; notes what is wrong with file, line and column."""

    def __init__(self, name: str):
        self.name, self.problems, self.line, self.row = name, [], 0, {}

    def wrong(self, column: str, message: str) -> None:
        """Note a mistake in a column of this line."""
        self.problems.append(Problem(f"{self.name}:{self.line}", column, message))

    def number(self, column: str, default: float = 0.0) -> float:
        """A number of this line; NONMEM's dot is the default."""
        text = (self.row.get(column) or "").strip()
        if text in ("", "."):
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self.wrong(column, f"{quoted(text)} is not a number")
            return math.nan
        return value

    def ticks(self, column: str, least: float, what: str) -> int | None:
        """A time of this line in ticks, None where it cannot be."""
        days = self.number(column)
        if math.isnan(days):
            return None
        if not least <= days <= FARTHEST:
            self.wrong(column, f"{what} of {days:g} days cannot be; it lies between {least:g} and {FARTHEST:g}")
            return None
        ticks = round(days * TICKS_PER_DAY)
        if abs(ticks - days * TICKS_PER_DAY) > 1e-3:
            self.wrong(column, f"{days!r} days are no whole minutes")
            return None
        return ticks

    def whole(self, column: str, default: int, what: str) -> int:
        """A whole number from 0 to MAX_ROWS of this line, its default after a mistake."""
        value = self.number(column, float(default))
        if 0.0 <= value <= MAX_ROWS and not value % 1.0:
            return int(value)
        if not math.isnan(value):
            self.wrong(column, f"{value:g} is no number of {what}: it is whole, from 0 to {MAX_ROWS}")
        return default

    def entries(self, library) -> list[Entry]:
        """The entries of the row; empty for observations and after a mistake."""
        before = len(self.problems)
        evid = self.number("EVID", 1.0 if (self.row.get("AMT") or "0").strip() not in ("", ".", "0") else 0.0)
        if evid == 0.0:
            return []
        if evid not in (1.0, 2.0):
            self.wrong("EVID", f"{evid:g} is not read: write 1 for a dose, 2 for other events, 0 for observations")
            return []
        start, every = self.ticks("TIME", -FARTHEST, "a date"), self.ticks("II", 0.0, "an interval")
        more, number = self.whole("ADDL", 0, "further doses"), self.whole("NUMBER", 1, "this dose")
        if more and every == 0:
            self.wrong("II", "further doses (ADDL) need an interval in days")
        kind = (self.row.get("KIND") or "").strip() or ("drug" if evid == 1.0 else "")
        if kind not in ORDER or (kind == "drug") != (evid == 1.0):
            self.wrong(
                "KIND", f"{quoted(kind)} is no kind of this event{nearest(kind, ORDER)}; there are {', '.join(ORDER)}"
            )
        data = self.dose(library) if evid == 1.0 else self.detail(kind)
        if len(self.problems) > before:
            return []
        name = (self.row.get("TREATMENT") or "").strip() or data.get("drug") or kind
        if not re.fullmatch(NAME_PATTERN, name):
            self.wrong("TREATMENT", f"{quoted(name)} is not a plain name ({NAME_SIGNS})")
            return []
        return [Entry(start + k * every, ORDER[kind], kind, name, number + k, data) for k in range(more + 1)]

    def dose(self, library) -> dict[str, Any]:
        """Drug, dose, duration and route of a dosing row."""
        name, dose, rate = (self.row.get("DRUG") or "").strip(), self.number("AMT"), self.number("RATE")
        drug = None
        try:
            drug = library.get(name)
        except KeyError:
            said = f"{quoted(name)} is not in the drug library" if name else "is missing: write which drug it is"
            self.wrong("DRUG", said + nearest(name, library.names()))
        if not math.isnan(dose) and not 0.0 < dose <= 100_000.0:
            self.wrong("AMT", f"{dose:g} mg is no dose: it must be above 0 and at most 100000 mg")
        minutes = 0
        if rate < 0.0:
            self.wrong("RATE", f"{rate:g} is not read: write mg/day, or 0 for a dose at once")
        elif rate > 0.0:
            minutes = round(dose / rate * TICKS_PER_DAY)
            if minutes > LONGEST:
                self.wrong("RATE", f"makes an infusion of {minutes / TICKS_PER_DAY:g} days; it takes at most 30")
            elif minutes < 1 or abs(minutes - dose / rate * TICKS_PER_DAY) > 1e-3:
                self.wrong("RATE", "makes an infusion of no whole minutes; RATE is AMT over the infusion time in days")
        route = (self.row.get("ROUTE") or "").strip()
        if not route:
            by_number = {v: k for k, v in COMPARTMENTS.items()}
            route = by_number.get(self.whole("CMT", 0, "a compartment"), drug.usual_route if drug else "intravenous")
        if route not in COMPARTMENTS:
            self.wrong("ROUTE", f"{quoted(route)} is no route{nearest(route, COMPARTMENTS)}; {', '.join(COMPARTMENTS)}")
        elif drug is not None and route not in drug.routes:
            self.wrong("ROUTE", not_by(drug, route))
        return {"dose": dose, "drug": drug.name if drug else name, "duration": minutes, "route": route}

    def detail(self, kind: str) -> dict[str, Any]:
        """What an event other than a dose says of itself, ``key=value;key=value``, checked as in a protocol file."""
        given: dict[str, Any] = {}
        for part in filter(None, (self.row.get("DETAIL") or "").split(";")):
            key, sign, value = part.partition("=")
            if not sign:
                self.wrong("DETAIL", f"{quoted(part)} is not key=value")
            elif value:
                given[key] = _typed(key, value)
        model = EVENTS.get(kind)
        if model is None:
            return {}
        own = set(model.model_fields) - set(Timed.model_fields) - {"kind", "phase", "rule", "on_demand", "planning"}
        found = Problems(Places(self.name))
        for key in sorted(set(given) - own):
            found.add((key,), known_key(key, own))
        kept = {key: value for key, value in given.items() if key in own}
        item = check_table(model, {"name": kind, "start": "day 0", **kept}, (), found)
        for problem in found.found:
            self.wrong("DETAIL", f"{problem.key}: {problem.message}" if problem.key else problem.message)
        return procedure_data(item) if item is not None and not found else {}


def _typed(key: str, text: str) -> Any:
    """The text of a detail as a protocol file would write it."""
    if key == "targets":
        return tuple(filter(None, text.split("|")))
    if key in UNITS:
        return f"{text} {UNITS[key]}"
    return int(text) if key == "fractions" and text.isascii() and text.isdigit() and len(text) < 9 else text


def read_dosing_table(text: str, name: str, library) -> Calendar:
    """The calendar of a table; every row is dated, planned ones too.

    Args:
        text: the CSV; `name` stands for its file in messages.
        library: drugs (:class:`tme_sim.therapies.library.Library`).

    Raises:
        InputError: with every mistake found.
    """
    try:
        return _calendar_of(_Reader(name), csv.DictReader(io.StringIO(text)), library)
    except csv.Error as error:
        raise InputError(Problem(name, "", f"is no table of comma-separated values: {error}")) from None


def _calendar_of(reader: _Reader, rows: csv.DictReader, library) -> Calendar:
    """The calendar of the rows of a table; raises InputError with every mistake found."""
    name = reader.name
    columns = [c.strip() for c in rows.fieldnames or ()]
    missing = [c for c in ("TIME", "AMT", "EVID", "DRUG") if c not in columns]
    if missing:
        raise InputError(
            Problem(f"{name}:1", "", f"has no column {', '.join(missing)}; columns are {', '.join(COLUMNS)}")
        )
    rows.fieldnames = columns
    entries: list[Entry] = []
    patients: set[str] = set()
    for row in rows:
        reader.line, reader.row = rows.line_num, row
        patients.add((row.get("ID") or "1").strip())
        entries += reader.entries(library)
        if len(entries) > MAX_ROWS:
            reader.wrong("ADDL", f"brings the table above {MAX_ROWS} dates")
            break
    if len(patients) > 1:
        listed = ", ".join(sorted(patients)[:5])
        reader.problems.append(Problem(name, "ID", f"holds {len(patients)} patients ({listed} ...); leave one"))
    if reader.problems:
        raise InputError(reader.problems)
    entries.sort(key=lambda e: (e.tick, e.order))
    if "NUMBER" not in columns:
        counted: Counter[str] = Counter()
        for i, entry in enumerate(entries):
            counted[entry.treatment] += 1
            entries[i] = replace(entry, number=counted[entry.treatment])
    return Calendar(tuple(entries))


def protocol_text(calendar: Calendar, name: str) -> str:
    """A protocol file (TOML) that gives the dated entries of a calendar; trains as trains."""
    from tme_sim.toml_writer import write_toml

    treatments: list[dict] = []
    looks: dict[str, list[dict]] = {"scan": [], "visit": []}
    for treatment in dict.fromkeys(e.treatment for e in calendar.entries):
        groups = _dated([e for e in calendar.entries if e.treatment == treatment])
        for i, (first, dates) in enumerate(groups):
            table = {"name": treatment if i == 0 else f"{treatment} {i + 1}", **dates}
            if first.kind in LOOKS:
                more = {"planning": True} if first.kind == "planning" else {}
                looks["visit" if first.kind == "visit" else "scan"].append(
                    table | {k: v for k, v in first.data.items() if v} | more
                )
            else:
                treatments.append({"kind": first.kind, **table, **_content(first)})
    lists = {"treatment": treatments, **looks}
    return write_toml({"schema": SCHEMA, "name": name} | {k: v for k, v in lists.items() if v})


def _date(tick: int) -> str:
    return f"day {tick // TICKS_PER_DAY}" if tick % TICKS_PER_DAY == 0 else f"day {tick / TICKS_PER_DAY:.12f}"


def _dated(entries: Sequence[Entry]) -> list[tuple[Entry, dict[str, Any]]]:
    """Entries of one treatment as tables of a protocol: an example of each, and its dates as a train or a list."""
    out: list[tuple[Entry, dict[str, Any]]] = []
    for group in _trains(entries, set()):
        first = group[0]
        if len(group) > 2:
            every = group[1].tick - first.tick
            spaced = f"{every} min" if every % TICKS_PER_DAY else f"{every // TICKS_PER_DAY} day"
            out.append((first, {"start": _date(first.tick), "every": spaced, "times": len(group)}))
            continue
        dates = [_date(entry.tick) for entry in group]
        like = next((d for e, d in out if "at" in d and e.kind == first.kind and e.data == first.data), None)
        if like is None:
            out.append((first, {"at": dates}))
        else:
            like["at"] += dates
    return [(e, {"start": d["at"][0]} if len(d.get("at", ())) == 1 else d) for e, d in out]


def _content(entry: Entry) -> dict[str, Any]:
    data = entry.data
    if entry.kind == "drug":
        out = {"drug": data["drug"], "dose": f"{shortest(data['dose'])} mg", "route": data["route"]}
        return out | ({"infusion": f"{data['duration']} min"} if data["duration"] else {})
    out = {}
    for key, value in data.items():
        if value is None or value == ():
            continue
        out[key] = f"{shortest(value)} {UNITS[key]}" if key in UNITS else list(value) if key == "targets" else value
    if entry.kind == "tace" and data.get("technique") == "bland":
        out.pop("drug", None)
    return out
