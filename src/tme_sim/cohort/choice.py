"""Which arm for whom: gain by tumour burden and portal invasion, and what choosing by these two is worth.

The rule gives a patient the arm that did better, on average, in patients of the same stratum; it is made from nine
tenths of the patients and judged on the other tenth, in turn, so that no patient is judged by a rule that has seen him.
Two arms are compared by :func:`choice_of`, three and more by :func:`best_arms`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tme_sim.cohort.benefit import FEWEST, FOLDS, GAIN
from tme_sim.cohort.running import TrialResult
from tme_sim.definitions import DAYS_PER_MONTH

__all__ = ["CUTS", "Among", "Choice", "Group", "Stratum", "best_arms", "choice_of", "chosen", "chosen_among"]

CUTS = (7.0, 11.0)  # diameter in cm plus number; 7 and 11 are those of the six-and-twelve and seven-eleven rules
LEAST = 5  # patients of a stratum, below which the average over all decides


@dataclass(frozen=True)
class Stratum:
    """Patients of a burden, with or without portal invasion: `gain` in months of the second arm over the first, its
    standard error, and which shares gain `GAIN` months or more by either."""

    burden: int
    invasion: bool
    n: int
    gain: float
    error: float
    second: float
    first: float


@dataclass(frozen=True)
class Choice:
    """What a choice is worth.

    `months` without progression, mean, if all get the `first` arm, all the `second`, each the arm of the rule, and each
    the better one, which nobody can know; `worth` of the rule over the better of the two arms for all, with its
    standard error; and of the `clear` patients, to whom one arm gives `GAIN` months or more, the share whom the rule
    gives it (`right`).
    """

    first: str
    second: str
    strata: Sequence[Stratum]
    months: tuple[float, float, float, float]
    worth: float
    worth_error: float
    right: float
    clear: int

    def as_dict(self) -> dict[str, Any]:
        """For ``summary.json``."""
        names = ("all_first", "all_second", "by_rule", "better_of_both")
        return {
            "strata": [vars(s) for s in self.strata], "months": dict(zip(names, self.months, strict=True)),
            "worth": self.worth, "worth_error": self.worth_error, "right": self.right, "clear": self.clear,
        }  # fmt: skip


@dataclass(frozen=True)
class Group:
    """Patients of a burden, with or without portal invasion: months that each arm gives over the first (0 for that),
    their standard errors, and the number of the arm that did best."""

    burden: int
    invasion: bool
    n: int
    gains: tuple[float, ...]
    errors: tuple[float, ...]
    best: int


@dataclass(frozen=True)
class Among:
    """What a choice among several arms is worth.

    `months` without progression, mean, if all get one arm, by arm; `ruled` if each gets that of the rule; `known` if
    each gets the best for him, which nobody can know.  `given` are the shares of patients to whom the rule gives each
    arm; `worth`, `right` and `clear` are as in :class:`Choice`, a clear patient gaining `GAIN` months or more by one
    arm over every other.
    """

    arms: tuple[str, ...]
    groups: Sequence[Group]
    months: tuple[float, ...]
    ruled: float
    known: float
    given: tuple[float, ...]
    worth: float
    worth_error: float
    right: float
    clear: int

    def as_dict(self) -> dict[str, Any]:
        """For ``summary.json``."""
        of = {name: list(values) for name, values in (("months", self.months), ("given", self.given))}
        rest = {name: getattr(self, name) for name in ("ruled", "known", "worth", "worth_error", "right", "clear")}
        return {"arms": list(self.arms), "groups": [vars(g) for g in self.groups], **of, **rest}


def _strata(result: TrialResult) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Class of burden, invasion and fold of each patient (P each); None as :func:`choice_of`."""
    values = result.values
    if len(result.follow_up) < FEWEST or not values or not {"burden", "portal_invasion"} <= set(values[0]):
        return None
    burden = np.digitize([float(v["burden"]) for v in values], CUTS)
    invasion = np.array([bool(v["portal_invasion"]) for v in values])
    folds = np.array([row["patient"] for row in next(iter(result.rows.values()))]) % FOLDS
    return burden, invasion, folds


def best_arms(result: TrialResult) -> Among | None:
    """The choice among all arms of a trial of three or more; None of fewer, or as :func:`choice_of`."""
    of = _strata(result)
    if of is None or len(result.arms) < 3:
        return None
    months = [result.since_entry(arm, "pfs") / DAYS_PER_MONTH for arm in result.arms]
    return chosen_among(tuple(result.arms), np.array(months), *of)


def chosen_among(
    arms: tuple[str, ...], months: np.ndarray, burden: np.ndarray, invasion: np.ndarray, folds: np.ndarray
) -> Among:
    """The choice from months under each arm (A, P), class of burden, invasion and fold of each patient (P)."""
    stratum, everybody = 2 * burden + invasion, np.arange(months.shape[1])
    takes = _by_rule(months - months[0], stratum, folds)
    groups = []
    for s in np.unique(stratum):
        gains = (months - months[0])[:, stratum == s]
        n = gains.shape[1]
        errors = gains.std(axis=1, ddof=1) / math.sqrt(n) if n > 1 else np.full(len(arms), math.nan)
        groups.append(Group(int(s // 2), bool(s % 2), n, tuple(gains.mean(axis=1).tolist()), tuple(errors.tolist()),
                            int(gains.mean(axis=1).argmax())))  # fmt: skip
    means, ruled = months.mean(axis=1), months[takes, everybody]
    ordered = np.sort(months, axis=0)
    clear = ordered[-1] - ordered[-2] >= GAIN
    right = float((takes == months.argmax(axis=0))[clear].mean()) if clear.any() else math.nan
    worth = ruled - months[means.argmax()]
    given = np.bincount(takes, minlength=len(arms)) / len(takes)
    return Among(arms, groups, tuple(means.tolist()), float(ruled.mean()), float(ordered[-1].mean()),
                 tuple(given.tolist()), float(worth.mean()), float(worth.std(ddof=1) / math.sqrt(len(worth))), right,
                 int(clear.sum()))  # fmt: skip


def choice_of(result: TrialResult, first: str, second: str) -> Choice | None:
    """The choice between two arms; None with fewer than `FEWEST` patients or where burden is not drawn."""
    of = _strata(result)
    if of is None:
        return None
    months = [result.since_entry(arm, "pfs") / DAYS_PER_MONTH for arm in (first, second)]
    return chosen(first, second, *months, *of)


def _by_rule(gains: np.ndarray, stratum: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """The arm that the rule gives each patient (P), from gains over the first (A, P): the best of the same stratum in
    the other folds, or of everybody there where the stratum is too small."""
    takes = np.zeros(len(stratum), dtype=np.int64)
    for fold in np.unique(folds):
        seen, new = folds != fold, folds == fold
        for s in np.unique(stratum[new]):
            own = seen & (stratum == s)
            takes[new & (stratum == s)] = gains[:, own if own.sum() >= LEAST else seen].mean(axis=1).argmax()
    return takes


def chosen(first: str, second: str, one: np.ndarray, two: np.ndarray, burden: np.ndarray, invasion: np.ndarray,
           folds: np.ndarray) -> Choice:  # fmt: skip
    """The choice from months under each arm (P each), class of burden, invasion and fold of each patient (P)."""
    gain, stratum = two - one, 2 * burden + invasion
    takes = _by_rule(np.array([np.zeros(len(gain)), gain]), stratum, folds) == 1
    ruled = np.where(takes, two, one)
    better = one if one.mean() >= two.mean() else two
    clear = np.abs(gain) >= GAIN
    strata = []
    for s in np.unique(stratum):
        own = gain[stratum == s]
        error = float(own.std(ddof=1) / math.sqrt(len(own))) if len(own) > 1 else math.nan
        strata.append(Stratum(int(s // 2), bool(s % 2), len(own), float(own.mean()), error,
                              float((own >= GAIN).mean()), float((own <= -GAIN).mean())))  # fmt: skip
    months = (float(one.mean()), float(two.mean()), float(ruled.mean()), float(np.maximum(one, two).mean()))
    worth = ruled - better
    right = float((takes == (gain > 0))[clear].mean()) if clear.any() else math.nan
    return Choice(first, second, strata, months, float(worth.mean()), float(worth.std(ddof=1) / math.sqrt(len(worth))),
                  right, int(clear.sum()))  # fmt: skip
