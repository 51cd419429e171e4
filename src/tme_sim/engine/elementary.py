"""Exponential, logarithm and power made of plain arithmetic, so that results are the same bits everywhere.

Library versions of these functions change in the last bit with the processor and with the version of the C library. The
functions here use only IEEE add, subtract, multiply, divide, comparisons and bit operations, each rounded once; there is no
fused multiply-add and no table, so that loops over them vectorise. The undecorated Python source is available as
`.py_func` of each function and gives the same bits.

Sources: argument reduction after Cody and Waite, "Software Manual for the Elementary Functions" (1980); splitting and exact
products after Dekker, doi 10.1007/BF01397083.
"""

import numpy as np
from numba import njit

INV_LN2 = 1.4426950408889634
LN2_HI = float.fromhex("0x1.62e42fee00000p-1")  # 32 significant bits: k * LN2_HI is exact for abs(k) < 2**20
LN2_LO = float.fromhex("0x1.a39ef35793c76p-33")
LN2_LOWEST = float.fromhex("0x1.cc01f97b57a08p-87")  # ln 2 - LN2_HI - LN2_LO
EXP_MAX = 709.782712893384  # above: infinity
EXP_MIN = -745.1332191019411  # below: zero
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
ONE_BITS = 0x3FF0000000000000
MANTISSA = 0x000FFFFFFFFFFFFF
UPPER_HALF = -134217728  # clears the lower 27 bits of a significand
THIRD_HI = float.fromhex("0x1.5555555555555p-2")
THIRD_LO = float.fromhex("0x1.5555555555555p-56")


@njit("int64(float64)", cache=True, nogil=True)
def to_bits(x):
    """Return the 64 bits of the double x as an integer."""
    return np.float64(x).view(np.int64)


@njit("float64(int64)", cache=True, nogil=True)
def from_bits(i):
    """Return the double whose 64 bits are the integer i."""
    return np.int64(i).view(np.float64)


@njit("float64(float64)", cache=True, nogil=True)
def upper_half(x):
    """Return x with the lower 27 bits of its significand cleared, so that products of two such numbers are exact."""
    return from_bits(to_bits(x) & np.int64(UPPER_HALF))


@njit("float64(float64, float64)", cache=True, nogil=True, error_model="numpy")
def exp_sum(x, low):
    """Return exp(x + low) for a small correction `low` (abs(low) < 1e-10 max(1, abs(x))), error below 1 ulp in normal range.

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

    power(x, 0) = 1 for any x; power(0, y) is 0 for y > 0 and infinity for y < 0. The logarithm is carried in two doubles.
    """
    x = np.float64(x)
    y = np.float64(y)
    a = -x if x < 0.0 else x
    small = a < 2.2250738585072014e-308
    b = a * 18014398509481984.0 if small else a
    bits = to_bits(b) + np.int64(ONE_BITS - SQRT_HALF_BITS)
    k = np.int32((bits >> np.int64(52)) - np.int64(1023))
    k = k - np.int32(54) if small else k
    m = from_bits((bits & np.int64(MANTISSA)) + np.int64(SQRT_HALF_BITS))
    kf = np.float64(k)
    # s = (m - 1)/(m + 1) = s1 + s2
    f = m - 1.0
    d = m + 1.0
    d_low = (m - (d - 1.0)) + (1.0 - (d - (d - 1.0)))
    s = f / d
    s1 = upper_half(s)
    d1 = upper_half(d)
    d2 = (d - d1) + d_low
    s2 = ((f - s1 * d1) - s1 * d2) / d
    # z = s^2 = z1 + z2
    z = s * s
    z1 = upper_half(z)
    z2 = (s1 * s1 - z1) + s2 * (s + s1)
    w2 = z * z
    w4 = w2 * w2
    # q = z/5 + z^2/7 + ...; c = 1/3 + q = c1 + c2; log(m) = 2 s (1 + z c)
    r01 = 0.2 + z * 1.4285714285714285e-1
    r23 = 1.1111111111111110e-1 + z * 9.0909090909090912e-2
    r45 = 7.6923076923076927e-2 + z * 6.6666666666666666e-2
    r67 = 5.8823529411764705e-2 + z * 5.2631578947368418e-2
    r89 = 4.7619047619047616e-2 + z * 4.3478260869565216e-2
    q = z * ((r01 + w2 * r23) + w4 * ((r45 + w2 * r67) + w4 * r89))
    c = THIRD_HI + q
    c1 = upper_half(c)
    c2 = ((THIRD_HI - c1) + q) + THIRD_LO
    # e = z c = e1 + e2
    e = z * c
    e1 = upper_half(e)
    e2 = (z1 * c1 - e1) + (z1 * c2 + z2 * c)
    # g = 2 s e = g1 + g2, then log(a) = k ln2 + 2 s + g as l1 + l2
    t1 = s1 + s1
    t2 = s2 + s2
    g1 = t1 * e1
    g2 = t1 * e2 + t2 * (e1 + e2)
    h = t1 + g1
    h2 = ((t1 - h) + g1) + (t2 + g2)
    base = kf * LN2_HI
    l1 = base + h
    l2 = ((base - l1) + h) + (h2 + kf * LN2_LO)
    l2 = l2 + kf * LN2_LOWEST
    # y log(a) = p1 + p2 with exact products of halves
    yc = y if y < 1e300 else 1e300
    yc = yc if yc > -1e300 else -1e300
    lh = upper_half(l1 + l2)
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
    edge = (np.inf if (a > 1.0) == (y > 0.0) else 0.0)
    value = (1.0 if a == 1.0 else edge) if infinite else value
    whole = np.floor(y) == y
    odd = whole and abs(y) < 9007199254740992.0 and (np.floor(0.5 * y) != 0.5 * y)
    negative = value if not odd else -value
    guarded = 0.0 if y > 0.0 else np.inf
    value = value if x >= 0.0 else (negative if whole else guarded)
    value = np.nan if (x != x or y != y) else value
    value = 1.0 if y == 0.0 else value
    return 1.0 if x == 1.0 else value
