"""Killing and the checkpoint: observed kills per cell, the PD-1 factor, brakes, adaptive resistance, units."""

import numpy as np
import pytest
from immune_stub import CLONES, DENSITY, IMMUNE, STUB, Instant, Patient

from tme_sim.compiler.unitcheck import report
from tme_sim.mechanisms import killing as k
from tme_sim.network import compose
from tme_sim.quantities import GRADES

CONTACT = 0.0028 * 1440  # per touching pair and day


def test_units_of_every_immune_law():
    problems = [f"{v.owner}: {v.problem}" for v in report(compose([STUB, *IMMUNE])) if v.problem]
    assert problems == []


def test_every_immune_parameter_says_how_far_to_trust_it():
    for mechanism in IMMUNE:
        for p in mechanism.parameters:
            assert p.grade in GRADES and p.low <= p.value <= p.high
            assert (p.grade == "assumed") or not p.source.startswith("no source"), p.name


def test_kills_per_killer_are_those_observed():
    """2-16 targets per killer and day in vivo (PMID 26872694): one specific killer in full tumour, without brakes."""
    touched = 2.06e5 * 7.28e-6
    assert touched == pytest.approx(1.5, rel=0.01)
    per_day = k.kill_on_contact(CONTACT, 1.0, 0.0, 1.0, 1.2, 2.06e5) * touched
    assert 2.0 < per_day < 16.0
    low, high = next((p.low, p.high) for p in k.MECHANISM.parameters if p.name == "k_kill_contact")
    assert low * 1440 * 1.5 == pytest.approx(2.0, rel=0.1) and high * 1440 * 1.5 == pytest.approx(16.0, rel=0.1)


def test_killing_saturates_when_killers_crowd():
    alone, crowd = (k.kill_on_contact(CONTACT, 0.1, 0.0, n, 1.2, 2.06e5) * n for n in (2.4e3, 2.4e8))
    assert alone == pytest.approx(CONTACT * 0.1 * 2.4e3, rel=0.02)
    assert crowd == pytest.approx(CONTACT * 0.1 * 1.2 * 2.06e5, rel=0.01)


@pytest.mark.parametrize("g0", [0.2, 0.5, 0.8])
def test_pd1_factor_is_the_published_form_with_its_half_value_solved(g0):
    half = np.sqrt(g0 / (1 - g0))
    for bonds in (0.0, 0.05, 1.0, half, 6.0):
        assert k.pd1_lets(bonds, g0) == pytest.approx(1 / (1 + (bonds / half) ** 2))
    assert k.pd1_lets(1.0, g0) == pytest.approx(g0)
    assert k.pd1_lets(half, g0) == pytest.approx(0.5)


def test_untreated_hazard_is_of_the_order_of_net_growth():
    """Several times net growth was what made the well-mixed law impossible."""
    patient = Patient()
    growth = np.log(2) / 160
    assert 0.05 * growth < patient["kill_hazard"] < growth
    assert patient["killing_flux"] == pytest.approx(patient["kill_hazard"] * DENSITY)


def test_blockade_raises_killing_by_a_small_factor():
    patient = Patient()
    before = patient["kill_hazard"]
    patient.hold(pd1_engaged=0.95)
    assert patient["kill_hazard"] / before == pytest.approx(2.0, rel=0.02)
    patient.run(60)
    assert 1.3 < patient["kill_hazard"] / before < 3.0


def test_all_seen_clones_die_alike_and_no_other():
    patient = Patient()
    hazards = [patient[f"rate_killing_{c}"] / patient[c] for c in CLONES]
    assert hazards == pytest.approx([hazards[0]] * 4)
    assert {p.of for p in k.MECHANISM.processes if p.kind == "contact"} == set(CLONES)


def test_killed_cells_die_by_apoptosis():
    patient = Patient()
    killed = sum(patient[f"rate_killing_{c}"] for c in CLONES)
    assert patient.rates()[patient.model.index("states", "dying")] == pytest.approx(killed)


def test_suppressor_cells_at_the_usual_order_are_not_inert():
    """200 per mm^3 against 8 500 CD8 suppress by 2 %; 3 000 by a quarter."""
    assert 1 - k.mdsc_let(200.0, 8500.0, 1.0, 1.0) == pytest.approx(0.023, abs=0.001)
    assert 1 - k.mdsc_let(3000.0, 8500.0, 1.0, 1.0) == pytest.approx(0.26, abs=0.01)
    assert k.mdsc_let(8501.0, 8500.0, 1.0, 1.0) == pytest.approx(0.5)
    assert k.mdsc_let(3000.0, 0.0, 1.0, 1.0) < 1e-3


def test_brakes_and_their_limits():
    assert k.treg_let(0.0, 8500.0, 11.0, 1.0) == 1.0
    assert k.treg_let(1000.0, 11000.0 - 1.0, 11.0, 1.0) == pytest.approx(0.5)
    assert k.adenosine_lets(1.0, 0.5) == 1.0
    assert k.adenosine_lets(3.0, 0.5) < 1.0 < k.adenosine_lets(0.0, 0.5)
    assert k.motility_lets(5.0, 5.0, 4.0) == pytest.approx(0.5)
    assert k.motility_lets(1.0, 5.0, 4.0) < 0.01 and k.motility_lets(25.0, 5.0, 4.0) > 0.99


@pytest.mark.parametrize("choice", ["none", "direct"])
def test_alternatives_of_oxygen(choice):
    default, other = Instant(), Instant(hypotheses=(("killing.oxygen", choice),))
    ratio = other["kill_hazard"] / default["kill_hazard"]
    assert (ratio > 1.05) if choice == "none" else (ratio < 0.95)
    for patient in (default, other):
        patient.set(**{f"oxygen_share_{i}": 1.0 if i == 0 else 0.0 for i in range(6)})
    assert default["kill_hazard"] < 1e-6
    assert (other["kill_hazard"] > 1e-3) if choice == "none" else (other["kill_hazard"] < 1e-4)


def test_compiled_and_plain_agree_on_every_rate():
    compiled, plain = Patient(), Instant()
    away = {"MDSC": 5000.0, "AMP": 2.0, "DAMP": 20.0, "antigen": 8.0, "CD8": 7000.0, "PDL1": 1.7, "CD8_blood": 140.0}
    push = {"hif": 0.7, "vegf_fold": 1.5, "perfusion": 0.6, "pd1_engaged": 0.8, "necrosis_flux": 3e4}
    compiled.set(**away).hold(**push)
    plain.set(**away, **push)
    assert compiled.model.layout.states == plain.layout.states
    assert np.allclose(compiled.rates(), plain.rates(), rtol=1e-11, atol=1e-9)


def test_one_gain_cuts_the_arrow_for_all_clones():
    cut = Patient(gain_pd1_on_killing=0.0)
    ratio = cut["kill_hazard"] / Patient()["kill_hazard"]
    assert ratio == pytest.approx(1 / 0.5)
    before = cut["kill_hazard"]
    assert cut.hold(pd1_engaged=0.9)["kill_hazard"] == pytest.approx(before)


def test_adaptive_resistance():
    """More killing, more interferon, more PD-L1; up to sixfold over none."""
    patient = Patient()
    assert patient["IFNg"] == pytest.approx(1.0)
    assert abs(patient.rates()[patient.model.index("states", "PDL1")]) < 1e-12
    patient.hold(pd1_engaged=0.95)
    assert patient["IFNg"] > 1.8
    patient.run(10)
    assert 1.1 < patient["PDL1"] < 2.25
    assert k.interferon_raises_pdl1(0.0, 2.0, 6.0) == 1.0
    assert k.interferon_raises_pdl1(1e9, 2.0, 6.0) == pytest.approx(6.0)
    hypoxic = Patient(gain_interferon_on_pdl1=0.0).hold(hif=0.8)
    hypoxic.run(20)
    assert hypoxic["PDL1"] == pytest.approx((1 + 0.5 * 0.8) / (1 + 0.5 * 0.35), rel=1e-3)


def test_no_tumour_left_to_kill_is_no_trouble():
    patient = Patient()
    patient.set(**dict.fromkeys(CLONES, 0.0)).hold(viable_density=0.0, viable_cells=0.0)
    assert np.isfinite(patient.rates()).all()
    assert patient["kill_hazard"] == 0.0
    assert 0.0 < patient["IFNg"] < 0.02
