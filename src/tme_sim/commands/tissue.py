"""``tme-sim snapshot`` and ``tme-sim movie``: pictures of agent tissue."""

from __future__ import annotations

from typing import Any

import click

from tme_sim.commands.common import BAD_INPUT, Failure, announce, guarded, output_file


def _target(directory: str, usual: str, out: str | None, force: bool, *endings: str) -> Any:
    """Where a picture goes: to `out`, or to its usual place among the figures of the run, which it replaces."""
    from pathlib import Path

    if out is not None:
        return output_file(out, *endings, force=force)
    return Path(directory) / "figures" / usual


@click.command()
@click.argument("directory", metavar="DIR")
@click.option("--day", "days", multiple=True, type=float, help="Only the snapshot nearest to this day; repeatable.")
@click.option("--show", "rows", multiple=True, metavar="ROW",
              help="cells, oxygen, VEGF, AMP, doxorubicin, perfusion or quality; repeatable.")  # fmt: skip
@click.option("--out", metavar="FILE", help="FILE.png, .svg or .pdf; default DIR/figures/tissue.png.")
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

    from tme_sim.disk import whole
    from tme_sim.results import Run
    from tme_sim.tissue.snapshots import snapshots_of

    target = _target(directory, "tissue.png", out, force, ".png", ".svg", ".pdf")
    shots = snapshots_of(directory)
    if any(not math.isfinite(day) for day in days):
        raise Failure("--day: must be a finite number", BAD_INPUT)
    if days:
        shots = [min(shots, key=lambda s, d=day: abs(s.day - d)) for day in days]
    from tme_sim.plots.record import title_of
    from tme_sim.plots.tissue import ROWS, snapshot_sheet
    from tme_sim.plots.treatments import treatments_of

    run = Run.load(directory)
    try:
        figure = snapshot_sheet(shots, title_of(run), rows or ROWS, treatments_of(run).tace)
    except ValueError as error:
        raise Failure(f"--show: {error}", BAD_INPUT) from None
    target.parent.mkdir(exist_ok=True)
    with whole(target) as temporary:
        figure.savefig(temporary, format=target.suffix[1:])
    click.echo(f"figure {target}")


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
    from shutil import which

    from tme_sim.results import Run
    from tme_sim.tissue.snapshots import film_of

    target = _target(directory, "tissue.gif", out, force, ".gif", ".mp4")
    if target.suffix == ".mp4" and which("ffmpeg") is None:
        raise Failure(f"{target}: an MP4 needs ffmpeg, which is not on the path; write FILE.gif instead", BAD_INPUT)
    frames = film_of(directory)
    from tme_sim.plots.record import title_of
    from tme_sim.plots.tissue import write_film

    write_film(target, frames, title_of(Run.load(directory)), rate, announce)
    click.echo(f"film {target}: {len(frames)} frames")
