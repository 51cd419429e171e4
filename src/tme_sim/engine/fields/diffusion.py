"""One time step of diffusion with loss and source, split by axis (locally one-dimensional), any step stable.

`order=1`: loss and source at every voxel implicitly, then one implicit sweep along each axis.  Nothing becomes negative
that was not, nothing overshoots, whatever the step; error of the order of the step.

`order=2`: half a step of loss and source, a sweep of two implicit stages along each axis (the L-stable SDIRK method of
Alexander: steep fronts fade and never ring on), half a step again (Strang).  Error of the order of the step squared.
A line that would leave the range of the values it had (a steep front and a step well above 1/spread) is swept by the
whole step of order 1 instead, which cannot; so nothing becomes negative here either, and smooth fields keep the full
order.  Loss over half a step, x = decay * dt / 2, is 1 / (1 + x + x^2 / 2): second order, positive, vanishing for
large x, and without exp.

Both are second order in space and conserve: what sweeps move they neither make nor take.  Sweeps along axes commute on
a box with one diffusivity, so their order does not matter.  Where a field settles within a step, the value at rest of a
split step depends on the step (relative error about step * spread / L^2 for a feature of L voxels): use
:func:`tme_sim.engine.fields.steady_field` there.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from tme_sim.engine.fields.shared import OPTIONS, as_values, as_volume, dealer, positive

LINES = 8  # lines along x that advance together
CACHED = 32768  # values of neighbouring lines along y or z that advance together: a quarter of a megabyte
SLACK = 1e-13  # of a bound of a line: rounding, which is no overshoot
STAGE = 1.0 - math.sqrt(0.5)  # of a step: what each of the two implicit stages covers
BEFORE, TWICE = 2.0 - 1.0 / STAGE, 1.0 / STAGE - 1.0  # weights of the field after one stage and after two


def thomas(n: int, c: float, periodic: bool) -> np.ndarray:
    """Factors (4, n) of the implicit sweep I - c * (second difference) over `n` cells.

    Rows: inverse pivots; pivots times c; the correction that closes the ring (zero with walls); its two weights.
    A pivot is c + e, and e follows from that of the cell before by sums of positive numbers alone, so that not even a
    huge c costs digits, or mass.
    """
    out = np.zeros((4, n))
    if n == 1:
        out[0] = 1.0
        return out
    ring = periodic and n > 2
    if periodic and n == 2:  # both neighbours are the same cell
        c = 2.0 * c
    d0 = 1.0 + 2.0 * c  # ring = tridiagonal + u v^T with u = (-d0, 0, ..., -c), v = (1, 0, ..., c / d0)
    e = d0 + 1.0 + c if ring else 1.0
    for i in range(n):
        last = i == n - 1
        if i > 0:
            e = 1.0 + c * (e / (c + e)) + (c + c * (c / d0) if last and ring else 0.0)
        out[0, i] = 1.0 / (e if last else c + e)
        out[1, i] = c * out[0, i]
    if ring:

        def solve(z):
            z[0] *= out[0, 0]
            for i in range(1, n):
                z[i] = z[i] * out[0, i] + out[1, i] * z[i - 1]
            for i in range(n - 2, -1, -1):
                z[i] += out[1, i] * z[i + 1]
            return z

        z, one = np.zeros(n), solve(np.ones(n))
        z[0], z[-1] = d0, c
        out[2] = solve(z)
        weight = c / d0  # the sweep leaves a constant as it is: that fixes the other weight without a difference
        out[3, 0] = (1.0 - one[0]) / z[0] / (one[0] + weight * one[-1])
        out[3, 1] = weight
    return out


@njit(**OPTIONS)
def eight_lines(u, w, factors):
    """Implicit sweep along the rows of u (8, n) into w; w may be u.

    Eight recurrences side by side: alone, each would wait for its own last result.
    """
    inverse, upper = factors[0], factors[1]
    u0, u1, u2, u3, u4, u5, u6, u7 = u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7]
    w0, w1, w2, w3, w4, w5, w6, w7 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
    p0 = p1 = p2 = p3 = p4 = p5 = p6 = p7 = 0.0
    n = inverse.size
    for i in range(n):
        a, b = inverse[i], upper[i]
        w0[i] = p0 = a * u0[i] + b * p0
        w1[i] = p1 = a * u1[i] + b * p1
        w2[i] = p2 = a * u2[i] + b * p2
        w3[i] = p3 = a * u3[i] + b * p3
        w4[i] = p4 = a * u4[i] + b * p4
        w5[i] = p5 = a * u5[i] + b * p5
        w6[i] = p6 = a * u6[i] + b * p6
        w7[i] = p7 = a * u7[i] + b * p7
    p0 = p1 = p2 = p3 = p4 = p5 = p6 = p7 = 0.0
    for i in range(n - 1, -1, -1):
        b = upper[i]
        w0[i] = p0 = w0[i] + b * p0
        w1[i] = p1 = w1[i] + b * p1
        w2[i] = p2 = w2[i] + b * p2
        w3[i] = p3 = w3[i] + b * p3
        w4[i] = p4 = w4[i] + b * p4
        w5[i] = p5 = w5[i] + b * p5
        w6[i] = p6 = w6[i] + b * p6
        w7[i] = p7 = w7[i] + b * p7


@njit(**OPTIONS)
def copy_line(line, into):
    """What `into[:] = line` does, in a fraction of the time to compile."""
    for i in range(line.size):
        into[i] = line[i]


@njit(**OPTIONS)
def solve_rows(u, w, factors, ring):
    """Implicit sweep along the rows of u (8, n) into w, closed to rings when `ring`."""
    eight_lines(u, w, factors)
    if ring:
        z, n = factors[2], factors.shape[1]
        for j in range(w.shape[0]):
            row = w[j]
            off = (row[0] + factors[3, 1] * row[n - 1]) * factors[3, 0]
            for i in range(n):
                row[i] += z[i] * off


@njit(**OPTIONS)
def solve_columns(u, w, factors, ring, off):
    """Implicit sweep along the first axis of u (n, m) into w, all columns side by side; w may be u."""
    n, m = u.shape
    inverse, upper = factors[0], factors[1]
    a, here, there = inverse[0], u[0], w[0]
    for j in range(m):
        there[j] = a * here[j]
    for i in range(1, n):
        a, b = inverse[i], upper[i]
        here, there, before = u[i], w[i], w[i - 1]
        for j in range(m):
            there[j] = a * here[j] + b * before[j]
    for i in range(n - 2, -1, -1):
        b, here, after = upper[i], w[i], w[i + 1]
        for j in range(m):
            here[j] += b * after[j]
    if ring:
        scale, weight, here, there = factors[3, 0], factors[3, 1], w[0], w[n - 1]
        for j in range(m):
            off[j] = (here[j] + weight * there[j]) * scale
        for i in range(n):
            z, here = factors[2, i], w[i]
            for j in range(m):
                here[j] += z * off[j]


@njit(**OPTIONS)
def combine(u, w, v):
    """v = BEFORE * w + TWICE * v for one line, and whether it left the range of u."""
    low = high = u[0]
    new_low = new_high = BEFORE * w[0] + TWICE * v[0]
    for i in range(u.size):
        old = u[i]
        new = BEFORE * w[i] + TWICE * v[i]
        low = old if old < low else low
        high = old if old > high else high
        new_low = new if new < new_low else new_low
        new_high = new if new > new_high else new_high
        v[i] = new
    return new_low < low - SLACK * abs(low) or new_high > high + SLACK * abs(high)


@njit(**OPTIONS)
def combine_columns(u, w, v, bounds, beyond):
    """The same for the columns of u (n, m); `bounds` (4, m) is scratch, `beyond` says which left. Returns how many."""
    n, m = u.shape
    low, high, new_low, new_high = bounds[0], bounds[1], bounds[2], bounds[3]
    for j in range(m):
        low[j] = new_low[j] = np.inf
        high[j] = new_high[j] = -np.inf
    for i in range(n):
        here, once, twice = u[i], w[i], v[i]
        for j in range(m):
            old = here[j]
            new = BEFORE * once[j] + TWICE * twice[j]
            low[j] = old if old < low[j] else low[j]
            high[j] = old if old > high[j] else high[j]
            new_low[j] = new if new < new_low[j] else new_low[j]
            new_high[j] = new if new > new_high[j] else new_high[j]
            twice[j] = new
    count = 0
    for j in range(m):
        beyond[j] = new_low[j] < low[j] - SLACK * abs(low[j]) or new_high[j] > high[j] + SLACK * abs(high[j])
        count += beyond[j]
    return count


@njit(**OPTIONS)
def sweep_rows(u, first, last, factors, whole, ring, second):
    """Sweep along the contiguous axis of u (rows, n), rows first to last.

    `factors` belong to the step of one stage, `whole` to the whole step; `second`: two stages, within bounds.
    """
    n = u.shape[1]
    scratch = np.zeros((3, LINES, n))
    spare, w, v = scratch[0], scratch[1], scratch[2]
    beyond, again = np.zeros(LINES, np.bool_), False
    for start in range(first, last, LINES):
        m = min(LINES, last - start)
        block = u[start : start + LINES] if m == LINES else spare
        if m < LINES:
            for j in range(m):
                copy_line(u[start + j], block[j])
        for stage in range(0 if second else 2, 3):  # one place for the solver, or it is compiled three times
            if stage == 2 and second and not again:
                break
            before, after = (w, v) if stage == 1 else (block, w)
            f = whole if stage == 2 else factors
            solve_rows(before, after if second else block, f, ring)
            if stage == 1:
                again = False
                for j in range(m):
                    beyond[j] = combine(block[j], w[j], v[j])
                    again |= beyond[j]
        if second:
            for j in range(m):
                copy_line(w[j] if beyond[j] else v[j], block[j])
        if m < LINES:
            for j in range(m):
                copy_line(block[j], u[start + j])


@njit(**OPTIONS)
def sweep_columns(u, first, last, factors, whole, ring, second):
    """Sweep along the middle axis of u (planes, n, columns); otherwise as :func:`sweep_rows`.

    Columns first to last are counted through all planes.
    """
    n, columns = u.shape[1], u.shape[2]
    width = max(64, min(512, CACHED // n // 8 * 8))
    off, bounds, beyond = np.empty(width), np.empty((4, width)), np.zeros(width, np.bool_)
    scratch = np.empty((2, n, width) if second else (2, 1, 1))
    start = first
    while start < last:
        plane, x = start // columns, start % columns
        m = min(width, last - start, columns - x)
        start += m
        block = u[plane, :, x : x + m]
        w, v = scratch[0, :, :m], scratch[1, :, :m]
        some = 0
        for stage in range(0 if second else 2, 3):
            if stage == 2 and second and some == 0:
                break
            before, after = (w, v) if stage == 1 else (block, w)
            f = whole if stage == 2 else factors
            solve_columns(before, after if second else block, f, ring, off)
            if stage == 1:
                some = combine_columns(block, w, v, bounds, beyond)
        if not second:
            continue
        for i in range(n):
            here, once, twice = block[i], w[i], v[i]
            if some:
                for j in range(m):
                    here[j] = once[j] if beyond[j] else twice[j]
            else:
                for j in range(m):
                    here[j] = twice[j]


@njit(**OPTIONS)
def react(u, keep, made, fell, first, last):
    """u = keep * u + made for rows first to last; what the sum of a row fell by is added to `fell` of the row."""
    for r in range(first, last):
        row, k, s = u[r], keep[r], made[r]
        t0 = t1 = t2 = t3 = 0.0  # four sums in a fixed order: one would wait for its own last result
        n = row.size // 4 * 4
        for x in range(0, n, 4):
            a, b, c, d = row[x], row[x + 1], row[x + 2], row[x + 3]
            row[x] = k[x] * a + s[x]
            row[x + 1] = k[x + 1] * b + s[x + 1]
            row[x + 2] = k[x + 2] * c + s[x + 2]
            row[x + 3] = k[x + 3] * d + s[x + 3]
            t0 += a - row[x]
            t1 += b - row[x + 1]
            t2 += c - row[x + 2]
            t3 += d - row[x + 3]
        for x in range(n, row.size):
            a = row[x]
            row[x] = k[x] * a + s[x]
            t0 += a - row[x]
        fell[r] += (t0 + t1) + (t2 + t3)


@njit(**OPTIONS)
def total(of):
    """The sum, first to last: `math.fsum` takes longer over the rows of a small cube than a sweep of it."""
    out = 0.0
    for value in of:
        out += value
    return out


class Diffusion:
    """Time steps of one field with fixed coefficients: factors are kept between steps.

    Args:
        shape: (ny, nx) or (nz, ny, nx).
        spread: D / h^2, per time.
        dt: step, same time.
        decay: first-order loss per time, number or array of `shape`, at least 0.  Exchange with vessels is a loss
            `exchange` and a source `exchange * value in the vessel`.
        source: made per voxel and time, in units of the field per time, number or array of `shape`.
        order: 1 (positive, damps everything) or 2 (Strang, two stages); see the text of the module.
        periodic: a ring along each axis instead of walls without flux.
        threads: threads of large fields; they change no bit.

    Raises:
        ValueError: an argument of the wrong shape or sign.
    """

    def __init__(self, shape, spread, dt, decay=0.0, source=0.0, *, order=1, periodic=False, threads=1):
        volume = shape if len(shape) == 3 else (1, *shape)
        if order not in (1, 2):
            raise ValueError(f"order: expected 1 or 2, got {order}")
        self.shape, self.order, self.periodic, self.threads = tuple(volume), order, bool(periodic), threads
        self.dt = positive("dt", dt)
        c = positive("spread", spread) * self.dt
        self.whole = [thomas(n, c, self.periodic) for n in self.shape]
        self.factors = self.whole if order == 1 else [thomas(n, STAGE * c, self.periodic) for n in self.shape]
        self.set_sources(decay, source)

    def set_sources(self, decay=0.0, source=0.0) -> None:
        """Change loss and source; meanings as for the class."""
        self.idle = all(isinstance(v, (int, float)) and v == 0.0 for v in (decay, source))
        if self.idle:
            self.inflow = 0.0
            return
        decay = as_values("decay", decay, self.shape, 0.0)
        source = as_values("source", source, self.shape)
        if self.order == 1:
            self.keep = 1.0 / (1.0 + self.dt * decay)
            self.made = self.dt * source * self.keep
        else:
            x = 0.5 * self.dt * decay
            below = 1.0 + x + 0.5 * x * x
            self.keep = 1.0 / below
            self.made = 0.5 * self.dt * source * (1.0 + 0.5 * x) / below
        self.inflow = self.dt * math.fsum(source.ravel())
        self.idle = not (decay.any() or source.any())

    def step(self, field: np.ndarray) -> float:
        """Advance `field` (float64, `shape`) by one step in place; return what loss took, summed over voxels.

        What sources made is `inflow`; the sum over the field changes by inflow less the value returned.

        Raises:
            ValueError: `field` is not of this shape.
        """
        u = as_volume("field", field)
        if u.shape != self.shape:
            raise ValueError(f"field: expected shape {self.shape}, got {u.shape}")
        nz, ny, nx = u.shape
        ring, second = self.periodic, self.order == 2
        rows = u.reshape(nz * ny, nx)
        keep, made = (None, None) if self.idle else (a.reshape(nz * ny, nx) for a in (self.keep, self.made))
        fell = np.zeros(nz * ny)
        (_, fy, fx), (_, gy, gx) = self.factors, self.whole
        with dealer(self.threads) as deal:
            if not self.idle:
                deal(nz * ny, lambda a, b: react(rows, keep, made, fell, a, b))
            if nz > 1:
                deal(nz, lambda a, b: self._along_x_and_y(u, a, b))
                deal(ny * nx, lambda a, b: self._along_z(u[None], a, b))
            else:
                if nx > 1:
                    deal(ny, lambda a, b: sweep_rows(rows, a, b, fx, gx, ring and nx > 2, second))
                if ny > 1:
                    deal(nx, lambda a, b: sweep_columns(u, a, b, fy, gy, ring and ny > 2, second))
            if second and not self.idle:
                deal(nz * ny, lambda a, b: react(rows, keep, made, fell, a, b))
        return self.inflow + total(fell)

    def _along_x_and_y(self, planes: np.ndarray, first: int, last: int) -> None:
        """Diffuse planes `first` to `last` of [plane, y, x], some at a time that stay in the cache between the axes."""
        _, ny, nx = planes.shape
        ring, second = self.periodic, self.order == 2
        (_, fy, fx), (_, gy, gx) = self.factors, self.whole
        rows, group = planes.reshape(-1, nx), max(1, CACHED // (ny * nx))
        for z in range(first, last, group):
            end = min(last, z + group)
            if nx > 1:
                sweep_rows(rows, z * ny, end * ny, fx, gx, ring and nx > 2, second)
            if ny > 1:
                sweep_columns(planes, z * nx, end * nx, fy, gy, ring and ny > 2, second)

    def _along_z(self, fields: np.ndarray, first: int, last: int) -> None:
        """Diffuse columns `first` to `last` of [field, z, y, x], counted through all fields, along z."""
        number, nz, ny, nx = fields.shape
        ring, second = self.periodic and nz > 2, self.order == 2
        sweep_columns(fields.reshape(number, nz, ny * nx), first, last, self.factors[0], self.whole[0], ring, second)

    def spread(self, fields: np.ndarray) -> None:
        """Advance several fields [field, z, y, x] (float64, C-contiguous) by one step of diffusion alone, in place.

        Every field gets the bits of :meth:`step` without loss and source; one thread.

        Raises:
            ValueError: `fields` are not of this shape.
        """
        if fields.dtype != np.float64 or not fields.flags.c_contiguous or fields.shape[1:] != self.shape:
            raise ValueError(f"fields: expected C-contiguous float64 fields of shape {self.shape}, got {fields.shape}")
        (nz, ny, nx), number = self.shape, len(fields)
        self._along_x_and_y(fields.reshape(number * nz, ny, nx), 0, number * nz)
        if nz > 1:
            self._along_z(fields, 0, number * ny * nx)


def diffuse(field, spread, decay, source, dt, *, order=1, periodic=False, threads=1) -> float:
    """Advance `field` by one step `dt` in place; arguments and result as for :class:`Diffusion` and its `step`."""
    stepper = Diffusion(field.shape, spread, dt, decay, source, order=order, periodic=periodic, threads=threads)
    return stepper.step(field)
