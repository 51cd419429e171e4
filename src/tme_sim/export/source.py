"""What an export starts from: one patient of one network, with the calendar of jumps, in internal units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from tme_sim.diagnostics import InputError, Problem
from tme_sim.quantities import base_unit

if TYPE_CHECKING:
    from tme_sim.compiler.layout import Layout
    from tme_sim.compiler.model import CompiledModel
    from tme_sim.network import Network
    from tme_sim.quantities import Parameter

TICKS_PER_DAY = 1440
Row = tuple[int, int, float, float]


class ExportError(InputError):
    """Something that this export cannot express; the message says what, and what can be exported instead."""

    def __init__(self, message: str):
        super().__init__(Problem("", "", message))


@dataclass(frozen=True)
class Trajectory:
    """A run to put beside the model: `days` (k), and `values` (k, c) of the columns `names` in units `units`."""

    days: np.ndarray
    names: tuple[str, ...]
    units: tuple[str, ...]
    values: np.ndarray


@dataclass(frozen=True)
class Source:
    """A network, one patient and one calendar.

    `par`, `y0`, `u0`, `th` are the vectors of :class:`tme_sim.compiler.model.CompiledModel` (internal units), `y0`
    before any jump.  `jumps` lists (tick of 1 minute, rows), run in the order given when ticks are equal; a row
    (dest, src, coef, const) adds ``coef * z[src] + const`` to ``z[dest]`` of z = [y | u], and the rows of one jump read
    the same z.  The run starts at tick `start` (day 0 is tick 0) and lasts `days`.  Decisions (scans that change the
    calendar) have no place here.  `resolved` holds the declarations that replace those of the network (a drug's own
    kinetics); `origins` says where an overridden parameter came from ("scenario.toml:12"), under its name or under
    ``name.k`` for lesion k.
    """

    network: Network
    layout: Layout
    par: np.ndarray
    y0: np.ndarray
    u0: np.ndarray
    th: np.ndarray
    resolved: Mapping[str, Parameter] = field(default_factory=dict)
    jumps: tuple[tuple[int, tuple[Row, ...]], ...] = ()
    title: str = "tme_sim"
    start: int = 0
    days: float = 365.0
    origins: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
    trajectory: Trajectory | None = None

    @classmethod
    def of(
        cls,
        model: CompiledModel,
        par: np.ndarray | None = None,
        jumps: Iterable[tuple[int, Sequence[Row]]] = (),
        **more,
    ) -> Source:
        """The source of a compiled model and a parameter vector (default: every parameter as declared).

        Raises:
            BaselineError: the patient cannot exist.
        """
        par = model.defaults() if par is None else np.asarray(par, dtype=np.float64)
        y0, u0, th = model.start(par)
        fixed = tuple((int(tick), tuple(tuple(row) for row in rows)) for tick, rows in jumps)
        return cls(model.network, model.layout, par, y0, u0, th, jumps=fixed, digest=model.digest, **more)

    def value(self, name: str, lesion: int = 0) -> float:
        """Internal value of a parameter, baseline value or constant."""
        return float(self.th[self.layout.index(self.layout.theta, name, lesion)])

    def origin(self, name: str, lesion: int = 0) -> str:
        """Where the value of a parameter came from: a file and line, a drug, or the declaration of its mechanism."""
        found = self.origins.get(f"{name}.{lesion + 1}") or self.origins.get(name)
        return found or ("drug library" if name in self.resolved else "declared")


Affine = dict[int, tuple[dict[int, float], float]]


def compose_rows(groups: Iterable[Sequence[Row]]) -> Affine:
    """Several jumps in a row as one: ``{dest: ({src: coef}, const)}`` with z_new[dest] = sum(coef * z[src]) + const."""
    whole: Affine = {}
    for rows in groups:
        step: dict[int, tuple[dict[int, float], float]] = {}
        for dest, src, coef, const in rows:
            terms, constant = step.setdefault(dest, ({dest: 1.0}, 0.0))
            if src >= 0:
                terms[src] = terms.get(src, 0.0) + coef
            step[dest] = (terms, constant + const)
        merged: Affine = {}
        for dest, (terms, constant) in step.items():
            out: dict[int, float] = {}
            for src, coef in terms.items():
                earlier, offset = whole.get(src, ({src: 1.0}, 0.0))
                constant += coef * offset
                for first, factor in earlier.items():
                    out[first] = out.get(first, 0.0) + coef * factor
            merged[dest] = ({s: c for s, c in out.items() if c != 0.0}, constant)
        whole |= merged
    return whole


def calendar_of(source: Source) -> tuple[Affine, list[tuple[int, Affine]]]:
    """The jump of the first instant (tick = start) and one jump for every later tick.

    Raises:
        ExportError: a jump lies before the start.
    """
    by_tick: dict[int, list[Sequence[Row]]] = {}
    for tick, rows in source.jumps:
        if tick < source.start:
            raise ExportError(
                f"a dose lies on day {tick / TICKS_PER_DAY:g}, before the start on day "
                f"{source.start / TICKS_PER_DAY:g}; start earlier or leave it out"
            )
        by_tick.setdefault(tick, []).append(rows)
    first = compose_rows(by_tick.pop(source.start, []))
    return first, [(tick, compose_rows(by_tick[tick])) for tick in sorted(by_tick)]


def apply_jump(jump: Affine, z: np.ndarray) -> np.ndarray:
    """The state and held inputs after a jump; z (n + m) before it."""
    out = z.copy()
    for dest, (terms, constant) in jump.items():
        out[dest] = sum(coef * z[src] for src, coef in terms.items()) + constant
    return out


def jumps_of(jumps, queue: np.ndarray) -> tuple[tuple[int, tuple[Row, ...]], ...]:
    """The jumps of an engine calendar (`engine.run.Jumps` and its queue), in the order in which they will run.

    Raises:
        ExportError: the calendar holds a decision, which only our own integrator can take.
    """
    from tme_sim.engine import queue as q

    ends, places, values = jumps.arrays()
    entries = [i for i in range(1, int(queue[0, q.H_COUNT]) + 1) if queue[i, q.STATUS] == q.PENDING]
    if any(queue[i, q.ACTION] == q.DECISION for i in entries):
        raise ExportError(
            "this calendar decides at scans what happens next; a fixed calendar can be exported: "
            "replace the decisions by dates"
        )
    out = []
    for i in sorted(entries, key=lambda i: (queue[i, q.TICK], queue[i, q.ORDER], i)):
        if queue[i, q.ACTION] == q.JUMP:
            group = int(queue[i, q.REF])
            first = int(ends[group - 1]) if group else 0
            rows = tuple(
                (int(d), int(s), float(c), float(k))
                for (d, s), (c, k) in zip(places[first : ends[group]], values[first : ends[group]], strict=True)
            )
            out.append((int(queue[i, q.TICK]), rows))
    return tuple(out)


def source_of_scenario(scenario, *, trajectory: bool = False, announce=None) -> Source:
    """The source of a checked :class:`tme_sim.scenario.Scenario`; with `trajectory`, its run beside it.

    Raises:
        InputError, NetworkError, BaselineError: as a run of the scenario would.
        ExportError: the calendar decides at scans.
    """
    from tme_sim.plan import plan_of
    from tme_sim.simulation import run_plan, set_up

    plan = plan_of(scenario)
    ready = set_up(plan, announce=announce)
    model, network = ready.model, ready.model.network
    own = {p.name: p for p in network.parameters()}
    source = Source(
        network, model.layout, ready.par, ready.y0, ready.u0, ready.th,
        resolved={n: p for n, p in ready.parameters.items() if own.get(n) != p},
        jumps=jumps_of(ready.jumps, ready.queue), title=scenario.title or scenario.name, start=plan.start,
        days=(plan.stop - plan.start) / TICKS_PER_DAY, origins=_origins(scenario), digest=model.digest,
    )  # fmt: skip
    return replace(source, trajectory=trajectory_of(run_plan(plan))) if trajectory else source


def trajectory_of(outcome) -> Trajectory:
    """States, signals and totals of an outcome of :func:`tme_sim.simulation.run_plan`, in internal units.

    Columns are named as the SBML export names them.
    """

    model, names, units, columns = outcome.model, [], [], []
    for labels, table in ((model.state_names, outcome.states), (model.node_names, outcome.nodes)):
        for i, label in enumerate(labels):
            base, _, lesion = label.partition(".")
            if not base.startswith(("rate_", "mean_")):
                names.append(identifier(base, bool(lesion), int(lesion or 1) - 1, model.layout.n_lesions))
                units.append(base_unit(model.units[base]))
                columns.append(table[:, i])
    days = outcome.time - outcome.time[0]
    return Trajectory(days, tuple(names), tuple(units), np.column_stack(columns))


def _origins(scenario) -> dict[str, str]:
    out = {name: scenario.origin(("parameters", *name.split("."))) for name in scenario.parameters}
    out |= {name: scenario.origin(("patient", name)) for name in scenario.patient.parameters}
    out |= {f"gain_{name}": scenario.origin(("biology", "gains", name)) for name in scenario.biology.gains}
    for i, lesion in enumerate(scenario.patient.lesion):
        out |= {f"{name}.{i + 1}": scenario.origin(("patient", "lesion", i, name)) for name in lesion.parameters}
    return out


def identifier(label: str, lesion_scope: bool, lesion: int, n_lesions: int) -> str:
    """SBML identifier of a network name: the name itself, with `__k` for lesion k of several."""
    return f"{label}__{lesion + 1}" if lesion_scope and n_lesions > 1 else label
