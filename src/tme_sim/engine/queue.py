"""Calendar queue of integer ticks inside the kernel: doses, input changes, decisions and stops.

The queue is one int64 array, so that it can be copied, stored and handed to a compiled decision. Row 0 is its
header; rows 1 .. capacity hold entries, which are never removed, so the array is also the record of what happened.
Entries run by (tick, order, insertion). One tick is one minute, TICKS_PER_DAY a day.
"""

import numpy as np
from numba import njit, types

TICKS_PER_DAY = 1440
COLUMNS = 8
# columns of an entry
TICK, ORDER, ACTION, REF, STATUS, DONE_TICK, HEAP, SLOT = range(COLUMNS)
# columns of the header (row 0)
H_COUNT, H_PENDING, H_OVERFLOW, H_NOW, H_RUNNING = range(5)
# actions
JUMP, DECISION, STOP = 0, 1, 2
# status of an entry
PENDING, DONE, CANCELLED = 0, 1, 2

QUEUE = types.int64[:, ::1]
INT = types.int64


def new_queue(capacity):
    """Return an empty queue (int64 array, (capacity + 1, COLUMNS)) for at most `capacity` entries."""
    return np.zeros((int(capacity) + 1, COLUMNS), dtype=np.int64)


@njit(types.boolean(QUEUE, INT, INT), cache=True, nogil=True)
def before(queue, a, b):
    """Return whether entry a runs before entry b."""
    if queue[a, TICK] != queue[b, TICK]:
        return queue[a, TICK] < queue[b, TICK]
    if queue[a, ORDER] != queue[b, ORDER]:
        return queue[a, ORDER] < queue[b, ORDER]
    return a < b


@njit(types.void(QUEUE, INT), cache=True, nogil=True)
def sift(queue, slot):
    """Restore the heap around heap place `slot` (1-based; column HEAP of row s names the entry in place s)."""
    size = queue[0, H_PENDING]
    entry = queue[slot, HEAP]
    while slot > 1 and before(queue, entry, queue[slot >> 1, HEAP]):
        queue[slot, HEAP] = queue[slot >> 1, HEAP]
        queue[queue[slot, HEAP], SLOT] = slot
        slot = slot >> 1
    while 2 * slot <= size:
        child = 2 * slot
        if child < size and before(queue, queue[child + 1, HEAP], queue[child, HEAP]):
            child += 1
        if not before(queue, queue[child, HEAP], entry):
            break
        queue[slot, HEAP] = queue[child, HEAP]
        queue[queue[slot, HEAP], SLOT] = slot
        slot = child
    queue[slot, HEAP] = entry
    queue[entry, SLOT] = slot


@njit(types.void(QUEUE, INT, INT), cache=True, nogil=True)
def take_out(queue, entry, status):
    """Remove a pending entry from the heap and mark it with `status` at the present tick."""
    slot = queue[entry, SLOT]
    size = queue[0, H_PENDING]
    last = queue[size, HEAP]
    queue[0, H_PENDING] = size - 1
    if last != entry:
        queue[slot, HEAP] = last
        queue[last, SLOT] = slot
        sift(queue, slot)
    queue[entry, SLOT] = 0
    queue[entry, STATUS] = status
    queue[entry, DONE_TICK] = queue[0, H_NOW]


@njit(INT(QUEUE, INT, INT, INT, INT), cache=True, nogil=True)
def append(queue, tick, order, action, ref):
    """Add an entry and return its number (row); 0 when the queue is full or the tick has passed (counted in the
    header).

    The overflow count makes the run end with QUEUE_FULL: a dose is never dropped in silence. While the run is going, an
    entry for the present tick runs after the one that appended it, whatever its order.
    """
    entry = queue[0, H_COUNT] + 1
    if entry >= queue.shape[0] or (queue[0, H_RUNNING] != 0 and tick < queue[0, H_NOW]):
        queue[0, H_OVERFLOW] += 1
        return 0
    queue[0, H_COUNT] = entry
    queue[entry, TICK] = tick
    queue[entry, ORDER] = order
    queue[entry, ACTION] = action
    queue[entry, REF] = ref
    queue[entry, STATUS] = PENDING
    queue[entry, DONE_TICK] = 0
    size = queue[0, H_PENDING] + 1
    queue[0, H_PENDING] = size
    queue[size, HEAP] = entry
    queue[entry, SLOT] = size
    sift(queue, size)
    return entry


@njit(INT(QUEUE, INT), cache=True, nogil=True)
def cancel(queue, entry):
    """Cancel a pending entry; return 1, or 0 when it does not exist, has run or was cancelled."""
    if entry < 1 or entry > queue[0, H_COUNT] or queue[entry, STATUS] != PENDING:
        return 0
    take_out(queue, entry, CANCELLED)
    return 1


@njit(INT(QUEUE, INT, INT), cache=True, nogil=True)
def move(queue, entry, tick):
    """Move a pending entry to another tick, not before the present one; return 1, or 0 when that is impossible."""
    if entry < 1 or entry > queue[0, H_COUNT] or queue[entry, STATUS] != PENDING:
        return 0
    if queue[0, H_RUNNING] != 0 and tick < queue[0, H_NOW]:
        return 0
    queue[entry, TICK] = tick
    sift(queue, queue[entry, SLOT])
    return 1


@njit(INT(QUEUE), cache=True, nogil=True)
def peek(queue):
    """Return the number of the next pending entry, 0 when none is left."""
    if queue[0, H_PENDING] == 0:
        return 0
    return queue[1, HEAP]


@njit(INT(QUEUE), cache=True, nogil=True)
def pop(queue):
    """Take the next pending entry, mark it done and return its number; 0 when none is left."""
    entry = peek(queue)
    if entry != 0:
        take_out(queue, entry, DONE)
    return entry
