"""Piece and body together: the body's equations are advanced by the engine from exchange to exchange, the piece by its
own steps, and at each exchange the piece's state replaces that of the lesion it stands for.

Between two exchanges (an hour) the equations of the lesion run on as a predictor, so that drugs, blood, node and
marrow see a lesion that moves; what the piece holds itself is then written over them.  What it does not hold (drug
depots, antibody in tissue) stays with the equations.  Dates, jumps and decisions of the calendar stay with the engine;
an embolisation shows as a jump of the occluded shares, and jumps of the lesion's cells, by ablation or radiation, are
done again cell by cell.
"""

from __future__ import annotations

import numpy as np

from tme_sim.compiler.model import CompiledModel
from tme_sim.diagnostics import InputError, Problem
from tme_sim.engine.queue import TICKS_PER_DAY
from tme_sim.mechanisms.closure import OXYGEN_EDGES
from tme_sim.tissue import kernels, network
from tme_sim.tissue.files import snapshot_bytes
from tme_sim.tissue.laws import OXYGEN, Laws, Scalars
from tme_sim.tissue.maps import read_vessels
from tme_sim.tissue.passes import MATURED, rates_of, relaxed
from tme_sim.tissue.piece import (
    CELLS,
    DRIFTING,
    EDGE,
    FIELDS,
    IMMATURE,
    LOCAL,
    MATURE,
    RELEASED,
    TRAITS,
    WALKERS,
    Frame,
    State,
    breathe,
    carries_blood,
    cell_weight,
    core_of,
    draw_count,
    is_viable,
    lesion_cells,
    nodule_radius,
    purpose,
    quality_of,
    signal_at,
    start,
    view,
)
from tme_sim.tissue.procedures import Rows, treat
from tme_sim.tissue.settings import FIELD_STEPS, VALUE, VOXEL_UM, Tissue, too_wide
from tme_sim.tissue.step import crowds, passes, step
from tme_sim.tissue.table import read_cells

OCCLUSION = ("occluded_core", "occluded_rim")
LEVELS = ("VEGF", "ATP", "AMP", "ENTPD2", "PDL1")  # 1 in the untreated lesion
DEPOTS = ("fast", "slow")
BREATHED = ("oxygen", "anoxic_viable")
EXCHANGE_STEPS = FIELD_STEPS  # so that every exchange finds fields just solved for
HELD = (*CELLS[1:], *WALKERS, MATURED, "immature_vessels", "mature_vessels", *TRAITS, *FIELDS, *RELEASED, *OCCLUSION,
        "dox_exposed")  # fmt: skip
"""States of the lesion that the piece holds: at each exchange it writes its own values over those of the equations."""


class Coupling:
    """A piece that stands for the first lesion of a run.

    `y` and `u` are vectors of the engine, in the order of the model.  With `mixed` no place of the piece differs from
    another: every law is asked with the values of the whole lesion, as in the equations, and oxygen is of any class.
    What such a piece does otherwise than the equations is chance, and the step.
    """

    def __init__(self, model: CompiledModel, th: np.ndarray, piece: Tissue, seed: int, patient: int,
                 threads: int = 1, mixed: bool = False):  # fmt: skip
        from tme_sim.engine.fields import Multigrid

        self.model, self.declared = model, th
        self.th = th.copy()  # its own, because it balances levels for its own pattern
        self.scalars, self.nodes = Scalars(model), np.zeros(len(model.node_names))
        self.place = {n.partition(".")[0]: i for i, n in enumerate(model.state_names)
                      if n.partition(".")[2] in ("", "1")}  # fmt: skip
        shape = piece.shape
        D = th[model.index("theta", "D_O2")] / EDGE**2
        core = core_of(shape, th[model.index("theta", "core_share")])  # of a nodule: see lay
        self.frame = Frame(shape, Laws(model, {OXYGEN} if mixed else LOCAL, mixed), np.uint64(seed),
                           np.uint64(patient), core, {"oxygen": Multigrid(shape, D, periodic=True)}, piece.ticks,
                           threads, piece.mode == "nodule",
                           network.feeders_of(shape, seed, patient) if piece.closing == "feeders" else None,
                           network.ends_of(shape, seed, patient) if piece.flow == "network" and not mixed else None,
                           mixed)  # fmt: skip
        self.exchange_ticks = EXCHANGE_STEPS * piece.ticks
        self.state: State | None = None
        self.piece = piece
        self.before = {}
        self.kept: dict[str, np.ndarray] = {}  # oxygen of before a session of this date

    @classmethod
    def untreated(cls, made, piece: Tissue, seed: int = 1, patient: int = 0, **more) -> Coupling:
        """A piece before its first day, of what `simulation.set_up` made; `more` as for the class."""
        one = cls(made.model, made.th, piece, seed, patient, **more)
        one.begin(made.y0, made.u0)
        return one

    def live(self, steps: int) -> None:
        """So many steps of the piece by the values last read, while the body is held."""
        for _ in range(steps):
            step(self.frame, self.state, self.scalars)

    def read(self, y: np.ndarray, u: np.ndarray) -> Scalars:
        """Values of body and lesion at this state."""
        self.model.observe(np.maximum(y, 0.0), u, self.th, self.nodes)
        return self.scalars.set(self.th, self.nodes, u, np.maximum(y, 0.0))

    def lay(self, y: np.ndarray, u: np.ndarray) -> None:
        """Where the vessels of a nodule are of the core class, by its size at the start.

        Raises:
            InputError: the nodule does not fit into the piece.
        """
        scalars = self.read(y, u)
        if self.frame.nodule:
            size, radius = self.frame.shape[2] * EDGE, nodule_radius(scalars)
            if told := too_wide(size, 2.0 * radius):
                raise InputError(Problem("piece.size", "", told))
            self.frame.core[:] = core_of(self.frame.shape, scalars["core_share"], radius)

    def begin(self, y: np.ndarray, u: np.ndarray) -> None:
        """Make the untreated piece and let its pattern settle while the body is held as it is."""
        self.lay(y, u)
        scalars = self.read(y, u)
        whole = lesion_cells(scalars)
        piece, shape = self.piece, self.frame.shape
        table = read_cells(piece.cells, shape, VOXEL_UM) if piece.cells else None
        vessels = read_vessels(piece.vessels, shape, VOXEL_UM, piece.map_unit) if piece.vessels else None
        self.state = start(self.frame, scalars, table, vessels)
        for number in range(piece.settle_steps):
            self.live(1)
            if (number + 1) * piece.ticks % TICKS_PER_DAY == 0:
                self.balance()
                if self.frame.ends is not None:
                    network.flood(self.frame, self.state, scalars["perfused_share"])
        self.state.scale = whole / (cell_weight(scalars) * max(1, np.count_nonzero(self.state.cell)))
        least = {n: v for n, v in self.state.told.items() if n == network.LEAST}
        self.state.told = {"measured_step": float(self.state.step), **least}
        if self.frame.nodule:
            self.state.told |= {"scale_start": self.state.scale, "extent_start": float(self.inside)}
        self.before = {n: y[self.place[n]] for n in (*OCCLUSION, "depot_fast", "depot_slow")}

    def balance(self) -> None:
        """Move production of the levels that are relative to the untreated lesion so that their means become 1.

        The same balances that the baseline of the equations solves, here for the oxygen that this piece has.  What a
        death lets go is that of the equations, since few die in a piece before treatment and chance would decide it;
        only what a nodule loses of it to its liver is made up for.
        """
        alive, inside = is_viable(self.state), ~self.state.liver
        if self.frame.mixed or not alive.any():
            return
        for one in self.model.network.balances:
            place = self.model.index("theta", one.parameter, 0)
            if one.species in LEVELS:
                level = float(self.state.local[one.species][alive].mean())
            elif one.species in DRIFTING and self.frame.nodule:
                made, lost = rates_of(view(self.frame, self.state, self.scalars), one.species)
                stays = (made / lost)[inside].mean() * self.declared[place] / self.th[place]
                level = float(self.state.local[one.species][inside].mean() / stays)  # the liver takes the rest
            else:
                continue
            self.th[place] /= float(np.sqrt(level))  # halfway in a day

    def resume(self, y: np.ndarray, u: np.ndarray, before: np.ndarray) -> None:
        """Continue after an exchange: `state` and `th` are set, `before` are the values of :attr:`before` then."""
        self.before = dict(zip((*OCCLUSION, "depot_fast", "depot_slow"), map(float, before), strict=True))
        self.read(y, u)

    def exchange(self, y: np.ndarray, u: np.ndarray) -> None:
        """At a date: take over an embolisation of this date, and write the piece into the lesion's states."""
        scalars = self.read(y, u)
        rise = {n: y[self.place[n]] - v for n, v in self.before.items()}
        if any(value > 1e-6 for value in rise.values()):  # also of drug alone, where nothing was left to close
            embolise(self.frame, self.state, scalars, self.before, {n: y[self.place[n]] for n in OCCLUSION}, rise)
            if not self.frame.mixed:
                self.kept = {n: self.state.local[n].copy() for n in BREATHED}
                breathe(self.frame, self.state, scalars)  # what is shown of this date has the oxygen that is left
        for name, value in self.told(scalars).items():
            y[self.place[name]] = value
        self.before = {n: y[self.place[n]] for n in self.before}
        self.read(y, u)

    def shown(self) -> None:
        """All of this date is kept: the piece goes on, and the step finds oxygen from where it last lived, so that what
        is shown moves nothing."""
        self.state.local.update(self.kept)
        self.kept = {}

    def treat(self, rows: Rows) -> None:
        """A jump of the calendar that moves tumour cells on, with the debris that it leaves."""
        treat(self.frame, self.state, rows, self.place, self.state.scale * cell_weight(self.scalars))

    def advance(self) -> None:
        """The piece lives until the next exchange, by the values last read."""
        self.live(EXCHANGE_STEPS)
        self.ripen(EXCHANGE_STEPS * self.frame.dt)

    def ripen(self, days: float) -> None:
        """Dendritic cells that have matured where they are, and not yet left: few at a time in a piece, so not drawn
        one by one but followed as a density, the mean of what is expected of each."""
        frame, s, scalars, of = self.frame, self.state, self.scalars, passes(self.frame)
        here = view(frame, s, scalars)
        made, lost = (float(np.mean(rate)) for rate in rates_of(here, MATURED))
        for kind, process, amount in of.maturing:
            at = s.where[(s.kind == kind) & ~s.liver[s.where]]
            each = np.broadcast_to(of.matured(here, at.size, at)[process], at.size)
            number = scalars[amount] if isinstance(amount, str) else amount
            made += number * float(each.sum()) / (self.inside * EDGE**3)
        s.told[MATURED] = float(relaxed(s.told.get(MATURED, scalars[MATURED]), made, lost, days))

    @property
    def inside(self) -> int:
        """Voxels of the lesion: those that are no liver."""
        return int(np.count_nonzero(~self.state.liver))

    @property
    def at_edge(self) -> bool:
        """Whether a nodule has reached an edge of its piece, beyond which it would meet itself and stop to grow."""
        if not self.frame.nodule:
            return False
        lesion = ~self.state.liver.reshape(self.frame.shape)
        return any(lesion.take((0, -1), axis).any() for axis, n in enumerate(self.frame.shape) if n > 1)

    def flux(self, events: float, days: float) -> float:
        """Events of the piece as a flux of the lesion, cells per volume and day."""
        return events * cell_weight(self.scalars) / (self.inside * EDGE**3 * days)

    def described(self) -> str:
        """The piece in words."""
        nz, ny, nx = self.frame.shape
        edges = f"{ny * EDGE:g} x {nx * EDGE:g} mm" + (f" x {nz * EDGE:g} mm" if nz > 1 else ", one cell thick")
        if self.frame.nodule:
            return f"the first lesion as a nodule in a piece of liver of {edges} ({self.frame.voxels} places)"
        return f"the first lesion as a piece of tissue of {edges} ({self.frame.voxels} places)"

    def snapshot(self, day: float, label: str) -> bytes:
        """A snapshot of now."""
        quality = quality_of(self.frame, self.state, self.scalars)
        flow = network.flow_of(self.frame, self.state) if self.frame.ends is not None else None
        return snapshot_bytes(self.state, self.frame.shape, day, label, quality, self.frame.core, flow)

    def told(self, scalars: Scalars) -> dict[str, float]:
        """States of the lesion as the piece has them, in internal units."""
        s, f = self.state, self.frame
        counts = np.bincount(s.cell, minlength=len(CELLS))
        out = {n: s.scale * cell_weight(scalars) * counts[k] for k, n in enumerate(CELLS) if n}
        inside, voxels = ~s.liver, self.inside
        here = np.bincount(s.kind[inside[s.where]], minlength=len(WALKERS))
        out |= {n: here[k] / (voxels * EDGE**3) for k, n in enumerate(WALKERS)}
        area = voxels * EDGE**2
        out["immature_vessels"] = np.count_nonzero((s.vessel == IMMATURE) & inside) / area
        out["mature_vessels"] = np.count_nonzero((s.vessel == MATURE) & inside) / area
        alive, vessel = is_viable(s), (s.vessel > 0) & inside
        among = alive if alive.any() else np.ones(f.voxels, dtype=bool)
        at, of = np.flatnonzero(among), np.flatnonzero(vessel)
        for name in (*TRAITS, *FIELDS):
            of_vessels = of.size and name in ("normalisation", "adaptation", "escape")
            out[name] = float(s.local[name][of if of_vessels else at].mean())
        for name, place in zip(OCCLUSION, (f.core & inside, ~f.core & inside), strict=True):
            of = np.count_nonzero(vessel & place)
            out[name] = np.count_nonzero(s.occluded & place) / of if of else 0.0
        out |= {name: float(s.local[name][inside].mean()) for name in RELEASED}
        out[MATURED] = s.told.get(MATURED, scalars[MATURED])
        if not f.mixed:
            out["dox_exposed"] = exposed(f, s, scalars, at)
        return out

    def measured(self) -> dict[str, float]:
        """Signals of the lesion as measured on the piece: means over living tissue, oxygen classes, perfusion."""
        s, f = self.state, self.frame
        if f.mixed:
            return {}  # what the equations say of its states
        crowds(f, s, self.scalars)
        here, alive = view(f, s, self.scalars), is_viable(s)
        among = alive if alive.any() else np.ones(f.voxels, dtype=bool)
        out = {}
        for name in f.laws.signals:
            if f.laws.is_local(name):
                out[name] = float(np.broadcast_to(here.value(name), f.voxels)[among].mean())
        oxygen, inside = s.local["oxygen"], ~s.liver
        for i, edge in enumerate(OXYGEN_EDGES):
            out[f"tissue_below_{i}"] = float((oxygen[inside] < edge).mean())
            out[f"viable_below_{i}"] = float((oxygen[among] < edge).mean())
        below = [0.0, *(out[f"viable_below_{i}"] for i in range(len(OXYGEN_EDGES))), 1.0]
        out |= {f"oxygen_share_{i}": b - a for i, (a, b) in enumerate(zip(below[:-1], below[1:], strict=True))}
        out["oxygen_mean"] = float(oxygen[among].mean())
        out["anoxic_share"] = out[f"tissue_below_{OXYGEN_EDGES.index(2.5)}"]
        out["hypoxic_share"] = out[f"viable_below_{OXYGEN_EDGES.index(12.0)}"]
        steps = s.step - int(s.told.get("measured_step", 0.0))
        deaths = s.told.get("necrosis_all", 0.0) - s.told.get("measured_deaths", 0.0)
        out["necrosis_flux"] = self.flux(deaths, max(1, steps) * f.dt)
        s.told["measured_step"], s.told["measured_deaths"] = float(s.step), s.told.get("necrosis_all", 0.0)
        for name in ("apoptosis_flux", "killing_flux"):
            out[name] = float(s.local[name][inside].mean())
        law, reads = f.laws.of_signal("alarming_flux")
        out["alarming_flux"] = law(**{a: out.get(n, self.scalars[n]) for a, n in reads.items()})
        open_, area = carries_blood(s) & inside, self.inside * EDGE**2
        quality, vessel = quality_of(f, s, self.scalars), (s.vessel > 0) & inside
        out["perfused_density"] = np.count_nonzero(open_) / area
        out["perfusion_now"] = float(quality[open_].sum()) / area
        out["perfusion"] = out["perfusion_now"] / self.scalars["perfusion_start"]
        out["vessel_quality"] = float(quality[vessel].mean()) if vessel.any() else float(quality.mean())
        return out


def exposed(frame: Frame, state: State, scalars: Scalars, among: np.ndarray) -> float:
    """Share of living cells in reach that kills as the drug in the piece does: mean hazard at the voxels `among` over
    that at the depots."""
    at_depots = scalars["dox_kill"]
    if not at_depots > 0.0 or not state.local["doxorubicin"].any():
        return 0.0
    return float(min(1.0, signal_at(frame, state, scalars, "dox_kill", among).mean() / at_depots))


def embolise(frame: Frame, state: State, scalars: Scalars, before: dict, after: dict, rise: dict) -> None:
    """Close vessels of each class until its share is as the session says, and leave drug at some of them."""
    closed = []
    for name, place in zip(OCCLUSION, (frame.core, ~frame.core), strict=True):
        free = np.flatnonzero((state.vessel > 0) & ~state.occluded & ~state.liver & place)
        share = (after[name] - before[name]) / max(1e-12, 1.0 - before[name])
        luck = frame.draws(frame.closing(state, free), state.step, "tace_response", 0)
        number = draw_count(max(0.0, min(1.0, share)) * free.size, 0.5)
        closed.append(free[np.argsort(luck, kind="stable")[:number]])
        state.occluded[closed[-1]] = True
    if frame.ends is not None:
        network.flood(frame, state)
    sites = np.concatenate(closed)
    if not sites.size:  # what closes no vessel more goes where the last went
        sites = np.flatnonzero(state.occluded & ~state.liver)
    if sites.size and (rise["depot_slow"] > 0.0 or rise["depot_fast"] > 0.0):
        load(frame, state, sites, rise)


def load(frame: Frame, state: State, sites: np.ndarray, rise: dict) -> None:
    """Depots at so many closed vessels that the usual share of tissue lies in reach, and the drug around them."""
    from tme_sim.engine.fields import steady_field
    from tme_sim.therapies.session import REACH

    reach = VALUE["drug_reach"] / 1000.0
    flat = frame.shape[0] == 1
    covered = np.pi * reach**2 if flat else 4.0 / 3.0 * np.pi * reach**3
    size = np.count_nonzero(~state.liver) * (EDGE**2 if flat else EDGE**3)
    luck = kernels.draws(frame.seed, frame.patient, np.zeros(1, dtype=np.uint64), np.uint64(state.step),
                         purpose("tace_technique"), np.uint64(0))[0]  # fmt: skip
    number = min(sites.size, draw_count(-np.log(1.0 - REACH.value) / covered * size, luck))
    if number == 0:
        return
    order = np.argsort(frame.draws(state.vessel_id[sites], state.step, "tace_technique", 1), kind="stable")
    depots = sites[order[:number]]
    source, field = np.zeros(frame.voxels), np.zeros(frame.voxels)
    source[depots] = 1.0
    length = VALUE["drug_reach"] / VOXEL_UM
    steady_field(field.reshape(frame.shape), 1.0, source.reshape(frame.shape), length**2, 1e-10, periodic=True)
    field = np.maximum(field, 0.0) / field[depots].mean()
    for part in DEPOTS:
        state.local[f"dox_{part}"] = state.local[f"dox_{part}"] + max(0.0, rise[f"depot_{part}"]) * field
    state.local["doxorubicin"] = state.local["dox_fast"] + state.local["dox_slow"]
