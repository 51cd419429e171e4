"""``tme-sim calibrate`` and ``tme-sim predict``."""

from __future__ import annotations

from pathlib import Path

import click

from tme_sim.commands.common import BAD_INPUT, INTERRUPTED, Failure, announce, announce_first_run, guarded


@click.command()
@click.argument("file")
@click.option("--out", required=True, metavar="DIR", help="Folder of runs and result; a stopped fit goes on there.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Threads of the integrator.")
@click.option("--dry", is_flag=True, help="Check the file, tell what would be done, and stop.")
@click.option("--check", "posterior", metavar="POSTERIOR", help="Fit nothing; hold checks of FILE against this fit.")
@guarded
def calibrate(file: str, out: str, jobs: int, dry: bool, posterior: str | None) -> None:
    """Fit parameters to what the parts do alone: an ensemble with its diagnostics.

    FILE names arms, targets and candidate parameters.  DIR/posterior.json is the ensemble, DIR/report.md compares every
    target with it and says which target informed which parameter.  Runs are kept in a store, DIR/runs, as they come:
    the same command goes on where it was stopped or killed.  Outcomes of arms that give a drug with embolisation are
    refused.

    \b
    tme-sim calibrate configs/calibration/quick.toml --out fits/quick
    tme-sim calibrate configs/calibration/default.toml --out fits/default
    tme-sim calibrate configs/calibration/default.toml --out fits/default --dry
    tme-sim calibrate configs/calibration/checks.toml --check configs/posteriors/default.json --out fits/checks
    """
    if posterior is not None:
        _check(file, out, jobs, dry, posterior)
        return
    from tme_sim.fit.targets import load_problem
    from tme_sim.study.expected import BYTES_PER_ROW, short_of_space
    from tme_sim.study.store import FILE

    problem = load_problem(file)
    s = problem.settings
    per_arm = s.pairs + s.waves * s.later + (1 + s.waves) * s.draws * s.patients
    fitted = sum(t.role == "fit" for t in problem.targets)
    click.echo(
        f"{problem.name}: {_of(len(problem.arms), 'arm')}, {_of(fitted, 'target')} and "
        f"{_of(len(problem.targets) - fitted, 'check')}, {_of(len(problem.priors.names), 'candidate')}, "
        f"at most {per_arm * len(problem.arms)} runs"
    )
    runs = Path(out) / "runs" / FILE
    there = runs.stat().st_size if runs.is_file() else 0
    short = short_of_space(out, per_arm * len(problem.arms) * BYTES_PER_ROW - there)
    if short:
        announce(f"warning: {short}; runs made before the disk is full are kept")
    if dry:
        return
    from tme_sim.disk import write_file
    from tme_sim.fit.calibrate import calibrate as fit
    from tme_sim.fit.report import report_text

    announce_first_run()
    try:
        result = fit(problem, out, announce=announce, threads=jobs)
    except KeyboardInterrupt:
        raise Failure(f"interrupted; the same command goes on with what stands in {out}", INTERRUPTED) from None
    write_file(Path(out) / "report.md", report_text(result.data).encode())
    missed = [t["name"] for t in result.data["targets"] if t["role"] == "fit" and not t["within_2"]]
    names = ", ".join(problem.priors.names[i] for i in result.choice.places)
    click.echo(f"{_of(len(result.choice.places), 'parameter')} fitted: {names}")
    told = f"; missed: {', '.join(missed)}" if missed else ""
    click.echo(f"{fitted - len(missed)} of {fitted} targets within 2 sd{told}")
    against = result.data["diagnostics"]["converged"]["against"]
    click.echo("converged" if not against else f"not converged: {'; '.join(against)}")
    click.echo(f"written to {Path(out) / 'posterior.json'} and {Path(out) / 'report.md'}")


def _check(file: str, out: str, jobs: int, dry: bool, posterior: str) -> None:
    """Observations that were no targets, against the members of a posterior."""
    from tme_sim.fit.further import check
    from tme_sim.fit.targets import load_problem
    from tme_sim.posterior import load_posterior

    ensemble = load_posterior(posterior)
    problem = load_problem(file, posterior=ensemble)
    runs = len(ensemble.scores) * problem.settings.patients * len(problem.arms)
    click.echo(f"{problem.name}: {_of(len(problem.arms), 'arm')}, {_of(len(problem.targets), 'check')}, {runs} runs")
    if dry:
        return
    announce_first_run()
    try:
        data = check(problem, ensemble, out, announce=announce, threads=jobs)
    except KeyboardInterrupt:
        raise Failure(f"interrupted; the same command goes on with what stands in {out}", INTERRUPTED) from None
    told = [row for row in data["checks"] if row["z"] is not None]
    missed = [row["name"] for row in told if not row["within_2"]]
    click.echo(f"{len(told) - len(missed)} of {len(told)} checks within 2 sd"
               + (f"; missed: {', '.join(missed)}" if missed else ""))  # fmt: skip
    click.echo(f"written to {Path(out) / 'checks.json'} and {Path(out) / 'checks.md'}")


def _of(count: int, what: str) -> str:
    """A number of things in words."""
    return f"{count} {what}{'' if count == 1 else 's'}"


@click.command()
@click.argument("trial")
@click.option("--posterior", default="configs/posteriors/default.json", show_default=True, metavar="FILE",
              help="Ensemble of parameters, from tme-sim calibrate.")  # fmt: skip
@click.option("--trials", "table", default="configs/predictions.toml", show_default=True, metavar="FILE",
              help="Which trials there are.")  # fmt: skip
@click.option("--out", default="experiments/predictions", show_default=True, metavar="DIR", help="Folder to write to.")
@click.option("--draws", type=click.IntRange(2), default=12, show_default=True, help="Members of the ensemble.")
@click.option("--patients", type=click.IntRange(1), default=4, show_default=True, help="Patients of each, in each arm.")
@click.option("--cache", default=None, metavar="DIR", help="Keep runs of arms here, so that trials share them.")
@guarded
def predict(trial: str, posterior: str, table: str, out: str, draws: int, patients: int, cache: str | None) -> None:
    """Write down what a trial will show, before it is scored.

    TRIAL is a name of the trials file, "sequences" for the orders of embolisation, anti-VEGF and checkpoint blockade,
    or "all".  Intervals hold the uncertainty of parameters and sampling at the trial's own number of patients.  The
    file is named by trial, model digest and what times count from; one that is there is never changed.

    \b
    tme-sim predict emerald1
    tme-sim predict all --cache fits/arms
    """
    from tme_sim.diagnostics import InputError, Problem, nearest
    from tme_sim.disk import write_file
    from tme_sim.fit import predictions
    from tme_sim.formats import json_text
    from tme_sim.posterior import load_posterior

    trials = predictions.load_trials(table)
    if trial != "all" and trial not in trials:
        known = ", ".join(["all", *trials])
        raise InputError(Problem("trial", trial, f"is not known{nearest(trial, trials)}; there are {known}"))
    for option, folder in (("--out", out), ("--cache", cache)):  # said now, not after the runs
        if folder and Path(folder).exists() and not Path(folder).is_dir():
            raise Failure(f"{folder}: exists and is no folder; choose another {option}", BAD_INPUT)
    ensemble = load_posterior(posterior)
    settings = predictions.Settings(draws=draws, patients=patients)
    wanted = list(trials) if trial == "all" else [trial]
    given = {"folder": Path(table).parent, "settings": settings, "cache": Path(cache) if cache else None,
             "announce": announce}  # fmt: skip
    announce_first_run()
    for name in wanted:
        path = Path(out) / f"{name}.{ensemble.model_digest}.{predictions.COUNTED}.json"
        if path.exists():
            if trial == "all":
                click.echo(f"{path} is there already and stays as it is")
                continue
            raise Failure(f"{path} is there already; a prediction is never changed. Try with another --out", BAD_INPUT)
        if name == predictions.SEQUENCES:
            data = predictions.predict_sequences(trials[name], ensemble, **given)
        else:
            data = predictions.predict(name, trials, ensemble, **given)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, json_text(data).encode())
        click.echo(f"written to {path}")
