"""``tme-sim report``."""

from __future__ import annotations

import click

from tme_sim.commands.common import guarded


@click.command()
@click.argument("source")
@click.option("--out", required=True, metavar="FILE.html", help="The page to write.")
@click.option("--force", is_flag=True, help="Replace the page in --out.")
@guarded
def report(source: str, out: str, force: bool) -> None:
    """Write one self-contained page about a run, the store of a study, or a trial.

    Question, calendar, figures with captions in words, endpoints with their definitions, what failed, warnings, sources
    with grades (weakest first), and how to reproduce it.  The page needs no network and prints.

    \b
    tme-sim report runs/emerald1-1 --out emerald1.html
    tme-sim report stores/timing --out timing.html
    tme-sim report trials/emerald1 --out trial.html
    """
    from tme_sim.report import write_report

    click.echo(f"written to {write_report(source, out, force=force)}")
