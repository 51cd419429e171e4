"""The comparison with PhysiCell, as far as it goes without PhysiCell: our side, its coefficients, and what is told."""

import numpy as np
import pytest

from benchmarks import tissue_peers as peers


def thomas(line, c, a):
    """(1 + a - c * second difference) x = line with walls, solved densely."""
    n = line.shape[0]
    matrix = (1.0 + a + 2.0 * c) * np.eye(n) - c * (np.eye(n, k=1) + np.eye(n, k=-1))
    matrix[0, 0] = matrix[-1, -1] = 1.0 + a + c
    return np.linalg.solve(matrix, line.reshape(n, -1)).reshape(line.shape)


def test_our_step_is_that_of_biofvm():
    problem = peers.Field(n=6, decay=3.0, dt=0.02)
    drawn = problem.drawn()
    u = drawn["start"][0].reshape(problem.shape).copy()
    by_hand = u.copy()
    c, a = problem.dt * problem.spread / peers.EDGE**2, problem.dt * problem.decay / 3.0
    given, taken, target = (drawn[n].reshape(problem.shape) for n in ("secretion", "uptake", "target"))
    stepper = peers.same_scheme(problem, drawn)
    for _ in range(3):  # as BioFVM writes it: agents, then x, y and z, each with a third of the decay
        by_hand = (by_hand + problem.dt * given * target) / (1.0 + problem.dt * (given + taken))
        for axis in (2, 1, 0):
            by_hand = np.moveaxis(thomas(np.moveaxis(by_hand, axis, 0), c, a), 0, axis)
        stepper.step(u)
    assert np.abs(u - by_hand).max() < 1e-12 * by_hand.max()


def test_our_cells_add_up_and_follow_their_hazards():
    problem = peers.Cells(n=10, minutes=30.0, settle=0.5, their_field=0.05)
    cells, vessels = problem.places()
    assert not set(cells) & set(vessels)
    for theirs in (True, False):
        one, again, other = (peers.Ours(problem, seed, theirs) for seed in (1, 1, 2))
        divide, die = problem.hazards(one.seen)
        for each in (one, again, other):
            each.run()
        assert np.count_nonzero(one.cell) == cells.size + one.divisions - one.deaths
        assert np.array_equal(one.cell, again.cell) and not np.array_equal(one.cell, other.cell)
        expected = 30.0 * divide[cells].sum()  # to first order
        assert peers.apart(one.divisions + other.divisions, 2.0 * expected) < 4.0
    assert np.all(die >= 0.0) and die.max() <= problem.die[0]


def test_without_a_release_nothing_is_measured(tmp_path):
    told = []
    for section in (peers.run(quick=True, say=told.append), peers.run(quick=True, say=told.append, physicell=tmp_path)):
        assert {g["verdict"] for g in section["goals"]} == {"not measured"}
        assert section["left_out"]
    with pytest.raises(FileNotFoundError, match="holds no release"):
        peers.sources(tmp_path)
    assert not told


def test_a_driver_that_fails_is_told(tmp_path):
    broken = tmp_path / "driver"
    broken.write_text("#!/bin/sh\necho too short >&2\nexit 2\n")
    broken.chmod(0o755)
    with pytest.raises(RuntimeError, match="ended with 2: too short"):
        peers.drive(broken, "field", [1.0])
