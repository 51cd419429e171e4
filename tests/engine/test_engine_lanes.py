"""Lanes: the same bits as one run after the other, whatever happens to a run and to its neighbours."""

import json

import numpy as np
import pytest
from engine_toys import network
from numba import njit

from tme_sim.compiler import native
from tme_sim.engine import batch, codes, queue, run
from tme_sim.engine.signatures import DECIDE_SIGNATURE, JIT_OPTIONS, RHS_SIGNATURE

DAY = 1440
N = 30
NUMBER = 45
ALL = ("y", "u", "memory", "out_y", "out_obs", "queue", "carry_i", "carry_f", "ledger", "events")


@njit(RHS_SIGNATURE, **JIT_OPTIONS)
def levels(y, u, th, g):
    g[0] = y[0] - 0.9
    g[1] = y[26] - 0.5


@njit(DECIDE_SIGNATURE, **JIT_OPTIONS)
def ask(code, tick, y, u, th, memory, queue_):
    memory[0] += y[1]
    if memory[0] > 4.0:
        return 1
    if y[24] < 1.5:
        queue.append(queue_, tick + 700, 0, queue.JUMP, 0)
        queue.append(queue_, tick + 5 * DAY, 5, queue.DECISION, 0)
    return 0


@njit(RHS_SIGNATURE, **JIT_OPTIONS)
def total(y, u, th, out):
    out[0] = y[0] + y[1]
    out[1] = th[0]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The toy network with lanes made from its own source."""
    from dataclasses import replace

    scalar, source, th, y0 = network(N, 3, seed=3)
    folder = tmp_path_factory.mktemp("lanes")
    rhs, jac = source.split("\n\n\n")
    program = scalar.program
    row, col, nnz = int(program[17]), int(program[18]), int(program[1])
    names = {"body": [], "lesion": []}
    layout = {"n_lesions": 0, "rows": program[row : row + nnz].tolist(), "cols": program[col : col + nnz].tolist(),
              "states": names | {"body": list(range(N))}, "held": names | {"body": [0]},
              "parameters": names | {"body": list(range(th.size))}, "solved": names}
    for name, text in (("rhs.py", rhs), ("jac.py", jac), ("layout.json", json.dumps(layout)), ("lanes.py", "")):
        (folder / name).write_text(text)
    made = native.lanes(str(folder / "lanes.py"), "lanes_of_a_toy")
    return replace(scalar, guards=levels, decide=ask, lanes=lambda states, held, number: made), th, y0


@pytest.fixture(scope="module")
def case(model):
    """Patients that differ in parameters and doses; some fail in each of the ways there are."""
    functions, th, y0 = model
    rng = np.random.default_rng(5)
    every_th = th * np.exp(0.4 * rng.normal(size=(NUMBER, th.size)))
    every_th[4] = np.nan
    every_th[9, 3] = 1e9
    start = np.tile(y0, (NUMBER, 1))
    start[13, 2] = 99.0
    jumps, calendar = run.Jumps(), queue.new_queue(60)
    for d in range(3):
        jumps.group([(24 + 2 * d, -1, 0.0, 1.0 + d), (30, -1, 0.0, 0.01)])
    for k in range(4):
        for d in range(3):
            queue.append(calendar, (3 + 9 * k) * DAY + 60 * d, d, queue.JUMP, d)
    queue.append(calendar, 6 * DAY, 9, queue.DECISION, 0)
    values = np.repeat(jumps.arrays()[2][None], NUMBER, axis=0) * rng.lognormal(0, 0.3, (NUMBER, 1, 1))
    values[17, 0, 1] = -5.0  # takes more than there is
    guards = np.array([[0, codes.RECORD_ONLY, 0], [-1, queue.JUMP, 1]])

    def go(rows=slice(None), **options):
        return batch.run_batch(
            functions, start[rows], [0.0], every_th[rows], calendar, 40 * DAY,
            run.Options(rtol=1e-5, atol=1e-8, upper=50.0, max_steps=options.pop("max_steps", 900)), jumps, values[rows],
            guards, np.arange(0, 41 * DAY, 1000), total, 2, keep_y=True, keep_queue=True, max_events=20, **options,
        )

    return go


def same(a, b, rows=slice(None)):
    for name in ALL:
        assert np.array_equal(getattr(a, name)[rows], getattr(b, name), equal_nan=True), name


def test_lanes_equal_one_after_the_other_whatever_happens_to_a_run(case):
    alone = case(lanes=False, threads=1)
    found = {codes.NAMES[int(code)] for code in alone.code}
    assert {"OK", "NONFINITE", "OUT_OF_RANGE", "NEGATIVE"} <= found
    assert np.sum(alone.carry_i[:, codes.N_EVENTS]) > NUMBER and np.sum(alone.carry_i[:, codes.N_DECISIONS]) > NUMBER
    same(alone, case(lanes=True, threads=1))
    assert not np.array_equal(alone.out_y, case(rows=list(range(1, NUMBER)) + [0], lanes=False).out_y, equal_nan=True)


def test_lanes_end_a_run_on_its_budget_as_a_lone_run_does(case):
    alone = case(lanes=False, max_steps=60)
    assert "STEP_LIMIT" in {codes.NAMES[int(code)] for code in alone.code}
    same(alone, case(lanes=True, max_steps=60))


def test_bits_do_not_depend_on_lane_neighbours_chunk_or_threads(case):
    base = case(lanes=True, threads=1)
    for options in ({"threads": 2}, {"threads": 2, "chunk": 1}, {"threads": 1, "chunk": 11}):
        same(base, case(lanes=True, **options))
    for rows in (list(range(NUMBER - 1, -1, -1)), [7], [20, 3, 21], list(range(5, 14))):
        same(base, case(rows=rows, lanes=True), rows)


def test_lanes_do_not_need_a_model_that_has_them():
    functions, _, th, y0 = network(N, 3, seed=3)
    start = np.tile(y0, (70, 1))
    result = batch.run_batch(functions, start, [0.0], np.tile(th, (70, 1)), queue.new_queue(1), DAY, run.Options())
    assert np.all(result.code == codes.OK)
