"""``tme-sim cohort make|describe`` and ``tme-sim trial``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tme_sim.commands.common import (
    BAD_INPUT,
    FAILED,
    INTERRUPTED,
    Failure,
    announce,
    announce_first_run,
    folders,
    force_file,
    guarded,
    output_file,
)


@click.group()
def cohort() -> None:
    """Draw and describe virtual patients.

    \b
    tme-sim cohort describe configs/cohorts/emerald1_like.toml --out baseline.png
    tme-sim cohort make configs/cohorts/emerald1_like.toml --n 20 --out patients.csv
    """


count = click.option("--n", default=200, show_default=True, metavar="N", help="How many patients.")
seeded = click.option("--seed", default=1, show_default=True, metavar="S", help="A patient of a seed stays the same.")


def _patients(file: str, n: int, seed: int, mechanisms: tuple[str, ...]) -> tuple[Any, list]:
    from tme_sim.catalogue import load_catalogue
    from tme_sim.cohort import load_cohort, make_patients

    made = load_cohort(file, catalogue=load_catalogue(mechanisms) if mechanisms else None)
    announce_first_run()
    return made, make_patients(made, n, seed, announce=announce)


@cohort.command("make")
@click.argument("file")
@count
@seeded
@click.option("--out", required=True, metavar="FILE.csv", help="A table with one line per patient.")
@click.option("--scenario", "number", type=int, metavar="NUMBER", help="Write this patient as a scenario, too.")
@click.option("--force", is_flag=True, help="Replace what stands there.")
@folders
@guarded
def make(file: str, n: int, seed: int, out: str, number: int | None, force: bool, mechanisms: tuple[str, ...]) -> None:
    """Draw the patients of a cohort file into a table.

    \b
    tme-sim cohort make configs/cohorts/emerald1_like.toml --n 500 --out patients.csv
    tme-sim cohort make configs/cohorts/large_7cm.toml --out patients.csv --scenario 12
    """
    from tme_sim.cohort.folder import patients_text
    from tme_sim.disk import write_file

    target = Path(out)
    beside = target.with_name(f"{target.stem}-{number}.toml")
    for path in (target, *([beside] if number is not None else [])):
        if path.is_dir():
            raise Failure(f"{path}: is a folder; name a file in it", BAD_INPUT)
        if path.exists() and not force:
            raise Failure(f"{path}: exists; choose another --out, or replace it with --force", BAD_INPUT)
    if number is not None and not 0 <= number < n:
        raise Failure(f"--scenario: there is no patient {number}; they have numbers 0 to {n - 1}", BAD_INPUT)
    made, patients = _patients(file, n, seed, mechanisms)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_file(target, patients_text([p.values for p in patients], [p.number for p in patients]).encode())
    click.echo(f"{n} patient{'s' if n > 1 else ''} of {made.name} written to {target}")
    if number is not None:
        from tme_sim.scenario import Scenario

        text = f'schema = 1\nname = "{made.name}-{number}"\n'
        scenario = Scenario.from_text(text, changes={"biology": made.biology()}, catalogue=made.catalogue)
        write_file(beside, scenario.changed(patients[number].changes).to_toml(origins=False).encode())
        click.echo(f"patient {number} as a scenario without treatment: {beside}")


@cohort.command("describe")
@click.argument("file")
@count
@seeded
@click.option("--out", metavar="FILE.png", help="Draw the distributions as well.")
@force_file
@click.option("--sources", is_flag=True, help="Tell where each distribution comes from.")
@click.option("--table", metavar="FILE.csv", help="A baseline of your own to compare with; columns named as draws.")
@click.option("--allow-identifiers", is_flag=True, help="Read the table even if it looks like identifiable patients.")
@folders
@guarded
def describe(
    file: str,
    n: int,
    seed: int,
    out: str | None,
    force: bool,
    sources: bool,
    table: str | None,
    allow_identifiers: bool,
    mechanisms: tuple[str, ...],
) -> None:
    """Show draws, a sample of patients, and the published baseline.

    \b
    tme-sim cohort describe configs/cohorts/emerald1_like.toml
    tme-sim cohort describe configs/cohorts/advanced.toml --n 1000 --out advanced.png
    tme-sim cohort describe configs/cohorts/large_7cm.toml --table my_baseline.csv
    """
    from rich.console import Console
    from rich.table import Table

    from tme_sim.cohort.baseline import against_published, against_table, baseline_rows, together, unit_of
    from tme_sim.cohort.tables import read_table
    from tme_sim.diagnostics import nearest

    if out:
        output_file(out, ".png", force=force)
    columns = read_table(table, allow_identifiers=allow_identifiers) if table else None
    made, patients = _patients(file, n, seed, mechanisms)
    held = against_table(made, patients, columns, table) if columns is not None and table else None
    compared = against_published(made, patients)
    console = Console(width=max(100, min(Console().width, 160)), soft_wrap=False)
    console.print(f"[bold]{made.name}[/bold]: {made.title}", highlight=False)
    if made.hypotheses:
        console.print(f"Patients follow {made.followed}.", markup=False, highlight=False)
    title = f"{len(patients)} patient{'s' if len(patients) > 1 else ''} of seed {seed}"
    shown = Table(title=title, title_justify="left", show_lines=False)
    for head in ("draw", "unit", "median (quartiles) or shares", "drawn from", "grade"):
        shown.add_column(head, overflow="fold")
    for name, unit, text in baseline_rows(made, patients):
        draw = made.draws.get(name)
        shown.add_row(name, unit, text, draw.text if draw else "follows", draw.grade if draw else "")
    console.print(shown, markup=False)
    tied = together(made, patients)
    if tied:
        shown = Table(title="what goes together", title_justify="left")
        for head in ("draws", "correlation", "drawn, by ranks", "grade"):
            shown.add_column(head, overflow="fold")
        for one, found in tied:
            shown.add_row(" and ".join(one.of), f"{one.value:g}", f"{found:.2f}" if found == found else "-", one.grade)
        console.print(shown, markup=False)
    if sources:
        for name, grade, source in (
            *((name, draw.grade, draw.source) for name, draw in made.draws.items()),
            *((" and ".join(one.of), one.grade, one.source) for one in made.correlations),
        ):
            console.print(f"{name} ({grade}): {source}", markup=False, highlight=False)
    if compared:
        shown = Table(title="against the published baseline", title_justify="left")
        for head in ("what", "published", "drawn (sd of sampling)", "grade", "source"):
            shown.add_column(head, overflow="fold")
        for one in compared:
            shown.add_row(
                one["what"],
                _figure(one, "published"),
                f"{_figure(one, 'drawn')} ({_figure(one, 'error')})",
                one["grade"],
                one["source"],
            )
        console.print(shown, markup=False)
    if held is not None:
        found, spare = held
        shown = Table(title=f"against {table}", title_justify="left")
        for head in ("draw", "unit", "drawn", "in the table"):
            shown.add_column(head, overflow="fold")
        for name, own, given in found:
            shown.add_row(name, "" if unit_of(made, name) in ("1", "text") else unit_of(made, name), own, given)
        console.print(shown, markup=False)
        if spare:
            near = [f"{name}{nearest(name, patients[0].values)}" for name in spare]
            announce(f"not compared, since no draw has the name: {'; '.join(near)}")
    if out:
        from tme_sim.plots.cohort import CAPTION, QUESTION, cohort_figure
        from tme_sim.plots.files import save_figure

        save_figure(cohort_figure(made, patients, compared), out, QUESTION, CAPTION)
        click.echo(f"drawn to {out}")


def _figure(one: dict[str, Any], key: str) -> str:
    if one[key] != one[key]:
        return "-"
    return f"{100 * one[key]:.1f} %" if one["statistic"] == "share" else f"{one[key]:.3g}"


@click.command()
@click.argument("file")
@click.option("--out", required=True, metavar="DIR", help="Folder of the trial; made, or gone on with.")
@click.option("--n", type=int, metavar="N", help="Patients, instead of what the file says.")
@click.option("--repeats", type=int, metavar="R", help="Repeats with other patients, instead of what the file says.")
@click.option("--seed", type=int, metavar="S", help="Seed, instead of what the file says.")
@click.option("--posterior", metavar="FILE", help="Calibration whose members the patients follow, one each.")
@click.option("--jobs", type=click.IntRange(1, 4096), help="Threads; default one for each core.")
@click.option(
    "--spiders",
    default=20,
    show_default=True,
    metavar="N",
    type=click.IntRange(0, 200),
    help="Patients whose single scans are drawn; 0 for none.",
)
@click.option("--no-figures", is_flag=True, help="Draw nothing.")
@folders
@guarded
def trial(
    file: str,
    out: str,
    n: int | None,
    repeats: int | None,
    seed: int | None,
    posterior: str | None,
    jobs: int | None,
    spiders: int,
    no_figures: bool,
    mechanisms: tuple[str, ...],
) -> None:
    """Run a virtual trial: every patient through every arm; Ctrl-C stops, the same command goes on.

    \b
    tme-sim trial configs/trials/emerald1_like.toml --out trials/emerald1
    tme-sim trial configs/trials/tace_only.toml --n 20 --out trials/small
    tme-sim trial configs/trials/tace_only.toml --posterior configs/posteriors/default.json --out trials/fitted
    """
    from importlib.util import find_spec

    from tme_sim.catalogue import load_catalogue
    from tme_sim.cohort import load_trial, run_trial
    from tme_sim.cohort.folder import check_folder, draw_trial, write_trial
    from tme_sim.cohort.summary import summarise

    made = load_trial(
        file, n=n, repeats=repeats, seed=seed, posterior=posterior,
        catalogue=load_catalogue(mechanisms) if mechanisms else None,
    )  # fmt: skip
    folder = check_folder(out)
    if find_spec("statsmodels") is None:  # said now, not after hours of simulation
        raise Failure("hazard ratios need statsmodels: pip install 'tme-sim[trial]'", FAILED)
    arms = f"{len(made.arms)} arm{'s' if len(made.arms) > 1 else ''}"
    patients = made.n * made.repeats
    announce(f"{made.name}: {patients} patient{'s' if patients > 1 else ''} of {made.cohort.name}, each in {arms}")
    announce_first_run()
    try:
        result = run_trial(made, out=folder, jobs=jobs, announce=announce)
    except KeyboardInterrupt:
        raise Failure(f"interrupted; the same command goes on with what {folder} holds", INTERRUPTED) from None
    for line in _left_out(result):
        announce(line)
    if not len(result.follow_up):
        raise Failure("no patient could be simulated in every arm", FAILED)
    if result.simulated:
        rate = result.simulated / result.seconds
        announce(f"{result.simulated} runs in {result.seconds:.0f} s, {rate:.3g} per second")
    summary = summarise(result)
    write_trial(folder, result, summary)
    if not no_figures:
        from tme_sim.cohort.courses import courses_of

        courses = courses_of(result, spiders, announce) if spiders else None
        draw_trial(folder, result, courses)
    _show(summary, result)
    click.echo(f"written to {folder}")


def _left_out(result: Any) -> list[str]:
    """A line on each of the first patients that could not be simulated, and on how many there are."""
    lost: dict[int, list[dict]] = {}
    for failure in result.failures:
        lost.setdefault(failure["patient"], []).append(failure)
    lines = []
    for patient, found in list(lost.items())[:3]:
        alike = len(found) == len(result.arms) and len({f["message"] for f in found}) == 1
        arm = "" if alike else f"{found[0]['arm']}: "
        lines.append(f"patient {patient} left out of all arms: {arm}{found[0]['message']}")
    if lost:
        of = len(lost) + len(result.follow_up)
        lines.append(f"{len(lost)} of {of} patients are left out of all arms; trial.json lists each with its reason")
    return lines


ROWS = (
    ("PFS, median (months)", "pfs_median", "number"),
    ("PFS at 12 months", "pfs_rate_12", "share"),
    ("TTP, median (months)", "ttp_median", "number"),
    ("objective response", "orr", "share"),
    ("complete response", "cr", "share"),
    ("OS, median (months)", "os_median", "number"),
    ("OS at 24 months", "os_rate_24", "share"),
    ("TACE sessions, mean (before therapy after progression)", "n_tace_mean", "number"),
    ("converted to resectable, of all", "converted", "share"),
)


def _show(summary: dict[str, Any], result: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=max(90, min(Console().width, 160)))
    patients = "1 patient" if summary["patients"] == 1 else f"{summary['patients']} patients"
    shown = Table(title=f"{summary['trial']}: {patients} in every arm", title_justify="left")
    for head in ("endpoint", *result.arms):
        shown.add_column(head, overflow="fold")  # names of arms may differ in their last letters alone
    for words, key, kind in ROWS:
        cells = [
            _cell(summary["arms"][arm].get(key), kind, summary["arms"][arm].get(f"{key}_ci95")) for arm in result.arms
        ]
        shown.add_row(words, *cells)
    console.print(shown, markup=False)
    if summary["contrasts"]:
        shown = Table(title="contrasts", title_justify="left")
        for head in ("", "PFS hazard ratio", "p of non- proportional", "OS hazard ratio", "PFS gained, same patients"):
            shown.add_column(head, overflow="fold")
        for name, found in summary["contrasts"].items():
            gain = summary["paired"][name]["pfs"]
            shown.add_row(
                name,
                _cell(found["pfs_hr"], "number", found["pfs_hr_ci95"]),
                _cell(found["pfs_nonproportional_p"], "number", None),
                _cell(found["os_hr"], "number", found["os_hr_ci95"]),
                f"{gain['mean_gain']:.2f} months; {100 * gain['better']:.0f} % gain, {100 * gain['worse']:.0f} % lose",
            )
        console.print(shown, markup=False)
    click.echo(f"therapy after progression: {summary['after_progression']}")
    if summary["posterior"]:
        click.echo(f"values: each patient follows a member of the calibration {summary['posterior']}")


def _cell(value: float | None, kind: str, interval: Any) -> str:
    import math

    if value is None or math.isnan(value):
        return "-"

    def text(number: float) -> str:
        if math.isinf(number):
            return "not reached"
        return f"{100 * number:.0f} %" if kind == "share" else f"{number:.3g}"

    # A curve at 0 or 100 % has no band, and the median of one or two patients no bounds.
    known = interval and not any(math.isnan(end) for end in interval) and not math.isinf(interval[0])
    return text(value) + (f" ({text(interval[0])} to {text(interval[1])})" if known else "")
