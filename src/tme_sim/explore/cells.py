"""A run of single cells in the background: progress, snapshots as they come, and at the end a run to compare with."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tme_sim.explore import frames
from tme_sim.explore.models import Models
from tme_sim.plan import plan_of
from tme_sim.simulation import run_plan

__all__ = ["CellRun", "Stopped"]

PIXELS = 900
MOST_CHANGE = {"tissue": "agents"}


class Stopped(Exception):
    """The run was asked to stop."""


class CellRun:
    """One run of a scenario at the fidelity "agents"; `say` is called from its thread with messages for the page.

    Raises:
        InputError: a scenario that cannot be run cell by cell.
    """

    def __init__(self, scenario: Any, models: Models, say: Callable[[dict], None]):
        self.scenario = scenario if scenario.tissue == "agents" else scenario.changed(MOST_CHANGE)
        self.plan = replace(plan_of(self.scenario), wall_seconds=None)  # the page has a button to stop it
        self._models, self._say, self._over = models, say, threading.Event()

    def stop(self) -> None:
        """Ask it to stop at its next word."""
        self._over.set()

    def run(self) -> Any:
        """Run, and return a :class:`tme_sim.results.Run` as the page draws it.

        Raises:
            Stopped: it was asked to.
            SimulationError: as :func:`tme_sim.simulation.run_plan`.
        """
        every = frames.spacing(self.plan)
        plan = replace(self.plan, every=every, start=self.plan.start // every * every)
        ready = self._models.set_up(plan)
        outcome = run_plan(plan, announce=self._told, ready=ready, watch=self._seen)
        return frames.run_of(outcome, self.scenario)

    def _told(self, text: str) -> None:
        self._check()
        self._say({"type": "cells", "text": text})

    def _seen(self, name: str, content: bytes) -> None:
        self._check()
        from tme_sim.tissue.snapshots import read_snapshot

        shot = read_snapshot(content, name)
        self._say({"type": "snapshot", "day": shot.day, "label": shot.label, "image": picture(shot)})

    def _check(self) -> None:
        if self._over.is_set():
            raise Stopped


def picture(shot: Any) -> str:
    """A snapshot as PNG in a data address."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from tme_sim.plots.tissue import side_by_side

    figure = side_by_side(shot, "")
    FigureCanvasAgg(figure)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=PIXELS / figure.get_size_inches()[0])
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
