"""A calendar as people look at it: text, and a picture with what visits decide drawn hatched."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from tme_sim.protocol.calendar import LOOKS, PROCEDURES, Calendar, Entry, Stretch, Track
from tme_sim.protocol.conditions import Condition
from tme_sim.protocol.dates import TICKS_PER_DAY
from tme_sim.quantities import internal

MARKS = {"drug": "+", "scan": "o", "planning": "c", "visit": "v"} | dict.fromkeys(PROCEDURES, "T")
COLOURS = {"drug": "#666666"} | dict.fromkeys(LOOKS, "#9A9A9A") | dict.fromkeys(PROCEDURES, "#1A1A1A")
POINTS = {"drug": "|", "scan": "o", "planning": ".", "visit": "d"} | dict.fromkeys(PROCEDURES, "v")
SMALL, LARGE = 8.0, 9.0  # points
BAND = ("#F2F2F2", "#E4ECF4")  # phases in turn
DENSE_DAYS = 2.5  # dates closer than this are drawn as a bar


def label(entry: Entry) -> str:
    """What an entry is, in words."""
    data = entry.data
    if entry.kind == "drug":
        return f"{data['dose']:g} mg {data['drug']} ({data['route'].replace('_', ' ')})"
    if entry.kind == "tace":
        load = data["drug_load"]
        carried = f", {load:g} mg {data['drug']}" if load else ""
        return f"{data['technique']} {data['selectivity']} TACE to {data['endpoint']}{carried}"
    if entry.kind == "ablation":
        return f"{data['technique']} ablation, margin {data['margin']:g} mm"
    if entry.kind == "sbrt":
        return f"stereotactic radiotherapy, {data['dose']:g} Gy in {data['fractions']}"
    if entry.kind == "radioembolisation":
        return f"{data['material']} radioembolisation, {data['selectivity']}, {data['dose']:g} Gy"
    if entry.kind == "visit":
        return "visit with blood test"
    return f"{'planning scan' if entry.kind == 'planning' else 'scan'} ({data['method']})"


def calendar_text(calendar: Calendar, *, width: int = 78) -> str:
    """One line per treatment with a mark per date, then the dates in words, then what visits decide."""
    entries = calendar.all
    if not entries:
        return "nothing is scheduled\n"
    planned = {id(e) for e in calendar.planned}
    names = list(dict.fromkeys(e.treatment for e in entries))
    first, last = entries[0].day, entries[-1].day
    margin = min(28, max(map(len, names))) + 2
    columns = max(20, width - margin)
    span = max(last - first, 1.0)
    lines = [f"{'day':<{margin}}{first:<10g}{last:>{columns - 10}g}"]
    for name in names:
        row = ["."] * columns
        for entry in (e for e in entries if e.treatment == name):
            row[round((entry.day - first) / span * (columns - 1))] = "?" if id(entry) in planned else MARKS[entry.kind]
        lines.append(f"{name[: margin - 2]:<{margin}}{''.join(row)}")
    lines.append("")
    told = {t.name: t for t in calendar.tracks}
    for name in names:
        for group in _runs([e for e in entries if e.treatment == name]):
            lines.append(f"{name}: {label(group[0])}, {_dates(group, told.get(name))}")
    if calendar.tracks:
        lines += ["", "decided by what visits see (? above: if nothing speaks against it)"]
        lines += [f"  phase {_phase(p, calendar)}" for p in calendar.phases]
        lines += [f"  {t.name}: {words}" for t in calendar.tracks for words in _rules(t)]
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


def _dates(entries: Sequence[Entry], track: Track | None) -> str:
    days = [e.day for e in entries]
    if len(days) == 1:
        return f"day {days[0]:g}" + (", then on demand" if track and track.on_demand else "")
    gaps = {round(b - a, 6) for a, b in zip(days, days[1:], strict=False)}
    if len(gaps) == 1:
        many = "" if track and track.open else f"{len(days)} times, "
        until = "on" if track and track.open else f"to {days[-1]:g}"
        return f"{many}every {gaps.pop():g} d, day {days[0]:g} {until}"
    text = ", ".join(f"{d:g}" for d in days[:12])
    return f"{len(days)} times, day {text}{' ...' if len(days) > 12 else ''}"


def _or(conditions: Sequence[Condition]) -> str:
    return " or ".join(map(str, conditions))


def _phase(phase: Stretch, calendar: Calendar) -> str:
    if phase.start is not None:
        text = f"{phase.name}: from day {phase.start / TICKS_PER_DAY:g}"
    else:
        text = f"{phase.name}: after {calendar.phases[phase.follows].name}"
        if phase.anchor in ("first", "last"):
            anchored = calendar.tracks[phase.anchored].name
            text += f", not before {phase.offset / TICKS_PER_DAY:g} d after its {phase.anchor} {anchored}"
        elif phase.anchor and phase.offset > 0:
            text += f", not before {phase.offset / TICKS_PER_DAY:g} d after its {phase.anchor}"
        elif phase.tick is not None:
            text += f", not before day {phase.tick / TICKS_PER_DAY:g}"
    ends = [f"{phase.length / TICKS_PER_DAY:g} d long"] if phase.length is not None else []
    ends += [f"until {_or(phase.ends)}"] if phase.ends else []
    return ", ".join([text, *ends]) + (", scans read afresh" if phase.new_baseline else "") + (
        ", then all before it ends" if phase.ends_all else "")


def _rules(track: Track) -> list[str]:
    out = [f"until {_or(track.ends)}"] if track.ends else []
    demand = track.on_demand
    if demand is not None:
        limits = [f"{demand.maximum} in all"] if demand.maximum else []
        limits += [f"{demand.maximum_per_lesion} per lesion"] if demand.maximum_per_lesion else []
        most = f", at most {' and '.join(limits)}" if limits else ""
        delay, apart = (float(internal(*q)) for q in (demand.delay, demand.minimum_interval))
        out.append(f"again {delay:g} d after a scan with {_or(demand.when)}, {apart:g} d apart{most}")
    out += [f"{rule.then} while {_or(rule.when)}" if rule.then in ("skip", "interrupt") else
            f"{rule.then} at {_or(rule.when)}" for rule in track.item.rule]  # fmt: skip
    for hold in getattr(track.item, "hold", ()):
        before, after = (float(internal(*q)) for q in (hold.before, hold.after))
        out.append(f"off from {before:g} d before to {after:g} d after each {hold.around}"
                   + ("; a dose due then is given when it ends" if hold.policy == "delay" else ""))  # fmt: skip
    return out


# --- picture --------------------------------------------------------------------------------------------------


def draw_calendar(
    calendar: Calendar, path: str | Path, title: str = "", colours: Mapping[str, str] | None = None
) -> Path:
    """Draw the calendar: a row per treatment, days below; hatched or hollow is what visits decide, phases are bands.

    `colours` by name of a treatment are those of other figures (:func:`tme_sim.plots.treatments.colours_of`).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from tme_sim.disk import write_file

    entries = calendar.all
    names = list(dict.fromkeys(e.treatment for e in sorted(entries, key=lambda e: (e.kind in LOOKS, e.tick))))
    room = max(30, int(88 - 0.72 * max(map(len, names), default=0)))  # characters of bold type beside the names
    title = textwrap.fill(title, room)
    head = (0.4 if calendar.phases else 0.0) + 0.17 * title.count("\n")
    figure = Figure(figsize=(7.09, 1.0 + head + 0.27 * max(1, len(names))), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    planned = {id(e) for e in calendar.planned}
    last = max((e.day for e in entries), default=1.0)
    first = min((e.day for e in entries), default=0.0)
    space = 0.02 * (last - first) or 1.0  # a calendar of one day has a width too
    tracks = {t.name: t for t in calendar.tracks}
    for row, name in enumerate(names):
        own = [e for e in entries if e.treatment == name]
        track = tracks.get(name)
        end = last if track is None or track.phase < 0 else min(_end_of(calendar, track.phase, last), last)
        colour = (colours or {}).get(name) or COLOURS[own[0].kind]
        _draw_row(axes, row, own, colour, id(own[0]) in planned, track, end)
    _draw_phases(axes, calendar, first - space, last + space)
    axes.set_xlim(first - space, last + space)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5 - (1.0 if calendar.phases else 0.0))
    day_0 = "; day 0 is the first TACE" if any(e.kind == "tace" for e in entries) else ""
    decided = "; hatched or hollow: visits decide" if calendar.tracks else ""
    axes.set_xlabel(f"time (days{day_0}{decided})", fontsize=SMALL)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=SMALL, width=0.5, length=2.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["bottom"].set_linewidth(0.5)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    if title:
        axes.set_title(title, fontsize=LARGE, fontweight="bold", loc="left", x=0.0)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=200)
    write_file(path, stream.getvalue())
    return Path(path)


def _draw_row(
    axes, row: int, entries: Sequence[Entry], colour: str, conditional: bool, track: Track | None, last: float
) -> None:
    """One treatment: a bar where doses are dense, a mark per date otherwise; hollow and hatched if conditional."""
    kind = entries[0].kind
    days = [e.day for e in entries]
    for stretch in _dense(days):
        axes.barh(row, stretch[1] - stretch[0], left=stretch[0], height=0.42, edgecolor=colour, linewidth=0.8,
                  color="white" if conditional else colour, hatch="/////" if conditional else None)  # fmt: skip
    sparse = [d for d in days if not any(a <= d <= b for a, b in _dense(days))]
    size = 9 if kind in PROCEDURES else 11 if kind == "drug" else 4
    if conditional and kind == "drug" and len(sparse) > 1:
        axes.barh(row, sparse[-1] - sparse[0], left=sparse[0], height=0.42, edgecolor=colour, linewidth=0.0,
                  color="none", hatch="/////", alpha=0.35)  # fmt: skip
    axes.plot(sparse, [row] * len(sparse), POINTS[kind], color=colour, markersize=size,
              markerfacecolor="white" if conditional and kind != "drug" else colour,
              markeredgewidth=1.6 if kind == "drug" else 1.2)  # fmt: skip
    if track is not None and track.on_demand is not None:
        axes.barh(row, last - days[0], left=days[0], height=0.42, edgecolor=colour, linewidth=0.0, color="none",
                  hatch="/////", alpha=0.35, zorder=0.5)  # fmt: skip


def _dense(days: Sequence[float]) -> list[tuple[float, float]]:
    """Stretches of dates that follow each other within DENSE_DAYS."""
    out: list[list[float]] = []
    for day in days:
        if out and day - out[-1][1] <= DENSE_DAYS:
            out[-1][1] = day
        else:
            out.append([day, day])
    return [(a, b) for a, b in out if b - a > 5 * DENSE_DAYS]


def _draw_phases(axes, calendar: Calendar, first: float, last: float) -> None:
    """Phases as bands named above, in two lines where they are narrow; dashed where the run decides the date."""
    spans = [
        (max(phase.nominal / TICKS_PER_DAY, first), min(_end_of(calendar, i, last), last))
        for i, phase in enumerate(calendar.phases)
    ]
    names = [phase.name for phase in calendar.phases]
    narrow = any(b - a < 0.014 * len(n) * (last - first) for (a, b), n in zip(spans, names, strict=True))
    for i, ((start, end), phase) in enumerate(zip(spans, calendar.phases, strict=True)):
        axes.axvspan(start, end, color=BAND[i % 2], zorder=0)
        if phase.start is None:
            axes.axvline(start, color="#555555", linewidth=0.9, linestyle=(0, (4, 3)))
        axes.annotate(
            phase.name, (start, -0.75 - (0.45 if narrow and i % 2 == 0 else 0.0)), xytext=(3, 0), fontsize=SMALL,
            textcoords="offset points", va="center", color="#333333", annotation_clip=False,
            bbox={"facecolor": BAND[i % 2], "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip


def _end_of(calendar: Calendar, number: int, last: float) -> float:
    """Day on which a phase is planned to end."""
    phase = calendar.phases[number]
    follower = next((p.nominal / TICKS_PER_DAY for p in calendar.phases if p.follows == number), last)
    return follower if phase.length is None else (phase.nominal + phase.length) / TICKS_PER_DAY
