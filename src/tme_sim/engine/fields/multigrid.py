"""Geometric multigrid for -spread * Laplacian(p) + a * p = f on any box: the working arrays and one V(2,2) cycle.

Cells merge in pairs along every axis, and an odd last cell stays alone, so every size is allowed: each level keeps the
shares and couplings that follow from the widths of its cells along each axis (finite volumes).  Smoothing is
Gauss-Seidel in two colours, residuals are averaged over merged cells, corrections interpolated linearly.  The last
level is one cell, solved exactly.  All levels lie in flat arrays one after the other.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tme_sim.engine.fields.shared import OPTIONS, positive

SMOOTHING = 2  # sweeps in two colours before, and after, the coarse correction
CACHED = 32768  # cells of a level that stay in the processor's cache from sweep to sweep


@njit(**OPTIONS)
def beside(z, y, nz, ny, nx):
    """Where the rows before and after along z and y begin, around the ends (walls have couplings of zero there)."""
    zl = ((z - 1 if z > 0 else nz - 1) * ny + y) * nx
    zh = ((z + 1 if z < nz - 1 else 0) * ny + y) * nx
    yl = (z * ny + (y - 1 if y > 0 else ny - 1)) * nx
    yh = (z * ny + (y + 1 if y < ny - 1 else 0)) * nx
    return zl, zh, yl, yh


@njit(**OPTIONS)
def relax(p, f, inverse, low, high, shape, odd, first, last):
    """One colour of Gauss-Seidel on rows first to last: cells with (x + y + z) & 1 == odd.

    `p`, `f`, `inverse` are flat; `low`, `high` hold the couplings to the neighbour before and after along z, y and x,
    one axis after the other; `inverse` is one over the diagonal.
    """
    nz, ny, nx = shape[0], shape[1], shape[2]
    lx, hx = low[nz + ny : nz + ny + nx], high[nz + ny : nz + ny + nx]
    out = np.empty(nx)
    for r in range(first, last):
        z, y = r // ny, r % ny
        here = r * nx
        zl, zh, yl, yh = beside(z, y, nz, ny, nx)
        a, b, c, d = low[z], high[z], low[nz + y], high[nz + y]
        row, g, v = p[here : here + nx], f[here : here + nx], inverse[here : here + nx]
        pa, pb, pc, pd = p[zl : zl + nx], p[zh : zh + nx], p[yl : yl + nx], p[yh : yh + nx]
        begin, e = (y + z + odd) & 1, nx - 1
        for x in range(nx):  # both colours, eight cells at a time, are sooner done than one colour cell by cell; two
            out[x] = g[x] + a * pa[x] + b * pb[x] + c * pc[x] + d * pd[x]
        inner, left, right = out[1:e], row[:e], row[2:]  # loops, because with more arrays the compiler does not do so
        lo, hi, w = lx[1:e], hx[1:e], v[1:e]
        for x in range(inner.size):
            inner[x] = (inner[x] + lo[x] * left[x] + hi[x] * right[x]) * w[x]
        if begin == 0:
            row[0] = (out[0] + lx[0] * row[e] + hx[0] * row[min(1, e)]) * v[0]
            begin = 2
        for x in range(begin, e, 2):
            row[x] = out[x]
        if e > 0 and (e - begin) & 1 == 0:
            row[e] = (out[e] + lx[e] * row[e - 1] + hx[e] * row[0]) * v[e]


@njit(**OPTIONS)
def smooth(p, f, inverse, low, high, shape, odd):
    """SMOOTHING sweeps in two colours, beginning with `odd`, as one wave over the planes (2-D: rows).

    Half-sweep k follows half-sweep k - 1 one plane behind, so that all of them pass while a plane is in the processor's
    cache; it starts at plane k and ends with planes 0 to k - 1, so that rings are right too.  Every cell sees the
    values it would see if the half-sweeps ran one after the other, which is what they do where all cells are cached.
    """
    units = shape[0] if shape[0] > 1 else shape[1]
    rows = shape[1] if shape[0] > 1 else 1
    half = 2 * SMOOTHING
    whole = p.size <= CACHED
    for t in range(half if whole else units + 2 * (half - 1)):
        for j in range(2 if whole else half):
            k = t if whole else j
            if whole:  # planes k to the last, then those before
                begin = 0 if j else k % units
                end = k % units if j else units
            else:
                i = t - 2 * k
                begin = (k + i) % units
                end = begin + 1 if 0 <= i < units else begin
            if begin < end:
                relax(p, f, inverse, low, high, shape, (odd + k) & 1, begin * rows, end * rows)


@njit(**OPTIONS)
def residual_row(p, f, a, low, high, shape, r, out):
    """f - a p + spread * Laplacian(p) of row `r` into `out`."""
    nz, ny, nx = shape[0], shape[1], shape[2]
    lx, hx = low[nz + ny : nz + ny + nx], high[nz + ny : nz + ny + nx]
    z, y = r // ny, r % ny
    here = r * nx
    zl, zh, yl, yh = beside(z, y, nz, ny, nx)
    g, h, c, d = low[z], high[z], low[nz + y], high[nz + y]
    row, fr, ar = p[here : here + nx], f[here : here + nx], a[here : here + nx]
    pa, pb, pc, pd = p[zl : zl + nx], p[zh : zh + nx], p[yl : yl + nx], p[yh : yh + nx]
    for x in range(nx):
        q = row[x]
        s = fr[x] - ar[x] * q
        out[x] = s + g * (pa[x] - q) + h * (pb[x] - q) + c * (pc[x] - q) + d * (pd[x] - q)
    e = nx - 1
    for x in range(1, e):
        q = row[x]
        out[x] += lx[x] * (row[x - 1] - q) + hx[x] * (row[x + 1] - q)
    if e > 0:
        out[0] += lx[0] * (row[e] - row[0]) + hx[0] * (row[1] - row[0])
        out[e] += lx[e] * (row[e - 1] - row[e]) + hx[e] * (row[0] - row[e])


@njit(**OPTIONS)
def gather_row(row, share, weight, pairs, out):
    """Add `weight` times the share-weighted pairs of `row` to `out`; without pairs, cell by cell."""
    n = row.size
    if pairs:
        for k in range(n // 2):
            out[k] += weight * (share[2 * k] * row[2 * k] + share[2 * k + 1] * row[2 * k + 1])
        if n & 1:
            out[n // 2] += weight * share[n - 1] * row[n - 1]
    else:
        for x in range(n):
            out[x] += weight * share[x] * row[x]


@njit(**OPTIONS)
def restrict(p, f, a, low, high, shape, share, f2, p2, shape2, first, last):
    """Residual of a level averaged into `f2` of the next one, rows first to last of that; `p2` starts at zero.

    `share` is the width of each cell over that of the merged cell that it goes into, along z, y and x.
    """
    nz, ny, nx = shape[0], shape[1], shape[2]
    mz, my, mx = shape2[0], shape2[1], shape2[2]
    sz, sy = (2 if mz < nz else 1), (2 if my < ny else 1)
    row = np.empty(nx)
    for r in range(first, last):
        z2, y2 = r // my, r % my
        for x in range(r * mx, r * mx + mx):
            f2[x] = p2[x] = 0.0
        for z in range(sz * z2, min(nz, sz * z2 + sz)):
            for y in range(sy * y2, min(ny, sy * y2 + sy)):
                residual_row(p, f, a, low, high, shape, z * ny + y, row)
                gather_row(row, share[nz + ny :], share[z] * share[nz + y], mx < nx, f2[r * mx : r * mx + mx])


@njit(**OPTIONS)
def average(a, shape, share, a2, shape2, first, last):
    """Coefficient `a` averaged over merged cells, rows first to last of the next level."""
    nz, ny, nx = shape[0], shape[1], shape[2]
    mz, my, mx = shape2[0], shape2[1], shape2[2]
    sz, sy = (2 if mz < nz else 1), (2 if my < ny else 1)
    for r in range(first, last):
        z2, y2 = r // my, r % my
        for x in range(r * mx, r * mx + mx):
            a2[x] = 0.0
        for z in range(sz * z2, min(nz, sz * z2 + sz)):
            for y in range(sy * y2, min(ny, sy * y2 + sy)):
                row = a[(z * ny + y) * nx : (z * ny + y) * nx + nx]
                gather_row(row, share[nz + ny :], share[z] * share[nz + y], mx < nx, a2[r * mx : r * mx + mx])


@njit(**OPTIONS)
def invert(a, low, high, shape, inverse, first, last):
    """One over the diagonal, rows first to last; 0 where the diagonal is 0 (a lone cell without loss)."""
    nz, ny, nx = shape[0], shape[1], shape[2]
    for r in range(first, last):
        z, y = r // ny, r % ny
        base = low[z] + high[z] + low[nz + y] + high[nz + y]
        for x in range(nx):
            d = a[r * nx + x] + (base + (low[nz + ny + x] + high[nz + ny + x]))
            inverse[r * nx + x] = 1.0 / d if d > 0.0 else 0.0


@njit(**OPTIONS)
def carry(a, low, high, share, inverse, shapes, cells, axes):
    """Coefficient `a` and one over the diagonal on all levels, in one thread."""
    first = np.int64(0)
    for level in range(shapes.shape[0]):
        i, j, u, v = cells[level], cells[level + 1], axes[level], axes[level + 1]
        n = shapes[level]
        if level + 1 < shapes.shape[0]:
            k, m = cells[level + 2], shapes[level + 1]
            average(a[i:j], n, share[u:v], a[j:k], m, first, m[0] * m[1])
        invert(a[i:j], low[u:v], high[u:v], n, inverse[i:j], first, n[0] * n[1])


@njit(**OPTIONS)
def correct(p, shape, p2, shape2, other, weight, first, last):
    """Add the correction `p2` of the next level, interpolated linearly, to rows first to last of `p`.

    Per axis and cell `other` is the second cell of the next level that it lies between, `weight` that one's share.
    """
    nz, ny, nx = shape[0], shape[1], shape[2]
    mz, my, mx = shape2[0], shape2[1], shape2[2]
    sz, sy = (2 if mz < nz else 1), (2 if my < ny else 1)
    ox, wx = other[nz + ny : nz + ny + nx], weight[nz + ny : nz + ny + nx]
    line = np.empty(mx)
    for r in range(first, last):
        z, y = r // ny, r % ny
        z0, y0, z1, y1 = z // sz, y // sy, other[z], other[nz + y]
        wz, wy = weight[z], weight[nz + y]
        a, b, c, d = (1.0 - wz) * (1.0 - wy), (1.0 - wz) * wy, wz * (1.0 - wy), wz * wy
        o0, o1, o2, o3 = (z0 * my + y0) * mx, (z0 * my + y1) * mx, (z1 * my + y0) * mx, (z1 * my + y1) * mx
        q0, q1, q2, q3 = p2[o0 : o0 + mx], p2[o1 : o1 + mx], p2[o2 : o2 + mx], p2[o3 : o3 + mx]
        row = p[r * nx : r * nx + nx]
        for x in range(mx):
            line[x] = a * q0[x] + b * q1[x] + c * q2[x] + d * q3[x]
        if mx < nx:
            for k in range(nx // 2):
                u, v, mine = wx[2 * k], wx[2 * k + 1], line[k]
                row[2 * k] += (1.0 - u) * mine + u * line[ox[2 * k]]
                row[2 * k + 1] += (1.0 - v) * mine + v * line[ox[2 * k + 1]]
            if nx & 1:
                u = wx[nx - 1]
                row[nx - 1] += (1.0 - u) * line[mx - 1] + u * line[ox[nx - 1]]
        else:  # an axis of one cell
            row[0] += line[0]


@njit(**OPTIONS)
def v_cycle(p, f, a, inverse, low, high, share, other, weight, shapes, cells, axes, start):
    """V(2,2) cycle from level `start` down and up, in one thread."""
    levels = shapes.shape[0]
    first = np.int64(0)
    for step in range(start, 2 * levels - 1 - start):  # every kernel at one place only, or it is compiled twice
        down = step < levels - 1
        level = step if down else 2 * (levels - 1) - step
        i, j, u, v = cells[level], cells[level + 1], axes[level], axes[level + 1]
        if level == levels - 1:
            p[i] = f[i] * inverse[i]
            continue
        n, m, k = shapes[level], shapes[level + 1], cells[level + 2]
        if not down:
            correct(p[i:j], n, p[j:k], m, other[u:v], weight[u:v], first, n[0] * n[1])
        smooth(p[i:j], f[i:j], inverse[i:j], low[u:v], high[u:v], n, 0 if down else 1)
        if down:
            fine = (p[i:j], f[i:j], a[i:j], low[u:v], high[u:v], n, share[u:v])
            restrict(*fine, f[j:k], p[j:k], m, first, m[0] * m[1])


def axis_levels(n: int, levels: int, periodic: bool):
    """Per level of one axis: shares of merged cells, couplings before and after (spread 1), second cell, its weight."""
    width, out = np.ones(n), []
    for _ in range(levels):
        n = width.size
        ring = periodic and n > 1
        total = width.sum()
        middle = np.cumsum(width) - 0.5 * width
        after = np.append(np.diff(middle), total - middle[-1] + middle[0])  # to the cell after, around the ring
        high = 1.0 / (width * after)
        low = 1.0 / (width * np.roll(after, 1))
        if not ring:
            high[-1] = low[0] = 0.0
        merged = np.add.reduceat(width, np.arange(0, n, 2)) if n > 1 else width.copy()
        centre = np.cumsum(merged) - 0.5 * merged
        other, weight = np.zeros(n, dtype=np.int64), np.zeros(n)
        m = merged.size
        for i in range(n):
            own = i // 2 if n > 1 else 0
            off = middle[i] - centre[own]
            step = 0 if off == 0.0 else (1 if off > 0.0 else -1)
            near = own + step
            if not 0 <= near < m and not ring:
                step = 0
            if step == 0 or m == 1:
                other[i] = own
                continue
            other[i] = near % m
            distance = centre[other[i]] - centre[own]
            if near != other[i]:
                distance += step * total
            weight[i] = off / distance
        share = width / merged[np.arange(n) // 2] if n > 1 else np.ones(1)
        out.append((share, low, high, other, weight))
        width = merged
    return out


class Multigrid:
    """Working arrays and cycles for one shape; keep one between solves to save their allocation.

    Args:
        shape: (ny, nx) or (nz, ny, nx).
        spread: D / h^2, per time.
        periodic: a ring along each axis instead of walls without flux.
        work: another one of this shape, whose working arrays this one uses too; only one of them may solve at a time.

    `a` and `f` are views of the finest level (nz, ny, nx): loss per time, and source in units of the field per time.
    `p` is the field itself, flat.
    """

    def __init__(self, shape, spread, *, periodic=False, work: Multigrid | None = None):
        spread = positive("spread", spread)
        self.shape = tuple(int(n) for n in (shape if len(shape) == 3 else (1, *shape)))
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError(f"shape: expected (ny, nx) or (nz, ny, nx), got {shape}")
        self.spread, self.periodic = spread, bool(periodic)
        shapes = [self.shape]
        while max(shapes[-1]) > 1:
            shapes.append(tuple((n + 1) // 2 for n in shapes[-1]))
        levels = len(shapes)
        self.shapes = np.array(shapes, dtype=np.int64)
        per_axis = [axis_levels(n, levels, self.periodic) for n in self.shape]
        flat = [[per_axis[k][level] for k in range(3)] for level in range(levels)]
        kinds = [np.concatenate([axis[kind] for level in flat for axis in level]) for kind in range(5)]
        self.share, self.low, self.high, self.other, self.weight = kinds
        self.low, self.high = spread * self.low, spread * self.high
        self.axes = np.concatenate([[0], np.cumsum(self.shapes.sum(axis=1))])
        self.cells = np.concatenate([[0], np.cumsum(self.shapes.prod(axis=1))])
        total, fine = int(self.cells[-1]), int(self.cells[1])
        if work is not None and work.shape != self.shape:
            raise ValueError(f"work: expected working arrays of shape {self.shape}, got {work.shape}")
        self.all_a, self.all_f, self.all_p, self.inverse = (
            (np.zeros(total) for _ in range(4)) if work is None else (work.all_a, work.all_f, work.all_p, work.inverse)
        )
        self.a, self.f = self.all_a[:fine].reshape(self.shape), self.all_f[:fine].reshape(self.shape)
        self.p = self.all_p[:fine]

    def level(self, k: int):
        """Slices of cells and of axes of level `k`."""
        return slice(self.cells[k], self.cells[k + 1]), slice(self.axes[k], self.axes[k + 1])

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All arrays, in the order in which :func:`v_cycle` takes them."""
        return (self.all_p, self.all_f, self.all_a, self.inverse, self.low, self.high, self.share, self.other,
                self.weight, self.shapes, self.cells, self.axes)  # fmt: skip

    def prepare(self, deal) -> None:
        """Carry the loss `a` to all levels; call after it has changed."""
        for k, n in enumerate(self.shapes):
            c, x = self.level(k)
            rows = int(n[0] * n[1])
            run = deal if k == 0 else (lambda number, work: work(0, number))
            if k + 1 < len(self.shapes):
                c2 = self.level(k + 1)[0]
                m = self.shapes[k + 1]
                down = (self.all_a[c], n, self.share[x], self.all_a[c2], m)
                run(int(m[0] * m[1]), lambda i, j, down=down: average(*down, i, j))
            args = (self.all_a[c], self.low[x], self.high[x], n, self.inverse[c])
            run(rows, lambda i, j, args=args: invert(*args, i, j))

    def cycle(self, deal) -> None:
        """One V(2,2) cycle on `p`, in place, the finest level shared out by `deal`.

        On a ring of odd length cells of one colour touch, so one thread goes over them in order.
        """
        n = self.shapes[0]
        outer = n[0] if n[0] > 1 else n[1]
        odd_ring = self.periodic and (outer % 2 or (n[0] > 1 and n[1] % 2))
        if len(self.shapes) == 1:
            v_cycle(*self.arrays, 0)
            return
        c, x = self.level(0)
        c2, m = self.level(1)[0], self.shapes[1]
        rows = int(n[0] * n[1])
        p, f, a, inverse, low, high = (
            self.all_p[c], self.all_f[c], self.all_a[c], self.inverse[c], self.low[x], self.high[x],
        )  # fmt: skip
        p2 = self.all_p[c2]

        def sweeps(first):
            if odd_ring:
                smooth(p, f, inverse, low, high, n, first)
                return
            for k in range(2 * SMOOTHING):
                deal(rows, lambda i, j, odd=(first + k) & 1: relax(p, f, inverse, low, high, n, odd, i, j))

        sweeps(0)
        fine = (p, f, a, low, high, n, self.share[x])
        deal(int(m[0] * m[1]), lambda i, j: restrict(*fine, self.all_f[c2], p2, m, i, j))
        v_cycle(*self.arrays, 1)
        deal(rows, lambda i, j: correct(p, n, p2, m, self.other[x], self.weight[x], i, j))
        sweeps(1)
