"""``tme-sim snapshot`` and ``tme-sim movie``: pictures of agent tissue."""

from __future__ import annotations

from typing import Any

import click

from tme_sim.commands.common import BAD_INPUT, Failure, announce, guarded


def _target(out: str, force: bool, *endings: str) -> Any:
    from pathlib import Path

    path = Path(out)
    if path.suffix not in endings:
        raise Failure(f"{out}: --out must end in {' or '.join(endings)}", BAD_INPUT)
    if path.exists() and not force:
        raise Failure(f"{out}: exists; choose another --out, or replace it with --force", BAD_INPUT)
    return path


@click.command()
@click.argument("directory", metavar="DIR")
@click.option("--day", "days", multiple=True, type=float, help="Only the snapshot nearest to this day; repeatable.")
@click.option("--show", "rows", multiple=True, metavar="ROW",
              help="cells, oxygen, VEGF, AMP, doxorubicin, perfusion or quality; repeatable.")  # fmt: skip
@click.option("--out", metavar="FILE.png", help="Default DIR/figures/tissue.png.")
@click.option("--force", is_flag=True, help="Replace the picture in --out.")
@guarded
def snapshot(directory: str, days: tuple[float, ...], rows: tuple[str, ...], out: str | None, force: bool) -> None:
    """Draw the snapshots of a run with agent tissue: cells over fields.

    One column per snapshot (before TACE, day 1, 7, 28, 90 as the scenario says), one row per thing shown.

    \b
    tme-sim snapshot runs/agents_emerald1-1
    tme-sim snapshot runs/agents_emerald1-1 --day 7 --show cells --show quality --out day7.png
    """
    import math
    from pathlib import Path

    from tme_sim.tissue.snapshots import snapshots_of

    usual = str(Path(directory) / "figures" / "tissue.png")
    target = _target(out or usual, force or out is None, ".png", ".svg", ".pdf")
    shots = snapshots_of(directory)
    if any(not math.isfinite(day) for day in days):
        raise Failure("--day: must be a finite number", BAD_INPUT)
    if days:
        shots = [min(shots, key=lambda s, d=day: abs(s.day - d)) for day in days]
    from tme_sim.plots.tissue import ROWS, snapshot_sheet

    try:
        figure = snapshot_sheet(shots, _title(directory), rows or ROWS)
    except ValueError as error:
        raise Failure(f"--show: {error}", BAD_INPUT) from None
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target)
    click.echo(f"figure {target}")


def _title(directory: str) -> str:
    import tomllib
    from pathlib import Path

    scenario = tomllib.loads((Path(directory) / "scenario.toml").read_text(encoding="utf-8"))
    return scenario.get("title") or scenario.get("name", "")


@click.command()
@click.argument("directory", metavar="DIR")
@click.option("--out", metavar="FILE", help="FILE.gif, or FILE.mp4 where ffmpeg is; default DIR/figures/tissue.gif.")
@click.option("--rate", default=8.0, type=click.FloatRange(0.5, 50), show_default=True, help="Frames a second.")
@click.option("--force", is_flag=True, help="Replace the film in --out.")
@guarded
def movie(directory: str, out: str | None, rate: float, force: bool) -> None:
    """Make a film of a run with agent tissue: cells and oxygen, day by day.

    A GIF needs nothing more; an MP4 needs ffmpeg on the path.

    \b
    tme-sim movie runs/agents_emerald1-1
    tme-sim movie runs/agents_emerald1-1 --out tissue.mp4 --rate 12
    """
    from pathlib import Path
    from shutil import which

    from tme_sim.tissue.snapshots import film_of

    target = _target(out or str(Path(directory) / "figures" / "tissue.gif"), force or out is None, ".gif", ".mp4")
    if target.suffix == ".mp4" and which("ffmpeg") is None:
        raise Failure(f"{target}: an MP4 needs ffmpeg, which is not on the path; write FILE.gif instead", BAD_INPUT)
    frames = film_of(directory)
    from tme_sim.plots.tissue import write_film

    write_film(target, frames, _title(directory), rate, announce)
    click.echo(f"film {target}: {len(frames)} frames")
