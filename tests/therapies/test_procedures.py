"""Ablation, radiotherapy and yttrium-90: who dies and when, what is set free, what closes, what the liver pays."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from limits.full_model import at, run, tace

from tme_sim import Scenario
from tme_sim.engine.queue import TICKS_PER_DAY
from tme_sim.simulation import simulate
from tme_sim.therapies import procedures
from tme_sim.therapies.procedures import (
    COSTS,
    DEATH_DAYS,
    VIABLE,
    ablated_share,
    all_parameters,
    body_changes,
    fraction_days,
    lesion_changes,
    log_kill,
)

CELLS = [c for pair in VIABLE for c in pair]
DATA = {
    "ablation": {"technique": "radiofrequency", "margin": 5.0, "targets": ()},
    "sbrt": {"dose": 50.0, "fractions": 5, "targets": ()},
    "radioembolisation": {"material": "glass", "selectivity": "segmental", "dose": 205.0, "targets": ()},
}


def entry(kind, day=0.0, **changes):
    return SimpleNamespace(tick=round(day * TICKS_PER_DAY), order=20, kind=kind, treatment=kind, number=1,
                           data=DATA[kind] | changes)  # fmt: skip


def surviving(kind, diameter=30.0, fed=1.0, **changes):
    """Shares of cycling and quiescent cells that are left after all jumps."""
    left = dict.fromkeys(CELLS, 1.0)
    of = {"diameter": diameter, "arterial_share": fed}.__getitem__
    for _, rows in lesion_changes(kind, DATA[kind] | changes, of, 0.6):
        for row in rows:
            if row.target in left:
                left[row.target] *= 1.0 + row.coefficient
    return left["cycling"], left["quiescent"]


# --- kill ------------------------------------------------------------------------------------------------------------


def test_heat_kills_within_its_zone_and_fails_beyond():
    """Local progression 21 % (radiofrequency) against 8 % (microwave) up to 30 mm; failure beyond the zone."""
    assert ablated_share("microwave", 25.0, 5.0) > ablated_share("radiofrequency", 25.0, 5.0) > 0.99
    assert ablated_share("radiofrequency", 60.0, 5.0) == pytest.approx((40 / 60) ** 3 * 0.97)
    rim = [ablated_share("radiofrequency", d, 10.0) for d in (20.0, 30.0, 36.0, 39.0)]
    assert all(a > b for a, b in zip(rim, rim[1:], strict=False))
    assert ablated_share("radiofrequency", 20.0, 0.0) == pytest.approx(0.97)


def test_radiation_kill_is_linear_quadratic_and_spares_resting_cells():
    assert log_kill(50.0, 5) == pytest.approx(0.06 * 50 * (1 + 10 / 10))
    cycling, quiescent = surviving("sbrt")
    assert cycling == pytest.approx(math.exp(-log_kill(50.0, 5)), rel=1e-9)
    assert quiescent == pytest.approx(math.exp(-log_kill(50.0 / 1.5, 5)), rel=1e-9)
    assert surviving("sbrt", fractions=25)[0] > cycling


def test_microspheres_leave_cold_spots_and_need_the_artery():
    cycling, quiescent = surviving("radioembolisation", dose=1000.0)
    assert cycling == pytest.approx(0.03, rel=0.01) and quiescent >= cycling
    assert surviving("radioembolisation", fed=0.3)[0] > surviving("radioembolisation")[0]
    assert surviving("radioembolisation", fed=0.0) == (1.0, 1.0)


def test_doomed_cells_die_over_weeks_after_the_middle_of_the_course():
    assert fraction_days(7) == [0, 1, 2, 3, 4, 7, 8]
    delays = [delay for delay, _ in lesion_changes("sbrt", DATA["sbrt"], lambda _: 30.0, 0.6)]
    assert delays == [2.0 + day for day in DEATH_DAYS]


# --- occlusion and liver ---------------------------------------------------------------------------------------------


def test_only_microspheres_close_vessels_and_hardly_any():
    def closed(kind, **changes):
        found = lesion_changes(kind, DATA[kind] | changes, {"diameter": 30.0, "arterial_share": 1.0}.__getitem__, 0.6)
        return sum(row.constant for _, rows in found for row in rows if row.target == "occluded_core")

    assert closed("ablation") == closed("sbrt") == 0.0
    assert 0.0 < closed("radioembolisation") < closed("radioembolisation", material="resin") < 0.2


def test_the_liver_pays_more_for_a_lobe_and_for_more_dose():
    def albi(kind, **changes):
        return sum(row.constant for _, rows in body_changes(kind, DATA[kind] | changes) for row in rows
                   if row.target.startswith("albi"))  # fmt: skip

    assert albi("radioembolisation", selectivity="lobar") == pytest.approx(0.25)
    assert albi("radioembolisation", selectivity="superselective") == 0.0
    assert albi("sbrt", dose=86.0) == pytest.approx(2 * albi("sbrt", dose=43.0)) == pytest.approx(0.30)
    assert albi("ablation") < albi("sbrt")


@pytest.mark.parametrize("kind", COSTS)
def test_every_number_has_unit_source_grade_and_range(kind):
    for p in all_parameters(kind):
        assert p.source and p.unit and p.low <= p.value <= p.high, p.name
        assert p.grade != "assumed" or "no source" in p.source or "memory" in p.source or "convention" in p.source, p.name


# --- in a run --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs():
    lesion = {"diameter": 30.0}
    return {kind: run(entry(kind), days=120, lesion=lesion) for kind in DATA} | {
        "tace": run(tace(0), days=120, lesion=lesion), "none": run(days=120, lesion=lesion)}  # fmt: skip


def test_kill_shows_in_the_run_at_its_own_pace(runs):
    before = at(runs["none"], "viable_cells", 0)
    left = {kind: [at(done, "viable_cells", day) / before for day in (1, 30, 110)] for kind, done in runs.items()}
    assert left["ablation"][0] < 0.01
    assert left["sbrt"][0] > 0.6 and left["sbrt"][1] < 0.3 and left["sbrt"][2] < 0.05
    assert left["radioembolisation"][0] > 0.9 and left["radioembolisation"][2] < 0.3 < left["none"][2]


@pytest.mark.parametrize("kind", DATA)
def test_killed_cells_become_dead_ones(kind):
    """Moved, not lost: every share that leaves living cells arrives among dying or necrotic ones."""
    of = {"diameter": 30.0, "arterial_share": 1.0}.__getitem__
    moved = dict.fromkeys(CELLS, 0.0)
    for _, rows in lesion_changes(kind, DATA[kind], of, 0.6):
        for row in rows:
            if row.source in moved and row.target in (row.source, "dying", "necrotic"):
                moved[row.source] += row.coefficient
    assert moved == pytest.approx(dict.fromkeys(CELLS, 0.0), abs=1e-15)


def test_a_scan_of_the_same_minute_sees_the_lesion_before_heat():
    """And what is left is told as a share of what was there before."""
    text = (
        'schema = 1\nname = "same"\n[[patient.lesion]]\nname = "one"\ndiameter = "50 mm"\n[[protocol.treatment]]\n'
        'kind = "ablation"\nstart = "day 0"\nevery = "56 day"\ntimes = 2\n[[protocol.scan]]\nstart = "day 0"\n'
        'every = "56 day"\n[run]\nduration = "60 day"\n'
    )
    done = simulate(Scenario.from_text(text))
    scans = [e for e in done.events if e["kind"] == "scan"]
    assert scans[0]["sum_mrecist"] > 0.9 * scans[0]["sum_recist11"]
    assert done.summary["viable_fraction_d28"] < 0.7  # half of it lies outside the zone
    days = list(done.time)
    before, after = (done["viable_cells.1"][days.index(day)] for day in (56.0, 57.0))
    assert after < 0.6 * before


def test_antigen_is_set_free_and_T_cells_follow(runs):
    for kind in DATA:
        assert runs[kind].series("antigen").max() > 1.5 * runs["none"].series("antigen").max(), kind
        assert runs[kind].series("CD8").max() > runs["none"].series("CD8").max(), kind


def test_hypoxia_comes_with_embolisation_only(runs):
    rise = {k: done.series("HIF1").max() / done.series("HIF1")[0] for k, done in runs.items() if k != "none"}
    assert rise["tace"] > 1.25
    assert all(rise[k] < 1.1 for k in DATA)


def test_a_session_may_name_what_it_costs():
    few, many = (at(run(tace(0, lost=lost), days=3), "occluded_core", 0) for lost in (0.1, 0.5))
    assert few == pytest.approx(many / 5)


def test_the_albi_grade_worsens_late_and_in_part_for_good(runs):
    albi = runs["radioembolisation"].series("albi") - runs["none"].series("albi")
    assert abs(albi[5]) < 0.02 < albi[30] and albi[-1] < albi[15]


def test_only_named_lesions_in_the_liver_are_treated():
    text = """
schema = 1
name = "two"
[[patient.lesion]]
name = "small"
diameter = "20 mm"
[[patient.lesion]]
name = "large"
diameter = "60 mm"
[[protocol.treatment]]
kind = "ablation"
technique = "microwave"
start = "day 0"
targets = ["small"]
[[protocol.treatment]]
kind = "y90"
start = "day 7"
targets = ["large"]
[[protocol.scan]]
start = "day 60"
[run]
duration = "60 day"
"""
    from tme_sim import simulate

    done = simulate(Scenario.from_text(text))
    share = [done[f"viable_cells.{n}"] / done[f"viable_cells.{n}"][0] for n in (1, 2)]
    day = np.searchsorted(done.time, 3)
    assert share[0][day] < 0.01 and share[1][day] > 0.99
    assert share[1][-1] < 0.8
    told = [e["what"] for e in done.events if e["kind"] != "scan"]
    assert told == ["microwave ablation, margin 5 mm", "glass radioembolisation, segmental, 205 Gy"]
    used = {s["name"] for s in done.manifest["sources"]}
    assert {"microwave_zone", "y90_half_life"} <= used and "radiation_death" in used


def test_a_dose_far_from_those_in_use_is_warned_of_once():
    text = '[[protocol.treatment]]\nkind = "sbrt"\nstart = "day 0"\nevery = "90 day"\ntimes = 2\ndose = "40 Gy"\nfractions = 30\n'
    scenario = Scenario.from_text(text + '[run]\nduration = "200 day"\n', "p.toml")
    assert [w for w in map(str, scenario.warnings) if "far from doses in use" in w] != []
    assert procedures.COSTS["sbrt"].dose == 43.0
