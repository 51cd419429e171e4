"""Mechanics on the lattice: random numbers in rows, walking, places for daughters and sprouts.

Voxels are numbered z, y, x (x fastest) and the lattice is periodic.  Loops in which individuals see each other run in
one thread and in a fixed order; every random number is keyed by the individual it decides about, so the bytes do not
depend on threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tme_sim.engine import rng
from tme_sim.engine.elementary import exp
from tme_sim.engine.rng import poisson, uniform

OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
MOST_WALKERS = 4  # immune cells that share one voxel
COMPARED = 2  # free places that a sprout compares before it goes for the one with more VEGF
MOST_TRIALS = 24  # places looked at for free ones

_philox = njit(nogil=True, forceinline=True)(rng.philox.py_func)  # within a loop several blocks are found side by side


@njit(**OPTIONS)
def draws(seed, patient, ids, step, purpose, draw):
    """Uniform numbers, one per individual of `ids`."""
    out = np.empty(ids.size)
    for i in range(ids.size):
        out[i] = uniform(seed, patient, np.uint64(ids[i]), step, purpose, draw)
    return out


@njit(nogil=True, error_model="numpy", forceinline=True)
def _between(word):
    """The number between 0 and 1 that a random word stands for."""
    value = (np.float64(word >> rng.SHIFT_11) + 0.5) * 1.1102230246251565e-16
    return value if value < 1.0 else 0.9999999999999999


@njit(**OPTIONS)
def strikes(cell, rates, touching, rows, numbers, sum_rows, sum_numbers, contact, begin, by, item, touch, ids, seed,
            patient, step, purpose, dt, weight, fate, killing, first, last):
    """Cells of places `first` to `last` that something strikes within `dt`: `fate` 1 + the process there, else 0; and
    `killing`, the flux.

    Process `j` of kind `k` (`begin[k] <= j < begin[k + 1]`) has the hazard `rates[rows[j], place]`, or `numbers[j]`
    where its row is -1; where `contact[j]`, that of one killer, `touching[rows[j], item[place]]`: `by` are the killers
    at a place, of whom each touches with `touch`.  Those of a kind without a touch add up to `rates[sum_rows[kind],
    place]`, or `sum_numbers[kind]`.  `weight` are cells per volume.
    """
    for v in range(first, last):
        kind = cell[v]
        start, stop = begin[kind], begin[kind + 1]
        if start == stop:
            continue
        alone, hazard = rates[sum_rows[kind], v] if sum_rows[kind] >= 0 else sum_numbers[kind], 0.0
        if by[v] > 0.0:
            for j in range(start, stop):
                if contact[j]:
                    hazard += touching[rows[j], item[v]] if rows[j] >= 0 else numbers[j]
            hazard = hazard * by[v] * touch
            killing[v] = hazard * weight
        total = alone + hazard
        if total > 0.0:
            key = np.uint64(ids[v])
            luck = uniform(seed, patient, key, step, purpose, np.uint64(0))
            if luck < total * dt and luck < 1.0 - exp(-total * dt):  # 1 - exp(-x) is below x
                hazards = np.empty(stop - start)
                for j in range(start, stop):
                    if contact[j]:
                        one = 0.0
                        if by[v] > 0.0:
                            one = touching[rows[j], item[v]] if rows[j] >= 0 else numbers[j]
                        hazards[j - start] = max(one, 0.0) * (by[v] * touch)
                    else:
                        hazards[j - start] = max(rates[rows[j], v] if rows[j] >= 0 else numbers[j], 0.0)
                fate[v] = 1 + start + which(hazards, uniform(seed, patient, key, step, purpose, np.uint64(1)))


@njit(**OPTIONS)
def which(hazards, choice):
    """Place in `hazards` of the process that strikes, in proportion to them, by `choice` (0 to 1)."""
    total = 0.0
    for j in range(hazards.size):
        total += hazards[j]
    passed, so_far = 0, 0.0
    for j in range(hazards.size):
        so_far += hazards[j]
        if so_far <= choice * total:
            passed += 1
    return min(passed, hazards.size - 1)


@njit(**OPTIONS)
def struck(kind, rates, rows, numbers, begin, ids, seed, patient, step, purpose, dt):
    """Individuals that something strikes within `dt`, and what: places in `kind`, and processes; tables as for
    :func:`strikes`, `rates` [row, individual]."""
    out, process, n = np.empty(kind.size, dtype=np.int64), np.empty(kind.size, dtype=np.int64), 0
    most = 0
    for k in range(begin.size - 1):
        most = max(most, begin[k + 1] - begin[k])
    hazards = np.empty(most)
    for i in range(kind.size):
        start, stop = begin[kind[i]], begin[kind[i] + 1]
        total = 0.0
        for j in range(start, stop):
            hazards[j - start] = max(rates[rows[j], i] if rows[j] >= 0 else numbers[j], 0.0)
            total += hazards[j - start]
        if total > 0.0:
            key = np.uint64(ids[i])
            luck = uniform(seed, patient, key, step, purpose, np.uint64(0))
            if luck < total * dt and luck < 1.0 - exp(-total * dt):
                out[n] = i
                choice = uniform(seed, patient, key, step, purpose, np.uint64(1))
                process[n] = start + which(hazards[: stop - start], choice)
                n += 1
    return out[:n], process[:n]


@njit(**OPTIONS)
def census(where, kind, rows, counts):
    """Count immune cells in `counts` [row, voxel], each in the rows that are set for its kind in `rows` [kind, row]."""
    for i in range(where.size):
        for row in range(counts.shape[0]):
            if rows[kind[i], row]:
                counts[row, where[i]] += 1.0


@njit(**OPTIONS)
def neighbour(v, d, nz, ny, nx):
    """Voxel on side `d` of `v`: 0 -x, 1 +x, 2 -y, 3 +y, 4 -z, 5 +z; few divisions, which take most of the time."""
    plane = ny * nx
    if d == 0:
        return v - 1 if v % nx > 0 else v + nx - 1
    if d == 1:
        return v + 1 if v % nx < nx - 1 else v - nx + 1
    if d == 2:
        return v - nx if v % plane >= nx else v + plane - nx
    if d == 3:
        return v + nx if v % plane < plane - nx else v - plane + nx
    if d == 4:
        return v - plane if v >= plane else v + (nz - 1) * plane
    return v + plane if v < (nz - 1) * plane else v - (nz - 1) * plane


@njit(**OPTIONS)
def shifted(v, dz, dy, dx, nz, ny, nx):
    """Voxel at an offset from `v`, around the edges."""
    x, y, z = v % nx, (v // nx) % ny, v // (nx * ny)
    return (((z + dz) % nz) * ny + (y + dy) % ny) * nx + (x + dx) % nx


@njit(**OPTIONS)
def arrivals(seed, patient, ids, open_, step, purpose, draws, rates, rows, numbers):
    """Immune cells that come through vessels in a step: a Poisson number of each kind through each that is open.

    Kind `j` (with the number `draws[j]` for its luck) comes `rates[rows[j], vessel]` times on average, or `numbers[j]`
    where its row is -1.  Returns kinds and vessels of those that come, kind after kind.
    """
    number = np.zeros((draws.size, ids.size), dtype=np.int64)
    for j in range(draws.size):
        for i in range(ids.size):
            mean = rates[rows[j], i] if rows[j] >= 0 else numbers[j]
            if open_[i] and mean > 0.0:
                number[j, i] = poisson(seed, patient, np.uint64(ids[i]), step, purpose, np.uint64(draws[j]), mean)
    total = number.sum()
    kinds, vessels, n = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.int64), 0
    for j in range(draws.size):
        for i in range(ids.size):
            for _ in range(number[j, i]):
                kinds[n], vessels[n] = j, i
                n += 1
    return kinds, vessels


@njit(**OPTIONS)
def lucks(seed, patient, ids, step, purpose, out):
    """Uniform numbers [draw, individual] of the first draws, as :func:`tme_sim.engine.rng.uniform` gives them; the rows
    of `out` come in fours, because a block of the generator holds four."""
    for block in range(out.shape[0] // 4):
        a, b, c, d = out[4 * block], out[4 * block + 1], out[4 * block + 2], out[4 * block + 3]
        for i in range(ids.size):
            words = _philox(seed, patient, ids[i], step, purpose, np.uint64(block))
            a[i], b[i] = _between(words[0]), _between(words[1])
            c[i], d[i] = _between(words[2]), _between(words[3])


@njit(**OPTIONS)
def walk(where, heading, ids, kind, resident, guide, stall, crowd, seed, patient, step, purpose, subs, chance,
         persistence, chemotaxis, nz, ny, nx):
    """`subs` sub-steps of all walkers: in each every one moves one voxel with chance * stall, and keeps the heading or
    turns; kinds that are `resident` stay.

    A share `chemotaxis` of turns goes for the better of two directions by `guide`.
    """
    sides = 6 if nz > 1 else 4
    mobile, n = np.empty(ids.size, dtype=np.int64), 0
    for i in range(ids.size):
        if not resident[kind[i]]:
            mobile[n] = i
            n += 1
    who = np.empty(n, dtype=np.uint64)
    for m in range(n):
        who[m] = ids[mobile[m]]
    luck = np.empty(((3 * subs + 3) // 4 * 4, n))
    lucks(seed, patient, who, step, purpose, luck)
    for sub in range(subs):
        move, turn, choose = luck[3 * sub], luck[3 * sub + 1], luck[3 * sub + 2]
        for m in range(n):
            i = mobile[m]
            v = where[i]
            if move[m] >= chance * stall[v]:
                continue
            if turn[m] >= persistence:
                d = int((turn[m] - persistence) / (1.0 - persistence) * sides)
                other = int(choose[m] / chemotaxis * sides) if choose[m] < chemotaxis else d
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
def nearest_empty(m, cell, liver, luck, reach, nz, ny, nx):
    """Offset (dz, dy, dx) of the nearest empty voxel (no liver) within `reach` of `m`, and whether there is one.

    Of equally near ones `luck` (0 to 1) takes any with the same chance, so that no direction is preferred.
    """
    side = 2 * reach + 1
    total = (side if nz > 1 else 1) * side * side
    best, ties, wanted = 1 << 30, 0, 0
    for look in range(2):  # how near, and how many; then the one
        if look == 1:
            wanted = int(luck * ties)
        for o in range(total):
            dz = o // (side * side) - reach if nz > 1 else 0
            dy, dx = (o // side) % side - reach, o % side - reach
            far = dz * dz + dy * dy + dx * dx
            if not 0 < far <= min(best, reach * reach):
                continue
            v = shifted(m, dz, dy, dx, nz, ny, nx)
            if cell[v] != 0 or liver[v]:
                continue
            if look == 0:
                ties = ties + 1 if far == best else 1
                best = far
            elif wanted == 0:
                return dz, dy, dx, True
            else:
                wanted -= 1
        if ties == 0:
            break
    return 0, 0, 0, False


@njit(**OPTIONS)
def way_out(m, at, liver, nz, ny, nx):
    """Offset from `m` to the liver at `at`, or, where cells have taken that since, to liver beside it; and whether."""
    dx, dy, dz = at % nx - m % nx, (at // nx) % ny - (m // nx) % ny, at // (nx * ny) - m // (nx * ny)
    for around in range(8):
        deep = around if nz > 1 else 0
        best, bz, by, bx = 1 << 30, 0, 0, 0
        for gz in range(-deep, deep + 1):
            for gy in range(-around, around + 1):
                for gx in range(-around, around + 1):
                    far = (dz + gz) ** 2 + (dy + gy) ** 2 + (dx + gx) ** 2
                    if 0 < far < best and liver[shifted(m, dz + gz, dy + gy, dx + gx, nz, ny, nx)]:
                        best, bz, by, bx = far, dz + gz, dy + gy, dx + gx
        if best < 1 << 30:
            return bz, by, bx, True
    return 0, 0, 0, False


@njit(**OPTIONS)
def place_daughters(mothers, cell, lineage, liver, margin, next_id, kinds, reach, seed, patient, step, purpose, nz, ny,
                    nx):
    """Put a daughter beside each mother: cells between her and the nearest empty voxel within `reach` are pushed on;
    where all is full, the daughter takes the place of a random neighbour, which crowding pushes out of the piece.
    With a `margin` (the nearest voxel of liver for each voxel; empty: none) cells are pushed on to the margin instead,
    and the liver there gives way.

    `kinds` [2, cell kinds] is counted up: row 0 placed, row 1 pushed out by kind.  Returns the next free number and how
    many were pushed out.
    """
    pushed = 0
    for i in range(mothers.size):
        m = mothers[i]
        kind, key = cell[m], np.uint64(lineage[m])
        luck = uniform(seed, patient, key, step, purpose, np.uint64(0))
        dz, dy, dx, found = nearest_empty(m, cell, liver, luck, reach, nz, ny, nx)
        if not found and margin.size > 0:
            dz, dy, dx, found = way_out(m, margin[m], liver, nz, ny, nx)
        if found:
            steps = max(abs(dz), max(abs(dy), abs(dx)))
            to = shifted(m, dz, dy, dx, nz, ny, nx)
            for k in range(steps - 1, 0, -1):  # along the line from the empty place back to the mother
                oz, oy, ox = round(dz * k / steps), round(dy * k / steps), round(dx * k / steps)
                of = shifted(m, oz, oy, ox, nz, ny, nx)
                cell[to], lineage[to] = cell[of], lineage[of]
                liver[to] = False
                to = of
        else:
            pushed += 1
            o = int(uniform(seed, patient, key, step, purpose, np.uint64(1)) * (6 if nz > 1 else 4))
            to = neighbour(m, o, nz, ny, nx)
            kinds[1, cell[to]] += 1
        cell[to], liver[to] = kind, False
        kinds[0, kind] += 1
        lineage[to] = next_id
        next_id += 1
    return next_id, pushed


@njit(**OPTIONS)
def place_sprouts(parents, vessel, ids, liver, new_id, guide, seed, patient, step, purpose, reach, gap, nz, ny, nx):
    """End a sprout of each parent at the place with the highest `guide` among COMPARED free ones within `reach`
    voxels; free: no vessel within `gap` voxels.

    Returns voxels of new vessels (-1: no room) and the next free number.
    """
    out = np.full(parents.size, -1, dtype=np.int64)
    deep = reach if nz > 1 else 0
    for i in range(parents.size):
        parent = parents[i]
        key = np.uint64(ids[parent])
        best, highest, seen = -1, -np.inf, 0
        for trial in range(MOST_TRIALS):
            dx = int(uniform(seed, patient, key, step, purpose, np.uint64(3 * trial)) * (2 * reach + 1)) - reach
            dy = int(uniform(seed, patient, key, step, purpose, np.uint64(3 * trial + 1)) * (2 * reach + 1)) - reach
            dz = int(uniform(seed, patient, key, step, purpose, np.uint64(3 * trial + 2)) * (2 * deep + 1)) - deep
            v = shifted(parent, dz, dy, dx, nz, ny, nx)
            free = vessel[v] == 0 and not liver[v]
            for gz in range(-gap if nz > 1 else 0, (gap if nz > 1 else 0) + 1):
                for gy in range(-gap, gap + 1):
                    for gx in range(-gap, gap + 1):
                        if free and vessel[shifted(v, gz, gy, gx, nz, ny, nx)] != 0:
                            free = False
            if free:
                seen += 1
                if guide[v] > highest:
                    best, highest = v, guide[v]
                if seen == COMPARED:
                    break
        if best >= 0:
            vessel[best] = 1
            ids[best] = new_id
            new_id += 1
            out[i] = best
    return out, new_id
