"""``tme-sim sweep``, ``merge`` and ``store``: studies and what they leave behind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from tme_sim.commands.common import (
    BAD_INPUT,
    FAILED,
    INTERRUPTED,
    Failure,
    announce,
    folders,
    guarded,
    load_study,
    stopped_by_term,
)

REFRESH = 0.2  # seconds between two drawings of the progress line
WORDS = 10.0  # seconds between two lines of progress where there is no terminal


@click.command()
@click.argument("study")
@click.option("--out", required=True, metavar="STORE", help="Folder of the store; made, or gone on with.")
@click.option("--jobs", type=click.IntRange(0, 4096), help="Processes; default one for each core, 0 none but this one.")
@click.option("--yes", is_flag=True, help="Go on with a large study.")
@click.option("--shard", metavar="I/N", help="Run every N-th point from the I-th; tme-sim merge joins the stores.")
@click.option("--retry", is_flag=True, help="Run again what crashed or timed out.")
@click.option("--engine", type=click.Choice(["local", "dask"]), default="local", show_default=True,
              help="Processes of this machine, or the workers of a dask cluster.")
@click.option("--scheduler", metavar="ADDRESS", help="Of a dask cluster, like tcp://127.0.0.1:8786.")
@click.option("--i-trust-this-network", "trusted", is_flag=True, help="Talk to a cluster without TLS.")
@click.option("--dry-run", is_flag=True, help="Check the study and estimate time and disk; write nothing.")
@folders
@guarded
def sweep(
    study: str, out: str, jobs: int | None, yes: bool, shard: str | None, retry: bool, engine: str,
    scheduler: str | None, trusted: bool, dry_run: bool, mechanisms: tuple[str, ...],
) -> None:  # fmt: skip
    """Run what a store does not hold yet of a study; Ctrl-C (or SIGTERM) stops, the same command goes on.

    \b
    tme-sim sweep experiments/timing_window --out stores/timing
    tme-sim sweep my/study.toml --out stores/part2 --shard 2/8
    """
    from tme_sim.study import run_study
    from tme_sim.study.expected import cores, estimate, estimate_unplanned, planning_time

    made = load_study(study, mechanisms)
    part = _shard(shard)
    runner = _engine(engine, scheduler, trusted)
    ordinals = made.shard(*part) if part else None
    jobs_used = jobs if jobs is not None else cores()
    if long := planning_time(len(made)):
        rough = estimate_unplanned(made, out, len(made) if ordinals is None else len(ordinals), jobs_used)
        announce(f"{made.name}: {len(made)} points; to do: at most {rough}")
        if rough.large and not yes:
            if dry_run:
                return
            raise Failure(rough.remedy, BAD_INPUT)
        announce(f"planning all points, about {long}")
    expected = estimate(made, out, jobs_used, ordinals, compiling=runner is None)
    announce(f"{made.name}: {len(made)} points; to do: {expected}")
    if dry_run:
        return
    if expected.large and not yes:
        raise Failure(expected.remedy, BAD_INPUT)
    try:
        with stopped_by_term(), _Shown() as shown:
            store = run_study(made, out, jobs, True, shown, shard=part, retry=retry, engine=runner)
        with store:
            _finish(store, made.plan_table, ordinals)
    except KeyboardInterrupt:  # a second one, or one before or after the runs
        told = f"stopped; the runs committed so far are in {out}; run the same command again to go on"
        raise Failure(told, INTERRUPTED) from None


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    number, sign, of = text.partition("/")
    if not (sign and number.isdigit() and of.isdigit() and len(of) < 7 and 1 <= int(number) <= int(of)):
        raise Failure(f'--shard: "{text[:30]}" is not I/N with I from 1 to N, like 2/8', BAD_INPUT)
    return int(number), int(of)


def _engine(engine: str, scheduler: str | None, trusted: bool) -> Any:
    if engine == "local":
        if scheduler:
            raise Failure("--scheduler belongs to --engine dask", BAD_INPUT)
        return None
    from tme_sim.study.cluster import dask_engine

    return dask_engine(scheduler, trusted)


class _Shown:
    """Progress: one line that is drawn again on a terminal, and a line now and then elsewhere."""

    def __init__(self) -> None:
        self.live: Any = None
        self.last, self.note, self.told = 0.0, "", 0

    def __enter__(self) -> _Shown:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}")
            self.live = Progress(*columns, console=Console(stderr=True), refresh_per_second=4)
            self.live.start()
            self.task = self.live.add_task("runs", total=None, told="")
        return self

    def __exit__(self, *what: Any) -> None:
        if self.live is not None:
            self.live.stop()

    def __call__(self, progress: Any) -> None:
        """Take a word from the study."""
        from time import monotonic

        if self.live is not None:
            if monotonic() - self.last > REFRESH or progress.done == progress.total:
                self.last = monotonic()
                self.live.update(self.task, total=progress.total, completed=progress.done, told=str(progress))
        elif progress.note not in ("", self.note) or (progress.rate and (
            monotonic() - self.last > WORDS or progress.done == progress.total != self.told
        )):  # fmt: skip
            self.last, self.note, self.told = monotonic(), progress.note, progress.done
            announce(str(progress))


def _finish(store: Any, plan: Any, ordinals: Any) -> None:
    """Table, meaning of its columns and picture, in the folder of the store."""
    from tme_sim.disk import write_file
    from tme_sim.study.tables import columns_text, csv_text

    table = store.table(plan, ordinals)
    write_file(store.folder / "table.csv", csv_text(table).encode())
    write_file(store.folder / "columns.csv", columns_text(plan, table).encode())
    if (store.folder / "runs").is_dir():
        write_file(store.folder / "folders.csv", csv_text(_index(plan, table, ordinals)).encode())
    bad = {s: int((table["status"] == s).sum()) for s in dict.fromkeys(table["status"]) if s != "ok"}
    click.echo(f"{len(table['status'])} rows, {store.folder / 'table.csv'}")
    for status, count in bad.items():
        first = next(m for s, m in zip(table["status"], table["message"], strict=True) if s == status)
        click.echo(f"{count} {status}; the first: {first}")
    try:
        from tme_sim.plots.study import draw_study

        target = store.folder / "figures" / f"{plan.about['name']}.png"
        target.parent.mkdir(exist_ok=True)
        click.echo(f"figure {draw_study(plan, table, target)}")
    except ValueError as error:
        click.echo(str(error))
    if bad and not (table["status"] == "ok").any():
        raise click.exceptions.Exit(FAILED)


def _index(plan: Any, table: dict[str, Any], ordinals: Any) -> dict[str, Any]:
    """Which run folder belongs to which row of a table."""
    import numpy as np

    keys = plan.keys if ordinals is None else [plan.keys[i] for i in ordinals]
    told = {name: values for name, values in table.items() if name in plan.settings or name == "status"}
    return {"folder": np.array([key.hex() for key in keys], dtype=object), **told}


@click.command()
@click.argument("parts", nargs=-1, required=True, metavar="STORE ...")
@click.option("--out", required=True, metavar="STORE", help="Folder of the joined store; made, or added to.")
@guarded
def merge(parts: tuple[str, ...], out: str) -> None:
    """Join the stores of shards into one, in any order; the parts stay as they are.

    \b
    tme-sim merge stores/part1 stores/part2 --out stores/whole
    """
    from tme_sim.study.mend import merge_stores
    from tme_sim.study.store import open_store

    count = merge_stores(out, parts)
    click.echo(f"{count} rows in {out}")
    with open_store(out) as store:
        if store.plans():
            _finish(store, store.plan(), None)


@click.group()
def store() -> None:
    """Look at, check and repair the store of a study.

    \b
    tme-sim store status stores/timing
    tme-sim store verify stores/timing
    """


@store.command("status")
@click.argument("folder", metavar="STORE")
@guarded
def store_status(folder: str) -> None:
    """Say what a store holds: plans, rows by status, what is missing.

    \b
    tme-sim store status stores/timing
    """
    from tme_sim.study.expected import told_size
    from tme_sim.study.keys import model_digest
    from tme_sim.study.store import FILE, open_store

    with open_store(folder) as found:
        size = told_size((Path(folder) / FILE).stat().st_size)
        same = "this model" if found.model_digest == model_digest() else "another model than this one"
        click.echo(f"{len(found)} rows, {size}, model {found.model_digest[:12]} ({same})")
        for status, count in found.status().items():
            click.echo(f"  {status:<12}{count:>9}")
        for plan in found.plans():
            if not plan["sound"]:
                click.echo(f"plan {plan['number']} is damaged; tme-sim store repair {folder}")
                continue
            left = len(found.missing(found.plan(plan["number"])))
            state = "complete" if not left else f"{left} runs missing"
            click.echo(f"plan {plan['number']}: {plan['name']}, {plan['size']} points of {plan['made']}, {state}")


@store.command("verify")
@click.argument("folder", metavar="STORE")
@guarded
def store_verify(folder: str) -> None:
    """Check every row against its checksum; exit code 1 for damage.

    \b
    tme-sim store verify stores/timing
    """
    from tme_sim.study.mend import verify_store

    found = verify_store(folder)
    for damage in found.damage[:20]:
        click.echo(f"damaged: {damage}")
    if found.damage:
        more = f" ({len(found.damage) - 20} more)" if len(found.damage) > 20 else ""
        raise Failure(f"{folder}: damaged{more}; tme-sim store repair {folder} saves what is whole", FAILED)
    click.echo(f"{found.rows} rows, all sound")


@store.command("repair")
@click.argument("folder", metavar="STORE")
@guarded
def store_repair(folder: str) -> None:
    """Save every whole row; the next sweep computes what was lost.

    \b
    tme-sim store repair stores/timing
    """
    from tme_sim.study.mend import repair_store

    found, damaged = repair_store(folder)
    if damaged is None:
        click.echo(f"{found.rows} rows, all sound; nothing to repair")
        return
    click.echo(f"{found.rows} whole rows are kept; damages found: {len(found.damage)}; the file as it was is {damaged}")
    click.echo("next: run tme-sim sweep again to compute what was lost")
