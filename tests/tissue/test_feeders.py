"""With feeders a session takes the blood of all vessels downstream of those it closes, and gives it back together."""

import numpy as np
import pytest
from tissue.test_piece import ready

from tme_sim.quantities import Quantity
from tme_sim.tissue.coupling import Coupling, embolise
from tme_sim.tissue.network import feeders_of
from tme_sim.tissue.piece import breathe
from tme_sim.tissue.settings import Tissue
from tme_sim.tissue.step import vessels, view


def closed(closing: str, share: float = 0.6) -> Coupling:
    """A piece of 1.6 mm of whose vessels a session has closed a share, core and rim alike."""
    plan, made = ready()
    settings = Tissue(size=Quantity(1.6, "mm"), settle=Quantity(0.0, "day"), closing=closing)
    one = Coupling.untreated(made, settings, patient=plan.patient)
    none = {"occluded_core": 0.0, "occluded_rim": 0.0}
    after = dict.fromkeys(none, share)
    embolise(one.frame, one.state, one.scalars, none, after, after | {"depot_slow": 0.0, "depot_fast": 0.0})
    return one


@pytest.mark.parametrize("shape", [(1, 60, 80), (30, 30, 30)])
def test_every_place_has_its_nearest_feeder(shape):
    feeder = feeders_of(shape, 1, 0)
    number = max(1, round(np.prod([n for n in shape if n > 1]) / 20.0 ** np.count_nonzero(np.array(shape) > 1)))
    assert feeder.size == np.prod(shape) and np.array_equal(np.unique(feeder), np.arange(1, number + 1))
    assert np.array_equal(feeder, feeders_of(shape, 1, 0)) and not np.array_equal(feeder, feeders_of(shape, 2, 0))


def test_vessels_lose_their_blood_with_their_feeder_and_as_many_as_the_session_says():
    one, own = closed("feeders"), closed("vessels")
    state, frame = one.state, one.frame
    there = state.vessel > 0
    for each in (one, own):
        assert np.count_nonzero(each.state.occluded) == pytest.approx(0.6 * np.count_nonzero(there), abs=1.5)
    split = 0
    for zone in (frame.core, ~frame.core):
        for feeder in np.unique(frame.feeder[there & zone]):
            shut = state.occluded[there & zone & (frame.feeder == feeder)]
            split += 0 < np.count_nonzero(shut) < shut.size
    assert split <= 2  # the last feeder of either zone is closed in part, so that the share is met
    well = []
    for each in (one, own):
        breathe(each.frame, each.state, each.scalars, 1e-3)
        well.append(np.mean(each.state.local["oxygen"] >= 12.0))
    assert well[0] > well[1] + 0.03  # where a feeder is spared, tissue breathes on


def test_a_feeder_opens_with_all_its_vessels(monkeypatch):
    one = closed("feeders", 1.0)
    here = view(one.frame, one.state, one.scalars)
    rate = lambda name: 20.0 if "recanal" in name or "open" in name else 0.0  # noqa: E731
    monkeypatch.setattr(here, "rate", rate)
    vessels(one.frame, one.state, here)
    there, feeder = one.state.vessel > 0, one.frame.feeder
    share = [one.state.occluded[there & (feeder == f)].mean() for f in np.unique(feeder[there])]
    assert set(share) == {0.0, 1.0}
