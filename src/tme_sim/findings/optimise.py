"""The best protocol within constraints, robust over a cohort: search, runner-up, and the gap with its uncertainty.

The search is scipy's differential evolution over a unit cube, whole generations at a time, so that all patients of all
candidates of a generation run as one batch.  Dates are rounded (whole days by default) and a candidate that was run
already is not run again.  A candidate that breaks a constraint is worth less than any that breaks none, by how much it
breaks it; one with failed runs is worth least, and counted.

The patients that chose a protocol flatter it.  So the best and the runner-up are compared on patients that the search
has not seen, by paired differences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from tme_sim.diagnostics import InputError, Problem, quoted
from tme_sim.findings.paired import Difference, difference

__all__ = ["AIMS", "Candidate", "Constraint", "Optimum", "Variable", "aimed", "apart", "optimise", "worth"]

AIMS = ("mean", "worst decile", "regret")
APART = 0.1  # of the range of some variable: nearer candidates are the same protocol told twice
POPULATION = 12  # per variable, as scipy counts it


class Variable(Protocol):
    """What may be chosen: a factor of a study (:class:`tme_sim.study.Factor`)."""

    name: str

    def at(self, u: float) -> Any:
        """The value at a share 0 to 1 of the range."""


def apart(variable: Variable, a: Any, b: Any) -> bool:
    """Whether two values are told apart: other choices, or numbers a tenth of the range from each other."""
    low, high = variable.at(0.0), variable.at(1.0)
    if any(isinstance(v, str) for v in (a, b, low, high)):
        return a != b
    return abs(a - b) >= APART * abs(high - low) - 1e-9 and a != b


@dataclass(frozen=True)
class Constraint:
    """An endpoint that must be at most, or at least, a limit in all but `allowed` (a share) of the patients."""

    endpoint: str
    limit: float
    at_least: bool = False
    allowed: float = 0.1

    def excess(self, values: np.ndarray) -> float:
        """By how much the limit is broken where only the allowed share may break it; 0 when kept."""
        over = np.sort(self.limit - values if self.at_least else values - self.limit)[::-1]
        spared = int(np.floor(self.allowed * over.size))
        return float(max(over[min(spared, over.size - 1)], 0.0))

    @property
    def text(self) -> str:
        """The constraint in words."""
        side = "at least" if self.at_least else "at most"
        return f"{self.endpoint} {side} {self.limit:g} in all but {100 * self.allowed:g} % of patients"


@dataclass(frozen=True)
class Candidate:
    """A protocol that was tried: its values by variable, the outcome of every patient, and what it is worth.

    `excess` is the largest broken constraint (0: all kept), `failed` counts runs without a value.
    """

    values: tuple
    outcomes: np.ndarray
    excess: float
    failed: int
    worth: float = -np.inf

    @property
    def allowed(self) -> bool:
        """Whether it keeps every constraint and every run gave a value."""
        return self.excess == 0.0 and self.failed == 0


@dataclass(frozen=True)
class Optimum:
    """What the search found.

    `gap` is the paired difference best less runner-up (positive: the best is better) on patients that the search has
    not seen; `seen` the same on those it has.  `broken` are the constraints that the best and the runner-up break in
    those unseen patients; `sense` is +1 where more of the outcome is better.
    """

    best: Candidate
    runner_up: Candidate | None
    fresh_best: np.ndarray
    fresh_runner_up: np.ndarray
    gap: Difference | None
    seen: Difference | None
    tried: int
    runs: int
    failed: int
    history: tuple[float, ...]
    sense: int
    broken: tuple[tuple[Constraint, ...], ...]


def worth(outcomes: np.ndarray, sense: int, aim: str, reference: np.ndarray | None = None) -> float:
    """What outcomes over patients are worth (more is better) by an aim.

    "mean" is the mean, "worst decile" the mean of the worst tenth of patients, "regret" minus the mean loss of each
    patient against `reference`, the best outcome known for each.
    """
    good = sense * np.asarray(outcomes, dtype=float)
    if aim == "mean":
        return float(good.mean())
    if aim == "worst decile":
        return float(np.sort(good)[: max(1, round(0.1 * good.size))].mean())
    return -float(np.mean(np.maximum(sense * reference - good, 0.0)))


def aimed(worth: float, sense: int, aim: str) -> float:
    """A :func:`worth` as people read it: in the sense of the outcome, or the size of a loss."""
    return -worth if aim == "regret" else sense * worth


Evaluate = Callable[[Sequence[tuple], str], list[dict[str, np.ndarray]]]


def optimise(
    variables: Sequence[Variable], evaluate: Evaluate, outcome: str, sense: int, *, aim: str = "mean",
    constraints: Sequence[Constraint] = (), budget: int = 300, seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Optimum:
    """Search the best values of the variables.

    `evaluate(candidates, which)` runs each candidate (a tuple of values) on the patients of `which` ("search" or
    "fresh") and returns for each the endpoints by name, arrays over patients, NaN where a run failed.  `budget` is the
    number of different candidates.

    Raises:
        InputError: an unknown aim, nothing to choose, or no candidate that keeps the constraints.
    """
    from scipy.optimize import differential_evolution

    if aim not in AIMS:
        raise InputError(Problem("study", "optimise.aim", f"{quoted(aim)} is not one of {', '.join(AIMS)}"))
    if not variables:
        raise InputError(Problem("study", "", "nothing may be chosen; give a factor of the protocol a range"))
    tried: dict[tuple, Candidate] = {}
    history: list[float] = []

    def look(cube: np.ndarray) -> np.ndarray:
        """Worth of candidates (columns of shares), of which only those not seen yet are simulated."""
        keys = [tuple(v.at(float(share)) for v, share in zip(variables, column, strict=True)) for column in cube.T]
        new = list(dict.fromkeys(k for k in keys if k not in tried))[: max(budget - len(tried), 0)]
        for key, found in zip(new, evaluate(new, "search") if new else [], strict=True):
            tried[key] = _candidate(key, found, outcome, constraints)
        valued = _valued(tried, sense, aim)
        best = max((c.worth for c in valued.values()), default=-np.inf)
        history.append(best)
        if progress is not None and new:
            so_far = f"best so far {aimed(best, sense, aim):.5g}" if np.isfinite(best) else "none allowed yet"
            progress(f"{len(tried)} of at most {budget} protocols tried, {so_far}")
        return np.array([_cost(valued.get(k), best) for k in keys])

    def enough(_result) -> bool:
        """Whether the budget is spent."""
        return len(tried) >= budget

    size = int(np.clip(POPULATION * len(variables), 8, max(8, budget // 4)))
    differential_evolution(
        look, [(0.0, 1.0)] * len(variables), vectorized=True, updating="deferred", polish=False, tol=1e-8,
        popsize=-(-size // len(variables)), maxiter=10 * budget, rng=np.random.Generator(np.random.Philox(seed)),
        init="sobol", callback=_stopper(enough),
    )  # fmt: skip
    valued = _valued(tried, sense, aim)
    return _concluded(valued, variables, evaluate, outcome, sense, tuple(history), constraints)


def _stopper(enough: Callable):
    """scipy stops when the callback of this signature returns true; generations that try nothing new end it as well."""
    state = {"still": 0, "last": -1}

    def callback(intermediate_result) -> bool:
        """Stop when the budget is spent or nothing has moved for long."""
        at = (float(intermediate_result.fun),)
        state["still"] = state["still"] + 1 if at == state["last"] else 0
        state["last"] = at
        return enough(intermediate_result) or state["still"] >= 25

    return callback


def _candidate(key: tuple, found: dict[str, np.ndarray], outcome: str, constraints: Sequence[Constraint]) -> Candidate:
    values = np.asarray(found[outcome], dtype=float)
    failed = int((~np.isfinite(values)).sum())
    excess = max((_excess(c, found) for c in constraints), default=0.0)
    return Candidate(key, values, excess, failed)


def _excess(constraint: Constraint, found: dict[str, np.ndarray]) -> float:
    """By how much endpoints over patients break a constraint; failed runs, which are counted elsewhere, keep it."""
    return constraint.excess(np.nan_to_num(found[constraint.endpoint], nan=constraint.limit))


def _valued(tried: dict[tuple, Candidate], sense: int, aim: str) -> dict[tuple, Candidate]:
    """Candidates with what they are worth; regret is against the best any of them does for each patient."""
    whole = [c.outcomes for c in tried.values() if c.allowed]
    reference = sense * np.max(sense * np.array(whole), axis=0) if whole else None
    return {
        key: replace(c, worth=worth(c.outcomes, sense, aim, reference)) if c.allowed else c for key, c in tried.items()
    }


def _cost(candidate: Candidate | None, best: float) -> float:
    """What differential evolution minimises; broken constraints and failures stand above every allowed candidate."""
    if candidate is None:
        return 1e12  # beyond the budget: never run
    if candidate.failed:
        return 1e11 + candidate.failed
    if candidate.excess > 0.0:
        return 1e9 * (1.0 + candidate.excess)
    return -candidate.worth


def _told_apart(variables: Sequence[Variable], one: Candidate, other: Candidate) -> bool:
    return any(apart(v, a, b) for v, a, b in zip(variables, one.values, other.values, strict=True))


def _concluded(
    tried, variables, evaluate: Evaluate, outcome: str, sense: int, history, constraints: Sequence[Constraint]
) -> Optimum:  # fmt: skip
    allowed = sorted((c for c in tried.values() if c.allowed), key=lambda c: -c.worth)
    failed = sum(c.failed for c in tried.values())
    if not allowed:
        least = min((c.excess for c in tried.values() if not c.failed), default=np.nan)
        raise InputError(Problem("study", "optimise", (
            f"none of {len(tried)} protocols keeps every constraint (the nearest breaks one by {least:.3g}, "
            f"{failed} runs failed); relax a constraint or widen a range")))
    best = allowed[0]
    second = next((c for c in allowed[1:] if _told_apart(variables, best, c)), None)
    asked = [best.values] + ([second.values] if second else [])
    unseen = evaluate(asked, "fresh")
    fresh = [np.asarray(one[outcome], dtype=float) for one in unseen]
    broken = tuple(tuple(c for c in constraints if _excess(c, one) > 0.0) for one in unseen)
    members = fresh[0].size
    runs = sum(c.outcomes.size for c in tried.values()) + sum(f.size for f in fresh)
    failed += sum(int((~np.isfinite(f)).sum()) for f in fresh)
    if second is None:
        none = np.full(members, np.nan)
        return Optimum(best, None, fresh[0], none, None, None, len(tried), runs, failed, history, sense, broken)
    gap = difference(sense * fresh[0], sense * fresh[1])
    seen = difference(sense * best.outcomes, sense * second.outcomes)
    return Optimum(best, second, fresh[0], fresh[1], gap, seen, len(tried), runs, failed, history, sense, broken)
