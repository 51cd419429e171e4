"""ENTPD2, ATP, AMP and adenosine: limits of the laws, rest, and what hypoxia and ischaemia do."""

import numpy as np
import pytest
from immune_stub import DENSITY, Patient

from tme_sim.mechanisms import purinergic as p


def test_entpd2_is_michaelis_menten_around_the_untreated_level():
    flux = [p.split_atp(12.0, 1.0, atp, 0.5) * atp for atp in (1.0, 10.0, 1e6)]
    assert flux[0] == pytest.approx(12.0)
    assert flux[0] < flux[1] < flux[2] < 12.0 * 1.5 + 1e-9
    assert p.split_atp(12.0, 3.0, 1.0, 0.5) == pytest.approx(36.0)


def test_adenosine_follows_cd73_and_saturates():
    assert p.adenosine_level(1.0, 1.0) == 1.0
    assert p.adenosine_level(0.0, 1.0) == 0.0
    assert p.adenosine_level(1e9, 1.0) == pytest.approx(2.0)


def test_living_tissue_keeps_its_atp_until_few_cells_are_left():
    full, half, none = (p.leak_atp(1.0, 0.005, 2e5, density, 2e4) for density in (2e5, 1e5, 0.0))
    assert half / full > 0.85
    assert none == 0.0


def test_untreated_levels_are_one_and_rest():
    patient = Patient()
    for name in ("ENTPD2", "ATP", "AMP", "adenosine"):
        assert patient[name] == pytest.approx(1.0, abs=1e-12)
    rates = dict(zip(patient.model.state_names, patient.rates(), strict=True))
    for name in ("ENTPD2.1", "ATP.1", "AMP.1"):
        assert abs(rates[name]) < 1e-12 * 24


def test_hypoxia_raises_entpd2_within_days_and_amp_with_it():
    patient = Patient().hold(hif=0.8)
    times, values = patient.run(20, watch=("ENTPD2", "ATP", "AMP"))
    fold = (1 + 2 * 0.8) / (1 + 2 * 0.35)
    assert values["ENTPD2"][-1] == pytest.approx(fold, rel=1e-4)
    one_time_constant = np.interp(1 / 0.7, times, values["ENTPD2"])
    assert (one_time_constant - 1) / (fold - 1) == pytest.approx(1 - np.exp(-1), abs=5e-3)
    assert values["AMP"][-1] > 1.5
    assert 1.0 < patient["adenosine"] < 2.0


def test_cut_arrow_leaves_entpd2_alone():
    patient = Patient(gain_hypoxia_on_entpd2=0.0).hold(hif=0.9)
    _, values = patient.run(10, watch=("ENTPD2",))
    assert np.abs(values["ENTPD2"] - 1).max() < 1e-9


def test_without_entpd2_atp_rises_and_amp_falls():
    """Two effects of a block: more alarm, less calm."""
    patient = Patient().set(ENTPD2=0.0)
    assert patient.rates()[patient.model.index("states", "ATP")] == pytest.approx(12.0)
    assert patient.rates()[patient.model.index("states", "AMP")] < -10.0


def test_ischaemic_death_releases_a_tenth_of_what_plain_lysis_would():
    def first_rise(share):
        patient = Patient(ischaemic_atp=share)
        per_cell = patient.solved("atp_per_cell")
        patient.hold(necrosis_flux=DENSITY / 4)
        return patient.rates()[patient.model.index("states", "ATP")] / per_cell

    assert first_rise(0.1) == pytest.approx(first_rise(1.0) / 10, rel=1e-6)


def test_atp_burst_of_an_embolisation_is_over_in_a_day_after_the_last_death():
    patient = Patient().hold(necrosis_flux=DENSITY / 4)
    patient.run(2)
    assert 3.0 < patient["ATP"] < 30.0
    patient.hold(necrosis_flux=500.0).run(1)
    assert patient["ATP"] == pytest.approx(1.0, abs=0.02)
