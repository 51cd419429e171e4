"""The first figure of a run: its calendar with the reading of the scans, lesion volumes, diameters, and each lesion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tme_sim.plots.panel import Area, Line, Panel, Reference
from tme_sim.plots.record import diameter, lesion_names, lesion_volumes
from tme_sim.plots.style import COLOURS, LESION_STYLES, MUTED, TEXT, TimeScale
from tme_sim.plots.treatments import PROCEDURES, Treatments
from tme_sim.thresholds import DETECT, PARTIAL, PROGRESSIVE, PROGRESSIVE_MM

__all__ = ["Reading", "calendar_and_lesion", "scan_readings"]

PERCENT = 100.0
SPIDER_TOP = 200.0  # change (%) beyond which a spider plot shows no more of a lesion, so that the others can be read


@dataclass(frozen=True)
class Reading:
    """What the scans of a run read by one criterion: days and sums of target diameters (mm), and the responses after
    the first scan."""

    criterion: str
    days: tuple[float, ...]
    sums: tuple[float, ...]
    responses: tuple[str, ...]


def calendar_and_lesion(run, treatments: Treatments) -> list[Panel]:
    """Calendar with the reading of the scans, volumes, change of the sum of diameters, and every lesion by itself."""
    volumes = lesion_volumes(run)
    readings = scan_readings(run)
    first = run.summary.get("resectable_day") if run.summary.get("resectable") else None
    panels = [calendar_panel(treatments, readings, end_of_life(run, treatments.end), first)]
    if volumes is None:
        return panels
    names = lesion_names(run)
    words = {"viable": "viable", "dying": "dying", "necrotic": "necrotic"}
    many = len(names) > 3
    for i, name in enumerate(["all lesions together"] if many else names):
        parts = {k: v.sum(axis=1) if many else v[:, i] for k, v in volumes.items()}
        title = "Lesion volume by what its tissue is" + (f": {name}" if len(names) > 1 else "")
        areas = [Area(run.time, parts[kind], words[kind], COLOURS[kind]) for kind in ("necrotic", "dying", "viable")]
        panels.append(Panel(title, "mL", areas=areas, height=30.0 if len(names) == 1 or many else 22.0))
    sums = diameter_panel(run, volumes, readings)
    return [*panels, sums, spider_panel(run, volumes, names, treatments.scans), sizes_panel(run, volumes, names)]


def scan_readings(run) -> list[tuple[str, Reading]]:
    """Scans as the run's events tell them, by mRECIST and RECIST 1.1: [(name, reading)]; none without two scans."""
    out = []
    for name, criterion in (("mRECIST", "mrecist"), ("RECIST 1.1", "recist11")):
        rows = [e for e in run.events if e["kind"] == "scan" and str(e.get(f"sum_{criterion}", "")) != ""]
        rows.sort(key=lambda e: float(e["day"]))
        if len(rows) > 1:
            days, sums = (tuple(float(e[key]) for e in rows) for key in ("day", f"sum_{criterion}"))
            out.append((name, Reading(criterion, days, sums, tuple(str(e[criterion]) for e in rows[1:]))))
    return out


def end_of_life(run, end: float) -> float:
    """Day on which the patient of a run dies, at the latest `end`."""
    return min(end, float(run.summary["os"])) if run.summary.get("os_event") else end


def calendar_panel(treatments: Treatments, readings, last: float, resectable: float | None = None) -> Panel:
    """What was given and seen when: sessions, courses with their doses, scans, and the response read from them.

    `resectable` is the day of the first scan that would let a surgeon operate.
    """
    rows: list[tuple[str, str, Callable]] = []
    if treatments.tace:
        rows.append((f"TACE, {len(treatments.tace)}×", COLOURS["tace"], _sessions(treatments.tace)))
    rows += [(f"{PROCEDURES[kind]}, {len(days)}×", COLOURS[kind], _sessions(days)) for kind, days in treatments.others]
    for course in treatments.courses:
        doses = "→".join(dict.fromkeys(d.removesuffix(" mg") for d in course.doses))
        label = f"{course.drug} {doses} mg" if doses else course.drug
        if len(label) > 25:
            label = course.drug
        rows.append((label, course.colour, _course(course, treatments.end)))
    if treatments.scans:
        rows.append(("scans", COLOURS["scan"], _scans(treatments.scans)))
    rows += [(name, MUTED, _responses(reading, last)) for name, reading in readings]
    if resectable is not None:
        rows.append(("resectable from", MUTED, _first(resectable)))
    if not rows:
        return Panel("")

    def draw(axes, scale: TimeScale) -> None:
        """Draw the rows of the calendar into an axis."""
        for i, (_, colour, paint) in enumerate(rows):
            paint(axes, scale, len(rows) - 1 - i, colour)

    title = "Treatments, scans, and the response read at each scan" if readings else "Treatments and scans"
    texts = [(len(rows) - 1 - i, label, colour) for i, (label, colour, _) in enumerate(rows)]
    return Panel(
        title, draw=draw, texts=texts, limits=(-0.6, len(rows) - 0.4), height=4.2 * len(rows) + 1.0, strips=False
    )


def _inside(days: Sequence[float], scale: TimeScale) -> list[float]:
    return [scale.of(d) for d in days if scale.start <= d <= scale.stop]


def _width(axes) -> float:
    """Width of axes in mm."""
    return axes.get_position().width * axes.figure.get_figwidth() * 25.4


def _sessions(days):
    def paint(axes, scale, row, colour):
        """Draw into the row of an axis."""
        x = _inside(days, scale)
        axes.plot(x, [row] * len(x), "v", color=colour, markersize=5.5, markeredgewidth=0, clip_on=False, zorder=4)

    return paint


def _scans(days):
    def paint(axes, scale, row, colour):
        """Draw into the row of an axis."""
        axes.vlines(_inside(days, scale), row - 0.22, row + 0.22, color=colour, linewidth=0.9, zorder=3)

    return paint


def _first(day):
    def paint(axes, scale, row, colour):
        x = _inside([day], scale)
        axes.plot(x, [row] * len(x), "D", color=colour, markersize=4.5, markeredgewidth=0, clip_on=False, zorder=4,
                  gid="resectable")  # fmt: skip

    return paint


def _bar(axes, scale, begin, end, row, height, colour, name):
    from matplotlib.patches import Rectangle

    begin, end = max(begin, scale.start), min(end, scale.stop)
    if end > begin:
        x = scale.of(begin)
        axes.add_patch(Rectangle((x, row - height / 2), scale.of(end) - x, height, facecolor=colour, edgecolor="white",
                                 linewidth=0.4, zorder=2, gid=name))  # fmt: skip
    return begin, end


def _course(course, stop):
    def paint(axes, scale, row, colour):
        """Draw into the row of an axis."""
        for begin, end in course.bars(stop):
            _bar(axes, scale, begin, end, row, 0.62, colour, f"bar:{course.drug}")
        doses = _inside(course.days, scale)
        usual = float(np.median(np.diff(course.days))) if len(course.days) > 1 else np.inf
        if usual * _width(axes) > 1.0 * (scale.stop - scale.start):  # closer doses, as daily ones, are a plain bar
            axes.vlines(doses, row - 0.31, row + 0.31, color="white", linewidth=0.7, zorder=3)

    return paint


def _responses(reading, stop):
    def paint(axes, scale, row, _colour):
        """Draw into the row of an axis."""
        ends = [*reading.days[2:], stop]
        begin, runs = None, []
        for day, end, response in zip(reading.days[1:], ends, reading.responses, strict=True):
            if runs and runs[-1][2] == response:
                runs[-1] = (runs[-1][0], end, response)
            else:
                runs.append((day, end, response))
        for begin, end, response in runs:
            begin, end = _bar(axes, scale, begin, min(end, stop), row, 0.8, COLOURS[response], f"response:{response}")
            if (end - begin) / (scale.stop - scale.start) * _width(axes) > 5.0:
                axes.text(scale.of(0.5 * (begin + end)), row, response, fontsize=TEXT, ha="center",
                          va="center_baseline", zorder=4)  # fmt: skip

    return paint


def diameter_panel(run, volumes, readings) -> Panel:
    """Change of the sums of diameters since the first scan, with what counts as response and progression."""
    lines: list[Line] = []
    first = min((float(reading.days[0]) for _, reading in readings if len(reading.days)), default=0.0)
    start = int(np.argmin(np.abs(run.time - first)))
    alone = volumes["viable"].shape[1] == 1
    for name, kinds, colour, key in (
        ("all tissue (RECIST)", ("viable", "dying", "necrotic"), "whole", "recist11"),
        ("viable (mRECIST)", ("viable",), "viable", "mrecist"),
    ):
        sums = diameter(sum(volumes[k] for k in kinds) * 1000.0).sum(axis=1)
        if alone and sums[start]:
            lines.append(Line(run.time, PERCENT * (sums / sums[start] - 1), name, COLOURS[colour]))
        for _, reading in readings:
            if reading.criterion != key or not reading.sums[0]:
                continue
            days, seen = np.array(reading.days), np.array(reading.sums)
            change = PERCENT * (seen / seen[0] - 1)
            if not alone:
                lines.append(Line(days, change, name, COLOURS[colour]))
            lines.append(Line(days, change, "", COLOURS[colour], marker="o"))
            smallest = np.minimum.accumulate(seen)
            absolute = PROGRESSIVE_MM if key == "recist11" else 0.0
            bound = smallest + np.maximum(PROGRESSIVE * smallest, absolute)
            days, bound = np.append(days, run.time[-1]), np.append(bound, bound[-1])
            lines.append(
                Line(days, PERCENT * (bound / seen[0] - 1), "", COLOURS[colour], (0, (1.2, 1.2)), 0.8, step=True)
            )
    references = [Reference(-PERCENT * PARTIAL, "partial response below")]
    what = "Sum of diameters" if alone else "Sum of the targets' diameters"
    since = "day 0" if abs(first) < 0.5 else "the first scan"
    title = f"{what}, change since {since} (dots: scans; dotted: above it a scan reads progression)"
    return Panel(title, "%", lines, references=references if lines else (), zero=False, height=24.0)


def spider_panel(run, volumes, names: Sequence[str], scans: Sequence[float]) -> Panel:
    """Spider plot: change of the viable diameter of every lesion since the first scan, for patients with more than one.

    A lesion that a later scan first sees is new: it starts there with a star, and its change counts from that scan.
    What no scan sees is left out.  Sizes are true ones, without the error of a reader.
    """
    if len(names) < 2 or len(scans) < 2:
        return Panel("")
    alive = diameter(volumes["viable"] * 1000.0)
    whole = diameter(sum(volumes[kind] for kind in ("viable", "dying", "necrotic")) * 1000.0)
    at = [int(np.argmin(np.abs(run.time - day))) for day in sorted(scans) if run.time[0] <= day <= run.time[-1]]
    lines: list[Line] = []
    found = set()
    for i, name in enumerate(names):
        seen = [k for k in at if whole[k, i] >= DETECT and alive[k, i] > 0]
        if not seen:
            continue
        first = seen[0]
        new = first != at[0]
        found.add(new)
        change = PERCENT * (alive[first:, i] / alive[first, i] - 1)
        style = LESION_STYLES[i % len(LESION_STYLES)]
        colour = COLOURS["occult" if new else "viable"]
        lines.append(Line(run.time[first:], change, f"{name}, new" if new else name, colour, style))
        later = np.array([k - first for k in at if k >= first])
        lines.append(Line(run.time[first:][later], change[later], "", colour, marker="o"))
        if new:
            lines.append(Line(run.time[first : first + 1], np.zeros(1), "", colour, marker="*"))
    if not lines:
        return Panel("")
    grown = [Reference(PERCENT * PROGRESSIVE, f"+{PERCENT * PROGRESSIVE:.0f} %")]
    levels = [Reference(0.0, "first scan"), Reference(-PERCENT * PARTIAL, f"\N{MINUS SIGN}{PERCENT * PARTIAL:.0f} %")]
    title = "Each lesion: change of its viable diameter since the first scan"
    title += " (star: new lesion, since the scan that found it)" if True in found else ""
    high = min(max(float(np.max(line.values)) for line in lines), SPIDER_TOP)
    limits = (-105.0, max(1.05 * high, 50.0))
    return Panel(title, "%", lines, references=[*grown, *levels], limits=limits, height=32.0)


def sizes_panel(run, volumes, names: Sequence[str]) -> Panel:
    """Diameter of what is alive of every lesion, for patients with more than one: which grow, shrink, appear."""
    if len(names) < 2:
        return Panel("")
    sizes = diameter(volumes["viable"] * 1000.0)
    start = int(np.argmin(np.abs(run.time)))
    lines, small = [], sizes[start] < DETECT
    for i in np.argsort(-sizes[start], kind="stable"):
        occult = small[i]
        lines.append(Line(run.time, sizes[:, i], names[i], COLOURS["occult" if occult else "viable"],
                          LESION_STYLES[i % len(LESION_STYLES)], 0.9 if occult else 1.2))  # fmt: skip
    seen = [Reference(DETECT, "seen from here")]
    scale = "log" if small.any() else "linear"
    return Panel("Diameter of the viable part of each lesion", "mm", lines, references=seen, scale=scale, height=26.0)
