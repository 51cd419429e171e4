"""Whether a tumour board would call a patient resectable on what a visit saw.

Rule.  Child-Pugh A; no macroscopic vascular invasion and no extrahepatic lesion; at most three viable liver lesions;
and the liver left after taking each of them with a margin of 10 mm is at least 40 % of the whole, as asked for in
cirrhosis.

Simplified.  Lesions are spheres in a liver without segments, so the position of a lesion, portal pressure and general
fitness do not count; a trial's "unresectable" is stricter than what is left here.

Sources: remnant of 40 % in cirrhosis and Child-Pugh A are what reviews of liver surgery ask for (PMC3508634,
PMC11201140; figures from memory: assumed); three lesions and 10 mm are assumed.
"""

from numba import njit

from tme_sim.criteria import (
    CHILD_PUGH,
    EXTRAHEPATIC,
    FOLLOW_FLOOR,
    INVASION,
    MATRIX,
    OPTIONS,
    PRESENT,
    REAL,
    VECTOR,
    VIABLE,
    WHOLE,
)

CHILD_PUGH_A = 6.5  # smooth points: below it they round to 6 or less
MOST_LESIONS = 3
MARGIN = 10.0  # mm
REMNANT = 0.40
PI_OVER_6 = 0.5235987755982989


@njit(REAL(MATRIX, VECTOR, VECTOR, REAL, VECTOR), **OPTIONS)
def can_be_resected(lesions, infiltrative, clinic, liver, settings):
    """Return 1 if the patient could be resected, else 0.

    `infiltrative` flags lesions (n); `liver` is the volume of liver without tumour (mm^3).
    """
    if clinic[CHILD_PUGH] >= CHILD_PUGH_A or clinic[INVASION] >= 1.0:
        return 0.0
    viable = 0
    whole = liver
    taken = 0.0
    for i in range(lesions.shape[0]):
        size = lesions[i, WHOLE]
        if lesions[i, PRESENT] == 0.0 or size < settings[FOLLOW_FLOOR]:
            continue
        if lesions[i, EXTRAHEPATIC] != 0.0:
            return 0.0
        whole += PI_OVER_6 * size * size * size
        if lesions[i, VIABLE] >= settings[FOLLOW_FLOOR]:
            if infiltrative[i] > 0.5:
                return 0.0
            viable += 1
            cut = size + 2.0 * MARGIN
            taken += PI_OVER_6 * cut * cut * cut
    return 1.0 if viable <= MOST_LESIONS and whole - taken >= REMNANT * whole else 0.0
