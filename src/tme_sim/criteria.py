"""Criteria that read scans: RECIST 1.1, mRECIST, RECICL, TACE refractoriness and untreatable (unTACEable) progression.

One source for two uses: the calendar's rules call :func:`read_visit` inside the kernel while a patient is integrated,
and the observers call it on scans of a finished run.  All of it is plain arithmetic on float64 arrays; times are ticks
of a minute, diameters mm.

Order of calls
--------------
1. ``memory = np.zeros(memory_size(n))`` for n lesion slots; a slice of a longer vector will do.
2. At each visit, in time order: fill `lesions` (n, LESION_COLUMNS) and `clinic` (CLINIC) with what that visit saw, then
   ``read_visit(tick, lesions, clinic, settings, memory)``.  The first call is the baseline.
3. Read the results: ``memory[block(criterion) + PROGRESSION_TICK]`` and so on.  Ticks that never came are NEVER; those
   before day 0 are negative.

What a visit saw
----------------
`lesions`, one row per slot: WHOLE and VIABLE diameter with measurement error, PRESENT, EXTRAHEPATIC and ARTERIAL
(hypervascular with washout) as 0 or 1.  Which lesion is target, non-target or new follows from the baseline visit.
`clinic`: SESSIONS given so far, SESSION_TICK of the last, CHILD_PUGH points, INVASION (1: macroscopic), AFP (any unit).
`settings`: see :func:`default_settings`.

Memory
------
Head (HEAD places), then one block of BLOCK places for each of RECIST11, MRECIST, RECICL, then LESION places per slot.
VISITS is 0 before the baseline, so zeroed memory is a valid start.  STATUS is the reading of the latest visit; BEST,
DEPTH and RESPONSE_TICK stop changing at the first progression, as best overall response does.  CALLED_TICK is the
visit that established progression, PROGRESSION_TICK the date it counts from: they differ where mRECIST dates growth
that confirms a lesion back to its first sight.  A rule must compare with CALLED_TICK.

Definitions
-----------
RECIST 1.1: up to 5 targets of 10 mm or more, 2 per organ; PD when their sum grows by 20 % and 5 mm from its smallest
value, when the whole burden (targets and others) does, or at a new lesion (DOI 10.1016/j.ejca.2008.10.026).  With GATE
1 a new liver lesion counts only as LI-RADS 5, here: 10 mm or more, hypervascular with washout (ACR LI-RADS v2018).
mRECIST: the same with viable diameters and no absolute increase; targets enhance; a new liver lesion counts from 10 mm
with the vascular pattern of hepatoma, without it once it has grown by 10 mm (DOI 10.1055/s-0030-1247132).
RECICL: viable area of the targets, 2 per organ and 3 in the liver, against baseline: TE4 all dead in every nodule
(CR), TE3 at least half (PR), TE1 tumour area up by more than 25 % (PD), else TE2 (SD) (DOI 10.2478/raon-2018-0044,
table 4; later revisions use 50 %, a setting).  New liver lesions are treated on demand and no PD; vascular invasion
and spread are. Untreatable progression: RECICL growth, macroscopic vascular invasion, extrahepatic spread or
Child-Pugh C (as TACTICS defines unTACEable progression; wording from memory).
TACE-PFS: untreatable progression or refractoriness of JSH and LCSGJ: at two sessions in a row more than half of the
treated area stays viable, or new liver lesions come, or AFP rises (DOI 10.1159/000363768; wording from memory).
"""

import numpy as np
from numba import njit, types

from tme_sim.thresholds import (
    CONFIRMED_MM,
    DETECT,
    FOLLOW,
    HALF,
    JUDGED_DAYS,
    LIVER_C,
    MEASURABLE,
    PARTIAL,
    PROGRESSIVE,
    PROGRESSIVE_MM,
    RECICL_GROWN,
)

VECTOR = types.float64[::1]
MATRIX = types.float64[:, ::1]
INT = types.int64
REAL = types.float64
OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}

# a lesion as a visit saw it
WHOLE, VIABLE, PRESENT, EXTRAHEPATIC, ARTERIAL = range(5)
LESION_COLUMNS = 5
# the patient as a visit saw them
SESSIONS, SESSION_TICK, CHILD_PUGH, INVASION, AFP = range(5)
CLINIC = 5
# settings
(FOLLOW_FLOOR, DETECT_FLOOR, TARGET_FLOOR, GATE, TARGETS, PER_ORGAN, RECICL_LIVER, RECICL_GROWTH,
 JUDGED_FROM) = range(9)
SETTINGS = 9

NEVER = -1e15  # a tick that has not come
RECIST11, MRECIST, RECICL = range(3)
CRITERIA = ("recist11", "mrecist", "recicl")
NE, CR, PR, SD, PD = range(5)
RESPONSES = ("NE", "CR", "PR", "SD", "PD")
# why a first progression was called
NOTHING, EXISTING, NEW_LIVER, SPREAD, DEATH = range(5)
CAUSES = ("", "existing_intrahepatic", "new_intrahepatic", "extrahepatic", "death")
# why TACE came to its end
NO_REASON, GROWTH, REFRACTORY, VASCULAR, METASTATIC, LIVER = range(6)

# memory: head
(VISITS, FIRST_TICK, LAST_TICK, INVASION_FIRST, UNTACEABLE_TICK, UNTACEABLE_REASON, TACE_PFS_TICK, TACE_PFS_REASON,
 JUDGED, VIABLE_BEFORE, LESIONS_BEFORE, AFP_BEFORE, VIABLE_RUN, LESION_RUN, AFP_RUN) = range(15)  # fmt: skip
HEAD = 16
# memory: one criterion
(BASELINE, NADIR, SUM, BURDEN_NADIR, STATUS, BEST, DEPTH, RESPONSE_TICK, PROGRESSION_TICK, CALLED_TICK, CAUSE,
 N_TARGETS) = range(12)  # fmt: skip
BLOCK = 12
# memory: one lesion
SEEN_TICK, FIRST_WHOLE, BASE_WHOLE, BASE_VIABLE, RANK, RANK_ENHANCING, COUNTED = range(7)  # COUNTED: one per criterion
LESION = COUNTED + len(CRITERIA)

AFP_RISE = 1.2  # rise of AFP over its level before the session that counts; mirror of a response, a fall by 20 %
IN_A_ROW = 2.0  # insufficient sessions that make refractory
TICKS_PER_DAY = 1440.0


def default_settings() -> np.ndarray:
    """Settings of the published criteria (SETTINGS float64).

    FOLLOW_FLOOR 5 mm: a known lesion below it counts as gone (RECIST 1.1 records 5 mm where it is too small to
    measure). DETECT_FLOOR 10 mm: a new one is seen from here on.  TARGET_FLOOR 10 mm.  GATE 0.  TARGETS 5, PER_ORGAN 2,
    RECICL_LIVER 3.  RECICL_GROWTH 0.25.  JUDGED_FROM 28 days: a session is judged from one month on.
    """
    return np.array([FOLLOW, DETECT, MEASURABLE, 0.0, 5.0, 2.0, 3.0, RECICL_GROWN, JUDGED_DAYS])


def memory_size(n_lesions: int) -> int:
    """Places of memory for n lesion slots."""
    return HEAD + len(CRITERIA) * BLOCK + n_lesions * LESION


@njit(INT(INT), **OPTIONS)
def block(criterion):
    """Place of a criterion's block in memory."""
    return HEAD + criterion * BLOCK


@njit(INT(INT), **OPTIONS)
def lesion_block(lesion):
    """Place of a lesion's block in memory; slots count from 0."""
    return HEAD + 3 * BLOCK + lesion * LESION


@njit(types.boolean(INT, VECTOR, VECTOR, INT), **OPTIONS)
def is_target(criterion, settings, memory, lesion):
    """Return whether a lesion is a target of the criterion: by size rank at baseline, within organ and in all."""
    at = lesion_block(lesion)
    rank = memory[at + (RANK_ENHANCING if criterion == MRECIST else RANK)]
    if rank == 0.0:
        return False
    in_liver = settings[RECICL_LIVER] if criterion == RECICL else settings[PER_ORGAN]
    if rank > 0.0:  # liver
        return rank <= in_liver and rank <= settings[TARGETS]
    found = 0.0  # liver targets come first
    for other in range((memory.size - HEAD - 3 * BLOCK) // LESION):
        there = memory[lesion_block(other) + (RANK_ENHANCING if criterion == MRECIST else RANK)]
        if 0.0 < there <= in_liver:
            found += 1.0
    return -rank <= settings[PER_ORGAN] and -rank <= settings[TARGETS] - found


@njit(types.void(MATRIX, VECTOR, VECTOR, INT, INT), **OPTIONS)
def rank_lesions(lesions, settings, memory, column, place):
    """Write to `place` of each lesion its rank by size among the measurable of its organ; negative outside the liver.

    `column` is WHOLE, or VIABLE for lesions that enhance.
    """
    for i in range(lesions.shape[0]):
        memory[lesion_block(i) + place] = 0.0
        size = lesions[i, column]
        if lesions[i, PRESENT] == 0.0 or size < settings[TARGET_FLOOR]:
            continue
        if column == VIABLE and lesions[i, ARTERIAL] == 0.0:
            continue
        rank = 1.0
        for j in range(lesions.shape[0]):
            same = lesions[j, PRESENT] != 0.0 and lesions[j, EXTRAHEPATIC] == lesions[i, EXTRAHEPATIC]
            same = same and (column == WHOLE or lesions[j, ARTERIAL] != 0.0)
            larger = lesions[j, column] > size or (lesions[j, column] == size and j < i)
            rank += 1.0 if same and larger else 0.0
        memory[lesion_block(i) + place] = -rank if lesions[i, EXTRAHEPATIC] != 0.0 else rank


@njit(REAL(INT, MATRIX, VECTOR, INT), **OPTIONS)
def size_of(criterion, lesions, settings, lesion):
    """Return what the criterion measures of a lesion: diameter (mm), RECICL viable area (mm^2); 0 below the floor."""
    size = lesions[lesion, WHOLE] if criterion == RECIST11 else lesions[lesion, VIABLE]
    if lesions[lesion, PRESENT] == 0.0 or size < settings[FOLLOW_FLOOR]:
        return 0.0
    return size * size if criterion == RECICL else size


@njit(types.void(INT, MATRIX, VECTOR, VECTOR, VECTOR), **OPTIONS)
def begin(tick, lesions, clinic, settings, memory):
    """Take the baseline visit: targets, baseline sums, levels before the first session."""
    for i in range(memory.size):
        memory[i] = 0.0
    memory[FIRST_TICK] = tick
    memory[INVASION_FIRST] = clinic[INVASION]
    memory[UNTACEABLE_TICK] = NEVER
    memory[TACE_PFS_TICK] = NEVER
    memory[JUDGED] = clinic[SESSIONS]
    rank_lesions(lesions, settings, memory, WHOLE, RANK)
    rank_lesions(lesions, settings, memory, VIABLE, RANK_ENHANCING)
    for i in range(lesions.shape[0]):
        at = lesion_block(i)
        seen = lesions[i, PRESENT] != 0.0 and lesions[i, WHOLE] >= settings[DETECT_FLOOR]
        memory[at + SEEN_TICK] = tick if seen else NEVER
        if seen:
            memory[at + FIRST_WHOLE] = lesions[i, WHOLE]
            memory[at + BASE_WHOLE] = lesions[i, WHOLE]
            memory[at + BASE_VIABLE] = lesions[i, VIABLE]
    for criterion in range(3):
        b = block(criterion)
        total = 0.0
        burden = 0.0
        for i in range(lesions.shape[0]):
            if is_target(criterion, settings, memory, i):
                total += size_of(criterion, lesions, settings, i)
                memory[b + N_TARGETS] += 1.0
            if memory[lesion_block(i) + SEEN_TICK] > NEVER:
                burden += size_of(criterion, lesions, settings, i)
        memory[b + BASELINE] = total
        memory[b + NADIR] = total
        memory[b + SUM] = total
        memory[b + BURDEN_NADIR] = burden
        memory[b + DEPTH] = np.nan
        memory[b + RESPONSE_TICK] = NEVER
        memory[b + PROGRESSION_TICK] = NEVER
        memory[b + CALLED_TICK] = NEVER


@njit(types.boolean(INT, INT, MATRIX, VECTOR, VECTOR), **OPTIONS)
def counts_as_new(criterion, lesion, lesions, settings, memory):
    """Return whether a lesion first seen after baseline is progression by the criterion."""
    if lesions[lesion, EXTRAHEPATIC] != 0.0:
        return True
    typical = lesions[lesion, ARTERIAL] != 0.0 and lesions[lesion, WHOLE] >= settings[TARGET_FLOOR]
    if criterion == RECIST11:
        return settings[GATE] == 0.0 or typical
    if criterion == MRECIST:
        grown = lesions[lesion, WHOLE] - memory[lesion_block(lesion) + FIRST_WHOLE]
        return typical or grown >= CONFIRMED_MM
    return False


@njit(types.UniTuple(REAL, 2)(INT, INT, MATRIX, VECTOR, VECTOR, VECTOR), **OPTIONS)
def new_disease(tick, criterion, lesions, clinic, settings, memory):
    """Return (cause, date) of new lesions or invasion by the criterion at this visit; NOTHING if there are none."""
    cause = NOTHING
    date = float(tick)
    for i in range(lesions.shape[0]):
        at = lesion_block(i)
        if memory[at + SEEN_TICK] == NEVER or memory[at + SEEN_TICK] == memory[FIRST_TICK]:
            continue
        if memory[at + COUNTED + criterion] == 0.0 and counts_as_new(criterion, i, lesions, settings, memory):
            memory[at + COUNTED + criterion] = 1.0
            if criterion == MRECIST and memory[at + SEEN_TICK] < date:
                date = memory[at + SEEN_TICK]
        gone = lesions[i, PRESENT] == 0.0 or lesions[i, WHOLE] < settings[FOLLOW_FLOOR]
        if memory[at + COUNTED + criterion] != 0.0 and not gone:
            mine = SPREAD if lesions[i, EXTRAHEPATIC] != 0.0 else NEW_LIVER
            cause = mine if mine > cause else cause
    if clinic[INVASION] >= 1.0 and memory[INVASION_FIRST] < 1.0 and cause < NEW_LIVER:
        cause = NEW_LIVER
    return float(cause), date


@njit(types.boolean(REAL, REAL, REAL), **OPTIONS)
def grew(total, smallest, least):
    """Return whether a sum of diameters has grown from its smallest value by what makes progression."""
    growth = total - smallest
    return growth > 0.0 and growth >= PROGRESSIVE * smallest and growth >= least


@njit(types.void(INT, INT, MATRIX, VECTOR, VECTOR, VECTOR), **OPTIONS)
def read_criterion(tick, criterion, lesions, clinic, settings, memory):
    """Read a visit after the baseline by one criterion: status, best response, first progression."""
    b = block(criterion)
    total = 0.0
    area = 0.0
    base_area = 0.0
    left = 0.0  # of anything ever seen
    burden = 0.0  # of what was there at baseline
    for i in range(lesions.shape[0]):
        at = lesion_block(i)
        if memory[at + SEEN_TICK] == NEVER:
            continue
        size = size_of(criterion, lesions, settings, i)
        left += size
        if memory[at + SEEN_TICK] == memory[FIRST_TICK]:
            burden += size
        if is_target(criterion, settings, memory, i):
            total += size
            area += lesions[i, WHOLE] * lesions[i, WHOLE] if lesions[i, PRESENT] != 0.0 else 0.0
            base_area += memory[at + BASE_WHOLE] * memory[at + BASE_WHOLE]
    least = PROGRESSIVE_MM if criterion == RECIST11 else 0.0
    cause, date = new_disease(tick, criterion, lesions, clinic, settings, memory)
    if criterion == RECICL:
        grown = area > (1.0 + settings[RECICL_GROWTH]) * base_area and memory[b + N_TARGETS] > 0.0
    else:
        grown = grew(total, memory[b + NADIR], least) or grew(burden, memory[b + BURDEN_NADIR], least)
    if grown and cause < EXISTING:
        cause = float(EXISTING)
    fall = HALF if criterion == RECICL else PARTIAL
    status = SD
    if cause > NOTHING:
        status = PD
    elif left == 0.0:
        status = CR
    elif memory[b + N_TARGETS] > 0.0 and total <= (1.0 - fall) * memory[b + BASELINE]:
        status = PR
    memory[b + STATUS] = status
    memory[b + SUM] = total
    memory[b + NADIR] = min(memory[b + NADIR], total)
    memory[b + BURDEN_NADIR] = min(memory[b + BURDEN_NADIR], burden)
    if memory[b + CALLED_TICK] > NEVER:
        return
    if memory[b + BEST] == NE or status < memory[b + BEST]:
        memory[b + BEST] = status
    if memory[b + BASELINE] > 0.0:
        change = total / memory[b + BASELINE] - 1.0
        if not change >= memory[b + DEPTH]:
            memory[b + DEPTH] = change
    if status <= PR and memory[b + RESPONSE_TICK] == NEVER:
        memory[b + RESPONSE_TICK] = tick
    if status == PD:
        memory[b + CALLED_TICK] = tick
        memory[b + PROGRESSION_TICK] = date if cause > EXISTING else tick
        memory[b + CAUSE] = cause


@njit(types.void(INT, MATRIX, VECTOR, VECTOR, VECTOR), **OPTIONS)
def judge_session(tick, lesions, clinic, settings, memory):
    """Judge the latest session by what it left of the treated area, by new liver lesions and AFP; count runs."""
    viable = 0.0
    found = 0.0
    for i in range(lesions.shape[0]):
        if lesions[i, EXTRAHEPATIC] == 0.0 and memory[lesion_block(i) + SEEN_TICK] > NEVER:
            viable += size_of(RECICL, lesions, settings, i)
            found += 1.0
    pending = clinic[SESSIONS] > memory[JUDGED] and memory[VISITS] > 0.0
    if pending and tick - clinic[SESSION_TICK] < settings[JUDGED_FROM] * TICKS_PER_DAY:
        return
    if pending:
        poor = viable > HALF * memory[VIABLE_BEFORE]
        memory[VIABLE_RUN] = memory[VIABLE_RUN] + 1.0 if poor else 0.0
        memory[LESION_RUN] = memory[LESION_RUN] + 1.0 if found > memory[LESIONS_BEFORE] else 0.0
        memory[AFP_RUN] = memory[AFP_RUN] + 1.0 if clinic[AFP] > AFP_RISE * memory[AFP_BEFORE] else 0.0
    memory[JUDGED] = clinic[SESSIONS]
    memory[VIABLE_BEFORE] = viable
    memory[LESIONS_BEFORE] = found
    memory[AFP_BEFORE] = clinic[AFP]


@njit(types.void(INT, MATRIX, VECTOR, VECTOR), **OPTIONS)
def end_of_tace(tick, lesions, clinic, memory):
    """Set the ticks and reasons of untreatable progression and of TACE-PFS, each at its first visit."""
    recicl = block(RECICL)
    reason = NO_REASON
    if clinic[INVASION] >= 1.0 and memory[INVASION_FIRST] < 1.0:
        reason = VASCULAR
    elif memory[recicl + STATUS] == PD:
        reason = GROWTH
        for i in range(lesions.shape[0]):
            if memory[lesion_block(i) + COUNTED + RECICL] != 0.0:
                reason = METASTATIC
    elif clinic[CHILD_PUGH] >= LIVER_C:
        reason = LIVER
    if reason != NO_REASON and memory[UNTACEABLE_TICK] == NEVER:
        memory[UNTACEABLE_TICK] = tick
        memory[UNTACEABLE_REASON] = reason
    if reason == NO_REASON and max(memory[VIABLE_RUN], memory[LESION_RUN], memory[AFP_RUN]) >= IN_A_ROW:
        reason = REFRACTORY
    if reason != NO_REASON and memory[TACE_PFS_TICK] == NEVER:
        memory[TACE_PFS_TICK] = tick
        memory[TACE_PFS_REASON] = reason


@njit(types.void(INT, MATRIX, VECTOR, VECTOR, VECTOR), **OPTIONS)
def read_visit(tick, lesions, clinic, settings, memory):
    """Read one visit by all criteria; the first is the baseline.  See the module's text for the arrays."""
    if memory[VISITS] == 0.0:
        begin(tick, lesions, clinic, settings, memory)
    else:
        for i in range(lesions.shape[0]):
            at = lesion_block(i)
            new = memory[at + SEEN_TICK] == NEVER and lesions[i, PRESENT] != 0.0
            if new and lesions[i, WHOLE] >= settings[DETECT_FLOOR]:
                memory[at + SEEN_TICK] = tick
                memory[at + FIRST_WHOLE] = lesions[i, WHOLE]
        for criterion in range(3):
            read_criterion(tick, criterion, lesions, clinic, settings, memory)
    judge_session(tick, lesions, clinic, settings, memory)
    if memory[VISITS] > 0.0:
        end_of_tace(tick, lesions, clinic, memory)
    memory[VISITS] += 1.0
    memory[LAST_TICK] = tick
