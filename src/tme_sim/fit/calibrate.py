"""A calibration from first run to posterior file.

Waves: runs whose parameters come from the prior; choice of parameters; runs from the posterior of the regressions so
far; members of the ensemble, simulated again on the model.  What is left of the regressions in the result is told:
members are weighted by the regressions that their own runs have mended, and every target is compared with the members'
own runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tme_sim.diagnostics import InputError, Problem
from tme_sim.fit.choose import DOUBT, Choice, choose
from tme_sim.fit.design import Rows, simulate_pairs
from tme_sim.fit.emulator import Emulator, fit_emulator
from tme_sim.fit.posterior import FORMAT, model_digest, posterior_text
from tme_sim.fit.sampler import Priors, Sample, effective_size, r_hat, smc
from tme_sim.fit.targets import FitProblem, shown
from tme_sim.results import json_text, write_file

__all__ = ["Result", "calibrate"]

FEASIBLE = 0.2  # least share of runs of an arm that the model can do
DOUBTED = 0.1  # sd of the share of runs that can be done, around all of them: patients of a cohort do exist
Simulate = Callable[[str, np.ndarray, Sequence[int], str], Rows]


@dataclass(frozen=True)
class Result:
    """What a calibration found: content of the posterior file, and the regressions behind it."""

    data: dict[str, Any]
    choice: Choice
    emulators: tuple[Emulator, ...]
    sample: Sample


@dataclass(frozen=True)
class _Wave:
    scores: np.ndarray
    patients: np.ndarray
    rows: dict[str, Rows]


def calibrate(
    problem: FitProblem,
    out: str | Path | None = None,
    *,
    announce: Callable[[str], None] | None = None,
    simulate: Simulate | None = None,
    threads: int | None = 1,
) -> Result:
    """Fit a problem; with a folder, runs are kept there as they come, and those found there are not done again.

    Args:
        simulate: in place of the model, for tests: (arm, scores, patients, label) to :class:`Rows`.

    Raises:
        InputError: a folder of another fit, an arm that the model cannot do for most draws, a target without patients.
    """
    folder = None if out is None else _folder(Path(out), problem)

    def on_model(arm, scores, patients, label):
        return simulate_pairs(problem, arm, scores, patients, folder=folder, label=label, announce=announce,
                              threads=threads)  # fmt: skip

    run, s, priors = simulate or on_model, problem.settings, problem.priors
    waves = [_wave(problem, run, "prior", priors.draw(s.pairs, s.seed), 0)]
    choice, nuisance = _chosen(problem, waves)
    if not choice.places:
        raise InputError(Problem(problem.name, "target", (
            f"no target says enough of any parameter (run.least = {s.least:g}); more runs (run.pairs) or other targets "
            "are needed")))  # fmt: skip
    inner = priors.chosen(choice.places)
    samples, emulators = _sampled(problem, waves, choice, nuisance, inner)
    for number in range(s.waves):
        scores = _filled(problem, choice, samples[0], s.later, 10 + number)
        waves.append(_wave(problem, run, f"later{number + 1}", scores, 100_000 * (number + 1)))
        samples, emulators = _sampled(problem, waves, choice, nuisance, inner)
    members = _filled(problem, choice, samples[0], s.draws, 90)
    before = _log_likelihood(problem, emulators, nuisance)(members[:, choice.places])
    waves.append(_wave(problem, run, "members", np.repeat(members, s.patients, axis=0), 9_000_000))
    samples, emulators = _sampled(problem, waves, choice, nuisance, inner)
    after = _log_likelihood(problem, emulators, nuisance)(members[:, choice.places])
    weights = tempered(after - before)
    data = _data(problem, waves, choice, nuisance, samples, emulators, members, weights, after - before)
    if out is not None:
        write_file(Path(out) / "posterior.json", posterior_text(data).encode())
    return Result(data, choice, tuple(emulators), samples[0])


def _folder(out: Path, problem: FitProblem) -> Path:
    """The folder of runs, made or found; one of another fit is refused."""
    facts = {"problem": problem.digest, "model_digest": model_digest(problem.catalogue.own), "name": problem.name}
    path = out / "calibration.json"
    if path.exists():
        try:
            found = json.loads(path.read_bytes())
        except ValueError:
            found = {}
        if found != facts:
            raise InputError(Problem(str(out), "", (
                "holds a calibration of another file, model or setting; choose another --out")))  # fmt: skip
    elif out.exists() and any(out.iterdir()):
        raise InputError(Problem(str(out), "", "is not empty and holds no calibration; choose another --out"))
    (out / "runs").mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_file(path, json_text(facts).encode())
    return out / "runs"


def _wave(problem: FitProblem, run: Simulate, label: str, scores: np.ndarray, first: int) -> _Wave:
    patients = np.arange(first, first + len(scores))
    rows = {arm.name: run(arm.name, scores, patients, label) for arm in problem.arms if problem.of_arm(arm.name)}
    for name, one in rows.items():
        share = float(one.good.mean())
        if share < FEASIBLE and label == "prior":
            message = next((m for m in one.messages if m), "no message")
            raise InputError(Problem(problem.name, f"arm {name}", (
                f"only {100 * share:.0f} % of its runs can be done, so the cohort and the parameter ranges do not go "
                f"together; the first failure: {message}")))  # fmt: skip
    return _Wave(scores, patients, rows)


def _together(problem: FitProblem, waves: Sequence[_Wave], place: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores [n, k] and contributions (n) of all runs so far to a target."""
    target = problem.targets[place]
    column = problem.of_arm(target.arm).index(place)
    return (np.concatenate([w.scores for w in waves]),
            np.concatenate([w.rows[target.arm].y[:, column] for w in waves]))  # fmt: skip


def _regressed(problem, waves, place, columns, squares) -> Emulator:
    target = problem.targets[place]
    scores, y = _together(problem, waves, place)
    try:
        return fit_emulator(scores[:, columns], y, logit=target.statistic != "mean_log", squares=squares)
    except ValueError as error:
        raise InputError(Problem(problem.name, f"target {target.name}", (
            f"has too few simulated patients: {error}. Widen `where`, or raise run.pairs"))) from None  # fmt: skip


def _chosen(problem: FitProblem, waves: Sequence[_Wave]) -> tuple[Choice, np.ndarray]:
    """What is fitted, and how much the parameters left out move each target (sd, by target)."""
    k = len(problem.priors.names)
    slopes, errors = np.zeros((len(problem.targets), k)), np.zeros((len(problem.targets), k))
    for i in range(len(problem.targets)):
        slopes[i], errors[i] = _regressed(problem, waves, i, list(range(k)), False).slopes()
    noise = np.array([t.noise if t.role == "fit" else np.inf for t in problem.targets])
    choice = choose(slopes, errors, noise, most=problem.settings.most, least=problem.settings.least)
    rest = [i for i in range(k) if i not in choice.places]
    believed = np.clip(slopes[:, rest] ** 2 - (DOUBT * errors[:, rest]) ** 2, 0.0, None)
    return choice, np.sqrt(believed.sum(axis=1))


def _log_likelihood(problem: FitProblem, emulators: Sequence[Emulator], nuisance: np.ndarray):
    """Log likelihood of scores of the chosen parameters: normal, with the noise of observation and of regression.

    The last regression is of whether a run can be done: vectors under which patients cannot exist count little.
    """
    used = [i for i, t in enumerate(problem.targets) if t.role == "fit"]

    def of(scores: np.ndarray) -> np.ndarray:
        total = -0.5 * ((1.0 - emulators[-1](scores)[0]) / DOUBTED) ** 2
        for i in used:
            mean, sd = emulators[i](scores)
            variance = problem.targets[i].noise ** 2 + sd**2 + nuisance[i] ** 2
            total += -0.5 * (problem.targets[i].value - mean) ** 2 / variance - 0.5 * np.log(variance)
        return total

    return of


def _sampled(problem, waves, choice: Choice, nuisance, inner: Priors) -> tuple[list[Sample], list[Emulator]]:
    emulators = [_regressed(problem, waves, i, list(choice.places), True) for i in range(len(problem.targets))]
    done = [(w.scores, rows.good) for w in waves for rows in w.rows.values()]
    emulators.append(fit_emulator(np.concatenate([d[0] for d in done])[:, choice.places],
                                  np.concatenate([d[1] for d in done]).astype(np.float64), logit=True))  # fmt: skip
    s = problem.settings
    likelihood = _log_likelihood(problem, emulators, nuisance)
    return [smc(likelihood, inner, n=s.particles, seed=s.seed + 1000 * c) for c in range(s.chains)], emulators


def _filled(problem: FitProblem, choice: Choice, sample: Sample, n: int, stream: int) -> np.ndarray:
    """`n` full vectors of scores: those fitted from the sample, the others from their priors."""
    scores = problem.priors.draw(n, problem.settings.seed + stream)
    at = np.linspace(0, len(sample.scores) - 1, n).round().astype(np.int64)
    scores[:, choice.places] = sample.scores[at]
    return scores


def tempered(change: np.ndarray, least: float = 0.5) -> np.ndarray:
    """Weights (members) from what mended regressions change in the log likelihood, flattened until at least the share
    `least` of the members counts: rough regressions must not make a few members stand for all.
    """
    low, high = 0.0, 1.0
    if effective_size(change) < least * len(change):
        for _ in range(50):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if effective_size(middle * change) >= least * len(change) else (low, middle)
        high = low
    weights = np.exp(high * (change - change.max()))
    return weights / weights.sum()


def _data(problem, waves, choice, nuisance, samples, emulators, members, weights, change) -> dict[str, Any]:
    from tme_sim import __version__

    inner = problem.priors.chosen(choice.places)
    chains = np.stack([s.scores for s in samples])
    sizes = {arm.name: sum(len(w.scores) for w in waves) for arm in problem.arms if problem.of_arm(arm.name)}
    failed = {
        name: {"share": float(1 - np.concatenate([w.rows[name].good for w in waves]).mean()),
               "example": next((m for w in waves for m, ok in zip(w.rows[name].messages, w.rows[name].good, strict=True)
                                if not ok), "")}
        for name in sizes
    }  # fmt: skip
    recovery = _recovery(problem, emulators, nuisance, inner)
    return {
        "format": FORMAT,
        "name": problem.name,
        "version": __version__,
        "model_digest": model_digest(problem.catalogue.own if problem.catalogue is not None else None),
        "problem_digest": problem.digest,
        "parameters": _parameters(problem, choice, samples[0]),
        "members": {"scores": members.round(9).tolist(), "weights": weights.round(9).tolist()},
        "targets": _board(problem, waves, emulators, nuisance, samples[0], weights),
        "information": {
            problem.targets[i].name: {
                problem.priors.names[j]: round(float(choice.information[i, j]), 4)
                for j in np.argsort(-choice.information[i])[:6] if choice.information[i, j] > 0.01
            }
            for i in range(len(problem.targets)) if problem.targets[i].role == "fit"
        },
        "diagnostics": {
            "r_hat": dict(zip(inner.names, r_hat(chains).round(4).tolist(), strict=True)),
            "smallest_effective_size": round(min(min(s.sizes) for s in samples), 1),
            "temperatures": len(samples[0].temperatures) - 1,
            "acceptance": [round(a, 3) for a in samples[0].accepted],
            "moved": [round(a, 3) for a in samples[0].moved],
            "log_evidence": [round(s.evidence, 3) for s in samples],
            "members_effective_size": round(effective_size(np.log(np.maximum(weights, 1e-300))), 1),
            "members_effective_size_untempered": round(effective_size(change), 1),
            "recovery": recovery,
        },
        "size": {"runs_per_arm": sizes, "members": len(members), "patients_per_member": problem.settings.patients,
                 "waves": len(waves), "runs": sum(sizes.values())},
        "failed": failed,
    }  # fmt: skip


def _parameters(problem: FitProblem, choice: Choice, sample: Sample) -> list[dict[str, Any]]:
    priors, out = problem.priors, []
    spans = priors.quantile(np.array([[0.05], [0.5], [0.95]]) * np.ones((1, len(priors.names))))
    prior_values = priors.values(spans)
    for i, name in enumerate(priors.names):
        told = {"name": name, "unit": problem.units[i], "centre": float(priors.centre[i]), "low": float(priors.low[i]),
                "high": float(priors.high[i]), "log": bool(priors.log[i]), "fitted": i in choice.places,
                "variance_taken": round(float(choice.reduction[i]), 4), "source": problem.sources.get(name, ""),
                "prior_5_50_95": [shown(problem, i, v) for v in prior_values[:, i]]}  # fmt: skip
        if i in choice.places:
            scores = sample.scores[:, choice.places.index(i)]
            full = np.tile(np.zeros(len(priors.names)), (3, 1))
            full[:, i] = np.quantile(scores, [0.05, 0.5, 0.95])
            told["posterior_5_50_95"] = [shown(problem, i, v) for v in priors.values(full)[:, i]]
            told["sd_over_prior"] = round(float(scores.std() / priors.draw(4096, 1)[:, i].std()), 3)
        out.append(told)
    return out


def _board(problem, waves, emulators, nuisance, sample, weights) -> list[dict[str, Any]]:
    """Every target against the prior's runs and the members' own runs."""
    out = []
    per = problem.settings.patients
    for i, target in enumerate(problem.targets):
        column = problem.of_arm(target.arm).index(i)
        first, last = waves[0].rows[target.arm].y[:, column], waves[-1].rows[target.arm].y[:, column]
        good = np.isfinite(last)
        w = np.repeat(weights, per)[good]
        mean = float((w * last[good]).sum() / w.sum()) if good.any() and w.sum() > 0 else float("nan")
        error = float(np.sqrt((w**2 * (last[good] - mean) ** 2).sum()) / w.sum()) if good.any() else float("nan")
        spread = float(emulators[i](sample.scores)[0].std())
        emulated = float(emulators[i](sample.scores)[0].mean())
        total = float(np.sqrt(target.noise**2 + error**2 + spread**2 + nuisance[i] ** 2))
        z = (target.value - mean) / total
        out.append({
            "name": target.name, "order": target.order, "arm": target.arm, "role": target.role,
            "observed": target.value, "observed_sd": round(target.noise, 4),
            "prior": round(float(np.nanmean(first)), 4),
            "posterior": round(mean, 4), "simulation_error": round(error, 4), "parameter_sd": round(spread, 4),
            "left_out_sd": round(float(nuisance[i]), 4), "regression": round(emulated, 4), "z": round(float(z), 3),
            "within_2": bool(abs(z) <= 2.0), "runs": int(good.sum()), "source": target.source, "note": target.note,
        })  # fmt: skip
    return out


def _recovery(problem, emulators, nuisance, inner: Priors) -> dict[str, Any]:
    """Synthetic data from known parameters, fitted back through the regressions: how often 80 % intervals hold the
    truth, and how well posterior means follow it (correlation), by parameter."""
    from tme_sim.fit.sampler import generator

    used = [i for i, t in enumerate(problem.targets) if t.role == "fit"]
    rng, held, means, truths = generator(problem.settings.seed, 31), [], [], inner.draw(problem.settings.recoveries, 77)
    for r, truth in enumerate(truths):
        values = {}
        for i in used:
            mean, sd = emulators[i](truth[None])
            values[i] = float(mean[0]) + float(np.sqrt(problem.targets[i].noise ** 2 + sd[0] ** 2 + nuisance[i] ** 2)
                                               ) * float(rng.standard_normal())  # fmt: skip

        def likelihood(scores, values=values):
            total = -0.5 * ((1.0 - emulators[-1](scores)[0]) / DOUBTED) ** 2
            for i in used:
                mean, sd = emulators[i](scores)
                variance = problem.targets[i].noise ** 2 + sd**2 + nuisance[i] ** 2
                total += -0.5 * (values[i] - mean) ** 2 / variance - 0.5 * np.log(variance)
            return total

        draws = smc(likelihood, inner, n=300, seed=5000 + r, sweeps=8).scores
        low, high = np.quantile(draws, [0.1, 0.9], axis=0)
        held.append((truth >= low) & (truth <= high))
        means.append(draws.mean(axis=0))
    follow = [float(np.corrcoef(truths[:, j], np.array(means)[:, j])[0, 1]) for j in range(truths.shape[1])]
    return {"synthetic_sets": len(truths), "held_by_80": round(float(np.mean(held)), 3),
            "held_by_80_by_parameter": dict(zip(inner.names, np.mean(held, axis=0).round(3).tolist(), strict=True)),
            "correlation": dict(zip(inner.names, np.round(follow, 3).tolist(), strict=True))}  # fmt: skip
