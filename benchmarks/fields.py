"""Fields: voxel-updates per second of time steps, and oxygen at rest, against SciPy in the same run."""

from __future__ import annotations

import numpy as np

from benchmarks.measure import Goal, cpu
from tme_sim.engine.fields import Diffusion, Multigrid, steady_oxygen

SPREAD = 0.3  # D dt / h^2 of the steps that are timed; the cost does not depend on it
BYTES = 32  # a voxel's traffic where two passes over the field read and write it: the least of a split step in 3-D
TOLERANCE = 1e-4  # mmHg


def best(works: dict, repeats: int) -> dict[str, float]:
    """Least CPU seconds of each work, taken in turns after a warm-up."""
    found = {name: float("inf") for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            seconds = cpu(work)[0]
            if turn:
                found[name] = min(found[name], seconds)
    return found


def banded(field: np.ndarray) -> np.ndarray:
    """The same split implicit step by scipy.linalg.solve_banded, one call for all lines of an axis."""
    from scipy.linalg import solve_banded

    for axis, n in enumerate(field.shape):
        if n == 1:
            continue
        band = np.full((3, n), -SPREAD)
        band[1] = 1.0 + 2.0 * SPREAD
        band[1, 0] = band[1, -1] = 1.0 + SPREAD
        lines = np.moveaxis(field, axis, 0)
        solved = solve_banded((1, 1), band, lines.reshape(n, -1)).reshape(lines.shape)
        field = np.moveaxis(solved, 0, axis)
    return np.ascontiguousarray(field)


def steps(shape, repeats: int) -> dict:
    """Millions of voxel-updates per second of one field of `shape`: ours, SciPy's, and what copying allows.

    Raises:
        RuntimeError: the two schemes do not give the same field.
    """
    from scipy import ndimage

    start = np.random.default_rng(1).random(shape)
    first, second = (Diffusion(shape, SPREAD, 1.0, order=order) for order in (1, 2))
    mine = start.copy()
    first.step(mine)
    off = float(np.abs(mine - banded(start)).max())
    if off > 1e-12:
        raise RuntimeError(f"the split steps differ by {off:g}")
    u, out = start.copy(), np.empty_like(start)
    works = {
        "ours, order 1": lambda: first.step(u),
        "ours, order 2": lambda: second.step(u),
        "solve_banded, same scheme as order 1": lambda: banded(u),
        "ndimage.laplace, one explicit step": lambda: np.add(u, 0.1 * ndimage.laplace(u, mode="nearest"), out=out),
        "copy": lambda: np.copyto(out, u),
    }
    rates = {name: start.size / seconds / 1e6 for name, seconds in best(works, repeats).items()}
    rates["roofline of two passes"] = rates["copy"] * 16 / BYTES
    return rates | {"largest difference of the schemes": off}


def tissue(n: int):
    """Uptake, exchange and spread (mmHg, seconds) of a cube with uneven uptake and one vessel in fifty voxels."""
    draw = np.random.default_rng(2)
    shape = (n, n, n)
    return draw.uniform(5.0, 25.0, shape), np.where(draw.random(shape) < 0.02, 20.0, 0.0), 2000.0 / 20.0**2


def by_gradients(p, uptake, K, exchange, vessel, spread) -> np.ndarray:
    """The peer at rest: Newton's method over scipy.sparse conjugate gradients with the diagonal as preconditioner."""
    import scipy.sparse as sparse
    from scipy.sparse.linalg import LinearOperator, cg

    def second(n):
        line = sparse.diags([np.ones(n - 1), -2.0 * np.ones(n), np.ones(n - 1)], [-1, 0, 1]).tolil()
        line[0, 0] = line[-1, -1] = -1.0
        return line.tocsr()

    one = sparse.identity(p.shape[0], format="csr")
    line = second(p.shape[0])
    laplace = (
        sparse.kron(sparse.kron(line, one), one) + sparse.kron(sparse.kron(one, line), one)
        + sparse.kron(sparse.kron(one, one), line)
    ).tocsr()  # fmt: skip
    p, uptake, exchange = p.ravel(), uptake.ravel(), exchange.ravel()
    for _ in range(20):
        slope = exchange + uptake * K / (p + K) ** 2
        given = exchange * vessel - uptake * (p / (p + K)) ** 2
        matrix = sparse.diags(slope) - spread * laplace
        under = 1.0 / matrix.diagonal()
        scaled = LinearOperator(matrix.shape, matvec=lambda x, under=under: under * x)
        new = np.maximum(cg(matrix, given, x0=p, rtol=1e-8, M=scaled)[0], 0.0)
        change, p = np.abs(new - p).max(), new
        if change <= TOLERANCE:
            break
    return p


def rest(n: int, repeats: int) -> dict:
    """Milliseconds of oxygen at rest in a cube of `n`: from 40 mmHg, after one per cent more uptake, and the peer.

    Raises:
        RuntimeError: ours and the peer do not agree.
    """
    uptake, exchange, spread = tissue(n)
    grid = Multigrid(uptake.shape, spread)
    p, more, counted = np.empty(uptake.shape), 1.01 * uptake, {}
    theirs = by_gradients(np.full(p.shape, 40.0), uptake, 2.0, exchange, 60.0, spread)

    def solve(name, used):
        counted[name] = steady_oxygen(p, used, 2.0, exchange, 60.0, spread, TOLERANCE, grid=grid).cycles

    def cold():
        p[:] = 40.0
        solve("cold", uptake)

    cold()
    off = float(np.abs(p.ravel() - theirs).max())
    if off > 10 * TOLERANCE:
        raise RuntimeError(f"oxygen at rest differs by {off:g} mmHg")
    found = best({"cold": cold, "warm": lambda: solve("warm", more)}, repeats)
    peer = min(cpu(lambda: by_gradients(np.full(p.shape, 40.0), uptake, 2.0, exchange, 60.0, spread))[0] for _ in "ab")
    return {
        "cold, ms": 1e3 * found["cold"],
        "warm, ms": 1e3 * found["warm"],
        "conjugate gradients, ms": 1e3 * peer,
        "cycles": counted,
        "largest difference, mmHg": off,
    }


def run(*, quick: bool, say) -> dict:
    """Every figure of this section."""
    repeats = 2 if quick else 7
    shapes = [(256, 256), (48, 48, 48)] if quick else [(500, 500), (2000, 2000), (75, 75, 75), (200, 200, 200)]
    throughput = {}
    for shape in shapes:
        name = " x ".join(map(str, shape))
        throughput[name] = found = steps(shape, repeats)
        say(f"{name}: " + ", ".join(f"{k} {v:.0f}" for k, v in found.items() if v > 1) + " million voxels/s")
    at_rest = {}
    for n in (32,) if quick else (64, 128):
        at_rest[f"{n}^3"] = found = rest(n, repeats)
        say(f"oxygen at rest, {n}^3: " + ", ".join(f"{k} {v:.1f}" for k, v in found.items() if k.endswith("ms")))
    large, solved = throughput[" x ".join(map(str, shapes[-1]))], list(at_rest.values())[-1]
    mine, peer = large["ours, order 1"], large["solve_banded, same scheme as order 1"]
    share = mine / large["roofline of two passes"]
    cold, gradients = solved["cold, ms"], solved["conjugate gradients, ms"]
    made = [
        Goal("implicit step against SciPy's banded solver", f"{mine:.0f} Mvoxel/s", f"{peer:.0f}", mine / peer, 4.0,
             10.0),
        Goal("implicit step, share of what two passes over memory allow", f"{mine:.0f} Mvoxel/s",
             f"{large['roofline of two passes']:.0f}", share, 0.35, 0.6, unit="of it"),
        Goal("oxygen at rest against Newton with conjugate gradients", f"{cold:.0f} ms", f"{gradients:.0f} ms",
             gradients / cold, 4.0, 10.0),
    ]  # fmt: skip
    return {
        "what": "one field, one thread, double precision; millions of voxel-updates per CPU second, and oxygen at rest",
        "throughput": throughput,
        "facts": at_rest,
        "left_out": {"BioFVM": "not packaged; the goal of ten times its speed is not judged here"},
        "goals": [g.record() for g in made],
        "lines": [g.line() for g in made],
    }
