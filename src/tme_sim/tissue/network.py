"""Vessels joined by segments through which blood flows, where `piece.flow` is "network".

Biology: an arteriole feeds a capillary bed that veins drain; what a vessel carries depends on all the others.  Two
vessels are joined by a segment where no third one lies between them (the Gabriel graph: no other vessel within the
circle, or ball, whose diameter the segment is), up to `segment_reach`; a sprout is joined to its parent and, by the
same rule, to the vessels that its tip meets.  A lost vessel takes its segments along at once.  What the rule then asks
for comes, and what it no longer asks for goes, over `remodelling`: neighbours of a lost vessel meet, and a segment that
a sprout has come to lie in is given up.  Without that a network frays as its vessels are renewed, and stops flowing.

Blood follows Poiseuille's law, with the pressure of arteries and veins held at their ends.  An artery opens into the
vessel nearest to it, closed or not; a vein, which no embolus reaches, drains the nearest open one.  A vessel flows
where it carries at least as much as the weakest of those that do untreated, so that the perfused share is that of the
laws.  That least flow follows, day by day, what the vessels would carry on average if none were closed and all were
joined by the rule: arteries adapt to their bed, so vessels that ripen or thin out carry no more and no less by it.

Simplified: a section is a sheet of tissue of its own, so blood neither leaves nor enters it but by arteries and veins;
viscosity is one number (no haematocrit, no shedding of cells at forks); radii are of the two stages of vessels and do
not adapt to flow; no blood leaks.  Arteries and veins lie at random.  No source read tells the topology: numbers are
assumed, and shares of flow, not flows, are what is to be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tme_sim.engine.rng import PURPOSES
from tme_sim.tissue import kernels
from tme_sim.tissue.settings import NETWORK_VALUE, VALUE, VOXEL_UM

if TYPE_CHECKING:
    from tme_sim.tissue.piece import Frame, State

LEAST = "least_flow"  # of a vessel that flows, nL/min: kept with the state
TYPICAL = "typical_flow"  # of a vessel, all open and joined by the rule, nL/min: when the least flow was last adapted
REMODELLED = "remodelled_step"  # when segments last came and went by themselves
NONE = np.empty((0, 2), dtype=np.int64)
SMALLEST = 1e-9  # of the largest flow: what is below is rounding, and no flow
NL_PER_MIN = 60e-6  # of um^3/s
MMHG_PA = 133.322387415


class Flow(NamedTuple):
    """Flow at rest.  Of vessels, by `at` (their voxels): `pressure` (mmHg; NaN where none of both ends reaches them),
    `source` (what arteries bring, less what veins take) and `through`; of segments `flux`, from their first end to
    their second.  All flows in nL/min."""

    at: np.ndarray
    pressure: np.ndarray
    source: np.ndarray
    through: np.ndarray
    flux: np.ndarray


# --- arteries and veins ----------------------------------------------------------------------------------------------


def places_of(shape: tuple[int, int, int], seed: int, patient: int, draw: int) -> np.ndarray:
    """Places [number, axis] (voxels, axes longer than one) at random, `feeder_spacing` apart on average; `draw` is the
    number of the first random draw."""
    edges = np.array([n for n in shape if n > 1], dtype=np.float64)
    number = max(1, round(edges.prod() / (VALUE["feeder_spacing"] / VOXEL_UM) ** edges.size))
    ids = np.arange(1, number + 1, dtype=np.uint64)
    where = [kernels.draws(np.uint64(seed), np.uint64(patient), ids, np.uint64(0), np.uint64(PURPOSES["placement"]),
                           np.uint64(draw + axis)) for axis in range(edges.size)]  # fmt: skip
    return np.stack(where, axis=1) * edges


def feeders_of(shape: tuple[int, int, int], seed: int, patient: int) -> np.ndarray:
    """Number (from 1) of the nearest feeder of every voxel."""
    from scipy.spatial import cKDTree

    edges = np.array([n for n in shape if n > 1], dtype=np.float64)
    tree = cKDTree(places_of(shape, seed, patient, 3), boxsize=edges)
    voxels = np.stack(np.meshgrid(*(np.arange(n) + 0.5 for n in edges), indexing="ij"), axis=-1)
    return (tree.query(voxels.reshape(-1, edges.size))[1] + 1).astype(np.uint64)


def ends_of(shape: tuple[int, int, int], seed: int, patient: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of arteries, which are the feeders, and of as many veins; as :func:`places_of`."""
    return places_of(shape, seed, patient, 3), places_of(shape, seed, patient, 6)


def nearest(places: np.ndarray, voxels: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Which of `voxels` is the nearest to each of the places; every one is told once, in order."""
    if voxels.size == 0:
        return voxels
    edges = [n for n in shape if n > 1]
    return np.unique(voxels[_tree(voxels, shape).query(places)[1]]) if edges else voxels[:1]


# --- segments --------------------------------------------------------------------------------------------------------


def coordinates(voxels: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Middles of voxels [voxel, axis], along the axes longer than one, in voxels."""
    axes = [i for i, n in enumerate(shape) if n > 1]
    return np.stack(np.unravel_index(voxels, shape), axis=1)[:, axes] + 0.5


def _tree(voxels: np.ndarray, shape: tuple[int, int, int]):
    from scipy.spatial import cKDTree

    return cKDTree(coordinates(voxels, shape), boxsize=[n for n in shape if n > 1])


def apart(segments: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Vectors [segment, axis] from first to second end, in voxels, the short way around the edges."""
    edges = np.array([n for n in shape if n > 1], dtype=np.float64)
    off = coordinates(segments[:, 1], shape) - coordinates(segments[:, 0], shape)
    return off - edges * np.round(off / edges)


def reach_of(shape: tuple[int, int, int]) -> float:
    """Longest segment, in voxels: less than half the piece, so that two vessels are joined one way around."""
    return min(NETWORK_VALUE["segment_reach"] / VOXEL_UM, 0.49 * min(n for n in shape if n > 1))


def joined(vessel: np.ndarray, shape: tuple[int, int, int], new: np.ndarray | None = None) -> np.ndarray:
    """Segments [segment, end] (voxels, in order) between vessels with no third one between them: of all vessels, or
    only of those at `new`."""
    at = np.flatnonzero(vessel > 0)
    if at.size < 2 or (new is not None and new.size == 0):
        return NONE
    tree, reach = _tree(at, shape), reach_of(shape)
    if new is None:
        pairs = tree.query_pairs(reach, output_type="ndarray")
    else:
        near = tree.query_ball_point(coordinates(new, shape), reach, return_sorted=True)
        of = np.searchsorted(at, new)
        pairs = np.array([(i, j) for i, found in zip(of, near, strict=True) for j in found if i != j], dtype=np.int64)
        pairs = pairs.reshape(-1, 2)
    if not len(pairs):
        return NONE
    pairs = np.sort(at[pairs], axis=1)
    off = apart(pairs, shape)
    edges = np.array([n for n in shape if n > 1], dtype=np.float64)
    middle = np.mod(coordinates(pairs[:, 0], shape) + 0.5 * off, edges)
    third = tree.query(middle, k=3)[0][:, 2]  # the ends themselves are the nearest, unless another is between them
    return np.unique(pairs[third > 0.5 * np.sqrt((off * off).sum(axis=1)) + 1e-9], axis=0)


def grow(frame: Frame, state: State, lost: np.ndarray, new: np.ndarray, parents: np.ndarray) -> None:
    """Segments go with vessels `lost`, and come with sprouts at `new` of `parents` (voxels)."""
    gone = np.zeros(frame.voxels, dtype=bool)
    gone[lost] = True
    kept = state.segments[~gone[state.segments].any(axis=1)]
    of_parents = np.sort(np.stack([new, parents], axis=1), axis=1)
    of_parents = of_parents[(state.vessel[of_parents] > 0).all(axis=1)]
    state.segments = np.unique(np.concatenate([kept, of_parents, joined(state.vessel, frame.shape, new)]), axis=0)
    if (state.step - state.told.get(REMODELLED, -np.inf)) * frame.dt >= 1.0:
        remodel(frame, state)


def remodel(frame: Frame, state: State) -> None:
    """Segments come nearer to those of the rule, and the least flow to what vessels carry, since this was last done."""
    days = (state.step - state.told.get(REMODELLED, state.step)) * frame.dt
    state.told[REMODELLED] = float(state.step)
    wanted, n = joined(state.vessel, frame.shape), frame.voxels
    there = state.segments @ [n, 1]  # a number of its own for every pair, in the order of pairs
    off = np.setxor1d(there, wanted @ [n, 1])
    luck = frame.draws(off.astype(np.uint64), state.step, "placement", 9)
    there = np.setxor1d(there, off[luck < -np.expm1(-days / NETWORK_VALUE["remodelling"])])
    state.segments = np.stack([there // n, there % n], axis=1)
    flow = flow_through(state.vessel, np.zeros(n, dtype=bool), wanted, frame.shape, frame.ends)
    typical = float(flow.through.mean()) if flow.at.size else 0.0
    if typical > 0.0:
        state.told[LEAST] = state.told.get(LEAST, 0.0) * typical / state.told.get(TYPICAL, typical)
        state.told[TYPICAL] = typical


# --- flow ------------------------------------------------------------------------------------------------------------


def conductances(segments: np.ndarray, vessel: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Conductance of each segment by Poiseuille's law, nL/min/mmHg: half its length is as wide as either end."""
    from tme_sim.tissue.piece import MATURE

    ripe = vessel[segments] == MATURE
    radius = np.where(ripe, NETWORK_VALUE["radius_mature"], NETWORK_VALUE["radius_immature"])  # um
    length = VOXEL_UM * np.sqrt((apart(segments, shape) ** 2).sum(axis=1))  # um
    resistance = (8.0 * NETWORK_VALUE["blood_viscosity"] / np.pi * 0.5 * length[:, None] / radius**4).sum(axis=1)
    return MMHG_PA * NL_PER_MIN / resistance


def flow_through(vessel: np.ndarray, closed: np.ndarray, segments: np.ndarray, shape: tuple[int, int, int],
                 ends: tuple[np.ndarray, np.ndarray]) -> Flow:  # fmt: skip
    """Flow at rest through open vessels, between arteries and veins at the places `ends`.

    Pressures of what lies between them are one sparse symmetric system, factored directly; parts of the network that
    arteries or veins do not reach hold still.
    """
    from scipy.sparse import coo_array, diags_array
    from scipy.sparse.csgraph import connected_components
    from scipy.sparse.linalg import splu

    at = np.flatnonzero(vessel > 0)
    n, link = at.size, np.searchsorted(at, segments)
    shut = closed[at]
    conductance = np.where(shut[link].any(axis=1), 0.0, conductances(segments, vessel, shape))
    inlets = nearest(ends[0], at, shape)
    outlets = nearest(ends[1], np.setdiff1d(at[~shut], inlets), shape)
    inlets = np.searchsorted(at, inlets[~closed[inlets]])
    outlets = np.searchsorted(at, outlets)
    pressure, open_ = np.full(n, np.nan), conductance > 0.0
    first, second = link[open_].T
    graph = coo_array((conductance[open_], (first, second)), shape=(n, n))
    number, part = connected_components(graph, directed=False)
    fed, drained = (np.isin(np.arange(number), part[those]) for those in (inlets, outlets))
    pressure[inlets], pressure[outlets] = NETWORK_VALUE["artery_pressure"], NETWORK_VALUE["vein_pressure"]
    unknown = np.flatnonzero(np.isnan(pressure) & (fed & drained)[part])
    if unknown.size:
        both = graph.tocsr() + graph.T.tocsr()
        held = np.flatnonzero(~np.isnan(pressure))
        matrix = diags_array(both.sum(axis=1)[unknown]) - both[unknown][:, unknown]
        factors = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        pressure[unknown] = factors.solve(both[unknown][:, held] @ pressure[held])
    fall = pressure[link[:, 0]] - pressure[link[:, 1]]
    flux = np.where(open_ & np.isfinite(fall), conductance * np.nan_to_num(fall), 0.0)
    flux[~(fed & drained)[part[link[:, 0]]]] = 0.0
    source = np.bincount(link[:, 0], flux, n) - np.bincount(link[:, 1], flux, n)
    whole = np.bincount(link[:, 0], np.abs(flux), n) + np.bincount(link[:, 1], np.abs(flux), n)
    bound = np.zeros(n, dtype=bool)
    bound[inlets] = bound[outlets] = True
    source = np.where(bound, source, 0.0)
    return Flow(at, pressure, source, 0.5 * (whole + np.abs(source)), flux)


def flow_of(frame: Frame, state: State) -> Flow:
    """Flow of a piece as it is now."""
    return flow_through(state.vessel, state.occluded, state.segments, frame.shape, frame.ends)


def flood(frame: Frame, state: State, share: float | None = None) -> None:
    """Find which vessels flow, as they are now; with a `share`, set the least flow anew so that this share does."""
    flow = flow_of(frame, state)
    if share is not None and flow.at.size:
        strongest = np.sort(flow.through)[::-1]
        state.told[LEAST] = float(strongest[max(0, round(share * strongest.size) - 1)])
    least = max(state.told.get(LEAST, 0.0) * (1.0 - SMALLEST), SMALLEST * flow.through.max(initial=0.0))
    state.flowing[:] = False
    state.flowing[flow.at] = (flow.through >= least) & (flow.through > 0.0)


def lay(frame: Frame, state: State, share: float) -> None:
    """Join the vessels of an untreated piece, and let a `share` of them flow."""
    state.segments = joined(state.vessel, frame.shape)
    flood(frame, state, share)
