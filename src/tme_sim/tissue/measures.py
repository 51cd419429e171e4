"""What a pathologist or a multiplex-imaging group would count on a snapshot: densities, distances, neighbourhoods.

Distances and pairs are taken around the edges of the periodic piece.  Densities of cells are per volume of tissue; in a
section one voxel thick, times 0.02 mm they are per area.
"""

from __future__ import annotations

import numpy as np

from tme_sim.tissue.snapshots import Snapshot

VIABLE = ("cycling", "quiescent", "cycling_resistant", "quiescent_resistant", "cycling_unseen", "quiescent_unseen")
CD8 = ("CD8", "CD8_exhausted", "CD8_stem")
HYPOXIC, ANOXIC = 10.0, 2.5  # mmHg
REACH = 100.0  # um
RADII = (50.0, 100.0, 200.0)  # um
IMMUNE = {"cd8": ("CD8 cells", CD8), "mdsc": ("suppressor cells", ("MDSC",)), "treg": ("regulatory T cells", ("Treg",)),
          "dc": ("dendritic cells", ("DC",)), "tam": ("macrophages", ("TAM",))}  # fmt: skip
COMPARTMENTS = {
    "": "in the lesion",
    "_core": "where vessels are of the core class",
    "_rim": "where vessels are of the rim class",
    "_in_tumour": "at places with a viable tumour cell",
    "_in_necrosis": "at places with a necrotic cell",
    "_in_stroma": "at places without a tumour cell",
}
WORDS = {
    "hypoxic": ("1", "share of viable tumour cells below 10 mmHg"),
    "anoxic": ("1", "share of tissue below 2.5 mmHg"),
    "necrotic": ("1", "share of places with a necrotic cell"),
    "cleared": ("1", "share of places without a tumour cell, living or dead"),
    "vessels": ("1/mm^2", "vessels per section area"),
    "open_vessels": ("1", "share of vessels that are open and carry blood"),
    "perfused": ("1", "share of viable tumour cells with an open vessel within 100 um"),
    "quality": ("1", "mean quality of open vessels"),
    **{kind + where: ("cell/mm^3", f"{cells} {told}")
       for kind, (cells, _) in IMMUNE.items() for where, told in COMPARTMENTS.items()},
    "cd8_to_tumour": ("um", "median distance from a CD8 cell to the nearest viable tumour cell"),
    "cd8_to_mdsc": ("um", "median distance from a CD8 cell to the nearest suppressor cell"),
    "cd8_to_vessel": ("um", "median distance from a CD8 cell to the nearest open vessel"),
    "cd8_clustering_50": ("1", "CD8 pairs within 50 um over those at random (Ripley's K over its expectation)"),
    "cd8_clustering_100": ("1", "the same within 100 um"),
    "cd8_clustering_200": ("1", "the same within 200 um"),
    "cd8_near_mdsc": ("1", "CD8-MDSC pairs within 100 um over those at random (cross-K over its expectation)"),
    "vessel_clustering_50": ("1", "pairs of open vessels within 50 um over those at random; below 1: evenly spread"),
}
"""Name of each measure, its unit and what it is."""


def measures(shot: Snapshot) -> dict[str, float]:
    """Every measure of WORDS of a snapshot, in its unit; None where there is nothing to measure."""
    shape, edge = shot.shape, shot.edge
    viable, vessel = shot.is_kind(*VIABLE), shot.arrays["vessel"] > 0
    open_ = vessel & (shot.arrays["flowing"] > 0) & (shot.arrays["occluded"] == 0)
    lesion = shot.arrays.get("liver", np.zeros(shape)) == 0  # counted is the lesion, not the liver around a nodule
    vessel, open_, core = vessel & lesion, open_ & lesion, shot.arrays.get("core", np.ones(shape)) > 0
    necrotic, free, rim = shot.is_kind("necrotic"), (shot.arrays["cell"] == 0) & lesion, ~core & lesion
    oxygen, cubic_mm = shot.arrays["oxygen"], (edge / 1000.0) ** 3
    at = {n: shot.immune[shot.immune[:, 3] == k, :3] for k, n in enumerate(shot.immune_names)}
    counted = {kind: np.concatenate([at[n] for n in names]) for kind, (_, names) in IMMUNE.items()}
    counted = {kind: cells[lesion[tuple(cells.T)]] for kind, cells in counted.items()}
    cd8, mdsc = counted["cd8"], counted["mdsc"]
    places = dict(zip(COMPARTMENTS, (lesion, core & lesion, rim, viable, necrotic, free), strict=True))

    def density(cells: np.ndarray, here: np.ndarray) -> float | None:
        inside = np.count_nonzero(here[tuple(cells.T)]) if len(cells) else 0
        return inside / (here.sum() * cubic_mm) if here.any() else None

    vessels, tumour, whole = np.argwhere(open_), np.argwhere(viable), None if lesion.all() else lesion

    def pairs(cells: np.ndarray, others: np.ndarray | None, radius: float) -> float | None:
        return pairs_over_random(cells, others, shape, edge, radius, whole)

    out = {
        "hypoxic": _share(oxygen[viable] < HYPOXIC), "anoxic": _share(oxygen[lesion] < ANOXIC),
        "necrotic": _share(necrotic[lesion]), "cleared": _share(free[lesion]),
        "vessels": vessel.sum() / (lesion.sum() * (edge / 1000.0) ** 2),
        "open_vessels": _share(open_[vessel]),
        "perfused": _share(distances(tumour, vessels, shape, edge) <= REACH) if len(vessels) else 0.0,
        "quality": float(shot.arrays["quality"][open_].mean()) if open_.any() and "quality" in shot.arrays else None,
        "cd8_to_tumour": _median(distances(cd8, tumour, shape, edge)),
        "cd8_to_mdsc": _median(distances(cd8, mdsc, shape, edge)),
        "cd8_to_vessel": _median(distances(cd8, vessels, shape, edge)),
        "cd8_near_mdsc": pairs(cd8, mdsc, REACH),
        "vessel_clustering_50": pairs(vessels, None, RADII[0]),
    }  # fmt: skip
    out |= {kind + where: density(cells, here) for kind, cells in counted.items() for where, here in places.items()}
    out |= {f"cd8_clustering_{r:.0f}": pairs(cd8, None, r) for r in RADII}
    return {n: None if out[n] is None else float(out[n]) for n in WORDS}


def _share(of: np.ndarray) -> float | None:
    return float(of.mean()) if of.size else None


def _median(values: np.ndarray) -> float | None:
    return float(np.median(values)) if values.size else None


def _tree(voxels: np.ndarray, shape: tuple[int, int, int]):
    from scipy.spatial import cKDTree

    return cKDTree(voxels, boxsize=shape)


def distances(cells: np.ndarray, others: np.ndarray, shape: tuple[int, int, int], edge: float) -> np.ndarray:
    """Distance (um) of each cell to the nearest of `others` (voxels [n, 3], around the edges); empty without any."""
    if not len(cells) or not len(others):
        return np.empty(0)
    return _tree(others, shape).query(cells)[0] * edge


def pairs_over_random(
    cells: np.ndarray, others: np.ndarray | None, shape: tuple[int, int, int], edge: float, radius: float,
    within: np.ndarray | None = None,
) -> float | None:
    """Pairs of cells within `radius` (um) over the number expected if they lay at random: Ripley's K over its
    expectation; with `others` between the two kinds.

    The expectation counts the voxels in reach, so that it holds on the lattice; where cells lie `within` a part of it
    only (a nodule), the pairs of its voxels in reach, so that neither its shape nor its edge tells as clustering.  None
    for too few cells or a radius that reaches around the piece.
    """
    n = len(cells)
    m = n - 1 if others is None else len(others)
    wide = min(s for s in shape if s > 1) * edge
    if n < 2 or m < 1 or radius >= wide / 2:
        return None
    reach = radius / edge + 1e-9
    tree = _tree(cells, shape)
    pairs = tree.count_neighbors(tree if others is None else _tree(others, shape), reach) - (n if others is None else 0)
    span = np.arange(-int(reach), int(reach) + 1)
    z, y, x = np.meshgrid(span if shape[0] > 1 else np.zeros(1), span, span, indexing="ij")
    near = z * z + y * y + x * x <= reach * reach
    if within is None:
        return float(pairs / (n * m * np.count_nonzero(near) / np.prod(shape)))
    whole = np.fft.rfftn(within)
    apart = np.rint(np.fft.irfftn(np.abs(whole) ** 2, shape, (0, 1, 2)))  # pairs of voxels by how far they lie apart
    in_reach = apart[tuple(offset[near].astype(np.int64) for offset in (z, y, x))].sum()
    return float(pairs / (n * m * in_reach / np.count_nonzero(within) ** 2))
