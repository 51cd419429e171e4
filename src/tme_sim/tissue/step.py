"""One step of a piece of tissue: breathe, signal, live and die, grow vessels, walk.

What happens is decided by the mechanisms' laws (:mod:`tme_sim.tissue.laws`); a hazard `h` strikes within a step of `dt`
days with probability `1 - exp(-h dt)`, and which of several processes strikes is drawn in proportion to their hazards.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from tme_sim.engine.fields import Diffusion, steady_field
from tme_sim.engine.queue import TICKS_PER_DAY
from tme_sim.mechanisms.closure import OXYGEN_CLASSES
from tme_sim.tissue import kernels, network
from tme_sim.tissue.fused import Found
from tme_sim.tissue.laws import OXYGEN, Here, Scalars, exp
from tme_sim.tissue.passes import STEM, Fates, Passes
from tme_sim.tissue.piece import (
    CELLS,
    CROWDS,
    CYTOKINES,
    DRIFTING,
    DYING,
    EDGE,
    FIELDS,
    MATURE,
    NECROTIC,
    RELEASED,
    RESIDENT,
    TRAITS,
    WALKERS,
    Frame,
    State,
    breathe,
    carries_blood,
    cell_weight,
    is_viable,
    purpose,
    quality_at,
    view,
)
from tme_sim.tissue.settings import FIELD_STEPS, SECONDS_PER_DAY, VALUE, VOXEL_UM, WALK_TICKS

COUNTED = np.array([[name == row or (row == "CD8_total" and name in ("CD8", "CD8_exhausted", "CD8_stem"))
                     for row in CROWDS] for name in WALKERS])  # fmt: skip
"""Which density within reach [column, of CROWDS] an immune cell [row, of WALKERS] counts for."""
STAYS = np.array([name in RESIDENT for name in WALKERS])
CONSUMED = TICKS_PER_DAY / VALUE["cytokine_time"]  # per day


def step(frame: Frame, state: State, scalars: Scalars) -> None:
    """Advance the piece by one step, in place; `scalars` are the values of body and lesion meanwhile."""
    if state.step % FIELD_STEPS == 0:
        if frame.mixed:
            mingle(frame, state, scalars)
        else:
            breathe(frame, state, scalars)
            crowds(frame, state, scalars)
        signal(frame, state, view(frame, state, scalars), scalars)
        frame.grid["here"] = view(frame, state, scalars)
    here = frame.grid["here"]
    live(frame, state, here, scalars)
    walkers(frame, state, here, scalars)
    vessels(frame, state, here)
    if not frame.mixed:
        walk(frame, state, here)
    state.step += 1
    if state.step % FIELD_STEPS == 0:
        if frame.grid.pop("regrown", False):
            network.flood(frame, state)
        del frame.grid["here"]  # what was found for this instant takes as much memory as the state


# --- densities within reach ------------------------------------------------------------------------------------------


def smear(frame: Frame, fields: np.ndarray, reach: float) -> None:
    """`fields` [field, voxel] smeared over `reach` (um, root mean square distance along an axis over sqrt 2), in place;
    the sums stay."""
    key = ("smear", reach)
    if key not in frame.grid:  # holds no working arrays, so several may use it at a time
        frame.grid[key] = Diffusion(frame.shape, (reach / VOXEL_UM) ** 2, 1.0, periodic=True, threads=frame.within)
    if len(fields) == 1 and frame.within > 1:
        frame.grid[key].step(fields.reshape(frame.shape))
        return
    edges = [len(fields) * k // frame.threads for k in range(frame.threads + 1)]
    volume = fields.reshape(-1, *frame.shape)
    frame.together([partial(frame.grid[key].spread, volume[a:b])
                    for a, b in zip(edges, edges[1:], strict=False) if a < b])  # fmt: skip


def crowds(frame: Frame, state: State, scalars: Scalars) -> None:
    """Densities within reach of every voxel: killers, suppressors, living tumour, perfused vessels."""
    local, weight = state.local, cell_weight(scalars) / EDGE**3
    what = np.zeros((len(CROWDS) + 2, frame.voxels))
    kernels.census(state.where, state.kind, COUNTED, what[: len(CROWDS)])
    what[: len(CROWDS)] *= 1.0 / EDGE**3
    np.multiply(is_viable(state), cell_weight(scalars) * (1.0 / EDGE**3), out=what[-2])
    open_ = np.flatnonzero(carries_blood(state))
    what[-1, open_] = quality_at(frame, state, scalars, open_) / (EDGE**2 * scalars["perfusion_start"])
    smear(frame, what, VALUE["suppression_reach"])
    local.update(zip((*CROWDS, "viable_density", "perfusion"), what, strict=True))
    local["apoptosis_flux"] = (state.cell == DYING) * (weight * scalars["k_dying_clear"])


def mingle(frame: Frame, state: State, scalars: Scalars) -> None:
    """Oxygen of a mixed piece: every place is of any class of the closure, with the class's share of living tissue."""
    luck = frame.draws(np.arange(frame.voxels, dtype=np.uint64), state.step, "placement", 2)
    share = np.cumsum([scalars[f"{OXYGEN}_share_{i}"] for i in range(len(OXYGEN_CLASSES))])
    rank = np.empty(frame.voxels)
    rank[np.argsort(luck, kind="stable")] = (np.arange(frame.voxels) + 0.5) / frame.voxels
    place = np.minimum(np.searchsorted(share / share[-1], rank), len(OXYGEN_CLASSES) - 1)
    state.local[OXYGEN] = np.array(OXYGEN_CLASSES)[place]


# --- traits and fields -----------------------------------------------------------------------------------------------


def signal(frame: Frame, state: State, here: Here, scalars: Scalars) -> None:
    """Traits relax, each voxel for itself; fields are made and lost in living tissue, and diffuse; dead cells break up
    where they fell, and what they let go drifts off."""
    local, alive, dt = state.local, is_viable(state).astype(np.float64), FIELD_STEPS * frame.dt
    arrays = local | {"alive": alive, "taken": alive + state.liver}  # liver takes up what it does not make
    found = passes(frame).signal(here, frame.voxels, deal=frame.deal, arrays=arrays, more={"dt": dt})
    if frame.mixed:
        new = {name: np.full(frame.voxels, found[name].mean()) for name in (*TRAITS, *RELEASED, *FIELDS)}
        new["killing_flux"] = np.full(frame.voxels, local["kills"].mean())
    else:
        if FIELDS[0] not in frame.grid:
            lay_grids(frame)
        new = {name: found[name] for name in (*TRAITS, *RELEASED)} | drifted(frame, found, dt)
        work = [partial(_spread, frame, name, local[name], found[f"made {name}"], found[f"lost {name}"], dt)
                for name in FIELDS]  # fmt: skip
        level = scalars["killing_flux_start"] + scalars["killing_floor"]
        work += [partial(_cytokine, frame, "killing_flux", local["killing_flux"], local["kills"], level, dt),
                 partial(_cytokine, frame, "chemokine", local["chemokine"], found["induced"], 1.0, dt)]  # fmt: skip
        new.update(zip((*FIELDS, *CYTOKINES), frame.together(work), strict=True))
    local.update(new)
    local["motility"] = found["motility"]
    for name in ("necrosis_flux", "kills"):
        local[name] = np.zeros(frame.voxels)  # deaths until the next call are added as they happen
    for part in ("fast", "slow"):
        lost = scalars[f"k_depot_{part}"]
        local[f"dox_{part}"] = local[f"dox_{part}"] * float(exp(-lost * dt))
    local["doxorubicin"] = local["dox_fast"] + local["dox_slow"]


def drifted(frame: Frame, found: Found, dt: float) -> dict[str, np.ndarray]:
    """What dead cells let go, as `found` at each voxel, after it has diffused for `dt`; everywhere alike it is cleared,
    so one implicit step of diffusion alone is left, and its sum stays."""
    released = np.array([found[name] for name in DRIFTING])
    smear(frame, released, float(np.sqrt(VALUE["D_protein"] * SECONDS_PER_DAY * dt)))
    return dict(zip(DRIFTING, released, strict=True))


def lay_grids(frame: Frame) -> None:
    """Working arrays of the fields: those that one thread solves one after the other share theirs, and the caller's
    are those of oxygen."""
    from tme_sim.engine.fields import Multigrid

    spread = dict.fromkeys(FIELDS, VALUE["D_purine"] * SECONDS_PER_DAY) | {"VEGF": VALUE["D_VEGF"] * SECONDS_PER_DAY}
    reach = (VALUE["interferon_reach"], VALUE["chemokine_reach"])
    spread |= {name: long**2 * CONSUMED for name, long in zip(CYTOKINES, reach, strict=True)}
    n = min(frame.sharers, len(spread))  # field i is solved by thread i % n, see `together`
    for i, (name, D) in enumerate(spread.items()):
        of = "oxygen" if i % n == 0 else list(spread)[i % n]
        frame.grid[name] = Multigrid(frame.shape, D / VOXEL_UM**2, periodic=True, work=frame.grid.get(of))


def _spread(frame: Frame, name: str, now: np.ndarray, made: np.ndarray, lost: np.ndarray, dt: float) -> np.ndarray:
    """A field after `dt`, made and lost as said."""
    u, shape, grid = now.copy(), frame.shape, frame.grid[name]
    steady_field(u.reshape(shape), lost.reshape(shape), made.reshape(shape), grid.spread, 1e-3, step=dt, periodic=True,
                 grid=grid, residual=False)  # fmt: skip
    return np.maximum(u, 0.0)


def _cytokine(frame: Frame, name: str, now: np.ndarray, made: np.ndarray, level: float, dt: float) -> np.ndarray:
    """A cytokine after `dt`, in units of what makes it; all cells and the matrix take it up within minutes.  `level` is
    its usual size."""
    lost = np.full(frame.voxels, CONSUMED)
    return level * _spread(frame, name, now / level, made * (CONSUMED / level), lost, dt)


# --- life and death --------------------------------------------------------------------------------------------------


def passes(frame: Frame) -> Passes:
    """The laws of the piece, ready to be asked."""
    if "passes" not in frame.grid:
        frame.grid["passes"] = Passes(frame.laws)
    return frame.grid["passes"]


def struck(frame: Frame, fates: Fates, here: Here, kind: np.ndarray, where: np.ndarray, ids: np.ndarray, step_: int,
           what: str) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Individuals of `kind` at `where` that something strikes within a step, as places in `kind`; and the processes."""
    found = fates.rates(here, where.size, where)
    return kernels.struck(kind, found.out, fates.table.rows, fates.table.numbers(found), fates.begin, ids, frame.seed,
                          frame.patient, np.uint64(step_), purpose(what), frame.dt)  # fmt: skip


def live(frame: Frame, state: State, here: Here, scalars: Scalars) -> None:
    """Tumour cells divide, rest, wake and die; T cells kill those they touch; the dead are cleared."""
    n, cell, local, fates = frame.voxels, state.cell, state.local, passes(frame).cells
    by = np.bincount(state.where[state.kind == WALKERS.index("CD8")], minlength=n).astype(np.float64)
    if frame.mixed:
        by[:] = by.mean()
    if "cells" not in here.memo:
        here.memo["cells"] = fates.rates(here, n, deal=frame.deal)
    near, item = np.flatnonzero(by), np.empty(n, dtype=np.int32)  # places with a killer, and their numbers there
    item[near] = np.arange(near.size)
    found, touching = here.memo["cells"], fates.touching(here, near.size, near)
    touch = scalars["contact_volume"] / EDGE**3  # touched cells in the own voxel
    killing, fate, weight = np.zeros(n), np.zeros(n, dtype=np.int16), cell_weight(scalars) / EDGE**3
    tables = (fates.table.rows, fates.table.numbers(found, touching), fates.alone.rows, fates.alone.numbers(found))
    frame.deal(partial(kernels.strikes, cell, found.out, touching.out, *tables, fates.contact, fates.begin, by, item,
                       touch, state.lineage, frame.seed, frame.patient, np.uint64(state.step), purpose("cell_death"),
                       frame.dt, weight, fate, killing))  # fmt: skip
    hit = np.flatnonzero(fate)
    becomes = passes(frame).becomes[fate[hit] - 1]
    cell[hit[becomes >= 0]] = becomes[becomes >= 0]
    starved, mothers = hit[becomes == NECROTIC], hit[becomes < 0]
    local["necrosis_flux"][starved] += weight / (FIELD_STEPS * frame.dt)
    count(state, "necrosis", starved.size)
    local["kills"] += killing / FIELD_STEPS
    if mothers.size:
        divide(frame, state, mothers)
    state.lineage[cell == 0] = 0


def divide(frame: Frame, state: State, mothers: np.ndarray) -> None:
    """Daughters beside their mothers; where all is full, a neighbour is pushed out and the lesion is so much larger."""
    kinds, margin = np.zeros((2, len(CELLS)), dtype=np.int64), np.empty(0, dtype=np.int64)
    if frame.nodule and state.liver.any():
        margin = nearest_liver(frame, state)
    occupied = np.count_nonzero(state.cell)
    order = mothers[np.argsort(state.lineage[mothers], kind="stable")]
    reach = max(1, round(VALUE["push_reach"] / VOXEL_UM))
    state.next_id, pushed = kernels.place_daughters(
        order, state.cell, state.lineage, state.liver, margin, state.next_id, kinds, reach, frame.seed, frame.patient,
        np.uint64(state.step), purpose("placement"), *frame.shape,
    )  # fmt: skip
    if frame.nodule:
        state.scale = state.told.get("scale_start", 1.0) * growth_of_section(frame, state)
    else:
        whole = occupied + len(mothers) - pushed
        state.scale *= (whole + pushed) / whole
    count(state, "division", len(mothers))


def nearest_liver(frame: Frame, state: State) -> np.ndarray:
    """For every voxel the nearest one of liver."""
    from scipy.ndimage import distance_transform_edt

    inside = ~state.liver.reshape(frame.shape)
    at = distance_transform_edt(inside, return_distances=False, return_indices=True)
    return np.ravel_multi_index(tuple(at), frame.shape).ravel()


def growth_of_section(frame: Frame, state: State) -> float:
    """A section through the middle of a ball of radius r stands for 4/3 r times its area: r over r at the start.

    A cube holds the ball itself: 1.
    """
    if frame.shape[0] > 1 or "extent_start" not in state.told:
        return 1.0
    return float(np.sqrt(np.count_nonzero(~state.liver) / state.told["extent_start"]))


def count(state: State, what: str, number: int) -> None:
    """Keep account of events: of this step, and of all since the piece began."""
    state.told[f"{what}_now"] = float(number)
    state.told[f"{what}_all"] = state.told.get(f"{what}_all", 0.0) + number


# --- immune cells ----------------------------------------------------------------------------------------------------


def walkers(frame: Frame, state: State, here: Here, scalars: Scalars) -> None:
    """Immune cells die, change and divide; others arrive through vessels; all but residents walk."""
    gone = np.zeros(state.kind.size, dtype=bool)
    born: list[tuple[int | np.ndarray, np.ndarray]] = []
    fates = passes(frame).walkers
    those, process = struck(frame, fates, here, state.kind, state.where, state.walker, state.step, "differentiation")
    for j in np.unique(process):
        hit, law = those[process == j], frame.laws.processes[fates.names[j]]
        if law.kind == "division":
            born.append((WALKERS.index(law.of), state.where[hit]))
            continue
        gone[hit] = True
        for into, amount in law.into:
            if into not in WALKERS:
                continue  # leaves what is counted one by one
            number = scalars[amount] if isinstance(amount, str) else amount
            luck = frame.draws(state.walker[hit], state.step, "differentiation", 2)
            copies = int(number) + (luck < number - int(number))
            born.append((WALKERS.index(into), np.repeat(state.where[hit], copies)))
    born.append(arrivals(frame, state, here, scalars))
    _renew(state, gone, born)


def arrivals(frame: Frame, state: State, here: Here, scalars: Scalars) -> tuple[np.ndarray, np.ndarray]:
    """Kinds and voxels of immune cells that arrive at open vessels in a step: a Poisson number each."""
    arriving = passes(frame).arriving
    if "arrivals" not in here.memo:
        here.memo["arrivals"] = _expected(frame, state, here, scalars)
    sites, numbers, rates = here.memo["arrivals"]
    draws = np.array([k + (STEM if "stem" in process else 0) for k, process in arriving])
    kinds, at = kernels.arrivals(frame.seed, frame.patient, state.vessel_id[sites], state.vessel[sites] > 0,
                                 np.uint64(state.step), purpose("recruitment"), draws, rates,
                                 passes(frame).arrival_table.rows, numbers)  # fmt: skip
    return np.array([k for k, _ in arriving])[kinds], sites[at]


def _expected(frame: Frame, state: State, here: Here, scalars: Scalars):
    """Vessels, and how many immune cells of each process come through each in a step: numbers, and rows."""
    sites, inside = np.flatnonzero((state.vessel > 0) & ~state.liver), np.count_nonzero(~state.liver)
    arrays = here.arrays | {"blood": carries_blood(state).astype(np.float64)}
    more = {"untreated": EDGE**2 * inside * scalars["perfusion_start"], "amount": inside * EDGE**3 * frame.dt,
            "sites": max(1, sites.size)}  # fmt: skip
    found = passes(frame).arrivals(here, sites.size, sites, arrays=arrays, more=more)
    return sites, passes(frame).arrival_table.numbers(found), found.out


def _renew(state: State, gone: np.ndarray, born: list[tuple[int, np.ndarray]]) -> None:
    where = np.concatenate([state.where[~gone], *(w for _, w in born)]).astype(np.int64)
    kind = np.concatenate([state.kind[~gone], *(np.full(w.size, k, dtype=np.int8) for k, w in born)]).astype(np.int8)
    more = sum(w.size for _, w in born)
    new = np.arange(state.next_id, state.next_id + more, dtype=np.uint64)
    state.walker = np.concatenate([state.walker[~gone], new])
    state.heading = np.concatenate([state.heading[~gone], (new % np.uint64(4)).astype(np.int64)])
    state.where, state.kind = where, kind
    state.next_id += more


def walk(frame: Frame, state: State, here: Here) -> None:
    """Persistent random walk, up chemokines, stalling where oxygen is low."""
    crowd = np.bincount(state.where, minlength=frame.voxels)
    chance = min(1.0, VALUE["walk_speed"] * WALK_TICKS / VOXEL_UM)
    kernels.walk(state.where, state.heading, state.walker, state.kind, STAYS, state.local["chemokine"],
                 state.local["motility"], crowd, frame.seed, frame.patient, np.uint64(state.step), purpose("migration"),
                 frame.ticks // WALK_TICKS, chance, VALUE["walk_persistence"], VALUE["chemotaxis"],
                 *frame.shape)  # fmt: skip


# --- vessels ---------------------------------------------------------------------------------------------------------


def vessels(frame: Frame, state: State, here: Here) -> None:
    """Vessels sprout, mature, are lost, and open again after an embolisation."""
    step_, sites, fates = state.step, np.flatnonzero((state.vessel > 0) & ~state.liver), passes(frame).vessels
    those, process = struck(frame, fates, here, state.vessel[sites], sites, state.vessel_id[sites], step_, "division")
    lost, ends, parents = network.NONE[:, 0], network.NONE[:, 0], network.NONE[:, 0]
    for j in np.unique(process):
        hit, law = sites[those[process == j]], frame.laws.processes[fates.names[j]]
        if law.kind == "division":
            ends, parents = _sprout(frame, state, here, hit)
        elif law.into:
            state.vessel[hit] = MATURE
        else:
            lost = np.concatenate([lost, hit])
            state.vessel[hit], state.vessel_id[hit] = 0, 0
            state.flowing[hit] = state.occluded[hit] = False
    if frame.ends is not None and those.size:
        network.grow(frame, state, lost, ends, parents)
        frame.grid["regrown"] = True
    if not state.occluded.any():
        return
    for place, name in ((frame.core, "occluded_core"), (~frame.core, "occluded_rim")):
        at = np.flatnonzero(state.occluded & place)
        if at.size:
            hazard = sum(np.asarray(here.rate(p)) for p in frame.laws.by_species[name])
            luck = frame.draws(frame.closing(state, at), step_, "tace_response", 1)
            opened = at[luck < 1.0 - exp(-hazard * frame.dt)]
            state.occluded[opened] = False
            if frame.ends is not None and opened.size:
                frame.grid["regrown"] = True


def _sprout(frame: Frame, state: State, here: Here, parents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sprouts towards VEGF; a sprout of a closed vessel is closed, and carries blood with the usual share, or, in a
    network, when blood has found it.  Returns voxels of new vessels, and of their parents."""
    reach, gap = (max(1, round(VALUE[n] / VOXEL_UM)) for n in ("sprout_reach", "sprout_exclusion"))
    parents = parents[np.argsort(state.vessel_id[parents], kind="stable")]
    ends, state.next_id = kernels.place_sprouts(
        parents, state.vessel, state.vessel_id, state.liver, state.next_id,
        state.local["VEGF"] if frame.mixed else here.value("VEGF"), frame.seed,
        frame.patient, np.uint64(state.step), purpose("mutation"), reach, gap, *frame.shape,
    )  # fmt: skip
    made = ends >= 0
    at, of = ends[made], parents[made]
    state.occluded[at] = state.occluded[of]
    drawn = frame.draws(state.vessel_id[at], state.step, "division", 2) < here.scalars["perfused_share"]
    state.flowing[at] = drawn & (frame.ends is None)
    return at, of
