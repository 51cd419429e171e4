"""Runs of a fit: each has a patient and a parameter vector of its own, so that all runs tell about all parameters.

A cohort simulated at one parameter vector tells of that vector alone.  Where every run has another vector, regressions
over the runs recover what cohorts would show at any of them, from far fewer runs.  Runs with the same number have the
same patient number and vector in every arm: common random numbers.  Rows go to a studies' store chunk by chunk, so a
fit that was killed goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from tme_sim.fit.runs import RunStore, run_keys
from tme_sim.fit.targets import FitProblem, patient_value
from tme_sim.priors import Priors

__all__ = ["CHUNK", "Rows", "plan_with", "run_redrawn", "simulate_pairs", "values_of"]

CHUNK = 256  # runs between commits; many on one structure run side by side
REDRAWN = 4  # times that a patient who cannot exist is drawn again
AGAIN = 20_000_000  # distance of patient numbers between draws


@dataclass(frozen=True)
class Rows:
    """Rows of one arm, run by run: `y` [run, target of the arm], NaN where a run failed or does not count; the rest as
    the model gave it (`summary` empty where it failed, with `message`)."""

    y: np.ndarray
    summaries: tuple[Mapping[str, Any], ...]
    messages: tuple[str, ...]

    @property
    def good(self) -> np.ndarray:
        """Which runs gave a row."""
        return np.array([bool(s) for s in self.summaries])


def values_of(priors: Priors, scores: np.ndarray) -> list[dict[str, float]]:
    """Parameter vectors by name, from scores [n, k]."""
    return [dict(zip(priors.names, map(float, row), strict=True)) for row in priors.values(scores)]


def plan_with(scenario: Any, patient: Any, values: Mapping[str, float], settings: Any) -> Any:
    """The plan of a patient with model parameters changed (internal units)."""
    from tme_sim.plan import plan_of
    from tme_sim.therapies.dosing import changed_effects

    plan = plan_of(scenario.changed(patient.changes))
    known = scenario.catalogue.session
    own = {n: v for n, v in values.items() if "." not in n and n not in known}
    own |= changed_effects((drug for drug, _ in plan.drugs.values()), values)
    session = {n: v for n, v in values.items() if n in known}
    return replace(plan, values={**plan.values, **own}, session=session, rtol=settings.rtol,
                   max_steps=settings.max_steps)  # fmt: skip


def simulate_pairs(
    problem: FitProblem,
    arm: str,
    scores: np.ndarray,
    patients: Sequence[int],
    *,
    store: RunStore | None = None,
    label: str = "",
    announce: Callable[[str], None] | None = None,
    threads: int | None = 1,
) -> Rows:
    """Simulate run i with parameters `scores` [n, k] row i on patient number `patients[i]`.

    Rows that a store holds are read; those it lacks are simulated and committed chunk by chunk.
    """
    table = next(a for a in problem.arms if a.name == arm)
    cohort, scenario = problem.cohorts[table.cohort], problem.scenarios[arm]
    vectors = values_of(problem.priors, np.asarray(scores).round(12))
    series = problem.series_of(arm)
    keys = run_keys(cohort.digest, scenario.digest, problem.settings.model_dump(), patients, vectors, series)
    rows = [None] * len(keys) if store is None else store.get(keys)
    missing = [i for i, row in enumerate(rows) if row is None]
    for begin in range(0, len(missing), CHUNK):
        part = missing[begin : begin + CHUNK]
        found = run_redrawn(cohort, scenario, [vectors[i] for i in part], [patients[i] for i in part],
                            problem.settings, threads=threads, series=series)  # fmt: skip
        if store is not None:
            store.put([keys[i] for i in part], found)
        for i, row in zip(part, found, strict=True):
            rows[i] = row
        if announce is not None:
            done = len(keys) - len(missing) + begin + len(part)
            announce(f"{label} {arm}: {done} of {len(keys)} runs")
    targets, entry = [problem.targets[i] for i in problem.of_arm(arm)], problem.entry(arm)
    y = np.array([[_of(t, row, entry) for t in targets] for row in rows]).reshape(len(rows), len(targets))
    return Rows(y, tuple(r["summary"] for r in rows), tuple(r["message"] for r in rows))


def _of(target: Any, row: Mapping[str, Any], entry: float) -> float:
    return float("nan") if not row["summary"] else patient_value(target, row["summary"], row["values"], entry)


@cache
def _structures():
    """One set-up for all runs of a process, so that each structure is made ready once."""
    from tme_sim.simulation import structures

    return structures()


def run_redrawn(cohort, scenario, vectors, patients, settings, *, threads: int | None = 1,
                series: tuple[Sequence[str], Sequence[int]] = ((), ())) -> list[dict]:  # fmt: skip
    """Rows (message, summary, values, number) of runs with parameter vectors on patients by number.

    `series`: names and days of values of the model that the summaries hold besides endpoints.

    A patient who cannot rest before treatment under a vector, or to whom the protocol cannot be given, is drawn again,
    up to `REDRAWN` times: cohorts hold patients who can exist.
    """
    from tme_sim.cohort import make_patients
    from tme_sim.diagnostics import InputError
    from tme_sim.ensemble import Series, run_rows
    from tme_sim.row import BAD_INPUT

    out: list[dict | None] = [None] * len(vectors)
    open_, cohorts = list(range(len(vectors))), [cohort.following(v) for v in vectors]
    for attempt in range(REDRAWN + 1):
        plans, drawn = [], []
        for i in open_:
            number = int(patients[i]) + AGAIN * attempt
            out[i] = {"message": "", "summary": {}, "values": {}, "number": number}
            try:
                patient = make_patients(cohorts[i], 1, settings.seed, first=number, check=False)[0]
                plan = plan_with(scenario, patient, vectors[i], settings)
            except InputError as error:
                out[i]["message"] = str(error)
                continue
            plans.append(plan)
            drawn.append((i, patient))
        failed = {i for i in open_ if out[i]["message"]}
        rows = run_rows(plans, threads=threads, set_up=_structures(), until_death=True,
                        series=Series(*map(tuple, series)) if series[0] else None)  # fmt: skip
        for (i, patient), row in zip(drawn, rows, strict=True):
            out[i] |= {"message": row.message, "summary": dict(row.summary), "values": dict(patient.values)}
            if row.status == BAD_INPUT:
                failed.add(i)
        open_ = sorted(failed)
        if not open_:
            break
    return out
