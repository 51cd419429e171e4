"""What a trial would report: endpoints per arm, contrasts between arms, and paired differences that no trial can see.

Names are those of the prediction files.  Medians and times are in months here, as in reports of trials.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tme_sim.cohort.benefit import benefit_of
from tme_sim.cohort.choice import best_arms, choice_of
from tme_sim.cohort.conversion import conversion_of
from tme_sim.cohort.running import TrialResult
from tme_sim.cohort.survival import curve_of, hazard_ratio, proportional
from tme_sim.criteria import CRITERIA
from tme_sim.definitions import DAYS_PER_MONTH

__all__ = ["arm_summary", "contrast", "paired", "summarise"]

RATES = {"pfs": (6, 12, 18, 24), "tace_pfs": (12,), "os": (12, 24)}
PATTERNS = ("existing_intrahepatic", "new_intrahepatic", "extrahepatic", "death")
AFP_RESPONSE = 0.8  # a fall by more than a fifth, of those whose AFP was above AFP_ELEVATED at entry: 376 patients with
AFP_ELEVATED = 20.0  # ng/mL; stage B, https://stage.medifind.com/articles/publication/180879984 (abstract)


def summarise(result: TrialResult) -> dict[str, Any]:
    """Summary of a trial: arms, contrasts of every later arm with the first, paired differences, over repeats too.

    Raises:
        ImportError: statsmodels is not installed (hazard ratios).
    """
    everyone = np.ones(len(result.follow_up), dtype=bool)
    names = result.arms
    out: dict[str, Any] = {
        "trial": result.trial.name,
        "patients": int(everyone.sum()),
        "repeats": result.trial.repeats,
        "failed": len({f["patient"] for f in result.failures}),
        "after_progression": result.trial.after_progression,
        "posterior": "" if result.trial.posterior is None else result.trial.posterior.name,
        "arms": {name: arm_summary(result, name, everyone) for name in names},
        "contrasts": {f"{b} vs {a}": contrast(result, a, b, everyone) for a, b in pairs(names)},
        "paired": {f"{b} vs {a}": paired(result, a, b) for a, b in pairs(names)},
    }
    found = {f"{b} vs {a}": benefit_of(result, a, b) for a, b in pairs(names)}
    out["benefit"] = {name: one.as_dict() for name, one in found.items() if one is not None}
    ruled = {f"{b} vs {a}": choice_of(result, a, b) for a, b in pairs(names)}
    out["choice"] = {name: one.as_dict() for name, one in ruled.items() if one is not None}
    among = best_arms(result)
    if among is not None:
        out["best_arms"] = among.as_dict()
    if result.trial.repeats > 1:
        out["over_repeats"] = _over_repeats(result)
    return out


def pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Every arm against the first, and each against the one before it."""
    found = [(names[0], other) for other in names[1:]]
    return found + [(a, b) for a, b in zip(names[1:], names[2:], strict=False)]


def arm_summary(result: TrialResult, arm: str, who: np.ndarray) -> dict[str, Any]:
    """Endpoints of the patients `who` (P, bool) of an arm, as the trial records them."""
    out: dict[str, Any] = {"n": int(who.sum())}
    for endpoint in ("pfs", "ttp", "tace_pfs", "untaceable", "os"):
        time, event = (a[who] for a in result.seen(arm, endpoint))
        curve = curve_of(time, event)
        middle = [v / DAYS_PER_MONTH for v in curve.median()]
        out |= {
            f"{endpoint}_events": int(event.sum()),
            f"{endpoint}_median": middle[0],
            f"{endpoint}_median_ci95": middle[1:],
        }
        for month in RATES.get(endpoint, ()):
            rate = curve.at(month * DAYS_PER_MONTH)
            out |= {f"{endpoint}_rate_{month}": rate[0], f"{endpoint}_rate_{month}_ci95": list(rate[1:])}
    for criterion in CRITERIA:
        for kind in ("orr", "cr", "dcr"):
            out[f"{kind}_{criterion}"] = float(result.responded(arm, f"{kind}_{criterion}")[who].mean())
    own = result.trial.arms[0].scenario.imaging.criterion
    out |= {"orr": out[f"orr_{own}"], "cr": out[f"cr_{own}"], "criterion": own}
    out["orr_ci95"] = list(wilson(out["orr"], out["n"]))
    out["depth_median"] = _middle(result.column(arm, "depth")[who])
    answered = result.responded(arm, f"orr_{own}") & who
    out["dor_median"] = _duration(result, arm, answered)
    pattern = _pattern(result, arm)[who]
    out |= {f"first_pd_{name}": float(np.mean(pattern == name)) for name in PATTERNS}
    fit = result.column(arm, "resectable").astype(bool)[who]
    day = result.since_entry(arm, "resectable_day")[who]
    out |= {"resectable": float(fit.mean()), "resectable_at_entry": float((day <= 0).mean())}
    later = day[fit & (day > 0) & (day <= result.follow_up[who])]
    out |= {"converted": float(len(later) / len(day)), "converted_day_median": _middle(later)}
    out |= conversion_of(result, arm, who).as_dict()
    out["n_tace_mean"] = float(result.column(arm, "n_tace")[who].mean())
    out |= _liver_and_afp(result, arm, who)
    return out


def wilson(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson's, by SciPy)."""
    from scipy import stats

    found = stats.binomtest(round(share * n), n).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def _liver_and_afp(result: TrialResult, arm: str, who: np.ndarray) -> dict[str, float]:
    """Change of ALBI and Child-Pugh points at three and six months, and AFP response at one and three, of those alive
    then.  AFP without tumour cannot fall, so only patients above `AFP_ELEVATED` at entry count; `afp_elevated` is their
    share.
    """
    out = {}
    death = np.where(result.column(arm, "os_event").astype(bool), result.column(arm, "os"), math.inf)
    first = result.rows[arm][0] if len(result.rows[arm]) else {}
    for day in (90, 180):
        there = who & (death > day)
        for name, start in (("albi", "albi"), ("child_pugh", "child_pugh_points")):
            if f"{name}_d{day}" in first and there.any():
                entry = np.array([v[start] for v in result.values], dtype=np.float64)
                out[f"{name}_change_d{day}"] = float(np.mean((result.column(arm, f"{name}_d{day}") - entry)[there]))
    days = [day for day in (28, 90) if f"afp_ratio_d{day}" in first]
    if days and "afp" in result.at_entry:
        elevated = result.at_entry["afp"] > AFP_ELEVATED
        out["afp_elevated"] = float(np.mean(elevated[who]))
        for day in days:
            fell = result.column(arm, f"afp_ratio_d{day}")[who & elevated & (death > day)] < AFP_RESPONSE
            if len(fell):
                out[f"afp_response_d{day}"] = float(np.mean(fell))
    return out


def _duration(result: TrialResult, arm: str, who: np.ndarray) -> float:
    """Median duration of response in months (Kaplan-Meier), NaN without responders."""
    if not who.any():
        return math.nan
    time, event = result.seen(arm, "pfs")
    start = result.since_entry(arm, "pfs") - result.column(arm, "dor")
    return curve_of(np.maximum(time - start, 0.0)[who], event[who]).median()[0] / DAYS_PER_MONTH


def _pattern(result: TrialResult, arm: str) -> np.ndarray:
    """What first progression was, of those whose progression or death was seen; empty text of the others."""
    return np.where(result.seen(arm, "pfs")[1], result.column(arm, "first_pd").astype(str), "")


def _middle(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else math.nan


def contrast(result: TrialResult, first: str, second: str, who: np.ndarray) -> dict[str, Any]:
    """Hazard ratios of `second` over `first`, whether they are proportional, and the difference of response rates.

    The arms are taken as independent, as a trial must; patients being identical, the interval is on the safe side.
    """
    out: dict[str, Any] = {}
    for endpoint in ("pfs", "os"):
        a, b = (tuple(x[who] for x in result.seen(arm, endpoint)) for arm in (first, second))
        ratio = hazard_ratio(a, b)
        kept = proportional(a, b)
        out |= {
            f"{endpoint}_hr": ratio.value,
            f"{endpoint}_hr_ci95": [ratio.low, ratio.high],
            f"{endpoint}_logrank_p": ratio.logrank,
            f"{endpoint}_nonproportional_p": kept["p"],
            f"{endpoint}_hr_early": kept["early"],
            f"{endpoint}_hr_late": kept["late"],
            f"{endpoint}_hr_cut": kept["cut"] / DAYS_PER_MONTH,
        }
    own = result.trial.arms[0].scenario.imaging.criterion
    rates = [result.responded(arm, f"orr_{own}")[who].mean() for arm in (first, second)]
    out["orr_difference"] = float(rates[1] - rates[0])
    return out


def paired(result: TrialResult, first: str, second: str) -> dict[str, Any]:
    """Differences between two arms in the same patients: mean gain with its interval, who gains, who loses.

    Times are cut at the end of the simulation, so gains are restricted means (months).
    """
    from scipy import stats

    out: dict[str, Any] = {}
    for endpoint in ("pfs", "os"):
        gain = result.gains(first, second, endpoint) / DAYS_PER_MONTH
        half = stats.sem(gain) * stats.t.ppf(0.975, len(gain) - 1) if len(gain) > 1 else math.nan
        mean = float(gain.mean())
        out[endpoint] = {
            "mean_gain": mean,
            "mean_gain_ci95": [mean - half, mean + half],
            "median_gain": _middle(gain),
            "gain_quartiles": [float(q) for q in np.quantile(gain, (0.25, 0.75))],
            "better": float((gain > 0.25).mean()),
            "worse": float((gain < -0.25).mean()),
        }
    return out


def _over_repeats(result: TrialResult) -> dict[str, Any]:
    """Median and 80 % range over repeats of what each repeat on its own would have reported."""
    repeat = result.repeat
    kept: dict[str, dict[str, list[float]]] = {}
    for r in range(result.trial.repeats):
        who = repeat == r
        if not who.any():
            continue
        for arm in result.arms:
            _collect(kept.setdefault(arm, {}), arm_summary(result, arm, who))
        for a, b in pairs(result.arms):
            _collect(kept.setdefault(f"{b} vs {a}", {}), contrast(result, a, b, who))
    return {
        name: {
            key: {"median": _middle(np.array(values)), "range80": [float(q) for q in np.quantile(values, (0.1, 0.9))]}
            for key, values in numbers.items()
            if np.isfinite(values).all()
        }
        for name, numbers in kept.items()
    }


def _collect(kept: dict[str, list[float]], found: dict[str, Any]) -> None:
    for key, value in found.items():
        if isinstance(value, float) and not key.endswith("_p"):
            kept.setdefault(key, []).append(value)
