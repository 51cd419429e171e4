"""The calendar queue against a plain list, and every dose exactly once (10 000 random calendars)."""

import numpy as np
from engine_toys import functions

from tme_sim.engine import batch, codes, queue, run
from tme_sim.engine.signatures import compile_rhs


def test_random_operations_agree_with_a_sorted_list():
    rng = np.random.default_rng(1)
    for _ in range(60):
        q = queue.new_queue(60)
        alive = {}
        for _ in range(120):
            kind = rng.integers(4)
            if kind <= 1 and q[0, queue.H_COUNT] < 60:
                tick, order = int(rng.integers(0, 30)), int(rng.integers(0, 3))
                alive[queue.append(q, tick, order, queue.JUMP, 0)] = (tick, order)
            elif kind == 2 and alive:
                entry = int(rng.choice(list(alive)))
                tick = int(rng.integers(0, 30))
                assert queue.move(q, entry, tick) == 1
                alive[entry] = (tick, alive[entry][1])
            elif kind == 3 and alive:
                entry = int(rng.choice(list(alive)))
                assert queue.cancel(q, entry) == 1 and queue.cancel(q, entry) == 0
                del alive[entry]
                assert q[entry, queue.STATUS] == queue.CANCELLED
        expected = sorted(alive, key=lambda e: (*alive[e], e))
        assert [queue.pop(q) for _ in expected] == expected
        assert queue.pop(q) == 0 and queue.peek(q) == 0


def test_a_full_queue_counts_what_it_could_not_take():
    q = queue.new_queue(2)
    assert [queue.append(q, t, 0, 0, 0) for t in (5, 3, 1)] == [1, 2, 0]
    assert q[0, queue.H_OVERFLOW] == 1
    assert queue.cancel(q, 7) == 0 and queue.move(q, 0, 3) == 0


def still_model(n):
    @compile_rhs
    def rhs(y, u, th, dy):
        for i in range(y.size):
            dy[i] = 0.0

    return functions(rhs, rhs, np.arange(n), np.arange(n), n)


def test_every_dose_of_ten_thousand_random_calendars_is_given_exactly_once():
    rng = np.random.default_rng(17)
    number, doses, days, n = 10_000, 12, 40, 4
    amounts = rng.lognormal(0, 1, n)
    jumps = run.Jumps()
    for i in range(n):
        jumps.group([(i, -1, 0.0, amounts[i])])
    ticks = rng.integers(0, days * 1440, (number, doses))
    ticks[:, ::3] = ticks[:, 1::3]  # many at the same minute
    drugs = rng.integers(0, n, (number, doses))
    queues = np.zeros((number, doses + 1, queue.COLUMNS), dtype=np.int64)
    given = np.zeros((number, n), dtype=np.int64)
    for p in range(number):
        for d in range(doses):
            assert queue.append(queues[p], ticks[p, d], 0, queue.JUMP, drugs[p, d])
        given[p] = np.bincount(drugs[p], minlength=n)
    out_ticks = np.arange(0, days * 1440, 1440 * 5)
    result = batch.run_batch(
        still_model(n),
        np.zeros((number, n)),
        np.empty(0),
        np.zeros((number, 1)),
        queues,
        days * 1440,
        run.Options(),
        jumps=jumps,
        out_ticks=out_ticks,
        keep_y=True,
        keep_queue=True,
        chunk=500,
    )
    assert np.all(result.code == codes.OK)
    assert np.all(result.queue[:, 1:, queue.STATUS] == queue.DONE)
    assert np.array_equal(result.queue[:, 1:, queue.DONE_TICK], ticks)
    assert np.all(result.carry_i[:, codes.N_JUMPS] == doses)
    table = np.zeros((doses + 1, n))
    for k in range(doses):
        table[k + 1] = table[k] + amounts
    assert np.array_equal(result.y, np.take_along_axis(table, given, axis=0))
    for row, tick in enumerate(out_ticks):  # an output at the minute of a dose shows the state after it
        count = np.zeros((number, n), dtype=np.int64)
        for d in range(doses):
            np.add.at(count, (np.arange(number), drugs[:, d]), ticks[:, d] <= tick)
        assert np.array_equal(result.out_y[:, row], np.take_along_axis(table, count, axis=0))
