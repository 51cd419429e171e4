"""Steady oxygen fields in two and three dimensions, and vessel patterns.

`0 = D*lap(p) - Vmax*p/(p + Km) + sources`, periodic box, finite volumes.  A vessel is a line with conductance `g`
(um^2/s) from blood to the tissue at `RADIUS`; the voxel it crosses has the mean oxygen of the circle `WELL*h` around it
(Peaceman's equivalent radius), so the voxel is joined to blood through `1/g + ln(WELL*h/RADIUS)/(2*pi*D)`, and the
result does not depend on `h`.  Lengths in um, times in s, oxygen in mmHg.

Each voxel is solved exactly (a quadratic) in a Gauss-Seidel sweep with over-relaxation; oxygen stays positive.
"""

from __future__ import annotations

import numba
import numpy as np

RADIUS = 2.0
WELL = 0.1982  # axis-parallel line on a square grid (Peaceman)
WELL_OBLIQUE = 0.283  # line in a random direction through a cubic grid; see oblique_well()


@numba.njit(cache=True)
def _local(b, a, vmax, km):
    """Root of a*p^2 + (a*km + vmax - b)*p - b*km."""
    half = a * km + vmax - b
    root = np.sqrt(half * half + 4 * a * b * km)
    return 2 * b * km / (half + root) if half > 0 else (root - half) / (2 * a)


@numba.njit(cache=True)
def _relax(p, w, k, flat, vmax, km, p_v, omega, tol, sweeps):
    """Sweep until the largest change is below tol; returns the number of sweeps, -1 if not reached."""
    nz, ny, nx = p.shape
    a0 = 4 * k if flat else 6 * k
    for sweep in range(sweeps):
        worst = 0.0
        for z in range(nz):
            zm, zp = (z - 1) % nz, (z + 1) % nz
            for y in range(ny):
                ym = y - 1 if y > 0 else ny - 1
                yp = y + 1 if y < ny - 1 else 0
                for x in range(nx):
                    xm = x - 1 if x > 0 else nx - 1
                    xp = x + 1 if x < nx - 1 else 0
                    near = p[z, ym, x] + p[z, yp, x] + p[z, y, xm] + p[z, y, xp]
                    if not flat:
                        near += p[zm, y, x] + p[zp, y, x]
                    change = _local(k * near + w[z, y, x] * p_v, a0 + w[z, y, x], vmax, km) - p[z, y, x]
                    p[z, y, x] = max(0.0, p[z, y, x] + omega * change)
                    worst = max(worst, abs(change))
        if worst < tol:
            return sweep + 1
    return -1


def solve(w, h, D, Vmax, Km, p_v, omega=1.75, tol=1e-3):
    """Oxygen (mmHg) for voxel conductances `w` (1/s) in 2 or 3 dimensions; raises RuntimeError if not converged."""
    shape = w.shape
    flat = w.ndim == 2
    w = w.reshape((1, *shape)) if flat else w
    p = np.full(w.shape, 0.3 * p_v)
    if _relax(p, w, D / h**2, flat, Vmax, Km, p_v, omega, tol, 20000) < 0:
        raise RuntimeError("the oxygen field did not converge")
    return p.reshape(shape)


def well_conductance(g, D, h, well=WELL):
    """Conductance per length between blood and the voxel (um^2/s)."""
    return 1 / (1 / g + np.log(well * h / RADIUS) / (2 * np.pi * D))


def sources_2d(points, g, D, h, box):
    """Voxel conductances (1/s) for parallel vessels through `points` (um)."""
    m = round(box / h)
    w = np.zeros((m, m))
    ij = np.minimum((points / h).astype(int), m - 1)
    np.add.at(w, (ij[:, 0], ij[:, 1]), well_conductance(g, D, h) / h**2)
    return w


def sources_lines(lines, g, D, h, box):
    """Voxel conductances for straight vessels along the three axes."""
    m = round(box / h)
    w = np.zeros((m, m, m))
    axis, points = lines
    strength = well_conductance(g, D, h) / h**2
    for a, (i, j) in zip(axis, np.minimum((points / h).astype(int), m - 1), strict=True):
        index = (slice(None), i, j) if a == 0 else (i, slice(None), j) if a == 1 else (i, j, slice(None))
        w[index] += strength
    return w


def sources_segments(segments, g, D, h, box):
    """Voxel conductances for straight pieces in random directions."""
    m = round(box / h)
    start, direction, length = segments
    pieces = int(np.ceil(8 * length / h))
    along = (np.arange(pieces) + 0.5) / pieces * length
    ijk = (((start[:, None] + direction[:, None] * along[None, :, None]) % box) / h).astype(int).reshape(-1, 3)
    ijk = np.minimum(ijk, m - 1)
    w = np.zeros((m, m, m))
    np.add.at(w, tuple(ijk.T), well_conductance(g, D, h, WELL_OBLIQUE) * (length / pieces) / h**3)
    return w


def random_points(n, box, rng):
    """Independent points, n per mm^2."""
    return rng.random((max(1, round(n * box**2 * 1e-6)), 2)) * box


def even_points(n, box, rng, jitter=0.8):
    """A square lattice, each point moved within `jitter` of its cell."""
    m = max(1, round(np.sqrt(n * box**2 * 1e-6)))
    cell = np.stack(np.meshgrid(np.arange(m), np.arange(m)), -1).reshape(-1, 2)
    return ((cell + 0.5 + jitter * (rng.random((m * m, 2)) - 0.5)) * box / m) % box


def clustered_points(n, box, rng, children=4, spread=30.0):
    """Groups of `children` vessels, normally spread (um) around random centres."""
    count = max(1, round(n * box**2 * 1e-6))
    centres = rng.random((max(1, count // children), 2)) * box
    return (centres[rng.integers(0, len(centres), count)] + rng.normal(0, spread, (count, 2))) % box


def random_lines(n, box, rng):
    """Straight lines along the three axes, n mm per mm^3 in all."""
    count = max(3, round(n * box**2 * 1e-6))
    return (np.arange(3) if count == 3 else rng.integers(0, 3, count)), rng.random((count, 2)) * box


def random_segments(n, box, rng, length=200.0):
    """Pieces of `length` in random directions, n mm per mm^3."""
    count = max(1, round(n * 1e-6 * box**3 / length))
    direction = rng.normal(size=(count, 3))
    return rng.random((count, 3)) * box, direction / np.linalg.norm(direction, axis=1)[:, None], length


def oblique_well(samples=20, m=96, screening=5.0):
    """Equivalent radius, in voxels, of a line in a random direction: discrete against exact screened field."""
    from scipy.optimize import brentq
    from scipy.special import k0

    wave = 2 * np.cos(2 * np.pi * np.fft.fftfreq(m))
    symbol = 6 - (wave[:, None, None] + wave[None, :, None] + wave[None, None, :]) + screening**-2
    rng = np.random.default_rng(0)
    along = (np.arange(512) + 0.5) / 8 - 32
    found = []
    for _ in range(samples):
        u = rng.normal(size=3)
        ijk = (rng.random(3) + m / 2 + along[:, None] * u / np.linalg.norm(u)).astype(int)
        w = np.zeros((m, m, m))
        np.add.at(w, tuple(ijk.T), 1 / 8)
        p = np.fft.ifftn(np.fft.fftn(w) / symbol).real
        mean = 2 * np.pi * p[tuple(ijk[np.abs(along) < 12].T)].mean()
        found.append(brentq(lambda r, mean=mean: k0(r / screening) - mean, 1e-3, 3))
    return float(np.exp(np.mean(np.log(found))))
