"""``tme-sim explore``."""

from __future__ import annotations

from typing import Any

import click

from tme_sim.commands.common import announce, changes, folders, guarded, load


@click.command()
@click.argument("config", required=False)
@changes
@folders
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Port on 127.0.0.1; 0: a free one.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@guarded
def explore(
    config: str | None, changes: tuple[str, ...], mechanisms: tuple[str, ...], port: int, no_browser: bool
) -> None:  # fmt: skip
    """Open a local page to drag the calendar, move parameters, and see at once what follows.

    CONFIG is a scenario file; without one the page opens with an example.  The page answers this machine only, needs no
    network, writes no file, and stops with this command (Ctrl-C).  On another machine, forward a port with ssh:
    ssh -L 8000:127.0.0.1:8000 HOST, and start with --port 8000 --no-browser there.

    \b
    tme-sim explore
    tme-sim explore configs/emerald1.toml
    tme-sim explore configs/emerald1.toml --port 8000 --no-browser
    """
    scenario = load(config, changes, mechanisms) if config is not None else _example(changes, mechanisms)
    from tme_sim.explore.server import Explorer

    for warning in scenario.warnings:
        announce(f"warning: {warning}")
    explorer = Explorer(scenario, port)
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
