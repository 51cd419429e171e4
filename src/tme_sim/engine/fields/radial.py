"""Fields at rest in slabs, cylinders and spheres by finite shells: what the lattice is tested and compared with.

Cords of tissue around one vessel (Krogh) and round pieces fed from outside (Thiele) have one coordinate.  Shells of
equal thickness solve them to many digits at no cost.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_banded

MOST = 500  # passes of Newton's method; a core without oxygen takes about one for each shell that it moves


def steady_shells(
    inner, outer, shells, dimension, diffusivity, *, decay=0.0, source=0.0, uptake=0.0, K_half=1.0, inner_value=None,
    outer_value=None,
):
    """Solve D / r^(d-1) d/dr(r^(d-1) dp/dr) + source = decay * p + uptake * p / (p + K_half) between two radii.

    Args:
        inner, outer: radii, 0 <= inner < outer, any unit of length.
        shells: how many, of equal thickness.
        dimension: 1 slab, 2 cylinder, 3 sphere.
        diffusivity: squared length per time.
        decay: first-order loss per time, at least 0.
        source: made per time, in units of p per time.
        uptake: saturating uptake at high p, units of p per time, at least 0.
        K_half: value of p at half of it, above 0.
        inner_value, outer_value: p held at that radius; None for no flux.

    Returns:
        (r, p): middles of the shells and values there (float64, `shells`), and p is never below 0 where uptake acts.

    Raises:
        ValueError: radii, dimension or coefficients of the wrong size, or nothing that fixes the level.
    """
    if not 0 <= inner < outer or dimension not in (1, 2, 3) or shells < 1:
        got = f"{inner}, {outer}, {dimension}, {shells}"
        raise ValueError(f"expected 0 <= inner < outer, dimension 1 to 3, shells >= 1; got {got}")
    if not (diffusivity > 0 and decay >= 0 and uptake >= 0 and K_half > 0):
        raise ValueError("expected diffusivity and K_half above 0, decay and uptake at least 0")
    if inner_value is None and outer_value is None and decay == 0 and uptake == 0:
        raise ValueError("no value held, no decay, no uptake: nothing fixes the level")
    edge = np.linspace(inner, outer, shells + 1)
    h, power = edge[1] - edge[0], dimension - 1
    area, volume = edge**power, np.diff(edge**dimension) / dimension
    flow = diffusivity * area / h
    before, after = flow[:-1].copy(), flow[1:].copy()
    before[0] *= 0.0 if inner_value is None else 2.0  # half a shell away
    after[-1] *= 0.0 if outer_value is None else 2.0
    given = source * volume
    given[0] += before[0] * (inner_value or 0.0)
    given[-1] += after[-1] * (outer_value or 0.0)
    band = np.zeros((3, shells))
    band[0, 1:], band[2, :-1] = -after[:-1], -before[1:]
    p = np.zeros(shells)
    for _ in range(MOST):
        slope = uptake * K_half / (p + K_half) ** 2
        band[1] = before + after + (decay + slope) * volume
        new = solve_banded((1, 1), band, given - uptake * (p / (p + K_half)) ** 2 * volume)
        if uptake:
            np.maximum(new, 0.0, out=new)
        change, p = np.abs(new - p).max(), new
        if uptake == 0 or change <= 1e-12 * np.abs(p).max():
            break
    return 0.5 * (edge[1:] + edge[:-1]), p
