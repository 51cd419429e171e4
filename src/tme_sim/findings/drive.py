"""From a study to a finding: which points are run, and what is read from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tme_sim.diagnostics import InputError, Problem, quoted
from tme_sim.findings import sensitivity as methods
from tme_sim.findings.flips import TIE, Flip, Scan, flips_of, scan_points
from tme_sim.findings.knockouts import Knockouts, knockouts_of
from tme_sim.findings.runs import (
    LINKS,
    LOOP,
    Runs,
    arrows_of,
    cut_arms,
    evidence_factors,
    nominal_of,
    number_factors,
    plain_study,
)
from tme_sim.findings.table import Missing, missing_of, outcome_of, sense_of
from tme_sim.study.outcomes import better_of, known_text, outcomes_of

if TYPE_CHECKING:
    from tme_sim.study import Study
    from tme_sim.study.factors import Factor

__all__ = [
    "LEAD", "METHODS", "Flips", "Sensitivity", "Tornado", "arms_of", "chosen_factors", "cut", "flip", "outcome_name",
    "sensitivity",
]  # fmt: skip

METHODS = ("morris", "sobol", "prcc", "local", "tornado")
LEAD = "lead of the best order"
TRAJECTORIES = 10  # of a Morris design where none are asked for
COARSE, FINE = 5, 13  # points of a scan over an evidence range: of every parameter, and of those that flip the order
Told = Callable[[str], None] | None


@dataclass(frozen=True)
class Tornado:
    """The outcome at the low and high end of each factor's range, all else as it is; `at` is the outcome there."""

    names: tuple[str, ...]
    at: float
    low: np.ndarray
    high: np.ndarray
    left_out: int


@dataclass(frozen=True)
class Sensitivity:
    """What a method found, for every target (an arm, or the lead of the best order); `table` holds all runs."""

    method: str
    outcome: str
    factors: tuple[Any, ...]
    found: Mapping[str, Any]
    missing: Missing
    table: Mapping[str, np.ndarray] = field(repr=False, default_factory=dict)


@dataclass(frozen=True)
class Flips:
    """Scans of all parameters, the flips of those that have any, and the arms at the values used, best first."""

    outcome: str
    sense: int
    arms: Mapping[str, float]
    scans: tuple[Scan, ...]
    flips: Mapping[str, tuple[Flip, ...]]
    nominal: Mapping[str, float]
    missing: Missing
    table: Mapping[str, np.ndarray] = field(repr=False, default_factory=dict)

    @property
    def flipping(self) -> list[Scan]:
        """Scans with a flip, those first where the best order gains most over the one best at the values used."""
        best = next(iter(self.arms))

        def gain(scan: Scan) -> float:
            """What the best order gains anywhere in a scan over the one best at the values used."""
            rows = scan.sense * scan.outcomes
            whole = np.isfinite(rows).all(axis=0)
            return float(np.max(rows[:, whole].max(axis=0) - rows[scan.arms.index(best), whole], initial=0.0))

        return sorted((s for s in self.scans if self.flips.get(s.parameter)), key=gain, reverse=True)


# --- choices ----------------------------------------------------------------------------------


def outcome_name(study: Study, outcome: str | None) -> str:
    """The outcome asked for, or the first endpoint of the study.

    Raises:
        InputError: neither is there, or its runs give no such number; with the nearest name.
    """
    if not outcome and not study.outputs.endpoints:
        said = "names no endpoint; give one there, or with --outcome"
        raise InputError(Problem(study.path, "outputs.endpoints", said))
    name = outcome or study.outputs.endpoints[0]
    known = outcomes_of(study)
    if name not in known:
        raise InputError(Problem(study.path, quoted(name), f"is no number that its runs give{known_text(name, known)}"))
    return name


def arms_of(study: Study, names: Sequence[str]) -> Study:
    """The study with some of its arms only, in the order asked for.

    Raises:
        InputError: an arm that is not there, with the nearest name.
    """
    return replace(study, arms=tuple(study.arm(n) for n in names)) if names else study


def chosen_factors(study: Study, patterns: Sequence[str]) -> tuple[Study, list[Factor]]:
    """Factors of the study with a range of numbers, or model parameters over their evidence if patterns are given.

    A study without such factors gives all parameters.

    Raises:
        InputError: a pattern that matches no parameter, or nothing left to vary.
    """
    own = number_factors(study)
    if own and not patterns:
        return plain_study(study), own
    wider, factors = evidence_factors(study, patterns or ("*",))
    if not factors:
        raise InputError(Problem("--parameters", "", "nothing is left to vary: constants, or factors of the study"))
    return wider, factors


def _runs_of(study: Study, rows: int) -> int:
    """Runs of so many rows of values: each in every arm and patient."""
    return rows * len(study.arms) * study.replicates


# --- running points ----------------------------------------------------------------------------------


def _points(study: Study, values: Sequence[Mapping[str, Any]]) -> list[tuple]:
    return [
        ({**study.patient(number), **one}, arm.name, number)
        for one in values for arm in study.arms for number in range(study.replicates)
    ]  # fmt: skip


def _outcomes(study: Study, table: Mapping[str, np.ndarray], outcome: str) -> np.ndarray:
    """Outcome [value set, arm]: the mean over replicates; NaN where one of them failed."""
    return outcome_of(table, outcome).reshape(-1, len(study.arms), study.replicates).mean(axis=2)


def _targets(study: Study, outcomes: np.ndarray, at: np.ndarray, sense: int) -> dict[str, np.ndarray]:
    """What is analysed: the outcome of every arm, and how far the arm that is best `at` the values used leads."""
    out = {arm.name: outcomes[:, k] for k, arm in enumerate(study.arms)}
    if len(study.arms) > 1:
        best = int(np.argmax(sense * at))
        others = np.delete(sense * outcomes, best, axis=1)
        out[LEAD] = sense * outcomes[:, best] - others.max(axis=1)
    return out


# --- sensitivity ----------------------------------------------------------------------------------


def sensitivity(
    study: Study, method: str, *, outcome: str | None = None, parameters: Sequence[str] = (), n: int = 0,
    better: str | None = None, seed: int = 0, progress: Told = None, store: Any = None, **running: Any,
) -> Sensitivity:
    """Sensitivity of an outcome in every arm, and of the lead of the best order.

    `n` are trajectories (morris, 10), base samples (sobol, 64; brought up to a power of 2), or runs (prcc, ten per
    factor, at least 100).

    Raises:
        InputError: an unknown method, outcome or parameter, or too many failed runs.
    """
    if method not in METHODS:
        raise InputError(Problem("--method", "", f"{quoted(method)} is not one of {', '.join(METHODS)}"))
    outcome = outcome_name(study, outcome)
    better = better or better_of(study, outcome)
    sense = sense_of(outcome, better) if len(study.arms) > 1 or better else 1
    study, factors = chosen_factors(study, parameters)
    if method == "sobol":
        n = n or 64
        whole = 1 << (n - 1).bit_length()
        if whole != n and progress is not None:
            progress(f"warning: {whole} base samples are run, as Sobol' points are balanced by powers of 2, not {n}")
        n = whole
    if method == "local":
        factors = _smooth(factors, progress)
    names = tuple(f.name for f in factors)
    shares = [_share(f, nominal_of(study, f)) for f in factors]
    middle = np.array([0.5 if share is None else share for share in shares])
    steps = np.array([max(methods.STEP, _step(f)) for f in factors])
    runs = Runs(study, progress=progress, store=store, **running)
    runs.afford(_runs_of(study, _size(method, len(factors), n) + 1))
    cube = _design(method, middle, n, seed, steps)
    values = [{f.name: f.at(float(u)) for f, u in zip(factors, row, strict=True)} for row in cube] + [{}]
    if method in ("local", "tornado"):  # one factor at a time; the others stay exactly as the base has them
        for row, one in zip(cube, values, strict=False):
            for f, u, m in zip(factors, row, middle, strict=True):
                if u == m:
                    del one[f.name]
    table = runs.table(_points(study, values))
    outcomes = _outcomes(study, table, outcome)
    targets = _targets(study, outcomes[:-1], outcomes[-1], sense)
    at = {name: float(v[0]) for name, v in _targets(study, outcomes[-1:], outcomes[-1], sense).items()}
    missing = missing_of(table, outcome_of(table, outcome))

    def analysed(y: np.ndarray, there: float) -> Any:
        """What the method says of outcomes `y`, which is `there` at the values used."""
        if method != "local":
            return _analysed(method, cube, y, names, there, seed)
        slopes, error = methods.local_derivatives(lambda _points: y, middle, step=steps)
        taken = np.array([f.at(u) for f, u in zip(factors, middle, strict=True)])
        used = tuple(share is not None for share in shares)
        return methods.Local(names, slopes, error, int((~np.isfinite(slopes)).sum()), taken, used)

    try:
        found = {name: analysed(y, at[name]) for name, y in targets.items()}
    except InputError as error:
        if not missing.failed:
            raise
        raise InputError([*error.problems, Problem(study.path, outcome, missing.text)]) from error
    return Sensitivity(method, outcome, tuple(factors), found, missing, table)


def _smooth(factors: Sequence[Factor], progress: Told) -> list[Factor]:
    """The factors that can be changed by little, as a derivative needs; the others are told.

    Raises:
        InputError: none of them can.
    """
    coarse = [f.name for f in factors if 4 * _step(f) > 1]
    said = f"{', '.join(coarse)}: too few steps for a derivative; --method tornado compares the ends of the range"
    if len(coarse) == len(factors):
        raise InputError(Problem("--method", "local", said))
    if coarse and progress is not None:
        progress(f"warning: left out, {said}")
    return [f for f in factors if f.name not in coarse]


def _step(factor: Factor) -> float:
    """The smallest change of a factor, as a share of its range."""
    return max(factor.step, float(factor.whole)) / (factor.high - factor.low)


def _share(factor: Factor, value: float | None) -> float | None:
    """Where a value lies in the range of a factor, 0 to 1; None if it is unknown or lies outside."""
    if value is None or not factor.low <= value <= factor.high:
        return None
    if factor.scale == "log":
        return float(np.log(value / factor.low) / np.log(factor.high / factor.low))
    return float((value - factor.low) / (factor.high - factor.low))


def _size(method: str, factors: int, n: int) -> int:
    """How many different rows :func:`_design` has at least, without making them."""
    if method == "morris":
        return min((n or TRAJECTORIES) * (factors + 1), methods.LEVELS**factors)
    if method == "sobol":
        return n * (factors + 2)
    return n or _draws(factors) if method == "prcc" else 2 * factors


def _draws(factors: int) -> int:
    """Runs of a partial rank correlation where none are asked for."""
    return max(100, 10 * factors)


def _design(method: str, middle: np.ndarray, n: int, seed: int, steps: np.ndarray) -> np.ndarray:
    count = middle.size
    if method == "morris":
        return methods.morris_design(count, n or TRAJECTORIES, seed)
    if method == "sobol":
        return methods.sobol_design(count, n, seed)
    if method == "prcc":
        from tme_sim.study.designs import unit_points

        return unit_points("latin_hypercube", count, n or _draws(count), seed)
    if method == "tornado":
        cube = np.tile(middle, (2 * count, 1))
        cube[np.arange(2 * count), np.repeat(np.arange(count), 2)] = np.tile([0.0, 1.0], count)
        return cube
    rows: list[np.ndarray] = []
    methods.local_derivatives(lambda points: (rows.append(points), np.zeros(len(points)))[1], middle, step=steps)
    return rows[0]


def _analysed(method: str, cube: np.ndarray, y: np.ndarray, names, at: float, seed: int):
    if method == "morris":
        return methods.morris(cube, y, names, seed=seed)
    if method == "sobol":
        return methods.sobol(y, names, seed=seed)
    if method == "prcc":
        return methods.prcc(cube, y, names)
    low, high = y.reshape(-1, 2).T
    return Tornado(tuple(names), at, low, high, int((~np.isfinite(y)).sum()))


# --- flips ----------------------------------------------------------------------------------


def flip(
    study: Study, *, outcome: str | None = None, parameters: Sequence[str] = (), better: str | None = None,
    fine: int = FINE, progress: Told = None, store: Any = None, **running: Any,
) -> Flips:
    """Which parameters, within their evidence range, change which arm is best, and at what value.

    Every parameter is scanned at `COARSE` points, those that change the best arm again at `fine`.

    Raises:
        InputError: fewer than two arms, or no outcome where all is as it is.
    """
    outcome = outcome_name(study, outcome)
    sense = sense_of(outcome, better or better_of(study, outcome))
    _orders(study)
    study, factors = chosen_factors(study, parameters)
    names = tuple(a.name for a in study.arms)
    runs = Runs(study, progress=progress, store=store, **running)
    runs.afford(_runs_of(study, COARSE * len(factors)))
    plain = runs.table(_points(study, [{}]))
    base = _outcomes(study, plain, outcome)[0]
    if not np.isfinite(base).all():
        missing = missing_of(plain, outcome_of(plain, outcome))
        raise InputError(Problem(study.path, outcome, f"an arm gives no value as it is: {missing.text}"))
    tie = TIE * float(np.ptp(base))
    nominal = {f.name: v for f in factors if (v := nominal_of(study, f)) is not None}
    tables = [plain]

    def scans(chosen: Sequence[Factor], count: int) -> list[Scan]:
        """The outcome of every arm along the range of each factor."""
        axes = [scan_points(f.low, f.high, _inside(f, nominal.get(f.name)), count) for f in chosen]
        values = [{f.name: float(v)} for f, axis in zip(chosen, axes, strict=True) for v in axis]
        table = runs.table(_points(study, values))
        tables.append(table)
        parts = np.split(_outcomes(study, table, outcome), np.cumsum([a.size for a in axes])[:-1])
        return [
            Scan(f.name, f.unit, names, axis, part.T, sense, tie)
            for f, axis, part in zip(chosen, axes, parts, strict=True)
        ]

    found = {s.parameter: s for s in scans(factors, COARSE)}
    again = [f for f in factors if len({arm for arm in found[f.name].best if arm}) > 1]
    if again:
        if progress is not None:
            progress(f"{len(again)} of {len(factors)} parameters change the best order; these are looked at closely")
        found |= {s.parameter: s for s in scans(again, fine)}
    flips = {name: tuple(flips_of(scan)) for name, scan in found.items()}
    arms = dict(sorted(zip(names, map(float, base), strict=True), key=lambda pair: -sense * pair[1]))
    table = {k: np.concatenate([np.asarray(t[k]) for t in tables]) for k in tables[-1] if all(k in t for t in tables)}
    missing = missing_of(table, outcome_of(table, outcome))
    return Flips(outcome, sense, arms, tuple(found.values()), flips, nominal, missing, table)


def _orders(study: Study) -> None:
    """Refuse a study with nothing to put into an order.

    Raises:
        InputError: fewer than two arms.
    """
    if len(study.arms) < 2:
        raise InputError(Problem(study.path, "arms", "an order needs at least two arms; give them in [[arm]]"))


def _inside(factor: Factor, value: float | None) -> float:
    middle = np.sqrt(factor.low * factor.high) if factor.scale == "log" else 0.5 * (factor.low + factor.high)
    return float(np.clip(middle if value is None else value, factor.low, factor.high))


# --- knock-outs ----------------------------------------------------------------------------------


def _makes_scenarios(study: Study, changes: Mapping[str, Any]) -> bool:
    """Whether every arm takes these overrides; agent tissue takes no link of densities, say."""
    try:
        return all(study.scenario_of_arm(arm.name).changed(changes) is not None for arm in study.arms)
    except InputError:
        return False


def cut(
    study: Study, *, outcome: str | None = None, arrows: Sequence[str] = (), better: str | None = None,
    progress: Told = None, store: Any = None, **running: Any,
) -> tuple[Knockouts, Mapping[str, np.ndarray]]:
    """What each arrow carries of the gap between best and worst arm; all arrows and links of the loop by default.

    Raises:
        InputError: an arrow that is not there, fewer than two arms, too many failed runs.
    """
    outcome = outcome_name(study, outcome)
    better = better or better_of(study, outcome)
    sense_of(outcome, better)
    _orders(study)
    known = arrows_of(study)
    arrows = list(known) if list(arrows) == ["*"] else list(arrows) or [
        a for a in (*LOOP, *LINKS) if a in known and (a not in LINKS or _makes_scenarios(study, LINKS[a][1]))]
    wider, meaning = cut_arms(plain_study(study), arrows)
    runs = Runs(wider, progress=progress, store=store, **running)
    runs.afford(_runs_of(wider, 1))
    table = runs.table(_points(wider, [{}]))
    pairs = [meaning[str(name)] for name in table["arm"]]
    table["arrow"], table["arm"] = (np.array([p[k] for p in pairs], dtype=object) for k in (0, 1))
    return knockouts_of(table, outcome, better=better), table
