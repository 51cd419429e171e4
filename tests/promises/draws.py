"""Random patients of the whole network under a fixed calendar, one by one and as batches.

Every positive parameter is multiplied by a log-normal factor and held within its physical bounds.  What is zero or
negative stays as it is, and so do constants of definition (no range: units, score cut-offs) and `present`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from tme_sim import simulation
from tme_sim.compiler.model import CompiledModel
from tme_sim.engine import batch, codes, run
from tme_sim.engine.queue import TICKS_PER_DAY
from tme_sim.plan import Plan, plan_of
from tme_sim.quantities import internal
from tme_sim.scenario import Scenario

ROOT = Path(__file__).parents[2]
DAY = TICKS_PER_DAY


@dataclass(frozen=True)
class Case:
    """A scenario joined to its compiled model: its plan, which parameters are drawn, and their physical bounds."""

    plan: Plan
    ready: simulation.SetUp
    functions: run.Functions
    free: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def model(self) -> CompiledModel:
        """The compiled model."""
        return self.ready.model

    @property
    def par(self) -> np.ndarray:
        """Parameters as given."""
        return self.ready.par


@cache
def case(scenario: str = "configs/emerald1.toml", days: int = 120) -> Case:
    """The scenario of a shipped file, cut to `days`."""
    plan = dataclasses.replace(plan_of(Scenario.load(ROOT / scenario)), stop=days * DAY)
    ready = simulation.set_up(plan)
    bounds, free = np.empty((ready.par.size, 2)), ready.par > 0.0
    for i, name in enumerate(ready.model.parameter_names):
        one = ready.parameters[name.split(".")[0]]
        free[i] &= one.low < one.high and one.name != "present"
        bounds[i] = [internal(end, one.unit) if np.isfinite(end) else end for end in one.physical]
    functions = ready.model.functions
    return Case(plan, ready, functions, free, *bounds.T)


def draws(of: Case, sd: float, number: int, seed: int, share: float = 1.0) -> np.ndarray:
    """Parameter sets (number, n_par): a random `share` of the free ones times exp(sd times a normal), in their bounds."""
    rng = np.random.Generator(np.random.Philox(key=[seed, round(1000 * sd)]))
    normal = rng.normal(size=(number, of.par.size))
    moved = of.free & (rng.random((number, of.par.size)) < share)
    return np.clip(np.where(moved, of.par * np.exp(sd * normal), of.par), of.low, of.high)


@dataclass(frozen=True)
class Prepared:
    """Patients that can exist untreated, ready for the engine, and how many of the draws could not exist as drawn."""

    par: np.ndarray
    y0: np.ndarray
    u0: np.ndarray
    th: np.ndarray
    jumps: tuple  # ends, places, values of the first
    values: np.ndarray  # (number, rows, 2)
    queues: np.ndarray
    refused: int  # draws without an untreated baseline
    messages: tuple[str, ...]


def begin(of: Case, par: np.ndarray):
    """(y0, u0, th), jumps and queue of one patient.

    Raises:
        ValueError: (BaselineError too) this patient cannot exist, or cannot be treated as planned.
    """
    start = of.model.start(par)
    jumps, queue, *_ = simulation.Calendars(of.model).of(of.plan, start[2])
    return start, jumps.arrays(), queue


def prepare(of: Case, par: np.ndarray, nearer: int = 0) -> Prepared:
    """Solve the baseline of every draw and build its calendar.

    A draw that cannot exist is counted as refused and, with `nearer` > 0, brought halfway to the patient as given
    (on a log scale) until it can, at most so many times: so every direction of the draw is tried as far as it goes.
    So is a draw whose lesion is too small to be seen: it is not treated, and cannot share a batch with those that are.
    """
    kept, starts, values, queues, messages, refused = [], [], [], [], [], 0
    jumps = begin(of, of.par)[1]
    for one in par:
        for attempt in range(nearer + 1):
            try:
                start, (ends, places, value), queue = begin(of, one)
                if not (np.array_equal(ends, jumps[0]) and np.array_equal(places, jumps[1])):
                    raise ValueError("treated otherwise than the patient as given")
            except ValueError as error:
                if attempt == 0:
                    refused += 1
                    messages.append(str(error))
                one = np.where(of.free, np.sqrt(np.abs(one * of.par)), one)
                continue
            kept.append(one)
            starts.append(start)
            values.append(value)
            queues.append(queue)
            break
    if not kept:
        raise AssertionError("no draw can exist: " + messages[0])
    y0, u0, th = (np.array(part) for part in zip(*starts, strict=True))
    return Prepared(np.array(kept), y0, u0, th, jumps, np.array(values), np.array(queues), refused, tuple(messages))


def go(of: Case, ready: Prepared, rtol: float = 1e-5, rows=slice(None), every: int = DAY, **options) -> batch.BatchResult:
    """Run prepared draws as one batch, keeping states at every `every` ticks."""
    settings = run.Options(rtol=rtol, atol=of.model.tolerances(rtol), max_steps=options.pop("max_steps", 200_000))
    return batch.run_batch(
        of.functions, ready.y0[rows], ready.u0[rows], ready.th[rows], ready.queues[rows], of.plan.stop, settings,
        ready.jumps, ready.values[rows], out_ticks=ticks(of, every), observe=of.model.observe,
        n_obs=len(of.model.node_names), start_tick=of.plan.start, keep_y=True, **options,
    )


def ticks(of: Case, every: int = DAY) -> np.ndarray:
    """Ticks at which values are kept."""
    return np.arange(of.plan.start, of.plan.stop + 1, every, dtype=np.int64)


def scaled(a: np.ndarray, b: np.ndarray, floor: np.ndarray | float = 0.0) -> np.ndarray:
    """abs(a - b) / (abs(b) + 1e-6 max over time of abs(b) + floor); arrays [..., time, state]; 0 where all is 0."""
    size = np.abs(b) + 1e-6 * np.max(np.abs(b), axis=-2, keepdims=True) + floor
    return np.abs(a - b) / np.where(size > 0.0, size, 1.0)


def names(code: np.ndarray) -> dict[str, int]:
    """How often each result code came up, by name."""
    kinds, counts = np.unique(code, return_counts=True)
    return {codes.NAMES[int(k)]: int(n) for k, n in zip(kinds, counts, strict=True)}
