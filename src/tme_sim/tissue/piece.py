"""The state of a piece of tissue, how it starts, and what is read from it at a place: signals, quality, oxygen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from tme_sim.engine.rng import PURPOSES
from tme_sim.laws import saturate
from tme_sim.mechanisms.closure import LOG_REACH, VESSEL_RADIUS_UM, vessel_conductance
from tme_sim.tissue import kernels, network
from tme_sim.tissue.fused import Fused
from tme_sim.tissue.laws import OXYGEN, Here, Laws, Scalars, anoxic_here
from tme_sim.tissue.settings import SECONDS_PER_DAY, STEP_TICKS, VALUE, VOXEL_UM
from tme_sim.tissue.table import stand

CELLS = ("", "cycling", "quiescent", "cycling_resistant", "quiescent_resistant", "cycling_unseen", "quiescent_unseen",
         "dying", "necrotic")  # fmt: skip
DYING, NECROTIC = CELLS.index("dying"), CELLS.index("necrotic")
VIABLE = range(1, DYING)
WALKERS = ("CD8", "CD8_exhausted", "CD8_stem", "Treg", "MDSC", "TAM", "DC")
RESIDENT = ("TAM",)  # do not walk
TRAITS = ("HIF1", "HIF2", "HIF_brake", "ENTPD2", "PDL1", "normalisation", "adaptation", "escape")
FIELDS = ("VEGF", "ATP", "AMP")
DRIFTING = ("DAMP", "antigen")  # what dead cells let go, which drifts off
RELEASED = ("debris", *DRIFTING)  # and the dead themselves, where they fell
CYTOKINES = ("killing_flux", "chemokine")  # interferon, as the killing that gives it off; what it makes cells give off
CROWDS = ("CD8", "CD8_total", "Treg", "MDSC", "TAM")  # densities within reach
LOCAL = {
    *TRAITS, *FIELDS, *RELEASED, *CROWDS, "oxygen", "anoxic_viable", "doxorubicin", "dox_exposed", "perfusion",
    "viable_density", "necrosis_flux", "apoptosis_flux", "killing_flux",
}  # fmt: skip

NEEDED = {*TRAITS, *FIELDS, *RELEASED, *CYTOKINES, "kills"}  # without which no step can be taken

EDGE = VOXEL_UM / 1000.0  # mm
IMMATURE, MATURE = 1, 2
SMALL, LARGE = 4_000, 40_000  # voxels from which threads share fields and voxels, and the work within one field


def purpose(name: str) -> np.uint64:
    """Number of a purpose of random draws."""
    return np.uint64(PURPOSES[name])


@dataclass
class State:
    """All arrays of a piece; a copy is a checkpoint.

    Per voxel (z, y, x flattened): `cell` (index in CELLS), `lineage` (number of the cell), `vessel` (0, IMMATURE,
    MATURE), `vessel_id`, `flowing`, `occluded`, `liver` (around a nodule), and the float fields in `local`.  Per
    walker: `where`, `heading`, `walker` (its number), `kind` (index in WALKERS).  `scale` is how many pieces make the
    lesion, `next_id` the next free number of an individual, `step` how many steps the piece has lived, `told` sums and
    marks that are kept for what is measured.  `segments` [segment, end] are the voxels that a network of vessels joins.
    """

    cell: np.ndarray
    lineage: np.ndarray
    vessel: np.ndarray
    vessel_id: np.ndarray
    flowing: np.ndarray
    occluded: np.ndarray
    local: dict[str, np.ndarray]
    where: np.ndarray
    heading: np.ndarray
    walker: np.ndarray
    kind: np.ndarray
    liver: np.ndarray
    scale: float = 1.0
    next_id: int = 1
    step: int = 0
    told: dict[str, float] = field(default_factory=dict)
    segments: np.ndarray = field(default_factory=network.NONE.copy)

    ARRAYS = ("cell", "lineage", "vessel", "vessel_id", "flowing", "occluded", "where", "heading", "walker", "kind",
              "liver")  # fmt: skip

    FLAGS = ("flowing", "occluded", "liver")

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything by name, numbers included, ready to be stored."""
        out = {name: getattr(self, name) for name in self.ARRAYS}
        out |= {name: out[name].astype(np.uint8) for name in self.FLAGS}
        out |= {f"local_{name}": a for name, a in self.local.items()}
        out["numbers"] = np.array([self.scale, *self.told.values()])
        out["counters"] = np.array([self.next_id, self.step], dtype=np.int64)
        out["told"] = np.array(list(self.told), dtype=np.str_)
        return out | ({"segments": self.segments} if len(self.segments) else {})

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray]) -> State:
        """A state from what :meth:`arrays` gave.

        Raises:
            KeyError, ValueError: arrays are missing or do not fit together.
        """
        plain = {name: np.array(arrays[name]) for name in cls.ARRAYS}
        plain |= {name: plain[name].astype(bool) for name in cls.FLAGS}
        local = {n[6:]: np.array(a) for n, a in arrays.items() if n.startswith("local_")}
        numbers, counters = arrays["numbers"], arrays["counters"]
        if any(a.size != plain["cell"].size for a in local.values()) or not NEEDED.issubset(local):
            raise ValueError("fields do not fit the lattice")
        told = {str(n): float(v) for n, v in zip(arrays["told"], numbers[1:], strict=True)}
        return cls(**plain, local=local, scale=float(numbers[0]), next_id=int(counters[0]), step=int(counters[1]),
                   told=told, segments=np.array(arrays.get("segments", network.NONE)))  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """What does not change in a run: lattice, laws, luck, and constants of the mechanics."""

    shape: tuple[int, int, int]
    laws: Laws
    seed: np.uint64
    patient: np.uint64
    core: np.ndarray  # voxels whose vessels are of the core class
    grid: dict  # working arrays of fields, and values between two looks at them
    ticks: int = STEP_TICKS  # minutes of a step
    threads: int = 1  # they change no bit
    nodule: bool = False  # a whole lesion with liver around it, instead of a piece from inside one
    feeder: np.ndarray | None = None  # number of the feeder of every voxel, where vessels close with their feeder
    ends: tuple[np.ndarray, np.ndarray] | None = None  # places of arteries and veins, where a network brings the blood
    mixed: bool = False  # no place differs from another: chance without space

    @cached_property
    def voxels(self) -> int:
        """Number of voxels."""
        nz, ny, nx = self.shape
        return nz * ny * nx

    @property
    def dt(self) -> float:
        """Days of a step."""
        return self.ticks / 1440.0

    @cached_property
    def within(self) -> int:
        """Threads that share the work of one field: of large ones only."""
        return self.threads if self.voxels >= LARGE else 1

    @cached_property
    def sharers(self) -> int:
        """Threads that share work on different fields, or on different voxels; one for small pieces."""
        return self.threads if self.voxels >= SMALL else 1

    def together(self, work: list) -> list:
        """What the functions of `work` return, which do not touch each other; side by side where there are threads."""
        n = min(self.sharers, len(work))
        if n <= 1:
            return [one() for one in work]
        if "pool" not in self.grid:
            self.grid["pool"] = ThreadPoolExecutor(self.threads - 1)

        def share(k: int) -> list:
            return [one() for one in work[k::n]]

        others = [self.grid["pool"].submit(share, k) for k in range(1, n)]
        shares = [share(0), *(one.result() for one in others)]
        return [shares[i % n][i // n] for i in range(len(work))]

    def deal(self, work) -> None:
        """`work(first, last)` over ranges that cover all voxels."""
        n = self.sharers
        edges = [self.voxels * k // n for k in range(n + 1)]
        self.together([partial(work, a, b) for a, b in zip(edges, edges[1:], strict=False)])

    @property
    def volume(self) -> float:
        """Volume of the piece, liver included, mm^3."""
        return self.voxels * EDGE**3

    def closing(self, state: State, at: np.ndarray) -> np.ndarray:
        """Numbers whose luck decides what closes and opens: those of the vessels at `at`, or of their feeders."""
        return state.vessel_id[at] if self.feeder is None else self.feeder[at]

    def draws(self, ids: np.ndarray, step: int, what: str, draw: int) -> np.ndarray:
        """Uniform numbers of individuals for a decision."""
        return kernels.draws(self.seed, self.patient, ids, np.uint64(step), purpose(what), np.uint64(draw))


def from_middle(shape: tuple[int, int, int]) -> np.ndarray:
    """Distance of every voxel from the middle of the piece, in voxels."""
    z, y, x = np.meshgrid(*(np.arange(n) + 0.5 - n / 2 if n > 1 else np.zeros(1) for n in shape), indexing="ij")
    return np.sqrt(x * x + y * y + z * z).ravel()


def nodule_radius(scalars: Scalars) -> float:
    """Radius of the lesion as a ball of full tissue, mm."""
    return float(np.cbrt(lesion_cells(scalars) / scalars["rho_cell"] * 0.75 / np.pi))


def core_of(shape: tuple[int, int, int], share: float, radius: float | None = None) -> np.ndarray:
    """The middle of the piece, or of a nodule of `radius` (mm), that holds `share` of its area (or volume): vessels
    there are of the core class."""
    nz, ny, nx = shape
    distance = from_middle(shape)
    if radius is not None:
        return distance * EDGE < radius * share ** (1.0 / (2 if nz == 1 else 3))
    order = np.argsort(distance, kind="stable")
    core = np.zeros(nz * ny * nx, dtype=bool)
    core[order[: round(share * core.size)]] = True
    return core


def draw_count(expected: float, luck: float) -> int:
    """A whole number whose mean is `expected`, as close to it as can be."""
    return int(expected) + (luck < expected - int(expected))


def start(
    frame: Frame, scalars: Scalars, table: dict[str, np.ndarray] | None = None,
    vessels: dict[str, np.ndarray] | None = None,
) -> State:
    """The untreated piece: vessels at random, necrosis where oxygen is lowest, quiescence as the laws have it.

    `table` (:func:`tme_sim.tissue.table.read_cells`) and `vessels` (:func:`tme_sim.tissue.maps.read_vessels`) take the
    place of what is drawn.
    """
    n, local = frame.voxels, {}
    ids = np.arange(1, n + 1, dtype=np.uint64)
    luck = [frame.draws(ids, 0, "tumour_baseline", d) for d in range(6)]
    for name in (*TRAITS, *FIELDS, *RELEASED, *CROWDS):
        local[name] = np.full(n, scalars[name])
    for name in ("perfusion", "dox_exposed", "motility"):
        local[name] = np.ones(n)
    for name in ("doxorubicin", "dox_fast", "dox_slow", "necrosis_flux", "apoptosis_flux", "anoxic_viable"):
        local[name] = np.zeros(n)
    for name in ("killing_flux", "kills"):
        local[name] = np.full(n, scalars["killing_flux"])
    local["chemokine"] = np.full(n, saturate(scalars["IFNg"], scalars["K_IFNg"]))
    local["viable_density"] = np.full(n, scalars["viable_density"])
    local["oxygen"] = np.full(n, 20.0)
    liver = from_middle(frame.shape) * EDGE > nodule_radius(scalars) if frame.nodule else np.zeros(n, dtype=bool)
    inside = np.flatnonzero(~liver)
    density, vessel = scalars["immature_vessels"] + scalars["mature_vessels"], np.zeros(n, dtype=np.int8)
    chosen = _lines(frame, round(density * EDGE**2 * n), luck[0]) if vessels is None else vessels["vessel"]
    chosen = chosen[~liver[chosen]]
    vessel[chosen] = np.where(luck[1][chosen] < scalars["mature_vessels"] / density, MATURE, IMMATURE)
    if vessels is not None:
        vessel[vessels["immature_vessel"]], vessel[vessels["mature_vessel"]] = IMMATURE, MATURE
    sinusoids = _lines(frame, round(VALUE["liver_vessels"] * EDGE**2 * n), luck[1])
    vessel[sinusoids[liver[sinusoids]]] = MATURE
    flowing = (liver | (luck[2] < scalars["perfused_share"])) & (vessel > 0)
    walkers = [(k, round(scalars[name] * inside.size * EDGE**3)) for k, name in enumerate(WALKERS)]
    kind = np.repeat([k for k, _ in walkers], [c for _, c in walkers]).astype(np.int8)
    numbers = np.arange(2 * n + 1, 2 * n + 1 + kind.size, dtype=np.uint64)
    state = State(
        cell=np.where(liver, 0, 1).astype(np.int8), lineage=np.where(liver, np.uint64(0), ids), vessel=vessel,
        vessel_id=np.where(vessel > 0, ids + np.uint64(n), np.uint64(0)), flowing=flowing,
        occluded=np.zeros(n, dtype=bool), local=local,
        where=inside[(frame.draws(numbers, 0, "placement", 0) * inside.size).astype(np.int64)],
        heading=(frame.draws(numbers, 0, "placement", 1) * 4).astype(np.int64), walker=numbers, kind=kind, liver=liver,
        next_id=int(2 * n + 1 + kind.size),
    )  # fmt: skip
    if frame.ends is not None:
        network.lay(frame, state, scalars["perfused_share"])
    breathe(frame, state, scalars, tolerance=1e-4)
    if table is None:
        _place_cells(frame, state, scalars, luck[3:])
    else:
        take_table(frame, state, table, luck[2], scalars["perfused_share"])
        if frame.ends is not None:
            network.lay(frame, state, scalars["perfused_share"])
    breathe(frame, state, scalars, tolerance=1e-4)
    for name, target in (("HIF1", "hif1_target"), ("HIF2", "hif_response")):
        local[name] = np.array(np.broadcast_to(view(frame, state, scalars).value(target), n))
    local["HIF_brake"] = scalars["phi_max"] * local["HIF2"]
    state.scale = lesion_cells(scalars) / (cell_weight(scalars) * max(1, np.count_nonzero(state.cell)))
    return state


def take_table(frame: Frame, state: State, table: dict[str, np.ndarray], luck: np.ndarray, flowing: float) -> None:
    """Put the cells of a table in place of the drawn ones (see :func:`tme_sim.tissue.table.stand`); vessels and immune
    cells only if it holds any."""
    state.cell[:], _ = stand(table, frame.shape, VOXEL_UM)
    state.lineage[:] = np.where(state.cell > 0, np.arange(1, frame.voxels + 1, dtype=np.uint64), np.uint64(0))
    vessels = {kind: table[f"{name}_vessel"] for name, kind in (("immature", IMMATURE), ("mature", MATURE))}
    if any(v.size for v in vessels.values()):
        state.vessel[:] = 0
        for kind, at in vessels.items():
            state.vessel[at] = kind
        here = state.vessel > 0
        numbers = np.arange(here.size + 1, 2 * here.size + 1, dtype=np.uint64)
        state.vessel_id = np.where(here, numbers, np.uint64(0))
        state.flowing, state.occluded = (luck < flowing) & here, np.zeros(here.size, dtype=bool)
    if any(table[name].size for name in WALKERS):
        state.where = np.concatenate([table[name] for name in WALKERS])
        state.kind = np.repeat(np.arange(len(WALKERS)), [table[n].size for n in WALKERS]).astype(np.int8)
        state.walker = np.arange(state.next_id, state.next_id + state.where.size, dtype=np.uint64)
        state.heading = (state.walker % np.uint64(4)).astype(np.int64)
        state.next_id += state.where.size


def _lines(frame: Frame, count: int, luck: np.ndarray) -> np.ndarray:
    """Voxels of the first vessels: at random in a section; in a cube, straight segments along an axis."""
    order = np.argsort(luck, kind="stable")
    if frame.shape[0] == 1:
        return order[:count]
    nz, ny, nx = frame.shape
    length, taken = 8, np.zeros(frame.voxels, dtype=bool)
    for v in order:
        if count <= 0:
            break
        axis = int(luck[v] * frame.voxels * 3) % 3
        for k in range(length):
            offset = [0, 0, 0]
            offset[axis] = k
            u = kernels.shifted(v, *offset, nz, ny, nx)
            if not taken[u] and count > 0:
                taken[u] = True
                count -= 1
    return np.flatnonzero(taken)


def _place_cells(frame: Frame, state: State, scalars: Scalars, luck: list[np.ndarray]) -> None:
    """Necrotic cells where oxygen is lowest; the others cycling or quiescent by their place, clones at random."""
    oxygen, inside = state.local["oxygen"], np.flatnonzero(~state.liver)
    total, n = sum(scalars[name] for name in CELLS[1:]), inside.size
    order = inside[np.argsort(oxygen[inside] + 1e-9 * luck[0][inside], kind="stable")]
    necrotic = round(n * scalars["necrotic"] / total)
    state.cell[order[:necrotic]] = NECROTIC
    rest = order[necrotic:]
    clones = ("", "_resistant", "_unseen")
    share = np.cumsum([scalars[f"cycling{c}"] + scalars[f"quiescent{c}"] for c in clones])
    clone = np.minimum(np.searchsorted(share / share[-1], luck[1][rest]), 2)
    place = view(frame, state, scalars).at(rest)
    arrest, wake = place.rate("arrest"), place.rate("wake")
    chance = arrest / (arrest + wake)
    wanted = scalars["quiescent"] / (scalars["quiescent"] + scalars["cycling"])
    for _ in range(20):  # shares as before treatment, distributed as the law has it
        chance = np.minimum(1.0, chance * wanted / max(chance.mean(), 1e-12))
    state.cell[rest] = 1 + 2 * clone + (luck[2][rest] < chance)
    dying = round(n * scalars["dying"] / total)
    state.cell[rest[np.argsort(luck[0][rest], kind="stable")[:dying]]] = DYING


def cell_weight(scalars: Scalars) -> float:
    """Cells that one full voxel stands for."""
    return scalars["rho_cell"] * EDGE**3


def lesion_cells(scalars: Scalars) -> float:
    """Tumour cells of the lesion, living or not."""
    return sum(scalars[name] for name in CELLS[1:])


def carries_blood(state: State) -> np.ndarray:
    """Voxels whose vessel is open and carries blood."""
    return (state.vessel > 0) & state.flowing & ~state.occluded


def is_viable(state: State) -> np.ndarray:
    """Voxels with a living tumour cell."""
    return (state.cell > 0) & (state.cell < DYING)


def view(frame: Frame, state: State, scalars: Scalars) -> Here:
    """Values at every voxel now."""
    return Here(frame.laws, scalars, {OXYGEN: state.local[OXYGEN]} if frame.mixed else state.local)


def quality_of(frame: Frame, state: State, scalars: Scalars) -> np.ndarray:
    """Quality of the vessels at every voxel; sinusoids of the liver are whole."""
    quality = np.broadcast_to(view(frame, state, scalars).value("vessel_quality"), frame.voxels)
    return np.where(state.liver, 1.0, quality) if frame.nodule else quality


def quality_at(frame: Frame, state: State, scalars: Scalars, at: np.ndarray) -> np.ndarray:
    """Quality of the vessels at voxels `at`, as :func:`quality_of` has it."""
    quality = signal_at(frame, state, scalars, "vessel_quality", at)
    return np.where(state.liver[at], 1.0, quality) if frame.nodule else quality


def signal_at(frame: Frame, state: State, scalars: Scalars, name: str, at: np.ndarray) -> np.ndarray:
    """A signal of the laws at voxels `at` now, in one compiled pass."""
    key = ("signal", name)
    if key not in frame.grid:
        frame.grid[key] = Fused(frame.laws, frame.laws.fields, lambda here, own: {name: here.value(name)})
    return np.broadcast_to(frame.grid[key](view(frame, state, scalars), at.size, at)[name], at.size)


def breathe(frame: Frame, state: State, scalars: Scalars, tolerance: float = 0.02) -> None:
    """Solve oxygen: tissue takes it up, living or not, as in the closure; open vessels that carry blood bring it.

    Quality scales the conductance of vessel and tissue together, as in the closure
    (:mod:`tme_sim.mechanisms.closure`), so the wall takes what that leaves.
    """
    from tme_sim.engine.fields import steady_oxygen

    D = scalars["D_O2"]
    lead = np.log(0.2 * VOXEL_UM / VESSEL_RADIUS_UM)  # a source one voxel wide is seen at a fifth of its edge
    open_, liver = np.flatnonzero(carries_blood(state)), state.liver
    quality = quality_at(frame, state, scalars, open_)
    resistance = 1.0 / (quality * vessel_conductance(scalars["g_wall"], D)) + (lead - LOG_REACH) / (2.0 * np.pi * D)
    supply = np.zeros(frame.voxels)
    supply[open_] = 1.0 / (resistance * EDGE**2)
    uptake = np.where(state.cell > 0, scalars["Vmax_tum"], 0.0)
    blood = scalars["p_v"]
    if frame.nodule:
        uptake[liver] = VALUE["liver_uptake"] * SECONDS_PER_DAY
        blood = np.where(liver, VALUE["liver_oxygen_in"], blood).reshape(frame.shape)
    oxygen = state.local["oxygen"].reshape(frame.shape)
    if not supply.any():
        oxygen[...] = 0.0
    else:
        steady_oxygen(oxygen, uptake.reshape(frame.shape), scalars["Km_tum"], supply.reshape(frame.shape),
                      blood, D / EDGE**2, tolerance, periodic=True, grid=frame.grid["oxygen"],
                      threads=frame.within, residual=False)  # fmt: skip
    state.local["oxygen"] = np.maximum(oxygen, 0.0).ravel()
    state.local["anoxic_viable"] = anoxic_here(state.local["oxygen"])
