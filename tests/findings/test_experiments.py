"""The shipped experiments load, run small, and tell what their pages say in direction."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tme_sim.findings import cards, drive
from tme_sim.findings.runs import Runs
from tme_sim.findings.sections import optimise_section, surface_section
from tme_sim.findings.surface import near_best, regret, surface_of
from tme_sim.study import load_study
from tme_sim.study.outcomes import outcomes_of

ROOT = Path(__file__).parents[2] / "experiments"
CARDS = sorted(p.parent for p in (ROOT / "hypotheses").glob("*/card.toml"))


def mechanisms(folder):
    return [folder / "mechanisms"] if (folder / "mechanisms").is_dir() else []


SHIPPED = ["timing_window", "timing_calibrated", "what_flips_the_order", "which_arrow_matters", "best_protocol"]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_study_loads_and_says_what_it_asks(name):
    study = load_study(ROOT / name)
    assert study.question.endswith("?")
    assert (ROOT / name / "README.md").read_text().count("**Question.**") == 1
    drive.outcome_name(study, None)
    surface_section(study), optimise_section(study)


def test_the_timing_window_run_small_has_its_best_dates_early_on_day_365_and_late_by_later_read_outs():
    study = load_study(ROOT / "timing_window")
    section = surface_section(study)
    points = [({**study.patient(m), "anti_vegf": a, "pd_l1": i}, "base", m)
              for m in range(3) for a in (-28.0, 28.0, 84.0) for i in (-28.0, 84.0)]  # fmt: skip
    table = Runs(study).table(points)
    member = [f.name for f in study.patient_factors] + ["replicate"]
    surfaces = {o: surface_of(table, o, section.x, section.y, member=member, better=b)
                for o, b in (("regrown", "higher"), ("burden_d365", None), ("burden_d730", None), ("pfs", None))}  # fmt: skip
    best = {o: near_best(one).best for o, one in surfaces.items()}
    assert best["burden_d365"] == (-28.0, -28.0) and best["pfs"] == (84.0, 84.0)
    assert best["regrown"] == best["burden_d730"] == (84.0, -28.0)
    orders = {o: {r.name: r.of_mean for r in regret(one, section.orders)} for o, one in surfaces.items()}
    assert 3 * orders["burden_d365"]["LEAP-012"] < min(orders["burden_d365"][n] for n in ("EMERALD-1", "TALENTACE"))
    assert orders["pfs"]["LEAP-012"] > 1.2 * max(orders["pfs"][n] for n in ("EMERALD-1", "TALENTACE"))


def test_under_the_calibration_late_durvalumab_is_worse_by_every_read_out_whenever_bevacizumab_starts():
    study = load_study(ROOT / "timing_calibrated")
    points = [({**study.patient(m), "anti_vegf": a, "pd_l1": i}, "base", m)
              for m in range(12) for a in (-28.0, 84.0) for i in (0.0, 84.0)]  # fmt: skip
    table = Runs(study).table(points)
    late = np.array([i == 84.0 for m in range(12) for a in (-28.0, 84.0) for i in (0.0, 84.0)])
    early_bevacizumab = np.array([a == -28.0 for m in range(12) for a in (-28.0, 84.0) for i in (0.0, 84.0)])
    for outcome, sign in (("regrown", 1), ("pfs", 1), ("burden_d365", -1), ("burden_d730", -1), ("survival_d730", 1)):
        value = sign * np.asarray(table[outcome], dtype=np.float64)
        for half in (early_bevacizumab, ~early_bevacizumab):
            assert value[~late & half].mean() > value[late & half].mean(), outcome
    assert len({study.scenario(p).calibrated.member for p in points}) > 8


def test_mdsc_do_not_flip_the_two_sequences_but_a_fast_tumour_does():
    study = drive.arms_of(load_study(ROOT / "what_flips_the_order"), ("anti-VEGF first", "PD-L1 first"))
    found = drive.flip(study, parameters=("k_MDSC_diff", "mdsc_density", "doubling_time"), fine=6)
    assert not found.flips["k_MDSC_diff"] and not found.flips["mdsc_density"]
    (flip,) = found.flips["doubling_time"]
    assert (flip.below, flip.above) == ("PD-L1 first", "anti-VEGF first")
    assert 60 < flip.threshold < 160


@pytest.mark.parametrize("folder", CARDS, ids=lambda p: p.name)
def test_a_shipped_card_fits_its_study(folder):
    card = cards.load_card(folder)
    study = load_study(card.study, mechanisms=mechanisms(folder))
    cards.check_names(card, [a.name for a in study.arms], outcomes_of(study))
    page = (folder / "README.md").read_text()
    assert page.count("| holds |") + page.count("| fails |") + page.count("| undecided |") == len(card.predictions)


@pytest.mark.parametrize(
    ("name", "verdicts"),
    [
        ("lai_friedman2019_overlap", ["fails", "fails", "holds", "fails"]),
        ("mpekris2020_dose", ["fails", "holds", "holds", "holds"]),
    ],
)
def test_a_card_run_small_has_the_verdicts_of_its_page(name, verdicts):
    card = cards.load_card(ROOT / "hypotheses" / name)
    study = load_study(card.study)
    points = [p for p in study.points() if p[2] < 8]
    judged, _ = cards.judge(card, Runs(study).table(points))
    assert [one.verdict for one in judged] == verdicts


@pytest.mark.slow
def test_entpd2_block_adds_to_pd1_block():
    folder = ROOT / "hypotheses" / "chiu2017_entpd2_pd1"
    card = cards.load_card(folder)
    study = load_study(card.study, mechanisms=mechanisms(folder))
    points = [p for p in study.points() if p[2] < 8]
    judged, _ = cards.judge(card, Runs(study).table(points))
    assert [one.verdict for one in judged][2:] == ["holds", "holds"]
    assert judged[0].effect.high < 0.2


def test_the_shipped_best_protocol_is_one(tmp_path):
    from tme_sim.scenario import Scenario

    (tmp_path / "s.toml").write_text(f'schema = 1\n[protocol]\nfile = "{ROOT / "best_protocol" / "best.toml"}"\n')
    calendar = Scenario.load(tmp_path / "s.toml").calendar
    days = np.array([e.tick for e in calendar.entries if e.kind == "tace"]) / 1440
    assert days.tolist() == [0.0]


def test_replicates_of_a_study_can_be_fewer():
    study = replace(load_study(ROOT / "which_arrow_matters"), replicates=1)
    found, table = drive.cut(study, arrows=("oxygen_on_killing",))
    assert found.cut[0].carried.median > 0
    assert len(table["arm"]) == 8
