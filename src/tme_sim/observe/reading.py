"""Visits of many patients read at once: the same compiled criteria as in the kernel, no Python loop over patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, types

from tme_sim import criteria as k
from tme_sim.criteria import MATRIX, OPTIONS, REAL, VECTOR
from tme_sim.imaging import Imaging, see_lesions
from tme_sim.observe.resection import can_be_resected

BLOCKS = types.float64[:, :, ::1]
INTS = types.int64[::1]
U64 = types.uint64
HISTORY = 7  # per visit: status of three criteria, sums of three criteria, resectable


@dataclass(frozen=True)
class Visits:
    """What the visits of P patients saw: V visits, L lesion slots.

    `ticks` (V); `whole`, `viable` volumes in mm^3 (P, V, L); `present`, `extrahepatic`, `arterial`, `infiltrative`
    flags (P, L); `clinic` (P, V, CLINIC); `liver` volume in mm^3 (P); `death` tick (P), visits from then on do not
    take place.
    """

    ticks: np.ndarray
    whole: np.ndarray
    viable: np.ndarray
    present: np.ndarray
    extrahepatic: np.ndarray
    arterial: np.ndarray
    infiltrative: np.ndarray
    clinic: np.ndarray
    liver: np.ndarray
    death: np.ndarray


@njit(
    types.void(INTS, BLOCKS, BLOCKS, MATRIX, MATRIX, MATRIX, MATRIX, BLOCKS, VECTOR, VECTOR, VECTOR, REAL, U64, INTS,
               MATRIX,
               BLOCKS),
    **OPTIONS,
)
def read_all(
    ticks, whole, viable, present, extrahepatic, arterial, infiltrative, clinic, liver, death, settings, error, seed,
    patients,
    memory,
    history,
):  # fmt: skip
    """Fill memory (P, memory_size) and history (P, V, HISTORY) of all patients; visits after death stay NaN."""
    lesions = np.zeros((whole.shape[2], k.LESION_COLUMNS))
    for p in range(whole.shape[0]):
        who = np.uint64(patients[p])
        for v in range(ticks.size):
            for j in range(HISTORY):
                history[p, v, j] = np.nan
            if ticks[v] >= death[p]:
                continue
            see_lesions(
                whole[p, v], viable[p, v], present[p], extrahepatic[p], arterial[p], error, seed, who, np.uint64(v),
                lesions
            )
            k.read_visit(ticks[v], lesions, clinic[p, v], settings, memory[p])
            for c in range(3):
                at = k.block(c)
                history[p, v, c] = memory[p, at + k.STATUS]
                history[p, v, 3 + c] = memory[p, at + k.SUM]
            history[p, v, 6] = can_be_resected(lesions, infiltrative[p], clinic[p, v], liver[p], settings)


def read_visits(visits: Visits, imaging: Imaging, seed: int, patients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Memory of the criteria (P, memory_size) after the last visit, and history (P, V, HISTORY) of every visit.

    `seed` and `patients` (P numbers) key the error of measurement.
    """
    count, _, lesions = visits.whole.shape
    memory = np.zeros((count, k.memory_size(lesions)))
    history = np.empty((count, visits.ticks.size, HISTORY))
    doubles = (visits.whole, visits.viable, visits.present, visits.extrahepatic, visits.arterial, visits.infiltrative,
               visits.clinic,
               visits.liver, visits.death)  # fmt: skip
    read_all(
        np.ascontiguousarray(visits.ticks, dtype=np.int64),
        *(np.ascontiguousarray(a, dtype=np.float64) for a in doubles),
        np.ascontiguousarray(imaging.settings),
        imaging.error,
        np.uint64(seed),
        np.ascontiguousarray(patients, dtype=np.int64),
        memory,
        history,
    )
    return memory, history
