"""Order conditions of the tableau, observed order of the method and of its dense output, agreement with the plain
twin."""

import itertools

import numpy as np
from engine_toys import dense_pattern, functions, robertson

from tme_sim.engine import codes, queue, reference, run
from tme_sim.engine.rodas import GAMMA, A, C, H
from tme_sim.engine.signatures import compile_rhs


def classical_coefficients():
    """Return alpha, beta = alpha + gamma, weights b of the method and the matrix gamma from its implementation form."""
    a, c = np.zeros((8, 8)), np.zeros((8, 8))
    for stage, row in enumerate(A, start=1):
        a[stage, : len(row)] = row
    a[6] = a[5]
    a[6, 5] = 1.0
    a[7] = a[6]
    a[7, 6] = 1.0
    for stage, row in enumerate(C, start=1):
        c[stage, : len(row)] = row
    gamma = np.linalg.inv(np.eye(8) / GAMMA - c)
    m = a[7].copy()
    m[7] = 1.0
    return a @ gamma, a @ gamma + gamma, m @ gamma, gamma


def rooted_trees(order):
    """Return all rooted trees with `order` vertices as nested tuples."""
    if order == 1:
        return [()]
    trees = set()
    for parts in range(1, order):
        for sizes in itertools.combinations_with_replacement(range(1, order), parts):
            if sum(sizes) == order - 1:
                for children in itertools.product(*(rooted_trees(s) for s in sizes)):
                    trees.add(tuple(sorted(children)))
    return sorted(trees)


def vertices(tree):
    return 1 + sum(vertices(child) for child in tree)


def density(tree):
    return vertices(tree) * int(np.prod([density(child) for child in tree])) if tree else 1


def elementary_weight(tree, alpha, beta):
    """Return Phi: along a single branch beta acts, at a branching alpha (Hairer and Wanner, IV.7)."""
    if not tree:
        return np.ones(8)
    if len(tree) == 1:
        return beta @ elementary_weight(tree[0], alpha, beta)
    return np.prod([alpha @ elementary_weight(child, alpha, beta) for child in tree], axis=0)


def test_all_order_conditions_to_order_five_hold():
    alpha, beta, b, _ = classical_coefficients()
    count = 0
    for order in range(1, 6):
        for tree in rooted_trees(order):
            assert abs(b @ elementary_weight(tree, alpha, beta) - 1.0 / density(tree)) < 1e-11, tree
            count += 1
    assert count == 17
    six = [b @ elementary_weight(t, alpha, beta) - 1.0 / density(t) for t in rooted_trees(6)]
    assert np.max(np.abs(six)) > 1e-5  # not of order six: the check above can fail


def test_dense_output_fulfils_all_conditions_to_order_four():
    alpha, beta, b, gamma = classical_coefficients()
    m = b @ np.linalg.inv(gamma)
    for theta in (0.1, 0.37, 0.5, 0.9, 1.0):
        inside = np.array(H[0]) + theta * (np.array(H[1]) + theta * np.array(H[2]))
        weights = theta * (m + (1.0 - theta) * inside) @ gamma
        for order in range(1, 5):
            for tree in rooted_trees(order):
                exact = theta**order / density(tree)
                assert abs(weights @ elementary_weight(tree, alpha, beta) - exact) < 1e-11, (theta, tree)


def test_stiffly_accurate_and_damping_at_infinity():
    _, beta, b, _ = classical_coefficients()
    assert np.max(np.abs(beta[7] - b)) < 1e-11
    assert abs(1.0 - b @ np.linalg.solve(beta, np.ones(8))) < 1e-11  # R(infinity) = 0


@compile_rhs
def kaps_rhs(y, u, th, dy):
    dy[0] = -(th[0] + 2.0) * y[0] + th[0] * y[1] * y[1]
    dy[1] = y[0] - y[1] - y[1] * y[1]


@compile_rhs
def kaps_jac(y, u, th, jv):
    jv[0] = -(th[0] + 2.0)
    jv[1] = 2.0 * th[0] * y[1]
    jv[2] = 1.0
    jv[3] = -1.0 - 2.0 * y[1]


def kaps(steps, stiffness=1.0, out_ticks=None, days=1.0):
    """Return states of Kaps' problem (exact: exp(-2t), exp(-t)) with a fixed number of steps."""
    model = functions(kaps_rhs, kaps_jac, *dense_pattern(2), 2)
    h = days / steps
    options = run.Options(rtol=1e9, atol=1e9, h_first=h, h_max=h)
    state = run.new_state([1.0, 1.0], [], queue.new_queue(1))
    ticks = np.array([], dtype=np.int64) if out_ticks is None else np.array(out_ticks)
    out = np.empty((ticks.size, 2))
    code = run.advance(model, state, np.array([stiffness]), int(days * 1440), options, out_ticks=ticks, out_y=out)
    assert code == codes.OK and abs(state.stats["steps"] - steps) <= 1
    return state.y, out


def test_observed_order_is_five():
    exact = np.exp([-2.0, -1.0])
    errors = [np.max(np.abs(kaps(steps)[0] - exact)) for steps in (16, 32, 64)]
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(slopes - 5.0) < 0.1), slopes


def test_stiff_problem_stays_accurate():
    assert np.max(np.abs(kaps(20, stiffness=1e6)[0] - np.exp([-2.0, -1.0]))) < 1e-6


def test_dense_output_is_of_order_four():
    errors = []
    for days in (0.25, 0.125, 0.0625):
        ticks = np.array([1, 3, 5]) / 6 * days * 1440
        inside = np.rint(ticks) / 1440
        out = kaps(1, out_ticks=np.rint(ticks).astype(np.int64), days=days)[1]
        errors.append(np.max(np.abs(out - np.exp(-np.outer(inside, [2.0, 1.0])))))
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all((slopes > 4.4) & (slopes < 5.2)) and slopes[-1] > 4.6, slopes  # error of h^5 inside one step


def test_plain_twin_gives_the_same_bits():
    calendar = queue.new_queue(5)
    jumps = run.Jumps()
    group = jumps.group([(0, -1, 0.0, 0.5), (1, 2, 0.1, 0.0), (2, 2, -0.1, 0.0)])
    queue.append(calendar, 3 * 1440, 0, queue.JUMP, group)
    queue.append(calendar, 3 * 1440 + 7, 0, queue.JUMP, group)
    ticks = np.array([0, 100, 3 * 1440, 5000, 40 * 1440])
    options = run.Options(rtol=1e-6, atol=1e-10, h_max=9.0)
    y, _, expected, steps = reference.integrate(
        robertson(), [1, 0, 0], [], np.zeros(1), calendar, 0, 40 * 1440, options, jumps, ticks
    )
    state, out, records = run.new_state([1, 0, 0], [], calendar), np.empty((5, 3)), run.Records()
    code = run.advance(
        robertson(), state, np.zeros(1), 40 * 1440, options, jumps, out_ticks=ticks, out_y=out, records=records
    )
    assert code == codes.OK and state.stats["rejected"] > 0
    assert np.array_equal(state.y, y) and np.array_equal(out, expected)
    assert np.array_equal(records.arrays()[0][:, :3], np.array(steps))
