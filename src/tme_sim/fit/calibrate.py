"""A calibration from first run to posterior file.

Waves: runs whose parameters come from the prior; choice of parameters; runs from the posterior of the regressions so
far, until these foretell a wave or there were as many as allowed; members of the ensemble, simulated again on the
model, and drawn anew where few of them count then.  What is left of the regressions in the result is told: members are
weighted by the regressions that their own runs have mended, and every target is compared with the members' own runs.
Nothing is decided by hand, and the same file gives the same posterior, however often the fit was stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tme_sim.diagnostics import InputError, Problem
from tme_sim.disk import write_file
from tme_sim.fit.checks import COUNTED, board, converged, parameters, recovery, surprises
from tme_sim.fit.choose import DOUBT, Choice, choose
from tme_sim.fit.design import Rows, simulate_pairs
from tme_sim.fit.emulator import Emulator, fit_emulator
from tme_sim.fit.likelihood import log_likelihood
from tme_sim.fit.regressions import REGRESSIONS, regressions
from tme_sim.fit.runs import RunStore
from tme_sim.fit.sampler import Sample, effective_size, r_hat, smc
from tme_sim.fit.targets import FitProblem
from tme_sim.formats import json_text
from tme_sim.posterior import FORMAT, posterior_text
from tme_sim.priors import Priors

__all__ = ["Result", "calibrate"]

FEASIBLE = 0.2  # least share of runs of an arm that the model can do
FORETOLD = 1.0  # a wave is foretold if no fitted target lies farther from its regression, in units of its noise
SWEEPS, SETTLE = 16, 80  # moves of the last sampling: at every temperature, and at the end
Simulate = Callable[[str, np.ndarray, Sequence[int], str], Rows]


@dataclass(frozen=True)
class Result:
    """What a calibration found: content of the posterior file, and the regressions behind it."""

    data: dict[str, Any]
    choice: Choice
    emulators: tuple[Emulator, ...]
    sample: Sample


@dataclass(frozen=True)
class Wave:
    """Runs of every arm with the same scores [n, k] and patients (n)."""

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
    if simulate is not None:
        return _calibrate(problem, simulate, out)
    own = problem.catalogue.own if problem.catalogue is not None else None
    with nullcontext() if out is None else RunStore(_folder(Path(out), problem, announce), own) as store:

        def on_model(arm, scores, patients, label):
            return simulate_pairs(problem, arm, scores, patients, store=store, label=label, announce=announce,
                                  threads=threads)  # fmt: skip

        return _calibrate(problem, on_model, out)


def _calibrate(problem: FitProblem, run: Simulate, out: str | Path | None) -> Result:
    s, priors = problem.settings, problem.priors
    waves = [_wave(problem, run, "prior", priors.draw(s.pairs, s.seed), 0)]
    choice, nuisance = _chosen(problem, waves)
    if not choice.places:
        raise InputError(Problem(problem.name, "target", (
            f"no target says enough of any parameter (run.least = {s.least:g}); more runs (run.pairs) or other targets "
            "are needed")))  # fmt: skip
    inner = priors.chosen(choice.places)
    history = []
    samples, emulators = _sampled(problem, waves, choice, nuisance, inner, quick=True)
    for number in range(s.waves):
        scores = _filled(problem, choice, samples[:1], s.later, 10 + number)
        waves.append(_wave(problem, run, f"later{number + 1}", scores, 100_000 * (number + 1)))
        history.append(surprises(problem, waves[-1], emulators, choice.places))
        samples, emulators = _sampled(problem, waves, choice, nuisance, inner, quick=True)
        if max(history[-1].values(), default=0.0) <= FORETOLD:
            break
    samples, emulators = _sampled(problem, waves, choice, nuisance, inner)
    for number in range(1 + s.waves):  # members of whom few count tell the regressions enough for better ones
        members = _filled(problem, choice, samples, s.draws, 90 + number)
        before = log_likelihood(problem, emulators, nuisance)(members[:, choice.places])
        again = f"members{number + 1}" if number else "members"
        scores = np.repeat(members, s.patients, axis=0)
        waves.append(_wave(problem, run, again, scores, 9_000_000 + 100_000 * number))
        history.append(surprises(problem, waves[-1], emulators, choice.places))
        samples, emulators = _sampled(problem, waves, choice, nuisance, inner)
        change = log_likelihood(problem, emulators, nuisance)(members[:, choice.places]) - before
        if effective_size(change) >= COUNTED * s.draws:
            break
    weights = tempered(change)
    data = _data(problem, waves, choice, nuisance, samples, emulators, members, weights, change, history)
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        write_file(Path(out) / REGRESSIONS, json_text(regressions(problem, choice, emulators, nuisance)).encode())
        write_file(Path(out) / "posterior.json", posterior_text(data).encode())
    return Result(data, choice, tuple(emulators), samples[0])


def _folder(out: Path, problem: FitProblem, announce: Callable[[str], None] | None) -> Path:
    """The folder of runs, made or found; one of another fit is refused, one of an earlier state of the file is used."""
    if out.exists() and not out.is_dir():
        raise InputError(Problem(str(out), "", "exists and is no folder; choose another --out"))
    facts = {"name": problem.name, "model_digest": problem.model_digest, "problem": problem.digest}
    path = out / "calibration.json"
    if path.exists():
        try:
            found = json.loads(path.read_bytes())
        except ValueError:
            found = {}
        same = isinstance(found, dict) and all(found.get(k) == facts[k] for k in ("name", "model_digest"))
        if not same:
            raise InputError(Problem(str(out), "", (
                "holds a calibration of another file or model; choose another --out")))  # fmt: skip
        if found["problem"] != facts["problem"] and announce is not None:
            announce(f"{problem.name} has changed since {out} was made: runs that are still asked for are used again")
    elif out.exists() and any(out.iterdir()):
        raise InputError(Problem(str(out), "", "is not empty and holds no calibration; choose another --out"))
    out.mkdir(parents=True, exist_ok=True)
    write_file(path, json_text(facts).encode())
    return out / "runs"


def _wave(problem: FitProblem, run: Simulate, label: str, scores: np.ndarray, first: int) -> Wave:
    patients = np.arange(first, first + len(scores))
    rows = {arm.name: run(arm.name, scores, patients, label) for arm in problem.arms if problem.of_arm(arm.name)}
    for name, one in rows.items():
        share = float(one.good.mean())
        if share < FEASIBLE and label == "prior":
            message = next((m for m in one.messages if m), "no message")
            raise InputError(Problem(problem.name, f"arm {name}", (
                f"only {100 * share:.0f} % of its runs can be done, so the cohort and the parameter ranges do not go "
                f"together; the first failure: {message}")))  # fmt: skip
    return Wave(scores, patients, rows)


def _together(problem: FitProblem, waves: Sequence[Wave], place: int) -> tuple[np.ndarray, np.ndarray]:
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


def _chosen(problem: FitProblem, waves: Sequence[Wave]) -> tuple[Choice, np.ndarray]:
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


def _sampled(
    problem, waves, choice: Choice, nuisance, inner: Priors, *, quick: bool = False
) -> tuple[list[Sample], list[Emulator]]:
    """Samples (one, if `quick`) of the posterior by the regressions over all runs so far, and these."""
    emulators = [_regressed(problem, waves, i, list(choice.places), True) for i in range(len(problem.targets))]
    done = [(w.scores, rows.good) for w in waves for rows in w.rows.values()]
    emulators.append(fit_emulator(np.concatenate([d[0] for d in done])[:, choice.places],
                                  np.concatenate([d[1] for d in done]).astype(np.float64), logit=True))  # fmt: skip
    s = problem.settings
    likelihood = log_likelihood(problem, emulators, nuisance)
    if quick:
        return [smc(likelihood, inner, n=min(s.particles, 600), seed=s.seed)], emulators
    return [smc(likelihood, inner, n=s.particles, seed=s.seed + 1000 * c, sweeps=SWEEPS, settle=SETTLE)
            for c in range(s.chains)], emulators  # fmt: skip


def _filled(problem: FitProblem, choice: Choice, samples: Sequence[Sample], n: int, stream: int) -> np.ndarray:
    """`n` full vectors of scores: those fitted from the samples, the others from their priors."""
    scores = problem.priors.draw(n, problem.settings.seed + stream)
    pool = np.concatenate([s.scores for s in samples])
    at = np.linspace(0, len(pool) - 1, n).round().astype(np.int64)
    scores[:, choice.places] = pool[at]
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


def _data(
    problem, waves, choice, nuisance, samples, emulators, members, weights, change, history
) -> dict[str, Any]:
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
    told = recovery(problem, emulators, nuisance, inner)
    targets = board(problem, waves, emulators, nuisance, samples, weights)
    mixed = dict(zip(inner.names, r_hat(chains).round(4).tolist(), strict=True))
    sizes_of = {"members": len(members), "effective": effective_size(change)}
    return {
        "format": FORMAT,
        "name": problem.name,
        "title": problem.title,
        "version": __version__,
        "model_digest": problem.model_digest,
        "problem_digest": problem.digest,
        "hypotheses": problem.hypotheses,
        "after_progression": problem.after_progression,
        "parameters": parameters(problem, choice, samples),
        "members": {"scores": members.round(9).tolist(), "weights": weights.round(9).tolist()},
        "targets": targets,
        "information": {
            problem.targets[i].name: {
                problem.priors.names[j]: round(float(choice.information[i, j]), 4)
                for j in np.argsort(-choice.information[i])[:6] if choice.information[i, j] > 0.01
            }
            for i in range(len(problem.targets)) if problem.targets[i].role == "fit"
        },
        "diagnostics": {
            "converged": converged(mixed, sizes_of, told, history),
            "surprise": [dict(sorted(h.items())) for h in history],
            "r_hat": mixed,
            "smallest_effective_size": round(min(min(s.sizes) for s in samples), 1),
            "temperatures": len(samples[0].temperatures) - 1,
            "acceptance": [round(a, 3) for a in samples[0].accepted],
            "moved": [round(a, 3) for a in samples[0].moved],
            "log_evidence": [round(s.evidence, 3) for s in samples],
            "members_effective_size": round(effective_size(np.log(np.maximum(weights, 1e-300))), 1),
            "members_effective_size_untempered": round(effective_size(change), 1),
            "recovery": told,
        },
        "size": {"runs_per_arm": sizes, "members": len(members), "patients_per_member": problem.settings.patients,
                 "waves": len(waves), "runs": sum(sizes.values())},
        "failed": failed,
    }  # fmt: skip
