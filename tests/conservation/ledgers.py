"""Books of a run: for every state, how much it gained and how much it lost, as states of the integration.

The books are driven by the rates that the model reports, state by state and process by process as declared, and not by
its right-hand side.  What a run started with, plus what came in, less what went out, must be what it ends with.

The Jacobian rows of gains are differences; those of losses are gains less the model's own row.  A Rosenbrock method
keeps `state - gained + lost` if, and only if, both the rates and these rows keep it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from agreement.population import changes

from tme_sim.compiler.model import CompiledModel
from tme_sim.engine import run
from tme_sim.engine.linear import build_program
from tme_sim.engine.signatures import JIT_OPTIONS, RHS_SIGNATURE


@dataclass(frozen=True)
class Entries:
    """One line per process, lesion and state it touches: which rate, which book, and what multiplies the rate.

    `book` is the state's number for gains and n + number for losses; `amount` and `active` are places in the working
    vector and the held inputs, -1 for none.
    """

    rate: np.ndarray
    book: np.ndarray
    amount: np.ndarray
    active: np.ndarray


def entries(model: CompiledModel) -> Entries:
    """All lines of a model, from the declarations of its processes.

    Raises:
        ValueError: for an amount that is a number other than 1.
    """
    lines, n = [], len(model.state_names)
    known = {s.name: s.where for s in model.network.species}
    for process in model.network.processes:
        of_lesion = process.where == "lesion"
        for b in range(model.layout.n_lesions if of_lesion else 1):
            for target, amount in changes(process):
                if target not in known:
                    continue
                if not isinstance(amount, str) and abs(amount) != 1.0:
                    raise ValueError(f"{process.name}: {amount} of {target} is neither 1 nor a parameter")
                lines.append((
                    model.index("nodes", f"rate_{process.name}", b),
                    model.index("states", target, b if known[target] == "lesion" else 0) + (n if amount == -1.0 else 0),
                    model.index("theta", amount, b) if isinstance(amount, str) else -1,
                    model.index("held", "active", b) if of_lesion else -1,
                ))
    return Entries(*(np.array(column, dtype=np.int64) for column in zip(*lines, strict=True)))


def functions(model: CompiledModel, probes) -> run.Functions:
    """Engine functions of the model with its books: states [own, gained, lost].

    `probes` are (y, u, th) at which the rates are looked at to see which states they depend on.
    """
    lines = entries(model)
    rate, book, amount, active = lines.rate, lines.book, lines.amount, lines.active
    n, n_nodes = len(model.state_names), len(model.node_names)
    model_rhs, model_jac, observe = model.rhs, model.jac, model.observe

    @numba.njit
    def booked(x, u, th, out, flows):
        observe(x, u, th, out)
        flows[:] = 0.0
        for e in range(rate.size):
            value = out[rate[e]]
            if amount[e] >= 0:
                value *= th[amount[e]]
            if active[e] >= 0:
                value *= u[active[e]]
            flows[book[e]] += value

    @numba.njit
    def slopes(x, u, th, gained):
        out, here, there = np.zeros(n_nodes), np.zeros(2 * n), np.zeros(2 * n)
        booked(x, u, th, out, here)
        moved = x.copy()
        for j in range(n):
            step = 1e-7 * max(abs(x[j]), 1e-6)
            moved[j] = x[j] + step
            booked(moved, u, th, out, there)
            for i in range(n):
                gained[i, j] = (there[i] - here[i]) / step
            moved[j] = x[j]

    @numba.njit(RHS_SIGNATURE, **JIT_OPTIONS)
    def rhs(y, u, th, dy):
        model_rhs(y[:n], u, th, dy[:n])
        booked(y[:n], u, th, np.zeros(n_nodes), dy[n:])

    own_rows, own_cols = np.array(model.layout.rows), np.array(model.layout.cols)
    gains = np.zeros((n, n), dtype=bool)
    for y, u, th in probes:
        gained = np.zeros((n, n))
        slopes(y, u, th, gained)
        gains |= gained != 0.0
    losses = gains.copy()
    losses[own_rows, own_cols] = True
    gain_rows, gain_cols = np.nonzero(gains)
    loss_rows, loss_cols = np.nonzero(losses)
    blocks = [
        (own_rows, own_cols), (gain_rows + n, gain_cols), (loss_rows + 2 * n, loss_cols),
        (np.arange(n, 3 * n), np.arange(n, 3 * n)),
    ]
    all_rows, all_cols = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    order = np.lexsort((all_cols, all_rows))
    place = np.empty(order.size, dtype=np.int64)
    place[order] = np.arange(order.size)  # where each entry of the blocks stands in row-major order
    first_gain, first_loss = own_rows.size, own_rows.size + gain_rows.size

    @numba.njit(RHS_SIGNATURE, **JIT_OPTIONS)
    def jac(y, u, th, jv):
        jv[:] = 0.0
        own, matrix, gained = np.zeros(own_rows.size), np.zeros((n, n)), np.zeros((n, n))
        model_jac(y[:n], u, th, own)
        slopes(y[:n], u, th, gained)
        for k in range(own_rows.size):
            jv[place[k]] = own[k]
            matrix[own_rows[k], own_cols[k]] = own[k]
        for k in range(gain_rows.size):
            jv[place[first_gain + k]] = gained[gain_rows[k], gain_cols[k]]
        for k in range(loss_rows.size):
            i, j = loss_rows[k], loss_cols[k]
            jv[place[first_loss + k]] = (gained[i, j] if gains[i, j] else 0.0) - matrix[i, j]

    program = build_program(all_rows[order].astype(np.int32), all_cols[order].astype(np.int32), 3 * n)
    return run.Functions(rhs, jac, program)
