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
from collections.abc import Iterable, Sequence
from typing import Any

from tme_sim.diagnostics import InputError, Problem, nearest, quoted
from tme_sim.protocol.calendar import LOOKS, ORDER, Calendar, Entry
from tme_sim.protocol.dates import TICKS_PER_DAY
from tme_sim.validation import shortest

COLUMNS = (
    "ID", "TIME", "AMT", "RATE", "II", "ADDL", "EVID", "CMT", "COND", "DRUG", "ROUTE",
    "TREATMENT", "NUMBER", "KIND", "DETAIL",
)  # fmt: skip
COMPARTMENTS = {"intravenous": 1, "oral": 2, "hepatic_artery": 3}
MAX_ROWS = 20_000
FARTHEST = 36_525.0


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
        more = self.number("ADDL")
        if not 0 <= more <= MAX_ROWS or more % 1:
            self.wrong("ADDL", f"{more:g} is no number of further doses")
        elif more and every == 0:
            self.wrong("II", "further doses (ADDL) need an interval in days")
        data = self.dose(library) if evid == 1.0 else self.detail()
        kind = (self.row.get("KIND") or "").strip() or ("drug" if evid == 1.0 else "")
        if kind not in ORDER or (kind == "drug") != (evid == 1.0):
            self.wrong(
                "KIND", f"{quoted(kind)} is no kind of this event{nearest(kind, ORDER)}; there are {', '.join(ORDER)}"
            )
        if len(self.problems) > before:
            return []
        name = (self.row.get("TREATMENT") or "").strip() or data.get("drug") or kind
        number = int(self.number("NUMBER", 1.0))
        return [
            Entry(start + k * every, ORDER[kind], kind, name, number + k, data) for k in range(int(more) + 1)
        ]  # fmt: skip

    def dose(self, library) -> dict[str, Any]:
        """Drug, dose, duration and route of a dosing row."""
        name, dose, rate = (self.row.get("DRUG") or "").strip(), self.number("AMT"), self.number("RATE")
        drug = None
        try:
            drug = library.get(name)
        except KeyError:
            said = f"{quoted(name)} is not in the drug library" if name else "is missing: write which drug it is"
            self.wrong("DRUG", said + nearest(name, library.names()))
        if not 0.0 < dose <= 100_000.0:
            self.wrong("AMT", f"{dose:g} mg is no dose: it must be above 0 and at most 100000 mg")
        minutes = 0
        if rate < 0.0:
            self.wrong("RATE", f"{rate:g} is not read: write mg/day, or 0 for a dose at once")
        elif rate > 0.0:
            minutes = round(dose / rate * TICKS_PER_DAY)
            if minutes < 1 or abs(minutes - dose / rate * TICKS_PER_DAY) > 1e-3:
                self.wrong("RATE", "makes an infusion of no whole minutes; RATE is AMT over the infusion time in days")
        route = (self.row.get("ROUTE") or "").strip()
        if not route:
            by_number = {v: k for k, v in COMPARTMENTS.items()}
            route = by_number.get(int(self.number("CMT")), drug.route if drug else "intravenous")
        if route not in COMPARTMENTS:
            self.wrong("ROUTE", f"{quoted(route)} is no route{nearest(route, COMPARTMENTS)}; {', '.join(COMPARTMENTS)}")
        return {"dose": dose, "drug": drug.name if drug else name, "duration": minutes, "route": route}

    def detail(self) -> dict[str, Any]:
        """What an event other than a dose says of itself: ``key=value;key=value``."""
        out: dict[str, Any] = {}
        for part in filter(None, (self.row.get("DETAIL") or "").split(";")):
            key, sign, value = part.partition("=")
            if not sign:
                self.wrong("DETAIL", f"{quoted(part)} is not key=value")
                continue
            out[key] = _value(key, value)
        return out


def _value(key: str, text: str) -> Any:
    if key == "targets":
        return tuple(filter(None, text.split("|")))
    if key in ("drug_load", "margin", "dose"):
        return float(text) if text else None
    if key == "fractions":
        return int(text)
    return text or None


def read_dosing_table(text: str, name: str, library) -> Calendar:
    """The calendar of a table; every row is dated, planned ones too.

    Args:
        text: the CSV; `name` stands for its file in messages.
        library: drugs (:class:`tme_sim.therapies.library.Library`).

    Raises:
        InputError: with every mistake found.
    """
    reader = _Reader(name)
    rows = csv.DictReader(io.StringIO(text))
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
    return Calendar(tuple(sorted(entries, key=lambda e: (e.tick, e.order))))


def protocol_text(calendar: Calendar, name: str) -> str:
    """A protocol file (TOML) that gives the dated entries of a calendar; trains as trains."""
    from tme_sim.toml_writer import write_toml

    treatments: list[dict] = []
    looks: dict[str, list[dict]] = {"scan": [], "visit": []}
    for treatment in dict.fromkeys(e.treatment for e in calendar.entries):
        groups = _trains([e for e in calendar.entries if e.treatment == treatment], set())
        for i, group in enumerate(groups):
            first = group[0]
            table = {"name": treatment if i == 0 else f"{treatment} {i + 1}", **_dates(group)}
            if first.kind in LOOKS:
                more = {"planning": True} if first.kind == "planning" else {}
                looks["visit" if first.kind == "visit" else "scan"].append(
                    table | {k: v for k, v in first.data.items() if v} | more
                )
            else:
                treatments.append({"kind": first.kind, **table, **_content(first)})
    lists = {"treatment": treatments, **looks}
    return write_toml({"schema": 1, "name": name} | {k: v for k, v in lists.items() if v})


def _date(tick: int) -> str:
    return f"day {tick // TICKS_PER_DAY}" if tick % TICKS_PER_DAY == 0 else f"day {tick / TICKS_PER_DAY:.12f}"


def _dates(group: Iterable[Entry]) -> dict[str, Any]:
    ticks = [e.tick for e in group]
    if len(ticks) == 1:
        return {"start": _date(ticks[0])}
    every = ticks[1] - ticks[0]
    spaced = f"{every} min" if every % TICKS_PER_DAY else f"{every // TICKS_PER_DAY} day"
    return {"start": _date(ticks[0]), "every": spaced, "times": len(ticks)}


UNITS = {"drug_load": "mg", "margin": "mm", "dose": "Gy"}


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
