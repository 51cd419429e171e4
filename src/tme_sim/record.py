"""What is kept of a run: its saved columns, and how it was made."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from tme_sim.engine.queue import TICKS_PER_DAY
from tme_sim.outcome import Outcome, observe_all
from tme_sim.plan import declared_parameters, plan_of
from tme_sim.quantities import to_display
from tme_sim.therapies import procedures, session


def columns_of(outcome: Outcome, wanted: Sequence[str]):
    """Times and saved columns in display units: every state, held input, signal and total, or those asked for.

    Saved values at a date are those after what happened then; when something happens at the very start, a row one
    minute earlier shows the untreated body.
    """
    model, plan = outcome.model, outcome.plan
    labels = {i.name: i.label for i in (*model.network.species, *model.network.held, *model.network.signals,
                                        *model.network.totals)}
    time, tables = outcome.time, (outcome.states, outcome.held, outcome.nodes)
    if any(e["tick"] == plan.start for e in outcome.events):
        y0, u0, th = model.start(outcome.par)
        before = (y0, u0, observe_all(model, y0[None, :], u0[None, :], th)[0])
        time = np.concatenate([[(plan.start - 1) / TICKS_PER_DAY], time])
        tables = tuple(np.vstack([row, table]) for row, table in zip(before, tables, strict=True))
    columns, units, names = {}, {}, {}
    for source, table in zip((model.state_names, model.held_names, model.node_names), tables, strict=True):
        for i, full in enumerate(source):
            base = full.split(".")[0]
            if base.startswith(("rate_", "mean_")) or (wanted and base not in wanted):
                continue
            if full != base and int(full.rpartition(".")[2]) > max(1, len(plan.lesions)):
                continue  # a slot without a lesion
            unit = model.units.get(base, "1")
            columns[full], units[full] = to_display(table[:, i], unit), unit
            names[full] = labels.get(base, labels.get(base.rpartition("_")[0], base))
    return time, columns, units, names


def manifest_of(outcome: Outcome, scenario) -> dict:
    """How the run was made: versions, digests, seed, warnings, sources (weakest grade first), timings, counts."""
    sources = source_rows(outcome.parameters, {e["kind"] for e in outcome.events}, outcome.plan.piece)
    return {
        "scenario": {"name": scenario.name, "digest": scenario.digest},
        "model_digest": outcome.model.digest,
        "own_mechanisms": dict(scenario.catalogue.own),
        "seed": scenario.seed,
        **({} if scenario.calibrated is None else {"posterior": scenario.calibrated.model_dump()}),
        "versions": versions_now(),
        "warnings": list(scenario.warnings),
        "timings": outcome.timings,
        "stats": outcome.stats,
        "sources": sources,
    }


def versions_now() -> dict[str, str]:
    """Versions of the package, of Python and of what computes, as far as they are installed."""
    from contextlib import suppress
    from importlib.metadata import PackageNotFoundError, version
    from platform import python_version

    from tme_sim import __version__

    versions = {"tme_sim": __version__, "python": python_version()}
    for package in ("numpy", "numba", "scipy", "sympy"):
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def source_rows(parameters: Mapping[str, Any], kinds: Collection[str], piece: Any = None) -> list[dict[str, Any]]:
    """Name, value, unit, grade and source of what decides a run, weakest grade first.

    Args:
        parameters: those of the model with its drugs, by name.
        kinds: of entries of the calendar; procedures among them bring parameters of their own.
        piece: settings of the piece, where a lesion is simulated cell by cell.
    """
    from tme_sim.quantities import GRADES

    used = [*parameters.values()]
    if "tace" in kinds:
        used += session.all_parameters()
    for kind in procedures.COSTS:
        if kind in kinds:
            used += procedures.all_parameters(kind)
    if piece is not None:
        from tme_sim.tissue.settings import MECHANICS, NETWORK

        used += (*MECHANICS, *(NETWORK if piece.flow == "network" else ()))
    return [
        {"name": p.name, "value": p.value, "unit": p.unit, "grade": p.grade, "source": p.source}
        for p in sorted(used, key=lambda p: (GRADES.index(p.grade), p.name))
        if not p.name.startswith("gain_")
    ]


def given_of(scenarios: Mapping[str, Any]) -> dict[str, Any]:
    """What several runs were given, for the record of a study or trial, before any of them has run.

    Plain data: ``arms`` (resolved scenario of each name of `scenarios` as TOML), ``sources`` of all of them as in
    :func:`source_rows`, ``warnings`` and ``versions``.
    """
    from tme_sim.network import compose
    from tme_sim.quantities import GRADES

    rows: dict[tuple[Any, ...], dict[str, Any]] = {}  # a name has a row for each value: arms may give different drugs
    for scenario in scenarios.values():
        plan = plan_of(scenario)
        network = compose(plan.mechanisms, off=plan.off, hypotheses=plan.hypotheses)
        kinds = {entry.kind for entry in scenario.calendar.all}
        for row in source_rows(declared_parameters(plan, network), kinds, plan.piece):
            rows.setdefault(tuple(row.values()), row)
    return {
        "arms": {name: scenario.to_toml(origins=False) for name, scenario in scenarios.items()},
        "sources": sorted(rows.values(), key=lambda r: (GRADES.index(r["grade"]), r["name"])),
        "warnings": list(dict.fromkeys(w for one in scenarios.values() for w in one.warnings)),
        "versions": versions_now(),
    }
