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
REDRAWN = 4  # times that another patient stands in for one to whom the protocol cannot be given
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
    """
    from tme_sim.ensemble import Series, run_rows

    out: list[dict] = []
    plans, at = [], []
    for i, (vector, number) in enumerate(zip(vectors, patients, strict=True)):
        row, plan = _existing(cohort.following(vector), scenario, vector, int(number), settings)
        out.append(row)
        if plan is not None:
            plans.append(plan)
            at.append(i)
    rows = run_rows(plans, threads=threads, set_up=_structures(), until_death=True,
                    series=Series(*map(tuple, series)) if series[0] else None)  # fmt: skip
    for i, row in zip(at, rows, strict=True):
        out[i] |= {"message": row.message, "summary": dict(row.summary)}
    return out


def _existing(cohort, scenario, vector, number: int, settings) -> tuple[dict, Any]:
    """A patient who can exist under a vector, as a row without endpoints yet, and the plan; None if there is none.

    One who cannot rest before treatment is drawn again as those of trials are: the balance of growth and killing alone,
    so that pace, size and liver stay as drawn.  In another's place, those who rest would be the fast-growing ones: in a
    slow tumour T cells easily kill more than it loses.  A patient to whom the protocol cannot be given is another one.
    """
    from tme_sim.cohort import make_patients
    from tme_sim.cohort.patients import PATIENCE
    from tme_sim.compiler.model import BaselineError
    from tme_sim.ensemble import REFUSED

    row: dict[str, Any] = {}
    for life in range(REDRAWN + 1):
        row = {"message": "", "summary": {}, "values": {}, "number": number + AGAIN * life}
        for again in range(PATIENCE):
            try:
                patient = make_patients(cohort, 1, settings.seed, first=row["number"], check=False, again=again)[0]
                plan = plan_with(scenario, patient, vector, settings)
                _structures()(plan)
            except BaselineError as error:
                row["message"] = str(error)
            except REFUSED as error:
                row["message"] = str(error)
                break
            else:
                return row | {"message": "", "values": dict(patient.values)}, plan
        else:
            return row, None
    return row, None
