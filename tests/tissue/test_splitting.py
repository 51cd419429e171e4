"""What splitting costs: an error of first order in the step; and agents that mix are the mean field up to one over their number."""

import numpy as np
import pytest
from numba import njit
from tissue.test_piece import piece

from tme_sim.engine.rng import exponential, uniform
from tme_sim.tissue.piece import breathe, is_viable, view
from tme_sim.tissue.step import FIELD_STEPS, crowds, signal

HOURS = 8


def responding(ticks: int) -> np.ndarray:
    """Means of traits and fields after HOURS in which half the vessels are closed and no cell changes (frozen luck)."""
    one = piece("0.4 mm")
    frame, state, scalars = one.frame, one.state, one.scalars
    object.__setattr__(frame, "ticks", ticks)
    state.occluded[::2] = state.vessel[::2] > 0
    for _ in range(HOURS * 60 // (FIELD_STEPS * ticks)):
        breathe(frame, state, scalars, 1e-6)
        crowds(frame, state, scalars)
        signal(frame, state, view(frame, state, scalars), scalars)
    alive = is_viable(state)
    return np.array([state.local[n][alive].mean() for n in ("HIF2", "ENTPD2", "VEGF", "ATP", "AMP")])


def test_splitting_of_fields_and_traits_is_of_first_order():
    """Halving the step halves the error against a step of 2 minutes, within a quarter (M16)."""
    finest = responding(2)
    errors = np.array([np.abs(responding(t) / finest - 1.0).max() for t in (60, 30, 15)])
    slopes = np.log2(errors[:-1] / errors[1:])
    assert errors[1] < 0.05, errors
    assert np.all((slopes > 0.75) & (slopes < 1.35)), (errors, slopes)


@njit(cache=False)
def crowd(K, start, birth, death, until, seed, replica):
    """Agents at K places, exactly simulated: daughters go to a place at random and are lost where one lives."""
    taken, where, n, time, draw = np.full(K, -1), np.empty(K, dtype=np.int64), start, 0.0, 0
    for i in range(n):
        taken[i], where[i] = i, i
    while n > 0:
        key = np.uint64(draw)
        time += exponential(seed, replica, key, np.uint64(0), np.uint64(99), np.uint64(0)) / (n * (birth + death))
        if time > until:
            break
        i = int(uniform(seed, replica, key, np.uint64(0), np.uint64(99), np.uint64(1)) * n)
        if uniform(seed, replica, key, np.uint64(0), np.uint64(99), np.uint64(2)) * (birth + death) < birth:
            v = int(uniform(seed, replica, key, np.uint64(0), np.uint64(99), np.uint64(3)) * K)
            if taken[v] < 0:
                taken[v], where[n], n = n, v, n + 1
        else:
            n -= 1
            taken[where[i]] = -1
            if i < n:
                where[i] = where[n]
                taken[where[i]] = i
        draw += 1
    return n


@pytest.mark.slow
def test_agents_that_mix_are_the_mean_field_up_to_one_over_their_number():
    """M12: deviation of the mean from the logistic equation at most 5 / K and three standard errors; slope -1 +- 0.3."""
    birth, death, share, until, off = 1.0, 0.25, 0.1, 6.0, []
    rest, rate = 1.0 - death / birth, birth - death
    expected = rest / (1.0 + (rest / share - 1.0) * np.exp(-rate * until))
    sizes = (200, 2000, 20_000)
    for K, replicas in zip(sizes, (40_000, 8_000, 800), strict=True):
        found = np.array([crowd(K, int(share * K), birth, death, until, np.uint64(7), np.uint64(r))
                          for r in range(replicas)]) / K  # fmt: skip
        error = found.std() / replicas**0.5 / expected
        off.append((found.mean() / expected - 1.0, error))
        assert abs(off[-1][0]) <= 5.0 / K + 3.0 * error, (K, off)
    slope = np.log(off[1][0] / off[0][0]) / np.log(10.0)
    assert off[0][0] < -3.0 * off[0][1] and -1.3 <= slope <= -0.7, (off, slope)
