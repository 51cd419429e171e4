"""A calendar as people look at it: text, picture, and the dosing table (NONMEM columns)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from tme_sim.schedule import Calendar, Entry

__all__ = ["calendar_text", "dosing_table", "draw_calendar"]

MARKS = {"tace": "T", "drug": "+", "scan": "o"}
COLOURS = {"tace": "#D55E00", "drug": "#0072B2", "scan": "#999999"}  # Okabe-Ito, safe for the colour-blind


def _label(entry: Entry) -> str:
    if entry.kind == "drug":
        return f"{entry.data['dose']:g} mg {entry.data['drug']} ({entry.data['route'].replace('_', ' ')})"
    if entry.kind == "tace":
        load = entry.data["drug_load"]
        carried = f", {load:g} mg {entry.data['drug']}" if load else ""
        return f"{entry.data['technique']} {entry.data['selectivity']} TACE to {entry.data['endpoint']}{carried}"
    return f"scan ({entry.data['method']})"


def calendar_text(calendar: Calendar, *, width: int = 78) -> str:
    """One line per treatment with a mark per date, then the dates in words (runs of equal intervals joined)."""
    if not calendar.entries:
        return "nothing is scheduled\n"
    names = list(dict.fromkeys(e.treatment for e in calendar.entries))
    first, last = calendar.entries[0].day, calendar.entries[-1].day
    margin = min(28, max(map(len, names))) + 2
    columns = max(20, width - margin)
    span = max(last - first, 1.0)
    lines = [f"{'day':<{margin}}{first:<10g}{last:>{columns - 10}g}"]
    for name in names:
        row = ["."] * columns
        for entry in calendar.of(name):
            row[round((entry.day - first) / span * (columns - 1))] = MARKS[entry.kind]
        lines.append(f"{name[: margin - 2]:<{margin}}{''.join(row)}")
    lines.append("")
    for name in names:
        entries = [e for e in calendar.entries if e.treatment == name]
        for group in _runs(entries):
            lines.append(f"{name}: {_label(group[0])}, {_dates(group)}")
    lines += [f"note: {w}" for w in calendar.warnings]
    return "\n".join(lines) + "\n"


def _runs(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Entries that differ only in date, cut where what is given changes."""
    out: list[list[Entry]] = []
    for entry in entries:
        if out and out[-1][-1].data == entry.data:
            out[-1].append(entry)
        else:
            out.append([entry])
    return out


def _dates(entries: Sequence[Entry]) -> str:
    days = [e.day for e in entries]
    if len(days) == 1:
        return f"day {days[0]:g}"
    gaps = {round(b - a, 6) for a, b in zip(days, days[1:], strict=False)}
    if len(gaps) == 1:
        return f"{len(days)} times, every {gaps.pop():g} d, day {days[0]:g} to {days[-1]:g}"
    shown = ", ".join(f"{d:g}" for d in days[:12])
    return f"{len(days)} times, day {shown}{' ...' if len(days) > 12 else ''}"


def dosing_table(calendar: Calendar) -> str:
    """The doses as CSV with NONMEM columns: TIME in days, AMT in mg, RATE in mg/day (0: at once); DRUG names the drug.

    A TACE is a row with EVID 2 (other event) and AMT its drug load.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["ID", "TIME", "EVID", "AMT", "RATE", "DRUG", "ROUTE", "TREATMENT"])
    for entry in calendar.entries:
        if entry.kind == "drug":
            dose, minutes = entry.data["dose"], entry.data["duration"]
            rate = dose * 1440.0 / minutes if minutes else 0.0
            what = (1, repr(dose), repr(rate), entry.data["drug"], entry.data["route"])
        elif entry.kind == "tace":
            what = (2, repr(float(entry.data["drug_load"] or 0.0)), "0", entry.data["drug"] or "", "hepatic_artery")
        else:
            continue
        writer.writerow([1, repr(entry.day), *what, entry.treatment])
    return out.getvalue()


def draw_calendar(calendar: Calendar, path: str | Path, title: str = "") -> Path:
    """Draw the calendar: one row per treatment, days below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(e.treatment for e in calendar.entries))
    figure = Figure(figsize=(7.2, 1.1 + 0.32 * max(1, len(names))), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for row, name in enumerate(names):
        entries = [e for e in calendar.entries if e.treatment == name]
        kind = entries[0].kind
        marker = {"tace": "v", "drug": "|", "scan": "o"}[kind]
        axes.plot(
            [e.day for e in entries], [row] * len(entries), marker, color=COLOURS[kind],
            markersize={"tace": 9, "drug": 10, "scan": 4}[kind], markeredgewidth=2 if kind == "drug" else 1,
        )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("time (days; day 0 is the first TACE)")
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    if title:
        axes.set_title(title, fontsize=10, loc="left")
    path = Path(path)
    figure.savefig(path, dpi=150)
    return path
