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


def treat(frame: Frame, state: State, rows: Rows, place: Mapping[str, int], weight: float) -> None:
    """Let a jump act on the tumour cells of a piece, which leave their debris where they fall.

    Args:
        rows: of the jump; those that touch no tumour cell do nothing here.
        place: of the lesion's states by name.
        weight: cells of the lesion that one of the piece stands for.
    """
    kinds = {place[name]: k for k, name in enumerate(CELLS) if name}
    if not any(int(source) in kinds for source in rows[0][:, 1]):  # a dose, say: most jumps are none of these
        return
    names = {i: name for name, i in place.items()}
    shares, becomes, debris = {}, {}, {}
    for (target, source), (coefficient, _) in zip(*rows, strict=True):
        if source not in kinds:
            continue
        if target == source:
            shares[source] = -coefficient
        elif target in kinds:
            becomes[source] = kinds[target]
        else:
            debris[source] = names[target], coefficient
    far = _from_blood(frame, state) if NECROTIC in becomes.values() else None
    for source, into in becomes.items():
        at = np.flatnonzero(state.cell == kinds[source])
        luck = frame.draws(state.lineage[at], state.step, "tace_response", 2)
        order = np.argsort(luck, kind="stable") if into != NECROTIC else np.lexsort((luck, -far[at]))
        rest = frame.draws(np.array([kinds[source]], dtype=np.uint64), state.step, "tace_response", 3)[0]
        hit = at[order[: draw_count(shares[source] * at.size, rest)]]
        state.cell[hit] = into
        if source in debris and hit.size:
            name, by_share = debris[source]  # of the lesion's mean, to which each voxel adds one part in all
            state.local[name][hit] += by_share / shares[source] * weight * np.count_nonzero(~state.liver)


def _from_blood(frame: Frame, state: State) -> np.ndarray:
    """Distance [mm] of every voxel from the nearest vessel that carries blood."""
    every = np.argwhere(np.ones(frame.shape, dtype=bool))
    found = distances(every, every[carries_blood(state)], frame.shape, EDGE)
    return found if found.size else np.zeros(frame.voxels)
