"""Snapshots of a run folder, read back without anything that computes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tme_sim.diagnostics import InputError, Problem
from tme_sim.formats import read_arrays
from tme_sim.results import read_manifest

FILM = "snapshots/film.npz"
NEEDED = {"day", "edge", "label", "scale", "cell", "cell_names", "vessel", "flowing", "occluded", "immune_voxel",
          "immune_kind", "immune_names", "oxygen"}  # fmt: skip


@dataclass(frozen=True)
class Snapshot:
    """One instant of a piece: `day`, what it is called, edge of a voxel (um), and arrays [z, y, x] by name.

    `immune` holds z, y, x (voxels) and kind (index in `immune_names`) of every immune cell, one row each.
    `segments` [segment, end, axis] are z, y, x (voxels) of the ends of each segment of a network of vessels, `flux`
    what it carries (nL/min, from the first end to the second); none where flow is drawn.
    """

    day: float
    label: str
    edge: float
    scale: float
    cell_names: tuple[str, ...]
    immune_names: tuple[str, ...]
    arrays: dict[str, np.ndarray]
    immune: np.ndarray
    segments: np.ndarray = field(default_factory=lambda: np.empty((0, 2, 3), dtype=np.int64))
    flux: np.ndarray = field(default_factory=lambda: np.empty(0))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y, x."""
        return self.arrays["cell"].shape

    def is_kind(self, *names: str) -> np.ndarray:
        """Where the tumour cell of the voxel is of one of these kinds."""
        return np.isin(self.arrays["cell"], [self.cell_names.index(n) for n in names])


FIELD_UNITS = {"oxygen": "mmHg", "VEGF": "1", "AMP": "1", "doxorubicin": "umol/L", "perfusion": "1", "quality": "1",
               "normalisation": "1", "killing_flux": "cell/mm^3/day", "chemokine": "1", "DAMP": "1",
               "antigen": "1"}  # fmt: skip
"""Unit of each field of a snapshot; a level relative to the untreated lesion has none."""


def read_snapshot(content: bytes, name: str) -> Snapshot:
    """A snapshot from the bytes of its file.

    Raises:
        InputError: damaged, or no snapshot.
    """
    arrays = read_arrays(content, name)
    missing = NEEDED - set(arrays)
    if missing:
        raise InputError(Problem(name, "", f"is no snapshot of a tissue: {', '.join(sorted(missing))} is missing"))
    shape = arrays["cell"].shape
    voxel, kind = arrays.pop("immune_voxel"), arrays.pop("immune_kind")
    if len(shape) != 3 or (voxel.size and not 0 <= voxel.min() <= voxel.max() < np.prod(shape)):
        raise InputError(Problem(name, "", "is damaged: cells lie outside the lattice"))
    names = {n: tuple(map(str, arrays.pop(n))) for n in ("cell_names", "immune_names")}
    day, edge, scale, label = (arrays.pop(n)[0] for n in ("day", "edge", "scale", "label"))
    immune = np.column_stack([*np.unravel_index(voxel, shape), kind.astype(np.int64)])
    joins = arrays.pop("segments", np.empty((0, 2), dtype=np.int64))
    flux = arrays.pop("flux", np.empty(0))
    if len(joins) != flux.size or (joins.size and not 0 <= joins.min() <= joins.max() < np.prod(shape)):
        raise InputError(Problem(name, "", "is damaged: segments of vessels lie outside the lattice"))
    grids = {n: a for n, a in arrays.items() if a.shape == shape}
    return Snapshot(float(day), str(label), float(edge), float(scale), names["cell_names"], names["immune_names"],
                    grids, immune, np.stack(np.unravel_index(joins, shape), axis=-1), flux)  # fmt: skip


def snapshots_of(folder: str | Path) -> list[Snapshot]:
    """All snapshots of a run folder, in order of time.

    Raises:
        InputError: no run folder, a run without agent tissue, or a snapshot that is missing or was changed.
    """
    folder = Path(folder)
    listed = {n: about for n, about in read_manifest(folder)["files"].items()
              if n.startswith("snapshots/") and n != FILM}  # fmt: skip
    if not listed:
        raise InputError(Problem(str(folder), "", (
            'holds no snapshots; run a scenario with tissue = "agents" and piece.snapshots')))
    out = []
    for name, about in sorted(listed.items()):
        out.append(read_snapshot(_checked(folder / name, about), str(folder / name)))
    return out


def _checked(path: Path, about: dict) -> bytes:
    import hashlib

    if not path.is_file():
        raise InputError(Problem(str(path), "", "is missing; run the scenario again (tme-sim rerun)"))
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != about.get("sha256"):
        raise InputError(Problem(str(path), "", "was changed after the run; run it again (tme-sim rerun)"))
    return content


def film_of(folder: str | Path) -> list[Snapshot]:
    """Frames of the film of a run folder: the middle section, with cells, vessels, immune cells and oxygen.

    Raises:
        InputError: no run folder, no film in it, or a damaged one.
    """
    folder = Path(folder)
    about = read_manifest(folder)["files"].get(FILM)
    if about is None:
        raise InputError(Problem(str(folder), "", (
            'holds no film; run a scenario with tissue = "agents" and piece.film_every above 0')))
    arrays = read_arrays(_checked(folder / FILM, about), str(folder / FILM))
    try:
        names = [tuple(map(str, arrays[n])) for n in ("cell_names", "immune_names")]
        ny, nx = arrays["cell"].shape[1:]
        begin, out = 0, []
        for i, end in enumerate(arrays["immune_end"]):
            at, kind = arrays["immune"][begin:end].T.astype(np.int64)
            packed, begin = arrays["vessels"][i][None], int(end)
            grids = {
                "cell": arrays["cell"][i][None], "vessel": packed & 3, "flowing": packed >> 2 & 1,
                "occluded": packed >> 3 & 1, "liver": packed >> 4,
                "oxygen": arrays["oxygen"][i][None] / np.float32(2.0),
            }  # fmt: skip
            immune = np.column_stack([np.zeros_like(at), at // nx, at % nx, kind])
            day = float(arrays["day"][i])
            out.append(Snapshot(day, f"day {day:g}", float(arrays["edge"][0]), 1.0, *names, grids, immune))
    except (KeyError, ValueError, IndexError):
        raise InputError(Problem(str(folder / FILM), "", "does not hold a film; run the scenario again")) from None
    return out
