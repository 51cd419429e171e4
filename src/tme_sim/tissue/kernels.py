"""Mechanics on the lattice: random numbers in rows, walking, places for daughters and sprouts.

Voxels are numbered z, y, x (x fastest) and the lattice is periodic.  All loops run in one thread and in a fixed order,
and every random number is keyed by the individual it decides about, so the bytes do not depend on threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tme_sim.engine.rng import poisson, uniform

OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
MOST_WALKERS = 4  # immune cells that share one voxel
TRIALS = 2  # places looked at before a sprout chooses the one with more VEGF; with 2 the untreated piece rests


@njit(**OPTIONS)
def draws(seed, patient, ids, step, purpose, draw):
    """Uniform numbers, one per individual of `ids`."""
    out = np.empty(ids.size)
    for i in range(ids.size):
        out[i] = uniform(seed, patient, np.uint64(ids[i]), step, purpose, draw)
    return out


@njit(**OPTIONS)
def neighbour(v, d, nz, ny, nx):
    """Voxel on side `d` of `v`: 0 -x, 1 +x, 2 -y, 3 +y, 4 -z, 5 +z."""
    x, y, z = v % nx, (v // nx) % ny, v // (nx * ny)
    if d == 0:
        x = x - 1 if x > 0 else nx - 1
    elif d == 1:
        x = x + 1 if x < nx - 1 else 0
    elif d == 2:
        y = y - 1 if y > 0 else ny - 1
    elif d == 3:
        y = y + 1 if y < ny - 1 else 0
    elif d == 4:
        z = z - 1 if z > 0 else nz - 1
    else:
        z = z + 1 if z < nz - 1 else 0
    return (z * ny + y) * nx + x


@njit(**OPTIONS)
def shifted(v, dz, dy, dx, nz, ny, nx):
    """Voxel at an offset from `v`, around the edges."""
    x, y, z = v % nx, (v // nx) % ny, v // (nx * ny)
    return (((z + dz) % nz) * ny + (y + dy) % ny) * nx + (x + dx) % nx


@njit(**OPTIONS)
def poissons(seed, patient, ids, step, purpose, draw, means):
    """Poisson numbers of given means, one per individual of `ids`."""
    out = np.zeros(ids.size, dtype=np.int64)
    for i in range(ids.size):
        if means[i] > 0.0:
            out[i] = poisson(seed, patient, np.uint64(ids[i]), step, purpose, draw, means[i])
    return out


@njit(**OPTIONS)
def walk(where, heading, ids, guide, stall, crowd, seed, patient, step, purpose, first, chance, persistence, nz, ny,
         nx):
    """One sub-step of every walker: move one voxel with chance * stall, keep the heading or turn, prefer up `guide`."""
    sides = 6 if nz > 1 else 4
    for i in range(where.size):
        v = where[i]
        key = np.uint64(ids[i])
        if uniform(seed, patient, key, step, purpose, np.uint64(first)) >= chance * stall[v]:
            continue
        turn = uniform(seed, patient, key, step, purpose, np.uint64(first + 1))
        if turn >= persistence:
            d = int((turn - persistence) / (1.0 - persistence) * sides)
            other = int(uniform(seed, patient, key, step, purpose, np.uint64(first + 2)) * sides)
            if guide[neighbour(v, other, nz, ny, nx)] > guide[neighbour(v, d, nz, ny, nx)]:
                d = other
            heading[i] = d
        target = neighbour(v, heading[i], nz, ny, nx)
        if crowd[target] >= MOST_WALKERS:
            continue
        crowd[v] -= 1
        crowd[target] += 1
        where[i] = target


@njit(**OPTIONS)
def place_daughters(mothers, cell, lineage, next_id, kinds, seed, patient, step, purpose, nz, ny, nx):
    """Put a daughter beside each mother: in an empty voxel of her surroundings, else in place of a random neighbour,
    which crowding pushes out of the piece.

    `kinds` [2, cell kinds] is counted up: row 0 placed, row 1 pushed out by kind.  Returns the next free number and how
    many were pushed out.
    """
    pushed = 0
    for i in range(mothers.size):
        m = mothers[i]
        key = np.uint64(lineage[m])
        best, hops = -1, 0
        start = int(uniform(seed, patient, key, step, purpose, np.uint64(0)) * 27)
        for k in range(27):
            o = (start + k) % 27
            dz, dy, dx = o // 9 - 1, (o // 3) % 3 - 1, o % 3 - 1
            if (dz == 0 and dy == 0 and dx == 0) or (nz == 1 and dz != 0):
                continue
            v = shifted(m, dz, dy, dx, nz, ny, nx)
            if best < 0:
                best = v
            if cell[v] == 0:
                best = v
                hops = 1
                break
        if hops == 0:
            pushed += 1
            kinds[1, cell[best]] += 1
        cell[best] = cell[m]
        kinds[0, cell[m]] += 1
        lineage[best] = next_id
        next_id += 1
    return next_id, pushed


@njit(**OPTIONS)
def place_sprouts(parents, vessel, ids, new_id, guide, seed, patient, step, purpose, reach, gap, nz, ny, nx):
    """End a sprout of each parent at the best of the places looked at within `reach` voxels: no vessel within `gap`
    voxels, highest `guide`.

    Returns voxels of new vessels (-1: no room) and the next free number.
    """
    out = np.full(parents.size, -1, dtype=np.int64)
    deep = reach if nz > 1 else 0
    for i in range(parents.size):
        parent = parents[i]
        key = np.uint64(ids[parent])
        best, highest = -1, -np.inf
        for trial in range(TRIALS):
            dx = int(uniform(seed, patient, key, step, purpose, np.uint64(3 * trial)) * (2 * reach + 1)) - reach
            dy = int(uniform(seed, patient, key, step, purpose, np.uint64(3 * trial + 1)) * (2 * reach + 1)) - reach
            dz = int(uniform(seed, patient, key, step, purpose, np.uint64(3 * trial + 2)) * (2 * deep + 1)) - deep
            v = shifted(parent, dz, dy, dx, nz, ny, nx)
            free = vessel[v] == 0
            for gz in range(-gap if nz > 1 else 0, (gap if nz > 1 else 0) + 1):
                for gy in range(-gap, gap + 1):
                    for gx in range(-gap, gap + 1):
                        if free and vessel[shifted(v, gz, gy, gx, nz, ny, nx)] != 0:
                            free = False
            if free and guide[v] > highest:
                best, highest = v, guide[v]
        if best >= 0:
            vessel[best] = 1
            ids[best] = new_id
            new_id += 1
            out[i] = best
    return out, new_id
