"""Portal vein invasion and death: hazards with the sizes they were derived from."""

import math

import pytest

from tme_sim.mechanisms.fate import MECHANISM, die_of_liver, die_of_tumour, has_invaded, invade, size_of, weigh

P = {p.name: p.internal for p in MECHANISM.parameters}
GROWTH = math.log(2.0) / 160.0


def relative(diameter):
    return (diameter / 50.0) ** 3


def grown_hazard(diameter, **changes):
    """Cumulative hazard of a lesion that has grown to its size without treatment: the integral of the law over volume."""
    values = {"extrahepatic": 0.0, "capsule": 0.0} | changes
    rate = invade(P["invasion_at_size"], P["invasion_size"], relative(diameter), GROWTH, **values,
                  capsule_guard=P["capsule_guard"])
    return rate / (P["invasion_size"] * GROWTH)


@pytest.mark.parametrize(("diameter", "prevalence"), [(35.0, 0.137), (120.0, 0.564)])
def test_share_with_invasion_by_diameter(diameter, prevalence):
    """13.7 % below 5 cm and 56.4 % above 10 cm (DOI 10.1155/2018/3120185), the middles of the groups taken by us."""
    assert 1.0 - math.exp(-grown_hazard(diameter)) == pytest.approx(prevalence, rel=0.05)


def test_capsule_and_place_guard():
    assert grown_hazard(50.0, capsule=1.0) == pytest.approx(0.5 * grown_hazard(50.0))
    assert grown_hazard(50.0, extrahepatic=1.0) == 0.0


def test_reference_lesion_has_size_one():
    assert size_of(P["fate_volume"] * 2e5, 2e5, 0.0, P["fate_volume"]) == 1.0
    assert weigh(8.0, 2 / 3) == pytest.approx(4.0)


def test_liver_deaths_by_stage_of_cirrhosis():
    """About 2 % a year at ALBI -2.9, above a third at -1.1, and a bound for a liver that has failed."""
    def yearly(albi):
        rate = die_of_liver(P["death_liver"], P["death_liver_most"], P["death_slope"], albi, P["fate_albi"])
        return 1.0 - math.exp(-365.0 * rate)

    assert yearly(-2.9) == pytest.approx(0.02, abs=0.005) and 0.4 < yearly(-1.1) < 0.6
    worst = die_of_liver(P["death_liver"], P["death_liver_most"], P["death_slope"], 500.0, P["fate_albi"])
    assert worst == pytest.approx(P["death_liver_most"])


def test_invasion_multiplies_the_tumour_s_hazard():
    quiet, invaded = (die_of_tumour(P["death_tumour"], 1.0, p, P["invasion_death"]) for p in (0.0, 1.0))
    assert invaded / quiet == pytest.approx(P["invasion_death"])
    assert has_invaded(0.0, 0.0) == 0.0 and has_invaded(1.0, 0.0) == 1.0
    assert has_invaded(0.0, math.log(2.0)) == pytest.approx(0.5)


def test_untreated_seven_centimetres_with_a_good_liver_live_about_fifteen_months():
    """Median of the untreated course: 70 mm, doubling in 160 days, ALBI grade 1."""
    hazard, day = 0.0, 0
    invasion = 0.0
    while hazard < math.log(2.0):
        size = relative(70.0) * math.exp(GROWTH * day)
        invasion += invade(P["invasion_at_size"], P["invasion_size"], size, GROWTH, 0.0, 0.0, P["capsule_guard"])
        hazard += die_of_tumour(P["death_tumour"], weigh(size, P["death_size"]), has_invaded(0.0, invasion),
                                P["invasion_death"])
        hazard += die_of_liver(P["death_liver"], P["death_liver_most"], P["death_slope"], -2.6, P["fate_albi"])
        hazard += P["death_other"]
        day += 1
    assert 12.0 < day / 30.4375 < 20.0
