"""Which columns the runs of a study give, by name, before any of them is made."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tme_sim.diagnostics import nearest

if TYPE_CHECKING:
    from tme_sim.study.definition import Study

__all__ = ["better_of", "known_text", "outcomes_of", "texts_of"]


def outcomes_of(study: Study) -> list[str]:
    """Names of the numbers that a run gives: endpoints of days that it covers, its trajectories, derived columns."""
    from tme_sim.definitions import DEFINITIONS
    from tme_sim.observe.endpoints import LANDMARKS

    end = max(study.scenario_of_arm(arm.name).stop_tick for arm in study.arms)
    days = [day for day in LANDMARKS if day * 1440 <= end]
    names = [(name, d.unit) for d in DEFINITIONS for name in d.names]
    out = [n for n, unit in names if unit != "text" and not n.endswith("_dN")]
    out += [f"{n[:-1]}{day}" for n, _ in names if n.endswith("_dN") for day in days]
    return [*out, *study.outputs.columns, *(d.name for d in study.outputs.derived)]


def texts_of() -> list[str]:
    """Names of the endpoints that are words."""
    from tme_sim.definitions import DEFINITIONS

    return [name for d in DEFINITIONS if d.unit == "text" for name in d.names]


def better_of(study: Study, outcome: str) -> str | None:
    """Which way of a derived column is better, "higher" or "lower", as the study says; None for any other column."""
    return next((d.better or None for d in study.outputs.derived if d.name == outcome), None)


def known_text(name: str, known: Iterable[str]) -> str:
    """A tail for a message about an unknown column: the days that it has, the nearest one or, where none is near, all.

    Columns that differ in their day alone are told once, as ``burden_dN (N = 28, 90)``.
    """
    known = list(known)
    asked = re.fullmatch(r"(\w+_d)\d+", name)
    others = [one.removeprefix(asked[1]) for one in known if asked and re.fullmatch(rf"{asked[1]}\d+", one)]
    if asked and others:
        return (f": {asked[1]}N is there for N = {', '.join(others)}; for other days keep a state or signal with "
                "outputs.trajectories and outputs.days")  # fmt: skip
    tail = nearest(name, known)
    if tail:
        return tail
    days: dict[str, list[str]] = {}
    for one in known:
        found = re.fullmatch(r"(\w+_d)(\d+)", one)
        days.setdefault(f"{found[1]}N" if found else one, []).extend([found[2]] if found else [])
    groups: dict[str, list[str]] = {}
    for stem, numbers in days.items():
        groups.setdefault(", ".join(numbers), []).append(stem)
    told = [", ".join(stems) + (f" (N = {numbers})" if numbers else "") for numbers, stems in groups.items()]
    return f"; there are {'; '.join(told)}"
