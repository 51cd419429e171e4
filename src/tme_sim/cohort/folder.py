"""The folder of a trial: what was run, rows, summary and figures."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tme_sim.cells import no_formula
from tme_sim.cohort.running import TrialResult
from tme_sim.diagnostics import InputError, Problem
from tme_sim.disk import write_file
from tme_sim.formats import json_text

__all__ = ["check_folder", "draw_trial", "patients_text", "rows_text", "write_trial"]


def check_folder(folder: str | Path) -> Path:
    """Whether a trial may be written to `folder`: a new or empty one, or that of a trial.

    Raises:
        InputError: something else stands there.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(Problem(str(folder), "", "exists and is no folder; choose another --out"))
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "chunks").is_dir():
        raise InputError(Problem(str(folder), "", "exists and is no folder of a trial; choose another --out"))
    return folder


def write_trial(folder: str | Path, result: TrialResult, summary: Mapping[str, Any]) -> Path:
    """Write ``rows.csv``, ``rows.npz``, ``patients.csv``, ``summary.json`` and, last, ``trial.json``."""
    folder = Path(folder)
    write_file(folder / "patients.csv", patients_text(result.values, [p.number for p in result.patients]).encode())
    write_file(folder / "rows.csv", rows_text(result).encode())
    write_file(folder / "rows.npz", _arrays(result))
    write_file(folder / "summary.json", json_text(summary).encode())
    write_file(folder / "trial.json", json_text(_about(result)).encode())
    return folder


def _about(result: TrialResult) -> dict[str, Any]:
    from tme_sim import __numerics__, __version__
    from tme_sim.record import given_of
    from tme_sim.validation import written

    trial = result.trial
    given = given_of({arm.name: arm.scenario for arm in trial.arms})
    follow = {k: written(v) if isinstance(v, tuple) else v for k, v in dict(trial.follow_up).items() if v is not None}
    return {
        "status": "done",
        "name": trial.name,
        "title": trial.title,
        "source": list(trial.source),
        "digest": trial.digest,
        "versions": {"tme_sim": __version__, "numerics": __numerics__},
        "n": trial.n,
        "repeats": trial.repeats,
        "seed": trial.seed,
        "after_progression": trial.after_progression,
        "posterior": None if trial.posterior is None else {
            "name": trial.posterior.name, "digest": trial.posterior.digest, "members": len(trial.posterior)},
        "follow_up": follow,
        "cohort": {"name": trial.cohort.name, "digest": trial.cohort.digest, "source": list(trial.cohort.source)},
        "arms": {
            arm.name: {"title": arm.title, "protocol": arm.scenario.protocol.name, "digest": arm.scenario.digest,
                       "scenario": given["arms"][arm.name]}
            for arm in trial.arms
        },
        "draws": [
            {"name": name, "value": draw.text, "unit": draw.unit, "grade": draw.grade, "source": draw.source}
            for name, draw in trial.cohort.draws.items()
        ],
        "sources": given["sources"],
        "warnings": given["warnings"],
        "patients": len(result.follow_up),
        "failures": list(result.failures),
    }


def _cells(row: Sequence[Any]) -> list[Any]:
    blank = [isinstance(v, float) and not np.isfinite(v) for v in row]
    return ["" if b else no_formula(v) if isinstance(v, str) else v for b, v in zip(blank, row, strict=True)]


def rows_text(result: TrialResult) -> str:
    """Rows of all arms as CSV: arm, repeat, patient, day of censoring, and endpoints as simulated."""
    names = list(dict.fromkeys(k for rows in result.rows.values() for row in rows for k in row))
    names = [n for n in names if n not in ("patient", "repeat")]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["arm", "repeat", "patient", "follow_up", *names])
    for arm, rows in result.rows.items():
        for row, follow in zip(rows, result.follow_up, strict=True):
            told = (arm, row["repeat"], row["patient"], float(follow), *(row.get(n, "") for n in names))
            writer.writerow(_cells(told))
    return out.getvalue()


def patients_text(values: Sequence[Mapping[str, Any]], numbers: Sequence[int]) -> str:
    """What was drawn for each patient, as CSV."""
    names = list(dict.fromkeys(k for v in values for k in v))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["patient", *names])
    for number, value in zip(numbers, values, strict=True):
        writer.writerow([number, *_cells([value.get(n, "") for n in names])])
    return out.getvalue()


def _arrays(result: TrialResult) -> bytes:
    """Columns ``<arm>/<endpoint>`` and ``patients/<draw>``; texts as fixed-width unicode, without pickle."""
    tables: dict[str, np.ndarray] = {"follow_up": result.follow_up}
    for arm, rows in result.rows.items():
        for name in rows[0] if rows else ():
            tables[f"{arm}/{name}"] = _column([row[name] for row in rows])
    for name in result.values[0] if result.values else ():
        tables[f"patients/{name}"] = _column([value[name] for value in result.values])
    stream = io.BytesIO()
    np.savez(stream, **tables)
    return stream.getvalue()


def _column(values: Sequence[Any]) -> np.ndarray:
    return np.array([str(v) for v in values]) if isinstance(values[0], str) else np.array(values)


def draw_trial(folder: str | Path, result: TrialResult, courses: Mapping | None = None) -> list[Path]:
    """Draw the figures of a trial into ``figures/``."""
    from tme_sim.plots.files import save_figure
    from tme_sim.plots.trial import trial_figures
    from tme_sim.plots.trial_sheet import FIGURES

    target = Path(folder) / "figures"
    target.mkdir(exist_ok=True)
    return [
        save_figure(figure, target / f"{name}.png", FIGURES[name])
        for name, figure in trial_figures(result, courses).items()
    ]
