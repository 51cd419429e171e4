"""One step of a piece of tissue: breathe, signal, live and die, walk, grow vessels.

What happens is decided by the mechanisms' laws (:mod:`tme_sim.tissue.laws`); a hazard `h` strikes within a step of `dt`
days with probability `1 - exp(-h dt)`, and which of several processes strikes is drawn in proportion to their hazards.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from tme_sim.engine.fields import Diffusion, steady_field
from tme_sim.mechanisms.closure import OXYGEN_CLASSES
from tme_sim.tissue import kernels
from tme_sim.tissue.laws import OXYGEN, Here, Scalars, exp
from tme_sim.tissue.piece import (
    CELLS,
    CROWDS,
    DYING,
    EDGE,
    FIELDS,
    IMMATURE,
    MATURE,
    NECROTIC,
    RESIDENT,
    TRAITS,
    VIABLE,
    WALKERS,
    Frame,
    State,
    breathe,
    cell_weight,
    is_viable,
    purpose,
    quality_of,
    view,
)
from tme_sim.tissue.settings import STEP_TICKS, VALUE, VOXEL_UM, WALK_TICKS

DT = STEP_TICKS / 1440.0  # days of the usual step
FIELD_STEPS = 2  # steps between two solutions of the fields, which follow cells and vessels within minutes


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


# --- densities within reach ------------------------------------------------------------------------------------------


def spread_out(frame: Frame, values: np.ndarray, reach: float) -> np.ndarray:
    """`values` smeared over `reach` (um, root mean square distance along an axis over sqrt 2); the sum stays."""
    key = ("smooth", reach)
    if key not in frame.grid:  # holds no working arrays, so several smears may run at a time
        frame.grid[key] = Diffusion(frame.shape, (reach / VOXEL_UM) ** 2, 1.0, periodic=True, threads=frame.within)
    out = values.astype(np.float64)
    frame.grid[key].step(out.reshape(frame.shape))
    return out


def crowds(frame: Frame, state: State, scalars: Scalars) -> None:
    """Densities within reach of every voxel: killers, suppressors, living tumour, perfused vessels."""
    reach, local, per_voxel = VALUE["suppression_reach"], state.local, 1.0 / EDGE**3
    counts = {name: np.bincount(state.where[state.kind == k], minlength=frame.voxels)
              for k, name in enumerate(WALKERS)}  # fmt: skip
    counts["CD8_total"] = counts["CD8"] + counts["CD8_exhausted"] + counts["CD8_stem"]
    quality = quality_of(frame, state, scalars)
    what = {name: counts[name] * per_voxel for name in CROWDS}
    what["viable_density"] = is_viable(state) * (cell_weight(scalars) * per_voxel)
    what["perfusion"] = np.where(carries_blood(state), quality, 0.0) / (EDGE**2 * scalars["perfusion_start"])
    smeared = frame.together([partial(spread_out, frame, values, reach) for values in what.values()])
    local.update(zip(what, smeared, strict=True))
    local["apoptosis_flux"] = (state.cell == DYING) * (cell_weight(scalars) * per_voxel * scalars["k_dying_clear"])


def carries_blood(state: State) -> np.ndarray:
    """Voxels whose vessel is open and carries blood."""
    return (state.vessel > 0) & state.flowing & ~state.occluded


def mingle(frame: Frame, state: State, scalars: Scalars) -> None:
    """Oxygen of a mixed piece: every place is of any class of the closure, with the class's share of living tissue."""
    luck = frame.draws(np.arange(frame.voxels, dtype=np.uint64), state.step, "placement", 2)
    share = np.cumsum([scalars[f"{OXYGEN}_share_{i}"] for i in range(len(OXYGEN_CLASSES))])
    rank = np.empty(frame.voxels)
    rank[np.argsort(luck, kind="stable")] = (np.arange(frame.voxels) + 0.5) / frame.voxels
    place = np.minimum(np.searchsorted(share / share[-1], rank), len(OXYGEN_CLASSES) - 1)
    state.local[OXYGEN] = np.array(OXYGEN_CLASSES)[place]


# --- traits and fields -----------------------------------------------------------------------------------------------


def rates_of(frame: Frame, here: Here, name: str):
    """What is made of a trait or field per day, and the first-order rate at which it is lost."""
    made, lost = 0.0, 0.0
    for process in frame.laws.by_species[name]:
        if frame.laws.processes[process].kind == "arrival":
            made = made + here.rate(process)
        else:
            lost = lost + here.rate(process)
    return made, lost


def signal(frame: Frame, state: State, here: Here, scalars: Scalars) -> None:
    """Traits relax, each voxel for itself; fields are made and lost in living tissue, and diffuse."""
    local, alive, dt = state.local, is_viable(state).astype(np.float64), FIELD_STEPS * frame.dt
    new, taken = {}, alive + state.liver  # liver takes up what it does not make
    for name in (*TRAITS, *FIELDS) if frame.mixed else TRAITS:
        made, lost = rates_of(frame, here, name)
        kept = exp(-np.asarray(lost) * dt)
        new[name] = local[name] * kept + made / lost * (1.0 - kept)
        if frame.mixed:
            new[name] = np.full(frame.voxels, new[name].mean())
    work = []
    for name in () if frame.mixed else FIELDS:
        made, lost = rates_of(frame, here, name)
        work.append(partial(_spread, frame, name, local[name], made * alive, lost * taken, dt))
    new.update(zip(FIELDS, frame.together(work), strict=False))  # of a mixed piece they are there already
    local.update(new)
    local["motility"] = motility(here)
    local["necrosis_flux"] = np.zeros(frame.voxels)  # deaths until the next call are added as they happen
    for part in ("fast", "slow"):
        lost = scalars[f"k_depot_{part}"]
        local[f"dox_{part}"] = local[f"dox_{part}"] * float(exp(-lost * dt))
    local["doxorubicin"] = local["dox_fast"] + local["dox_slow"]


def _spread(frame: Frame, name: str, now: np.ndarray, made: np.ndarray, lost: np.ndarray, dt: float) -> np.ndarray:
    """A field after `dt`, made and lost as said."""
    from tme_sim.engine.fields import Multigrid

    D = VALUE["D_VEGF" if name == "VEGF" else "D_purine"] * 86400.0 / VOXEL_UM**2
    if name not in frame.grid:
        frame.grid[name] = Multigrid(frame.shape, D, periodic=True)
    u, shape = now.copy(), frame.shape
    steady_field(u.reshape(shape), lost.reshape(shape), made.reshape(shape), D, 1e-3, step=dt, periodic=True,
                 grid=frame.grid[name])  # fmt: skip
    return np.maximum(u, 0.0)


# --- life and death --------------------------------------------------------------------------------------------------


def which(hazards: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """Row of `hazards` [process, individual] that strikes each individual."""
    steps = np.cumsum(hazards, axis=0)
    return np.minimum((steps <= choice * steps[-1]).sum(axis=0), len(hazards) - 1)


def chosen(frame: Frame, here: Here, names: list[str], at: np.ndarray, ids: np.ndarray, step_: int, what: str):
    """Which process [row of `names`] strikes each of those at `at` (voxels) that something strikes."""
    return which(hazard_rows(here, names, at), frame.draws(ids, step_, what, 1))


def totals(frame: Frame, here: Here, key: str, listed: list[list[str]]) -> np.ndarray:
    """Summed hazards [row of `listed`, voxel] of the processes named in each; found once for an instant."""
    if key not in here.memo:
        here.memo[key] = out = np.zeros((len(listed), frame.voxels))
        for row, names in zip(out, listed, strict=True):
            for name in names:
                row += np.maximum(here.rate(name), 0.0)
    return here.memo[key]


def struck(frame: Frame, total: np.ndarray, kind: np.ndarray, where: np.ndarray, ids: np.ndarray, step_: int,
           what: str) -> np.ndarray:  # fmt: skip
    """Places of the individuals that something strikes within a step; `total` as :func:`totals` has it."""
    return kernels.struck(total, kind, where, ids, frame.seed, frame.patient, np.uint64(step_), purpose(what), frame.dt)


def hazard_rows(here: Here, names: list[str], at: np.ndarray) -> np.ndarray:
    """Hazards [process, individual] of individuals at voxels `at`."""
    out = np.empty((len(names), at.size))
    for row, name in enumerate(names):
        rate = here.rate(name)
        out[row] = rate[at] if isinstance(rate, np.ndarray) else rate
    return np.maximum(out, 0.0)


def live(frame: Frame, state: State, here: Here, scalars: Scalars) -> None:
    """Tumour cells divide, rest, wake and die; T cells kill those they touch; the dead are cleared."""
    n, cell, local = frame.voxels, state.cell, state.local
    by = np.bincount(state.where[state.kind == WALKERS.index("CD8")], minlength=n)
    if frame.mixed:
        by = np.full(n, by.mean())
    touch = scalars["contact_volume"] / EDGE**3  # touched cells in the own voxel
    killing, hit = np.zeros(n), np.zeros(n, dtype=np.uint8)
    mothers, weight, starved = [], cell_weight(scalars) / EDGE**3, 0
    row, alone, touched = fates(frame, here)
    frame.deal(partial(kernels.strikes, cell, row, by, alone, touched, touch, state.lineage, frame.seed, frame.patient,
                       np.uint64(state.step), purpose("cell_death"), frame.dt, weight, hit, killing))  # fmt: skip
    struck = np.flatnonzero(hit)
    kinds, lineage = cell[struck], state.lineage[struck]
    for k in np.unique(kinds):
        mine = kinds == k
        hits, names = struck[mine], frame.laws.by_species[CELLS[k]]
        hazards = hazard_rows(here, names, hits)
        for row_, name in enumerate(names):
            if frame.laws.processes[name].kind == "contact":
                hazards[row_] *= by[hits] * touch
        chosen = which(hazards, frame.draws(lineage[mine], state.step, "cell_death", 1))
        for row_, name in enumerate(names):
            at = hits[chosen == row_]
            if not at.size:
                continue
            process = frame.laws.processes[name]
            if process.kind == "division":
                mothers.append(at)
                continue
            cell[at] = CELLS.index(process.into[0][0]) if process.into else 0
            if cell[at[0]] == NECROTIC:
                starved += at.size
                local["necrosis_flux"][at] += weight / (FIELD_STEPS * frame.dt)
    count(state, "necrosis", starved)
    local["killing_flux"] = spread_out(frame, killing, VALUE["interferon_reach"])
    if mothers:
        divide(frame, state, np.concatenate(mothers))
    state.lineage[cell == 0] = 0


def fates(frame: Frame, here: Here) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row of every kind of cell, and in each row [row, voxel] the summed hazards without a touch, and of a touch."""
    if "fates" not in here.memo:
        laws, rows = frame.laws, {}
        row = np.full(len(CELLS), -1)
        for k in (*VIABLE, DYING, NECROTIC):
            names = laws.by_species[CELLS[k]]
            contact = [laws.processes[name].kind == "contact" for name in names]
            parts = tuple(tuple(laws.same[n] for n, c in zip(names, contact, strict=True) if c == w) for w in (0, 1))
            row[k] = rows.setdefault(parts, len(rows))
        both = np.zeros((2, len(rows), frame.voxels))
        for parts, r in rows.items():
            for which_, names in enumerate(parts):
                for name in names:
                    both[which_, r] += here.rate(name)
        here.memo["fates"] = row, both[0], both[1]
    return here.memo["fates"]


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
    born: list[tuple[int, np.ndarray]] = []
    kind = state.kind
    listed = [[p for p in frame.laws.by_species[n] if frame.laws.processes[p].kind != "arrival"] for n in WALKERS]
    total = totals(frame, here, "walkers", listed)
    those = struck(frame, total, kind, state.where, state.walker, state.step, "differentiation")
    for k, names in enumerate(listed):
        at = those[kind[those] == k]
        if not at.size:
            continue
        row_of = chosen(frame, here, names, state.where[at], state.walker[at], state.step, "differentiation")
        for row, process in enumerate(names):
            hit = at[row_of == row]
            if not hit.size:
                continue
            law = frame.laws.processes[process]
            if law.kind == "division":
                born.append((k, state.where[hit]))
                continue
            gone[hit] = True
            for into, amount in law.into:
                if into not in WALKERS:
                    continue  # leaves what is counted one by one
                number = scalars[amount] if isinstance(amount, str) else amount
                luck = frame.draws(state.walker[hit], state.step, "differentiation", 2)
                copies = int(number) + (luck < number - int(number))
                born.append((WALKERS.index(into), np.repeat(state.where[hit], copies)))
    born += arrivals(frame, state, here, scalars)
    _renew(state, gone, born)


def arrivals(frame: Frame, state: State, here: Here, scalars: Scalars) -> list[tuple[int, np.ndarray]]:
    """Immune cells that arrive at open vessels in a step: a Poisson number each."""
    if "arrivals" not in here.memo:
        here.memo["arrivals"] = _expected(frame, state, here, scalars)
    sites, means = here.memo["arrivals"]
    open_, out = state.vessel[sites] > 0, []
    for (k, draw), mean in means.items():
        number = kernels.poissons(frame.seed, frame.patient, state.vessel_id[sites], np.uint64(state.step),
                                  purpose("recruitment"), np.uint64(draw), mean * open_)  # fmt: skip
        out.append((k, np.repeat(sites, number)))
    return out


def _expected(frame: Frame, state: State, here: Here, scalars: Scalars):
    """Vessels, and of every kind of immune cell (with a number for its luck) how many come through each in a step."""
    sites, means = np.flatnonzero((state.vessel > 0) & ~state.liver), {}
    voxels = np.count_nonzero(~state.liver)
    flow = np.where(carries_blood(state)[sites], here.at(sites).value("vessel_quality"), 0.0)
    share = flow / (EDGE**2 * voxels * scalars["perfusion_start"])  # of the untreated perfusion of the piece
    place = here.at(sites, {} if frame.mixed else {"perfusion": share})
    for k, name in enumerate(WALKERS):
        for process in frame.laws.by_species[name]:
            if frame.laws.processes[process].kind != "arrival" or not sites.size:
                continue
            by_flow = "perfusion" in frame.laws.reads[process] and not frame.mixed
            rate = np.broadcast_to(place.rate(process), sites.shape) * (voxels * EDGE**3 * frame.dt)
            mean = rate if by_flow else rate / sites.size
            means[k, k + (8 if "stem" in process else 0)] = np.maximum(mean, 0.0)
    return sites, means


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
    """Persistent random walk, up interferon, stalling where oxygen is low."""
    mobile = ~np.isin(state.kind, [WALKERS.index(n) for n in RESIDENT])
    where, heading, ids = state.where[mobile], state.heading[mobile], state.walker[mobile]
    crowd = np.bincount(state.where, minlength=frame.voxels)
    stall = state.local["motility"]
    chance = min(1.0, VALUE["walk_speed"] * WALK_TICKS / VOXEL_UM)
    for sub in range(frame.ticks // WALK_TICKS):
        kernels.walk(where, heading, ids, here.value("killing_flux"), stall, crowd, frame.seed,
                     frame.patient, np.uint64(state.step), purpose("migration"), 3 * sub, chance,
                     VALUE["walk_persistence"], VALUE["chemotaxis"], *frame.shape)  # fmt: skip
    state.where[mobile], state.heading[mobile] = where, heading


def motility(here: Here) -> np.ndarray:
    """Share of full motility at every voxel, by the law that lets T cells search and kill."""
    from tme_sim.mechanisms.killing import motility_lets
    from tme_sim.tissue.laws import on_arrays

    return on_arrays(motility_lets)(here.value("oxygen"), here.scalars["p_mot"], here.scalars["n_mot"])


# --- vessels ---------------------------------------------------------------------------------------------------------


def vessels(frame: Frame, state: State, here: Here) -> None:
    """Vessels sprout, mature, are lost, and open again after an embolisation."""
    step_, sites = state.step, np.flatnonzero((state.vessel > 0) & ~state.liver)
    kinds, ids = state.vessel[sites], state.vessel_id[sites]
    listed = [[], *(frame.laws.by_species[n] for n in ("immature_vessels", "mature_vessels"))]  # by kind, from 0
    those = struck(frame, totals(frame, here, "vessels", listed), kinds, sites, ids, step_, "division")
    for kind in (IMMATURE, MATURE):
        mine, names = those[kinds[those] == kind], listed[kind]
        if not mine.size:
            continue
        at = sites[mine]
        row_of = chosen(frame, here, names, at, ids[mine], step_, "division")
        for row, process in enumerate(names):
            hit, law = at[row_of == row], frame.laws.processes[process]
            if not hit.size:
                continue
            if law.kind == "division":
                _sprout(frame, state, here, hit)
            elif law.into:
                state.vessel[hit] = MATURE
            else:
                state.vessel[hit], state.vessel_id[hit] = 0, 0
                state.flowing[hit] = state.occluded[hit] = False
    for place, name in ((frame.core, "occluded_core"), (~frame.core, "occluded_rim")):
        at = np.flatnonzero(state.occluded & place)
        if at.size:
            hazard = sum(np.asarray(here.rate(p)) for p in frame.laws.by_species[name])
            luck = frame.draws(frame.closing(state, at), step_, "tace_response", 1)
            state.occluded[at[luck < 1.0 - exp(-hazard * frame.dt)]] = False


def _sprout(frame: Frame, state: State, here: Here, parents: np.ndarray) -> None:
    """Sprouts towards VEGF; a sprout of a closed vessel is closed, and carries blood with the usual share."""
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
    state.flowing[at] = frame.draws(state.vessel_id[at], state.step, "division", 2) < here.scalars["perfused_share"]
