"""From necrosis to blood: limits, rest, dates of the peaks, saturation, and that the way of dying matters."""

from math import log2

import numpy as np
import pytest
from immune_stub import DENSITY, VOLUME, Instant, Patient, embolise

from tme_sim.mechanisms import antigen as a

CHAIN = ("DAMP", "DC_node", "CD8_blood", "CD8")


@pytest.fixture(scope="module")
def pulse():
    """Half the lesion dies within two days and nothing else changes: times, values relative to untreated."""
    times, values = embolise(Patient(), watch=(*CHAIN, "DC"), perfusion=1.0, hif=0.35, vegf=1.0)
    return times, {name: v / v[0] for name, v in values.items()}


def test_limits_of_maturation():
    assert a.mature(1.5, 0.0, 5.0) == 0.0
    assert a.mature(1.5, 5.0, 5.0) == pytest.approx(0.75)
    assert a.mature(1.5, 1e9, 5.0) == pytest.approx(1.5)
    for law in (a.vegf_keeps_immature, a.adenosine_keeps_immature):
        assert law(1.0, 1.0) == 1.0
        assert law(3.0, 1.0) < 1.0 < law(0.2, 1.0) < 2.0
    assert a.atp_alarms(1.0, 1.0) == 1.0
    assert a.atp_alarms(9.0, 1.0) == pytest.approx(1.8)


def test_node_has_room_for_so_many():
    assert a.enter_node(1e6, 5e3, 3600.0, 3600.0) == 0.0
    assert a.node_at_rest(1e12, 5e3, 3600.0, 0.25) == pytest.approx(3600.0, rel=1e-3)
    few = a.node_at_rest(1e3, 5e3, 3600.0, 0.25)
    assert few == pytest.approx(1e3 / 5e3 / 0.25, rel=1e-3)


def test_untreated_chain_rests():
    patient = Patient()
    rates = dict(zip(patient.model.state_names, patient.rates(), strict=True))
    names = ("debris.1", "DAMP.1", "antigen.1", "DC.1", "DC_mature.1", "DC_node", "T_activated", "CD8_blood")
    for name in (*names, *a.DIVIDING):
        level = patient.y[patient.model.state_names.index(name)]
        assert abs(rates[name]) < 1e-12 * level


def test_priming_needs_a_plausible_number_of_divisions_and_cells():
    """Five to fourteen divisions (Marchingo 2014); 5e6 to 1e8 effectors a day sustain the tumour's CD8."""
    patient = Patient()
    assert 5.0 < log2(patient["burst_size"]) < 14.0
    supplied = patient["rate_primed_leaving"] * patient.solved("cd8_yield") * 5e6
    assert 5e6 < supplied < 1e8
    assert patient.solved("cd8_supply") == pytest.approx(supplied / 5e6, rel=0.05)  # priming_share is one half


def test_dates_of_the_peaks(pulse):
    """No observed dates exist; these are the ranges of the design's own check of published rates."""
    times, relative = pulse
    dates = {name: times[values.argmax()] for name, values in relative.items()}
    assert 1.0 <= dates["DAMP"] <= 3.0
    assert 2.0 <= dates["DC_node"] <= 6.0
    assert 11.0 <= dates["CD8_blood"] <= 18.0
    assert 14.0 <= dates["CD8"] <= 24.0


def test_sizes_of_the_peaks_are_modest(pulse):
    _, relative = pulse
    assert relative["DAMP"].max() > 20
    assert 1.5 < relative["DC_node"].max() < 5
    assert 1.1 < relative["CD8_blood"].max() < 2
    assert 1.1 < relative["CD8"].max() < 2
    assert relative["DC"].min() < 0.7  # the immature pool is used up, which limits the pulse


def test_the_way_of_dying_matters():
    """The same number of cells in two days: necrosis alarms, apoptosis hardly."""
    def node(**flux):
        patient = Patient()
        patient.hold(**flux)
        patient.run(2)
        return patient["DC_node"] / 433.46

    lost = DENSITY / 4
    assert node(necrosis_flux=lost) > 2.0
    assert node(apoptosis_flux=lost) < 0.6 * node(necrosis_flux=lost)
    quiet = Patient(w_apop=0.0).hold(apoptosis_flux=lost)
    quiet.run(2)
    assert quiet["DAMP"] == pytest.approx(1.0, abs=1e-6)


def test_antigen_is_gone_two_days_after_the_last_death():
    patient = Patient().hold(necrosis_flux=DENSITY / 4)
    patient.run(2)
    peak = patient["antigen"]
    patient.hold(necrosis_flux=500.0).run(3)
    assert patient["antigen"] < 0.15 * peak


def test_ctla4_block_and_fewer_treg_raise_priming():
    patient = Patient()
    before = patient["rate_priming"]
    patient.hold(ctla4_engaged=1.0)
    assert patient["rate_priming"] == pytest.approx(2.5 * before)
    patient.hold(ctla4_engaged=0.0)
    patient.set(Treg_blood=0.5)
    assert patient["rate_priming"] == pytest.approx(before * 2 / 1.5)


def test_vegf_block_lets_dendritic_cells_mature():
    patient = Patient()
    before = patient["rate_dc_maturing"]
    assert patient.hold(vegf_fold=0.4)["rate_dc_maturing"] == pytest.approx(before * 2 / 1.4)
    cut = Patient(gain_vegf_on_dc_maturation=0.0).hold(vegf_fold=0.4)
    assert cut["rate_dc_maturing"] == pytest.approx(before)


def test_what_leaves_the_blood_for_tumours_is_what_enters_them():
    patient = Instant(n_lesions=2)
    entering = (patient["rate_cd8_entering"] + patient["rate_cd8_stem_entering"]) * VOLUME * 2
    assert patient["cd8_homing"] == pytest.approx(entering)
    assert patient["rate_cd8_settling"] == pytest.approx(entering / 5e6)


def test_a_body_without_tumour_rests():
    patient = Patient(present=0.0)
    assert patient["DC_node"] == 0.0
    assert np.abs(patient.rates()).max() < 1e-9
    assert patient.solved("cd8_supply") == pytest.approx(0.2 * 100)
