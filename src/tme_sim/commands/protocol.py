"""``tme-sim protocol``: calendars shown and drawn, dosing tables written and read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from tme_sim.commands.common import announce, changes, folders, force_file, guarded, load, output_file


@click.group()
def protocol() -> None:
    """Look at the calendar of a protocol or scenario file.

    \b
    tme-sim protocol show configs/protocols/emerald1_durva_bev.toml
    tme-sim protocol table configs/emerald1.toml --out doses.csv
    """


def _calendar(file: str, changes: tuple[str, ...], mechanisms: tuple[str, ...]) -> Any:
    """The scenario of a file; a protocol file is given to a patient with the lesions that it names."""
    from tme_sim.diagnostics import read_toml
    from tme_sim.protocol.reading import LISTS, targets_of
    from tme_sim.scenario import Scenario

    data, _ = read_toml(file)
    if not any(name in data for name in LISTS):
        return load(file, changes, mechanisms)
    from pathlib import Path

    from tme_sim.toml_writer import text

    path = Path(file)
    lesions = "".join(f"[[patient.lesion]]\nname = {text(name)}\n" for name in targets_of(data))
    return Scenario.from_text(
        f"{lesions}[protocol]\nfile = {text(path.name)}\n", str(path.with_name("scenario")), changes,
        mechanisms=mechanisms,
    )  # fmt: skip


@protocol.command("show")
@click.argument("file")
@click.option("--out", metavar="FILE.png", help="Draw the calendar as well.")
@force_file
@changes
@folders
@guarded
def protocol_show(
    file: str, out: str | None, force: bool, changes: tuple[str, ...], mechanisms: tuple[str, ...]
) -> None:
    """Print the calendar of a protocol or scenario; draw it with --out.

    \b
    tme-sim protocol show configs/protocols/emerald1_durva_bev.toml --out calendar.png
    """
    from tme_sim.protocol.view import calendar_text, draw_calendar

    if out:
        output_file(out, ".png", force=force)
    scenario = _calendar(file, changes, mechanisms)
    click.echo(calendar_text(scenario.calendar), nl=False)
    if out:
        from tme_sim.plots.treatments import colours_of

        draw_calendar(scenario.calendar, out, scenario.protocol.title, colours_of(scenario))
        click.echo(f"figure {out}")


@protocol.command("table")
@click.argument("file")
@click.option("--out", metavar="FILE", help="Write it there instead of printing it.")
@force_file
@changes
@folders
@guarded
def protocol_table(
    file: str, out: str | None, force: bool, changes: tuple[str, ...], mechanisms: tuple[str, ...]
) -> None:
    """Print doses as a NONMEM table, or turn a table into a protocol.

    \b
    tme-sim protocol table configs/emerald1.toml --out doses.csv
    tme-sim protocol table doses.csv --out my_protocol.toml
    """
    from tme_sim.disk import write_file
    from tme_sim.protocol.dosing_table import dosing_table

    if out:
        output_file(out, force=force)
    is_table = file.lower().endswith(".csv")
    text = (
        _protocol_of_table(file, mechanisms)
        if is_table
        else _table_of(_calendar(file, changes, mechanisms), dosing_table)
    )
    if out:
        write_file(out, text.encode())
        click.echo(f"written to {out}")
    else:
        click.echo(text, nl=False)


def _table_of(scenario: Any, dosing_table: Callable) -> str:
    planned = len(scenario.calendar.planned)
    if planned:
        announce(f"note: {planned} dates depend on what visits see; they stand as planned (COND 1)")
    return dosing_table(scenario.calendar)


def _protocol_of_table(file: str, mechanisms: tuple[str, ...]) -> str:
    from pathlib import Path

    from tme_sim.catalogue import load_catalogue
    from tme_sim.diagnostics import read_text
    from tme_sim.protocol.dosing_table import protocol_text, read_dosing_table

    calendar = read_dosing_table(read_text(file), file, load_catalogue(mechanisms).library)
    return protocol_text(calendar, "".join(c if c.isalnum() else "_" for c in Path(file).stem)[:60] or "table")
