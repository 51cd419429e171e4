"""Shells against closed forms: Thiele's sphere, Krogh's cylinder, a core without oxygen (promises M2 to M4)."""

import numpy as np
import pytest

from tme_sim.engine.fields.radial import steady_shells

SHELLS = (50, 100, 200, 400)


def orders(errors):
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


@pytest.mark.parametrize("modulus", [0.5, 2.0, 5.0, 20.0])
def test_first_order_consumption_in_a_sphere(modulus):
    def error(shells):
        r, p = steady_shells(0.0, 1.0, shells, 3, 1.0, decay=modulus**2, outer_value=1.0)
        exact = np.sinh(modulus * r) / (r * np.sinh(modulus))
        weight = np.diff(np.linspace(0, 1, shells + 1) ** 3)
        return float((weight * np.abs(p - exact)).sum())

    errors = [error(n) for n in SHELLS]
    assert errors[-1] <= 1e-5 * max(1.0, modulus**2 / 25)
    assert orders(errors).min() >= 1.95


def test_first_order_error_at_modulus_five_is_at_most_a_hundred_thousandth():
    r, p = steady_shells(0.0, 1.0, 400, 3, 1.0, decay=25.0, outer_value=1.0)
    weight = np.diff(np.linspace(0, 1, 401) ** 3)
    assert (weight * np.abs(p - np.sinh(5 * r) / (r * np.sinh(5.0)))).sum() <= 1e-5


def test_krogh_cylinder():
    wall, outer, D, used, value = 5.0, 40.0, 2000.0, 15.0, 40.0  # um, um^2/s, mmHg/s, mmHg

    def error(shells):
        r, p = steady_shells(wall, outer, shells, 2, D, source=-used, inner_value=value)
        exact = value + used / (4 * D) * (r**2 - wall**2) - used * outer**2 / (2 * D) * np.log(r / wall)
        return np.abs(p - exact).max() / value

    errors = [error(n) for n in SHELLS]
    assert errors[-1] <= 1e-5
    assert orders(errors).min() >= 1.95


def test_a_core_without_oxygen_has_the_radius_of_the_cubic():
    D, q, c0, radius = 2e-9, 0.02, 0.28, 500e-6  # m^2/s, mol/m^3/s, mol/m^3, m
    critical = np.sqrt(6 * D * c0 / q)
    assert critical == pytest.approx(409.9e-6, abs=0.05e-6)
    roots = np.roots([2.0, -3.0, 0.0, 1.0 - (critical / radius) ** 2])  # of core / radius
    core = min(x.real for x in roots if 0 < x.real < 1) * radius
    assert core == pytest.approx(191.6e-6, abs=0.1e-6)
    r, p = steady_shells(0.0, radius, 400, 3, D, uptake=q, K_half=1e-4, outer_value=c0)
    inside = r[p < 1e-4].max()
    assert abs(inside - core) <= max(radius / 400, 0.01 * core) + 1e-6
    _, whole = steady_shells(0.0, 0.99 * critical, 400, 3, D, uptake=q, K_half=1e-6, outer_value=c0)
    assert whole.min() > 1e-3 * c0  # below the critical radius no core


def test_a_slab_and_two_held_values_and_uptake_balance():
    r, p = steady_shells(0.0, 1.0, 100, 1, 1.0, inner_value=2.0, outer_value=1.0)
    assert np.abs(p - (2.0 - r)).max() < 1e-12
    r, p = steady_shells(0.0, 1.0, 200, 1, 1.0, uptake=3.0, K_half=0.5, outer_value=1.0)
    inflow = 2 * 200 * (1.0 - p[-1])
    assert inflow == pytest.approx((3.0 * p / (p + 0.5)).mean(), rel=1e-11)


@pytest.mark.parametrize(
    "change",
    [
        dict(inner=1.0), dict(dimension=4), dict(shells=0), dict(diffusivity=0.0), dict(decay=-1.0),
        dict(outer_value=None),
    ],
)  # fmt: skip
def test_what_cannot_be_solved_is_refused(change):
    good = dict(inner=0.0, outer=1.0, shells=9, dimension=3, diffusivity=1.0, outer_value=1.0)
    steady_shells(**good)
    with pytest.raises(ValueError):
        steady_shells(**(good | change))
