"""Oxygen closure: the share of the tissue in fixed oxygen classes, from the density and quality of its vessels.

Biology.  Oxygen leaves vessels through their wall, spreads by diffusion and is used by the tissue (Michaelis-Menten).
Whether a point holds at least `theta` mmHg depends on the supply that reaches it.  Vessels lie at random, some tissue
is crowded with them and some is far from any: a tissue has a distribution of oxygen, never one value.

The formula.  With supply over demand `sigma = n*q*G*p_v/Vmax` and the headroom `w(theta)` (holding `theta` takes `1/w`
of the demand), the adequacy is `u = sigma*w(theta)` and

    share below theta = 1 / (1 + u * exp(c*N*(1 - 1/u))),     N = n*D*(p_v + 4*Km)/Vmax.

`N` counts the vessels within the area that oxygen can diffuse over.  Limits: without vessels all tissue is anoxic; the
first vessels hold an area in proportion to their number (`1 - share ~ n`); many vessels leave voids as `exp(-c*N)`,
the probability that chance leaves an area empty.  The share falls with supply and rises with `theta` everywhere: the
slope of `log(u*exp(...))` is `1 + c*N` in `log(n)` and `1 + c*N/u` in `log(q)`.  `N/u = D*(1 + 4*Km/p_v)/(q*G*w)` holds
no `n`, so nothing is divided by a density that may be zero.

Simplified.  Steady state, uniform uptake, one vessel tension `p_v`, vessels placed at random.  `n` is vessel length per
volume: a section across parallel vessels shows it as the number per area, but a section through vessels that run in
all directions shows half of it.

Origin.  Fitted to our own solved fields in experiments/oxygen_closure, which reports the gap to fields that were not
fitted.  Grade: medium (derived).  Every function takes any coherent units; arguments of `exp` and `power` have none.
"""

from __future__ import annotations

from math import pi

from tme_sim.laws import exp, power

VESSEL_RADIUS_UM = 2.0
"""Distance from the axis to which `g_wall` leads.  The 3300 um^2/s of the parameter table belong to 2 um, the
equivalent radius of the 10-um voxel of the scan behind them; the same vessel described at 4 um has 2790 um^2/s."""

LOG_REACH = 3.8
"""Logarithm of the distance that one vessel supplies over `VESSEL_RADIUS_UM`; fitted.  Distance: about 90 um."""

CROWDING = 1.83
"""Weight of the number of vessels in reach; fitted for vessels placed at random, in two and three dimensions."""

OXYGEN_EDGES = (0.6, 2.5, 5.0, 12.0, 25.0)
"""Class edges, mmHg.  2.5 is the threshold of necrosis, 5 of severe hypoxia, 12 about the half-maximum of HIF."""

OXYGEN_CLASSES = (0.044, 1.62, 3.33, 7.7, 18.2, 35.6)
"""Representative oxygen of each class, mmHg: least squares of the tissue averages of four oxygen laws over 384 fields.

The first is low because most of that tissue has almost none.  Six is the fewest, with 2.5 mmHg as an edge, whose
averages are all within 0.01 (RMSE)."""


def vessel_conductance(g_wall, D):
    """Oxygen flow per vessel length and tension difference between blood and the tissue around it (area per time).

    Wall (`g_wall`, area per time) and tissue (diffusivity `D`) resist in series, as around one vessel in a cylinder.
    """
    return 1 / (1 / g_wall + LOG_REACH / (2 * pi * D))


def supply_ratio(vessels, quality, conductance, p_v, Vmax):
    """Largest possible supply over largest demand: density (1/area) * quality * conductance * tension / uptake."""
    return vessels * quality * conductance * p_v / Vmax


def vessels_in_reach(vessels, p_v, Vmax, Km, D):
    """Number of vessels within the area that oxygen can diffuse over before it is used, about `D*p_v/Vmax`.

    A large `Km` spares oxygen where it is scarce, and lets it go further; the 4 is fitted and rounded.
    """
    return vessels * D * (p_v + 4 * Km) / Vmax


def isolation(quality, conductance, p_v, Km, D):
    """Spread in the tissue over the conductance of a vessel: large where vessels, not tissue, limit the supply.

    It is `vessels_in_reach / supply_ratio`, written without the density.
    """
    return D * (1 + 4 * Km / p_v) / (quality * conductance)


def headroom(theta, p_v, Km):
    """Ease of holding `theta`: the drive left, `1 - theta/p_v`, over the uptake at `theta`; needs `theta < p_v`.

    For uniform supply it would be `(theta + Km)/theta * (1 - theta/p_v)`.  The power 2/3 and the 2 in front of
    `Km`, both fitted and rounded, describe the long anoxic tail, where oxygen falls exponentially with distance.
    """
    return power((theta + 2 * Km) / theta, 2 / 3) * (1 - theta / p_v)


def share_below(room, supply, reached, lonely, crowding=CROWDING):
    """Share of the tissue below the oxygen whose `headroom` is `room`: 1 without vessels, towards 0 with many.

    `supply` is the supply ratio, `reached` the vessels in reach, `lonely` the isolation.
    """
    return 1 / (1 + supply * room * exp(crowding * (reached - lonely / room)))


def class_shares(vessels, quality, conductance, p_v, Vmax, Km, D, crowding=CROWDING):
    """Shares of the tissue in the classes between 0, `OXYGEN_EDGES` and `p_v`: a tuple that sums to 1.

    `vessels` is the perfused density (length per volume, 1/area), `quality` in (0, 1] multiplies `conductance`; `p_v`
    must be above the last edge.
    """
    supply = supply_ratio(vessels, quality, conductance, p_v, Vmax)
    reached = vessels_in_reach(vessels, p_v, Vmax, Km, D)
    lonely = isolation(quality, conductance, p_v, Km, D)
    below = [share_below(headroom(edge, p_v, Km), supply, reached, lonely, crowding) for edge in OXYGEN_EDGES]
    inner = [above - under for under, above in zip(below[:-1], below[1:], strict=True)]
    return (below[0], *inner, 1 - below[-1])
