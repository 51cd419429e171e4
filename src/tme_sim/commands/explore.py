"""``tme-sim explore``."""

from __future__ import annotations

from typing import Any

import click

from tme_sim.commands.common import announce, announce_first_run, changes, folders, guarded, load


@click.command()
@click.argument("config", required=False)
@changes
@folders
@click.option("--study", metavar="STUDY", help="A study over two dates, whose timing surface the page shows.")
@click.option("--store", metavar="STORE", help="Where `tme-sim sweep` keeps the runs of the study.")
@click.option("--posterior", metavar="FILE", help="The band from this posterior of tme-sim calibrate; else the prior.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Port on 127.0.0.1; 0: a free one.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@guarded
def explore(
    config: str | None, changes: tuple[str, ...], mechanisms: tuple[str, ...], study: str | None, store: str | None,
    posterior: str | None, port: int, no_browser: bool,
) -> None:  # fmt: skip
    """Open a local page to drag the calendar, move parameters, and see at once what follows.

    CONFIG is a scenario file; without one the page opens with an example.  The page answers this machine only, needs no
    network, writes no file, and stops with this command (Ctrl-C).  On another machine, forward a port with ssh:
    ssh -L 8000:127.0.0.1:8000 HOST, and start with --port 8000 --no-browser there.

    \b
    tme-sim explore
    tme-sim explore configs/emerald1.toml
    tme-sim explore configs/emerald1.toml --port 8000 --no-browser
    tme-sim explore experiments/timing_window/base.toml --study experiments/timing_window --store stores/timing
    """
    if (study is None) != (store is None):
        raise click.UsageError("--study and --store go together: the study, and the store of its runs")
    scenario = load(config, changes, mechanisms) if config is not None else _example(changes, mechanisms)
    announce_first_run()
    from tme_sim.explore.server import Explorer

    for warning in scenario.warnings:
        announce(f"warning: {warning}")
    surface = None
    if study is not None:
        from tme_sim.explore.timing import of_study

        surface = of_study(study, store, announce)
    known = None
    if posterior is not None:
        from tme_sim.posterior import load_posterior

        known = load_posterior(posterior, own=scenario.catalogue.own)
    explorer = Explorer(scenario, port, surface, known)
    try:
        explorer.serve(lambda address: _open(address, no_browser))
    except OSError as error:
        from tme_sim.commands.common import FAILED, Failure

        why = error.strerror or error
        raise Failure(f"port {port}: {why}; choose another --port, or leave it out", FAILED) from None
    announce("stopped")


def _example(changes: tuple[str, ...], mechanisms: tuple[str, ...]) -> Any:
    from tme_sim.scenario import Scenario
    from tme_sim.templates import NEW_SCENARIO

    return Scenario.from_text(NEW_SCENARIO, "example.toml", changes, mechanisms=mechanisms)


def _open(address: str, no_browser: bool) -> None:
    click.echo(address)
    announce("the page is at this address, for this machine only; Ctrl-C stops it")
    if not no_browser:
        import webbrowser

        webbrowser.open(address)
