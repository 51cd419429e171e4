"""exp, log and power on LANES numbers at once: LLVM functions translated from the source of `elementary`.

numba does not make vector code of these functions (a table to look into, early returns, conversions), and calling the
scalar ones lane by lane took more time than the rest of the right-hand side. Here the statements of the very same
Python source go to vector instructions one by one, so a lane has the bits of the scalar function: nothing is written
twice and nothing is rounded otherwise. Both sides of a conditional expression are computed, one is chosen. A `return`
under an `if` is chosen at the end; where it holds for all lanes (a drug that nobody gets), the rest is not computed.

The translator knows what the three functions use: arithmetic, comparisons, shifts and masks, conversions, `abs`,
`np.floor`, and look-ups of LOG_TABLE.
"""

import ast
import inspect
import textwrap

import numpy as np
from llvmlite import ir
from numba.core.cgutils import get_or_insert_function

from tme_sim.engine import elementary
from tme_sim.engine.lane_arrays import LANES
from tme_sim.engine.registers import wide

NUMBER, WHOLE, SHORT, BIT = ir.DoubleType(), ir.IntType(64), ir.IntType(32), ir.IntType(1)
NUMBERS, WHOLES, SHORTS, BITS = (ir.VectorType(kind, LANES) for kind in (NUMBER, WHOLE, SHORT, BIT))
ORDERED = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "=="}
ARITHMETIC = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul", ast.Div: "fdiv"}
WHOLE_ARITHMETIC = {ast.Add: "add", ast.Sub: "sub", ast.BitAnd: "and_", ast.RShift: "ashr", ast.LShift: "shl"}


def vector_function(module, name: str, arguments: int):
    """The function `name` of `elementary` on `arguments` vectors of LANES numbers, added to an LLVM module once."""
    full = f"lanes_{name}"
    if full in module.globals:
        return module.globals[full]
    function = ir.Function(module, ir.FunctionType(NUMBERS, [NUMBERS] * arguments), full)
    function.linkage = "internal"
    function.attributes.add("noinline")
    wide(function)
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    builder.ret(_Translator(builder).run(getattr(elementary, name), function.args))
    return function


class _Translator:
    """Follows the statements of one function; `values` are its variables, as LLVM vectors or Python numbers."""

    def __init__(self, builder):
        self.builder = builder
        self.values = {}

    def run(self, function, arguments):
        """The result of a function of `elementary` for arguments (vectors)."""
        tree = ast.parse(textwrap.dedent(inspect.getsource(function.py_func))).body[0]
        outer, self.values = self.values, dict(zip((a.arg for a in tree.args.args), arguments, strict=True))
        early = []  # (where, value) of returns under an if, in their order
        for statement in tree.body:
            if isinstance(statement, ast.Assign):
                (target,) = statement.targets
                self.values[target.id] = self.read(statement.value)
            elif isinstance(statement, ast.If):
                early.append((self.read(statement.test), self._number(self.read(statement.body[0].value))))
                if not outer:
                    self._leave_if_all(*early[-1])
            elif isinstance(statement, ast.Return):
                result = self._number(self.read(statement.value))
        for where, value in reversed(early):
            result = self.builder.select(where, value, result)
        self.values = outer
        return result

    def _leave_if_all(self, where, value):
        """Return `value` at once where the condition holds for all lanes."""
        kind = ir.IntType(LANES)
        every = self.builder.icmp_unsigned("==", self.builder.bitcast(where, kind), ir.Constant(kind, 2**LANES - 1))
        with self.builder.if_then(every, likely=False):
            self.builder.ret(value)

    def read(self, node):
        """The value of an expression."""
        return getattr(self, f"_{type(node).__name__}")(node)

    def _number(self, value):
        """A vector of doubles from one, or from a Python number."""
        return ir.Constant(NUMBERS, [float(value)] * LANES) if isinstance(value, int | float) else value

    def _Constant(self, node):
        return node.value

    def _Name(self, node):
        return self.values[node.id] if node.id in self.values else getattr(elementary, node.id)

    def _Attribute(self, node):
        return float(getattr(np, node.attr))

    def _UnaryOp(self, node):
        value = self.read(node.operand)
        if isinstance(value, int | float):
            return -value
        return self.builder.not_(value) if isinstance(node.op, ast.Not) else self.builder.fneg(value)

    def _BinOp(self, node):
        x, y = self.read(node.left), self.read(node.right)
        plain = [isinstance(v, int | float) for v in (x, y)]
        if all(plain):  # bounds and sizes of tables
            return x + y if isinstance(node.op, ast.Add) else x - y
        kind = (y if plain[0] else x).type
        x, y = (ir.Constant(kind, [v] * LANES) if p else v for v, p in zip((x, y), plain, strict=True))
        return getattr(self.builder, (ARITHMETIC if kind == NUMBERS else WHOLE_ARITHMETIC)[type(node.op)])(x, y)

    def _Compare(self, node):
        (operator,), (right,) = node.ops, node.comparators
        x, y = self.read(node.left), self.read(right)
        if not isinstance(x, int | float) and x.type == BITS:
            return self.builder.icmp_unsigned("==", x, y)
        x, y = self._number(x), self._number(y)
        if isinstance(operator, ast.NotEq):
            return self.builder.fcmp_unordered("!=", x, y)  # true for NaN, as in Python
        return self.builder.fcmp_ordered(ORDERED[type(operator)], x, y)

    def _BoolOp(self, node):
        join = self.builder.and_ if isinstance(node.op, ast.And) else self.builder.or_
        first, *others = (self.read(value) for value in node.values)
        for other in others:
            first = join(first, other)
        return first

    def _IfExp(self, node):
        where, x, y = self.read(node.test), self.read(node.body), self.read(node.orelse)
        return self.builder.select(where, self._number(x), self._number(y))

    def _Call(self, node):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        values = [self.read(a) for a in node.args]
        if name in ("abs", "floor"):
            intrinsic = f"llvm.{'fabs' if name == 'abs' else name}.v{LANES}f64"
            kind = ir.FunctionType(NUMBERS, [NUMBERS])
            return self.builder.call(get_or_insert_function(self.builder.module, kind, intrinsic), values)
        convert = {"float64": self._float64, "int32": self._int32, "int64": self._int64,
                   "to_bits": lambda v: self.builder.bitcast(v, WHOLES),
                   "from_bits": lambda v: self.builder.bitcast(v, NUMBERS)}
        if name in convert:
            return convert[name](*values)
        return self.run(getattr(elementary, name), [self._number(v) for v in values])

    def _float64(self, value):
        value = self._number(value)
        return value if value.type == NUMBERS else self.builder.sitofp(value, NUMBERS)

    def _int32(self, value):
        if isinstance(value, int):
            return ir.Constant(SHORTS, [value] * LANES)
        return self.builder.fptosi(value, SHORTS) if value.type == NUMBERS else self.builder.trunc(value, SHORTS)

    def _int64(self, value):
        if isinstance(value, int):
            return ir.Constant(WHOLES, [value] * LANES)
        return value if value.type == WHOLES else self.builder.sext(value, WHOLES)

    def _Subscript(self, node):
        """Look a row of LOG_TABLE up for each lane."""
        row, column = node.slice.elts
        rows, table = self.read(row), self._table()
        result = ir.Constant(NUMBERS, ir.Undefined)
        width = elementary.LOG_TABLE.shape[1]
        for lane in range(LANES):
            at = ir.Constant(SHORT, lane)
            place = self.builder.mul(self.builder.extract_element(rows, at), ir.Constant(WHOLE, width))
            place = self.builder.add(place, ir.Constant(WHOLE, column.value))
            found = self.builder.load(self.builder.gep(table, [ir.Constant(WHOLE, 0), place]))
            result = self.builder.insert_element(result, found, at)
        return result

    def _table(self):
        """LOG_TABLE as a constant of the module."""
        module, name = self.builder.module, "lanes_log_table"
        if name not in module.globals:
            numbers = [float(x) for x in elementary.LOG_TABLE.ravel()]
            kind = ir.ArrayType(NUMBER, len(numbers))
            table = ir.GlobalVariable(module, kind, name)
            table.linkage, table.global_constant = "internal", True
            table.initializer = ir.Constant(kind, [ir.Constant(NUMBER, x) for x in numbers])
        return module.globals[name]
