"""Timing surfaces on the page: an outcome over the first days of two treatments, with the point that is shown.

Either of the scenario as it stands (one patient, a grid of dates around its own), or of a study that
``tme-sim sweep`` has run (its mean over patients and draws).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tme_sim.definitions import definition_of
from tme_sim.diagnostics import InputError, Problem, quoted
from tme_sim.explore.edits import apply_edit
from tme_sim.findings.surface import NEAR, Surface, near_best, surface_of
from tme_sim.findings.table import sense_of
from tme_sim.plan import Plan, plan_of
from tme_sim.scenario import Scenario
from tme_sim.toml_writer import write_toml

__all__ = ["OFFSETS", "OUTCOMES", "columns_of", "of_study", "outcomes_of", "shown"]

OFFSETS = tuple(range(-42, 71, 14))  # days around the dates of the scenario
OUTCOMES = {
    "viable_fraction": "viable tumour over day 0", "survival": "probability to live", "burden": "viable volume",
    "albi": "ALBI", "depth": "depth of response", "pfs": "progression-free survival", "os": "survival",
}  # fmt: skip


def outcomes_of(summary: dict[str, Any]) -> list[dict[str, str]]:
    """Endpoints of a run that have a better and a worse side, the latest landmarks first: `name`, and in words."""
    order = list(OUTCOMES)
    found = [(_stem(n), _landmark(n), n) for n, v in summary.items() if isinstance(v, (int, float))]
    known = sorted((order.index(stem), -day, name) for stem, day, name in found if stem in OUTCOMES)
    return [{"name": name, "words": OUTCOMES[order[at]] + (f", day {-day}" if day else "")} for at, day, name in known]


def _stem(name: str) -> str:
    return name.rpartition("_d")[0] if _landmark(name) else name


def _landmark(name: str) -> int:
    tail = name.rpartition("_d")[2]
    return int(tail) if tail.isdigit() else 0


def axis_of(scenario: Scenario, index: Any) -> tuple[int, str, float]:
    """Number, name and first day of a treatment that can be moved.

    Raises:
        InputError: there is none of this number, or it has no start of its own.
    """
    treatments = scenario.protocol.treatment
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(treatments):
        raise InputError(Problem("timing", "", "needs two treatments of the calendar"))
    item = treatments[index]
    days = [e.day for e in scenario.calendar.all if e.treatment == item.name]
    if not days:
        raise InputError(Problem("timing", item.name, "is never given"))
    return index, item.name, days[0]


def columns_of(scenario: Scenario, x: int, y: int) -> Iterator[tuple[int, list[Plan | None]]]:
    """For each first day of treatment `x` the plans over the first days of `y`; None where the two cannot be meant.

    Raises:
        InputError: as :func:`axis_of`, or the same treatment twice.
    """
    x, _, first = axis_of(scenario, x)
    y, _, second = axis_of(scenario, y)
    if x == y:
        raise InputError(Problem("timing", "", "needs two different treatments"))
    for i, offset in enumerate(OFFSETS):
        moved = _moved(scenario, x, float(offset))
        plans: list[Plan | None] = []
        for other in OFFSETS:
            one = moved and _moved(moved, y, second + other - axis_of(moved, y)[2])
            plans.append(replace(plan_of(one), piece=None) if one else None)
        yield i, plans


def _moved(scenario: Scenario, index: int, days: float) -> Scenario | None:
    try:
        data = apply_edit(scenario.data, scenario, {"do": "move", "index": index, "days": days})
        return Scenario.from_text(write_toml(data), scenario.name, catalogue=scenario.catalogue)
    except InputError:
        return None


def shown(
    title: str, outcome: str, axes: Sequence[dict[str, Any]], values: np.ndarray, *, done: int, total: int,
    surface: Surface | None = None, orders: dict[str, tuple[float, float]] | None = None, about: str = "",
) -> dict[str, Any]:  # fmt: skip
    """A surface as the page draws it: `values` [x, y], NaN where there is none."""
    sense = surface.sense if surface else sense_of(outcome)
    near, best = None, None
    if surface is not None:
        window = near_best(surface)
        near = window.near
        best = {"x": window.best[0], "y": window.best[1], "value": window.value}
    elif done == total and np.isfinite(values).any():  # one patient: the band of a point is the point
        i, j = np.unravel_index(np.nanargmax(sense * values), values.shape)
        near = sense * (values[i, j] - values) <= NEAR * abs(values[i, j])
        best = {"x": axes[0]["days"][i], "y": axes[1]["days"][j], "value": float(values[i, j])}
    found = definition_of(outcome)
    if found and not about:
        about = f"{found.text} [{found.unit}]".replace("day N", f"day {_landmark(outcome)}")
    cells = [[float(f"{v:.6g}") if math.isfinite(v) else None for v in row] for row in values]
    return {"type": "timing", "title": title, "outcome": outcome, "about": about, "sense": sense, "x": axes[0],
            "y": axes[1], "values": cells, "near": None if near is None else near.tolist(), "best": best, "done": done,
            "total": total,
            "orders": [{"name": n, "x": p[0], "y": p[1]} for n, p in (orders or {}).items()]}  # fmt: skip


def live_axes(scenario: Scenario, x: int, y: int) -> list[dict[str, Any]]:
    """The two axes of a surface of the scenario: treatment, its first days, what it is called."""
    out = []
    for index in (x, y):
        _, name, first = axis_of(scenario, index)
        out.append({"name": name, "label": f"first day of {name}", "days": [first + o for o in OFFSETS],
                    "relative_to": ""})  # fmt: skip
    return out


def of_study(study: str, store: str, announce: Callable[[str], None]) -> dict[str, Any]:
    """The surface of a study from its store.

    Raises:
        InputError: no such study or store, no grid over two dates, or runs that are missing.
    """
    from tme_sim.findings import drive
    from tme_sim.findings.sections import surface_section
    from tme_sim.study import load_study, open_store

    made = load_study(study)
    section = surface_section(made)
    outcome = drive.outcome_name(made, section.outcome)
    dates = [f.name for f in made.factors if f.date]
    names = [section.x or next(iter(dates), ""), section.y or next(iter(dates[1:]), "")]
    if not all(names) or len(made.arms) > 1:
        raise InputError(Problem(study, "factor", "has no surface of one arm over two dates"))
    with open_store(store, digest=made.model_digest) as opened:
        missing = len(opened.missing(made))
        if missing:
            raise InputError(Problem(store, "", (
                f"lacks {missing} runs of {quoted(made.name)}; finish it: tme-sim sweep {study} --out {store}")))
        table = opened.table(made)
    announce(f"{made.title or made.name}: surface of {outcome} read from {store}")
    member = [f.name for f in made.all_factors if f.name not in names] + ["replicate"]
    surface = surface_of(table, outcome, *names, member=member, better=section.better)
    axes = []
    for name, days in zip(names, (surface.x, surface.y), strict=True):
        factor = made.factor(name)
        parts = factor.keys[0].split(".")
        axes.append({"name": parts[2] if len(parts) > 2 else name, "label": f"{factor.title} ({factor.unit})",
                     "days": [float(d) for d in days], "relative_to": factor.relative_to})  # fmt: skip
    total = surface.values[0].size
    about = next((f"{d.label} [{d.unit}]" for d in made.outputs.derived if d.name == outcome and d.label), "")
    return shown(made.title or made.name, outcome, axes, surface.mean, done=total, total=total, surface=surface,
                 orders=section.orders, about=about)  # fmt: skip
