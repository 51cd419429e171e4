"""One tab of the page: takes messages, edits its own scenario, and answers with frames.

Messages wait in a short queue and are taken together; of a gesture only the last position counts, so a slider that
moves faster than the model runs never builds up work (latest wins).  A tab has at most one frame in the making and one
slow job (band, explanation, download); both run in threads, and tabs share nothing but compiled models.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tme_sim.catalogue import choices_text
from tme_sim.diagnostics import InputError
from tme_sim.ensemble import run_rows
from tme_sim.explore import frames, packing, timing
from tme_sim.explore.cells import CellRun, Stopped
from tme_sim.explore.form import form_of, values_of
from tme_sim.explore.models import Models
from tme_sim.explore.prior import draw_plans, draws, members
from tme_sim.explore.session import Session
from tme_sim.outcome import SimulationError
from tme_sim.row import OK
from tme_sim.simulation import run_plan

__all__ = ["Tab"]

MOST_WAITING = 256
MOST_PINS = 4
DRAWS, TRIES = 24, 72  # patients of a band, and parameter vectors tried for them: not every one gives a patient
BAND = (0.1, 0.9)
RTOL = 1e-6  # of a run whose changes are explained
QUICK = ("edit", "undo", "redo", "load", "view", "pin", "unpin", "recall")
SLOW = ("band", "explain", "download", "timing")


@dataclass(frozen=True)
class Pin:
    """A run kept for comparison."""

    number: int
    scenario: Any
    run: Any
    name: str


class Tab:
    """One tab; `send` takes messages (plain data) and pairs of a message and bytes, in the thread of the loop."""

    def __init__(
        self, session: Session, models: Models, quick: Executor, slow: Executor, send: Callable[..., None],
        study: dict | None = None, posterior: Any = None,
    ):  # fmt: skip
        self.session, self.models = session, models
        self._quick, self._slow, self._send = quick, slow, send
        self._study, self._posterior = study, posterior
        self._inbox: deque[dict] = deque()
        self._form = form_of(session.scenario.catalogue)
        self.view = "overview"
        self._shown: tuple | None = None
        self._worker: asyncio.Task | None = None
        self._job: asyncio.Task | None = None
        self._compiling: asyncio.Task | None = None
        self._cells: CellRun | None = None
        self._pins: dict[int, Pin] = {}
        self._made: tuple[int, Any, Any] | None = None  # revision, outcome, run
        self._closed = False
        self.computed = 0

    def open(self) -> None:
        """Greet the page and draw for the first time."""
        library = self.session.scenario.catalogue.library
        self._send({
            "type": "hello", "study": self._study, "form": self._form, "views": frames.VIEWS, "draws": DRAWS,
            "known": self._known(),
            "drugs": [{"name": n, "role": library.get(n).role} for n in library.names() if library.get(n).dosing],
        })  # fmt: skip
        self._send(self._state())
        self._wake()

    def _known(self) -> str:
        """Where the band comes from; hypotheses of a posterior that the first scenario does not follow are told."""
        if self._posterior is None:
            return "prior"
        here = self.session.scenario.biology.hypotheses
        fitted = self._posterior.hypotheses.items()
        apart = choices_text({slot: choice for slot, choice in fitted if here.get(slot, "default") != choice})
        return f"posterior {self._posterior.name}".strip() + (f", fitted under {apart}" if apart else "")

    def close(self) -> None:
        """The page is gone; what is in the making is dropped."""
        self._closed = True
        if self._cells is not None:
            self._cells.stop()
        for task in (self._worker, self._job, self._compiling):
            if task is not None:
                task.cancel()

    def take(self, message: Mapping[str, Any]) -> None:
        """A message of the page."""
        kind = message.get("type")
        if kind in QUICK:
            if len(self._inbox) >= MOST_WAITING:
                self._refuse("too many changes at once; the last ones were left out")
                return
            self._fold(dict(message))
            self._wake()
        elif kind in SLOW:
            self._start(dict(message))
        elif kind == "cells":
            self._cells_wanted(bool(message.get("on")))
        else:
            self._refuse("the page sent something this version does not know; load it again")

    # --- quick: edits and frames ----------------------------------------------------------------------------------

    def _fold(self, message: dict) -> None:
        """Queue a message; one that continues the gesture before it takes its place."""
        before = self._inbox[-1] if self._inbox else {}
        gesture = message.get("gesture")
        if gesture is not None and before.get("gesture") == gesture and message["type"] == before["type"] == "edit":
            self._inbox[-1] = message
        else:
            self._inbox.append(message)

    def _wake(self) -> None:
        if self._worker is None or self._worker.done():
            self._worker = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._closed:
            batch = list(self._inbox)
            self._inbox.clear()
            if batch:
                begin = time.perf_counter()
                revision = self.session.revision
                refused = await loop.run_in_executor(self._quick, self._apply, batch)
                for text in refused:
                    self._refuse(text)
                if self.session.revision != revision or refused:
                    self._drop_job(self.session.revision != revision)
                    self._send(self._state())
                spent = time.perf_counter() - begin
            else:
                spent = 0.0
            wanted = (self.session.revision, self.view, tuple(self._pins))
            if wanted != self._shown:
                await self._draw(wanted, spent, batch[-1].get("id") if batch else None)
            if not self._inbox:
                return

    def _apply(self, batch: list[dict]) -> list[str]:
        refused = []
        for message in batch:
            try:
                self._do(message)
            except InputError as error:
                refused.append(str(error))
            except (ValueError, TypeError, KeyError) as error:  # a value of a kind that no check foresaw
                refused.append(f"cannot be used: {error}")
        return refused

    def _do(self, message: dict) -> None:
        kind = message["type"]
        if kind == "edit":
            edit = message.get("edit")
            self.session.edit(edit if isinstance(edit, dict) else {}, message.get("gesture"))
        elif kind == "load":
            self.session.load(str(message.get("text", "")), str(message.get("name", "scenario.toml"))[:100])
        elif kind == "view":
            if message.get("view") in frames.VIEWS:
                self.view = message["view"]
        elif kind == "pin":
            self._pin()
        elif kind in ("unpin", "recall"):
            pin = self._pins.get(message.get("number"))
            if pin is not None and kind == "unpin":
                del self._pins[pin.number]
            elif pin is not None:
                self.session.take(pin.scenario)
        else:
            getattr(self.session, kind)()

    def _pin(self) -> None:
        if self._made is None or self._made[0] != self.session.revision:
            return
        free = [n for n in range(1, MOST_PINS + 1) if n not in self._pins]
        if not free:
            raise ValueError(f"{MOST_PINS} runs are pinned already; take one off first")
        self._pins[free[0]] = Pin(free[0], self.session.scenario, self._made[2], f"Pin {free[0]}")

    async def _draw(self, wanted: tuple, spent: float, answers: Any) -> None:
        loop = asyncio.get_running_loop()
        plan = frames.plan_for(self.session.scenario)
        if not self.models.has(plan):
            self._shown = wanted
            self._send({"type": "busy", "text": "Compiling this structure of the model, once; earlier curves stay."})
            if self._compiling is None or self._compiling.done():
                self._compiling = asyncio.ensure_future(self._compile(plan))
            return
        try:
            frame = await loop.run_in_executor(self._quick, self._frame, wanted)
        except Exception as error:
            self._shown = wanted
            self._send({"type": "failed", "text": _words(error), "revision": wanted[0]})
            return
        self._shown = wanted
        self._send(frame | {"answers": answers, "ms": round(1000 * (frame["seconds"] + spent), 1)})

    async def _compile(self, plan: Any) -> None:
        """Make the structure of a plan ready while the tab goes on, then draw what is wanted by then."""
        try:
            await asyncio.get_running_loop().run_in_executor(None, self.models.set_up, plan)
        except Exception as error:
            self._send({"type": "failed", "text": _words(error), "revision": self.session.revision})
            return
        self._shown = None
        self._wake()

    def _frame(self, wanted: tuple) -> dict:
        begin = time.perf_counter()
        revision, view, numbers = wanted
        scenario = self.session.scenario
        if self._made is None or self._made[0] != revision:
            self._made = (revision, *frames.compute(scenario, self.models))
            self.computed += 1
        _, outcome, run = self._made
        pins = [self._pins[n] for n in numbers if n in self._pins]
        return {
            "type": "frame", "revision": revision, "view": view,
            "panels": frames.shown(frames.panels_of(run, view)),
            "endpoints": frames.endpoints_of(run.summary),
            "sessions": [e["day"] for e in outcome.events if e["kind"] == "tace"],
            "calendar": frames.calendar_of(scenario, outcome.events),
            "states": frames.states_of(run, outcome.model), "outcomes": timing.outcomes_of(run.summary),
            "pins": [
                {"number": p.number, "name": p.name, "panels": frames.shown(frames.panels_of(p.run, view)),
                 "endpoints": frames.endpoints_of(p.run.summary), "changes": packing.changes(p.scenario, scenario)}
                for p in pins
            ],
            "seconds": time.perf_counter() - begin,
        }  # fmt: skip

    def _state(self) -> dict:
        session = self.session
        scenario = session.scenario
        outcome = self._made[1] if self._made and self._made[0] == session.revision else None
        return {
            "type": "state", "revision": session.revision, "name": scenario.name,
            "title": scenario.title or scenario.name, "config": session.config, "file": session.file_name,
            "values": values_of(self._form, scenario), "warnings": list(scenario.warnings),
            "undo": session.can_undo, "redo": session.can_redo,
            "lesions": [one.name for one in scenario.patient.lesion], "agents": scenario.tissue == "agents",
            "calendar": frames.calendar_of(scenario, outcome.events if outcome else ()),
        }  # fmt: skip

    def _refuse(self, text: str) -> None:
        self._send({"type": "refused", "text": text})

    # --- single cells ---------------------------------------------------------------------------------------------

    def _cells_wanted(self, on: bool) -> None:
        """Start a run of single cells of the scenario as it stands, or stop the one that runs."""
        if not on:
            if self._cells is not None:
                self._cells.stop()
            return
        if self._cells is not None or self.models.cells:
            self._refuse("a run of single cells is under way already; stop it first")
            return
        if len(self._pins) >= MOST_PINS:
            self._refuse(f"{MOST_PINS} runs are pinned already; take one off, so that the cells can be compared")
            return
        loop = asyncio.get_running_loop()
        try:
            one = CellRun(self.session.scenario, self.models, lambda m: loop.call_soon_threadsafe(self._passed, m))
        except InputError as error:
            self._refuse(str(error))
            return
        self._cells, self.models.cells = one, True
        self._send({"type": "cells", "text": "starting", "begun": True})
        self._cells_task = asyncio.ensure_future(self._run_cells(one))

    def _passed(self, message: dict) -> None:
        if not self._closed:
            self._send(message)

    async def _run_cells(self, one: CellRun) -> None:
        text = "done; the broken lines of the pin are the cells"
        try:
            run = await asyncio.get_running_loop().run_in_executor(None, one.run)
            free = [n for n in range(1, MOST_PINS + 1) if n not in self._pins]
            if free:
                self._pins[free[0]] = Pin(free[0], one.scenario, run, "Cells")
            else:
                text = "done; take a pin off and run again to compare them"
        except Stopped:
            text = "stopped"
        except Exception as error:
            text = _words(error)
        finally:
            self._cells, self.models.cells = None, False
        self._passed({"type": "cells", "text": text, "over": True})
        self._wake()

    # --- slow: band, explanation, downloads -----------------------------------------------------------------------

    def _start(self, message: dict) -> None:
        self._drop_job(False)
        self._job = asyncio.ensure_future(self._slowly(message))

    def _drop_job(self, told: bool) -> None:
        if self._job is not None and not self._job.done():
            self._job.cancel()
            if told:
                self._send({"type": "job", "text": ""})

    async def _slowly(self, message: dict) -> None:
        kind = message["type"]
        try:
            await getattr(self, f"_{kind}")(message)
        except (InputError, SimulationError, ValueError, KeyError, TypeError, ImportError) as error:
            text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
            self._send({"type": "job", "text": ""})
            self._refuse(text)

    async def _band(self, _message: dict) -> None:
        """Quantiles of each curve of the view under parameters drawn from prior or posterior; sent as they come."""
        loop = asyncio.get_running_loop()
        scenario, revision, view = self.session.scenario, self.session.revision, self.view
        known = scenario.catalogue
        if self._posterior is None:
            vectors = draws(known.parameters, TRIES, scenario.seed)
        else:
            vectors = members(self._posterior, DRAWS, scenario.seed)
        plans = draw_plans(frames.plan_for(scenario), vectors, known.lesion_parameters)
        curves: list[dict] = []
        summaries: list[dict] = []
        lost: list[str] = []
        for i, plan in enumerate(plans, 1):
            made = await loop.run_in_executor(self._slow, self._one_draw, plan, scenario, view)
            if isinstance(made, str):
                lost.append(made)
            else:
                curves.append(made[0])
                summaries.append(made[1])
            over = len(curves) == DRAWS or i == len(plans)
            if not isinstance(made, str) and len(curves) % 6 == 0 or over:
                self._send(packing.band(curves, summaries, view, revision, over, lost, BAND))
            if over:
                return

    def _one_draw(self, plan: Any, scenario: Any, view: str) -> tuple[dict, dict] | str:
        """Curves and endpoints of a draw, or why it gives none: packing.UNBALANCED or packing.UNFINISHED."""
        from tme_sim.compiler.model import BaselineError

        every = frames.spacing(plan)
        plan = replace(plan, every=every, start=plan.start // every * every)
        try:
            outcome = run_plan(plan, ready=self.models.set_up(plan))
        except BaselineError:
            return packing.UNBALANCED
        except (SimulationError, ValueError):
            return packing.UNFINISHED
        run = frames.run_of(outcome, scenario)
        return frames.stacked(frames.panels_of(run, view)), run.summary

    async def _explain(self, message: dict) -> None:
        """What moved a state over a period."""
        loop = asyncio.get_running_loop()
        start, end = float(message.get("start", 0.0)), float(message.get("end", 0.0))
        if not (np.isfinite(start) and np.isfinite(end)):
            raise ValueError("a period has two finite days")
        state, scenario = str(message.get("state", ""))[:80], self.session.scenario
        self._send({"type": "job", "text": f"Explaining {state} from day {start:g} to day {end:g}"})
        told = await loop.run_in_executor(self._slow, self._attribution, scenario, state, start, end)
        self._send(told | {"type": "explained", "revision": self.session.revision})

    def _attribution(self, scenario: Any, state: str, start: float, end: float) -> dict:
        from tme_sim.analysis import attribute

        plan = frames.plan_for(scenario)
        plan = replace(plan, rtol=min(plan.rtol, RTOL))
        outcome = run_plan(plan, record=True, ready=self.models.set_up(plan))
        return packing.explained(attribute(outcome, state, start, end))

    async def _timing(self, message: dict) -> None:
        """An outcome over the first days of two treatments of the scenario as it stands, column by column."""
        loop = asyncio.get_running_loop()
        scenario, outcome = self.session.scenario, str(message.get("outcome", ""))[:64]
        x, y = message.get("x"), message.get("y")
        axes = timing.live_axes(scenario, x, y)
        size = len(timing.OFFSETS)
        values = np.full((size, size), np.nan)
        columns = timing.columns_of(scenario, x, y)
        for done in range(1, size + 1):
            i, plans = await loop.run_in_executor(self._slow, next, columns)
            values[i] = await loop.run_in_executor(self._slow, self._column, plans, outcome)
            told = timing.shown("This scenario", outcome, axes, values, done=done * size, total=size * size)
            self._send(told | {"revision": self.session.revision})

    def _column(self, plans: list, outcome: str) -> list[float]:
        """The outcome of some plans; NaN where there is none."""
        given = [p for p in plans if p is not None]
        rows = iter(run_rows(given, threads=1, set_up=self.models.set_up))
        found = [next(rows) if p is not None else None for p in plans]
        values = [r.summary.get(outcome) if r is not None and r.status == OK else None for r in found]
        return [float(v) if isinstance(v, (int, float)) else float("nan") for v in values]

    async def _download(self, message: dict) -> None:
        loop = asyncio.get_running_loop()
        what = message.get("what")
        if what not in packing.DOWNLOADS:
            raise ValueError(f"there is no such download; there are {', '.join(packing.DOWNLOADS)}")
        self._send({"type": "job", "text": f"Making {packing.DOWNLOADS[what]}"})
        name, content = await loop.run_in_executor(self._slow, packing.download, what, self.session, self.models)
        self._send({"type": "download", "name": name, "what": what}, content)


def _words(error: Exception) -> str:
    """What went wrong, for a person; a mistake of the program says that it is one."""
    from tme_sim.compiler.model import BaselineError
    from tme_sim.network import NetworkError

    if isinstance(error, (InputError, SimulationError, BaselineError, NetworkError)):
        return str(error)
    return f"an unexpected {type(error).__name__} stopped this run: {error}; take the last step back"
