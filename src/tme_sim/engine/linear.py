"""Sparse LU without pivoting, laid out once per pattern as a program of integer operations.

The Rosenbrock method solves W x = b with W = shift I - J several times a step. The pattern of J never changes during a
run, so the elimination order (Markowitz), the fill and the list of operations are worked out once in Python; the
kernels only follow the list. W of a small step is close to diagonally dominant, hence no pivoting: a pivot that is
zero, not finite or lost by cancellation makes `factor` return its row, and the stepper takes a smaller step.

Layout of the program (one uint32 array, so that the kernels need no signed index):
    [n, nnz, n_lu, n_pairs, start of each section ...] then the sections
    diag     n        place of the diagonal of row i in lu
    place    nnz      place of Jacobian nonzero k in lu
    row_end  n        elimination order: end of the pairs of the r-th row
    order    n        row eliminated r-th
    pair_l   n_pairs  place of the multiplier l(i, k)
    pair_d   n_pairs  place of the (inverted) pivot of row k
    op_end   n_pairs  end of the pair's operations
    op_dst   n_ops    lu[dst] -= lu[l] * lu[src]; the sources follow the pivot of row k in lu
    fwd_*, bwd_*      forward and backward substitution: row, end, place in lu, column
    own      n        number k of the Jacobian nonzero on the diagonal of row i
    row, col nnz      where Jacobian nonzero k stands
Places in lu: the multipliers in the order of the forward substitution, then for each row of the backward one its pivot
and the entries right of it.
Source: Markowitz, doi 10.1287/mnsc.3.3.255; Duff, Erisman and Reid, "Direct Methods for Sparse Matrices".
"""

import numpy as np
from numba import njit, types

HEADER = 20
PROGRAM = types.uint32[::1]
VECTOR = types.float64[::1]
REAL = types.float64
OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
# how the integrator calls an elimination: the functions below, or those written out for a pattern (`tape_linear`), for
# which jv has one place more than there are nonzeros
FACTOR_SIGNATURE = types.int64(PROGRAM, VECTOR, REAL, VECTOR)
SOLVE_SIGNATURE = types.void(PROGRAM, VECTOR, VECTOR)
FACTOR = types.FunctionType(FACTOR_SIGNATURE)
SOLVE = types.FunctionType(SOLVE_SIGNATURE)
LOST = 1e13  # how much smaller than its diagonal a pivot may become


def markowitz(rows, cols, n):
    """Return the elimination order (int array, n) of least Markowitz count (r - 1)(c - 1) on the diagonal.

    r and c count the entries left in the pivot's row and column, fill included; ties go to the shorter row, then to the
    smaller index. Keeping rows and columns apart halves the operations against a symmetrised minimum degree here.
    """
    in_row = [set() for _ in range(n)]
    in_col = [set() for _ in range(n)]
    for r, c in zip(rows, cols, strict=True):
        if r != c:
            in_row[r].add(int(c))
            in_col[c].add(int(r))
    alive = set(range(n))
    order = []
    while alive:
        best = min(alive, key=lambda i: (len(in_row[i]) * len(in_col[i]), len(in_row[i]), i))
        alive.remove(best)
        order.append(best)
        for i in in_col[best]:
            in_row[i] |= in_row[best]
            in_row[i] -= {i, best}
        for j in in_row[best]:
            in_col[j] |= in_col[best]
            in_col[j] -= {j, best}
    return np.array(order, dtype=np.int64)


def build_program(rows, cols, n, order=None):
    """Return the elimination program (uint32 array) for a Jacobian pattern.

    rows, cols: int arrays (nnz) of the nonzeros in the order in which values will be given; the diagonal must be
    complete and no entry may be twice there. Raises ValueError otherwise. order: in which to eliminate (`markowitz`
    where it is not given).
    """
    rows = np.asarray(rows, dtype=np.int64)
    cols = np.asarray(cols, dtype=np.int64)
    if rows.shape != cols.shape or rows.ndim != 1:
        raise ValueError("rows and cols of the Jacobian pattern must be 1-D arrays of equal length")
    entries = set(zip(rows.tolist(), cols.tolist(), strict=True))
    if len(entries) != rows.size:
        raise ValueError("the Jacobian pattern names an entry twice")
    if rows.size and (min(rows.min(), cols.min()) < 0 or max(rows.max(), cols.max()) >= n):
        raise ValueError(f"the Jacobian pattern has an index outside 0..{n - 1}")
    missing = [i for i in range(n) if (i, i) not in entries]
    if missing:
        raise ValueError(f"the Jacobian pattern lacks the diagonal of rows {missing[:5]}")
    order = markowitz(rows, cols, n) if order is None else np.asarray(order, dtype=np.int64)
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n)
    row_sets = [set() for _ in range(n)]
    for r, c in entries:
        row_sets[r].add(c)
    pairs_of_row = []
    for i in order.tolist():
        done = set()
        pairs = []
        while True:
            todo = [k for k in row_sets[i] if rank[k] < rank[i] and k not in done]
            if not todo:
                break
            k = min(todo, key=lambda c: rank[c])
            done.add(k)
            upper = sorted((j for j in row_sets[k] if rank[j] > rank[k]), key=lambda c: rank[c])
            row_sets[i].update(upper)
            pairs.append((k, upper))
        pairs_of_row.append(pairs)
    place = {}  # in the order in which `solve` reads them, so that memory is read from front to back
    for i, pairs in zip(order.tolist(), pairs_of_row, strict=True):
        for k, _ in pairs:
            place[i, k] = len(place)
    for i in order.tolist()[::-1]:
        for j in sorted((j for j in row_sets[i] if rank[j] >= rank[i]), key=lambda c: rank[c]):
            place[i, j] = len(place)
    row_end, pair_l, pair_d, op_end, op_dst = [], [], [], [], []
    fwd_row, fwd_end, fwd_lu, fwd_col = [], [], [], []
    for i, pairs in zip(order.tolist(), pairs_of_row, strict=True):
        for k, upper in pairs:
            pair_l.append(place[i, k])
            pair_d.append(place[k, k])
            op_dst += [place[i, j] for j in upper]
            op_end.append(len(op_dst))
            fwd_lu.append(place[i, k])
            fwd_col.append(k)
        row_end.append(len(pair_l))
        if pairs:
            fwd_row.append(i)
            fwd_end.append(len(fwd_lu))
    bwd_row, bwd_end, bwd_lu, bwd_col = [], [], [], []
    for i in order.tolist()[::-1]:
        for j in sorted((j for j in row_sets[i] if rank[j] > rank[i]), key=lambda c: rank[c]):
            bwd_lu.append(place[i, j])
            bwd_col.append(j)
        bwd_row.append(i)
        bwd_end.append(len(bwd_lu))
    sections = [
        [place[i, i] for i in range(n)],
        [place[r, c] for r, c in zip(rows.tolist(), cols.tolist(), strict=True)],
        row_end,
        order.tolist(),
        [x for triple in zip(pair_l, pair_d, op_end, strict=True) for x in triple],
        op_dst,
        [x for pair in zip(fwd_row, fwd_end, strict=True) for x in pair],
        [x for pair in zip(fwd_lu, fwd_col, strict=True) for x in pair],
        [x for pair in zip(bwd_row, bwd_end, strict=True) for x in pair],
        [x for pair in zip(bwd_lu, bwd_col, strict=True) for x in pair],
        np.flatnonzero(rows == cols)[np.argsort(rows[rows == cols])].tolist(),
        rows.tolist(),
        cols.tolist(),
    ]
    header = [n, rows.size, len(place), len(pair_l), len(op_dst), len(fwd_row)]
    start = HEADER
    for section in sections:
        header.append(start)
        start += len(section)
    flat = header + [0] * (HEADER - len(header)) + [x for section in sections for x in section]
    return np.array(flat, dtype=np.uint32)


@njit(types.boolean(REAL, REAL), forceinline=True, **OPTIONS)
def pivot_holds(diagonal, inverse):
    """Return whether a pivot, given as its inverse, is finite, not zero and not lost against the diagonal it was."""
    return abs(diagonal) * abs(inverse) < LOST and abs(inverse) > 0.0


@njit(FACTOR_SIGNATURE, **OPTIONS)
def bad_pivot(program, jv, shift, lu):
    """Return 1 + the first row whose pivot in the factors lu is of no use, 0 when there is none."""
    n = np.int64(program[0])
    diag = np.int64(program[6])
    own = np.int64(program[16])
    for i in range(n):
        if not pivot_holds(-jv[program[own + i]] + shift, lu[program[diag + i]]):
            return 1 + i
    return 0


@njit(FACTOR_SIGNATURE, **OPTIONS)
def factor(program, jv, shift, lu):
    """Factor W = shift I - J into lu; pivots are stored inverted. Return 0, or 1 + row of a bad pivot.

    jv: Jacobian nonzeros in pattern order. lu: work array of length program[2].
    """
    n = np.int64(program[0])
    nnz = np.int64(program[1])
    diag = np.int64(program[6])
    place = np.int64(program[7])
    row_end = np.int64(program[8])
    order = np.int64(program[9])
    pairs = np.int64(program[10])
    ops = np.int64(program[11])
    for k in range(lu.size):
        lu[k] = 0.0
    for k in range(nnz):
        lu[program[place + k]] = -jv[k]
    for i in range(n):
        lu[program[diag + i]] += shift
    p = 0
    q = 0
    for r in range(n):
        p_end = np.int64(program[row_end + r])
        for pair in range(p, p_end):
            at = pairs + 3 * pair
            factor_l = lu[program[at]] * lu[program[at + 1]]
            lu[program[at]] = factor_l
            stop = np.int64(program[at + 2])
            src = np.int64(program[at + 1]) + 1 - q
            for o in range(q, stop):
                lu[program[ops + o]] -= factor_l * lu[src + o]
            q = stop
        p = p_end
        d = program[diag + np.int64(program[order + r])]
        lu[d] = 1.0 / lu[d]
    return bad_pivot(program, jv, shift, lu)


@njit(SOLVE_SIGNATURE, **OPTIONS)
def solve(program, lu, b):
    """Solve W x = b in place with the factors of `factor`."""
    n = np.int64(program[0])
    diag = np.int64(program[6])
    rows = np.int64(program[5])
    fwd = np.int64(program[12])
    fwd_ops = np.int64(program[13])
    bwd = np.int64(program[14])
    bwd_ops = np.int64(program[15])
    q = 0
    for r in range(rows):
        i = program[fwd + 2 * r]
        stop = np.int64(program[fwd + 2 * r + 1])
        value = b[i]
        while q < stop:
            value -= lu[program[fwd_ops + 2 * q]] * b[program[fwd_ops + 2 * q + 1]]
            q += 1
        b[i] = value
    q = 0
    for r in range(n):
        i = program[bwd + 2 * r]
        stop = np.int64(program[bwd + 2 * r + 1])
        value = b[i]
        while q < stop:
            value -= lu[program[bwd_ops + 2 * q]] * b[program[bwd_ops + 2 * q + 1]]
            q += 1
        b[i] = value * lu[program[diag + np.int64(i)]]


@njit(types.void(PROGRAM, VECTOR, VECTOR, VECTOR), **OPTIONS)
def multiply(program, jv, x, out):
    """Write J x into out (n), row by row in pattern order."""
    nnz = np.int64(program[1])
    row = np.int64(program[17])
    col = np.int64(program[18])
    for k in range(out.size):
        out[k] = 0.0
    for k in range(nnz):
        out[program[row + k]] += jv[k] * x[program[col + k]]
