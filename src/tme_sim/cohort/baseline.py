"""The baseline of a cohort: its draws as a trial's table 1 shows them, beside what was published."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tme_sim.cohort.cohort import Cohort, Correlation, Published
from tme_sim.cohort.patients import VirtualPatient
from tme_sim.diagnostics import InputError, Problem, nearest, quoted
from tme_sim.shares import mean_and_error

__all__ = ["against_published", "against_table", "baseline_rows", "together"]

DERIVED = {
    "child_pugh_points": "points",
    "albi": "1",
    "albi_grade": "1",
    "burden": "cm + number",
    "bclc": "stage",
}


def unit_of(cohort: Cohort, name: str) -> str:
    """Unit of a draw or of what follows from the draws."""
    return DERIVED[name] if name in DERIVED else cohort.draws[name].unit


def baseline_rows(cohort: Cohort, patients: Sequence[VirtualPatient]) -> list[tuple[str, str, str]]:
    """(name, unit, summary) of every draw: median and quartiles of numbers, shares of classes."""
    out = []
    for name in patients[0].values:
        values = [p.values[name] for p in patients]
        distinct = sorted(set(values), key=str) if isinstance(values[0], str) else sorted(set(values))
        unit = unit_of(cohort, name)
        if isinstance(values[0], str) or (len(distinct) <= 8 and all(float(v).is_integer() for v in distinct)):
            shares = [(v, sum(x == v for x in values) / len(values)) for v in distinct]
            counted = name in cohort.draws and cohort.draws[name].distribution == "choice"  # 1 of a number is no yes
            if distinct in ([0.0, 1.0], [0.0], [1.0]) and not counted:
                text = f"{100 * float(np.mean(values)):.3g} %"
            else:
                text = ", ".join(f"{v if isinstance(v, str) else format(v, 'g')} {100 * s:.0f} %" for v, s in shares)
        else:
            low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
            text = f"{middle:.4g} ({low:.4g} to {high:.4g})"
        out.append((name, "" if unit in ("1", "text") else unit, text))
    return out


def together(cohort: Cohort, patients: Sequence[VirtualPatient]) -> list[tuple[Correlation, float]]:
    """Each correlation of the files, and the rank correlation among the drawn patients.

    That is NaN where one of the two is the same in all of them.  Ranks of the files' normal scores go together by
    nearly the same number, those of shares and classes by less.
    """
    from scipy import stats

    out = []
    for one in cohort.correlations:
        pair = [np.array([p.values[name] for p in patients]) for name in one.of]
        varied = all(v.dtype.kind in "fib" and np.ptp(v) > 0 for v in pair)
        out.append((one, float(stats.spearmanr(*pair).statistic) if varied else math.nan))
    return out


def against_published(cohort: Cohort, patients: Sequence[VirtualPatient]) -> list[dict[str, Any]]:
    """Each published figure with that of the drawn patients, and the sampling error of the latter (sd; NaN of one).

    Raises:
        InputError: a published figure of something that is not drawn.
    """
    return [_compared(cohort, one, patients) for one in cohort.published]


def _compared(cohort: Cohort, one: Published, patients: Sequence[VirtualPatient]) -> dict[str, Any]:
    known = patients[0].values
    if one.of not in known:
        raise InputError(
            Problem(cohort.path, f"published.{one.what}", (f"{quoted(one.of)} is not drawn{nearest(one.of, known)}"))
        )
    values = [p.values[one.of] for p in patients]
    if one.statistic == "share":
        drawn, error = mean_and_error(np.array([float(_fits(one, v)) for v in values]), np.ones(len(values)), "share")
    else:
        if isinstance(values[0], str):
            raise InputError(Problem(cohort.path, f"published.{one.what}", f"{one.of} is text: it has only shares"))
        numbers = np.array(values, dtype=np.float64)
        drawn = float({"median": np.median, "mean": np.mean, "sd": np.std}[one.statistic](numbers))
        error = float(numbers.std() / math.sqrt(len(numbers)) * (1.25 if one.statistic == "median" else 1.0))
    if len(values) < 2:
        error = math.nan
    return {
        "what": one.what,
        "statistic": one.statistic,
        "published": one.value,
        "drawn": drawn,
        "error": error,
        "source": one.source,
        "grade": one.grade,
    }


def _fits(one: Published, value: Any) -> bool:
    if one.equals is not None:
        return value == one.equals or (not isinstance(value, str) and float(value) == one.equals)
    return (one.least is None or value >= one.least) and (one.most is None or value <= one.most)


def against_table(
    cohort: Cohort, patients: Sequence[VirtualPatient], table: Mapping[str, Sequence[str]], path: str = "table"
) -> tuple[list[tuple[str, str, str]], list[str]]:
    """(name, drawn, in the table) of each column that has the name of a draw, and the columns that have not.

    `path` is the table's, for messages.

    Raises:
        InputError: no column in common, or cells that are no finite numbers, or negative ones where none can be.
    """
    known = patients[0].values
    out, spare = [], []
    for column, cells in table.items():
        name = column.strip().lower().replace(" ", "_")
        if name not in known:
            spare.append(column)
            continue
        own = [p.values[name] for p in patients]
        given = [c.strip() for c in cells if c.strip()]
        if isinstance(own[0], str):
            classes = sorted({*own, *given})
            out.append(
                (
                    name,
                    *(
                        ", ".join(f"{c} {100 * np.mean([v == c for v in part]):.0f} %" for c in classes)
                        for part in (own, given)
                    ),
                )
            )
            continue
        try:
            numbers = np.array([float(c) for c in given])
        except ValueError:
            bad = next(c for c in given if not _number(c))
            raise InputError(Problem(path, column, f"{quoted(bad)} is no number")) from None
        if not np.isfinite(numbers).all():
            raise InputError(Problem(path, column, "holds numbers that are not finite; leave such cells empty"))
        if name != "albi" and (numbers < 0).any():  # all others are sizes, counts, levels and shares
            raise InputError(Problem(path, column, f"{numbers.min():g} is negative, which no {name} can be"))
        out.append((name, *(_quartiles(np.array(part, dtype=np.float64)) for part in (own, numbers))))
    if not out:
        raise InputError(
            Problem(
                path,
                "",
                (f"no column is a draw of {cohort.name}{nearest(spare[0], known)}; there are {', '.join(known)}"),
            )
        )
    return out, spare


def _quartiles(values: np.ndarray) -> str:
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return f"{middle:.4g} ({low:.4g} to {high:.4g})"


def _number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
