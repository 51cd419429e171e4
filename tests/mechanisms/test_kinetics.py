"""Drug slots: closed forms, limits, balances, and what the liver does to clearance."""

import math

import numpy as np
import pytest
from body_model import Body, si

from tme_sim.mechanisms import kinetics
from tme_sim.therapies import dosing
from tme_sim.therapies.exposure import half_lives
from tme_sim.therapies.library import Library

DAY = dosing.TICKS_PER_DAY


def loaded(name, patient=None, **more):
    """A patient whose slot is filled with a drug of the library, the drug and its kinetics."""
    drug = Library().get(name)
    values = {n: p.internal for n, p in dosing.slot_parameters(drug, patient).items()}
    return Body(**(values | more)), drug, drug.kinetics(patient)


def total(body, slot):
    """Amount of drug in the body [mg]."""
    return sum(body[f"{slot}_{part}"] for part in ("depot", "central", "peripheral", "deep"))


def test_empty_slots_stay_exactly_empty():
    body = Body().run(30.0)
    for slot in kinetics.SLOTS:
        for part in ("depot", "central", "peripheral", "deep", "clock"):
            assert body[f"{slot}_{part}"] == 0.0
        assert body[f"{slot}_plasma"] == 0.0
    for signal in ("trap_molar", "tki_free", "tki_vegfr_blocked", "tki_antitumour", "pd1_engaged", "ctla4_engaged",
                   "chemo_regional", "chemo_kill"):
        assert body[signal] == 0.0


@pytest.mark.parametrize("slot", kinetics.SLOTS)
def test_every_slot_follows_the_two_compartment_closed_form(slot):
    CL, V1, Q, V2, dose, t = si("0.2 L/day"), si("3 L"), si("0.5 L/day"), si("2.5 L"), 1000.0, 12.5
    body = Body(rtol=1e-10, **{f"{slot}_CL": CL, f"{slot}_V1": V1, f"{slot}_Q": Q, f"{slot}_V2": V2})
    body.set(f"{slot}_central", dose)
    body.run(t)
    k10, k12, k21 = CL / V1, Q / V1, Q / V2
    s = k10 + k12 + k21
    alpha, beta = (s + math.sqrt(s * s - 4 * k10 * k21)) / 2, (s - math.sqrt(s * s - 4 * k10 * k21)) / 2
    a, b = (alpha - k21) / (alpha - beta), (k21 - beta) / (alpha - beta)
    expected = dose * (a * math.exp(-alpha * t) + b * math.exp(-beta * t))
    assert body[f"{slot}_central"] == pytest.approx(expected, rel=1e-8)


def test_gut_depot_follows_bateman_and_infusion_reaches_rate_over_clearance():
    ka, CL, V1 = 3.0, si("1 L/day"), si("4 L")
    body = Body(rtol=1e-10, tki_ka=ka, tki_CL=CL, tki_V1=V1)
    body.set("tki_depot", 10.0)
    body.run(1.3)
    k = CL / V1
    expected = 10.0 * ka / (ka - k) * (math.exp(-k * 1.3) - math.exp(-ka * 1.3))
    assert body["tki_central"] == pytest.approx(expected, rel=1e-8)
    body.set("tki_intake", 7.0)
    body.run(100.0)
    assert body["tki_plasma"] == pytest.approx(7.0 / CL, rel=1e-8)
    body.set("tki_intake", 0.0)
    body.set("tki_infusion", 7.0)
    body.run(100.0)
    assert body["tki_plasma"] == pytest.approx(7.0 / CL, rel=1e-8)


def test_nothing_is_lost_without_clearance():
    body = Body(pd1_CL=0.0, pd1_Q=si("0.8 L/day"), pd1_Q2=si("0.3 L/day"))
    body.set("pd1_depot", 50.0)
    body.set("pd1_central", 100.0)
    body.set("pd1_infusion", 20.0)
    body.run(10.0)
    assert total(body, "pd1") == pytest.approx(350.0, rel=1e-9)
    assert min(body["pd1_peripheral"], body["pd1_deep"]) > 1.0


def test_saturable_elimination_is_constant_when_full_and_first_order_when_empty():
    body = Body(pd1_CL=0.0, pd1_V1=si("3 L"), pd1_Vmax=4.0, pd1_Km=si("1.4 mg/L"))
    row = body.model.index("states", "pd1_central")
    body.set("pd1_central", 1e6)
    assert body.rates()[row] == pytest.approx(-4.0, rel=1e-5)
    body.set("pd1_central", 1e-6)
    assert body.rates()[row] == pytest.approx(-4.0 / 1.4 / 3.0 * 1e-6, rel=1e-5)


@pytest.mark.parametrize("days", [0.0, 20.0, 61.3, 400.0])
def test_clearance_drifts_as_published_while_the_clock_runs(days):
    body, _, values = loaded("durvalumab")
    body.set("pd1_on", 1.0)
    if days:
        body.run(days)
    assert body["pd1_clock"] == pytest.approx(days, abs=1e-9)
    body.set("pd1_central", 100.0)
    row = body.model.index("states", "pd1_central")
    outflow = -body.rates()[row] - values.Q1 / values.V1 * 100.0
    assert outflow == pytest.approx(values.clearance(days) / values.V1 * 100.0, rel=1e-9)
    body.set("pd1_on", 0.0)
    body.run(5.0)
    assert body["pd1_clock"] == pytest.approx(days, abs=1e-9)


@pytest.mark.parametrize(("name", "low", "high"), [("bevacizumab", 17.0, 21.0), ("pembrolizumab", 19.0, 27.0),
                                                   ("nivolumab", 17.0, 22.0), ("durvalumab", 13.0, 15.0)])
def test_terminal_half_lives_of_antibodies(name, low, high):
    body, drug, values = loaded(name)
    slot = drug.slot
    body.set(f"{slot}_central", 1000.0)
    body.run(60.0)
    before = body[f"{slot}_central"]
    body.run(10.0)
    seen = 10.0 * math.log(2.0) / math.log(before / body[f"{slot}_central"])
    assert seen == pytest.approx(half_lives(values)[-1], rel=1e-3)
    assert low < seen < high


def test_pharmacology_of_the_signals():
    body, _, values = loaded("lenvatinib")
    body.set("tki_intake", 12.0 * values.F)
    body.run(60.0)
    assert body.shown("tki_free") == pytest.approx(2.7, abs=0.4)  # nmol/L, average at 12 mg daily
    free, half = body["tki_free"], si("5.1 nmol/L")
    assert body["tki_vegfr_blocked"] == pytest.approx(free / (free + half), rel=1e-12)
    assert 0.0 < body["tki_antitumour"] < body.par[body.model.index("parameters", "tki_direct_max")]
    body, _, values = loaded("pembrolizumab")
    body.set("pd1_central", si("0.535 mg/L") * values.V1)
    assert body["pd1_engaged"] == pytest.approx(0.5, rel=1e-9)
    body.set("pd1_central", 200.0)
    assert body["pd1_engaged"] > 0.98
    body, _, values = loaded("bevacizumab")
    body.set("trap_central", si("231 mg/L") * values.V1)
    assert body.shown("trap_molar") == pytest.approx(1550.0, rel=0.01)  # nmol/L, average at 15 mg/kg every 3 weeks


def test_arterial_infusion_raises_the_tumour_and_spares_the_rest():
    def steady(held):
        body, _, _ = loaded("fluorouracil")
        body.set(held, 2400.0)
        return body.run(3.0)

    vein, artery = steady("chemo_infusion"), steady("chemo_arterial")
    assert artery["chemo_plasma"] == pytest.approx((1 - 0.78) * vein["chemo_plasma"], rel=1e-6)
    assert artery["chemo_regional"] == pytest.approx(3.9 * vein["chemo_regional"], rel=1e-6)
    assert vein["chemo_regional"] == pytest.approx(vein["chemo_plasma"], rel=1e-12)
    assert vein["chemo_kill"] < artery["chemo_kill"] < 0.5


def test_a_failing_liver_changes_clearance_by_the_published_power():
    body, _, _ = loaded("pembrolizumab", pd1_Q=0.0)
    row = body.model.index("states", "pd1_central")
    body.set("pd1_central", 100.0)
    before = body.rates()[row]
    body.set("albi_permanent", 0.4)
    ratio = body["albumin"] / body.par[body.model.index("parameters", "albumin_base")]
    assert ratio < 0.93
    assert body.rates()[row] / before == pytest.approx(ratio**-0.907, rel=1e-4)
    cut, _, _ = loaded("pembrolizumab", pd1_Q=0.0, gain_liver_on_pd1_clearance=0.0)
    cut.set("pd1_central", 100.0)
    cut.set("albi_permanent", 0.4)
    assert cut.rates()[row] == pytest.approx(before, rel=1e-12)


def test_lenvatinib_clears_more_slowly_in_class_b():
    body, _, _ = loaded("lenvatinib", tki_Q=0.0, tki_Q2=0.0)
    row = body.model.index("states", "tki_central")
    body.set("tki_central", 1.0)
    before, points = body.rates()[row], body["child_pugh"]
    body.set("albi_permanent", 0.9)
    gained = body["child_pugh"] - points
    assert gained > 0.9
    assert body.rates()[row] / before == pytest.approx(0.872 ** (gained / dosing.POINTS_A_TO_B), rel=1e-4)


def test_the_arrow_of_the_liver_is_close_to_an_exponential_and_never_negative():
    for x in np.linspace(-1.0, 1.0, 41):
        assert kinetics.liver_changes_clearance(1.0, x, 0.0, 0.0) == pytest.approx(math.exp(x), rel=2e-3)
    for x in np.linspace(-50.0, 50.0, 1001):
        assert kinetics.liver_changes_clearance(0.0, 0.0, 1.0, x) > 0.0


def test_repeated_infusions_of_the_calendar_reach_the_published_average():
    body, drug, values = loaded("bevacizumab")
    jumps = []
    for n in range(20):
        jumps += dosing.dose(drug, values, 1050.0, 21 * DAY * n, infusion=si("90 min"))
    body.give(jumps, 19 * 21 * DAY)
    start = body.time
    samples = [body["trap_plasma"]]
    for tick in range(19 * 21 * DAY + DAY // 8, 20 * 21 * DAY + 1, DAY // 8):
        body.give([j for j in jumps if j.tick > round(body.time * DAY)], tick)
        samples.append(body["trap_plasma"])
    mean = np.trapezoid(samples, dx=0.125) / (body.time - start)
    assert mean == pytest.approx(1050.0 / values.CL / 21.0, rel=0.01)


def test_averaged_and_resolved_tablets_have_the_same_mean():
    body, drug, values = loaded("lenvatinib")
    jumps = [j for n in range(12) for j in dosing.dose(drug, values, 12.0, n * DAY)]
    body.give(jumps, 11 * DAY)
    samples, peak = [body["tki_plasma"]], 0.0
    for tick in range(11 * DAY + 20, 12 * DAY + 1, 20):
        body.give([j for j in jumps if j.tick > round(body.time * DAY)], tick)
        samples.append(body["tki_plasma"])
        peak = max(peak, samples[-1])
    resolved = np.trapezoid(samples, dx=1.0 / 72.0)
    smooth, drug, values = loaded("lenvatinib")
    smooth.give(dosing.averaged(drug, values, 12.0, 1.0, 0, 40 * DAY), 12 * DAY)
    assert resolved == pytest.approx(smooth["tki_plasma"], rel=0.01)
    assert peak > 2.0 * smooth["tki_plasma"]
