"""No run hangs, none returns what is not a number, none stores a value below its tolerance: random patients, far drawn."""

from __future__ import annotations

import numpy as np
import pytest

from tests.promises import draws as d
from tme_sim.engine import codes

RTOL = 1e-5
MAX_STEPS = 20_000
NEARER = 8  # a draw that cannot exist untreated is halved (on a log scale) at most so often
ENDINGS = {"OK", "NEGATIVE", "NONFINITE", "OUT_OF_RANGE", "STEP_LIMIT", "STEP_TOO_SMALL"}
# (standard deviation of the logarithm, share of the parameters that is drawn): all at once, and a few but far
SPREADS = [(0.5, 1.0), (1.5, 1.0), (3.0, 1.0), (1.5, 0.05), (3.0, 0.05)]


def tally(case: d.Case, ready: d.Prepared) -> dict[str, int]:
    """Run prepared draws; return how they ended, and fail on a broken promise."""
    result = d.go(case, ready, RTOL, max_steps=MAX_STEPS)
    atol = case.model.tolerances(RTOL)
    good = result.code == codes.OK
    assert np.all(np.isfinite(result.out_y[good])), "a finished run holds what is not a number"
    assert np.all(np.isfinite(result.out_obs[good])), "a signal of a finished run is infinite or not a number"
    assert np.all(np.isfinite(result.y[good])) and np.all(result.y[good] >= -atol)
    stored = np.isfinite(result.out_y)  # rows that were reached, of failed runs too
    assert np.all(result.out_y[stored] >= np.broadcast_to(-atol, result.out_y.shape)[stored]), "stored below -atol"
    assert np.all(result.carry_i[:, codes.STEPS] <= MAX_STEPS)
    corrected = result.carry_i[:, codes.CORRECTIONS] > 0
    assert np.array_equal(np.any(result.ledger != 0.0, axis=1), corrected), "a lift that is not booked, or the reverse"
    endings = d.names(result.code)
    assert set(endings) <= ENDINGS, endings
    return endings


def report(capsys, sd: float, share: float, number: int, refused: int, endings: dict[str, int]) -> None:
    """Say how many draws could not exist, and how the others ended."""
    with capsys.disabled():
        print(f"\n  sd {sd:g}, {share:.0%} of the parameters: {refused} of {number} cannot exist as drawn; {endings}", end="")


@pytest.mark.parametrize(("sd", "share"), SPREADS)
def test_every_draw_ends_with_a_status_and_finite_values(capsys, sd, share):
    case = d.case()
    ready = d.prepare(case, d.draws(case, sd, 100, seed=1, share=share), NEARER)
    assert len(ready.y0) >= 98  # every direction is tried, as far as a patient can exist
    endings = tally(case, ready)
    report(capsys, sd, share, 100, ready.refused, endings)
    assert endings["OK"] >= 0.9 * len(ready.y0), endings


@pytest.mark.slow
def test_no_signal_of_a_finished_run_is_infinite_however_far_the_draw():
    case = d.case(days=45)
    assert tally(case, d.prepare(case, d.draws(case, 3.0, 2000, seed=100, share=0.05), NEARER))["OK"] > 1800


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("sd", "share"), SPREADS)
def test_every_one_of_20_000_draws_ends_with_a_status_and_finite_values(capsys, sd, share):
    case, total, refused, ran = d.case(days=45), {}, 0, 0
    for block in range(10):
        ready = d.prepare(case, d.draws(case, sd, 2000, seed=100 + block, share=share), NEARER)
        refused, ran = refused + ready.refused, ran + len(ready.y0)
        for name, count in tally(case, ready).items():
            total[name] = total.get(name, 0) + count
    report(capsys, sd, share, 20_000, refused, total)
    assert ran >= 0.98 * 20_000 and total["OK"] >= 0.9 * ran, total


def test_the_check_finds_a_value_that_is_not_a_number_or_too_low(monkeypatch):
    case = d.case()
    ready = d.prepare(case, d.draws(case, 0.1, 3, seed=2, share=0.05), NEARER)
    whole = d.go(case, ready, RTOL, max_steps=MAX_STEPS)
    monkeypatch.setattr(d, "go", lambda *_, **__: whole)
    assert tally(case, ready) == {"OK": 3}
    for array, place in ((whole.out_y, (1, 5, 7)), (whole.out_obs, (2, 0, 3)), (whole.y, (0, 4)), (whole.ledger, (0, 0))):
        keep = float(array[place])
        for value in (np.nan, np.inf, -1.0):
            if array is whole.out_obs and value == -1.0:
                continue  # signals may be negative
            array[place] = value
            with pytest.raises(AssertionError):
                tally(case, ready)
        array[place] = keep
    assert tally(case, ready) == {"OK": 3}


def test_a_run_that_needs_more_steps_than_its_budget_ends_there():
    case = d.case()
    ready = d.prepare(case, d.draws(case, 0.1, 4, seed=3, share=0.05), NEARER)
    result = d.go(case, ready, RTOL, max_steps=20)
    assert d.names(result.code) == {"STEP_LIMIT": 4} and np.all(result.carry_i[:, codes.STEPS] == 20)
