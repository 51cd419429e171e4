"""Ablation and radiation in a piece: the jumps of the lesion's cells that the calendar makes, done cell by cell.

What a procedure kills, and when, is said once, by :mod:`tme_sim.therapies.procedures`, as shares of the lesion's cells.
Only which cells these are is new: heat spares those that flowing blood cools, so that the farthest from open vessels
die; radiation takes cells by chance, as it needs no blood.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from tme_sim.engine import queue as q
from tme_sim.tissue.measures import distances
from tme_sim.tissue.piece import CELLS, EDGE, NECROTIC, Frame, State, carries_blood, draw_count

__all__ = ["done", "jumps_done", "treat"]

Rows = tuple[np.ndarray, np.ndarray]  # (destination, source) in the state, and (coefficient, constant), of each row


def done(queue: np.ndarray) -> np.ndarray:
    """Which entries of a calendar have been carried out, by row."""
    return queue[1:, q.STATUS] == q.DONE


def jumps_done(queue: np.ndarray, before: np.ndarray, jumps: tuple[np.ndarray, ...]) -> Iterator[Rows]:
    """The jumps carried out since :func:`done` gave `before`, in their order; `jumps` as of `Jumps.arrays`."""
    entries = queue[1:]
    fresh = np.flatnonzero(done(queue) & ~before & (entries[:, q.ACTION] == q.JUMP))
    ends, places, values = jumps
    for entry in fresh[np.lexsort((fresh, entries[fresh, q.ORDER], entries[fresh, q.DONE_TICK]))]:
        group = entries[entry, q.REF]
        of = slice(ends[group - 1] if group else 0, ends[group])
        yield places[of], values[of]


def treat(frame: Frame, state: State, rows: Rows, place: Mapping[str, int]) -> dict[str, float]:
    """Let a jump act on the tumour cells of a piece.

    Args:
        rows: of the jump; those that touch no tumour cell do nothing here.
        place: of the lesion's states by name.

    Returns:
        What the jump adds to other states of the lesion (debris), by name, if each cell of the piece were one of it.
    """
    kinds = {place[name]: k for k, name in enumerate(CELLS) if name}
    if not any(int(source) in kinds for source in rows[0][:, 1]):  # a dose, say: most jumps are none of these
        return {}
    names = {i: name for name, i in place.items()}
    shares, becomes, left = {}, {}, {}
    counts = np.bincount(state.cell, minlength=len(CELLS))
    for (target, source), (coefficient, _) in zip(*rows, strict=True):
        if source not in kinds:
            continue
        if target == source:
            shares[source] = -coefficient
        elif target in kinds:
            becomes[source] = kinds[target]
        else:
            left[names[target]] = left.get(names[target], 0.0) + coefficient * counts[kinds[source]]
    far = _from_blood(frame, state) if NECROTIC in becomes.values() else None
    for source, into in becomes.items():
        at = np.flatnonzero(state.cell == kinds[source])
        luck = frame.draws(state.lineage[at], state.step, "tace_response", 2)
        order = np.argsort(luck, kind="stable") if into != NECROTIC else np.lexsort((luck, -far[at]))
        rest = frame.draws(np.array([kinds[source]], dtype=np.uint64), state.step, "tace_response", 3)[0]
        state.cell[at[order[: draw_count(shares[source] * at.size, rest)]]] = into
    return left


def _from_blood(frame: Frame, state: State) -> np.ndarray:
    """Distance [mm] of every voxel from the nearest vessel that carries blood."""
    every = np.argwhere(np.ones(frame.shape, dtype=bool))
    found = distances(every, every[carries_blood(state)], frame.shape, EDGE)
    return found if found.size else np.zeros(frame.voxels)
