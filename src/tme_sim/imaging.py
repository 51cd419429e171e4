"""What an imaging visit measures of lesions: diameters with a reader's error, as rows for the criteria.

A lesion is measured as a sphere of its volume.  A reader errs by a factor that is log-normal with median 1, drawn anew
for each lesion, visit and kind of diameter; the number depends on (seed, patient, lesion, visit) alone.  Off (0)
unless asked.

Sources: pooled limits of agreement of one reader for single longest diameters, -17.8 to 16.1 % of the difference of two
readings (12 studies, DOI 10.1016/j.ejca.2015.10.014), so one reading errs by 6.1 %; between readers -22.1 to 25.4 %,
8.6 %. HCC on CT between contrast phases: 5.1 % (DOI 10.3390/tomography11030036).
"""

from dataclasses import dataclass, field

import numpy as np
from numba import njit, types

from tme_sim.criteria import (
    ARTERIAL,
    EXTRAHEPATIC,
    MATRIX,
    OPTIONS,
    PRESENT,
    REAL,
    VECTOR,
    VIABLE,
    WHOLE,
    default_settings,
)  # fmt: skip
from tme_sim.engine.elementary import exp, log
from tme_sim.engine.rng import PURPOSES, normal

ONE_READER = 0.061  # relative error of one reading, the same reader throughout
NOISE = np.uint64(PURPOSES["imaging_noise"])
SIX_OVER_PI = 1.909859317102744
U64 = types.uint64


@dataclass(frozen=True)
class Imaging:
    """How scans are read: `criterion` of the main endpoints, relative `error` of a diameter, and the criteria's
    settings.

    `settings` (SETTINGS) as in :func:`tme_sim.criteria.default_settings`.
    """

    criterion: str = "recist11"
    error: float = 0.0
    settings: np.ndarray = field(default_factory=default_settings)


@njit(REAL(REAL), **OPTIONS)
def sphere_diameter(volume):
    """Return the diameter (mm) of a sphere of `volume` (mm^3), 0 for none; same bits on every machine."""
    return exp(log(SIX_OVER_PI * volume) / 3.0) if volume > 0.0 else 0.0


@njit(REAL(REAL, REAL, U64, U64, U64, U64, U64), **OPTIONS)
def read_diameter(size, error, seed, patient, lesion, visit, kind):
    """Return a diameter as a reader measures it: `error` is the relative standard deviation; kind 0 whole, 1 viable."""
    if error <= 0.0 or size <= 0.0:
        return size
    return size * exp(error * normal(seed, patient, lesion, visit, NOISE, kind))


@njit(types.void(VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, REAL, U64, U64, U64, MATRIX), **OPTIONS)
def see_lesions(whole, viable, present, extrahepatic, arterial, error, seed, patient, visit, lesions):
    """Fill `lesions` (n, LESION_COLUMNS) of the criteria from volumes (mm^3) and flags (n each) of a visit."""
    for i in range(whole.size):
        slot = np.uint64(i)
        total = sphere_diameter(whole[i])
        alive = sphere_diameter(min(viable[i], whole[i]))
        lesions[i, WHOLE] = read_diameter(total, error, seed, patient, slot, visit, np.uint64(0))
        lesions[i, VIABLE] = read_diameter(alive, error, seed, patient, slot, visit, np.uint64(1))
        lesions[i, PRESENT] = 1.0 if present[i] > 0.5 else 0.0
        lesions[i, EXTRAHEPATIC] = extrahepatic[i]
        lesions[i, ARTERIAL] = arterial[i]


@njit(types.void(VECTOR, VECTOR), **OPTIONS)
def fill_diameters(volume, out):
    """Fill `out` with the diameters (mm) of spheres of `volume` (mm^3)."""
    for i in range(volume.size):
        out[i] = sphere_diameter(volume[i])


def diameter(volume):
    """Diameter (mm) of a sphere of `volume` (mm^3); number or array, a negative volume is none."""
    flat = np.ascontiguousarray(volume, dtype=np.float64).ravel()
    out = np.empty_like(flat)
    fill_diameters(flat, out)
    return out.reshape(np.shape(volume)) if np.ndim(volume) else float(out[0])
