"""What a run gives before it is kept: its states, signals and endpoints; or why it could not be finished."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tme_sim.compiler.model import CompiledModel
from tme_sim.engine import run as engine
from tme_sim.plan import Plan
from tme_sim.quantities import Parameter, to_display

if TYPE_CHECKING:
    from tme_sim.tissue.files import TissueRecord


class SimulationError(RuntimeError):
    """A run that could not be finished; the message names the state, the day and the fastest process."""


def why_it_ended(model: CompiledModel, state: engine.State, th: np.ndarray) -> str:
    """Why an integration did not reach its end: state, day, and the process that moves its own state fastest,
    relative to the size of that state."""
    out = np.zeros(len(model.node_names))
    model.observe(np.maximum(state.y, 0.0), state.u, th, out)
    scale = {n: max(abs(v), t) for n, v, t in zip(model.state_names, state.y, model.tolerances(1.0), strict=True)}
    processes = {f"rate_{p.name}": p for p in model.network.processes}
    best, speed = "", -1.0
    for name, rate in zip(model.node_names, out, strict=True):
        base, _, lesion = name.partition(".")
        of = processes[base].of if base in processes else ""
        size = scale.get(f"{of}.{lesion}" if lesion else of)
        if size and np.isfinite(rate) and abs(rate) / size > speed:
            best, speed = f"{processes[base].label} ({processes[base].name})", abs(rate) / size
    said = engine.message(state, model.state_names)
    return f"{said}; the fastest process there is {best}, {speed:.3g} per day"


@dataclass
class Outcome:
    """What a run gives: saved states and held inputs, signals at the saved times, and how it went.

    `time` in days; `states` [time, state], `held`, `nodes` in internal units, in the order of the model's names.
    """

    model: CompiledModel
    plan: Plan
    par: np.ndarray
    th: np.ndarray
    time: np.ndarray
    states: np.ndarray
    held: np.ndarray
    nodes: np.ndarray
    events: list[dict]
    stats: dict[str, int]
    timings: dict[str, float]
    parameters: dict[str, Parameter]
    endpoints: dict
    records: engine.Records | None = None
    tissue: TissueRecord | None = None

    def series(self, name: str, lesion: int | None = None) -> np.ndarray:
        """A state, held input or signal over time in its display unit; `lesion` counts from 1.

        Raises:
            KeyError: with the nearest known names.
        """
        full = name if lesion is None else f"{name}.{lesion}"
        base = full.split(".")[0]
        for names, table in (
            (self.model.state_names, self.states),
            (self.model.node_names, self.nodes),
            (self.model.held_names, self.held),
        ):
            for candidate in (full, f"{full}.1"):
                if candidate in names:
                    return to_display(table[:, names.index(candidate)], self.model.units.get(base, "1"))
        from tme_sim.diagnostics import nearest

        known = [*self.model.state_names, *self.model.node_names]
        raise KeyError(f'"{full}" is not a state or signal of this run{nearest(full, known)}')


def observe_all(model: CompiledModel, states: np.ndarray, held: np.ndarray, th: np.ndarray) -> np.ndarray:
    """All signals and rates [time, node] for saved states and held inputs."""
    out = np.zeros((len(states), len(model.node_names)))
    for i in range(len(states)):
        model.observe(np.ascontiguousarray(np.maximum(states[i], 0.0)), np.ascontiguousarray(held[i]), th, out[i])
    return out
