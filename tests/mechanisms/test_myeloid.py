"""Suppressor cells and macrophages: rest, turnover, resection, embolisation, and the registered alternatives."""

import numpy as np
import pytest
from immune_stub import DENSITY, VOLUME, Instant, Patient, embolise

from tme_sim.mechanisms import myeloid as m


def test_amp_effects_are_neutral_untreated_and_monotone():
    assert m.amp_holds_back(1.0, 1.0, 0.6) == 1.0
    assert m.amp_holds_back(0.0, 1.0, 0.6) > 1.0 > m.amp_holds_back(5.0, 1.0, 0.6) > 0.4 / 0.7 - 1e-9
    assert m.amp_recruits(1.0, 1.0, 3.0) == 1.0
    assert m.amp_recruits(5.0, 1.0, 3.0) > 1.0 > m.amp_recruits(0.0, 1.0, 3.0)


def test_marrow_answers_to_tumour_with_a_healthy_floor():
    def output(signal):
        return m.marrow_response(1.0, 0.15, signal, 1e10, 1e6, 1.0)

    assert output(1e10) == pytest.approx(1.0, rel=1e-4)
    assert output(0.0) == 0.15
    assert output(0.5e10) > 0.65  # half the tumour leaves well over half of the output
    assert output(1e12) < 0.15 + 0.85 * 2


def test_rest_and_one_influx_that_balances_loss():
    patient = Patient()
    rates = dict(zip(patient.model.state_names, patient.rates(), strict=True))
    for name in ("MDSC.1", "TAM.1", "MDSC_blood", "MDSC_marrow"):
        assert abs(rates[name]) < 1e-12 * 3000
    assert patient["rate_mdsc_entering"] == pytest.approx(0.1 * 3000)
    assert patient["rate_monocytes_entering"] == pytest.approx(400 - 240 * 0.5 * 400 / (400 + 0.5 * 240))


def test_no_draw_of_turnover_needs_monocytes_to_leave():
    for differentiation in (1e-3, 0.1, 10.0):
        share = m.macrophages_of(0.5, 0.05, 8000.0, differentiation * 3000)
        assert 0.0 < share <= 0.5
        assert share * differentiation * 3000 < 0.05 * 8000


def test_blood_falls_to_a_fifth_a_month_after_resection():
    """Observed in patients with much MDSC: 7.75 -> 1.51 % (PMC6381172)."""
    patient = Patient().hold(active=0.0)
    patient.run(30)
    assert 0.12 < patient["MDSC_blood"] / 185 < 0.25


def test_embolisation_does_not_clear_suppressor_cells():
    """No significant fall after conventional treatment (PMC6886785: SMD -0.25, -0.57 to 0.06)."""
    patient = Patient()
    times, values = embolise(patient, watch=("MDSC", "MDSC_blood"))
    month = np.searchsorted(times, 30.0)
    for name in ("MDSC", "MDSC_blood"):
        assert 0.6 < values[name][month] / values[name][0] < 1.1


def test_hypoxia_raises_suppressor_cells_slowly():
    patient = Patient().hold(hif=0.8)
    times, values = patient.run(60, watch=("MDSC",))
    rise = values["MDSC"] / 3000 - 1
    assert 0.4 < rise[-1] < 2.0
    assert rise[times.searchsorted(3.0)] < 0.4 * rise[-1]


def test_amp_arrow_carries_part_of_it():
    full = Patient().hold(hif=0.8)
    cut = Patient(gain_amp_on_mdsc_differentiation=0.0).hold(hif=0.8)
    for patient in (full, cut):
        patient.run(60)
    assert full["MDSC"] > 1.08 * cut["MDSC"]


@pytest.mark.parametrize("choice", ["recruitment", "both"])
def test_alternatives_of_amp(choice):
    lesion = Instant(hypotheses=(("mdsc.amp", choice),))
    assert np.abs(lesion.rates()[lesion.layout.index(lesion.layout.states, "MDSC")]) < 1e-9
    lesion.set(AMP=3.0)
    before, entering = 0.08 * 3000, 0.1 * 3000
    assert lesion["rate_mdsc_entering"] > 1.1 * entering
    if choice == "recruitment":
        assert lesion["rate_mdsc_differentiating"] == pytest.approx(before)
    else:
        assert lesion["rate_mdsc_differentiating"] < 0.95 * before


@pytest.mark.parametrize(("choice", "days"), [("default", 10.0), ("slow_turnover", 66.7), ("fast_turnover", 10 / 3)])
def test_turnover_sets_the_pace(choice, days):
    values = {h.choice: h.values for h in m.MECHANISM.hypotheses if h.slot == "mdsc.loss"}.get(choice, {})
    patient = Patient(**{name: p.internal for name, p in values.items()})
    assert patient["MDSC"] == 3000
    patient.hold(perfusion=0.0).run(days)
    assert patient["MDSC"] / 3000 == pytest.approx(np.exp(-1), rel=0.04)  # AMP drifts a little meanwhile


def test_vegf_block_lowers_entry():
    patient = Patient().hold(vegf_fold=0.3)
    assert patient["rate_mdsc_entering"] < 0.9 * 300


def test_dead_tissue_draws_macrophages():
    patient = Patient()
    untreated = patient["rate_monocytes_entering"]
    assert 2.0 < patient.set(DAMP=50.0)["rate_monocytes_entering"] / untreated < 4.0


def test_interleukin_6_drives_the_marrow():
    assert m.inflammation_drives_marrow(1.0, 7.0, 1.5) == 1.0
    assert m.inflammation_drives_marrow(8.0, 7.0, 1.5) == pytest.approx(1.25)


def test_signal_sums_over_lesions():
    two = Instant(n_lesions=2)
    assert two["tumour_signal"] == pytest.approx(2 * DENSITY * VOLUME * 1.35)
