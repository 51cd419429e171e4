"""Snapshots and checkpoints of a piece as files, and what a run keeps of its tissue."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tme_sim.results import array_bytes, read_arrays
from tme_sim.tissue.piece import CELLS, WALKERS, State
from tme_sim.tissue.settings import VOXEL_UM

SNAPSHOT_FIELDS = ("oxygen", "VEGF", "AMP", "doxorubicin", "normalisation", "perfusion", "killing_flux")
"""Fields of a snapshot; float32."""


@dataclass
class TissueRecord:
    """What a run keeps of its piece: files of the run folder by name, and rows of the summary."""

    files: dict[str, bytes] = field(default_factory=dict)
    summary: dict[str, float] = field(default_factory=dict)

    def add_snapshot(self, day: float, content: bytes) -> None:
        """Keep a snapshot; they are numbered as they come."""
        number = sum(name.startswith("snapshots/") for name in self.files)
        self.files[f"snapshots/{number:02d}_day_{day:g}.npz"] = content


def snapshot_bytes(state: State, shape: tuple[int, int, int], day: float, label: str, quality: np.ndarray) -> bytes:
    """A snapshot: cells, vessels, immune cells and fields of one instant, with names and units.

    `cell` [z, y, x] counts in `cell_names`, `vessel` is 0 none, 1 immature, 2 mature; `flowing`, `occluded` 0 or 1;
    `immune_voxel` and `immune_kind` (in `immune_names`) list immune cells; `edge` in um, `day` in days.
    """
    fields = {n: state.local[n].astype(np.float32).reshape(shape) for n in SNAPSHOT_FIELDS}
    fields["quality"] = quality.astype(np.float32).reshape(shape)
    order = np.argsort(state.walker, kind="stable")
    return array_bytes({
        "day": np.array([day]), "edge": np.array([VOXEL_UM]), "scale": np.array([state.scale]),
        "label": np.array([label], dtype=np.str_), "cell_names": np.array(CELLS, dtype=np.str_),
        "immune_names": np.array(WALKERS, dtype=np.str_),
        "cell": state.cell.astype(np.uint8).reshape(shape), "vessel": state.vessel.astype(np.uint8).reshape(shape),
        "flowing": state.flowing.astype(np.uint8).reshape(shape),
        "occluded": state.occluded.astype(np.uint8).reshape(shape),
        "immune_voxel": state.where[order], "immune_kind": state.kind[order].astype(np.uint8), **fields,
    })  # fmt: skip


def read_snapshot(content: bytes, name: str) -> dict[str, np.ndarray]:
    """Arrays of a snapshot.

    Raises:
        InputError: damaged, or no snapshot.
    """
    from tme_sim.diagnostics import InputError, Problem

    arrays = read_arrays(content, name)
    missing = {"day", "edge", "cell", "vessel", "immune_voxel", "oxygen"} - set(arrays)
    if missing:
        raise InputError(Problem(name, "", f"is no snapshot of a tissue: {', '.join(sorted(missing))} is missing"))
    return arrays
