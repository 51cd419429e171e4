"""The elimination of `linear` written out: every operation on every nonzero, once per pattern.

Machine code made from it (`machine`) has no index to look up; it gives the bits of `linear.factor` and `linear.solve`.
"""

from tme_sim.engine.linear import HEADER
from tme_sim.engine.tape import ADD, DIVIDE, MULTIPLY, NEGATE, SUBTRACT


def _heads(program):
    return [int(x) for x in program[:HEADER]]


def record_factor(program, tape):
    """Record the elimination of `linear.factor`; return {("lu", index): value}.

    Reads jv, in which the shift stands after the nonzeros. All that is taken from an entry is taken at once, when the
    entry is needed, so that it need not go to memory in between; the order for each entry is that of `linear.factor`.
    """
    n, nnz, n_lu, _, _, _, diag, place, row_end, order, pairs, ops, *_ = _heads(program)
    lu = [tape.constant(0.0)] * n_lu
    for i in range(nnz):
        lu[program[place + i]] = tape.record(NEGATE, tape.input("jv", i))
    for i in range(n):
        lu[program[diag + i]] = tape.record(ADD, lu[program[diag + i]], tape.input("jv", nnz))
    due = {}  # place: the products (left, right) to be taken from it

    def take(at):
        for left, right in due.pop(at, ()):
            lu[at] = tape.record(SUBTRACT, lu[at], tape.record(MULTIPLY, lu[left], lu[right]))

    first, first_operation = 0, 0
    for r in range(n):
        row, last = int(program[order + r]), int(program[row_end + r])
        for pair in range(first, last):
            left, pivot, stop = (int(x) for x in program[pairs + 3 * pair : pairs + 3 * pair + 3])
            take(left)
            lu[left] = tape.record(MULTIPLY, lu[left], lu[pivot])
            for o in range(first_operation, stop):
                due.setdefault(int(program[ops + o]), []).append((left, pivot + 1 + o - first_operation))
            first_operation = stop
        for at in sorted(due):
            take(at)
        first = last
        d = program[diag + row]
        lu[d] = tape.record(DIVIDE, tape.constant(1.0), lu[d])
    return {("lu", i): value for i, value in enumerate(lu)}


def record_solve(program, tape, solution="b"):
    """Record `linear.solve` for an elimination program: reads lu and b, returns {(solution, index): value}."""
    n, rows, diag = (_heads(program)[i] for i in (0, 5, 6))
    fwd, fwd_ops, bwd, bwd_ops = _heads(program)[12:16]
    b = [tape.input("b", i) for i in range(n)]

    def substitute(row, terms, first, stop):
        for q in range(first, stop):
            factor, column = (int(x) for x in program[terms + 2 * q : terms + 2 * q + 2])
            product = tape.record(MULTIPLY, tape.input("lu", factor), b[column])
            b[row] = tape.record(SUBTRACT, b[row], product)
        return stop

    q = 0
    for r in range(rows):
        row, stop = (int(x) for x in program[fwd + 2 * r : fwd + 2 * r + 2])
        q = substitute(row, fwd_ops, q, stop)
    q = 0
    for r in range(n):
        row, stop = (int(x) for x in program[bwd + 2 * r : bwd + 2 * r + 2])
        q = substitute(row, bwd_ops, q, stop)
        b[row] = tape.record(MULTIPLY, b[row], tape.input("lu", program[diag + row]))
    return {(solution, i): value for i, value in enumerate(b)}
