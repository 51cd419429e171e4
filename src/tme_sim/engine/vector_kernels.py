"""Loops over slots of LANES numbers as vector instructions: elimination and solution of the lanes, sizes of errors.

numba makes no vector code of a loop over lanes inside a loop over states, so these loops are written as LLVM
instructions. The elimination here is a small loop beside a table of its operations (`linear`): for models so long that
written out (`tape_linear`) it would take half a minute to compile.
Operations and their order are those of `linear` and `pieces`, so a lane has the bits of a run alone.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic

from tme_sim.engine.lane_arrays import LANES
from tme_sim.engine.linear import HEADER, LOST
from tme_sim.engine.registers import wide
from tme_sim.engine.rodas import C

NUMBER, WHOLE, PLACE, BYTE = ir.DoubleType(), ir.IntType(64), ir.IntType(32), ir.IntType(8)
NUMBERS, BITS = ir.VectorType(NUMBER, LANES), ir.VectorType(ir.IntType(1), LANES)
LINE = 8 * LANES  # bytes of a slot
VECTOR = types.float64[::1]
MATRIX = types.float64[:, ::1]
INT = types.int64
REAL = types.float64
PROGRAM = types.uint32[::1]
OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}


def whole(number):
    """An integer constant."""
    return ir.Constant(WHOLE, int(number))


def numbers(value):
    """A constant that all lanes share."""
    return ir.Constant(NUMBERS, [float(value)] * LANES)


def repeat(b, first, stop, values, body):
    """Write `for i in range(first, stop): values = body(i, values)`; returns the values after it."""
    before, test = b.block, b.append_basic_block("test")
    inside, after = b.append_basic_block("inside"), b.append_basic_block("after")
    b.branch(test)
    b.position_at_end(test)
    i, carried = b.phi(WHOLE), [b.phi(value.type) for value in values]
    b.cbranch(b.icmp_signed("<", i, stop), inside, after)
    b.position_at_end(inside)
    made = body(i, carried)
    following = b.add(i, whole(1))
    for phi, start, end in zip((i, *carried), (first, *values), (following, *made), strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(end, b.block)
    b.branch(test)
    b.position_at_end(after)
    return carried


class Slots:
    """Slots of an array in memory: `base` is its first number; offsets count bytes."""

    def __init__(self, b, data, first=0):
        self.b = b
        self.base = b.bitcast(b.gep(data, [whole(first * LANES)]), BYTE.as_pointer())

    def at(self, offset):
        """The slot `offset` bytes behind the first, as a pointer."""
        return self.b.bitcast(self.b.gep(self.base, [offset]), NUMBERS.as_pointer())

    def load(self, offset):
        """Read a slot."""
        found = self.b.load(self.at(offset))
        found.align = 8
        return found

    def store(self, value, offset):
        """Write a slot."""
        self.b.store(value, self.at(offset)).align = 8


def table(b, values, name):
    """A constant table of integers; returns a function that reads an entry as a 64-bit one."""
    kind = ir.ArrayType(PLACE, max(len(values), 1))
    made = ir.GlobalVariable(b.module, kind, b.module.get_unique_name(name))
    made.linkage, made.global_constant = "internal", True
    made.initializer = ir.Constant(kind, [ir.Constant(PLACE, int(v)) for v in values] or [ir.Constant(PLACE, 0)])
    return lambda i: b.zext(b.load(b.gep(made, [whole(0), i])), WHOLE)


def line(b, i):
    """The offset of slot i."""
    return b.mul(i, whole(LINE))


def _sections(program):
    return [np.array(program, dtype=np.int64)[int(start):] for start in program[6:HEADER]]


def _absolute(b, x):
    name = f"llvm.fabs.v{LANES}f64"
    return b.call(get_or_insert_function(b.module, ir.FunctionType(NUMBERS, [NUMBERS]), name), [x])


def array_data(context, b, kind, value):
    """Where the numbers of an array (a numba value of that kind) lie."""
    return context.make_array(kind)(context, b, value).data


def factor_body(program, where):
    """Return a numba intrinsic (w) that eliminates as `linear.factor` does, and says in "holds" which lanes' pivots
    are of use (1.0) as `linear.bad_pivot` does.

    program: the elimination (`linear.build_program`); where: {array: first slot}.
    """

    def emit(context, b, signature, values):
        """Write the instructions of the body."""
        n, nnz, n_lu = (int(x) for x in program[:3])
        diag, place, row_end, order, pairs, ops, *_ = _sections(program)
        triples = pairs[: 3 * int(program[3])].reshape(-1, 3)
        data = array_data(context, b, VECTOR, values[0])
        jv, lu = (Slots(b, data, where[name]) for name in ("jv", "lu"))
        shift = jv.load(whole(nnz * LINE))
        places = table(b, place[:nnz] * LINE, "place")
        diagonals = table(b, diag[:n] * LINE, "diagonal")
        rows = table(b, np.stack([row_end[:n], diag[order[:n]] * LINE], 1).ravel(), "row")
        pair = table(b, (triples * [LINE, LINE, 1]).ravel(), "pair")
        target = table(b, ops[: int(program[4])] * LINE, "target")

        def clear(i, _):
            lu.store(numbers(0.0), line(b, i))
            return []

        def enter(i, _):
            lu.store(b.fneg(jv.load(line(b, i))), places(i))
            return []

        def move(i, _):
            at = diagonals(i)
            lu.store(b.fadd(lu.load(at), shift), at)
            return []

        def eliminate(r, state):
            """One row: all its pairs, then the inverse of its pivot."""

            def use(p, operation):
                """One pair: a multiplier, and what it takes from the row."""
                p3 = b.mul(p, whole(3))
                left, pivot = pair(p3), pair(b.add(p3, whole(1)))
                stop = pair(b.add(p3, whole(2)))
                multiplier = b.fmul(lu.load(left), lu.load(pivot))
                lu.store(multiplier, left)
                source = Slots(b, b.bitcast(lu.at(b.add(pivot, whole(LINE))), NUMBER.as_pointer()))

                def subtract(o, _):
                    product = b.fmul(multiplier, source.load(line(b, b.sub(o, operation[0]))))
                    lu.store(b.fsub(lu.load(target(o)), product), target(o))
                    return []

                repeat(b, operation[0], stop, [], subtract)
                return [stop]

            r2 = b.mul(r, whole(2))
            end, pivot = rows(r2), rows(b.add(r2, whole(1)))
            (operation,) = repeat(b, state[0], end, [state[1]], use)
            lu.store(b.fdiv(numbers(1.0), lu.load(pivot)), pivot)
            return [end, operation]

        repeat(b, whole(0), whole(n_lu), [], clear)
        repeat(b, whole(0), whole(nnz), [], enter)
        repeat(b, whole(0), whole(n), [], move)
        repeat(b, whole(0), whole(n), [whole(0), whole(0)], eliminate)
        return context.get_dummy_value()

    return of_lanes(emit, pivot_check(program, where))


def solve_body(program, where):
    """Return a numba intrinsic (w) that solves as `linear.solve` does: the system stands in "b" and is overwritten, its
    solution goes to "x".
    """

    def emit(context, b, signature, values):
        """Write the instructions of the body."""
        n, n_rows = int(program[0]), int(program[5])
        *_, fwd, fwd_ops, bwd, bwd_ops, _, _, _, _ = _sections(program)
        forward, backward = fwd[: 2 * n_rows].reshape(-1, 2), bwd[: 2 * n].reshape(-1, 2)
        data = array_data(context, b, VECTOR, values[0])
        lu, right, x = (Slots(b, data, where[name]) for name in ("lu", "b", "x"))
        steps = table(b, (forward * [LINE, 1]).ravel(), "forward")
        back = table(b, (backward * [LINE, 1]).ravel(), "backward")
        # factors stand in the order in which they are needed (`build_program`), so only the columns are looked up
        multipliers = int(forward[-1, 1]) if n_rows else 0
        columns = {"down": fwd_ops[: 2 * multipliers].reshape(-1, 2)[:, 1],
                   "up": bwd_ops[: 2 * int(backward[-1, 1])].reshape(-1, 2)[:, 1]}
        lists = {name: table(b, places * LINE, name) for name, places in columns.items()}

        def substitute(known, column, at, before, first, stop):
            """The slot `at` less its terms first .. stop - 1, whose factors stand `before` places further on."""
            def subtract(q, value):
                product = b.fmul(lu.load(line(b, b.add(q, before))), known.load(column(q)))
                return [b.fsub(value[0], product)]

            return repeat(b, first, stop, [right.load(at)], subtract)[0]

        def down(r, first):
            r2 = b.mul(r, whole(2))
            at, stop = steps(r2), steps(b.add(r2, whole(1)))
            right.store(substitute(right, lists["down"], at, whole(0), first[0], stop), at)
            return [stop]

        def up(r, first):
            r2 = b.mul(r, whole(2))
            at, stop = back(r2), back(b.add(r2, whole(1)))
            before = b.add(r, whole(multipliers))
            pivot = lu.load(line(b, b.add(before, first[0])))
            value = substitute(x, lists["up"], at, b.add(before, whole(1)), first[0], stop)
            x.store(b.fmul(value, pivot), at)
            return [stop]

        repeat(b, whole(0), whole(n_rows), [whole(0)], down)
        repeat(b, whole(0), whole(n), [whole(0)], up)
        return context.get_dummy_value()

    return of_lanes(emit)


def pivot_check(program, where):
    """Return what writes instructions that say in "holds" which lanes' pivots are of use (1.0), as
    `linear.bad_pivot`.
    """

    def emit(context, b, signature, values):
        """Write the instructions."""
        n, nnz = int(program[0]), int(program[1])
        diag, *_, own, _, _, _ = _sections(program)
        data = array_data(context, b, VECTOR, values[0])
        jv, lu, holds = (Slots(b, data, where[name]) for name in ("jv", "lu", "holds"))
        shift = jv.load(whole(nnz * LINE))
        diagonals, owned = table(b, diag[:n] * LINE, "diagonal"), table(b, own[:n] * LINE, "own")

        def check(i, state):
            inverse = _absolute(b, lu.load(diagonals(i)))
            diagonal = _absolute(b, b.fadd(b.fneg(jv.load(owned(i))), shift))
            good = b.and_(b.fcmp_ordered("<", b.fmul(diagonal, inverse), numbers(LOST)),
                          b.fcmp_ordered(">", inverse, numbers(0.0)))
            return [b.select(good, state[0], numbers(0.0))]

        (good,) = repeat(b, whole(0), whole(n), [numbers(1.0)], check)
        holds.store(good, whole(0))
        return context.get_dummy_value()

    return emit


def of_lanes(*emitters):
    """A numba intrinsic of one lane array (w) that writes what `emitters` do, one after the other."""

    def emit(context, b, signature, values):
        wide(b.function)
        for emitter in emitters:
            made = emitter(context, b, signature, values)
        return made

    @intrinsic
    def body(typing_context, w):
        return types.void(w), emit

    return body


@intrinsic
def _sizes(typing_context, error, y, y_new, atol, floor, upper, rtol, out):
    def emit(context, b, signature, values):
        """Write the instructions of the body."""
        wide(b.function)
        arrays = [context.make_array(kind)(context, b, value)
                  for kind, value in zip(signature.args, values, strict=True) if kind == VECTOR]
        error, y, y_new, atol, floor, upper, out = (Slots(b, array.data) for array in arrays)
        rtol = ir.Constant(NUMBERS, ir.Undefined)
        for lane in range(LANES):
            rtol = b.insert_element(rtol, values[6], ir.Constant(PLACE, lane))

        def look(i, state):
            """One state: the largest error so far, and whether a bound was left."""
            at = line(b, i)
            new = y_new.load(at)
            before, after = _absolute(b, y.load(at)), _absolute(b, new)
            size = b.select(b.fcmp_ordered(">", before, after), before, after)
            e = b.fdiv(_absolute(b, error.load(at)), b.fadd(atol.load(at), b.fmul(rtol, size)))
            e = b.select(b.fcmp_ordered("==", e, e), e, numbers(np.inf))
            worst, below, above = state
            return [b.select(b.fcmp_ordered(">", e, worst), e, worst),
                    b.select(b.fcmp_ordered(">", floor.load(at), new), numbers(1.0), below),
                    b.select(b.fcmp_ordered(">", new, upper.load(at)), numbers(1.0), above)]

        stop = b.sdiv(b.extract_value(arrays[1].shape, 0), whole(LANES))
        for i, value in enumerate(repeat(b, whole(0), stop, [numbers(0.0)] * 3, look)):
            out.store(value, whole(i * LINE))
        return context.get_dummy_value()

    return types.void(error, y, y_new, atol, floor, upper, rtol, out), emit


@njit(types.void(VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, REAL, VECTOR), **OPTIONS)
def sizes(error, y, y_new, atol, floor, upper, rtol, out):
    """Write into out (3 LANES) for each lane: the largest scaled error of all states (`pieces.scaled_error`; infinity
    where one is NaN), 1.0 where a new state lies below `floor`, 1.0 where one lies above `upper`; arrays (n LANES).
    """
    _sizes(error, y, y_new, atol, floor, upper, rtol, out)


@intrinsic
def _multiply(typing_context, program, jv, x, out):
    def emit(context, b, signature, values):
        """Write the instructions of the body."""
        wide(b.function)
        arrays = zip(signature.args, values, strict=True)
        heads, *vectors = (array_data(context, b, kind, value) for kind, value in arrays)
        jv, x, out = (Slots(b, data) for data in vectors)

        def entry(place):
            return b.zext(b.load(b.gep(heads, [place])), WHOLE)

        def clear(i, _):
            out.store(numbers(0.0), line(b, i))
            return []

        def add(i, _):
            at = line(b, entry(b.add(rows, i)))
            factor = x.load(line(b, entry(b.add(columns, i))))
            out.store(b.fadd(out.load(at), b.fmul(jv.load(line(b, i)), factor)), at)
            return []

        n, nnz, rows, columns = (entry(whole(i)) for i in (0, 1, 17, 18))
        repeat(b, whole(0), n, [], clear)
        repeat(b, whole(0), nnz, [], add)
        return context.get_dummy_value()

    return types.void(program, jv, x, out), emit


@njit(types.void(PROGRAM, VECTOR, VECTOR, VECTOR), **OPTIONS)
def multiply_lanes(program, jv, x, out):
    """Write J x into out as `linear.multiply` does; jv, x, out are (parts of) lane arrays."""
    _multiply(program, jv, x, out)


@intrinsic
def _take(typing_context, which, x, out):
    def emit(context, b, signature, values):
        """Write the instructions of the body."""
        wide(b.function)
        arrays = zip(signature.args, values, strict=True)
        which, x, out = (array_data(context, b, kind, value) for kind, value in arrays)
        chosen = b.fcmp_ordered(">", Slots(b, which).load(whole(0)), numbers(0.0))
        x, out = Slots(b, x), Slots(b, out)

        def choose(i, _):
            at = line(b, i)
            out.store(b.select(chosen, x.load(at), out.load(at)), at)
            return []

        size = b.extract_value(context.make_array(signature.args[1])(context, b, values[1]).shape, 0)
        repeat(b, whole(0), b.sdiv(size, whole(LANES)), [], choose)
        return context.get_dummy_value()

    return types.void(which, x, out), emit


@njit(types.void(VECTOR, VECTOR, VECTOR), **OPTIONS)
def take_lanes(which, x, out):
    """Copy the lanes of x (n LANES) for which `which` (LANES) is above 0 into out."""
    _take(which, x, out)


@intrinsic
def _combine(typing_context, stage, k, rate, f, out):
    def emit(context, b, signature, values):
        """Write the instructions of the body."""
        wide(b.function)
        arrays = list(zip(signature.args, values, strict=True))[1:]
        k, rate, f, out = (Slots(b, array_data(context, b, kind, value)) for kind, value in arrays)
        scale = rate.load(whole(0))
        stop = b.sdiv(b.extract_value(context.make_array(signature.args[3])(context, b, values[3]).shape, 0),
                      whole(LANES))
        row = b.mul(stop, whole(LINE))
        after = b.append_basic_block("combined")
        choice = b.switch(values[0], after)
        for stage, weights in enumerate(C, start=1):
            block = b.append_basic_block("stage")
            choice.add_case(whole(stage), block)
            b.position_at_end(block)

            def one(i, _, weights=weights):
                """One state of all lanes."""
                place = at = line(b, i)
                total = f.load(at)
                for weight in weights:
                    total = b.fadd(total, b.fmul(numbers(weight), b.fmul(k.load(place), scale)))
                    place = b.add(place, row)
                out.store(total, at)
                return []

            repeat(b, whole(0), stop, [], one)
            b.branch(after)
        b.position_at_end(after)
        return context.get_dummy_value()

    return types.void(stage, k, rate, f, out), emit


@njit(types.void(INT, MATRIX, VECTOR, VECTOR, VECTOR), **OPTIONS)
def combine_lanes(stage, k, rate, f, out):
    """Write the right side of the linear system of a stage (`rodas.combine`) into out (n LANES).

    k (8, n LANES): solutions of the stages; rate (LANES): 1 / h; f (n LANES): rates of change.
    """
    _combine(stage, k, rate, f, out)
