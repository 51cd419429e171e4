"""From library entries to slot values and calendar jumps."""

import math

import pytest

from tme_sim.mechanisms import kinetics
from tme_sim.quantities import internal
from tme_sim.therapies import dosing
from tme_sim.therapies.library import Library

DAY = dosing.TICKS_PER_DAY
LIBRARY = Library()


def given_by(jumps):
    """Amount [mg] that jumps bring in, by target, from immediate additions and from rates over their ticks."""
    amounts, running = {}, {}
    for jump in sorted(jumps, key=lambda j: (j.tick, j.order)):
        for row in jump.rows:
            if row.target.endswith(("infusion", "intake", "arterial")):
                rate, since = running.get(row.target, (0.0, jump.tick))
                amounts[row.target] = amounts.get(row.target, 0.0) + rate * (jump.tick - since) / DAY
                new = row.constant if row.source else rate + row.constant
                running[row.target] = (new, jump.tick)
            elif not row.target.endswith("_on"):
                amounts[row.target] = amounts.get(row.target, 0.0) + row.constant
    assert all(rate == 0.0 for rate, _ in running.values())
    return amounts


@pytest.mark.parametrize("name", LIBRARY.names())
def test_every_drug_fills_its_slot_with_the_library_s_own_values(name):
    drug = LIBRARY.get(name)
    values, found = drug.kinetics(), dosing.slot_parameters(drug)
    slot = drug.slot
    declared = {p.name: p for p in kinetics.MECHANISM.parameters if p.name.startswith(f"{slot}_")}
    assert set(found) == set(declared)
    for field, own in dosing.FLOWS.items():
        p = found[f"{slot}_{own}"]
        if field in drug.disposition:
            assert p.internal == pytest.approx(getattr(values, field), rel=1e-12)
            assert (p.source, p.grade) == (drug.disposition[field].source, drug.disposition[field].grade)
        else:
            assert p == declared[p.name]


def test_covariates_reach_the_slot_and_widen_nothing_else():
    drug = LIBRARY.get("bevacizumab")
    light, heavy = (dosing.slot_parameters(drug, {"weight": f"{w} kg"}) for w in (50, 100))
    assert heavy["trap_CL"].value / light["trap_CL"].value == pytest.approx(2**0.589)
    assert heavy["trap_V1"].value / light["trap_V1"].value == pytest.approx(2**0.47)
    assert heavy["trap_CL_albumin"] == light["trap_CL_albumin"]
    assert heavy["trap_CL"].low <= heavy["trap_CL"].value <= heavy["trap_CL"].high


@pytest.mark.parametrize("name", LIBRARY.names())
def test_a_patient_s_slot_is_the_same_from_that_of_the_typical_patient(name):
    drug = LIBRARY.get(name)
    typical = dosing.slot_parameters(drug)
    for given in ({}, {"weight": "48 kg", "albumin": "31 g/L", "sex": "female", "child_pugh": "B"}):
        one = dosing.slot_parameters(drug, given)
        assert dosing.slot_parameters(drug, given, typical=typical) == one and list(one) == list(typical)


def test_liver_effects_come_from_the_covariates_of_clearance():
    assert dosing.slot_parameters(LIBRARY.get("pembrolizumab"))["pd1_CL_albumin"].value == pytest.approx(-0.907)
    lenvatinib = dosing.slot_parameters(LIBRARY.get("lenvatinib"))
    assert math.exp(dosing.POINTS_A_TO_B * lenvatinib["tki_CL_child_pugh"].value) == pytest.approx(0.872)
    assert lenvatinib["tki_CL_albumin"].value == 0.0


def test_engagement_falls_back_to_affinity_times_molar_mass():
    drug = LIBRARY.get("durvalumab")
    found = dosing.slot_parameters(drug)["pd1_EC50"]
    assert found.internal == pytest.approx(drug.binding["affinity"].internal * drug.molar_mass.internal, rel=1e-12)
    assert found.unit == "mg/L" and found.grade == drug.binding["affinity"].grade
    assert dosing.slot_parameters(LIBRARY.get("pembrolizumab"))["pd1_EC50"].value == 0.535


def test_largest_block_is_offered_only_where_it_is_declared():
    drug = LIBRARY.get("lenvatinib")
    empty = next(p for p in kinetics.MECHANISM.parameters if p.name == "tki_free_share")
    found = dosing.block_parameters(drug, {"Bmax_tki": empty})
    assert found["Bmax_tki"].value == drug.effect["maximal_vegf_block"].value
    assert found["Bmax_tki"].physical == (0.0, 1.0)  # of what it replaces, as the library tells no bounds of its own
    assert dosing.block_parameters(drug, {}) == {}
    assert dosing.block_parameters(LIBRARY.get("nivolumab"), {"Bmax_tki": empty}) == {}


def test_bolus_and_infusion_give_the_dose_once():
    drug = LIBRARY.get("pembrolizumab")
    values = drug.kinetics()
    bolus = dosing.dose(drug, values, 200.0, 7 * DAY)
    assert [j.tick for j in bolus] == [7 * DAY]
    assert given_by(bolus) == {"pd1_central": 200.0}
    infusion = dosing.dose(drug, values, 200.0, 7 * DAY, infusion=internal("30 min"))
    assert [j.tick for j in infusion] == [7 * DAY, 7 * DAY + 30]
    assert given_by(infusion)["pd1_infusion"] == pytest.approx(200.0, rel=1e-15)
    assert any(row == dosing.set_to("pd1_on", 1.0) for row in infusion[0].rows)
    assert not any(row.target == "pd1_on" for row in infusion[1].rows)


def test_tablets_release_as_the_library_says():
    lenvatinib = LIBRARY.get("lenvatinib")
    values = lenvatinib.kinetics()
    jumps = dosing.dose(lenvatinib, values, 12.0, 0)
    assert given_by(jumps) == {"tki_intake": pytest.approx(12.0 * values.F, rel=1e-15)}
    assert jumps[1].tick == round(values.zero_order_duration * DAY)
    brivanib = LIBRARY.get("brivanib")
    assert given_by(dosing.dose(brivanib, brivanib.kinetics(), 800.0, 0)) == {"tki_depot": pytest.approx(800.0 * 0.839)}


def test_arterial_doses_go_through_the_liver_and_overlap_on_demand():
    drug = LIBRARY.get("fluorouracil")
    values = drug.kinetics()
    bolus = dosing.dose(drug, values, 700.0, 0, route="hepatic_artery")
    assert [j.tick for j in bolus] == [0, 1]
    long = dosing.dose(drug, values, 4000.0, 0, route="hepatic_artery", infusion=1.0, overlapping=True)
    short = dosing.dose(drug, values, 700.0, 60, route="hepatic_artery", infusion=internal("10 min"), overlapping=True)
    running = 0.0
    for jump in sorted([*long, *short], key=lambda j: (j.tick, j.order)):
        running += next(row.constant for row in jump.rows if row.target == "chemo_arterial")
        if jump.tick == 60:
            assert running == pytest.approx(4000.0 + 700.0 * 144.0)
    assert running == pytest.approx(0.0, abs=1e-9)
    oxaliplatin = LIBRARY.get("oxaliplatin")
    given = given_by(dosing.dose(oxaliplatin, oxaliplatin.kinetics(), 200.0, 0, route="hepatic_artery", infusion=0.1))
    assert given["chemo_arterial"] == pytest.approx(200.0 * 0.491, rel=1e-12)


def test_an_infusion_that_ends_does_so_before_the_next_begins():
    drug = LIBRARY.get("fluorouracil")
    values = drug.kinetics()
    first = dosing.dose(drug, values, 700.0, 0, infusion=internal("10 min"))
    second = dosing.dose(drug, values, 4000.0, 10, infusion=1.0)
    order = sorted([*first, *second], key=lambda j: (j.tick, j.order))
    at_ten = [j for j in order if j.tick == 10]
    assert at_ten[0] is first[1] and at_ten[1] is second[0]
    assert sum(given_by([*first, *second]).values()) == pytest.approx(4700.0, rel=1e-15)


def test_averaged_tablets():
    drug = LIBRARY.get("lenvatinib")
    values = drug.kinetics()
    jumps = dosing.averaged(drug, values, 8.0, 2.0, 0, 10 * DAY)
    assert given_by(jumps) == {"tki_intake": pytest.approx(40.0 * values.F)}


@pytest.mark.parametrize(("name", "milligrams", "more", "message"), [
    ("pembrolizumab", 0.0, {}, "positive amount"),
    ("pembrolizumab", math.nan, {}, "positive amount"),
    ("pembrolizumab", 200.0, {"infusion": -1.0}, "positive"),
    ("pembrolizumab", 200.0, {"route": "oral"}, "absorption"),
    ("pembrolizumab", 200.0, {"route": "hepatic_artery"}, "hepatic artery"),
    ("pembrolizumab", 200.0, {"route": "nasal"}, "not known"),
    ("lenvatinib", 12.0, {"infusion": 0.1}, "no infusion time"),
])
def test_impossible_doses_are_refused(name, milligrams, more, message):
    drug = LIBRARY.get(name)
    with pytest.raises(ValueError, match=message):
        dosing.dose(drug, drug.kinetics(), milligrams, 0, **more)


def test_impossible_averages_are_refused():
    drug = LIBRARY.get("lenvatinib")
    with pytest.raises(ValueError, match="span"):
        dosing.averaged(drug, drug.kinetics(), 12.0, 1.0, 10, 10)
    with pytest.raises(ValueError, match="mouth"):
        dosing.averaged(LIBRARY.get("nivolumab"), LIBRARY.get("nivolumab").kinetics(), 240.0, 14.0, 0, 10)


def test_a_drug_is_given_by_routes_that_it_can_take():
    routes = {name: LIBRARY.get(name).routes for name in ("durvalumab", "lenvatinib", "doxorubicin", "fluorouracil")}
    assert routes["durvalumab"] == ("intravenous",) and routes["lenvatinib"] == ("oral", "intravenous")
    assert routes["doxorubicin"] == ("hepatic_artery", "intravenous")
    assert routes["fluorouracil"] == ("intravenous", "hepatic_artery")
    for name in LIBRARY.names():
        drug = LIBRARY.get(name)
        for route in drug.routes:
            assert dosing.dose(drug, drug.kinetics(), 10.0, 0, route=route), (name, route)
