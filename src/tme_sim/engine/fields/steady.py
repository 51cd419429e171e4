"""Fields at rest, and implicit steps without splitting, by warm-started multigrid.

Oxygen solves

    spread * Laplacian(p) + exchange * (p_vessel - p) = uptake * p / (p + K)

by Newton's method, one V(2,2) cycle to each linearisation.  Uptake is concave in p, so its tangent is never below it
and the solution of a linearised problem never above the true one; a value below zero, which a tangent far from the
solution may give, is lifted to zero, and from there every pass rises towards the solution.  Nothing has to be damped,
and no start tried in the tests fails.

The end: the largest change of a pass is at most `tol`.  A cycle leaves about a tenth of the error, so the error left is
usually well below `tol`; the tests say how much.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from tme_sim.engine.fields.multigrid import Multigrid, carry, residual_row, v_cycle
from tme_sim.engine.fields.shared import OPTIONS, as_values, as_volume, dealer, positive


class Rest(NamedTuple):
    """How a solve ended: cycles used, last largest change and largest residual as a change, in units of the field
    (not a number where it was not asked for)."""

    cycles: int
    change: float
    residual: float
    converged: bool


@njit(**OPTIONS)
def linearise(p, uptake, K, exchange, vessel, a, f, before, first, last):
    """Loss and source of the tangent at `p`, cells first to last; `before` keeps p."""
    for i in range(first, last):
        q = p[i]
        inverse = 1.0 / (q + K)
        a[i] = exchange[i] + uptake[i] * K * inverse * inverse
        f[i] = exchange[i] * vessel[i] - uptake[i] * (q * inverse) * (q * inverse)
        before[i] = q


@njit(**OPTIONS)
def lift(p, before, largest, lowest, rows, nx, first, last):
    """Raise what lies below `lowest` to it, rows first to last; largest change of each row since `before`."""
    for r in range(first, last):
        row, was = p[r * nx : (r + 1) * nx], before[r * nx : (r + 1) * nx]
        for i in range(nx):
            row[i] = lowest if row[i] < lowest else row[i]
        most = other = 0.0
        for i in range(0, nx - 1, 2):  # two at a time: one alone would wait for its own last result
            most = max(most, abs(row[i] - was[i]))
            other = max(other, abs(row[i + 1] - was[i + 1]))
        if nx & 1:
            most = max(most, abs(row[nx - 1] - was[nx - 1]))
        largest[r] = max(most, other)


@njit(**OPTIONS)
def misfit(p, f, a, inverse, low, high, shape, largest, first, last):
    """Largest residual of each row over the diagonal."""
    nx = shape[2]
    row = np.empty(nx)
    for r in range(first, last):
        residual_row(p, f, a, low, high, shape, r, row)
        most = 0.0
        for x in range(nx):
            most = max(most, abs(row[x]) * inverse[r * nx + x])
        largest[r] = most


@njit(**OPTIONS)
def passes(grid, newton, uptake, K, exchange, vessel, before, largest, lowest, tol, most):
    """What :func:`_solve` does, in one thread: (cycles, last largest change); `grid` are the arrays of a Multigrid."""
    all_p, f, a, inverse, low, high, share, other, weight, shapes, cells, axes = grid
    p, rows, nx = all_p[: cells[1]], shapes[0, 0] * shapes[0, 1], shapes[0, 2]
    first, change, cycles = np.int64(0), np.inf, 0
    for attempt in range(most + 1):  # the last only linearises; every kernel at one place, or it is compiled twice
        if newton:
            linearise(p, uptake, K, exchange, vessel, a, f, before, first, p.size)
        else:
            for i in range(p.size):
                before[i] = p[i]
        if attempt == most or change <= tol:
            break
        if newton or attempt == 0:
            carry(a, low, high, share, inverse, shapes, cells, axes)
        v_cycle(all_p, f, a, inverse, low, high, share, other, weight, shapes, cells, axes, first)
        lift(p, before, largest, lowest, rows, nx, first, rows)
        change, cycles = largest.max(), cycles + 1
    return cycles, change


def _solve(grid: Multigrid, field, tangent, tol, most, threads, lowest, residual) -> Rest:
    """Cycles from flat `field`, into it, until the largest change is at most `tol`.

    `tangent` are uptake, K, exchange and value in the vessel (flat), which are linearised before each cycle; None when
    loss and source stay.
    """
    p = grid.p
    p[:] = as_values("start", field, field.shape)
    rows, nx = grid.shape[0] * grid.shape[1], grid.shape[2]
    before, largest = np.empty_like(p), np.zeros(rows)
    c, x = grid.level(0)
    a, f, newton = grid.a.ravel(), grid.f.ravel(), tangent is not None
    args = (p, f, a, grid.inverse[c], grid.low[x], grid.high[x], grid.shapes[0], largest)
    if threads <= 1:
        cycles, change = passes(grid.arrays, newton, *(tangent or (p, 1.0, p, p)), before, largest, lowest, tol, most)
        if residual:
            misfit(*args, 0, rows)
        field[:] = p
        return Rest(cycles, float(change), float(largest.max()) if residual else np.nan, bool(change <= tol))
    change, cycles = np.inf, 0
    with dealer(threads) as deal:
        while cycles < most and not change <= tol:
            if newton:
                deal(p.size, lambda i, j: linearise(p, *tangent, a, f, before, i, j))
            else:
                before[:] = p
            if newton or cycles == 0:
                grid.prepare(deal)
            grid.cycle(deal)
            deal(rows, lambda i, j: lift(p, before, largest, lowest, rows, nx, i, j))
            change, cycles = float(largest.max()), cycles + 1
        if newton:
            linearise(p, *tangent, a, f, before, 0, p.size)
        if residual:
            deal(rows, lambda i, j: misfit(*args, i, j))
    field[:] = p
    return Rest(cycles, change, float(largest.max()) if residual else np.nan, bool(change <= tol))


def _grid(grid, shape, spread, periodic) -> Multigrid:
    """`grid` when it was made for this problem, a new one when it is None."""
    if grid is None:
        return Multigrid(shape, spread, periodic=periodic)
    if (grid.shape, grid.spread, grid.periodic) != (shape, float(spread), bool(periodic)):
        raise ValueError("grid: made for another shape, spread or walls")
    return grid


def steady_oxygen(
    po2, uptake_max, K_half, vessel_exchange, vessel_po2, spread, tol=1e-3, *, periodic=False, most=60, threads=1,
    grid=None, residual=True,
) -> Rest:
    """Oxygen at rest under Michaelis-Menten uptake and exchange with vessels, in place, started from `po2`.

    Args:
        po2: float64 (ny, nx) or (nz, ny, nx), mmHg; the last solution is the best start, any value works.
        uptake_max: mmHg per time at full oxygen, number or array of the field's shape, at least 0.
        K_half: mmHg at half of it, above 0.
        vessel_exchange: per time, number or array, at least 0 (0 where there is no vessel, or an occluded one).
        vessel_po2: mmHg in the vessel, number or array, at least 0.
        spread: D / h^2, per time, h the edge of a voxel.
        tol: ends when no value changes by more than this in a pass, mmHg.
        periodic: a ring along each axis instead of walls without flux.
        most: most cycles; beyond it the result says `converged=False`.
        threads: threads of large fields; they change no bit.
        grid: a `Multigrid(shape, spread, periodic=...)` to use again.
        residual: whether to find the residual, which takes a fifth of a cycle.

    Returns:
        Rest: cycles used, last change, largest residual over the diagonal (both mmHg), whether `tol` was met.

    Raises:
        ValueError: wrong shape or sign, not finite, or neither uptake nor exchange anywhere (nothing fixes the level).
    """
    u = as_volume("po2", po2)
    uptake = as_values("uptake_max", uptake_max, u.shape, 0.0)
    exchange = as_values("vessel_exchange", vessel_exchange, u.shape, 0.0)
    vessel, K = as_values("vessel_po2", vessel_po2, u.shape, 0.0).ravel(), positive("K_half", K_half)
    if not (uptake.any() or exchange.any()):
        raise ValueError("uptake_max and vessel_exchange are zero everywhere: nothing fixes the level of oxygen")
    field, grid = u.ravel(), _grid(grid, u.shape, spread, periodic)
    np.maximum(field, 0.0, out=field)
    tangent = uptake.ravel(), K, exchange.ravel(), vessel
    return _solve(grid, field, tangent, positive("tol", tol), most, threads, 0.0, residual)


def steady_field(
    field, decay, source, spread, tol, *, step=None, periodic=False, most=60, threads=1, grid=None, residual=True,
) -> Rest:
    """A field at rest under first-order loss and sources, or after one implicit `step`, in place, started from `field`.

    Solves spread * Laplacian(p) - decay * p + source = 0; with `step` the implicit Euler step from the value given,
    without the splitting error of :func:`diffuse` and so right also where the field settles within the step.  Without
    negative source or start nothing turns negative.

    Args:
        field: float64 (ny, nx) or (nz, ny, nx).
        decay: loss per time (with exchange: `exchange` more), number or array, at least 0.
        source: made per time (with exchange: `exchange * value in the vessel` more), number or array.
        spread: D / h^2, per time.
        tol: ends when no value changes by more than this in a cycle, in units of the field.
        step: time of an implicit step; None for the field at rest.
        periodic, most, threads, grid, residual: as for :func:`steady_oxygen`.

    Returns:
        Rest: as for :func:`steady_oxygen`.

    Raises:
        ValueError: wrong shape or sign, not finite, or no loss anywhere and no step (nothing fixes the level).
    """
    u = as_volume("field", field)
    decay, source = as_values("decay", decay, u.shape, 0.0), as_values("source", source, u.shape)
    grid = _grid(grid, u.shape, spread, periodic)
    if step is not None:
        rate = 1.0 / positive("step", step)
        np.add(decay, rate, out=grid.a)
        np.add(source, rate * u, out=grid.f)
    elif not decay.any():
        raise ValueError("decay is zero everywhere: nothing fixes the level of the field")
    else:
        grid.a[:], grid.f[:] = decay, source
    lowest = 0.0 if grid.f.min() >= 0.0 else -np.inf  # what is only made is never negative, nor are its approximations
    return _solve(grid, u.ravel(), None, positive("tol", tol), most, threads, lowest, residual)
