"""Exponential, logarithm and power made of plain arithmetic, so that results are the same bits everywhere.

Library versions of these functions change in the last bit with the processor and with the version of the C library. The
functions here use only IEEE add, subtract, multiply, divide, comparisons and bit operations, each rounded once;
there is no fused multiply-add. The undecorated Python source is available as
`.py_func` of each function and gives the same bits.

Sources: argument reduction after Cody and Waite, "Software Manual for the Elementary Functions" (1980); splitting
and exact products after Dekker, doi 10.1007/BF01397083.
"""

from decimal import Context, Decimal

import numpy as np
from numba import njit

INV_LN2 = 1.4426950408889634
LN2_HI = float.fromhex("0x1.62e42fee00000p-1")  # 32 significant bits: k * LN2_HI is exact for abs(k) < 2**20
LN2_LO = float.fromhex("0x1.a39ef35793c76p-33")
EXP_MAX = 709.782712893384  # above: infinity
EXP_MIN = -745.1332191019411  # below: zero
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
ONE_BITS = 0x3FF0000000000000
MANTISSA = 0x000FFFFFFFFFFFFF
UPPER_HALF = -134217728  # clears the lower 27 bits of a significand
EXPONENT = -4503599627370496  # sign and exponent bits
TABLE_BITS = 7
TABLE_SIZE = 2**TABLE_BITS
TABLE_START = 0x3FE6900000000000  # the table covers significands from 0.705 to 1.41, with 1 well inside an interval


def _log_table():
    """Return the table (128, 3) of 1/c to 13 bits and -log(1/c) in two parts, c the middle of each interval.

    The first part of the logarithm is a multiple of 2**-42, so that its sum with k LN2_HI is exact.
    """
    table = np.empty((TABLE_SIZE, 3))
    context = Context(prec=40)
    for row in range(TABLE_SIZE):
        ends = np.array([row, row + 1], dtype=np.int64) * np.int64(2 ** (52 - TABLE_BITS)) + np.int64(TABLE_START)
        low, high = (float(x) for x in ends.view(np.float64))
        inverse = 1.0 if low <= 1.0 < high else round(8192.0 / (low + high)) / 4096.0
        exact = -context.ln(Decimal(inverse))
        first = round(float(exact) * 2.0**42) / 2.0**42
        table[row] = inverse, first, float(context.subtract(exact, Decimal(first)))
    return table


LOG_TABLE = _log_table()


@njit("int64(float64)", cache=True, nogil=True, forceinline=True)
def to_bits(x):
    """Return the 64 bits of the double x as an integer."""
    return np.float64(x).view(np.int64)


@njit("float64(int64)", cache=True, nogil=True, forceinline=True)
def from_bits(i):
    """Return the double whose 64 bits are the integer i."""
    return np.int64(i).view(np.float64)


@njit("float64(float64)", cache=True, nogil=True, forceinline=True)
def upper_half(x):
    """Return x with the lower 27 bits of its significand cleared, so that products of two such numbers are exact."""
    return from_bits(to_bits(x) & np.int64(UPPER_HALF))


@njit("float64(float64, float64)", cache=True, nogil=True, error_model="numpy", forceinline=True)
def exp_sum(x, low):
    """Return exp(x + low) for a small correction `low` (abs(low) < 1e-10 max(1, abs(x))), error below 1 ulp in
    normal range.

    NaN gives NaN, values above 709.78 give infinity, values below -745.13 give zero.
    """
    # the comparison is written so that NaN falls to a number: the conversion to integer is then always defined
    t = x if x > -746.0 else -746.0
    t = t if t < 710.0 else 710.0
    k = np.int32(t * INV_LN2 + (0.5 if t >= 0.0 else -0.5))
    kf = np.float64(k)
    hi = t - kf * LN2_HI
    lo = low - kf * LN2_LO
    r = hi + lo
    lost = (hi - r) + lo
    r2 = r * r
    r4 = r2 * r2
    # Taylor series of (exp(r) - 1 - r) / r^2 to degree 11, in pairs so that the products overlap
    p01 = 0.5 + r * 1.6666666666666666e-1
    p23 = 4.1666666666666664e-2 + r * 8.3333333333333332e-3
    p45 = 1.3888888888888889e-3 + r * 1.9841269841269841e-4
    p67 = 2.4801587301587302e-5 + r * 2.7557319223985893e-6
    p89 = 2.7557319223985888e-7 + r * 2.5052108385441720e-8
    pab = 2.0876756987868100e-9 + r * 1.6059043836821613e-10
    q0 = p01 + r2 * p23
    q1 = p45 + r2 * p67
    q2 = p89 + r2 * pab
    p = q0 + r4 * (q1 + r4 * q2)
    value = 1.0 + (r + (r2 * p + (lost + lost * r)))
    # two exact powers of two, so that results below the normal range are rounded once and large ones become infinite
    half = k >> np.int32(1)
    rest = k - half
    s1 = from_bits((np.int64(half) + np.int64(1023)) << np.int64(52))
    s2 = from_bits((np.int64(rest) + np.int64(1023)) << np.int64(52))
    value = value * s1 * s2
    value = np.inf if x > EXP_MAX + 1.0 else value
    value = 0.0 if x < EXP_MIN - 1.0 else value
    return x if x != x else value


@njit("float64(float64)", cache=True, nogil=True, error_model="numpy")
def exp(x):
    """Return e to the power x (error below 1 ulp; dimensionless)."""
    if x == 0.0:  # terms of drugs that are not given
        return 1.0
    return exp_sum(x, 0.0)


@njit("float64(float64)", cache=True, nogil=True, error_model="numpy")
def log(x):
    """Return the natural logarithm of x (error below 1 ulp): -infinity at 0, NaN below 0."""
    x = np.float64(x)
    small = x < 2.2250738585072014e-308
    y = x * 18014398509481984.0 if small else x  # 2**54 lifts numbers below the normal range
    bits = to_bits(y) + np.int64(ONE_BITS - SQRT_HALF_BITS)
    k = np.int32((bits >> np.int64(52)) - np.int64(1023))
    k = k - np.int32(54) if small else k
    m = from_bits((bits & np.int64(MANTISSA)) + np.int64(SQRT_HALF_BITS))
    f = m - 1.0
    s = f / (m + 1.0)
    z = s * s
    z2 = z * z
    z4 = z2 * z2
    # atanh series: log(m) = 2 s + s * (2 z/3 + 2 z^2/5 + ...), z < 0.0295
    r01 = 6.6666666666666663e-1 + z * 0.4
    r23 = 2.8571428571428570e-1 + z * 2.2222222222222221e-1
    r45 = 1.8181818181818182e-1 + z * 1.5384615384615385e-1
    r67 = 1.3333333333333333e-1 + z * 1.1764705882352941e-1
    r89 = 1.0526315789473684e-1 + z * 9.5238095238095233e-2
    r = z * ((r01 + z2 * r23) + z4 * ((r45 + z2 * r67) + z4 * r89))
    half_square = 0.5 * f * f
    kf = np.float64(k)
    value = kf * LN2_HI - ((half_square - (s * (half_square + r) + kf * LN2_LO)) - f)
    value = x if x == np.inf else value
    value = -np.inf if x == 0.0 else value
    return np.nan if not (x >= 0.0) else value


@njit("float64(float64, float64)", cache=True, nogil=True, error_model="numpy")
def power(x, y):
    """Return x to the power y, guarded: a negative base counts as 0 unless y is an integer (error below 2 ulp).

    power(x, 0) = 1 for any x; power(0, y) is 0 for y > 0 and infinity for y < 0. The logarithm is carried in two
    doubles.
    """
    x = np.float64(x)
    y = np.float64(y)
    if x == 0.0 and y > 0.0:  # an empty slot or depot: the common case of a model with unused drugs
        return 0.0
    a = -x if x < 0.0 else x
    small = a < 2.2250738585072014e-308
    b = a * 18014398509481984.0 if small else a
    bits = to_bits(b)
    offset = bits - np.int64(TABLE_START)
    k = np.int32(offset >> np.int64(52))
    kf = np.float64(k - np.int32(54) if small else k)
    z = from_bits(bits - (offset & np.int64(EXPONENT)))
    row = (offset >> np.int64(52 - TABLE_BITS)) & np.int64(TABLE_SIZE - 1)
    inverse = LOG_TABLE[row, 0]
    # z / c = 1 + r1 + r2, both exact: the table holds 13 bits of 1/c, z1 has 21 bits, rounded so that
    # z next to 1 gives r1 = 0
    z1 = from_bits((to_bits(z) + np.int64(2147483648)) & np.int64(-4294967296))
    r1 = z1 * inverse - 1.0
    r2 = (z - z1) * inverse
    r = r1 + r2
    rr = r * r
    # log(a) = k ln2 + log(c) + r1 - r1^2/2 + r2 + (the rest); every large sum keeps its rounding error
    t1 = kf * LN2_HI + LOG_TABLE[row, 1]
    t2 = t1 + r1
    e1 = (t1 - t2) + r1
    square = -0.5 * r1 * r1
    t3 = t2 + square
    e2 = (t2 - t3) + square
    t4 = t3 + r2
    v = t4 - t3
    e3 = (t3 - (t4 - v)) + (r2 - v)
    p01 = 3.3333333333333331e-1 - r * 0.25
    p23 = 0.2 - r * 1.6666666666666666e-1
    p45 = 1.4285714285714285e-1 - r * 0.125
    series = r * rr * (p01 + rr * (p23 + rr * (p45 + rr * 1.1111111111111110e-1)))
    rest = (kf * LN2_LO + LOG_TABLE[row, 2]) - r2 * (r1 + 0.5 * r2) + (e1 + e2) + (e3 + series)
    l1 = t4 + rest
    l2 = (t4 - l1) + rest
    # y log(a) = p1 + p2 with exact products of halves
    yc = y if y < 1e300 else 1e300
    yc = yc if yc > -1e300 else -1e300
    lh = upper_half(l1)
    ll = (l1 - lh) + l2
    y1 = upper_half(yc)
    y2 = yc - y1
    head = y1 * lh
    tail = y1 * ll + y2 * (lh + ll)
    p1 = head + tail
    p2 = (head - p1) + tail
    p2 = p2 if abs(p1) < 800.0 else 0.0
    value = exp_sum(p1, p2)
    infinite = abs(y) == np.inf
    value = value if a > 0.0 else (0.0 if y > 0.0 else np.inf)
    value = value if a < np.inf else (np.inf if y > 0.0 else 0.0)
    edge = np.inf if (a > 1.0) == (y > 0.0) else 0.0
    value = (1.0 if a == 1.0 else edge) if infinite else value
    whole = np.floor(y) == y
    odd = whole and abs(y) < 9007199254740992.0 and (np.floor(0.5 * y) != 0.5 * y)
    negative = value if not odd else -value
    guarded = 0.0 if y > 0.0 else np.inf
    value = value if x >= 0.0 else (negative if whole else guarded)
    value = np.nan if (x != x or y != y) else value
    value = 1.0 if y == 0.0 else value
    return 1.0 if x == 1.0 else value
