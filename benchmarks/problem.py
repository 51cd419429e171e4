"""The test problem: the whole model under the EMERALD-1 calendar, as arrays that every solver can use.

One patient, all mechanisms, embolisation sessions, durvalumab and bevacizumab over 24 months.  A *segment* is the
time between two instants at which the calendar changes something; all solvers integrate the same segments and apply
the same affine jumps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tme_sim.compiler.model import CompiledModel, compile_model
from tme_sim.engine import queue as q
from tme_sim.engine import run as engine
from tme_sim.export.source import Affine, Source, apply_jump, calendar_of, source_of_scenario
from tme_sim.scenario import Scenario

ROOT = Path(__file__).resolve().parent.parent
SCENARIO = ROOT / "configs" / "emerald1.toml"
TICKS_PER_DAY = q.TICKS_PER_DAY


@dataclass(frozen=True)
class Problem:
    """A model, one patient, one calendar; `jumps` are the affine maps at the starts of the segments after the first."""

    model: CompiledModel
    source: Source
    functions: engine.Functions
    scales: np.ndarray  # absolute tolerance of every state at rtol 1
    first: Affine
    jumps: tuple[tuple[int, Affine], ...]
    stop: int

    @property
    def start(self) -> int:
        """First tick."""
        return self.source.start

    @property
    def ends(self) -> np.ndarray:
        """Ticks at which segments end, rising; the last one is the end of the run."""
        return np.array([*(tick for tick, _ in self.jumps), self.stop], dtype=np.int64)

    @property
    def n(self) -> int:
        """Number of states."""
        return self.source.y0.size

    def atol(self, rtol: float) -> np.ndarray:
        """Absolute tolerances at `rtol`: `model.tolerances(rtol)`, which is in proportion to `rtol`."""
        return self.scales * rtol

    def initial(self, y0=None, u0=None) -> tuple[np.ndarray, np.ndarray]:
        """State and held inputs after the jump of the first instant."""
        y0 = self.source.y0 if y0 is None else y0
        z = apply_jump(self.first, np.concatenate([y0, self.source.u0 if u0 is None else u0]))
        return z[: self.n].copy(), z[self.n :].copy()

    def segments(self):
        """Yield (start day, end day, jump at the end or None) of every segment; days count from the start."""
        begin = self.start
        for tick, jump in self.jumps:
            yield (begin - self.start) / TICKS_PER_DAY, (tick - self.start) / TICKS_PER_DAY, jump
            begin = tick
        yield (begin - self.start) / TICKS_PER_DAY, (self.stop - self.start) / TICKS_PER_DAY, None

    def engine_calendar(self) -> tuple[engine.Jumps, np.ndarray]:
        """The same calendar as the engine's jump groups and queue."""
        jumps, queue = engine.Jumps(), q.new_queue(len(self.source.jumps) + 8)
        for order, (tick, rows) in enumerate(self.source.jumps):
            if tick < self.stop:
                q.append(queue, tick, order, q.JUMP, jumps.group(rows))
        return jumps, queue

    def describe(self) -> dict:
        """Size of the problem, for the report."""
        sessions = [t for t, rows in self.source.jumps if any(d < self.n for d, *_ in rows)]
        return {
            "scenario": SCENARIO.name,
            "states": self.n,
            "parameters": int(self.source.par.size),
            "jacobian_nonzeros": len(self.model.layout.rows),
            "jacobian_share": len(self.model.layout.rows) / self.n**2,
            "lu_entries": int(self.functions.program[2]),
            "lu_operations": int(self.functions.program[4]),
            "segments": len(self.jumps) + 1,
            "instants_that_change_states": len(set(sessions)),
            "days": (self.stop - self.start) / TICKS_PER_DAY,
            "model_digest": self.model.digest,
        }


def load(days: float | None = None, announce=None) -> Problem:
    """The EMERALD-1 scenario of this repository, shortened to `days` when asked (for a quick look)."""
    scenario = Scenario.load(SCENARIO)
    source = source_of_scenario(scenario, announce=announce)
    stop = source.start + round((source.days if days is None else min(days, source.days)) * TICKS_PER_DAY)
    jumps = tuple(j for j in source.jumps if j[0] < stop)
    source = replace(source, jumps=jumps, days=(stop - source.start) / TICKS_PER_DAY)
    model = compile_model(source.network, source.layout.n_lesions)
    first, later = calendar_of(source)
    return Problem(model, source, model.functions, model.tolerances(1.0), first, tuple(later), stop)


def relative_error(y: np.ndarray, reference: np.ndarray) -> float:
    """max |y - ref| / (|ref| + 1e-3 max|ref|) over states and rows; the maximum of a state is taken over the rows.

    States that stay at zero (drugs that are not given) are left out.
    """
    size = np.abs(reference).max(axis=0)
    used = size > 0.0
    scale = np.abs(reference[:, used]) + 1e-3 * size[used]
    return float(np.max(np.abs(y[:, used] - reference[:, used]) / scale))
