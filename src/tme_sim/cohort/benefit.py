"""Who benefits: individual effects of one arm over another, and how well markers at entry foretell them.

The effect of a patient is the difference of progression-free survival between the two arms in that same patient.  How
well it is foretold is measured on patients that the prediction has not seen: tenfold cross-validation, folds by the
patient's number.  A prediction from all markers is linear in their ranks (least squares by SciPy, lightly shrunk).  One
marker on its own is taken as it stands: nothing is fitted, not even its direction, so its area needs no folds.  (A
direction learned from nine tenths and judged on the last is wrong most easily where those nine tenths say least: the
area of a marker of no use then spreads wider than any error of a fixed score says.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tme_sim.cohort.running import TrialResult
from tme_sim.definitions import DAYS_PER_MONTH

__all__ = ["FEWEST", "GAIN", "MARKERS", "Benefit", "benefit_of", "markers_of"]

FOLDS = 10
FEWEST = 40  # patients; with fewer nothing can be said
GAIN = 2.0  # months that count as a benefit: more than one interval of scans of eight weeks
SHRINK = 1.0
MARKERS = {
    "burden": "diameter (cm) + number", "largest_diameter": "largest diameter", "tumour_number": "number of tumours",
    "portal_invasion": "portal invasion", "afp": "AFP in blood", "vegf_plasma_start": "VEGF in plasma",
    "mdsc_share": "MDSC share in blood", "mdsc_density": "MDSC in the tumour", "cd8_density": "CD8 in the tumour",
    "nlr": "NLR", "albi": "ALBI", "hypoxic_share": "hypoxic fraction", "doubling_time": "doubling time",
}  # fmt: skip


@dataclass(frozen=True)
class Benefit:
    """Individual effects of `second` over `first` and how well they are foretold.

    `gain` (P) in months; `auc[marker]` is the chance that, of one patient who benefits and one who does not, the former
    has the higher value (0.5: it says nothing; below: those with low values benefit), with its standard error; `all` is
    the prediction from all markers, over pairs of patients whom the same fit had not seen.  `groups` are quarters of
    patients by that prediction: mean gain, its standard error, share that benefits.
    """

    first: str
    second: str
    gain: np.ndarray
    auc: Mapping[str, tuple[float, float]]
    explained: float
    groups: Sequence[tuple[float, float, float]]

    def as_dict(self) -> dict[str, Any]:
        """For ``summary.json``."""
        return {
            "mean_gain": float(self.gain.mean()), "benefit": float((self.gain >= GAIN).mean()),
            "auc": {k: list(v) for k, v in self.auc.items()}, "explained": self.explained,
            "quarters": [list(g) for g in self.groups],
        }  # fmt: skip


def markers_of(result: TrialResult) -> dict[str, np.ndarray]:
    """Markers at entry (P each): as drawn, and as the untreated patient has them in the model; others are left out."""
    values = result.values
    out = {n: np.array([float(v[n]) for v in values]) for n in MARKERS if n in values[0]} | result.at_entry
    return {n: out[n] for n in MARKERS if n in out}


def benefit_of(result: TrialResult, first: str, second: str) -> Benefit | None:
    """Effects and predictions of a pair of arms; None with fewer than `FEWEST` patients."""
    if len(result.follow_up) < FEWEST:
        return None
    gain = result.gains(first, second) / DAYS_PER_MONTH
    numbers = np.array([row["patient"] for row in result.rows[first]])
    return foretold(first, second, gain, markers_of(result), numbers % FOLDS)


def foretold(
    first: str, second: str, gain: np.ndarray, markers: Mapping[str, np.ndarray], folds: np.ndarray
) -> Benefit:
    """How well markers (P each) foretell gains (P) of patients in folds (P) that the prediction has not seen."""
    from scipy import stats

    benefits = gain >= GAIN
    ranks = {n: (stats.rankdata(v) - 0.5) / len(v) - 0.5 for n, v in markers.items() if np.ptp(v) > 0}
    table = np.column_stack(list(ranks.values()))
    together = np.full(len(gain), np.nan)
    for fold in np.unique(folds):
        test, train = folds == fold, folds != fold
        together[test] = _fit(table[train], gain[train])(table[test])
    auc = {"all": _unseen(together, benefits, folds), **{n: _auc(v, benefits) for n, v in ranks.items()}}
    left = float(np.sum((gain - together) ** 2))
    spread = float(np.sum((gain - gain.mean()) ** 2))
    quarters = np.array_split(np.argsort(together, kind="stable"), 4)
    groups = [(float(gain[q].mean()), float(gain[q].std(ddof=1) / math.sqrt(len(q))), float(benefits[q].mean()))
              for q in quarters]  # fmt: skip
    return Benefit(first, second, gain, auc, 1.0 - left / spread if spread > 0 else math.nan, groups)


def _fit(table: np.ndarray, target: np.ndarray):
    """Shrunk least squares of `target` on the columns of `table`, as a function of new rows."""
    from scipy import linalg

    centre, mean = table.mean(axis=0), target.mean()
    wide = np.vstack([table - centre, math.sqrt(SHRINK) * np.eye(table.shape[1])])
    weights = linalg.lstsq(wide, np.concatenate([target - mean, np.zeros(table.shape[1])]))[0]
    return lambda rows: mean + (rows - centre) @ weights


def _unseen(score: np.ndarray, benefits: np.ndarray, folds: np.ndarray) -> tuple[float, float]:
    """Area and standard error of a score that every fold got from the others, over pairs of the same fold.

    Pairs across folds would lie below 0.5 without any effect: where many of a fold benefit, the others foretell less.
    The fits of two folds share most of their patients, so their errors go together: the error is raised as Nadeau and
    Bengio do (Machine Learning 2003;52:239).
    """
    count = len(np.unique(folds))
    wins = pairs = 0.0
    for fold in np.unique(folds):
        a, b = score[(folds == fold) & benefits], score[(folds == fold) & ~benefits]
        wins, pairs = wins + _wins(a, b), pairs + len(a) * len(b)
    if not pairs or count < 2:
        return math.nan, math.nan
    area = wins / pairs
    return area, _error(area, int(benefits.sum()), int((~benefits).sum())) * math.sqrt(1.0 + count / (count - 1.0))


def _auc(score: np.ndarray, benefits: np.ndarray) -> tuple[float, float]:
    """Area under the curve of a score that was not fitted, and its standard error."""
    a, b = int(benefits.sum()), int((~benefits).sum())
    if a == 0 or b == 0:
        return math.nan, math.nan
    area = _wins(score[benefits], score[~benefits]) / (a * b)
    return area, _error(area, a, b)


def _wins(higher: np.ndarray, lower: np.ndarray) -> float:
    """Pairs in which the first has the higher score, ties half (the Mann-Whitney statistic)."""
    from scipy import stats

    return float(stats.mannwhitneyu(higher, lower).statistic) if len(higher) and len(lower) else 0.0


def _error(area: float, a: int, b: int) -> float:
    """Hanley and McNeil's standard error of an area from `a` patients who benefit and `b` who do not.

    Half a patient of the rarer kind is kept from the ends, where it would be 0 however few there are.
    """
    end = 0.5 / min(a, b)
    area = min(max(area, end), 1.0 - end)
    more = area * (1 - area) + (a - 1) * (area / (2 - area) - area**2) + (b - 1) * (2 * area**2 / (1 + area) - area**2)
    return math.sqrt(max(more, 0.0) / (a * b))
