"""Every drug's kinetics against published half-lives, peaks, troughs, exposures and accumulation.

The figures stand in the [published] tables of the drug files, each with its source and tolerance; docs/drugs.md shows
them beside ours and is written by `python tests/therapies/test_published_kinetics.py`.
"""

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from tme_sim.quantities import internal, to_display
from tme_sim.therapies.drug import Kinetics
from tme_sim.therapies.exposure import computed, half_lives, repeated_doses
from tme_sim.therapies.library import Library

LIBRARY = Library()
RELATIVE_ONLY = {"orantinib": "Emax"}  # no absolute exposure could be read, so only its drift is checked
ROWS = [(name, i) for name in LIBRARY.names() for i in range(len(LIBRARY.get(name).published))]


def ratio(drug, row):
    """Computed over published."""
    return computed(drug, row) / row.value.value


PAGE = Path(__file__).parents[2] / "docs" / "drugs.md"
HEAD = """# Kinetics of the drugs

Published half-lives, peaks, troughs, exposures and accumulation of every drug of the library, and what its kinetics give for
the same patient, dose and day. They are input checks: most rows were known when the values were chosen. A row beyond its
tolerance fails the tests. Values, covariates and sources stand in `src/tme_sim/therapies/drugs/NAME.toml`;
`tme-sim describe` tells how drugs act, and [CONTRIBUTING](contributing.md) how to add one.

Accumulation is steady state over first dose. Of apatinib and tremelimumab only half-lives could be read, of orantinib
only accumulation; that of brivanib is recalled, and that of sintilimab is the middle of its class.

| drug | figure | published | ours | unit | tolerance | source |
|---|---|---|---|---|---|---|
"""
WORDS = {
    "half_life": "half-life", "half_life_between": "half-life", "clearance": "clearance", "steady_volume": "steady volume",
    "peak": "peak", "trough": "trough", "auc": "area under the curve", "accumulation_auc": "accumulation, area",
    "accumulation_peak": "accumulation, peak", "accumulation_trough": "accumulation, trough",
}  # fmt: skip


@cache
def found_for(name, i):
    drug = LIBRARY.get(name)
    return computed(drug, drug.published[i])


def figure_of(row):
    """A published figure in words."""
    words = [WORDS[row.quantity]]
    if row.phase:
        words.append(f"phase {row.phase}")
    if row.window:
        words.append(f"day {row.window[0]:g} to {row.window[1]:g}")
    if row.dose:
        milligrams = row.dose.milligrams(internal("70 kg"), internal("1.8 m^2"))
        every = f" every {row.dose.interval:g} d" if math.isfinite(row.dose.interval) else ""
        words.append(f"{to_display(milligrams, 'mg'):.4g} mg{every}" + (f", dose {row.doses}" if every else ""))
    if row.at == "end":
        words.append("late")
    return ", ".join([*words, *(f"{k.replace('_', ' ')} {v}" for k, v in row.conditions.items())])


def page():
    """The text of docs/drugs.md."""
    lines = []
    for name, i in ROWS:
        row = LIBRARY.get(name).published[i]
        unit = "" if row.value.unit == "1" else row.value.unit
        source = row.value.source.replace("|", "/")
        lines.append(f"| {name} | {figure_of(row)} | {row.value.value:g} | {found_for(name, i):.4g} | {unit} | "
                     f"{100 * row.tolerance:g} % | {source} |")  # fmt: skip
    return HEAD + "\n".join(lines) + "\n"


def test_the_page_of_drugs_is_the_one_shown():
    assert PAGE.read_text(encoding="utf-8") == page(), "run python tests/therapies/test_published_kinetics.py"


@pytest.mark.parametrize(("name", "i"), ROWS, ids=lambda x: str(x))
def test_published_figure_is_met(name, i):
    """The library's kinetics give the published figure within the row's tolerance."""
    drug = LIBRARY.get(name)
    row = drug.published[i]
    found = found_for(name, i)
    assert abs(found / row.value.value - 1.0) <= row.tolerance, (
        f"{name} {row.quantity}: {found:.4g} against {row.value.value:g} {row.value.unit} of {row.value.source}"
    )


def test_every_drug_has_a_published_figure():
    """No drug goes unchecked."""
    assert {name for name, _ in ROWS} == set(LIBRARY.names())


def test_a_wrong_clearance_is_noticed():
    """Rows have teeth: with a clearance off by 1.6 in either direction, every drug breaks at least one row."""
    for name in set(LIBRARY.names()) - set(RELATIVE_ONLY):
        drug = LIBRARY.get(name)
        for factor in (1.0 / 1.6, 1.6):
            clearance = replace(drug.disposition["CL"], value=drug.disposition["CL"].value * factor, low=0.0, high=1e9)
            limits = {"CL": clearance}
            if "Vmax" in drug.disposition:
                limits["Vmax"] = replace(
                    drug.disposition["Vmax"], value=drug.disposition["Vmax"].value * factor, low=0.0, high=1e9
                )
            wrong = replace(drug, disposition={**drug.disposition, **limits})
            broken = [row for row in drug.published if abs(ratio(wrong, row) - 1.0) > row.tolerance]
            assert broken, f"{name} meets all its rows with clearance times {factor:.3g}"


@pytest.mark.parametrize(("name", "value"), RELATIVE_ONLY.items())
def test_a_missing_drift_is_noticed(name, value):
    """A drug that is checked by its drift alone breaks its row without it."""
    drug = LIBRARY.get(name)
    still = replace(drug.disposition[value], value=0.0, low=0.0)
    wrong = replace(drug, disposition={**drug.disposition, value: still})
    assert any(abs(ratio(wrong, row) - 1.0) > row.tolerance for row in drug.published)


@pytest.mark.parametrize("compartments", [1, 2, 3])
def test_half_lives_agree_with_eigenvalues(compartments):
    """The closed forms equal the eigenvalues of the rate matrix."""
    import numpy as np

    volumes = [3.1e6, 2.4e6, 40e6][:compartments]
    flows = [0.5e6, 0.02e6][: compartments - 1]
    kinetics = Kinetics(
        CL=0.21e6,
        V1=volumes[0],
        **dict(zip(("Q1", "Q2"), flows, strict=False)),
        **dict(zip(("V2", "V3"), volumes[1:], strict=False)),
    )
    matrix = np.zeros((compartments, compartments))
    matrix[0, 0] = -(kinetics.CL + sum(flows)) / volumes[0]
    for i, flow in enumerate(flows, start=1):
        matrix[0, i], matrix[i, 0], matrix[i, i] = flow / volumes[i], flow / volumes[0], -flow / volumes[i]
    expected = sorted(math.log(2.0) / -np.linalg.eigvals(matrix).real)
    assert half_lives(kinetics) == pytest.approx(expected, rel=1e-10)


def test_repeated_doses_follow_the_one_compartment_solution():
    """Bolus doses: peak, trough and area of the n-th interval equal the geometric sums."""
    kinetics = Kinetics(CL=2.0e6, V1=10.0e6)
    rate, tau, n, dose = 0.2, 3.0, 5, 100.0
    intervals, _ = repeated_doses(kinetics, dose, tau, n)
    total = (1.0 - math.exp(-rate * tau * n)) / (1.0 - math.exp(-rate * tau))
    assert intervals[-1].peak == pytest.approx(dose / 10.0e6 * total, rel=1e-7)
    assert intervals[-1].trough == pytest.approx(dose / 10.0e6 * total * math.exp(-rate * tau), rel=1e-7)
    assert intervals[-1].auc == pytest.approx(dose / 2.0e6 * total * (1.0 - math.exp(-rate * tau)), rel=1e-7)


def test_oral_and_infused_doses_follow_their_solutions():
    """First-order absorption, an infusion and zero-order release into the depot against closed forms."""
    ka, ke, volume, dose = 4.0, 0.5, 5.0e6, 50.0
    oral = Kinetics(CL=ke * volume, V1=volume, ka=ka, F=0.5)
    intervals, _ = repeated_doses(oral, dose, 2.0, 1)
    expected = 0.5 * dose * ka / (volume * (ka - ke)) * (math.exp(-ke * 2.0) - math.exp(-ka * 2.0))
    assert intervals[0].trough == pytest.approx(expected, rel=1e-6)
    infused, _ = repeated_doses(Kinetics(CL=ke * volume, V1=volume), dose, 2.0, 1, infusion=0.25)
    peak = dose / 0.25 / (ke * volume) * (1.0 - math.exp(-ke * 0.25))
    assert infused[0].peak == pytest.approx(peak, rel=1e-7)
    released = replace(oral, zero_order_duration=0.5, zero_order_share=1.0)
    late, _ = repeated_doses(released, dose, 0.5, 1)
    depot_rate = 0.5 * dose / 0.5
    expected = depot_rate / (ke * volume) * (1.0 - (ka * math.exp(-ke * 0.5) - ke * math.exp(-ka * 0.5)) / (ka - ke))
    assert late[0].trough == pytest.approx(expected, rel=1e-6)
    direct, _ = repeated_doses(replace(released, zero_order_into_central=True), dose, 0.5, 1)
    assert direct[0].trough == pytest.approx(depot_rate / (ke * volume) * (1.0 - math.exp(-ke * 0.5)), rel=1e-6)


def test_a_dose_counts_by_its_measured_moiety():
    """Platinum is 49.1 % of the mass of oxaliplatin, brivanib 83.9 % of its alaninate."""
    for name, share in (("oxaliplatin", 195.08 / 397.29), ("brivanib", 370.38 / 441.46)):
        kinetics = replace(LIBRARY.get(name).kinetics({}), ka=0.0, F=1.0)
        intervals, _ = repeated_doses(kinetics, 100.0, 0.01, 1)
        assert intervals[0].peak == pytest.approx(100.0 * share / kinetics.V1, rel=1e-3)


def test_saturable_elimination_falls_in_a_straight_line_when_saturated():
    """Far above Km, Michaelis-Menten elimination removes Vmax per day whatever the concentration."""
    kinetics = Kinetics(CL=1e-6, V1=1.0e6, Vmax=10.0, Km=1e-9)
    _, curve = repeated_doses(kinetics, 1000.0, 10.0, 1)
    assert curve[-1][1] == pytest.approx((1000.0 - 10.0 * 10.0) / 1.0e6, rel=1e-4)


def test_clearance_drifts_between_its_published_ends():
    """Pembrolizumab falls from 252 to 195 mL/day; half of the change in logarithm at T50."""
    kinetics = LIBRARY.get("pembrolizumab").kinetics({})
    ends = internal("252 mL/day"), internal("195 mL/day")
    assert kinetics.clearance(0.0) == pytest.approx(ends[0])
    assert kinetics.clearance(math.inf) == pytest.approx(ends[1], rel=1e-3)
    assert kinetics.clearance(kinetics.T50) == pytest.approx(math.sqrt(ends[0] * ends[1]), rel=1e-3)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
