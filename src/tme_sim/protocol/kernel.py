"""The decision step of a calendar: one compiled function for all protocols, single runs and batches.

Visits look at the patient in :mod:`tme_sim.protocol.seeing`, readings of scans come from :mod:`tme_sim.criteria`, and
rules act on treatments and phases through the calendar queue.  Everything it knows and remembers lies in the memory
vector; see :mod:`tme_sim.protocol.places`.

What happens at one tick: scans and blood tests, phases, procedures, pauses, drugs.  Blood is also taken before each
session and each dose that is given at a visit.  A dose level goes down at most once in four weeks.
"""

import numpy as np
from numba import njit, types

from tme_sim import criteria as cr
from tme_sim.engine import queue as q
from tme_sim.protocol import places as p
from tme_sim.protocol.seeing import FLAG, INT, OPTIONS, REAL, VECTOR, asked, phase_at, scan, take_blood, track_at

TABLE = types.int64[:, ::1]
BETWEEN_REDUCTIONS = 28 * 1440  # ticks


@njit(types.void(VECTOR, TABLE, INT, INT, INT, INT), **OPTIONS)
def note(memory, queue, what, target, level, reason):
    """Write what was decided to the log; a full log ends the run like a full queue."""
    row = int(memory[p.LOGGED])
    if row >= int(memory[p.LOG_N]):
        queue[0, q.H_OVERFLOW] += 1
        return
    at = int(memory[p.AT_LOG]) + row * p.J_COLUMNS
    memory[at + p.J_TICK] = queue[0, q.H_NOW]
    memory[at + p.J_WHAT] = what
    memory[at + p.J_TARGET] = target
    memory[at + p.J_LEVEL] = level
    memory[at + p.J_REASON] = reason
    if what < p.PHASE_BEGAN or what > p.PHASE_OVER:
        memory[at + p.J_NUMBER] = memory[track_at(memory, target) + p.T_DONE]
    memory[p.LOGGED] = row + 1


# --- giving --------------------------------------------------------------------------------------------------------


@njit(FLAG(VECTOR, INT, INT), **OPTIONS)
def targeted(memory, track, lesion):
    """Return whether a session treats a lesion: seen viable in the liver, and not yet treated as often as allowed.

    Before any scan every lesion is.
    """
    count = memory[int(memory[p.AT_COUNTS]) + track * int(memory[p.LESIONS_N]) + lesion]
    if count >= memory[track_at(memory, track) + p.T_PER_LESION]:
        return False
    if memory[p.SCANS] == 0.0:
        return True
    at = int(memory[p.AT_LESIONS]) + lesion * cr.LESION_COLUMNS
    read = int(memory[p.AT_CRITERIA])
    settings = int(memory[p.AT_SETTINGS])
    unread = memory[read + cr.VISITS] > 0.0 and memory[read + cr.lesion_block(lesion) + cr.SEEN_TICK] == cr.NEVER
    if unread and memory[at + cr.WHOLE] < memory[settings + cr.DETECT_FLOOR]:
        return False
    floor = memory[settings + cr.FOLLOW_FLOOR]
    return memory[at + cr.PRESENT] != 0.0 and memory[at + cr.EXTRAHEPATIC] == 0.0 and memory[at + cr.VIABLE] >= floor


@njit(types.void(VECTOR, TABLE, INT, INT), **OPTIONS)
def give(memory, queue, entry, track):
    """Queue the jumps of one dose or session; of a session, those of the lesions it treats (`targeted`)."""
    at = int(memory[p.AT_GIVEN]) + 2 * entry
    now = queue[0, q.H_NOW]
    for part in range(int(memory[at]), int(memory[at + 1])):
        row = int(memory[p.AT_PARTS]) + part * p.G_COLUMNS
        lesion = int(memory[row + p.G_LESION])
        if lesion < 0 or targeted(memory, track, lesion):
            tick = now + int(memory[row + p.G_WAIT])
            q.append(queue, tick, int(memory[row + p.G_ORDER]), q.JUMP, int(memory[row + p.G_GROUP]))


@njit(types.void(VECTOR, TABLE, INT, FLAG), **OPTIONS)
def switch(memory, queue, track, on):
    """Start or stop a steady intake at its present level."""
    t = track_at(memory, track)
    first = int(memory[t + p.T_GIVEN])
    if on:
        give(memory, queue, first + int(memory[t + p.T_LEVEL]), track)
    elif memory[t + p.T_RUNNING] != 0.0:
        give(memory, queue, first + int(memory[t + p.T_LEVELS]), track)
    memory[t + p.T_RUNNING] = 1.0 if on else 0.0


@njit(REAL(VECTOR, INT, REAL), **OPTIONS)
def held_until(memory, track, tick):
    """Return when the hold ends in which `tick` lies, NEVER if it lies in none."""
    end = p.NEVER
    at = int(memory[p.AT_HOLDS])
    for _ in range(int(memory[p.HOLDS_N])):
        if memory[at + p.H_TRACK] == track:
            around = track_at(memory, int(memory[at + p.H_AROUND]))
            for column in (p.T_LAST, p.T_PENDING):
                session = memory[around + column]
                if session - memory[at + p.H_BEFORE] <= tick < session + memory[at + p.H_AFTER]:
                    end = max(end, session + memory[at + p.H_AFTER])
        at += p.H_COLUMNS
    return end


@njit(FLAG(VECTOR, INT), **OPTIONS)
def delays(memory, track):
    """Return whether the holds of a treatment delay a dose instead of leaving it out."""
    at = int(memory[p.AT_HOLDS])
    for _ in range(int(memory[p.HOLDS_N])):
        if memory[at + p.H_TRACK] == track and memory[at + p.H_DELAY] != 0.0:
            return True
        at += p.H_COLUMNS
    return False


# --- scheduling ----------------------------------------------------------------------------------------------------


@njit(types.void(VECTOR, TABLE, INT, REAL), **OPTIONS)
def schedule(memory, queue, track, tick):
    """Set the next date of a treatment; drugs held around a session are told their pauses."""
    t = track_at(memory, track)
    if tick > memory[p.STOP]:
        return
    order = int(memory[t + p.T_ORDER])
    memory[t + p.T_ROW] = q.append(queue, int(tick), order, q.DECISION, p.D_DUE * p.KIND + track)
    if memory[t + p.T_MODE] != p.PROCEDURE:
        return
    memory[t + p.T_PENDING] = tick
    at = int(memory[p.AT_HOLDS])
    for _ in range(int(memory[p.HOLDS_N])):
        drug = int(memory[at + p.H_TRACK])
        if memory[at + p.H_AROUND] == track and memory[track_at(memory, drug) + p.T_MODE] == p.STEADY:
            begin = max(tick - memory[at + p.H_BEFORE], float(queue[0, q.H_NOW]))
            q.append(queue, int(begin), p.ORDER_PAUSE, q.DECISION, p.D_PAUSE * p.KIND + drug)
            after = int(tick + memory[at + p.H_AFTER])
            q.append(queue, after, p.ORDER_PAUSE, q.DECISION, p.D_RESUME * p.KIND + drug)
        at += p.H_COLUMNS


@njit(REAL(VECTOR, INT, INT), **OPTIONS)
def date_of(memory, track, number):
    """Return the tick of dose or session `number` (from 0) of a treatment, NEVER when it has no more."""
    t = track_at(memory, track)
    if memory[t + p.T_COUNT] >= 0.0 and number >= memory[t + p.T_COUNT]:
        return p.NEVER
    first = int(memory[p.AT_OFFSETS]) + int(memory[t + p.T_OFFSETS])
    if memory[t + p.T_EVERY] > 0.0:
        return memory[t + p.T_START] + memory[first] + number * memory[t + p.T_EVERY]
    return memory[t + p.T_START] + memory[first + number]


@njit(types.void(VECTOR, TABLE, INT, REAL), **OPTIONS)
def start_track(memory, queue, track, start):
    """Let a treatment count its dates from tick `start`."""
    t = track_at(memory, track)
    memory[t + p.T_START] = start
    memory[t + p.T_STATE] = p.ON
    schedule(memory, queue, track, date_of(memory, track, 0))
    if memory[t + p.T_MODE] == p.STEADY and memory[t + p.T_LENGTH] < p.OPEN:
        end = date_of(memory, track, 0) + memory[t + p.T_LENGTH]
        if end <= memory[p.STOP]:
            q.append(queue, int(end), p.ORDER_PAUSE, q.DECISION, p.D_STOP * p.KIND + track)


@njit(types.void(VECTOR, TABLE, INT, INT), **OPTIONS)
def end_track(memory, queue, track, reason):
    """End a treatment for good."""
    t = track_at(memory, track)
    if memory[t + p.T_STATE] == p.ENDED:
        return
    memory[t + p.T_STATE] = p.ENDED
    if memory[t + p.T_MODE] == p.STEADY and memory[t + p.T_RUNNING] != 0.0:
        switch(memory, queue, track, False)
    q.cancel(queue, int(memory[t + p.T_ROW]))
    memory[t + p.T_PENDING] = p.NEVER
    note(memory, queue, p.STOPPED, track, int(memory[t + p.T_LEVEL]), reason)


@njit(types.void(VECTOR, TABLE, INT), **OPTIONS)
def go_on(memory, queue, track):
    """Set the date after the present one; dates that a delay has overtaken are left out."""
    t = track_at(memory, track)
    now = float(queue[0, q.H_NOW])
    number = int(memory[t + p.T_DUE]) + 1
    tick = date_of(memory, track, number)
    while tick > p.NEVER and tick <= now:
        number += 1
        tick = date_of(memory, track, number)
    memory[t + p.T_DUE] = number
    memory[t + p.T_ROW] = 0.0
    if tick > p.NEVER:
        schedule(memory, queue, track, tick)


# --- what happens at dates -----------------------------------------------------------------------------------------


@njit(types.void(VECTOR, TABLE, INT), **OPTIONS)
def start_intake(memory, queue, track):
    """The first day of a steady intake, or a return to it, unless something keeps the patient off."""
    t = track_at(memory, track)
    now = float(queue[0, q.H_NOW])
    free = held_until(memory, track, now) == p.NEVER and memory[t + p.T_PAUSED] == 0.0
    if memory[t + p.T_STATE] == p.ON and memory[t + p.T_RUNNING] == 0.0 and now >= date_of(memory, track, 0) and free:
        memory[t + p.T_DONE] += 1.0
        if memory[t + p.T_EARLIEST] == p.NEVER:
            memory[t + p.T_EARLIEST] = now
        memory[t + p.T_LAST] = now
        switch(memory, queue, track, True)
        note(memory, queue, p.STARTED, track, int(memory[t + p.T_LEVEL]), p.NO_REASON)


@njit(types.void(VECTOR, TABLE, INT), **OPTIONS)
def dose_due(memory, queue, track):
    """A dose at its date: given at its level, left out or delayed."""
    t = track_at(memory, track)
    now = float(queue[0, q.H_NOW])
    end = held_until(memory, track, now)
    if end > p.NEVER and delays(memory, track):
        note(memory, queue, p.HELD, track, int(memory[t + p.T_LEVEL]), p.BY_HOLD)
        schedule(memory, queue, track, end)
        return
    reason = asked(memory, 0, track, p.SKIP)
    if memory[t + p.T_PAUSED] != 0.0:
        reason = int(memory[t + p.T_PAUSED])
    if end > p.NEVER:
        reason = p.BY_HOLD
    loading = int(memory[t + p.T_LOADING])
    number, level = int(memory[t + p.T_DUE]), int(memory[t + p.T_LEVEL])
    entry = number if level == 0 and number < loading else loading + level
    if reason == p.NO_REASON:
        memory[t + p.T_DONE] += 1.0
        memory[t + p.T_LAST] = now
        if memory[t + p.T_EARLIEST] == p.NEVER:
            memory[t + p.T_EARLIEST] = now
        give(memory, queue, int(memory[t + p.T_GIVEN]) + entry, track)
    note(memory, queue, p.GAVE if reason == p.NO_REASON else p.SKIPPED, track, entry, reason)
    go_on(memory, queue, track)


@njit(types.void(VECTOR, TABLE, INT), **OPTIONS)
def session_due(memory, queue, track):
    """A session at its date: given to the lesions that need it, or not."""
    t = track_at(memory, track)
    now = float(queue[0, q.H_NOW])
    reason = asked(memory, 0, track, p.SKIP)
    if memory[t + p.T_PAUSED] != 0.0:
        reason = int(memory[t + p.T_PAUSED])
    n = int(memory[p.LESIONS_N])
    treated = 0
    for i in range(n):
        treated += 1 if targeted(memory, track, i) else 0
    if treated == 0 and reason == p.NO_REASON:
        reason = p.BY_LESIONS
    memory[t + p.T_PENDING] = p.NEVER
    if reason == p.NO_REASON:
        give(memory, queue, int(memory[t + p.T_GIVEN]), track)
        for i in range(n):
            if targeted(memory, track, i):
                memory[int(memory[p.AT_COUNTS]) + track * n + i] += 1.0
        memory[t + p.T_DONE] += 1.0
        memory[t + p.T_LAST] = now
        if memory[t + p.T_EARLIEST] == p.NEVER:
            memory[t + p.T_EARLIEST] = now
        if memory[t + p.T_SITE] != 0.0:
            memory[p.SESSIONS] += 1.0
            memory[p.SESSION_TICK] = now
            memory[int(memory[p.AT_VALUES]) + p.V_SESSIONS] = memory[p.SESSIONS]
    note(memory, queue, p.GAVE if reason == p.NO_REASON else p.SKIPPED, track, 0, reason)
    go_on(memory, queue, track)


# --- rules ---------------------------------------------------------------------------------------------------------


@njit(FLAG(VECTOR, INT, INT), **OPTIONS)
def comes_after(memory, phase, other):
    """Return whether a phase follows another, at however many removes; -1 is no phase and follows none."""
    while phase >= 0:
        phase = int(memory[phase_at(memory, phase) + p.P_FOLLOWS])
        if phase == other:
            return True
    return False


@njit(types.void(VECTOR, TABLE, INT, INT), **OPTIONS)
def end_others(memory, queue, phase, reason):
    """End every phase and treatment that does not follow a phase, those that have not begun included."""
    for other in range(int(memory[p.PHASES_N])):
        at = phase_at(memory, other)
        if other == phase or comes_after(memory, other, phase) or memory[at + p.P_STATE] == p.ENDED:
            continue
        if memory[at + p.P_STATE] == p.ON:
            memory[at + p.P_END] = float(queue[0, q.H_NOW])
            note(memory, queue, p.PHASE_OVER, other, 0, reason)
        memory[at + p.P_STATE] = p.ENDED
    for track in range(int(memory[p.TRACKS_N])):
        t = track_at(memory, track)
        if comes_after(memory, int(memory[t + p.T_PHASE]), phase):
            continue
        if memory[t + p.T_STATE] == p.ON:
            end_track(memory, queue, track, reason)
        memory[t + p.T_STATE] = p.ENDED


@njit(types.void(VECTOR, TABLE, INT, INT), **OPTIONS)
def end_phase(memory, queue, phase, reason):
    """End a phase with its treatments, and set the start of the phase that follows it."""
    at = phase_at(memory, phase)
    if memory[at + p.P_STATE] != p.ON:
        return
    now = float(queue[0, q.H_NOW])
    memory[at + p.P_STATE] = p.ENDED
    memory[at + p.P_END] = now
    note(memory, queue, p.PHASE_OVER, phase, 0, reason)
    for track in range(int(memory[p.TRACKS_N])):
        if memory[track_at(memory, track) + p.T_PHASE] == phase:
            end_track(memory, queue, track, p.BY_PHASE)
    if memory[at + p.P_ENDS_ALL] != 0.0:
        end_others(memory, queue, phase, reason)
    for other in range(int(memory[p.PHASES_N])):
        b = phase_at(memory, other)
        if memory[b + p.P_FOLLOWS] == phase and memory[b + p.P_STATE] == p.WAITING:
            tick = max(now, memory[b + p.P_TICK])
            anchor, target = int(memory[b + p.P_ANCHOR]), int(memory[b + p.P_ANCHORED])
            since = p.NEVER
            if anchor == p.FIRST_OF:
                since = memory[track_at(memory, target) + p.T_EARLIEST]
            elif anchor == p.LAST_OF:
                since = memory[track_at(memory, target) + p.T_LAST]
            elif anchor == p.START_OF:
                since = memory[at + p.P_START]
            elif anchor == p.END_OF:
                since = now
            if since > p.NEVER:
                tick = max(tick, since + memory[b + p.P_OFFSET])
            if tick <= memory[p.STOP]:
                q.append(queue, int(tick), p.ORDER_PHASE, q.DECISION, p.D_PHASE_START * p.KIND + other)


@njit(types.void(VECTOR, TABLE, INT), **OPTIONS)
def start_phase(memory, queue, phase):
    """Start a phase and the treatments that count from its start."""
    at = phase_at(memory, phase)
    if memory[at + p.P_STATE] != p.WAITING:
        return
    now = float(queue[0, q.H_NOW])
    memory[at + p.P_STATE] = p.ON
    memory[at + p.P_START] = now
    note(memory, queue, p.PHASE_BEGAN, phase, 0, p.NO_REASON)
    if memory[at + p.P_FRESH] != 0.0:
        first = int(memory[p.AT_CRITERIA])
        memory[first : first + int(memory[p.CRITERIA_N])] = 0.0
        values = int(memory[p.AT_VALUES])
        memory[values + p.V_DEPTH : values + p.VALUES] = np.nan
    if memory[at + p.P_LENGTH] < p.OPEN and now + memory[at + p.P_LENGTH] <= memory[p.STOP]:
        end = int(now + memory[at + p.P_LENGTH])
        q.append(queue, end, p.ORDER_PHASE, q.DECISION, p.D_PHASE_END * p.KIND + phase)
    for track in range(int(memory[p.TRACKS_N])):
        if memory[track_at(memory, track) + p.T_BASE] == phase:
            start_track(memory, queue, track, now)


@njit(types.void(VECTOR, TABLE, INT, INT), **OPTIONS)
def pause_or_resume(memory, queue, track, reason):
    """Interrupt a treatment while a condition lasts (`reason` > 0), or let it go on."""
    t = track_at(memory, track)
    before = memory[t + p.T_PAUSED]
    memory[t + p.T_PAUSED] = reason
    if reason > 0 and before == 0.0:
        if memory[t + p.T_MODE] == p.STEADY and memory[t + p.T_RUNNING] != 0.0:
            switch(memory, queue, track, False)
        note(memory, queue, p.PAUSED, track, int(memory[t + p.T_LEVEL]), reason)
    elif reason == 0 and before > 0.0 and memory[t + p.T_MODE] == p.STEADY:
        start_intake(memory, queue, track)


@njit(types.void(VECTOR, TABLE, INT, INT), **OPTIONS)
def reduce(memory, queue, track, reason):
    """Go one dose level down, or end the treatment when there is none below."""
    t = track_at(memory, track)
    now = float(queue[0, q.H_NOW])
    if memory[t + p.T_REDUCED] > p.NEVER and now - memory[t + p.T_REDUCED] < BETWEEN_REDUCTIONS:
        return
    if memory[t + p.T_LEVEL] + 1.0 >= memory[t + p.T_LEVELS]:
        end_track(memory, queue, track, p.BY_LEVELS)
        return
    memory[t + p.T_LEVEL] += 1.0
    memory[t + p.T_REDUCED] = now
    note(memory, queue, p.REDUCED, track, int(memory[t + p.T_LOADING] + memory[t + p.T_LEVEL]), reason)
    if memory[t + p.T_MODE] == p.STEADY and memory[t + p.T_RUNNING] != 0.0:
        switch(memory, queue, track, True)


@njit(types.void(VECTOR, TABLE, INT, INT), **OPTIONS)
def repeat(memory, queue, track, reason):
    """Set a further session that a scan asks for, unless one is set already or there have been enough."""
    t = track_at(memory, track)
    if memory[t + p.T_PENDING] > p.NEVER or memory[t + p.T_DUE] < 1.0:
        return
    if memory[t + p.T_DONE] >= memory[t + p.T_MAXIMUM]:
        if memory[t + p.T_LIMITED] == 0.0:
            note(memory, queue, p.SKIPPED, track, 0, p.BY_MAXIMUM)
        memory[t + p.T_LIMITED] = 1.0
        return
    tick = max(queue[0, q.H_NOW] + memory[t + p.T_DELAY], memory[t + p.T_LAST] + memory[t + p.T_INTERVAL])
    schedule(memory, queue, track, tick)
    note(memory, queue, p.ASKED, track, 0, reason)


@njit(types.void(VECTOR, TABLE, FLAG), **OPTIONS)
def apply_rules(memory, queue, scanned):
    """Let every rule act on what the visit saw; sessions are asked for at scans only."""
    for phase in range(int(memory[p.PHASES_N])):
        if memory[phase_at(memory, phase) + p.P_STATE] == p.ON:
            reason = asked(memory, 1, phase, p.END)
            if reason > 0:
                end_phase(memory, queue, phase, reason)
    for track in range(int(memory[p.TRACKS_N])):
        t = track_at(memory, track)
        if memory[t + p.T_STATE] != p.ON or queue[0, q.H_NOW] < date_of(memory, track, 0):
            continue
        reason = asked(memory, 0, track, p.END)
        if reason > 0:
            end_track(memory, queue, track, reason)
            continue
        pause_or_resume(memory, queue, track, asked(memory, 0, track, p.PAUSE))
        reason = asked(memory, 0, track, p.REDUCE)
        if reason > 0:
            reduce(memory, queue, track, reason)
        if scanned and memory[t + p.T_STATE] == p.ON and memory[t + p.T_DEMAND] != 0.0:
            reason = asked(memory, 0, track, p.REPEAT)
            if reason > 0:
                repeat(memory, queue, track, reason)


@njit(types.void(VECTOR, TABLE), **OPTIONS)
def open_calendar(memory, queue):
    """Queue the first dates of everything whose start is known; called once, before the run."""
    for phase in range(int(memory[p.PHASES_N])):
        at = phase_at(memory, phase)
        if memory[at + p.P_FOLLOWS] < 0.0:
            start = max(memory[at + p.P_TICK], float(queue[0, q.H_NOW]))
            if start <= memory[p.STOP]:
                q.append(queue, int(start), p.ORDER_PHASE, q.DECISION, p.D_PHASE_START * p.KIND + phase)
    for track in range(int(memory[p.TRACKS_N])):
        if memory[track_at(memory, track) + p.T_BASE] < 0.0:
            start_track(memory, queue, track, 0.0)


@njit(INT(INT, INT, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, TABLE), **OPTIONS)
def decide_on(code, tick, y, u, th, out, memory, queue):
    """One decision of the calendar; `out` are the observables of this moment.  Always lets the run go on (0)."""
    kind, number = code // p.KIND, code % p.KIND
    if kind == p.D_SCAN or kind == p.D_PLAN or kind == p.D_BLOOD:
        take_blood(tick, y, out, memory)
        if kind != p.D_BLOOD:
            scan(tick, y, u, th, out, memory, kind == p.D_SCAN)
        apply_rules(memory, queue, kind != p.D_BLOOD)
    elif kind == p.D_DUE:
        t = track_at(memory, number)
        if memory[t + p.T_STATE] != p.ON:
            return 0
        if memory[t + p.T_MODE] == p.STEADY:
            memory[t + p.T_DUE] = 1.0
            start_intake(memory, queue, number)
            return 0
        take_blood(tick, y, out, memory)
        apply_rules(memory, queue, False)
        if memory[t + p.T_STATE] == p.ON:
            if memory[t + p.T_MODE] == p.DOSES:
                dose_due(memory, queue, number)
            else:
                session_due(memory, queue, number)
                apply_rules(memory, queue, False)
    elif kind == p.D_PAUSE:
        t = track_at(memory, number)
        if memory[t + p.T_RUNNING] != 0.0 and held_until(memory, number, float(tick)) > p.NEVER:
            switch(memory, queue, number, False)
            note(memory, queue, p.PAUSED, number, int(memory[t + p.T_LEVEL]), p.BY_HOLD)
    elif kind == p.D_RESUME:
        start_intake(memory, queue, number)
    elif kind == p.D_STOP:
        end_track(memory, queue, number, p.BY_NUMBER)
    elif kind == p.D_PHASE_START:
        start_phase(memory, queue, number)
    elif kind == p.D_PHASE_END:
        end_phase(memory, queue, number, p.NO_REASON)
    return 0
