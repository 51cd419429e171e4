"""What a calibration tells of itself: parameters, targets against the members' own runs, recovery, convergence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tme_sim.fit.choose import Choice
from tme_sim.fit.likelihood import log_likelihood
from tme_sim.fit.sampler import Sample, smc
from tme_sim.fit.targets import FitProblem, shown
from tme_sim.priors import Priors, generator
from tme_sim.shares import mean_and_error

__all__ = ["COUNTED", "board", "converged", "parameters", "recovery", "span", "surprises"]

MIXED = 1.1  # split R-hat of independent samplers at most
COUNTED = 0.25  # share of members that must count before weights are flattened, at least
HELD = (0.65, 0.92)  # share of truths that 80 % intervals may hold over synthetic data sets
STRANGE = 3.0  # a regression that is so many of its own errors off was not to be believed


def surprises(problem: FitProblem, wave: Any, emulators: Sequence[Any], places: Sequence[int]) -> dict[str, float]:
    """How far each fitted target of a wave lies from what the regressions before it foretold: the gap of the means over
    the noise of the observation and of the wave's own few patients."""
    out = {}
    for i, target in enumerate(problem.targets):
        y = wave.rows[target.arm].y[:, problem.of_arm(target.arm).index(i)]
        good = np.isfinite(y)
        if target.role != "fit" or good.sum() < 2:
            continue
        foretold, doubt = emulators[i](wave.scores[good][:, list(places)])
        own = math.hypot(float(y[good].std()) / math.sqrt(good.sum()), float(doubt.mean()))
        out[target.name] = round(abs(float(y[good].mean() - foretold.mean())) / math.hypot(target.noise, own), 3)
    return out


def converged(
    mixed: Mapping[str, float], members: Mapping[str, float], told: Mapping[str, Any], history: Sequence[Mapping]
) -> dict[str, Any]:
    """Whether a posterior can be believed, and each reason against it in words.

    Args:
        mixed: split R-hat by parameter.
        members: how many there are, and how many count (`effective`) once their own runs mended the regressions.
        told: :func:`recovery`.
        history: :func:`surprises` of each wave after the first; the last is that of the members.
    """
    against = [f"samplers disagree on {n}: R-hat {v:.2f}, above {MIXED:g}" for n, v in mixed.items() if v > MIXED]
    if members["effective"] < COUNTED * members["members"]:
        against.append(f"the members' own runs leave {members['effective']:.1f} of {members['members']} that count")
    if not HELD[0] <= told["held_by_80"] <= HELD[1]:
        against.append(f"80 % intervals hold {100 * told['held_by_80']:.0f} % of the truths of synthetic data")
    against += [f"regressions were {v:.1f} errors off the members' own runs in {n}"
                for n, v in (history[-1] if history else {}).items() if v > STRANGE]  # fmt: skip
    return {"all": not against, "against": against}


def parameters(problem: FitProblem, choice: Choice, samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Priors of all candidates, and what became of those fitted."""
    pool = np.concatenate([s.scores for s in samples])
    priors, out = problem.priors, []
    spans = priors.quantile(np.array([[0.05], [0.5], [0.95]]) * np.ones((1, len(priors.names))))
    prior_values = priors.values(spans)
    for i, name in enumerate(priors.names):
        told = {"name": name, "unit": problem.units[i], "centre": float(priors.centre[i]), "low": float(priors.low[i]),
                "high": float(priors.high[i]), "log": bool(priors.log[i]), "fitted": i in choice.places,
                "variance_taken": round(float(choice.reduction[i]), 4), "source": problem.sources.get(name, ""),
                "prior_5_50_95": [shown(problem, i, v) for v in prior_values[:, i]]}  # fmt: skip
        if i in choice.places:
            scores = pool[:, choice.places.index(i)]
            full = np.tile(np.zeros(len(priors.names)), (3, 1))
            full[:, i] = np.quantile(scores, [0.05, 0.5, 0.95])
            told["posterior_5_50_95"] = [shown(problem, i, v) for v in priors.values(full)[:, i]]
            told["sd_over_prior"] = round(float(scores.std() / priors.draw(4096, 1)[:, i].std()), 3)
        out.append(told)
    return out


def board(
    problem: FitProblem,
    waves: Sequence[Any],
    emulators: Sequence[Any],
    nuisance: np.ndarray,
    samples: Sequence[Sample],
    weights: np.ndarray,
) -> list[dict[str, Any]]:
    """Every target against the prior's runs and the members' own runs: the posterior predictive check.

    `predictive_5_95` is where an observation would lie in nine of ten trials of the target's own size, were the members
    true; `p` is how often one would lie farther off than what was observed.
    """
    out = []
    scores = np.concatenate([s.scores for s in samples])
    per = problem.settings.patients
    for i, target in enumerate(problem.targets):
        column = problem.of_arm(target.arm).index(i)
        first, last = waves[0].rows[target.arm].y[:, column], waves[-1].rows[target.arm].y[:, column]
        good = np.isfinite(last)
        w = np.repeat(weights, per)[good]
        mean, error = mean_and_error(last[good], w, target.statistic)
        emulated_at = emulators[i](scores)[0]
        spread = float(emulated_at.std())
        emulated = float(emulated_at.mean())
        total = float(np.sqrt(target.noise**2 + error**2 + spread**2 + nuisance[i] ** 2))
        z = (target.value - mean) / total
        out.append({
            "name": target.name, "order": target.order, "arm": target.arm, "role": target.role,
            "observed": target.value, "observed_sd": round(target.noise, 4),
            "prior": round(float(np.nanmean(first)), 4),
            "posterior": round(mean, 4), "simulation_error": round(error, 4), "parameter_sd": round(spread, 4),
            "left_out_sd": round(float(nuisance[i]), 4), "regression": round(emulated, 4), "z": round(float(z), 3),
            "predictive_5_95": span(mean, total, target.statistic),
            "p": round(math.erfc(abs(float(z)) / math.sqrt(2.0)), 4) if math.isfinite(z) else None,
            "within_2": bool(abs(z) <= 2.0), "runs": int(good.sum()), "source": target.source, "note": target.note,
            "board": target.board,
        })  # fmt: skip
    return out


def span(mean: float, sd: float, statistic: str) -> list[float]:
    """Where nine of ten lie, of shares between 0 and 1."""
    low, high = mean - 1.645 * sd, mean + 1.645 * sd
    if statistic != "mean_log":
        low, high = max(low, 0.0), min(high, 1.0)
    return [round(low, 4), round(high, 4)]


def recovery(
    problem: FitProblem, emulators: Sequence[Any], nuisance: np.ndarray, inner: Priors
) -> dict[str, Any]:
    """Synthetic data from known parameters, fitted back through the regressions: how often 80 % intervals hold the
    truth, and how well posterior means follow it (correlation), by parameter."""
    used = [i for i, t in enumerate(problem.targets) if t.role == "fit"]
    rng, held, means, truths = generator(problem.settings.seed, 31), [], [], inner.draw(problem.settings.recoveries, 77)
    for r, truth in enumerate(truths):
        values = {}
        for i in used:
            mean, sd = emulators[i](truth[None])
            values[i] = float(mean[0]) + float(np.sqrt(problem.targets[i].noise ** 2 + sd[0] ** 2 + nuisance[i] ** 2)
                                               ) * float(rng.standard_normal())  # fmt: skip

        likelihood = log_likelihood(problem, emulators, nuisance, values)
        draws = smc(likelihood, inner, n=300, seed=5000 + r, sweeps=8).scores
        low, high = np.quantile(draws, [0.1, 0.9], axis=0)
        held.append((truth >= low) & (truth <= high))
        means.append(draws.mean(axis=0))
    follow = [float(np.corrcoef(truths[:, j], np.array(means)[:, j])[0, 1]) for j in range(truths.shape[1])]
    return {"synthetic_sets": len(truths), "held_by_80": round(float(np.mean(held)), 3),
            "held_by_80_by_parameter": dict(zip(inner.names, np.mean(held, axis=0).round(3).tolist(), strict=True)),
            "correlation": dict(zip(inner.names, np.round(follow, 3).tolist(), strict=True))}  # fmt: skip
