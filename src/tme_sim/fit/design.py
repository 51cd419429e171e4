"""Runs of a fit: each has a patient and a parameter vector of its own, so that all runs tell about all parameters.

A cohort simulated at one parameter vector tells of that vector alone.  Where every run has another vector, regressions
over the runs recover what cohorts would show at any of them, from far fewer runs.  Runs with the same number have the
same patient number and vector in every arm.  Chunks of rows are files that appear whole or not at all, so a fit that
was killed goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tme_sim.fit.sampler import Priors
from tme_sim.fit.targets import FitProblem, patient_value, session_numbers
from tme_sim.results import json_text, write_file

__all__ = ["CHUNK", "Rows", "changed_cohort", "plan_with", "run_redrawn", "simulate_pairs", "values_of"]  # fmt: skip

CHUNK = 32
REDRAWN = 4  # times that a patient who cannot exist is drawn again
AGAIN = 20_000_000  # distance of patient numbers between draws
KEPT = ("pfs", "pfs_event", "ttp", "ttp_event", "os", "os_event", "first_pd", "n_tace", "depth", "dor", "orr_recist11",
        "orr_mrecist", "cr_recist11", "cr_mrecist", "pd_recist11", "pd_mrecist", "sd_recist11")  # fmt: skip


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


def changed_cohort(cohort: Any, values: Mapping[str, float]) -> Any:
    """A cohort with those numbers of its draws changed that are fitted (their names hold a dot)."""
    changes = {n: v for n, v in values.items() if "." in n and n.partition(".")[0] in cohort.draws}
    return cohort.changed(changes) if changes else cohort


def plan_with(scenario: Any, patient: Any, values: Mapping[str, float], settings: Any) -> Any:
    """The plan of a patient with model parameters changed (internal units)."""
    from tme_sim.plan import plan_of

    plan = plan_of(scenario.changed(patient.changes))
    known = session_numbers()
    own = {n: v for n, v in values.items() if "." not in n and n not in known}
    session = {n: v for n, v in values.items() if n in known}
    return replace(plan, values={**plan.values, **own}, session=session, rtol=settings.rtol,
                   max_steps=settings.max_steps)  # fmt: skip


def simulate_pairs(
    problem: FitProblem,
    arm: str,
    scores: np.ndarray,
    patients: Sequence[int],
    *,
    folder: Path | None = None,
    label: str = "",
    announce: Callable[[str], None] | None = None,
    threads: int | None = 1,
) -> Rows:
    """Simulate run i with parameters `scores` [n, k] row i on patient number `patients[i]`.

    With a folder, chunks that are there already (of the same arm, runs and parameters) are read.
    """
    table = next(a for a in problem.arms if a.name == arm)
    cohort, scenario = problem.cohorts[table.cohort], problem.scenarios[arm]
    vectors = values_of(problem.priors, scores)
    rows: list[dict] = []
    for begin in range(0, len(vectors), CHUNK):
        part = slice(begin, begin + CHUNK)
        key = {"problem": problem.digest, "arm": arm, "patients": list(map(int, patients[part])),
               "scores": np.asarray(scores[part]).round(12).tolist()}  # fmt: skip
        path = None if folder is None else folder / f"{label}-{arm}-{begin:06d}.json"
        found = _read(path, key)
        if found is None:
            found = _chunk(problem, cohort, scenario, vectors[part], patients[part], threads)
            if path is not None:
                write_file(path, json_text(key | {"rows": found}).encode())
            if announce is not None:
                announce(f"{label} {arm}: {begin + len(found)} of {len(vectors)} runs")
        rows += found
    targets = [problem.targets[i] for i in problem.of_arm(arm)]
    y = np.array([[_of(t, row) for t in targets] for row in rows]).reshape(len(rows), len(targets))
    return Rows(y, tuple(r["summary"] for r in rows), tuple(r["message"] for r in rows))


def _of(target: Any, row: Mapping[str, Any]) -> float:
    return float("nan") if not row["summary"] else patient_value(target, row["summary"], row["values"])


def _chunk(problem, cohort, scenario, vectors, patients, threads) -> list[dict]:
    wanted = {t.of for t in problem.targets} | {f"{t.of}_event" for t in problem.targets} | set(KEPT)
    asked = {n for t in problem.targets for n in t.where}
    out = []
    for row in run_redrawn(cohort, scenario, vectors, patients, problem.settings, threads=threads):
        row["summary"] = {n: v for n, v in row["summary"].items() if n in wanted}
        row["values"] = {n: row["values"][n] for n in asked if n in row["values"]}
        out.append(row)
    return out


def run_redrawn(cohort, scenario, vectors, patients, settings, *, threads: int | None = 1) -> list[dict]:
    """Rows (message, summary, values, number) of runs with parameter vectors on patients by number.

    A patient who cannot rest before treatment under a vector, or to whom the protocol cannot be given, is drawn again,
    up to `REDRAWN` times: cohorts hold patients who can exist.
    """
    from tme_sim.cohort import make_patients
    from tme_sim.diagnostics import InputError
    from tme_sim.ensemble import BAD_INPUT, run_rows

    out: list[dict | None] = [None] * len(vectors)
    open_, cohorts = list(range(len(vectors))), [changed_cohort(cohort, v) for v in vectors]
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
        for (i, patient), row in zip(drawn, run_rows(plans, threads=threads), strict=True):
            out[i] |= {"message": row.message, "summary": dict(row.summary), "values": dict(patient.values)}
            if row.status == BAD_INPUT:
                failed.add(i)
        open_ = sorted(failed)
        if not open_:
            break
    return out


def _read(path: Path | None, key: Mapping[str, Any]) -> list[dict] | None:
    """Rows of a chunk, if the file is whole and of these runs."""
    if path is None or not path.exists():
        return None
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(data, dict) or any(data.get(n) != v for n, v in json.loads(json_text(key)).items()):
        return None
    return data["rows"]
