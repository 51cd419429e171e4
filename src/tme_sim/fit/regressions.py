"""The regressions behind a posterior as plain data (``regressions.json``): the problem that the sampler solves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tme_sim.diagnostics import InputError, Problem, read_text
from tme_sim.fit.choose import Choice
from tme_sim.fit.emulator import Emulator
from tme_sim.fit.likelihood import DOUBTED
from tme_sim.fit.targets import FitProblem

__all__ = ["REGRESSIONS", "load_regressions", "regressions"]

REGRESSIONS = "regressions.json"
FORMAT = 1


def regressions(
    problem: FitProblem, choice: Choice, emulators: Sequence[Emulator], nuisance: np.ndarray
) -> dict[str, Any]:
    """Fitted parameters with their priors, and for every fitted target its observation, noise (sd of observation and
    of parameters left out) and regression; last whether a run can be done, expected to be 1."""
    priors = problem.priors.chosen(choice.places)
    rows = [
        {"name": t.name, "arm": t.arm, "value": t.value, "sd": float(np.hypot(t.noise, nuisance[i])), "note": t.source,
         "doubted": True, **_regression(emulators[i])}
        for i, t in enumerate(problem.targets) if t.role == "fit"
    ]  # fmt: skip
    rows.append({"name": "run_can_be_done", "arm": "all", "value": 1.0, "sd": DOUBTED, "doubted": False,
                 "note": "patients of a cohort do exist", **_regression(emulators[-1])})  # fmt: skip
    return {
        "format": FORMAT, "name": problem.name, "problem_digest": problem.digest,
        "model_digest": problem.model_digest,
        "parameters": [
            {"name": n, "unit": problem.units[place], "centre": float(priors.centre[j]), "low": float(priors.low[j]),
             "high": float(priors.high[j]), "log": bool(priors.log[j]), "spread": float(priors.spread[j])}
            for j, (n, place) in enumerate(zip(priors.names, choice.places, strict=True))
        ],
        "targets": rows,
    }  # fmt: skip


def _regression(one: Emulator) -> dict[str, Any]:
    return {"logit": one.logit, "weights": one.weights.tolist(), "covariance": one.covariance.tolist()}


def load_regressions(folder: str | Path) -> Mapping[str, Any]:
    """What a finished calibration left in its folder.

    Raises:
        InputError: no folder of a calibration, one that is not finished, or a file that was cut.
    """
    folder = Path(folder)

    def wrong(message: str) -> InputError:
        return InputError(Problem(str(folder), "", message))

    again = "tme-sim calibrate FILE --out DIR makes one"
    if folder.is_file():
        raise wrong(f"is a file; the problem of a fit is exported from the folder of its calibration: {again}")
    if not (folder / "calibration.json").is_file():
        raise wrong(f"is no folder of a calibration; {again}")
    if not (folder / REGRESSIONS).is_file():
        raise wrong("holds a calibration that is not finished; the same tme-sim calibrate command goes on with it")
    try:
        data = json.loads(read_text(folder / REGRESSIONS))
        whole = data["format"] == FORMAT and data["parameters"] and data["targets"]
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise wrong(f"its {REGRESSIONS} is damaged or of another version; run the same tme-sim calibrate command again")
    return data
