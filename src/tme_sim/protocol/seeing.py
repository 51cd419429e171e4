"""What visits see, and whether conditions hold by it: the part of the decision step that looks and never acts.

Compiled arithmetic on the memory vector of :mod:`tme_sim.protocol.places`; scans are read by :mod:`tme_sim.criteria`.
"""

import numpy as np
from numba import njit, types

from tme_sim import criteria as cr
from tme_sim import imaging
from tme_sim.observe.resection import can_be_resected
from tme_sim.protocol import places as p

OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
VECTOR = types.float64[::1]
INT = types.int64
REAL = types.float64
FLAG = types.boolean
PLANNED = 1000000.0  # planning scans are numbered from here


# --- reading the memory --------------------------------------------------------------------------------------------


@njit(INT(VECTOR, INT), **OPTIONS)
def track_at(memory, track):
    """Place of a treatment's row."""
    return int(memory[p.AT_TRACKS]) + track * p.T_COLUMNS


@njit(INT(VECTOR, INT), **OPTIONS)
def phase_at(memory, phase):
    """Place of a phase's row."""
    return int(memory[p.AT_PHASES]) + phase * p.P_COLUMNS


@njit(FLAG(VECTOR, INT, INT), **OPTIONS)
def read_by(found, block, what):
    """Return whether one criterion, whose block begins at `block`, reads what a condition names."""
    status, best, cause = found[block + cr.STATUS], found[block + cr.BEST], found[block + cr.CAUSE]
    if what == p.READ_PROGRESSION:
        return found[block + cr.CALLED_TICK] > cr.NEVER
    if what == p.READ_COMPLETE:
        return status == cr.CR
    if what == p.READ_RESPONSE:
        return status == cr.CR or status == cr.PR
    if what == p.READ_STABLE:
        return status == cr.SD
    if what == p.READ_BEST_COMPLETE:
        return best == cr.CR
    if what == p.READ_BEST:
        return best == cr.CR or best == cr.PR
    if what == p.READ_BEST_STABLE:
        return best == cr.SD
    if what == p.READ_BEST_PROGRESSIVE:
        return best == cr.PD
    if what == p.READ_EXISTING:
        return cause == cr.EXISTING
    return cause == cr.NEW_LIVER if what == p.READ_NEW_LIVER else cause == cr.SPREAD


@njit(FLAG(VECTOR, INT), **OPTIONS)
def reading(memory, what):
    """Return whether scans read so far show what a condition names."""
    if what == p.READ_RESECTABLE:
        return memory[p.RESECTABLE] != 0.0
    first = int(memory[p.AT_CRITERIA])
    found = memory[first : first + int(memory[p.CRITERIA_N])]
    if found[cr.VISITS] < 2.0:
        return False
    if what >= p.OF_CRITERION:
        criterion = what % p.OF_CRITERION
        return read_by(found, cr.block(criterion), what - criterion)
    if what == p.READ_JSH:
        return max(found[cr.VIABLE_RUN], found[cr.LESION_RUN], found[cr.AFP_RUN]) >= cr.IN_A_ROW
    if what == p.READ_EASL:
        waited = found[cr.LAST_TICK] - memory[p.SESSION_TICK]
        late = waited >= memory[int(memory[p.AT_SETTINGS]) + cr.JUDGED_FROM] * cr.TICKS_PER_DAY
        best = found[cr.block(cr.MRECIST) + cr.BEST]
        return memory[p.SESSIONS] >= 2.0 and late and best != cr.CR and best != cr.PR
    if what == p.READ_UNTACEABLE:
        return found[cr.UNTACEABLE_TICK] > cr.NEVER
    return found[cr.TACE_PFS_TICK] > cr.NEVER


@njit(FLAG(VECTOR, INT), **OPTIONS)
def holds(memory, condition):
    """Return whether a condition holds by the latest visits; of what nobody saw neither it nor its opposite does."""
    at = int(memory[p.AT_CONDITIONS]) + condition * p.C_COLUMNS
    what = int(memory[at + p.C_WHAT])
    turned = memory[at + p.C_NEGATED] != 0.0
    if memory[at + p.C_READING] != 0.0:
        needed = 1.0 if what == p.READ_RESECTABLE else 2.0  # all others compare a scan with the baseline
        if memory[int(memory[p.AT_CRITERIA]) + cr.VISITS] < needed:
            return False
        return reading(memory, what) != turned
    value = memory[int(memory[p.AT_VALUES]) + what]
    if np.isnan(value):
        return False
    bound, side = memory[at + p.C_BOUND], memory[at + p.C_SIDE]
    met = value > bound
    if side == p.BELOW:
        met = value < bound
    elif side == p.AT_LEAST:
        met = value >= bound
    elif side == p.AT_MOST:
        met = value <= bound
    return met != turned


@njit(INT(VECTOR, INT, INT, INT), **OPTIONS)
def asked(memory, is_phase, target, action):
    """Return 1 + the number of the first condition that now asks for `action` on a treatment or phase, else 0."""
    at = int(memory[p.AT_LINKS])
    for _ in range(int(memory[p.LINKS_N])):
        if (
            memory[at + p.L_PHASE] == is_phase
            and memory[at + p.L_TARGET] == target
            and memory[at + p.L_ACTION] == action
        ):
            condition = int(memory[at + p.L_CONDITION])
            if holds(memory, condition):
                return condition + 1
        at += p.L_COLUMNS
    return 0


# --- what a visit sees ---------------------------------------------------------------------------------------------


@njit(REAL(VECTOR, REAL), **OPTIONS)
def taken(vector, place):
    """Return a value of the body, NaN where the model does not have it."""
    return vector[int(place)] if place >= 0.0 else np.nan


@njit(types.void(INT, VECTOR, VECTOR, VECTOR), **OPTIONS)
def take_blood(tick, y, out, memory):
    """Blood values as rules know them from now on; Child-Pugh in whole points."""
    s, v = int(memory[p.AT_SIGNALS]), int(memory[p.AT_VALUES])
    memory[v + p.V_CHILD_PUGH] = np.floor(taken(out, memory[s + p.S_CHILD_PUGH]) + 0.5)
    memory[v + p.V_ALBI] = taken(out, memory[s + p.S_ALBI])
    memory[v + p.V_BILIRUBIN] = taken(out, memory[s + p.S_BILIRUBIN])
    memory[v + p.V_ALBUMIN] = taken(out, memory[s + p.S_ALBUMIN])
    afp = taken(y, memory[s + p.S_AFP])
    first = int(memory[p.AT_FIRST])
    if memory[p.BLOODS] == 0.0:
        memory[first + p.F_AFP] = afp
    memory[v + p.V_AFP] = afp / memory[first + p.F_AFP]
    memory[p.BLOODS] += 1.0


@njit(types.void(types.float64[:, ::1], VECTOR, VECTOR, VECTOR), **OPTIONS)
def keep_measures(lesions, settings, read, memory):
    """Measures of the scan just read: sums of viable sizes against the first scan, largest diameters, new lesions."""
    area, volume, viable, whole, new, typical, number = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(lesions.shape[0]):
        seen = read[cr.lesion_block(i) + cr.SEEN_TICK]
        if seen == cr.NEVER and lesions[i, cr.WHOLE] < settings[cr.DETECT_FLOOR] or lesions[i, cr.PRESENT] == 0.0:
            continue
        if lesions[i, cr.WHOLE] < settings[cr.FOLLOW_FLOOR]:
            continue
        number += 1.0
        whole = max(whole, lesions[i, cr.WHOLE])
        if seen != read[cr.FIRST_TICK] and lesions[i, cr.EXTRAHEPATIC] == 0.0:
            new = max(new, lesions[i, cr.WHOLE])
            if lesions[i, cr.ARTERIAL] != 0.0 and lesions[i, cr.WHOLE] >= settings[cr.TARGET_FLOOR]:
                typical = max(typical, lesions[i, cr.WHOLE])  # LI-RADS 5, as the gate of RECIST 1.1 asks for it
        d = lesions[i, cr.VIABLE]
        if d >= settings[cr.FOLLOW_FLOOR]:
            viable = max(viable, d)
            area += d * d
            volume += d * d * d
    first, v = int(memory[p.AT_FIRST]), int(memory[p.AT_VALUES])
    if memory[p.SCANS] == 0.0:
        memory[first + p.F_AREA] = area
        memory[first + p.F_VOLUME] = volume
    memory[v + p.V_AREA] = area / memory[first + p.F_AREA] if memory[first + p.F_AREA] > 0.0 else 0.0
    memory[v + p.V_VOLUME] = volume / memory[first + p.F_VOLUME] if memory[first + p.F_VOLUME] > 0.0 else 0.0
    memory[v + p.V_VIABLE] = viable
    memory[v + p.V_WHOLE] = whole
    memory[v + p.V_NEW] = new
    memory[v + p.V_TYPICAL] = typical
    memory[v + p.V_LESIONS] = number


@njit(types.void(INT, VECTOR, VECTOR), **OPTIONS)
def keep_reading(tick, read, memory):
    """Measures that each criterion reads: depth, and days since its first response and progression; NaN before them."""
    v = int(memory[p.AT_VALUES])
    for criterion in range(len(cr.CRITERIA)):
        at = cr.block(criterion)
        memory[v + p.V_DEPTH + criterion] = read[at + cr.DEPTH]
        answered, progressed = read[at + cr.RESPONSE_TICK], read[at + cr.PROGRESSION_TICK]
        days = (tick - answered) / cr.TICKS_PER_DAY
        memory[v + p.V_ANSWERED + criterion] = days if answered > cr.NEVER else np.nan
        days = (tick - progressed) / cr.TICKS_PER_DAY
        memory[v + p.V_PROGRESSED + criterion] = days if progressed > cr.NEVER else np.nan


@njit(types.void(INT, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, FLAG), **OPTIONS)
def scan(tick, y, u, th, out, memory, is_read):
    """Image the lesions, read them by the criteria unless sessions only are planned, and keep what conditions compare.

    The reading error of a planning scan has keys of its own, so that those of the others stay what they are.
    """
    n = int(memory[p.LESIONS_N])
    s = int(memory[p.AT_SIGNALS])
    floor, density = th[int(memory[s + p.S_FLOOR])], th[int(memory[s + p.S_DENSITY])]
    whole, viable, present, spread, arterial = np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    infiltrative = np.empty(n)
    for i in range(n):
        at = s + p.SIGNAL_BODY + i * p.SIGNAL_LESION
        whole[i] = max(out[int(memory[at + p.S_WHOLE])] - floor, 0.0)
        viable[i] = out[int(memory[at + p.S_VIABLE])] / density
        active = memory[at + p.S_ACTIVE]
        present[i] = u[int(active)] if active >= 0.0 else 1.0
        spread[i] = memory[at + p.S_SPREAD]
        arterial[i] = memory[at + p.S_ARTERIAL]
        infiltrative[i] = memory[at + p.S_INFILTRATIVE]
    first = int(memory[p.AT_LESIONS])
    lesions = memory[first : first + n * cr.LESION_COLUMNS].reshape((n, cr.LESION_COLUMNS))
    number = memory[p.SCANS] if is_read else PLANNED + memory[p.LOOKS]
    seed, patient, visit = np.uint64(memory[p.SEED]), np.uint64(memory[p.PATIENT]), np.uint64(number)
    imaging.see_lesions(whole, viable, present, spread, arterial, memory[p.ERROR], seed, patient, visit, lesions)
    c = int(memory[p.AT_CLINIC])
    clinic = memory[c : c + cr.CLINIC]
    clinic[cr.SESSIONS] = memory[p.SESSIONS]
    clinic[cr.SESSION_TICK] = memory[p.SESSION_TICK]
    points = taken(out, memory[s + p.S_CHILD_PUGH])
    clinic[cr.CHILD_PUGH] = 5.0 if np.isnan(points) else points
    hazard = taken(y, memory[s + p.S_INVASION])
    clinic[cr.INVASION] = 1.0 if memory[p.INVADED] != 0.0 or hazard >= memory[p.INVASION_AT] else 0.0
    afp = taken(y, memory[s + p.S_AFP])
    clinic[cr.AFP] = 0.0 if np.isnan(afp) else afp
    settings_at, criteria_at = int(memory[p.AT_SETTINGS]), int(memory[p.AT_CRITERIA])
    settings = memory[settings_at : settings_at + cr.SETTINGS]
    read = memory[criteria_at : criteria_at + int(memory[p.CRITERIA_N])]
    if is_read:
        cr.read_visit(tick, lesions, clinic, settings, read)
        place = int(memory[s + p.S_LIVER])
        liver = th[place] if place >= 0 else np.inf
        memory[p.RESECTABLE] = can_be_resected(lesions, infiltrative, clinic, liver, settings)
        keep_reading(tick, read, memory)
    keep_measures(lesions, settings, read, memory)
    if is_read:
        memory[p.SCANS] += 1.0
    memory[p.LOOKS] += 1.0
