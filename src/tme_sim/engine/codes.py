"""Result codes of the engine and places in its control and carry arrays: one table for kernels and Python."""

# result codes of `integrate`; below 10 the run can go on or has ended as asked
OK = 0  # the stop tick is reached
STOPPED = 1  # ended early by a stop entry, a decision or a state event
PAUSED = 2  # call again to go on: step quota of the call used or pause tick passed
RECORD_FULL = 3  # call again after emptying the step records
STEP_LIMIT = 10
STEP_TOO_SMALL = 11
NONFINITE = 12
NEGATIVE = 13
OUT_OF_RANGE = 14
WALL_LIMIT = 15
QUEUE_FULL = 16

NAMES = {
    OK: "OK",
    STOPPED: "STOPPED",
    PAUSED: "PAUSED",
    RECORD_FULL: "RECORD_FULL",
    STEP_LIMIT: "STEP_LIMIT",
    STEP_TOO_SMALL: "STEP_TOO_SMALL",
    NONFINITE: "NONFINITE",
    NEGATIVE: "NEGATIVE",
    OUT_OF_RANGE: "OUT_OF_RANGE",
    WALL_LIMIT: "WALL_LIMIT",
    QUEUE_FULL: "QUEUE_FULL",
}

# control (float64): tolerances and step bounds in days
RTOL, H_FIRST, H_MIN, H_MAX = range(4)

# budget (int64): stop tick, tick after which the call pauses, steps of this call, steps of the whole run
STOP_TICK, PAUSE_TICK, CALL_STEPS, MAX_STEPS = range(4)

# limits (float64, rows of length n)
ATOL, LOWER, UPPER = range(3)

# carry_i (int64): where the run stands and what it has cost; five describe the step that is being tried: tick it heads
# for, whether it ends there, is shorter than the error asks for, was tried longer before, tries below bounds; the last
# is 1 + the state that ends the run once it has reached its level (`steps.reached_end`), 0 for none
(
    PHASE,
    NOW,
    OUT_NEXT,
    RESTART,
    CODE,
    BAD_STATE,
    STEPS,
    REJECT_ERROR,
    REJECT_NEGATIVE,
    REJECT_OTHER,
    N_RHS,
    N_JAC,
    N_LU,
    N_EVENTS,
    N_RECORDS,
    OUT_HELD,
    CORRECTIONS,
    N_DECISIONS,
    FIRST_STEP,
    N_JUMPS,
    TARGET,
    LAST,
    SHORTENED,
    REJECTED,
    NEGATIVES,
    ENDING_STATE,
) = range(26)
CARRY_I = 28
AT_TICK, RUNNING, ENDED = 0, 1, 2  # phases
ACCEPT, RETRY, LIFT, GO_ON = -1, -2, -3, -4  # verdicts of `steps` beside the codes

# carry_f (float64): days since tick NOW, next step, last accepted step and log error, value of the state
# that ended the run; of the step that is being tried: its length, the day of its target since NOW, its log error; level
# at which the ending state ends the run
S, H_NEXT, H_ACCEPTED, LOG_ERROR, BAD_VALUE, H, END, LOG_NOW, ENDING_LEVEL = range(9)
CARRY_F = 10

# guard_table (int64, one row per guard): direction (+1 rising, -1 falling, 0 both), action, reference
G_DIRECTION, G_ACTION, G_REF = range(3)
G_COLUMNS = 3
RECORD_ONLY = 3  # a guard action beside queue.JUMP, DECISION and STOP
# event log (float64, one row per state event): guard, tick NOW, days since NOW, direction
EVENT_COLUMNS = 4
# step records: rec_t (float64): tick NOW, days since NOW at its start, length of the step, fraction of it that was used
REC_COLUMNS = 4
# rec_y (float64, 5 rows of length n per step): y, y_new, d_1, d_2, d_3
REC_ROWS = 5
