"""T cells in the tumour: rest, entry, exhaustion, stem-like reserve, regulatory T cells."""

import pytest
from immune_stub import Patient

from tme_sim.mechanisms import tcells as t


def rate(patient, name):
    return patient.rates()[patient.model.index("states", name)]


def test_rest_with_all_solved_rates_positive():
    patient = Patient()
    for name in ("CD8", "CD8_exhausted", "CD8_stem", "Treg", "Treg_blood"):
        assert abs(rate(patient, name)) < 1e-12 * patient[name]
    for name in ("cd8_entry", "k_exhausted_loss", "k_stem_renew", "treg_influx", "treg_supply"):
        assert patient.solved(name) > 0
    assert 1.0 < patient.solved("stem_burst") < 32.0  # none to five divisions
    assert patient.solved("stem_per_entry") < 0.1
    assert patient["CD8_total"] == pytest.approx(8500)


def test_entry_follows_flow_blood_and_vessel_wall():
    patient = Patient()
    untreated = patient["rate_cd8_entering"]
    assert patient.hold(perfusion=0.25)["rate_cd8_entering"] == pytest.approx(untreated / 4)
    patient.hold(perfusion=1.0, vessel_quality=1.0)
    assert patient["rate_cd8_entering"] == pytest.approx(untreated / 0.65)
    patient.set(CD8_blood=200.0)
    assert patient["rate_cd8_entering"] == pytest.approx(2 * untreated / 0.65)


def test_effectors_last_about_twelve_days_without_entry():
    """Death and exhaustion, less the share that the stem-like pool still feeds."""
    patient = Patient().hold(perfusion=0.0)
    assert -rate(patient, "CD8") / patient["CD8"] == pytest.approx(0.7 * (0.05 + 0.1 * 1.9 / 2.9))


def test_exhaustion_rises_with_antigen_and_vegf_and_falls_with_blockade():
    assert t.exhaust(0.1, 0.0, 1e5) == 0.0
    assert t.exhaust(0.1, 1e5, 1e5) == pytest.approx(0.05)
    assert t.vegf_exhausts(1.0, 1.0, 3.0) == 1.0
    assert t.vegf_exhausts(0.0, 1.0, 3.0) == 0.5 < t.vegf_exhausts(1e9, 1.0, 3.0) == pytest.approx(1.5)
    assert t.blockade_spares(1.0, 0.25) == 0.75


def test_only_stem_like_cells_answer_to_blockade():
    patient = Patient()
    feeding, dying = patient["rate_cd8_stem_feeding"], patient["rate_cd8_exhausted_dying"]
    patient.hold(pd1_engaged=1.0)
    assert patient["rate_cd8_stem_feeding"] == pytest.approx(1.5 * feeding)
    assert patient["rate_cd8_exhausted_dying"] == pytest.approx(dying)
    patient.set(CD8_stem=0.0)
    assert patient["rate_cd8_stem_feeding"] == 0.0
    assert not any(p.of == "CD8_exhausted" and p.into for p in t.PROCESSES)


def test_stem_like_cells_hold_under_blockade_and_fill_their_niches_slowly():
    patient = Patient().hold(pd1_engaged=0.95)
    patient.run(90)
    assert 0.7 < patient["CD8_stem"] / 850 < 1.3
    assert 1.1 < patient["CD8"] / 5100 < 2.0
    assert t.stem_renew(0.06, 1700.0, 8500.0, 0.1, 2.0) == pytest.approx(0.0)


def test_stem_like_pool_comes_back_after_a_loss():
    patient = Patient().set(CD8_stem=100.0)
    patient.run(120)
    assert patient["CD8_stem"] > 600


def test_treg_of_blood_fall_within_a_month_when_tumour_dies():
    """Observed 11.1 -> 7.6 % of CD4 one month after TACE, 5.0 in health (DOI 10.3892/mmr.2015.4171)."""
    patient = Patient()
    patient.hold(viable_cells=patient["viable_cells"] * 0.35)
    patient.run(30)
    assert patient["Treg_blood"] * 11.1 == pytest.approx(7.6, abs=0.8)
    gone = Patient().hold(active=0.0)
    gone.run(90)
    assert gone["Treg_blood"] * 11.1 == pytest.approx(5.0, abs=0.1)


def test_vegf_block_lowers_treg():
    patient = Patient().hold(vegf_fold=0.4)
    patient.run(60)
    assert 0.7 < patient["Treg"] / 1200 < 0.95
    cut = Patient(gain_vegf_on_treg=0.0).hold(vegf_fold=0.4)
    cut.run(60)
    assert cut["Treg"] == pytest.approx(1200, rel=1e-5)
