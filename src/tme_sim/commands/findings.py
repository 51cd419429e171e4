"""``tme-sim sensitivity``, ``surface``, ``optimise`` and ``hypothesis``: what a study tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from tme_sim.commands.common import (
    INTERRUPTED,
    Failure,
    announce,
    announce_first_run,
    folders,
    guarded,
    load_study,
    output_file,
    stopped_by_term,
)

METHODS = ("morris", "sobol", "prcc", "local", "tornado", "flips", "knockouts")

_store = click.option("--store", metavar="STORE",
                      help="Where runs are kept and those made before are found; default runs/<study>-<model>.store.")
_jobs = click.option("--jobs", type=click.IntRange(0, 4096),
                     help="Processes; by default one for each core if many runs are missing.")
_yes = click.option("--yes", is_flag=True, help="Go on with a large number of runs.")
_outcome = click.option("--outcome", metavar="ENDPOINT", help="Endpoint; the first of the study by default.")
_better = click.option("--better", type=click.Choice(["higher", "lower"]), help="Which way is better, if not known.")
_out = click.option("--out", metavar="DIR", help="Folder to write; default runs/<study>-<what>-<n>.")
_force = click.option("--force", is_flag=True, help="Replace what stands in --out.")
_arm = click.option("--arm", "arms", multiple=True, metavar="NAME", help="Only this arm; may be repeated.")


def _asks(command: Callable) -> Callable:
    """Options of every command that asks a study: which arm and outcome, where runs and findings go."""
    for option in reversed((_arm, _outcome, _better, _store, _jobs, _yes, _out, _force, folders)):
        command = option(command)
    return command


def _study(path: str, mechanisms: Sequence[str], arms: Sequence[str] = ()) -> Any:
    from tme_sim.findings.drive import arms_of

    return arms_of(load_study(path, mechanisms), arms)


@contextmanager
def _keeping(study: Any, store: str | None, jobs: int | None, yes: bool) -> Iterator[dict[str, Any]]:
    """Where runs go and how they are made, for :class:`tme_sim.findings.runs.Runs`; a stop says how to go on."""
    from pathlib import Path

    from tme_sim.study.execute import Interrupted

    folder = Path(store) if store else Path("runs") / f"{study.name}-{study.model_digest[:8]}.store"
    untold = [] if store else [f"runs are kept in {folder}"]

    def tell(*words: str) -> None:
        """Pass on progress, after where the runs go; warnings come before it is known whether they are refused."""
        while untold and not any(word.startswith("warning:") for word in words):
            announce(untold.pop())
        for word in words:
            announce(word)

    try:
        with stopped_by_term():
            announce_first_run()
            yield {"store": folder, "jobs": jobs, "yes": yes, "progress": tell}
        tell()
    except (KeyboardInterrupt, Interrupted):
        raise Failure(f"stopped; the runs made so far are in {folder}; the same command goes on", INTERRUPTED) from None


def _target(study: Any, what: str, out: str | None, force: bool) -> Any:
    from tme_sim.disk import free_folder
    from tme_sim.results import check_target

    return free_folder("runs", f"{study.name}-{what}") if out is None else check_target(out, force=force)


def _write(target: Any, files: Mapping[str, bytes], lines: Sequence[str], study: Any, about: Mapping[str, Any],
           force: bool) -> None:  # fmt: skip
    from tme_sim import __version__
    from tme_sim.results import save_folder

    made = {"kind": "finding", "version": __version__, "model_digest": study.model_digest, "study": study.name, **about}
    text = "\n".join(lines) + "\n"
    save_folder(target, {"told.txt": text.encode(), "study.toml": study.text.encode(), **files}, made, force=force)
    for line in lines:
        click.echo(line, err=line.startswith("warning:"))
    click.echo(f"written to {target}")


@click.command()
@click.argument("study")
@click.option("--method", type=click.Choice(METHODS), default="morris", show_default=True, help="What is asked.")
@click.option("--parameters", multiple=True, metavar="PATTERN",
              help="Model parameters over their evidence, like 'k_MDSC_*', instead of the factors of the study.")
@click.option("--arrow", "arrows", multiple=True, metavar="NAME",
              help="knockouts: this arrow; '*' for all; those of the loop by default.")
@click.option("-n", "n", type=click.IntRange(2, 10_000_000),
              help="Trajectories (morris), base samples (sobol) or runs (prcc) in each arm.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the design.")
@_asks
@guarded
def sensitivity(
    study: str, method: str, parameters: tuple[str, ...], arrows: tuple[str, ...], n: int | None, seed: int,
    arms: tuple[str, ...], outcome: str | None, better: str | None, store: str | None, jobs: int | None, yes: bool,
    out: str | None, force: bool, mechanisms: tuple[str, ...],
) -> None:  # fmt: skip
    """What decides the outcome, and what flips the order.

    Varies the factors of the study that have a range; with --parameters, or in a study without any, model parameters
    over the range of their evidence.  With several arms, how far the best one leads is analysed as well.  Runs that
    failed are counted and left out, never read as zeros; above a tenth of them nothing is told.

    \b
    morris, sobol, prcc, local, tornado    sensitivity of the outcome
    flips        which parameters change which arm is best, and at what value
    knockouts    which arrow of the network makes the arms differ

    \b
    tme-sim sensitivity experiments/what_flips_the_order --method flips
    tme-sim sensitivity experiments/what_flips_the_order --method sobol --parameters "k_MDSC_*" -n 128
    tme-sim sensitivity experiments/which_arrow_matters --method knockouts
    """
    from tme_sim.findings import drive, told

    made = _study(study, mechanisms, arms)
    target = _target(made, method, out, force)
    with _keeping(made, store, jobs, yes) as running:
        common = {"outcome": outcome, "better": better, **running}
        if method == "flips":
            found = drive.flip(made, parameters=parameters, **common)
            files, lines = told.flips_told(found, made)
            files["runs.csv"] = told.table_bytes(found.table)
        elif method == "knockouts":
            cut, table = drive.cut(made, arrows=arrows, **common)
            files, lines = told.knockouts_told(cut, table, made)
        else:
            result = drive.sensitivity(made, method, parameters=parameters, n=n or 0, seed=seed, **common)
            files, lines = told.sensitivity_told(result, made)
    _write(target, files, lines, made, {"method": method, "outcome": drive.outcome_name(made, outcome)}, force)


@click.command()
@click.argument("study")
@click.option("--x", "x", metavar="FACTOR", help="Along x; by default the first date of the study.")
@click.option("--y", "y", metavar="FACTOR", help="Along y; by default the second date.")
@click.option("--order", "orders", multiple=True, metavar="NAME=X,Y", help="Mark an order and tell its regret.")
@_asks
@guarded
def surface(
    study: str, x: str | None, y: str | None, orders: tuple[str, ...], arms: tuple[str, ...],
    outcome: str | None, better: str | None, store: str | None, jobs: int | None, yes: bool,
    out: str | None, force: bool, mechanisms: tuple[str, ...],
) -> None:  # fmt: skip
    """Draw the outcome over two start dates, with the near-best window and the regret of orders.

    The study needs a grid over two dates.  With the store of `tme-sim sweep`, its runs are read and only missing ones
    are made.  Everything else that varies (patients, draws) makes up the members, over which means and bands are taken.

    \b
    tme-sim surface experiments/timing_window --store stores/timing
    tme-sim surface experiments/timing_window --outcome survival_d730 --order "as published=42,7"
    """
    from tme_sim.findings import drive, told
    from tme_sim.findings.runs import Runs
    from tme_sim.findings.sections import surface_section
    from tme_sim.findings.surface import refuse_no_surface, surface_of
    from tme_sim.study.outcomes import better_of

    made = _study(study, mechanisms, arms)
    section = surface_section(made)
    own = drive.outcome_name(made, section.outcome)
    outcome = drive.outcome_name(made, outcome or section.outcome)
    better = better or (section.better if outcome == own else None) or better_of(made, outcome)
    x, y = _axes(made, x or section.x, y or section.y)
    if len(made.arms) > 1:
        from tme_sim.diagnostics import InputError, Problem

        names = ", ".join(a.name for a in made.arms)
        raise InputError(Problem(made.path, "arm", f"a surface is of one arm; choose one with --arm: {names}"))
    points = {**section.orders, **dict(_order(text) for text in orders)}
    refuse_no_surface(made.columns(), outcome, x, y, points, better)
    target = _target(made, "surface", out, force)
    with _keeping(made, store, jobs, yes) as running:
        table = Runs(made, **running).table(made.points())
    member = [f.name for f in made.all_factors if f.name not in (x, y)] + ["replicate"]
    found = surface_of(table, outcome, x, y, member=member, better=better)
    titles, units = zip(*((made.factor(name).title, made.factor(name).unit) for name in (x, y)), strict=True)
    axes = tuple(title + ("" if unit == "1" else f" ({unit})") for title, unit in zip(titles, units, strict=True))
    title = made.title or made.question or made.name
    files, lines = told.surface_told(found, title, axes, points, made.plan_table.derived, units)
    _write(target, files, lines, made, {"outcome": outcome, "x": x, "y": y}, force)


def _axes(study: Any, x: str | None, y: str | None) -> tuple[str, str]:
    """The two factors of a surface: those named, or the first dates of the study."""
    from tme_sim.diagnostics import InputError, Problem

    for name in (x, y):
        if name is not None:
            study.factor(name)
    dates = [f.name for f in study.factors if f.date and f.name not in (x, y)]
    axes = [name if name is not None else (dates.pop(0) if dates else "") for name in (x, y)]
    if not all(axes) or axes[0] == axes[1]:
        raise InputError(Problem(study.path, "factor", "a surface needs two factors; name them with --x and --y"))
    return axes[0], axes[1]


def _order(text: str) -> tuple[str, tuple[float, float]]:
    from tme_sim.diagnostics import InputError, Problem, quoted

    name, _, place = text.partition("=")
    try:
        x, y = (float(part) for part in place.split(","))
    except ValueError:
        raise InputError(Problem("--order", quoted(text), 'is not NAME=X,Y; write --order "late=14,14"')) from None
    return name.strip(), (x, y)


@click.command()
@click.argument("study")
@click.option("--out", metavar="FILE.toml", help="The protocol file; default <study>_best.toml.")
@click.option("--aim", type=click.Choice(["mean", "worst decile", "regret"]), help="Over the patients.")
@click.option("--budget", type=click.IntRange(8, 1_000_000), help="Protocols tried at most.")
@click.option("--seed", type=click.IntRange(0), help="Of the search.")
@_arm
@_outcome
@_better
@_store
@_jobs
@_yes
@_force
@folders
@guarded
def optimise(
    study: str, out: str | None, aim: str | None, budget: int | None, seed: int | None, arms: tuple[str, ...],
    outcome: str | None, better: str | None, store: str | None, jobs: int | None, yes: bool, force: bool,
    mechanisms: tuple[str, ...],
) -> None:  # fmt: skip
    """Search the best protocol within constraints, robust over the patients of the study.

    The factors of the study (dates, doses, numbers of sessions, holds) are chosen, within their ranges; [optimise] in
    the study file says what for and what must be kept.  Half of the patients choose, the other half judge.  Writes a
    plain protocol file, the runner-up beside it, and tells the gap between the two.

    \b
    tme-sim optimise experiments/best_protocol --out best.toml
    tme-sim protocol show best.toml
    """
    from tme_sim.disk import write_file
    from tme_sim.findings import best_told, drive, protocols
    from tme_sim.findings.sections import optimise_section

    made = _study(study, mechanisms, arms)
    section = optimise_section(made)
    path = output_file(out or f"{made.name}_best.toml", ".toml", force=force)
    second = output_file(str(path.with_name(f"{path.stem}_runner_up{path.suffix}")), force=force)
    own = drive.outcome_name(made, section.outcome) if section.better else None
    outcome = drive.outcome_name(made, outcome or section.outcome)
    better = better or (section.better if outcome == own else None)
    chosen_aim = aim or section.aim
    with _keeping(made, store, jobs, yes) as running:
        found, names = protocols.best_protocol(
            made, outcome=outcome, better=better, aim=chosen_aim, constraints=section.constraints,
            budget=budget or section.budget, seed=section.seed if seed is None else seed, **running,
        )  # fmt: skip
    texts = best_told.protocol_texts(made, names, found, outcome, chosen_aim)
    for file, text in zip((path, second), texts, strict=False):
        write_file(file, text.encode())
    for line in best_told.optimum_lines(made, names, found, outcome, chosen_aim, section.constraints):
        click.echo(line)
    for file in (path, second)[: len(texts)]:
        click.echo(f"written to {file}")


@click.group()
def hypothesis() -> None:
    """Hypothesis cards: a claim, the study that tests it, and what would refute it.

    \b
    tme-sim hypothesis new my_claim --base configs/emerald1.toml
    tme-sim hypothesis run my_claim --out my_claim.html
    """


@hypothesis.command()
@click.argument("name")
@click.option("--base", default="configs/emerald1.toml", show_default=True, metavar="CONFIG", help="Base scenario.")
@click.option("--claim", default="", help="The claim in a sentence.")
@guarded
def new(name: str, base: str, claim: str) -> None:
    """Write a folder with a card and its study, ready to run and to change.

    \b
    tme-sim hypothesis new my_claim --base configs/emerald1.toml
    """
    import os
    from pathlib import Path

    from tme_sim.diagnostics import InputError, Problem
    from tme_sim.disk import safe_name, write_file
    from tme_sim.findings.card_page import new_card
    from tme_sim.scenario import Scenario

    folder = Path(name)
    safe_name(folder.name)
    if folder.exists():
        raise InputError(Problem(str(folder), "", "exists; choose another name"))
    if not Path(base).is_file():
        raise InputError(Problem(base, "", "there is no such file; name the scenario to start from with --base"))
    days = Scenario.load(base).stop_tick / 1440
    relative = os.path.relpath(Path(base).resolve(), folder.resolve()).replace(os.sep, "/")
    files = new_card(folder.name, relative, days, claim)
    folder.mkdir(parents=True)
    for file, text in files.items():
        write_file(folder / file, text.encode())
        click.echo(f"written to {folder / file}")
    click.echo(f"next: put your own arms and predictions in place of those of the example, then "
               f"tme-sim hypothesis run {folder}")  # fmt: skip


@hypothesis.command("run")
@click.argument("card")
@click.option("--out", metavar="FILE.html", help="The page; default <name of the card>.html.")
@click.option("--force", is_flag=True, help="Replace the page in --out.")
@_store
@_jobs
@_yes
@folders
@guarded
def run_card(
    card: str, out: str | None, force: bool, store: str | None, jobs: int | None, yes: bool,
    mechanisms: tuple[str, ...],
) -> None:  # fmt: skip
    """Run the study of a card and write a page with the verdict.

    \b
    tme-sim hypothesis run experiments/hypotheses/mpekris2020_dose --out dose.html
    tme-sim hypothesis run my_claim --mechanisms my_claim/mechanisms
    """
    import os

    from tme_sim.diagnostics import InputError, Problem
    from tme_sim.disk import write_file
    from tme_sim.findings import cards
    from tme_sim.findings.card_page import card_html, card_lines, not_filled_in
    from tme_sim.findings.runs import Runs
    from tme_sim.study.outcomes import outcomes_of

    if not os.path.exists(card):
        raise InputError(Problem(card, "", f"there is no such card; tme-sim hypothesis new {card} writes one"))
    loaded = cards.load_card(card)
    study = _study(str(loaded.study), mechanisms)
    loaded = cards.with_better(loaded, {d.name: d.better or None for d in study.outputs.derived})
    cards.check_names(loaded, [a.name for a in study.arms], outcomes_of(study))
    page = output_file(out or f"{loaded.name}.html", ".html", force=force)
    with _keeping(study, store, jobs, yes) as running:
        table = Runs(study, **running).table(study.points())
    member = [f.name for f in study.all_factors] + ["replicate"]
    judged, missing = cards.judge(loaded, table, member)
    html = card_html(loaded, study, table, judged, missing, member)
    write_file(page, html.encode())
    for line in [*not_filled_in(loaded), *card_lines(loaded, judged, missing)]:
        click.echo(line, err=line.startswith("warning:"))
    click.echo(f"written to {page}")
