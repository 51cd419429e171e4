"""The first figure of a run: its calendar with the reading of the scans, lesion volumes, and diameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tme_sim.plots.panel import Area, Line, Panel, Reference
from tme_sim.plots.record import lesion_names, lesion_volumes
from tme_sim.plots.style import COLOURS, MUTED, TEXT, TimeScale
from tme_sim.plots.treatments import Treatments

__all__ = ["calendar_and_lesion", "scan_readings"]

PERCENT = 100.0


def calendar_and_lesion(run, treatments: Treatments) -> list[Panel]:
    """Calendar with the reading of the scans, volumes, and change of the sum of diameters."""
    volumes = lesion_volumes(run)
    readings = scan_readings(run, treatments, volumes)
    panels = [calendar_panel(treatments, readings)]
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
    return [*panels, diameter_panel(run, volumes, readings)]


def scan_readings(run, treatments: Treatments, volumes):
    """Scans read by mRECIST and RECIST 1.1: [(name, reading)], or none without volumes or scans."""
    from tme_sim import observe

    days = [d for d in sorted({0.0, *treatments.scans}) if run.time[0] <= d <= run.time[-1]]
    if volumes is None or len(days) < 2:
        return []
    whole = sum(volumes.values()) * 1000.0
    scans = observe.take_scans(days, whole, volumes["viable"] * 1000.0, run.time)
    return [
        (name, observe.read_scans(scans, key)) for name, key in (("mRECIST", "mrecist"), ("RECIST 1.1", "recist11"))
    ]


def calendar_panel(treatments: Treatments, readings) -> Panel:
    """What was given and seen when: sessions, courses with their doses, scans, and the response read from them."""
    rows: list[tuple[str, str, Callable]] = []
    if treatments.tace:
        rows.append((f"TACE, {len(treatments.tace)}×", COLOURS["tace"], _sessions(treatments.tace)))
    for course in treatments.courses:
        doses = "→".join(dict.fromkeys(d.removesuffix(" mg") for d in course.doses))
        label = f"{course.drug} {doses} mg" if doses else course.drug
        if len(label) > 25:
            label = course.drug
        rows.append((label, course.colour, _course(course, treatments.end)))
    if treatments.scans:
        rows.append(("scans", COLOURS["scan"], _scans(treatments.scans)))
    rows += [(name, MUTED, _responses(reading, treatments.end)) for name, reading in readings]
    if not rows:
        return Panel("")

    def draw(axes, scale: TimeScale) -> None:
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
        x = _inside(days, scale)
        axes.plot(x, [row] * len(x), "v", color=colour, markersize=5.5, markeredgewidth=0, clip_on=False, zorder=4)

    return paint


def _scans(days):
    def paint(axes, scale, row, colour):
        axes.vlines(_inside(days, scale), row - 0.22, row + 0.22, color=colour, linewidth=0.9, zorder=3)

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
        for begin, end in course.bars(stop):
            _bar(axes, scale, begin, end, row, 0.62, colour, f"bar:{course.drug}")
        doses = _inside(course.days, scale)
        usual = float(np.median(np.diff(course.days))) if len(course.days) > 1 else np.inf
        if usual * _width(axes) > 1.0 * (scale.stop - scale.start):  # closer doses, as daily ones, are a plain bar
            axes.vlines(doses, row - 0.31, row + 0.31, color="white", linewidth=0.7, zorder=3)

    return paint


def _responses(reading, stop):
    def paint(axes, scale, row, _colour):
        ends = [*reading.days[2:], stop]
        begin, runs = None, []
        for day, end, response in zip(reading.days[1:], ends, reading.responses, strict=True):
            if runs and runs[-1][2] == response:
                runs[-1] = (runs[-1][0], end, response)
            else:
                runs.append((day, end, response))
        for begin, end, response in runs:
            begin, end = _bar(axes, scale, begin, end, row, 0.8, COLOURS[response], f"response:{response}")
            if (end - begin) / (scale.stop - scale.start) * _width(axes) > 5.0:
                axes.text(scale.of(0.5 * (begin + end)), row, response, fontsize=TEXT, ha="center",
                          va="center_baseline", zorder=4)  # fmt: skip

    return paint


def diameter_panel(run, volumes, readings) -> Panel:
    """Change of the sums of diameters since day 0, with what counts as response and progression."""
    from tme_sim.observe import PARTIAL_RESPONSE, PROGRESSION, PROGRESSION_ABSOLUTE, diameter

    lines: list[Line] = []
    start = int(np.argmin(np.abs(run.time)))
    for name, kinds, colour, key in (
        ("all tissue (RECIST)", ("viable", "dying", "necrotic"), "whole", "recist11"),
        ("viable (mRECIST)", ("viable",), "viable", "mrecist"),
    ):
        sums = diameter(sum(volumes[k] for k in kinds) * 1000.0).sum(axis=1)
        if not sums[start]:
            continue
        lines.append(Line(run.time, PERCENT * (sums / sums[start] - 1), name, COLOURS[colour]))
        for _, reading in readings:
            if reading.criterion != key or not reading.sums[0]:
                continue
            days, seen = np.array(reading.days), np.array(reading.sums)
            lines.append(Line(days, PERCENT * (seen / seen[0] - 1), "", COLOURS[colour], marker="o"))
            smallest = np.minimum.accumulate(seen)
            absolute = PROGRESSION_ABSOLUTE if key == "recist11" else 0.0
            bound = smallest + np.maximum(PROGRESSION * smallest, absolute)
            days, bound = np.append(days, run.time[-1]), np.append(bound, bound[-1])
            lines.append(
                Line(days, PERCENT * (bound / seen[0] - 1), "", COLOURS[colour], (0, (1.2, 1.2)), 0.8, step=True)
            )
    references = [Reference(PERCENT * PARTIAL_RESPONSE, "partial response below")]
    title = "Sum of diameters, change since day 0 (dots: scans; dotted: above it a scan reads progression)"
    return Panel(title, "%", lines, references=references, zero=False, height=24.0)
