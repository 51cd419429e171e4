"""Findings as files (CSV tables, figures) and as lines of text for the terminal."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tme_sim.cells import no_formula
from tme_sim.findings import draw
from tme_sim.findings.drive import LEAD, Flips, Sensitivity, Tornado
from tme_sim.findings.knockouts import Knockouts
from tme_sim.findings.runs import arrows_of
from tme_sim.findings.sensitivity import Local, Morris, Prcc, Sobol
from tme_sim.findings.surface import (
    Band,
    Regret,
    Surface,
    Window,
    indifferent,
    member_windows,
    near_best,
    paired_window,
    regret,
)
from tme_sim.study.meaning import declared, settable
from tme_sim.study.tables import unit_of

if TYPE_CHECKING:
    from tme_sim.study import Study

__all__ = [
    "csv_bytes", "flip_sentences", "flips_told", "knockouts_told", "label_of", "number", "sensitivity_told",
    "surface_told", "table_bytes",
]  # fmt: skip

Files = dict[str, bytes]
AS_USED, MIDDLE = "as used", "middle of the range, as the value used is not in it or not known"
MEANING = {  # what columns of an analysis are, where their names do not say it
    "morris": "mu_star: mean size of the change over a whole range of the factor; mu: with its sign; sigma: its spread",
    "local": "slope: change over a whole range of the factor, at its rate at the value told; error: of that",
}
SHOWN = 12  # rows told on the terminal; the file holds all
ROUGH = 0.01  # by how much a Sobol' index, a share of variance, may leave 0 to 1 before a warning says so


def number(value: float) -> str:
    """A number with four digits."""
    return f"{value:.4g}" if np.isfinite(value) else "-"


def label_of(outcome: str, derived: Iterable[tuple[str, str, str, str]] = ()) -> str:
    """An outcome with its unit, as axes name it; `derived` are those of a plan (name, expression, unit, title)."""
    from tme_sim.definitions import definition_of

    for name, _, unit, title in derived:
        if name == outcome:
            return (title or name.replace("_", " ")) + ("" if unit == "1" else f" ({unit})")
    found = definition_of(outcome)
    unit = "" if found is None or found.unit in ("1", "text") else f" ({found.unit})"
    return re.sub(r"_d(-?\d+)$", r" on day \1", outcome).replace("_", " ") + unit


def csv_bytes(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as CSV, with the columns of the first."""
    rows = list(rows)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]) if rows else ["nothing"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _cell(v) for k, v in row.items()} for row in rows)
    return stream.getvalue().encode()


def table_bytes(table: Mapping[str, np.ndarray]) -> bytes:
    """A table of runs as CSV."""
    names = list(table)
    return csv_bytes(dict(zip(names, row, strict=True)) for row in zip(*(table[n] for n in names), strict=True))


def _cell(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        return "" if np.isnan(value) else repr(value)
    return no_formula(value) if isinstance(value, str) else value


def _stem(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-." else "_" for c in text.lower())[:40].strip("_")


def _missing(missing) -> list[str]:
    return [f"warning: {missing.text}"] if missing.failed else []


# --- sensitivity ----------------------------------------------------------------------------------


def sensitivity_told(found: Sensitivity, study: Study) -> tuple[Files, list[str]]:
    """Files and lines of a sensitivity analysis."""
    label = label_of(found.outcome, study.plan_table.derived)
    units = {f.name: f.unit for f in found.factors}
    files: Files = {}
    rows: list[dict[str, Any]] = []
    lines = _missing(found.missing)
    lines += [told for target, one in found.found.items() for told in _rough(target, one)]
    for target, one in found.found.items():
        figure, these, head = _one(found, target, one, study, label)
        files[f"{found.method}_{_stem(target)}.png"] = draw.png(figure)
        rows += [{"target": target, "unit": units[r["factor"]], **r} for r in these]
        shown = sorted(these, key=lambda r: -np.nan_to_num(abs(r[head]), nan=-1.0))[:SHOWN]  # without a value: last
        unit = unit_of(study.plan_table, found.outcome)
        told = f" ({unit})" if isinstance(one, (Morris, Tornado, Local)) and unit != "1" else ""
        lines.append(f"{target}, {found.outcome}{told}: {_counted(one)}")
        wide = max([22, *(len(r["factor"]) + 2 for r in shown)])
        lines += [f"  {r['factor']:<{wide}}" + "  ".join(_shown(k, v, units[r["factor"]]) for k, v in r.items()
                                                         if k != "factor") for r in shown]  # fmt: skip
    files[f"{found.method}.csv"] = csv_bytes(rows)
    files["runs.csv"] = table_bytes(found.table)
    return files, [*lines, *([MEANING[found.method]] if found.method in MEANING else [])]


def _rough(target: str, one: Any) -> list[str]:
    """A warning where Sobol' indices are no shares of a variance, which too few base samples bring about."""
    if not isinstance(one, Sobol):
        return []
    shares = [(name, word, index.value) for word, indices in (("first", one.first), ("total", one.total))
              for name, index in zip(one.names, indices, strict=True)]  # fmt: skip
    out = [share for share in shares if not -ROUGH <= share[2] <= 1.0 + ROUGH]
    if not out:
        return []
    name, word, value = max(out, key=lambda share: abs(share[2] - 0.5))
    base = one.used + one.left_out
    many = "1 Sobol' index lies" if len(out) == 1 else f"{len(out)} Sobol' indices lie"
    return [f"warning: {target}: {many} outside 0 to 1 ({word} of {name}: {value:.2g}), as no share of a variance can: "
            f"{base} base samples are too few for this outcome; ask again with -n {4 * base}, which uses the runs made "
            "so far"]  # fmt: skip


def _shown(column: str, value: Any, unit: str) -> str:
    """A cell of a row as the terminal tells it."""
    if column == "at":
        return f"at {number(value)}" + (f" {unit}" if unit != "1" else "")
    return f"({value})" if isinstance(value, str) else f"{column} {number(value)}"


def _counted(one: Any) -> str:
    if isinstance(one, (Tornado, Local)):
        return f"{one.left_out} without a value" if one.left_out else "all runs gave a value"
    what = {Morris: "trajectories", Sobol: "base samples", Prcc: "runs"}[type(one)]
    return f"{one.used} {what} used, {one.left_out} left out for failed runs"


def _one(found: Sensitivity, target: str, one: Any, study: Study, label: str) -> tuple[Any, list[dict], str]:
    """Figure, rows, and the column to order by."""
    ask = f"What decides {label} ({target})?" if len(found.found) > 1 else f"What decides {label}?"
    if target == LEAD:
        ask, label = f"What decides how far the best order leads by {label}?", f"lead in {label}"
    about = f"{study.title or study.name}. {_counted(one)[:1].upper()}{_counted(one)[1:]}."
    if isinstance(one, Sobol):
        rows = [
            {"factor": n, "first": f.value, "first_low": f.low, "first_high": f.high, "total": t.value,
             "total_low": t.low, "total_high": t.high}
            for n, f, t in zip(one.names, one.first, one.total, strict=True)
        ]  # fmt: skip
        figure = draw.bars_figure(one.names, {"first order": one.first, "total": one.total}, title=ask,
                                  subtitle=f"{about} Lines: 95 % intervals (bootstrap).",
                                  label="share of variance (Sobol' index)")  # fmt: skip
        return figure, rows, "total"
    if isinstance(one, Morris):
        rows = [
            {"factor": n, "mu_star": s.value, "mu_star_low": s.low, "mu_star_high": s.high, "mu": m, "sigma": v}
            for n, s, m, v in zip(one.names, one.mu_star, one.mu, one.sigma, strict=True)
        ]
        return draw.morris_figure(one, title=ask, subtitle=about, label=label), rows, "mu_star"
    if isinstance(one, Prcc):
        rows = [
            {"factor": n, "prcc": v.value, "low": v.low, "high": v.high, "p": p}
            for n, v, p in zip(one.names, one.values, one.p, strict=True)
        ]
        figure = draw.bars_figure(one.names, {"prcc": one.values}, title=ask,
                                  subtitle=f"{about} Lines: 95 % intervals.", label="partial rank correlation")
        return figure, rows, "prcc"
    if isinstance(one, Tornado):
        rows = [
            {"factor": n, "low_end": a, "high_end": b, "as_it_is": one.at, "swing": abs(b - a)}
            for n, a, b in zip(one.names, one.low, one.high, strict=True)
        ]
        figure = draw.tornado_figure(one, title=ask, subtitle=f"{about} One factor at a time.", label=label)
        return figure, rows, "swing"
    from tme_sim.findings.sensitivity import Index

    rows = [
        {"factor": n, "slope": s, "error": e, "at": at, "which_is": AS_USED if used else MIDDLE}
        for n, s, e, at, used in zip(one.names, one.slopes, one.error, one.at, one.as_used, strict=True)
    ]
    elsewhere = [n for n, used in zip(one.names, one.as_used, strict=True) if not used]
    where = f"; of {', '.join(elsewhere)} in the {MIDDLE}" if elsewhere else ""
    bars = [Index(v, v - e, v + e) if np.isfinite(v) else Index(0.0, 0.0, 0.0)
            for v, e in zip(one.slopes, one.error, strict=True)]  # fmt: skip
    named = [n if np.isfinite(v) else f"{n} (no value)" for n, v in zip(one.names, one.slopes, strict=True)]
    figure = draw.bars_figure(named, {"slope": bars}, title=ask,
                              subtitle=f"{about} Derivative at the values used{where}, per whole range of the factor; "
                              "lines: its error.",
                              label=f"change of {label} per range")  # fmt: skip
    return figure, rows, "slope"


# --- flips ----------------------------------------------------------------------------------


def flip_sentences(found: Flips) -> list[str]:
    """Each flip as a sentence, those first that gain most."""
    units = {s.parameter: s.unit for s in found.scans}
    out = []
    for scan in found.flipping:
        unit = "" if units[scan.parameter] == "1" else f" {units[scan.parameter]}"
        for one in found.flips[scan.parameter]:
            used = found.nominal.get(one.parameter)
            now = f"; used: {number(used)}{unit}" if used is not None else ""
            out.append(f"{one.above} is best only if {one.parameter} exceeds {one.threshold:.3g}{unit}, "
                       f"{one.below} below it{now}")  # fmt: skip
    return out


def flips_told(found: Flips, study: Study) -> tuple[Files, list[str]]:
    """Files and lines about what flips the order."""
    label, best = label_of(found.outcome, study.plan_table.derived), next(iter(found.arms))
    varied = {factor.name: declared(study.base, factor.keys[0]) for factor in study.all_factors}
    sources = settable(study.base) | {name: one for name, one in varied.items() if one is not None}
    flipping = found.flipping
    rows = [
        {"parameter": one.parameter, "unit": scan.unit, "threshold": one.threshold, "bracket_low": one.bracket[0],
         "bracket_high": one.bracket[1], "best_below": one.below, "best_above": one.above,
         "used": found.nominal.get(one.parameter, np.nan),
         "evidence_low": scan.values[0], "evidence_high": scan.values[-1],
         "grade": sources[one.parameter].grade if one.parameter in sources else "",
         "source": sources[one.parameter].source if one.parameter in sources else ""}
        for scan in flipping for one in found.flips[scan.parameter]
    ]  # fmt: skip
    scans = [
        {"parameter": s.parameter, "unit": s.unit, "value": v, "arm": arm, found.outcome: y, "best": best_there}
        for s in found.scans for arm, row in zip(s.arms, s.outcomes, strict=True)
        for v, y, best_there in zip(s.values, row, s.best, strict=True)
    ]  # fmt: skip
    files = {"flips.csv": csv_bytes(rows), "scans.csv": csv_bytes(scans)}
    failed = [s.parameter for s in found.scans if s.failed]
    ranked = ", ".join(f"{name} {number(v)}" for name, v in found.arms.items())
    unit = unit_of(study.plan_table, found.outcome)
    lines = _missing(found.missing)
    lines.append(f"{found.outcome}{'' if unit == '1' else f' ({unit})'} at the values used, best first: {ranked}")
    lines.append(f"{len(flipping)} of {len(found.scans)} parameters flip the order within their evidence")
    lines += [f"  {text}" for text in flip_sentences(found)]
    if failed:
        lines.append(f"  not every point gave a value for: {', '.join(failed)}")
    if flipping:
        about = (f"{study.title or study.name}. {len(flipping)} of {len(found.scans)} parameters change which order is "
                 f"best within their evidence; at the values used it is {best}.")  # fmt: skip
        title = f"What flips the order: best by {label}"
        files["flips.png"] = draw.png(draw.flips_figure(flipping, found.flips, found.nominal, title=title,
                                                        subtitle=about))  # fmt: skip
        files["scans.png"] = draw.png(draw.scan_figure(flipping, found.nominal, title="Every order over the evidence",
                                                       subtitle=about, label=label))  # fmt: skip
    return files, lines


# --- knock-outs ----------------------------------------------------------------------------------


def knockouts_told(found: Knockouts, table: Mapping[str, np.ndarray], study: Study) -> tuple[Files, list[str]]:
    """Files and lines about what each arrow carries."""
    arrows, label = arrows_of(study), label_of(found.outcome, study.plan_table.derived)
    rows = [
        {"arrow": one.arrow, "label": arrows.get(one.arrow, "nothing cut"), "gap": one.gap.median,
         "gap_low": one.gap.low, "gap_high": one.gap.high, "carried": one.carried.median,
         "carried_low": one.carried.low, "carried_high": one.carried.high, "members": one.members, "best": one.best,
         "worst": one.worst,
         **{f"mean {arm}": m for arm, m in zip(found.arms, one.means, strict=True)}}
        for one in (found.whole, *found.cut)
    ]  # fmt: skip
    whole = found.whole
    gap = number(whole.gap.median)
    about = (f"{study.title or study.name}. Share of the gap between {whole.best} and {whole.worst} ({label}, {gap}) "
             "that is gone with one arrow cut: median and 80 % band over patients. Left of 0 the gap is wider without "
             "the arrow.")  # fmt: skip
    figure = draw.knockouts_figure(found, arrows, title="Which arrow makes the difference?", subtitle=about,
                                   label="share of the gap that the arrow carries (%)")  # fmt: skip
    files = {"knockouts.csv": csv_bytes(rows), "knockouts.png": draw.png(figure), "runs.csv": table_bytes(table)}
    lines = _missing(found.missing)
    lines.append(f"nothing cut, {label}: {whole.best} best, {whole.worst} worst, gap {gap} (median of patients)")
    if whole.gap.low <= 0.0:
        lines.append("  warning: not every patient has this gap, so what carries it is told for few of them")
    for one in found.cut[:SHOWN]:
        turned = "" if one.best == found.whole.best else f"; best is now {one.best}"
        lines.append(f"  {one.arrow:<30} carries {100 * one.carried.median:+.0f} % of the gap "
                     f"({100 * one.carried.low:+.0f} to {100 * one.carried.high:+.0f}){turned}")  # fmt: skip
    lines.append("carries: the part of the gap that is gone without the arrow, median and 80 % of patients; below 0 "
                 "the gap is wider without it")  # fmt: skip
    if found.impossible:
        lines.append(f"  too many patients have no value without: {', '.join(found.impossible)}")
    return files, lines


# --- surfaces ----------------------------------------------------------------------------------


def surface_told(
    surface: Surface, title: str, names: tuple[str, str], points: Mapping[str, tuple[float, float]] | None = None,
    derived: Iterable[tuple[str, str, str, str]] = (), units: tuple[str, str] = ("day", "day"),
) -> tuple[Files, list[str]]:
    """Files and lines of a timing surface; `names` are what axes call x and y, `points` named orders, `derived` as in
    :func:`label_of`, `units` those of x and y."""
    window, paired = near_best(surface), paired_window(surface)
    members, orders = member_windows(surface), regret(surface, points or {})
    label = label_of(surface.outcome, derived)
    low, high = surface.band
    rows = [
        {surface.x_name: x, surface.y_name: y, "mean": surface.mean[i, j], "low_80": low[i, j], "high_80": high[i, j],
         "near_best": int(window.near[i, j]), "near_best_paired": int(paired.near[i, j])}
        for i, x in enumerate(surface.x) for j, y in enumerate(surface.y)
    ]  # fmt: skip
    count = len(surface.values)
    many = f"{count} members" if count > 1 else "1 member"
    across, up = (_at(v, unit) for v, unit in zip(window.best, units, strict=True))
    best = f"Best at the star: {across} across, {up} up."
    about = (f"Mean of {many}, each at every pair of values. {best} Paired window: {_widths(paired, units)}. "
             f"Near-best by the spread of members: {_widths(window, units)}." if count > 1 else
             f"One member, at every pair of values. {best} Within 5 % of it: {_widths(window, units)}.")  # fmt: skip
    figure = draw.surface_figure(surface, window, paired, title=title, subtitle=about,
                                 labels=(*names, label), points=points,
                                 dates=(units[0] == "day", units[1] == "day"))  # fmt: skip
    files = {"surface.csv": csv_bytes(rows), "surface.png": draw.png(figure)}
    lines = _missing(surface.missing)
    lines.append(f"best {surface.outcome} {number(window.value)} at {surface.x_name} {window.best[0]:g}, "
                 f"{surface.y_name} {window.best[1]:g}, over {many}")  # fmt: skip
    lines += [_extent("near-best window:", surface, window, units), _extent("paired window:", surface, paired, units)]
    lines += _own(surface, members) if count > 1 else []
    if orders:
        files["regret.csv"] = csv_bytes(_order_row(one) for one in orders)
        lines.append(f"regret in {label}: of the mean; of members median, 80 % band, worst tenth; share of their best")
        lines += [f"  {o.name:<24} {number(o.of_mean)}; {number(o.members.median)}, {number(o.members.low)} to "
                  f"{number(o.members.high)}, {number(o.worst_tenth)}; {100 * o.share.median:.1f} % "
                  f"({100 * o.share.low:.1f} to {100 * o.share.high:.1f})" for o in orders]  # fmt: skip
    return files, lines


def _own(surface: Surface, members: Mapping[str, Band]) -> list[str]:
    """Best points and widths of each member alone; those to whom all points are equal have no best one."""
    count, flat = len(surface.values), int(indifferent(surface).sum())
    lines = [f"  no own best for {flat} of {count} members: the same everywhere on the map"] if flat else []
    for key, word in (("best_x", f"own best {surface.x_name}"), ("best_y", f"own best {surface.y_name}"),
                      ("width_x", f"own width of {surface.x_name}"), ("width_y", f"own width of {surface.y_name}")):
        if band := members.get(key):
            whose = f"the other{'s' * (count - flat > 1)}" if flat and key.startswith("best") else "members"
            lines.append(f"  {word:<32} median {band.median:.3g}, 80 % of {whose} {band.low:.3g} to {band.high:.3g}")
    return lines


def _order_row(one: Regret) -> dict[str, Any]:
    return {"order": one.name, "x": one.x, "y": one.y, "value": one.value, "regret_of_mean": one.of_mean,
            "regret_median": one.members.median, "regret_low": one.members.low, "regret_high": one.members.high,
            "regret_worst_tenth": one.worst_tenth, "share_median": one.share.median, "share_low": one.share.low,
            "share_high": one.share.high}  # fmt: skip


def _at(value: float, unit: str) -> str:
    """A place on an axis: a day, or a number with its unit."""
    return f"day {value:g}" if unit == "day" else f"{value:g}" + ("" if unit == "1" else f" {unit}")


def _wide(window: Window, axis: str, unit: str) -> str:
    """The width along "x" or "y" in words; a lower bound where it reaches the end of the map."""
    least = "at least " if any(getattr(window, f"open_{axis}")) else ""
    width = getattr(window, f"width_{axis}")
    return f"{least}{width:.3g}" + {"day": " days", "1": ""}.get(unit, f" {unit}")


def _widths(window: Window, units: tuple[str, str]) -> str:
    """The two widths in words."""
    if window.near.all():
        return "the whole map"
    return f"{_wide(window, 'x', units[0])} across, {_wide(window, 'y', units[1])} up"


def _extent(word: str, surface: Surface, window: Window, units: tuple[str, str]) -> str:
    """The window along both axes, through the best point."""
    axes = (surface.x_name, window.along_x, "x", units[0]), (surface.y_name, window.along_y, "y", units[1])
    x, y = (f"{name} {along[0]:.3g} to {along[1]:.3g}, {_wide(window, axis, unit)} wide"
            for name, along, axis, unit in axes)  # fmt: skip
    return f"{word} {x}; {y}; {100 * window.share:.0f} % of the map."
