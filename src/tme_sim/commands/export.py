"""``tme-sim export``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tme_sim.commands.common import (
    BAD_INPUT,
    Failure,
    announce,
    announce_first_run,
    folders,
    force_file,
    guarded,
    load,
    output_file,
)
from tme_sim.export import KINDS

RUN_KINDS = ("csv", "parquet", "xarray")
TISSUE_KINDS = ("vtk", "ome-tiff")
PETAB = "petab"
ENDINGS = {"vtk": (".pvd",), "ome-tiff": (".tif",), "equations": (".md",), "odd": (".md",)}
"""Endings of kinds whose file another ending would pass off as something else."""
EQUATIONS = ("sbml", "omex", "equations")
WELL_MIXED = "note: single cells have no equations; what is written is the well-mixed form of this scenario"


@click.command()
@click.argument("kind", type=click.Choice((*RUN_KINDS, *TISSUE_KINDS, *KINDS, PETAB)))
@click.argument("source")
@click.option("--out", required=True, metavar="FILE", help="File to write; of petab a new folder.")
@click.option("--plan", type=click.IntRange(1), metavar="NUMBER",
              help="Of a store: this plan, as tme-sim store status numbers them; by default that of the last study.")
@force_file
@folders
@guarded
def export(kind: str, source: str, out: str, plan: int | None, force: bool, mechanisms: tuple[str, ...]) -> None:
    """Write a run or a study's store (csv, parquet, xarray), or a model (sbml, omex, equations, parameters, odd).

    Equations and the ODD description are Markdown with LaTeX formulas; the tables are CSV.
    The folder of a finished calibration becomes a problem for other tools of fitting (petab).  The snapshots of agent
    tissue go to ParaView (vtk) and to Fiji or napari (ome-tiff).

    \b
    tme-sim export csv runs/emerald1-1 --out emerald1.csv
    tme-sim export parquet stores/timing --out timing.parquet
    tme-sim export ome-tiff runs/agents_emerald1-1 --out tissue.ome.tif
    tme-sim export sbml configs/emerald1.toml --out emerald1.xml
    tme-sim export petab fits/default --out problem
    """
    if plan is not None and not (kind in RUN_KINDS and _is_store(source)):
        raise Failure("--plan belongs to csv, parquet or xarray of a store", BAD_INPUT)
    if kind == PETAB:
        from tme_sim.export.petab import write_petab

        click.echo(f"written to {write_petab(source, out)}")
        return
    output_file(out, *ENDINGS.get(kind, ()), force=force)
    if kind in RUN_KINDS and _is_store(source):
        from tme_sim.study.store import open_store
        from tme_sim.study.tables import export_table

        with open_store(source) as store:
            click.echo(_told(*export_table(kind, store, out, plan), others=len(store.plans()) - 1))
    elif kind in TISSUE_KINDS:
        from tme_sim.tissue import export as tissue

        (tissue.to_vtk if kind == "vtk" else tissue.to_ome_tiff)(source, out)
    elif kind in RUN_KINDS:
        from tme_sim.results import Run

        if not Path(source).is_dir():
            raise Failure(f"{source}: there is no such folder of a run or a store", BAD_INPUT)
        _export_run(kind, Run.load(source), out)
    else:
        from tme_sim.export import export as export_

        scenario = load(source, (), mechanisms)
        announce_first_run()
        export_(kind, scenario, out)
        if scenario.tissue == "agents" and kind in EQUATIONS:
            announce(WELL_MIXED)
    click.echo(f"written to {out}")


def _told(plan: Any, table: dict[str, Any], others: int) -> str:
    """Which rows went out: what they lack, and that the store has others."""
    status = table["status"].tolist()
    bad = [f"{status.count(s)} {s}" for s in dict.fromkeys(status) if s != "ok"]
    lacks = f", of which without a result: {', '.join(bad)}" if bad else ""
    more = f" ({others} more in this store: --plan)" if others else ""
    return f"{len(status)} rows of {plan.about['name']}{lacks}{more}"


def _export_run(kind: str, done: Any, out: str) -> None:
    """Write a run as a file that appears whole or not at all."""
    from tme_sim.disk import whole, write_file

    if kind == "csv":
        write_file(out, done.to_csv().encode())
        return
    with whole(out) as half:
        if kind == "parquet":
            done.to_dataframe().to_parquet(half)
        else:
            done.to_xarray().to_netcdf(half)


def _is_store(source: str) -> bool:
    return (Path(source) / "runs.sqlite").is_file()
