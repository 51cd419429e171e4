"""A scenario becomes a run: same bytes, right doses, clear failures."""

from types import SimpleNamespace

import numpy as np
import pytest
from limits.full_model import at, dose, run, tace

from tme_sim import Scenario, simulate
from tme_sim.outcome import SimulationError
from tme_sim.plan import PHASES

SHORT = """
schema = 1
name = "short"
[[patient.lesion]]
name = "main"
[[protocol.treatment]]
kind = "tace"
start = "day 0"
drug_load = "50 mg"
[[protocol.treatment]]
kind = "drug"
drug = "durvalumab"
dose = "1500 mg"
start = "day 7"
[[protocol.scan]]
start = "day 0"
every = "4 weeks"
times = 3
[run]
duration = "60 day"
"""


@pytest.fixture(scope="module")
def short():
    return simulate(Scenario.from_text(SHORT))


def test_same_scenario_gives_the_same_bytes(short):
    assert simulate(Scenario.from_text(SHORT)).digest == short.digest


def test_run_tells_how_it_was_made(short):
    made = short.manifest
    assert made["seed"] == 1 and made["versions"]["tme_sim"]
    grades = [s["grade"] for s in made["sources"]]
    order = ["assumed", "low", "medium", "high"]
    assert grades == sorted(grades, key=order.index)
    assert all(s["source"] for s in made["sources"])
    assert set(made["timings"]) == {name for name, _ in PHASES}


def test_first_row_is_the_untreated_body_and_day_zero_is_after_the_session(short):
    assert short.time[0] == pytest.approx(-1 / 1440) and short.time[1] == 0.0
    assert short["occluded_core"][0] == 0.0 and short["occluded_core"][1] > 0.3


def test_endpoints_carry_their_names(short):
    for name in ("n_tace", "ttp", "ttp_event", "best_response_mrecist", "depth", "os", "viable_fraction_d28", "albi_d28",
                 "afp_ratio_d28", "vegf_ratio_d28", "burden_d28"):
        assert name in short.summary
    assert short.summary["n_tace"] == 1
    assert 0.0 < short.summary["viable_fraction_d28"] < 1.0


def test_each_dose_is_given_once():
    done = run(dose("durvalumab", 1.0, 1500.0), dose("durvalumab", 1.5, 1120.0), days=3, every=60)
    given = done.series("pd1_central") + done.series("pd1_peripheral")
    assert given[np.searchsorted(done.time, 1.1)] == pytest.approx(1500.0, rel=0.02)
    assert given[np.searchsorted(done.time, 1.6)] == pytest.approx(2620.0, rel=0.08)


def test_daily_tablets_averaged_come_close_to_resolved_ones():
    tablets = [dose("lenvatinib", d, 12.0, minutes=0) for d in range(28)]
    averaged, resolved = (run(*tablets, days=28, oral=o, rtol=1e-5) for o in ("averaged", "resolved"))
    assert averaged.stats["steps"] < resolved.stats["steps"] / 10
    assert at(averaged, "viable_cells", 28) == pytest.approx(at(resolved, "viable_cells", 28), rel=0.03)


def test_only_the_lesion_aimed_at_is_embolised():
    session = tace(0, targets=(2,))
    from limits.full_model import all_mechanisms

    from tme_sim.plan import Plan
    from tme_sim.simulation import run_plan

    done = run_plan(Plan(all_mechanisms(), [{}, {"diameter": 30.0}], entries=[session], stop=1440))
    assert at(done, "occluded_core", 0, 1) == 0.0 and at(done, "occluded_core", 0, 2) > 0.3


def occluded(*lesions, values=(), targets=()):
    """Occluded core of each lesion right after a session on day 0."""
    from limits.full_model import all_mechanisms

    from tme_sim.plan import Plan
    from tme_sim.simulation import run_plan

    plan = Plan(all_mechanisms(), lesions, values=dict(values), entries=[tace(0, targets=targets)], stop=1440)
    done = run_plan(plan)
    return [at(done, "occluded_core", 0, b) for b in range(1, len(lesions) + 1)]


def test_a_session_treats_what_imaging_shows_in_the_liver():
    first, second = occluded({}, {"diameter": 8.0})
    assert first > 0.3 and second == 0.0
    assert occluded({}, {"diameter": 8.0}, targets=(1, 2))[1] > 0.3
    assert occluded({}, {"diameter": 30.0, "extrahepatic": 1.0})[1] == 0.0


def test_portal_feeding_and_portal_invasion_take_from_a_session():
    whole, half = occluded({}, {"diameter": 30.0, "arterial_share": 0.5})
    assert half == pytest.approx(0.5 * whole)
    assert occluded({}, {}, values={"portal_invasion": 1.0})[0] == pytest.approx(0.7 * whole)


def test_few_sizes_of_models_hold_all_numbers_of_lesions():
    from tme_sim.plan import SLOTS, slots_for

    assert [slots_for(n) for n in (0, 1, 2, 3, 7)] == [1, 1, 3, 3, 12] and SLOTS[-1] == 12
    with pytest.raises(ValueError, match="at most 12"):
        slots_for(13)


def test_run_out_of_steps_names_state_day_and_fastest_process():
    with pytest.raises(SimulationError, match=r"step budget used up at day .*; the largest error is in .*; the fastest process"):
        run(tace(0), days=60, max_steps=15)


def test_session_without_a_liver_spares_what_is_not_there():
    from tme_sim.compiler.baseline import program
    from tme_sim.compiler.emit import layout_of
    from tme_sim.compiler.symbolic import build
    from tme_sim.jumps import CalendarBuilder
    from tme_sim.mechanisms.registry import all_mechanisms
    from tme_sim.network import compose

    symbols = build(compose(all_mechanisms(), off=["liver"]))
    layout = layout_of(symbols, program(symbols), 1)
    stand_in = SimpleNamespace(
        layout=layout, state_names=layout.labels(layout.states), held_names=layout.labels(layout.held),
        index=lambda table, name, lesion=0: layout.index(getattr(layout, table), name, lesion))
    builder = CalendarBuilder(stand_in, np.full(layout.size(layout.theta), 0.5))
    builder.procedure(tace(0, targets=(1,)))
    touched = {stand_in.state_names[d] for d, _ in builder.jumps.places if d < len(stand_in.state_names)}
    assert "occluded_core.1" in touched and "injury" not in touched


def test_unknown_series_answers_with_the_nearest():
    with pytest.raises(KeyError, match="viable_cells"):
        run(days=1).series("viable_cell")
