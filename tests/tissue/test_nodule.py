"""A whole nodule in liver: it grows at its margin, is fed from there, and stands for the lesion by its extent."""

from functools import cache

import numpy as np
import pytest
from tissue.test_piece import TEXT

from tme_sim import simulation
from tme_sim.diagnostics import InputError
from tme_sim.outcome import SimulationError
from tme_sim.scenario import Scenario
from tme_sim.simulation import plan_of
from tme_sim.tissue.coupling import Coupling, embolise
from tme_sim.tissue.piece import CELLS, EDGE, State, is_viable, nodule_radius
from tme_sim.tissue.step import divide, step

NODULE = TEXT.replace("50 mm", "1 mm").replace('size = "0.3 mm"', 'mode = "nodule"\nsize = "1.6 mm"')


@cache
def ready(text: str):
    """The plan made ready."""
    plan = plan_of(Scenario.from_text(text))
    return plan, simulation.set_up(plan)


def nodule(text: str = NODULE) -> Coupling:
    """An untreated nodule of 1 mm before its first step."""
    plan, made = ready(text)
    return Coupling.untreated(made, plan.piece, patient=plan.patient)


CUBE = NODULE.replace('size = "1.6 mm"', 'size = "0.7 mm"\ndimension = 3').replace("1 mm", "0.3 mm")


def test_a_nodule_is_as_large_as_its_lesion():
    one = nodule()
    radius = nodule_radius(one.scalars)
    assert radius == pytest.approx(0.5, rel=1e-6)
    assert one.inside * EDGE**2 == pytest.approx(np.pi * radius**2, rel=0.02)
    told = one.told(one.scalars)
    whole = sum(one.scalars[n] for n in CELLS[1:])
    assert sum(told[n] for n in CELLS[1:]) == pytest.approx(whole, rel=1e-9)
    cube = nodule(CUBE)
    assert cube.state.scale == pytest.approx(1.0, rel=0.03)  # the ball itself; voxels at its edge are whole or not


def test_liver_has_the_oxygen_of_liver_and_feeds_the_margin():
    one = nodule()
    oxygen, liver, core = one.state.local["oxygen"], one.state.liver, one.frame.core
    assert 25.0 < oxygen[liver].mean() < 35.0
    assert np.median(oxygen[core]) < np.median(oxygen[~core & ~liver]) < np.median(oxygen[liver])


@pytest.mark.parametrize("text", [NODULE, CUBE])
def test_daughters_push_to_the_margin_and_no_cell_is_lost(text):
    one = nodule(text)
    state, before = one.state, one.inside
    state.cell[~state.liver] = 1
    cells, ids = np.count_nonzero(state.cell), state.lineage.copy()
    divide(one.frame, state, np.flatnonzero(state.cell)[::3])
    born = (cells + 2) // 3
    assert np.count_nonzero(state.cell) == cells + born == one.inside and before == cells
    assert np.isin(ids[ids > 0], state.lineage).all()  # nobody was overwritten
    grown = one.inside / before
    assert state.scale == pytest.approx(one.state.told["scale_start"] * (grown**0.5 if text == NODULE else 1.0))
    z, y, x = np.unravel_index(np.flatnonzero(state.cell), one.frame.shape)
    radius = np.sqrt(((y - y.mean()) ** 2).max()), np.sqrt(((x - x.mean()) ** 2).max())
    assert radius[0] == pytest.approx(radius[1], rel=0.12)  # still round


def test_what_is_counted_is_the_nodule():
    one = nodule()
    state = one.state
    told = one.told(one.scalars)
    assert told["CD8"] == pytest.approx(one.scalars["CD8"], rel=0.02)
    vessels = np.count_nonzero((state.vessel > 0) & ~state.liver) / (one.inside * EDGE**2)
    assert told["immature_vessels"] + told["mature_vessels"] == pytest.approx(vessels, rel=1e-12)
    state.where[:] = np.flatnonzero(state.liver)[0]
    assert one.told(one.scalars)["CD8"] == 0.0


def test_embolisation_spares_the_liver():
    one = nodule()
    share = {"occluded_core": 0.9, "occluded_rim": 0.5}
    nothing = dict.fromkeys((*share, "depot_slow", "depot_fast"), 0.0)
    embolise(one.frame, one.state, one.scalars, nothing, share, {**share, "depot_slow": 0.0, "depot_fast": 0.0})
    assert not one.state.occluded[one.state.liver].any()
    told = one.told(one.scalars)
    assert told["occluded_core"] == pytest.approx(0.9, abs=0.03) and told["occluded_rim"] == pytest.approx(0.5, abs=0.03)


def test_a_nodule_lives_and_goes_on_from_what_was_stored():
    first, plan, made = nodule(), *ready(NODULE)
    for _ in range(4):
        step(first.frame, first.state, first.scalars)
    second = Coupling(made.model, made.th, plan.piece, 1, plan.patient)
    second.lay(made.y0, made.u0)
    second.state = State.of({n: np.array(a) for n, a in first.state.arrays().items()})
    assert np.array_equal(first.frame.core, second.frame.core)
    for each in (first, second):
        for _ in range(4):
            step(each.frame, each.state, each.scalars)
    a, b = first.state.arrays(), second.state.arrays()
    assert all(a[n].tobytes() == b[n].tobytes() for n in a) and is_viable(first.state).any()


@pytest.mark.parametrize("fast", [NODULE, CUBE])
def test_a_nodule_that_outgrows_its_piece_ends_the_run_and_says_when(fast):
    text = fast.replace("160 day", "5 day").replace('"2 day"', '"12 day"')
    with pytest.raises(SimulationError, match=r"reached the edge of its piece of [01]\.\d+ mm on day \d.*raise piece.size"):
        simulation.simulate(Scenario.from_text(text))


@pytest.mark.parametrize(("change", "told"), [
    ('"1.6 mm"', 'piece.size: is 1.3 mm, and the first lesion, 1 mm, needs 1.4 mm'),
    ('"1.6 mm"\ncells = "nowhere.csv"', "piece.cells: is for mode"),
])  # fmt: skip
def test_a_nodule_that_does_not_fit_is_told(change, told):
    with pytest.raises(InputError, match=told):
        Scenario.from_text(NODULE.replace('"1.6 mm"', '"1.3 mm"' if change == '"1.6 mm"' else change))


def test_a_session_that_no_scan_gives_a_target_is_warned_of():
    from tissue.test_piece import TEXT as PLAIN

    from tme_sim.scenario import Scenario

    small = PLAIN.replace('"50 mm"', '"2 mm"')
    told = [w for w in Scenario.from_text(small).warnings if w.startswith("tace: names no targets")]
    assert len(told) == 1 and 'write targets = ["main"]' in told[0]
    named = small.replace('kind = "tace"', 'kind = "tace"\ntargets = ["main"]')
    assert not [w for text in (PLAIN, named) for w in Scenario.from_text(text).warnings if "targets" in w]
