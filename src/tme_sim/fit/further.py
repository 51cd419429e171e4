"""Checks of a finished fit: observations that were no targets, against what its members do when simulated on them.

Nothing is fitted.  Every member of the ensemble meets patients of every arm of a file of checks (the format of a
calibration without ``[[parameter]]``, every target with ``role = "check"``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from tme_sim.diagnostics import InputError, Problem
from tme_sim.fit.checks import span
from tme_sim.fit.design import Rows, simulate_pairs
from tme_sim.fit.report import ORDERS, number
from tme_sim.fit.runs import RunStore
from tme_sim.fit.summaries import between_share
from tme_sim.fit.targets import FitProblem
from tme_sim.posterior import Posterior
from tme_sim.results import json_text, write_file
from tme_sim.shares import mean_and_error

__all__ = ["check", "checks_text", "compared"]

FIRST = 12_000_000  # numbers of the patients: others than those of a fit


def check(
    problem: FitProblem,
    posterior: Posterior,
    out: str | Path | None = None,
    *,
    announce: Callable[[str], None] | None = None,
    simulate: Callable[[str, np.ndarray, Sequence[int], str], Rows] | None = None,
    threads: int | None = 1,
) -> dict[str, Any]:
    """Compare every check of a problem with the members' runs; with a folder, write ``checks.json`` and ``checks.md``.

    Runs are kept in ``out/runs`` as they come: a stopped comparison goes on there.

    Args:
        simulate: in place of the model, for tests: (arm, scores, patients, label) to :class:`Rows`.

    Raises:
        InputError: a folder that holds something else.
    """
    if out is not None:
        _check_folder(Path(out))
    per = problem.settings.patients
    scores = np.repeat(posterior.scores, per, axis=0)
    patients = range(FIRST, FIRST + len(scores))
    own = problem.catalogue.own if problem.catalogue is not None else None
    found, failed = [], {}
    keep = out is not None and simulate is None
    with RunStore(Path(out) / "runs", own) if keep else nullcontext() as store:
        for arm in problem.arms:
            if simulate is not None:
                rows = simulate(arm.name, scores, patients, "checks")
            else:
                rows = simulate_pairs(problem, arm.name, scores, patients, store=store, label="checks",
                                      announce=announce, threads=threads)  # fmt: skip
            failed[arm.name] = round(float(1 - rows.good.mean()), 4)
            found += [compared(problem.targets[i], rows.y[:, column], posterior.weights, per)
                      for column, i in enumerate(problem.of_arm(arm.name))]  # fmt: skip
    order = {t.name: i for i, t in enumerate(problem.targets)}
    data = {
        "name": problem.name, "title": problem.title, "posterior": posterior.name,
        "posterior_digest": posterior.digest, "model_digest": posterior.model_digest,
        "problem_digest": problem.digest, "hypotheses": problem.hypotheses,
        "after_progression": problem.after_progression,
        "checks": sorted(found, key=lambda row: order[row["name"]]),
        "size": {"members": len(posterior.scores), "patients_per_member": per}, "failed": failed,
    }  # fmt: skip
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        write_file(Path(out) / "checks.json", json_text(data).encode())
        write_file(Path(out) / "checks.md", checks_text(data).encode())
    return data


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(Problem(str(out), "", "exists and is no folder; choose another --out"))
    if out.is_dir() and {path.name for path in out.iterdir()} - {"runs", "checks.json", "checks.md"}:
        raise InputError(Problem(str(out), "", "holds something else than checks; choose another --out"))


def compared(target: Any, y: np.ndarray, weights: np.ndarray, per: int) -> dict[str, Any]:
    """A check against what runs contribute (`y`: `per` runs of each member in turn, NaN for those that do not count).

    `z` is the gap over all of its uncertainty: of the observation, of parameters (members differ by more than their
    patients do) and of having simulated few.
    """
    member = np.repeat(np.arange(len(weights)), per)
    good = np.isfinite(y)
    w = np.repeat(weights, per)[good]
    told = {"name": target.name, "order": target.order, "arm": target.arm, "observed": target.value,
            "observed_sd": round(target.noise, 4), "runs": int(good.sum()), "source": target.source,
            "note": target.note, "board": target.board}  # fmt: skip
    if good.sum() < 2 or w.sum() <= 0:
        return told | {"model": None, "z": None, "within_2": None}
    values = y[good]
    mean, error = mean_and_error(values, w, target.statistic)
    differ = float(np.sqrt(between_share(values, member[good]) * values.var()))
    total = math.sqrt(target.noise**2 + error**2 + differ**2)
    z = (target.value - mean) / total
    return told | {"model": round(mean, 4), "simulation_error": round(error, 4), "parameter_sd": round(differ, 4),
                   "predictive_5_95": span(mean, total, target.statistic), "z": round(z, 3),
                   "within_2": bool(abs(z) <= 2.0)}  # fmt: skip


def checks_text(data: Mapping[str, Any]) -> str:
    """Checks in words and a table (Markdown)."""
    size = data["size"]
    told = [row for row in data["checks"] if row["z"] is not None]
    missed = [row["name"] for row in told if not row["within_2"]]
    lines = [
        f"# Checks of the posterior {data['posterior']}", "",
        f"{data['title']}. Posterior {data['posterior_digest']}, model {data['model_digest']}: "
        f"{size['members']} members, each simulated on {size['patients_per_member']} patients of every arm. **Nothing "
        "here was fitted.**", "",
        f"{len(told) - len(missed)} of {len(told)} checks lie within two deviations"
        + (f"; not {', '.join(missed)}." if missed else "."), "",
        "`z` is the gap over all its uncertainty: sampling of the observed patients with the stated discrepancy, "
        "parameters, simulation. `nine of ten` is where nine of ten observations of that size would lie.", "",
        "| block | check | observed | model | error of simulation | nine of ten | z | runs | source, note |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for row in data["checks"]:
        note = row["source"] + (f"; {row['note']}" if row["note"] else "")
        block = ORDERS.get(row["order"], row["order"])
        seen = f"{number(row['observed'])} ± {number(row['observed_sd'])}"
        if row["z"] is None:
            lines.append(f"| {block} | {row['name']} | {seen} | - | - | - | too few count | {row['runs']} | {note} |")
            continue
        mark = "" if row["within_2"] else " **missed**"
        low, high = row["predictive_5_95"]
        lines.append(f"| {block} | {row['name']} | {seen} | {number(row['model'])} | {number(row['simulation_error'])} "
                     f"| {number(low)} to {number(high)} | {number(row['z'])}{mark} | {row['runs']} | {note} |")
    failed = ", ".join(f"{arm} {100 * share:.1f} %" for arm, share in sorted(data["failed"].items()) if share)
    return "\n".join([*lines, "", f"Runs that failed: {failed or 'none'}."]) + "\n"
