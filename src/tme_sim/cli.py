"""The command ``tme-sim``.

Exit codes: 0 done, 1 a run failed, 2 bad input (nothing written), 130 interrupted.  Everything heavy is imported inside
the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from tme_sim import __version__
from tme_sim.commands import ELSEWHERE
from tme_sim.commands.common import (
    BAD_INPUT,
    FAILED,
    Failure,
    announce,
    announce_first_run,
    changes,
    folders,
    force_file,
    guarded,
    load,
    output_file,
)


class Commands(click.Group):
    """The commands of this file, and those of `tme_sim.commands`, imported when one of them is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the alphabet."""
        return sorted({*super().list_commands(ctx), *ELSEWHERE})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command called `name`, or None."""
        if name not in ELSEWHERE:
            return super().get_command(ctx, name)
        module, _, function = ELSEWHERE[name][0].partition(":")
        return getattr(import_module(module), function)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in the help, from the lines of `ELSEWHERE` and the docstrings here."""
        rows = []
        for name in self.list_commands(ctx):
            here = self.commands.get(name)
            rows.append((name, ELSEWHERE[name][1] if here is None else here.get_short_help_str(90)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="tme-sim")
@click.option("--traceback", is_flag=True, help="Show the whole traceback of an error.")
def cli(traceback: bool) -> None:
    """Simulate a hepatocellular carcinoma and its microenvironment under TACE, anti-VEGF and immunotherapy.

    A research tool for comparing hypotheses; no device for patient care.

    \b
    tme-sim run configs/emerald1.toml        run a scenario, write a folder with figures
    tme-sim config check my.toml             is this file right?
    tme-sim describe mdsc                    equations, parameters and sources
    """


# --- running --------------------------------------------------------------------------------


@cli.command()
@click.argument("config")
@click.option("--out", metavar="DIR", help="Folder of the run; default runs/<scenario>-<n>, the next free n.")
@click.option("--force", is_flag=True, help="Replace the run in --out.")
@click.option("--no-figures", is_flag=True, help="Write the data only.")
@changes
@folders
@guarded
def run(
    config: str, out: str | None, force: bool, no_figures: bool, changes: tuple[str, ...], mechanisms: tuple[str, ...]
) -> None:
    """Run a scenario and write its folder.

    \b
    tme-sim run configs/emerald1.toml
    tme-sim run configs/emerald1.toml --out runs/early --set "protocol.treatment.bevacizumab.start=day 1"
    """
    scenario = load(config, changes, mechanisms)
    figures = scenario.outputs.figures and not no_figures
    target = _target(scenario, out, force)
    done = _simulate(scenario, target, force, numbered=out is None)
    _told_of(done, done.folder)
    if figures:
        _draw(done.folder)


def _target(scenario: Any, out: str | None, force: bool) -> Any:
    from tme_sim.disk import free_folder
    from tme_sim.results import check_target

    return free_folder("runs", scenario.name) if out is None else check_target(out, force=force)


def _simulate(scenario: Any, target: Any, force: bool, numbered: bool) -> Any:
    """Run and save; a run that fails leaves a folder that says so.

    Where the folder was `numbered` here and another run has taken it meanwhile, the next free one is written to.
    """
    for warning in scenario.warnings:
        announce(f"warning: {warning}")
    announce_first_run()
    from tme_sim.outcome import SimulationError
    from tme_sim.simulation import simulate

    checkpoints = target.with_name(f".{target.name}.checkpoints") if scenario.tissue == "agents" else None
    try:
        done = simulate(scenario, announce=announce, checkpoints=checkpoints)
    except SimulationError as error:
        from tme_sim.results import save_folder

        about = {
            "status": "failed",
            "message": str(error),
            "scenario": {"name": scenario.name, "digest": scenario.digest},
        }
        target = _target(scenario, None, force) if numbered else target
        save_folder(target, {"scenario.toml": scenario.to_toml().encode()}, about, force=force)
        raise Failure(f"the run failed: {error}\nits scenario is kept in {target}", FAILED) from error
    done.save(_target(scenario, None, force) if numbered else target, force=force)
    if checkpoints is not None:
        import shutil

        shutil.rmtree(checkpoints, ignore_errors=True)  # the last ones are in the run folder
    return done


def _told_of(done: Any, target: Any) -> None:
    from tme_sim.definitions import headlines

    for key, value in headlines(done.summary).items():
        click.echo(f"{key:<22}{value}")
    click.echo(f"written to {target}")


def _draw(target: Any) -> None:
    from tme_sim.plots import draw_run

    for path in draw_run(target) or ():
        click.echo(f"figure {path}")


@cli.command()
@click.argument("manifest")
@click.option("--out", metavar="DIR", help="Folder of the new run; default runs/<scenario>-<n>.")
@click.option("--force", is_flag=True, help="Replace the run in --out.")
@folders
@guarded
def rerun(manifest: str, out: str | None, force: bool, mechanisms: tuple[str, ...]) -> None:
    """Run the scenario of a run folder again and compare every byte.

    \b
    tme-sim rerun runs/emerald1-1/manifest.json
    """
    from pathlib import Path

    from tme_sim.results import changed_files, read_manifest

    path = Path(manifest)
    if not path.is_dir() and (path.name != "manifest.json" or not path.is_file()):
        said = "is no manifest" if path.exists() else "there is no such file"
        raise Failure(f"{manifest}: {said}; give a run folder, or the manifest.json in it", BAD_INPUT)
    folder = path if path.is_dir() else path.parent
    before = read_manifest(folder)
    scenario = load(str(folder / "scenario.toml"), (), mechanisms)
    _check_own_mechanisms(folder, before.get("own_mechanisms", {}), scenario.catalogue.own)
    target = _target(scenario, out, force)
    if target.resolve() == folder.resolve():
        raise Failure("a rerun needs a folder of its own; choose another --out", BAD_INPUT)
    target = _simulate(scenario, target, force, numbered=out is None).folder
    after = read_manifest(target)
    differ = [n for n in {**before["files"], **after["files"]} if before["files"].get(n) != after["files"].get(n)]
    changed = changed_files(folder, before)
    if changed:
        announce(f"warning: of {folder}, {', '.join(changed)} changed since it was written; compared is its manifest")
    if differ:
        reason = ""
        if before.get("versions") != after.get("versions"):
            reason = f" (versions differ: {before.get('versions')} then, {after.get('versions')} now)"
        raise Failure(f"{target}: not the same bytes: {', '.join(differ)}{reason}", FAILED)
    click.echo(f"{target}: the same bytes as {folder}" + (" had when it was written" if changed else ""))


def _check_own_mechanisms(folder: Any, then: dict[str, str], now: Any) -> None:
    """Refuse to rerun with other mechanism files; they are code, so a manifest never brings its own."""
    names = sorted({n for n in (*then, *now) if then.get(n) != now.get(n)})
    if names:
        what = {n: "is not given" if n not in now else "is new" if n not in then else "was changed" for n in names}
        told = ", ".join(f"{n} ({state})" for n, state in what.items())
        raise Failure(
            f"{folder}: made with other mechanism files: {told}; give the folder they lay in with --mechanisms DIR",
            BAD_INPUT,
        )


@cli.command()
@click.argument("directories", nargs=-1, required=True, metavar="DIR DIR ...")
@click.option("--out", metavar="FILE.png", help="Draw the runs over each other.")
@force_file
@guarded
def compare(directories: tuple[str, ...], out: str | None, force: bool) -> None:
    """Tabulate the endpoints of runs side by side, and draw them over each other.

    \b
    tme-sim compare runs/untreated-1 runs/emerald1-1 --out comparison.png
    """
    from rich.console import Console
    from rich.table import Table

    from tme_sim.definitions import unit_of
    from tme_sim.results import Run

    if len(directories) < 2:
        raise click.UsageError("compare needs at least two run folders")
    if out:
        output_file(out, ".png", force=force)
    runs = [Run.load(d) for d in directories]
    keys = dict.fromkeys(k for r in runs for k, v in r.summary.items() if not isinstance(v, dict))
    rows = [(key, unit_of(key), *(_shown(r.summary.get(key)) for r in runs)) for key in sorted(keys, key=_by_day)]
    heads = ("endpoint", "unit", *(d.rstrip("/").rpartition("/")[2] for d in directories))
    table = Table()
    for place, head in enumerate(heads):
        table.add_column(head, no_wrap=place == 0)  # a name that is cut is another name
    for row in rows:
        table.add_row(*row)
    whole = sum(max(map(len, column)) + 3 for column in zip(heads, *rows, strict=True)) + 1
    Console(width=None if sys.stdout.isatty() else whole).print(table)
    if out:
        from tme_sim.plots import draw_comparison

        draw_comparison(runs, out)
        click.echo(f"figure {out}")


def _by_day(key: str) -> tuple[str, int]:
    """Sorts endpoints by name, and landmarks of one by their day: d7, d28, d180."""
    name, mark, day = key.rpartition("_d")
    return (name, int(day)) if mark and day.isdigit() else (key, 0)


def _shown(value: Any) -> str:
    if value is None or value != value:
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


@cli.command()
@click.argument("config")
@changes
@folders
@guarded
def profile(config: str, changes: tuple[str, ...], mechanisms: tuple[str, ...]) -> None:
    """Run a scenario and say how long each phase took; nothing is written.

    \b
    tme-sim profile configs/emerald1.toml
    """
    import time

    begin = time.perf_counter()
    scenario = load(config, changes, mechanisms)
    read = time.perf_counter() - begin
    announce_first_run()
    from tme_sim.simulation import simulate

    done = simulate(scenario, announce=announce)
    timings = {"read": read, **done.manifest.get("timings", {})}
    total = sum(timings.values())
    for phase, seconds in timings.items():
        click.echo(f"{phase:<20}{seconds * 1e3:>10.2f} ms {100 * seconds / total:>6.1f} %")
    for key, value in done.manifest.get("stats", {}).items():
        click.echo(f"{key:<20}{value:>10}")


@cli.command()
@click.argument("config")
@click.argument("state")
@click.option("--from", "start", default="day 0", show_default=True, help="First day of the period.")
@click.option("--to", "end", default="day 28", show_default=True, help="Last day of the period.")
@click.option("--out", metavar="FILE.png", help="Draw the table.")
@force_file
@changes
@folders
@guarded
def attribute(
    config: str,
    state: str,
    start: str,
    end: str,
    out: str | None,
    force: bool,
    changes: tuple[str, ...],
    mechanisms: tuple[str, ...],
) -> None:
    """Which processes moved a state in a period: a table, and a figure with --out.

    \b
    tme-sim attribute configs/emerald1.toml MDSC --from "day 0" --to "day 28"
    tme-sim attribute configs/emerald1.toml CD8 --from "last tace" --to "first bevacizumab"
    """
    from tme_sim.protocol import TICKS_PER_DAY, parse_when

    if out:
        output_file(out, ".png", force=force)
    scenario = load(config, changes, mechanisms)
    days = []
    for option, text in (("--from", start), ("--to", end)):
        when = parse_when(text)
        tick = scenario.calendar.tick_of(when)
        if tick is None:
            decided = " before its visits have decided (events.csv of a run lists what they did)"
            why = decided if scenario.calendar.tracks else ""
            raise Failure(f'{option}: "{when}" has no date in this calendar{why}; write "day 28"', BAD_INPUT)
        days.append(tick / TICKS_PER_DAY)
    announce_first_run()
    from tme_sim.analysis import attribute as attribute_

    found = attribute_(scenario, state, *days)
    click.echo(found.text)
    if out:
        found.draw(out)
        click.echo(f"figure {out}")


# --- looking --------------------------------------------------------------------------------


@cli.command()
@click.argument("name", required=False)
@folders
@guarded
def describe(name: str | None, mechanisms: tuple[str, ...]) -> None:
    """Equations, parameters with source and grade, who reads what.

    Of the whole model, of one name in it, or of a scenario.

    \b
    tme-sim describe
    tme-sim describe MDSC
    tme-sim describe configs/emerald1.toml
    """
    from tme_sim.describe import describe_text

    click.echo(describe_text(name, mechanisms=mechanisms))


@cli.command()
@guarded
def doctor() -> None:
    """Say what is installed, what is missing and what each extra adds.

    \b
    tme-sim doctor
    """
    from tme_sim.doctor import report

    text, sound = report()
    click.echo(text, nl=False)
    if not sound:
        raise click.exceptions.Exit(FAILED)


def main() -> None:
    """Entry point of the command."""
    cli(prog_name="tme-sim")
