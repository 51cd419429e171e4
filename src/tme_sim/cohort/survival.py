"""Survival statistics by the libraries that have them: curves and log-rank by SciPy, hazard ratios by statsmodels.

Only what is read off a curve (median, landmark, patients at risk) is computed here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tme_sim.diagnostics import InputError, Problem

__all__ = ["Curve", "Ratio", "curve_of", "hazard_ratio", "proportional"]

LEVEL = 0.95


@dataclass(frozen=True)
class Curve:
    """A Kaplan-Meier curve: steps at `time` (days) to `share`, with its 95 % band, and who contributed.

    The band is the log-log one, point by point; NaN where it does not exist (before the first and after the last event
    of all).
    """

    time: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    times: np.ndarray
    events: np.ndarray

    def at(self, day: float) -> tuple[float, float, float]:
        """Share without an event on a day, and its band; NaN after everyone has left."""
        # After the last patient has left the curve says nothing, unless it has come down to 0.
        if day > self.times.max() and (not len(self.share) or self.share[-1] > 0):
            return (math.nan,) * 3
        place = int(np.searchsorted(self.time, day, side="right")) - 1
        if place < 0:
            return 1.0, math.nan, math.nan
        return tuple(float(a[place]) for a in (self.share, self.low, self.high))

    def median(self) -> tuple[float, float, float]:
        """Median in days and its 95 % interval, where curve and band first reach a half; infinity if they do not.

        The interval is that of Brookmeyer and Crowley (DOI 10.2307/2530286) with the log-log band.
        """

        def reach(values: np.ndarray) -> float:
            hit = np.flatnonzero(values <= 0.5)
            return float(self.time[hit[0]]) if len(hit) else math.inf

        return reach(self.share), reach(self.low), reach(self.high)

    def at_risk(self, days: np.ndarray) -> np.ndarray:
        """Patients still watched and without an event just before each day."""
        return (self.times[None, :] >= np.asarray(days)[:, None]).sum(axis=1)


def curve_of(times: np.ndarray, events: np.ndarray) -> Curve:
    """Kaplan-Meier curve of times (days) and events (1 seen, 0 censored).

    Raises:
        InputError: no patients, or times that are negative or no numbers.
    """
    from scipy import stats

    times, events = np.asarray(times, dtype=np.float64), np.asarray(events).astype(bool)
    checked(times, events)
    if not events.any():
        empty = np.array([])
        return Curve(empty, empty, empty, empty, times, events)
    found = stats.ecdf(stats.CensoredData(uncensored=times[events], right=times[~events]))
    with np.errstate(all="ignore"):
        band = _band(found.sf)
    low, high = band
    kept = np.isin(found.sf.quantiles, times[events])  # steps only
    return Curve(found.sf.quantiles[kept], found.sf.probabilities[kept], low[kept], high[kept], times, events)


def _band(curve) -> tuple[np.ndarray, np.ndarray]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where there is no band SciPy gives NaN and warns
        band = curve.confidence_interval(LEVEL, method="log-log")
    return band.low.probabilities, band.high.probabilities


def checked(times: np.ndarray, events: np.ndarray) -> None:
    """Refuse what is no survival data.

    Raises:
        InputError: no patients, unequal lengths, times that are negative or no numbers.
    """
    if len(times) == 0 or len(times) != len(events):
        raise InputError(Problem("survival", "", f"{len(times)} times and {len(events)} events; there must be as many"))
    if not np.isfinite(times).all() or (times < 0).any():
        bad = times[~(np.isfinite(times) & (times >= 0))][0]
        raise InputError(Problem("survival", "", f"a time of {bad:g} days; times are at least 0 and finite"))


@dataclass(frozen=True)
class Ratio:
    """A hazard ratio with its 95 % interval and p value (Wald), and the log-rank p value."""

    value: float
    low: float
    high: float
    p: float
    logrank: float


def hazard_ratio(first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]) -> Ratio:
    """Hazard of the second arm over that of the first by a Cox model (statsmodels, Efron's ties); NaN without events,
    or if they are so few and so far apart that no finite ratio fits them best.

    Raises:
        ImportError: statsmodels is not installed (the extra `trial`).
        InputError: as :func:`curve_of`.
    """
    from scipy import stats

    for arm in (first, second):
        checked(*(np.asarray(a, dtype=np.float64) for a in arm))
    if not (np.any(first[1]) and np.any(second[1])):
        return Ratio(*(math.nan,) * 5)
    arms = [stats.CensoredData(uncensored=t[e.astype(bool)], right=t[~e.astype(bool)]) for t, e in (first, second)]
    with np.errstate(invalid="ignore"):  # no variance where all events are on one day with everybody at risk: NaN
        logrank = float(stats.logrank(*arms).pvalue)
    fitted, _ = _cox(first, second)
    if fitted is None:
        return Ratio(*(math.nan,) * 4, logrank)
    effect, error = float(fitted.params[0]), float(fitted.bse[0])
    z = stats.norm.ppf(0.5 + LEVEL / 2)
    return Ratio(
        math.exp(effect), math.exp(effect - z * error), math.exp(effect + z * error), float(fitted.pvalues[0]), logrank
    )


def _cox(first, second):
    """Fitted Cox model of one covariate (0 first arm, 1 second) or None if none fits best, and its data."""
    import warnings

    from statsmodels.duration.hazard_regression import PHReg
    from statsmodels.tools.sm_exceptions import ConvergenceWarning, HessianInversionWarning

    times = np.concatenate([first[0], second[0]])
    events = np.concatenate([first[1], second[1]]).astype(int)
    arm = np.concatenate([np.zeros(len(first[0])), np.ones(len(second[0]))])
    with warnings.catch_warnings():
        for kind in (ConvergenceWarning, HessianInversionWarning):
            warnings.simplefilter("error", kind)
        try:
            fitted = PHReg(times, arm[:, None], status=events, ties="efron").fit(disp=0)
        except (ConvergenceWarning, HessianInversionWarning):
            fitted = None
    return fitted, (times, events, arm)


def proportional(first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    """Whether the ratio of hazards stays the same over time.

    `p` is of the correlation between Schoenfeld residuals and the rank of the event times (Grambsch and Therneau, DOI
    10.1093/biomet/81.3.515, in the form for one covariate); `early` and `late` are the hazard ratios before and after
    `cut`, the middle event (days), from one Cox model each.
    """
    from scipy import stats

    if not (np.any(first[1]) and np.any(second[1])):
        return {"p": math.nan, "early": math.nan, "late": math.nan, "cut": math.nan}
    fitted, (times, events, _) = _cox(first, second)
    if fitted is None:
        return {"p": math.nan, "early": math.nan, "late": math.nan, "cut": math.nan}
    residuals = np.asarray(fitted.schoenfeld_residuals).reshape(-1)
    there = np.isfinite(residuals) & (events == 1)
    ranks = stats.rankdata(times[there])
    p = float(stats.pearsonr(ranks, residuals[there]).pvalue) if there.sum() > 2 and np.ptp(ranks) > 0 else math.nan
    cut = float(np.median(times[events == 1]))
    early = [(np.minimum(t, cut), np.where(t <= cut, e, 0)) for t, e in (first, second)]
    late = [(t[t > cut] - cut, e[t > cut]) for t, e in (first, second)]
    parts = {}
    for name, pair in (("early", early), ("late", late)):
        enough = all(len(t) and np.any(e) for t, e in pair)
        part = _cox(*pair)[0] if enough else None
        parts[name] = math.exp(float(part.params[0])) if part is not None else math.nan
    return {"p": p, **parts, "cut": cut}
