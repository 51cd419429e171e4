"""Batches: the same bits for any threads, chunk, order and neighbours, and the same as a lone run."""

import numpy as np
import pytest
from engine_toys import network

from tme_sim.engine import batch, codes, queue, run
from tme_sim.engine.signatures import compile_prepare, compile_rhs

DAY = 1440


@compile_prepare
def prepare(par, th):
    for i in range(par.size):
        th[i] = par[i] * 2.0


@compile_rhs
def total(y, u, th, out):
    out[0] = y[0] + y[1]
    out[1] = th[0]


@pytest.fixture(scope="module")
def case():
    model, _, th, y0 = network(30, 3, seed=3)
    number, rng = 24, np.random.default_rng(5)
    par = 0.5 * th * np.exp(0.3 * rng.normal(size=(number, th.size)))
    all_th = np.empty_like(par)
    batch.prepare_many(prepare, par, all_th)
    jumps, calendar = run.Jumps(), queue.new_queue(40)
    for d in range(3):
        jumps.group([(24 + 2 * d, -1, 0.0, 1.0 + d)])
    for k in range(6):
        for d in range(3):
            queue.append(calendar, (3 + 9 * k) * DAY, d, queue.JUMP, d)
    values = np.repeat(jumps.arrays()[2][None], number, axis=0) * rng.lognormal(0, 0.3, (number, 1, 1))
    return model, np.tile(y0, (number, 1)), all_th, calendar, jumps, values


def go(case, rows=slice(None), **options):
    model, y0, th, calendar, jumps, values = case
    return batch.run_batch(
        model,
        y0[rows],
        [0.0],
        th[rows],
        calendar,
        60 * DAY,
        run.Options(rtol=1e-5, atol=1e-8),
        jumps,
        values[rows],
        out_ticks=np.arange(0, 61, 5) * DAY,
        observe=total,
        n_obs=2,
        keep_y=True,
        **options,
    )


def test_bits_do_not_depend_on_threads_chunk_order_or_neighbours(case):
    base = go(case, threads=1)
    assert np.all(base.code == codes.OK) and base.out_obs.shape == (24, 13, 2)
    for options in ({"threads": 2}, {"threads": 4, "chunk": 1}, {"threads": 2, "chunk": 5}):
        other = go(case, **options)
        for name in ("y", "out_y", "out_obs", "carry_i", "carry_f", "ledger"):
            assert np.array_equal(getattr(base, name), getattr(other, name)), (options, name)
    backwards = go(case, slice(None, None, -1), threads=2)
    assert np.array_equal(backwards.out_y[::-1], base.out_y)
    few = go(case, [7, 3], threads=1)
    assert np.array_equal(few.out_y, base.out_y[[7, 3]])


def test_a_batch_member_equals_its_lone_run(case):
    model, y0, th, calendar, jumps, values = case
    base = go(case)
    for p in (0, 11, 23):
        state, out = run.new_state(y0[p], [0.0], calendar), np.empty((13, 30))
        ends, places, _ = jumps.arrays()
        code = run.advance(
            model,
            state,
            th[p],
            60 * DAY,
            run.Options(rtol=1e-5, atol=1e-8),
            (ends, places, values[p].copy()),
            out_ticks=np.arange(0, 61, 5) * DAY,
            out_y=out,
        )
        assert code == codes.OK and np.array_equal(out, base.out_y[p]) and np.array_equal(state.y, base.y[p])
        assert np.array_equal(base.out_obs[p, :, 0], out[:, 0] + out[:, 1]) and base.out_obs[p, 0, 1] == th[p, 0]


@pytest.mark.parametrize("lanes", [False, True])
def test_a_run_ends_with_the_output_at_which_its_ending_state_is_high(case, lanes):
    whole = go(case, lanes=lanes)
    state = int(np.argmax(whole.out_y[:, -1].min(axis=0)))
    levels = whole.out_y[:, 4, state].copy()
    levels[0] = np.inf
    ended = go(case, lanes=lanes, ends_at=(state, levels))
    assert ended.code[0] == codes.OK and np.array_equal(ended.out_y[0], whole.out_y[0])
    for p in range(1, len(levels)):
        first = int(np.argmax(whole.out_y[p, :, state] >= levels[p]))
        assert ended.code[p] == (codes.STOPPED if first < 12 else codes.OK), p
        assert np.array_equal(ended.out_y[p, : first + 1], whole.out_y[p, : first + 1])
        assert np.isnan(ended.out_y[p, first + 1 :]).all()


def test_observables_are_computed_where_they_are_wanted(case):
    whole, some = go(case), go(case, observed=[0, 4, 11])
    assert np.array_equal(some.out_obs, whole.out_obs[:, [0, 4, 11]]) and np.isfinite(whole.out_obs).all()
    assert np.array_equal(some.out_y, whole.out_y)


def test_limits_and_mistakes(case):
    late = go(case, wall_seconds=-1.0)
    assert np.all(late.code == codes.WALL_LIMIT)
    model, y0, th, calendar, jumps, values = case
    with pytest.raises(ValueError, match="parameter sets"):
        batch.run_batch(model, y0, [0.0], th[:3], calendar, DAY, run.Options())
    with pytest.raises(ValueError, match="jump_values"):
        batch.run_batch(model, y0, [0.0], th, calendar, DAY, run.Options(), jumps, values[:5])


def test_wide_draws_end_with_a_status_and_without_nan(case):
    model, y0, th, calendar, jumps, _ = case
    rng = np.random.default_rng(9)
    wide = np.tile(th[0], (200, 1)) * np.exp(1.5 * rng.normal(size=(200, th.shape[1])))
    result = batch.run_batch(
        model,
        np.tile(y0[0], (200, 1)),
        [0.0],
        wide,
        calendar,
        60 * DAY,
        run.Options(rtol=1e-4, atol=1e-7, max_steps=20_000),
        jumps,
        out_ticks=[30 * DAY],
        keep_y=True,
    )
    good = result.code == codes.OK
    assert np.mean(good) > 0.99
    assert np.all(np.isfinite(result.out_y[good])) and np.all(result.out_y[good] >= -1e-7)


def test_zeros_throughout_are_those_of_all_patients_that_no_jump_changes():
    y, u = np.array([[0.0, 0.0, 1.0, 0.0], [0.0, 2.0, 0.0, 0.0]]), np.zeros((2, 3))
    places = np.array([[3, -1], [4, 0], [5, -1]])  # state 3, inputs 0 and 1
    values = np.zeros((2, 3, 2))
    values[1, 0, 1] = values[0, 2, 0] = 1.0  # one patient's state 3, the other's input 1; nothing for input 0
    assert batch.zeros_throughout(y, u, places, values) == ((0,), (0, 2))
    assert batch.zeros_throughout(y[:1], u, places, values[:1]) == ((0, 1, 3), (0, 2))
