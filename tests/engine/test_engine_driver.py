"""The driver: save and resume, budgets, failure codes, positivity, conservation, state events, decisions, step
records."""

import math

import numpy as np
import pytest
from engine_toys import dense_pattern, functions, network, robertson

from tme_sim.engine import codes, queue, run
from tme_sim.engine.signatures import compile_decide, compile_rhs

DAY = 1440


@compile_rhs
def decay_rhs(y, u, th, dy):
    dy[0] = u[0] - th[0] * y[0]


@compile_rhs
def decay_jac(y, u, th, jv):
    jv[0] = -th[0]


def decay(**others):
    return functions(decay_rhs, decay_jac, [0], [0], 1, **others)


@compile_rhs
def blow_up_rhs(y, u, th, dy):
    dy[0] = y[0] * y[0]


@compile_rhs
def blow_up_jac(y, u, th, jv):
    jv[0] = 2.0 * y[0]


def dosed_network():
    model, _, th, y0 = network(30, 3, seed=3)
    jumps, calendar = run.Jumps(), queue.new_queue(60)
    for d in range(3):
        jumps.group([(24 + 2 * d, -1, 0.0, 1.0 + d)])
    for k in range(12):
        for d in range(3):
            queue.append(calendar, (3 + 9 * k) * DAY, d, queue.JUMP, d)
    return model, th, y0, jumps, calendar


def test_save_and_resume_at_random_times_gives_the_same_bits():
    model, th, y0, jumps, calendar = dosed_network()
    ticks, stop, options = np.arange(0, 120, 4) * DAY, 120 * DAY, run.Options(rtol=1e-5, atol=1e-8)
    whole, out = run.new_state(y0, [0.0], calendar), np.empty((30, 30))
    assert run.advance(model, whole, th, stop, options, jumps, out_ticks=ticks, out_y=out) == codes.OK
    pauses = np.sort(np.random.default_rng(1).integers(0, stop, 20))
    state, out2 = run.new_state(y0, [0.0], calendar), np.empty((30, 30))
    for pause in pauses:
        run.advance(model, state, th, stop, options, jumps, out_ticks=ticks, out_y=out2, pause_tick=int(pause))
        assert state.code == codes.PAUSED and state.time >= pause / DAY
        state = state.copy()  # a checkpoint, loaded
    assert run.advance(model, state, th, stop, options, jumps, out_ticks=ticks, out_y=out2) == codes.OK
    for name, value in vars(whole).items():
        assert np.array_equal(value, getattr(state, name)), name
    assert np.array_equal(out, out2)
    chopped = run.new_state(y0, [0.0], calendar)
    while run.advance(model, chopped, th, stop, options, jumps, call_steps=7) == codes.PAUSED:
        pass
    assert np.array_equal(chopped.y, whole.y)


def test_linear_invariants_hold_through_jumps_and_stiffness():
    state, jumps, calendar = run.new_state([1.0, 0.0, 0.0], [], queue.new_queue(40)), run.Jumps(), queue.new_queue(40)
    share = jumps.group([(0, 2, 0.3, 0.0), (2, 2, -0.3, 0.0)])
    for k in range(40):
        queue.append(calendar, (1 + 13 * k) * DAY, 0, queue.JUMP, share)
    state = run.new_state([1.0, 0.0, 0.0], [], calendar)
    assert (
        run.advance(robertson(), state, np.zeros(1), 600 * DAY, run.Options(rtol=1e-4, atol=1e-10), jumps) == codes.OK
    )
    assert state.stats["jumps"] == 40
    assert abs(state.y.sum() - 1.0 + state.ledger.sum()) < 1e-11
    assert np.all(state.y >= -1e-10)


def test_budgets_end_every_run():
    options = run.Options(rtol=1e-6, atol=1e-9, max_steps=50)
    state = run.new_state([1.0], [0.0], queue.new_queue(1))
    model = functions(blow_up_rhs, blow_up_jac, [0], [0], 1)
    assert run.advance(model, state, np.zeros(1), 10 * DAY, options) == codes.STEP_LIMIT
    assert "step budget" in run.message(state, ["tumour"]) and state.time < 1.0
    state = run.new_state([1.0], [0.0], queue.new_queue(1))
    code = run.advance(model, state, np.zeros(1), 10 * DAY, run.Options(rtol=1e-6, atol=1e-9))
    assert code in (codes.STEP_TOO_SMALL, codes.NONFINITE) and state.time == pytest.approx(1.0, abs=1e-4)
    assert "tumour" in run.message(state, ["tumour"])
    assert run.advance(model, state, np.zeros(1), 10 * DAY, run.Options()) == code  # ended runs stay ended
    state = run.new_state([1.0], [1.0], queue.new_queue(1))
    wobbly = run.Options(rtol=1e-13, atol=1e-16, h_max=1e-6)
    assert run.advance(decay(), state, np.array([1.0]), 10_000 * DAY, wobbly, wall_seconds=0.2) == codes.WALL_LIMIT


def test_failure_codes_name_the_state():
    @compile_rhs
    def broken(y, u, th, dy):
        dy[0] = -y[0]
        dy[1] = math.nan if y[0] < 0.5 else 0.0

    @compile_rhs
    def jac(y, u, th, jv):
        jv[0] = -1.0
        jv[1] = 0.0

    state = run.new_state([1.0, 1.0], [], queue.new_queue(1))
    code = run.advance(functions(broken, jac, [0, 1], [0, 1], 2), state, np.zeros(1), 10 * DAY, run.Options())
    assert code == codes.NONFINITE and state.carry_i[codes.BAD_STATE] == 1
    assert state.time == pytest.approx(math.log(2), abs=0.05) and np.all(np.isfinite(state.y))

    jumps, calendar = run.Jumps(), queue.new_queue(2)
    queue.append(calendar, DAY, 0, queue.JUMP, jumps.group([(0, -1, 0.0, -5.0)]))
    state = run.new_state([1.0], [0.0], calendar)
    assert run.advance(decay(), state, np.ones(1), 3 * DAY, run.Options(), jumps) == codes.NEGATIVE
    assert state.carry_i[codes.BAD_STATE] == 0 and state.time == 1.0

    state = run.new_state([1.0], [100.0], queue.new_queue(1))
    assert run.advance(decay(), state, np.ones(1), 9 * DAY, run.Options(upper=50.0)) == codes.OUT_OF_RANGE
    assert "upper bound" in run.message(state)


def test_input_is_checked():
    with pytest.raises(ValueError, match="not finite"):
        run.new_state([1.0, math.inf], [], queue.new_queue(1))
    calendar = queue.new_queue(1)
    queue.append(calendar, 5, 0, queue.STOP, 0)
    with pytest.raises(ValueError, match="before the start"):
        run.new_state([1.0], [], calendar, start_tick=6)
    queue.append(calendar, 5, 0, queue.STOP, 0)
    with pytest.raises(ValueError, match="too small"):
        run.new_state([1.0], [], calendar)
    with pytest.raises(ValueError, match="positive"):
        run.Options(rtol=0.0).limits(2)
    with pytest.raises(ValueError, match="rise"):
        run.advance(
            decay(), run.new_state([1.0], [0.0], queue.new_queue(1)), np.ones(1), 9, run.Options(), out_ticks=[3, 3]
        )


def test_no_rate_sees_a_negative_and_no_state_falls_below_its_tolerance():
    @compile_rhs
    def rhs(y, u, th, dy):  # root of a state that is used up: not a number below zero
        r = math.sqrt(y[0])
        dy[0] = -th[0] * r / (1e-9 + r) * y[0] - th[1] * y[0] * y[1]
        dy[1] = th[1] * y[0] - y[1]

    @compile_rhs
    def jac(y, u, th, jv):
        r = math.sqrt(y[0]) + 1e-30
        jv[0] = -th[0] * r / (1e-9 + r) - th[0] * 5e-10 * r / ((1e-9 + r) * (1e-9 + r)) - th[1] * y[1]
        jv[1] = -th[1] * y[0]
        jv[2] = th[1]
        jv[3] = -1.0

    model = functions(rhs, jac, *dense_pattern(2), 2)
    rng = np.random.default_rng(2)
    ticks = np.arange(1, 40) * 720
    for _ in range(60):
        th = 10.0 ** rng.uniform(-1, 4, 2)
        state, out = run.new_state([10.0 ** rng.uniform(-3, 3), 0.0], [], queue.new_queue(1)), np.empty((39, 2))
        options = run.Options(rtol=1e-3, atol=1e-6)
        assert run.advance(model, state, th, 40 * 720, options, out_ticks=ticks, out_y=out) == codes.OK, run.message(
            state
        )
        assert np.all(out >= -1e-6) and np.all(state.y >= -1e-6)
        assert np.all((state.ledger != 0) <= (state.stats["corrections"] > 0))


def test_a_law_that_takes_from_an_empty_state_is_named_and_the_lift_is_booked():
    @compile_rhs
    def rhs(y, u, th, dy):
        dy[0] = -th[0]

    @compile_rhs
    def jac(y, u, th, jv):
        jv[0] = 0.0

    model, options = functions(rhs, jac, [0], [0], 1), run.Options(rtol=1e-4, atol=1e-6)
    state = run.new_state([1.0], [], queue.new_queue(1))
    assert run.advance(model, state, np.ones(1), 2 * DAY, options) == codes.NEGATIVE
    assert "oxygen would fall below" in run.message(state, ["oxygen"])
    assert state.time == pytest.approx(1.0, abs=1e-5) and state.y[0] >= -1e-6
    assert state.stats["rejected_negative"] > 12 and state.stats["corrections"] == 0
    state = run.new_state([0.0], [], queue.new_queue(1))
    options.h_first = 1.0
    assert run.advance(model, state, np.ones(1), 2 * DAY, options) == codes.NEGATIVE
    assert state.stats["corrections"] == 1 and state.ledger[0] > 1e-5
    assert state.y[0] == pytest.approx(0.0 - state.time + state.ledger[0], abs=1e-12)


@compile_rhs
def threshold(y, u, th, g):
    g[0] = y[0] - 0.25
    g[1] = y[0] - 0.9


def test_state_events_are_located_and_acted_upon():
    model = decay(guards=threshold)
    jumps = run.Jumps()
    refill = jumps.group([(0, 0, -1.0, 1.0)])
    table = np.array([[-1, queue.JUMP, refill], [1, codes.RECORD_ONLY, 0]], dtype=np.int64)
    state = run.new_state([1.0], [0.0], queue.new_queue(1))
    ticks = np.arange(0, 10 * DAY, 97)
    out = np.empty((ticks.size, 1))
    code = run.advance(
        model, state, np.array([0.7]), 10 * DAY, run.Options(rtol=1e-9, atol=1e-11), jumps, table, ticks, out
    )
    assert code == codes.OK
    period = math.log(4.0) / 0.7
    log = state.event_log[: state.stats["state_events"]]
    refills = log[log[:, 0] == 0]
    times = refills[:, 1] / DAY + refills[:, 2]
    assert np.max(np.abs(times - period * np.arange(1, 1 + times.size))) < 1e-8 and times.size == 5
    assert np.all(log[:, 0] == 0)  # the jump from 0.25 to 1 is no crossing of the other guard
    exact = np.exp(-0.7 * np.mod(ticks / DAY, period))
    assert np.max(np.abs(out[:, 0] - exact)) < 1e-7
    state = run.new_state([1.0], [0.0], queue.new_queue(1))
    stop = np.array([[0, queue.STOP, 0], [1, codes.RECORD_ONLY, 0]], dtype=np.int64)
    assert run.advance(model, state, np.array([0.7]), 10 * DAY, run.Options(), guard_table=stop) == codes.STOPPED
    assert state.y[0] == pytest.approx(0.25, abs=1e-4)
    small = run.new_state([1.0], [0.0], queue.new_queue(1), max_events=2)
    assert run.advance(model, small, np.array([0.7]), 10 * DAY, run.Options(), jumps, table) == codes.QUEUE_FULL


@compile_decide
def scan(code, tick, y, u, th, memory, q):
    memory[0] += 1.0
    if code == 1:  # give a dose whenever the state is low and look again in a day; stop after ten looks
        if y[0] < 0.5:
            queue.append(q, tick, 0, queue.JUMP, 0)
        queue.append(q, tick + 1440, 0, queue.DECISION, 1)
        return 1 if memory[0] >= 10.0 else 0
    if code == 2:  # call off the next entry and put the one after it off by a day
        queue.cancel(q, int(th[1]))
        queue.move(q, int(th[1]) + 1, tick + 2880)
    if code == 3:
        queue.append(q, tick - 1, 0, queue.JUMP, 0)
    return 0


def test_decisions_append_move_and_cancel():
    model, jumps = decay(decide=scan), run.Jumps()
    jumps.group([(0, -1, 0.0, 1.0)])
    calendar = queue.new_queue(60)
    queue.append(calendar, 0, 0, queue.DECISION, 1)
    state = run.new_state([1.0], [0.0], calendar)
    ticks = np.arange(0, 12) * DAY
    out = np.full((12, 1), np.nan)
    code = run.advance(
        model, state, np.array([0.5, 0.0]), 30 * DAY, run.Options(rtol=1e-8, atol=1e-10), jumps, None, ticks, out
    )
    assert code == codes.STOPPED and state.time == 9.0 and state.memory[0] == 10.0
    expected, value = [], 1.0
    for _ in range(10):
        value += 1.0 if value < 0.5 else 0.0
        expected.append(value)
        value *= math.exp(-0.5)
    assert np.max(np.abs(out[:10, 0] - expected)) < 1e-6 and np.isnan(out[10, 0])

    calendar = queue.new_queue(5)
    queue.append(calendar, DAY, 0, queue.DECISION, 2)
    first = queue.append(calendar, 2 * DAY, 0, queue.JUMP, 0)
    second = queue.append(calendar, 2 * DAY, 0, queue.JUMP, 0)
    state = run.new_state([0.0], [0.0], calendar)
    assert run.advance(model, state, np.array([0.5, first]), 9 * DAY, run.Options(), jumps) == codes.OK
    assert state.queue[first, queue.STATUS] == queue.CANCELLED
    assert state.queue[second, queue.DONE_TICK] == 3 * DAY and state.stats["jumps"] == 1

    calendar = queue.new_queue(5)
    queue.append(calendar, DAY, 0, queue.DECISION, 3)
    state = run.new_state([1.0], [0.0], calendar)
    assert run.advance(model, state, np.array([0.5, 0.0]), 9 * DAY, run.Options(), jumps) == codes.QUEUE_FULL


def test_records_rebuild_the_run():
    model, th, y0, jumps, calendar = dosed_network()
    ticks = np.arange(1, 100) * 997
    state, out, records = run.new_state(y0, [0.0], calendar), np.empty((99, 30)), run.Records()
    options = run.Options(rtol=1e-6, atol=1e-9)
    assert run.advance(model, state, th, 100 * DAY, options, jumps, None, ticks, out, records=records) == codes.OK
    rec_t, rec_y, rec_u = records.arrays()
    start, end = run.record_time(rec_t)
    assert rec_t.shape[0] == state.stats["steps"] > 256 and rec_u.shape == (rec_t.shape[0], 1)
    assert start[0] == 0.0 and np.allclose(start[1:], end[:-1], rtol=0, atol=1e-12) and end[-1] == pytest.approx(100.0)
    plain = run.new_state(y0, [0.0], calendar)
    assert run.advance(model, plain, th, 100 * DAY, options, jumps) == codes.OK
    assert np.array_equal(plain.y, state.y)  # recording changes nothing
    for row, tick in enumerate(ticks):
        t = tick / DAY
        if t * DAY in state.queue[1:37, queue.TICK]:
            continue
        step = np.searchsorted(end, t)
        theta = (t - start[step]) / rec_t[step, 2]
        assert np.max(np.abs(run.evaluate(rec_t, rec_y, step, theta) - out[row])) < 1e-9
