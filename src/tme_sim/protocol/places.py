"""Places in the memory that the decision step reads and writes: one float64 vector per patient.

The header tells where each table begins; tables are rows of a fixed number of columns.  Rules are rows, so a new
protocol never compiles anything.  Ticks that never came are NEVER.
"""

NEVER = -1e15
OPEN = 1e15  # no end

# header
(
    LESIONS_N, TRACKS_N, PHASES_N, CONDITIONS_N, LINKS_N, HOLDS_N, STOP, SEED, PATIENT, ERROR, SCANS, BLOODS, SESSIONS,
    SESSION_TICK, LOGGED, LOG_N, AT_SIGNALS, AT_SETTINGS, AT_CRITERIA, CRITERIA_N, AT_LESIONS, AT_CLINIC,
    AT_VALUES, AT_FIRST, AT_CONDITIONS, AT_LINKS, AT_TRACKS, AT_PHASES, AT_HOLDS, AT_OFFSETS, AT_GIVEN, AT_PARTS,
    AT_COUNTS, AT_LOG, INVADED, INVASION_AT, LOOKS, RESECTABLE,
) = range(38)  # fmt: skip
HEADER = 40

# where the model keeps what visits look at: places in its vectors (-1: not there)
SIGNAL_BODY = 9
S_CHILD_PUGH, S_ALBI, S_BILIRUBIN, S_ALBUMIN, S_AFP, S_FLOOR, S_DENSITY, S_INVASION, S_LIVER = range(9)
SIGNAL_LESION = 6
S_WHOLE, S_VIABLE, S_ACTIVE, S_SPREAD, S_ARTERIAL, S_INFILTRATIVE = range(6)

# measures of conditions, in the order of `conditions.MEASURES`; those that a criterion reads take a place for each
(V_AREA, V_VOLUME, V_VIABLE, V_WHOLE, V_NEW, V_LESIONS, V_CHILD_PUGH, V_ALBI, V_BILIRUBIN, V_ALBUMIN, V_AFP,
 V_SESSIONS, V_TYPICAL) = range(13)  # fmt: skip
V_DEPTH, V_ANSWERED, V_PROGRESSED = 13, 16, 19  # + criterion
VALUES = 22
F_AREA, F_VOLUME, F_AFP = range(3)  # values at the first visit
FIRST = 3

# a condition
C_READING, C_WHAT, C_SIDE, C_BOUND, C_NEGATED = range(5)
C_COLUMNS = 5
ABOVE, BELOW, AT_LEAST, AT_MOST = range(4)
READ_JSH, READ_EASL, READ_UNTACEABLE, READ_TACE, READ_RESECTABLE = 0, 1, 2, 3, 4
OF_CRITERION = 10  # codes from here on are a reading + the number of its criterion
(READ_PROGRESSION, READ_COMPLETE, READ_RESPONSE, READ_STABLE, READ_BEST_COMPLETE, READ_BEST, READ_BEST_STABLE,
 READ_BEST_PROGRESSIVE, READ_EXISTING, READ_NEW_LIVER, READ_SPREAD) = range(10, 120, 10)  # fmt: skip

# a link from a condition to a treatment or phase
L_PHASE, L_TARGET, L_CONDITION, L_ACTION = range(4)
L_COLUMNS = 4
END, SKIP, REDUCE, PAUSE, REPEAT = range(5)

# a treatment: what it is
(T_MODE, T_SITE, T_PHASE, T_BASE, T_EVERY, T_COUNT, T_OFFSETS, T_GIVEN, T_LOADING, T_LEVELS, T_LENGTH, T_ORDER,
 T_MAXIMUM, T_PER_LESION, T_INTERVAL, T_DELAY, T_DEMAND,
 # and how it stands
 T_STATE, T_START, T_DUE, T_DONE, T_LEVEL, T_ROW, T_PENDING, T_LAST, T_EARLIEST, T_PAUSED, T_RUNNING, T_REDUCED,
 T_LIMITED) = range(30)  # fmt: skip
T_COLUMNS = 30
DOSES, STEADY, PROCEDURE = range(3)  # T_MODE: dose by dose, a steady intake, sessions
WAITING, ON, ENDED = range(3)  # T_STATE, P_STATE

# a phase
P_FOLLOWS, P_LENGTH, P_TICK, P_ANCHOR, P_ANCHORED, P_OFFSET, P_FRESH, P_STATE, P_START, P_END, P_ENDS_ALL = range(11)
P_COLUMNS = 11
NO_ANCHOR, FIRST_OF, LAST_OF, START_OF, END_OF = range(5)

# a hold: treatment, procedure it is held around, ticks before and after, whether a dose is delayed
H_TRACK, H_AROUND, H_BEFORE, H_AFTER, H_DELAY = range(5)
H_COLUMNS = 5

# a part of what is given: lesion (-1: the body), delay in ticks, order, jump group
G_LESION, G_WAIT, G_ORDER, G_GROUP = range(4)
G_COLUMNS = 4

# the log: what was given or decided, and why
J_TICK, J_WHAT, J_TARGET, J_NUMBER, J_LEVEL, J_REASON = range(6)
J_COLUMNS = 6
(GAVE, SKIPPED, HELD, STARTED, PAUSED, REDUCED, STOPPED, PHASE_BEGAN, PHASE_OVER, ASKED) = range(10)
# reasons; a condition is its number + 1
NO_REASON, BY_HOLD, BY_NUMBER, BY_PHASE, BY_MAXIMUM, BY_LESIONS, BY_LEVELS = 0, -1, -2, -3, -4, -5, -6

# decisions: kind * KIND + number of the treatment or phase
KIND = 4096
D_SCAN, D_PLAN, D_BLOOD, D_DUE, D_PAUSE, D_RESUME, D_STOP, D_PHASE_START, D_PHASE_END = range(9)
ORDER_LOOK, ORDER_PHASE, ORDER_PAUSE = 10, 15, 28
