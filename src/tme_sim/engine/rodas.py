"""One step of Rodas5P, a stiffly accurate, L-stable Rosenbrock method of order 5(4) with dense output of order 4.

For an autonomous system y' = f(y) with Jacobian J, W = I/(h gamma) - J and stages
    W k_i = f(y + sum_j A_ij k_j) + sum_j C_ij k_j / h,        y_new = y + sum_j A_8j k_j + k_8,        error = k_8.
Dense output: y(theta) = y + theta (y_new - y + (1-theta) (d_1 + theta (d_2 + theta d_3))), d_r = sum_j H_rj k_j.
Coefficients: Steinebach, "Construction of Rosenbrock-Wanner method Rodas5P and numerical benchmarks within the Julia
Differential Equations package", BIT Numerical Mathematics 63:27 (2023), doi 10.1007/s10543-023-00967-x.

The right-hand side is called with states held at or above their lower bound (a copy is held, the stored state is not).
Every sum runs in the order of the stages, so scalar code, lanes and the plain reference give the same bits. The
functions on whole arrays do not care how long they are: lanes pass n * LANES numbers.
"""

from numba import njit, types

from tme_sim.engine.borrowed import borrowed
from tme_sim.engine.linear import PROGRAM, SOLVE
from tme_sim.engine.registers import wide_registers
from tme_sim.engine.signatures import RHS

STAGES = 8
GAMMA = 0.21193756319429014
# rows 2 .. 6 of A; rows 7 and 8 add k_6 and k_7 with weight 1 to row 6
A = (
    (3.0,),
    (2.849394379747939, 0.45842242204463923),
    (-6.954028509809101, 2.489845061869568, -10.358996098473584),
    (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
    (-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946),
)
C = (
    (-14.155112264123755,),
    (-17.97296035885952, -2.859693295451294),
    (147.12150275711716, -1.41221402718213, 71.68940251302358),
    (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
    (24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471),
    (
        30.91273214028599,
        -3.1208243349937974,
        77.79954646070892,
        34.28646028294783,
        -19.097331116725623,
        -28.087943162872662,
    ),
    (
        37.80277123390563,
        -3.2571969029072276,
        112.26918849496327,
        66.9347231244047,
        -40.06618937091002,
        -54.66780262877968,
        -9.48861652309627,
    ),
)
H = (
    (
        25.948786856663858,
        -2.5579724845846235,
        10.433815404888879,
        -2.3679251022685204,
        0.524948541321073,
        1.1241088310450404,
        0.4272876194431874,
        -0.17202221070155493,
    ),
    (
        -9.91568850695171,
        -0.9689944594115154,
        3.0438037242978453,
        -24.495224566215796,
        20.176138334709044,
        15.98066361424651,
        -6.789040303419874,
        -6.710236069923372,
    ),
    (
        11.419903575922262,
        2.8879645146136994,
        72.92137995996029,
        80.12511834622643,
        -52.072871366152654,
        -59.78993625266729,
        -0.15582684282751913,
        4.883087185713722,
    ),
)

VECTOR = types.float64[::1]
MATRIX = types.float64[:, ::1]
REAL = types.float64
INT = types.int64
OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
# names for the kernels: tuples of tuples are not constants to the compiler
((A21,), (A31, A32), (A41, A42, A43), (A51, A52, A53, A54), (A61, A62, A63, A64, A65)) = A
(
    (C21,),
    (C31, C32),
    (C41, C42, C43),
    (C51, C52, C53, C54),
    (C61, C62, C63, C64, C65),
    (C71, C72, C73, C74, C75, C76),
    (C81, C82, C83, C84, C85, C86, C87),
) = C
(
    (H11, H12, H13, H14, H15, H16, H17, H18),
    (H21, H22, H23, H24, H25, H26, H27, H28),
    (H31, H32, H33, H34, H35, H36, H37, H38),
) = H


@njit(types.void(VECTOR, VECTOR, VECTOR), **OPTIONS)
def hold(y, lower, out):
    """Write y held at or above `lower` (NaN becomes `lower`) into out."""
    wide_registers()
    for i in range(y.size):
        out[i] = y[i] if y[i] > lower[i] else lower[i]


@njit(types.void(INT, VECTOR, MATRIX, VECTOR, VECTOR), **OPTIONS)
def approach(stage, y, k, lower, held):
    """Write the state at which stages 1 to 4 look at the right-hand side (held at or above `lower`) into held."""
    wide_registers()
    n = y.size
    if stage == 1:
        for i in range(n):
            v = y[i] + A21 * k[0, i]
            held[i] = v if v > lower[i] else lower[i]
    elif stage == 2:
        for i in range(n):
            v = y[i] + A31 * k[0, i] + A32 * k[1, i]
            held[i] = v if v > lower[i] else lower[i]
    elif stage == 3:
        for i in range(n):
            v = y[i] + A41 * k[0, i] + A42 * k[1, i] + A43 * k[2, i]
            held[i] = v if v > lower[i] else lower[i]
    else:
        for i in range(n):
            v = y[i] + A51 * k[0, i] + A52 * k[1, i] + A53 * k[2, i] + A54 * k[3, i]
            held[i] = v if v > lower[i] else lower[i]


@njit(types.void(VECTOR, MATRIX, VECTOR), **OPTIONS)
def approach_last(y, k, y_new):
    """Write the state of stage 5, not held, into y_new; stages 6 and 7 and the new state add k_6, k_7 and k_8 to it."""
    wide_registers()
    for i in range(y.size):
        y_new[i] = y[i] + A61 * k[0, i] + A62 * k[1, i] + A63 * k[2, i] + A64 * k[3, i] + A65 * k[4, i]


@njit(types.void(VECTOR, VECTOR), **OPTIONS)
def add_to(y, k):
    """Add k to y."""
    wide_registers()
    for i in range(y.size):
        y[i] = y[i] + k[i]


@njit(types.void(INT, MATRIX, VECTOR, VECTOR), **OPTIONS)
def combine(stage, s, f, b):
    """Write f + sum_j C_stage,j s_j, the right side of the linear system of stages 1 to 7, into b; s_j = k_j / h."""
    wide_registers()
    n = f.size
    if stage == 1:
        for i in range(n):
            b[i] = f[i] + C21 * s[0, i]
    elif stage == 2:
        for i in range(n):
            b[i] = f[i] + C31 * s[0, i] + C32 * s[1, i]
    elif stage == 3:
        for i in range(n):
            b[i] = f[i] + C41 * s[0, i] + C42 * s[1, i] + C43 * s[2, i]
    elif stage == 4:
        for i in range(n):
            b[i] = f[i] + C51 * s[0, i] + C52 * s[1, i] + C53 * s[2, i] + C54 * s[3, i]
    elif stage == 5:
        for i in range(n):
            b[i] = f[i] + C61 * s[0, i] + C62 * s[1, i] + C63 * s[2, i] + C64 * s[3, i] + C65 * s[4, i]
    elif stage == 6:
        for i in range(n):
            b[i] = (
                f[i]
                + C71 * s[0, i]
                + C72 * s[1, i]
                + C73 * s[2, i]
                + C74 * s[3, i]
                + C75 * s[4, i]
                + C76 * s[5, i]
            )
    else:
        for i in range(n):
            b[i] = (
                f[i]
                + C81 * s[0, i]
                + C82 * s[1, i]
                + C83 * s[2, i]
                + C84 * s[3, i]
                + C85 * s[4, i]
                + C86 * s[5, i]
                + C87 * s[6, i]
            )


@njit(
    types.void(RHS, SOLVE, PROGRAM, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, REAL, VECTOR, MATRIX, MATRIX, VECTOR,
               VECTOR),
    **OPTIONS,
)
def stages(rhs, solve, program, lu, y, u, th, lower, h, f0, k, s, held, y_new):
    """Compute the eight stages k (8, n) and y_new of a step of length h (days) from y, given f0 = f(y) and W
    factored in lu.

    s (8, n), held (n): work. The error estimate is k[7].
    """
    k, s = borrowed(k), borrowed(s)
    n = y.size
    r = 1.0 / h
    for stage in range(STAGES):
        b = k[stage]
        if stage == 0:
            for i in range(n):
                b[i] = f0[i]
        else:
            if stage < 5:
                approach(stage, y, k, lower, held)
            else:
                if stage == 5:
                    approach_last(y, k, y_new)
                else:
                    add_to(y_new, k[stage - 1])
                hold(y_new, lower, held)
            f = s[stage]  # until it is known
            rhs(held, u, th, f)
            combine(stage, s, f, b)
        solve(program, lu, b)
        for i in range(n):
            s[stage, i] = b[i] * r
    add_to(y_new, k[7])


@njit(types.void(MATRIX, MATRIX), **OPTIONS)
def dense_coefficients(k, d):
    """Fill the dense output coefficients d (3, n) from the stages k (8, n)."""
    for i in range(k.shape[1]):
        d[0, i] = (
            H11 * k[0, i]
            + H12 * k[1, i]
            + H13 * k[2, i]
            + H14 * k[3, i]
            + H15 * k[4, i]
            + H16 * k[5, i]
            + H17 * k[6, i]
            + H18 * k[7, i]
        )
        d[1, i] = (
            H21 * k[0, i]
            + H22 * k[1, i]
            + H23 * k[2, i]
            + H24 * k[3, i]
            + H25 * k[4, i]
            + H26 * k[5, i]
            + H27 * k[6, i]
            + H28 * k[7, i]
        )
        d[2, i] = (
            H31 * k[0, i]
            + H32 * k[1, i]
            + H33 * k[2, i]
            + H34 * k[3, i]
            + H35 * k[4, i]
            + H36 * k[5, i]
            + H37 * k[6, i]
            + H38 * k[7, i]
        )


@njit(types.void(REAL, VECTOR, VECTOR, MATRIX, VECTOR), **OPTIONS)
def dense_value(theta, y, y_new, d, out):
    """Write the state at fraction theta (0 to 1) of a step from y to y_new with coefficients d (3, n) into out (n)."""
    rest = 1.0 - theta
    for i in range(y.size):
        out[i] = y[i] + theta * ((y_new[i] - y[i]) + rest * (d[0, i] + theta * (d[1, i] + theta * d[2, i])))
