"""Counter-based random numbers: Philox-4x64-10, the same number for the same (seed, patient, lineage, step, purpose,
draw).

There is no generator state. The key is (seed, patient); the counter is (lineage of the entity, step, purpose,
block), and each block gives four words, so draw d is word d % 4 of block d // 4. A number therefore does not depend
on the order of calls, on threads or on what other entities do. Purposes are numbered here and nowhere else; a number
is never reused.

Sources: Salmon et al., doi 10.1145/2063384.2063405 (Philox); Wichura, doi 10.2307/2347330 (normal quantile, AS 241);
Hormann, doi 10.1016/0167-6687(93)90997-4 (Poisson, PTRS).
"""

import numpy as np
from numba import njit, types

from tme_sim.engine.elementary import exp, log

PURPOSES = {
    "patient_parameters": 1,
    "tumour_baseline": 2,
    "assay_noise": 3,
    "imaging_noise": 4,
    "tace_technique": 5,
    "tace_response": 6,
    "adverse_event": 7,
    "new_lesion": 8,
    "death_other_cause": 9,
    "dropout": 10,
    "dose_delay": 11,
    "decision": 12,
    "death": 13,
    "invasion": 14,
    "occult_foci": 15,
    "division": 20,
    "cell_death": 21,
    "migration": 22,
    "differentiation": 23,
    "contact": 24,
    "recruitment": 25,
    "mutation": 26,
    "placement": 27,
    "bootstrap": 40,
    "sampling_design": 41,
    "test": 99,
}
DRAWS_PER_TRY = 2
MAX_TRIES = 200

U64 = types.uint64
REAL = types.float64
OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
LOW_32 = np.uint64(0xFFFFFFFF)
SHIFT_32 = np.uint64(32)
SHIFT_11 = np.uint64(11)
TWO = np.uint64(2)
THREE = np.uint64(3)
MULTIPLIER_0 = np.uint64(0xD2E7470EE14C6C93)
MULTIPLIER_1 = np.uint64(0xCA5A826395121157)
WEYL_0 = np.uint64(0x9E3779B97F4A7C15)
WEYL_1 = np.uint64(0xBB67AE8584CAA73B)
COUNTER = (U64, U64, U64, U64, U64, U64)  # seed, patient, lineage, step, purpose, draw


@njit(U64(U64, U64), **OPTIONS)
def high_product(a, b):
    """Return the upper 64 bits of a b."""
    a0 = a & LOW_32
    a1 = a >> SHIFT_32
    b0 = b & LOW_32
    b1 = b >> SHIFT_32
    middle = a1 * b0 + ((a0 * b0) >> SHIFT_32)
    other = a0 * b1 + (middle & LOW_32)
    return a1 * b1 + (middle >> SHIFT_32) + (other >> SHIFT_32)


@njit(types.UniTuple(U64, 4)(U64, U64, U64, U64, U64, U64), **OPTIONS)
def philox(k0, k1, c0, c1, c2, c3):
    """Return the four words of Philox-4x64-10 for key (k0, k1) and counter (c0, c1, c2, c3)."""
    for _ in range(10):
        h0 = high_product(MULTIPLIER_0, c0)
        l0 = MULTIPLIER_0 * c0
        h1 = high_product(MULTIPLIER_1, c2)
        l1 = MULTIPLIER_1 * c2
        c0 = h1 ^ c1 ^ k0
        c1 = l1
        c2 = h0 ^ c3 ^ k1
        c3 = l0
        k0 = k0 + WEYL_0
        k1 = k1 + WEYL_1
    return c0, c1, c2, c3


@njit(U64(*COUNTER), **OPTIONS)
def word(seed, patient, lineage, step, purpose, draw):
    """Return 64 random bits."""
    words = philox(seed, patient, lineage, step, purpose, draw >> TWO)
    which = draw & THREE
    if which == np.uint64(0):
        return words[0]
    if which == np.uint64(1):
        return words[1]
    if which == TWO:
        return words[2]
    return words[3]


@njit(REAL(*COUNTER), **OPTIONS)
def uniform(seed, patient, lineage, step, purpose, draw):
    """Return a number strictly between 0 and 1: one of the 2**53 midpoints (k + 1/2) 2**-53, the last one rounded
    down."""
    value = (np.float64(word(seed, patient, lineage, step, purpose, draw) >> SHIFT_11) + 0.5) * 1.1102230246251565e-16
    return value if value < 1.0 else 0.9999999999999999


@njit(REAL(REAL), **OPTIONS)
def normal_quantile(p):
    """Return the standard normal quantile of p (relative error about 1e-16); -inf at 0, inf at 1, NaN outside."""
    if not (p > 0.0 and p < 1.0):
        return -np.inf if p == 0.0 else (np.inf if p == 1.0 else np.nan)
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        a = (
            (
                (
                    (
                        ((2.5090809287301226727e3 * r + 3.3430575583588128105e4) * r + 6.7265770927008700853e4) * r
                        + 4.5921953931549871457e4
                    )
                    * r
                    + 1.3731693765509461125e4
                )
                * r
                + 1.9715909503065514427e3
            )
            * r
            + 1.3314166789178437745e2
        ) * r + 3.3871328727963666080e0
        b = (
            (
                (
                    (
                        ((5.2264952788528545610e3 * r + 2.8729085735721942674e4) * r + 3.9307895800092710610e4) * r
                        + 2.1213794301586595867e4
                    )
                    * r
                    + 5.3941960214247511077e3
                )
                * r
                + 6.8718700749205790830e2
            )
            * r
            + 4.2313330701600911252e1
        ) * r + 1.0
        return q * a / b
    tail = p if q < 0.0 else 1.0 - p
    r = np.sqrt(-log(tail))
    if r <= 5.0:
        r = r - 1.6
        a = (
            (
                (
                    (
                        ((7.74545014278341407640e-4 * r + 2.27238449892691845833e-2) * r + 2.41780725177450611770e-1)
                        * r
                        + 1.27045825245236838258e0
                    )
                    * r
                    + 3.64784832476320460504e0
                )
                * r
                + 5.76949722146069140550e0
            )
            * r
            + 4.63033784615654529590e0
        ) * r + 1.42343711074968357734e0
        b = (
            (
                (
                    (
                        ((1.05075007164441684324e-9 * r + 5.47593808499534494600e-4) * r + 1.51986665636164571966e-2)
                        * r
                        + 1.48103976427480074590e-1
                    )
                    * r
                    + 6.89767334985100004550e-1
                )
                * r
                + 1.67638483018380384940e0
            )
            * r
            + 2.05319162663775882187e0
        ) * r + 1.0
    else:
        r = r - 5.0
        a = (
            (
                (
                    (
                        ((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 1.24266094738807843860e-3)
                        * r
                        + 2.65321895265761230930e-2
                    )
                    * r
                    + 2.96560571828504891230e-1
                )
                * r
                + 1.78482653991729133580e0
            )
            * r
            + 5.46378491116411436990e0
        ) * r + 6.65790464350110377720e0
        b = (
            (
                (
                    (
                        ((2.04426310338993978564e-15 * r + 1.42151175831644588870e-7) * r + 1.84631831751005468180e-5)
                        * r
                        + 7.86869131145613259100e-4
                    )
                    * r
                    + 1.48753612908506148525e-2
                )
                * r
                + 1.36929880922735805310e-1
            )
            * r
            + 5.99832206555887937690e-1
        ) * r + 1.0
    return -a / b if q < 0.0 else a / b


@njit(REAL(*COUNTER), **OPTIONS)
def normal(seed, patient, lineage, step, purpose, draw):
    """Return a standard normal number."""
    return normal_quantile(uniform(seed, patient, lineage, step, purpose, draw))


@njit(REAL(*COUNTER), **OPTIONS)
def exponential(seed, patient, lineage, step, purpose, draw):
    """Return an exponential number of mean 1."""
    return -log(uniform(seed, patient, lineage, step, purpose, draw))


@njit(REAL(REAL), **OPTIONS)
def log_factorial(k):
    """Return the logarithm of k! for a whole number k >= 0 (relative error below 1e-14)."""
    if k < 10.0:
        product = 1.0
        i = 2.0
        while i <= k:
            product *= i
            i += 1.0
        return log(product)
    x = k + 1.0
    r = 1.0 / (x * x)
    series = (
        8.3333333333333329e-2
        - r
        * (
            2.7777777777777778e-3
            - r
            * (
                7.9365079365079365e-4
                - r * (5.9523809523809529e-4 - r * (8.4175084175084171e-4 - r * 1.9175269175269176e-3))
            )
        )
    ) / x
    return (x - 0.5) * log(x) - x + 0.91893853320467278 + series


@njit(types.int64(U64, U64, U64, U64, U64, U64, REAL), **OPTIONS)
def poisson(seed, patient, lineage, step, purpose, draw, mean):
    """Return a Poisson number of the given mean (0 for a mean that is not positive; means up to 1e15).

    It uses the draws draw * 1024 ... of its own, so calls with different `draw` never share numbers with each other; do
    not mix it with other kinds of draw under one purpose.
    """
    first = draw * np.uint64(1024)
    if not mean > 0.0:
        return 0
    if mean < 10.0:
        u = uniform(seed, patient, lineage, step, purpose, first)
        term = exp(-mean)
        total = term
        k = 0
        while u > total and k < 200:
            k += 1
            term *= mean / k
            total += term
        return k
    root = np.sqrt(mean)
    log_mean = log(mean)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2.0)
    for attempt in range(MAX_TRIES):
        at = first + np.uint64(DRAWS_PER_TRY * attempt)
        u = uniform(seed, patient, lineage, step, purpose, at) - 0.5
        v = uniform(seed, patient, lineage, step, purpose, at + np.uint64(1))
        us = 0.5 - abs(u)
        k = np.floor((2.0 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= v_r:
            return np.int64(k)
        if k < 0.0 or (us < 0.013 and v > us):
            continue
        if log(v) + log(inverse_alpha) - log(a / (us * us) + b) <= k * log_mean - mean - log_factorial(k):
            return np.int64(k)
    return np.int64(mean)
