"""Snapshots and checkpoints of a piece as files, and what a run keeps of its tissue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tme_sim.formats import array_bytes
from tme_sim.quantities import to_display
from tme_sim.tissue.measures import measures
from tme_sim.tissue.network import Flow
from tme_sim.tissue.piece import CELLS, WALKERS, State
from tme_sim.tissue.settings import VOXEL_UM
from tme_sim.tissue.snapshots import FIELD_UNITS, FILM, read_snapshot

SNAPSHOT_FIELDS = ("oxygen", "VEGF", "AMP", "doxorubicin", "normalisation", "perfusion", "killing_flux",
                   "chemokine", "DAMP", "antigen")
"""Fields of a snapshot, in their display units; float32."""


@dataclass
class TissueRecord:
    """What a run keeps of its piece: files of the run folder by name, and rows of the summary."""

    files: dict[str, bytes] = field(default_factory=dict)
    summary: dict[str, dict] = field(default_factory=dict)
    watch: Callable[[str, bytes], None] | None = None

    def add_snapshot(self, day: float, content: bytes) -> None:
        """Keep a snapshot; they are numbered as they come."""
        number = sum(name.startswith("snapshots/") for name in self.files)
        name = f"snapshots/{number:02d}_day_{day:g}.npz"
        self.files[name] = content
        if self.watch is not None:
            self.watch(name, content)

    def measure(self) -> None:
        """Measures of every snapshot, under `tissue` of the summary."""
        names = sorted(n for n in self.files if n.startswith("snapshots/") and n != FILM)
        shots = [read_snapshot(self.files[n], n) for n in names]
        self.summary["tissue"] = {shot.label: {"day": shot.day, **measures(shot)} for shot in shots}


def snapshot_bytes(
    state: State, shape: tuple[int, int, int], day: float, label: str, quality: np.ndarray, core: np.ndarray,
    flow: Flow | None = None,
) -> bytes:
    """A snapshot: cells, vessels, immune cells and fields of one instant, with names and units.

    `cell` [z, y, x] counts in `cell_names`, `vessel` is 0 none, 1 immature, 2 mature; `flowing`, `occluded`, `core` 0
    or 1;
    `immune_voxel` and `immune_kind` (in `immune_names`) list immune cells; `edge` in um, `day` in days.
    With a `flow` through a network, `segments` [segment, end] are voxels that it joins and `flux` what they carry from
    the first to the second, nL/min.
    """
    fields = {n: to_display(state.local[n], FIELD_UNITS[n]).astype(np.float32).reshape(shape) for n in SNAPSHOT_FIELDS}
    fields["quality"] = quality.astype(np.float32).reshape(shape)
    fields["core"] = core.astype(np.uint8).reshape(shape)
    if state.liver.any():
        fields["liver"] = state.liver.astype(np.uint8).reshape(shape)
    if flow is not None:
        fields |= {"segments": state.segments, "flux": flow.flux.astype(np.float32)}
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


class Film:
    """Frames of the middle section at regular dates, small: cells, vessels, immune cells and oxygen to half a mmHg."""

    def __init__(self, shape: tuple[int, int, int]):
        self.shape = shape
        self.days: list[float] = []
        self.frames: dict[str, list[np.ndarray]] = {name: [] for name in ("cell", "vessels", "oxygen")}
        self.immune: list[np.ndarray] = []

    def add(self, state: State, day: float) -> None:
        """Keep the section as it is now."""
        nz, ny, nx = self.shape
        section = slice((nz // 2) * ny * nx, (nz // 2 + 1) * ny * nx)
        packed = state.vessel.astype(np.uint8) | (state.flowing.astype(np.uint8) << 2)
        packed |= (state.occluded.astype(np.uint8) << 3) | (state.liver.astype(np.uint8) << 4)
        self.days.append(day)
        self.frames["cell"].append(state.cell[section].astype(np.uint8))
        self.frames["vessels"].append(packed[section])
        self.frames["oxygen"].append(np.clip(np.round(2.0 * state.local["oxygen"][section]), 0, 255).astype(np.uint8))
        order = np.argsort(state.walker, kind="stable")
        inside = order[(state.where[order] >= section.start) & (state.where[order] < section.stop)]
        at = state.where[inside] - section.start
        self.immune.append(np.column_stack([at, state.kind[inside].astype(np.int64)]).astype(np.int32))

    def arrays(self) -> dict[str, np.ndarray]:
        """Frames [frame, y, x]; `immune` rows (voxel of the section, kind) of frame i end at `immune_end[i]`."""
        ny, nx = self.shape[1:]
        out = {n: np.array(a, dtype=np.uint8).reshape(-1, ny, nx) for n, a in self.frames.items()}
        immune = np.concatenate([np.empty((0, 2), dtype=np.int32), *self.immune])
        ends = np.cumsum([len(a) for a in self.immune]).astype(np.int64)
        return {"day": np.array(self.days), "immune": immune, "immune_end": ends, **out}

    def take(self, arrays: dict[str, np.ndarray]) -> None:
        """Continue a film from its :meth:`arrays`."""
        self.days = [float(d) for d in arrays["day"]]
        self.frames = {n: [np.array(f).ravel() for f in arrays[n]] for n in self.frames}
        self.immune = [np.array(a) for a in np.split(arrays["immune"], arrays["immune_end"][:-1])] if self.days else []

    def content(self) -> bytes:
        """The film as a file."""
        return array_bytes({
            "edge": np.array([VOXEL_UM]), "cell_names": np.array(CELLS, dtype=np.str_),
            "immune_names": np.array(WALKERS, dtype=np.str_), **self.arrays(),
        })  # fmt: skip
