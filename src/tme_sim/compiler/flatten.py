"""Reads generated (or any equally plain) source as a tape, from which `engine.machine` makes code.

Scalar code, lanes and the plain Python function thus have one definition: the text of the module. Understood are
assignments of arithmetic, exp, log, power, sqrt, min and max on numbers, names and elements of the arguments, and loops
over a fixed range whose indices are whole numbers.
"""

from __future__ import annotations

import ast

from tme_sim.engine import tape as t
from tme_sim.engine.tape import Tape

BINARY = {ast.Add: t.ADD, ast.Sub: t.SUBTRACT, ast.Mult: t.MULTIPLY, ast.Div: t.DIVIDE}
CALLS = {"exp_": t.EXP, "log_": t.LOG, "pow_": t.POWER, "sqrt": t.SQUARE_ROOT, "min": t.MINIMUM, "max": t.MAXIMUM,
         "exp": t.EXP, "log": t.LOG, "power": t.POWER}
WHOLE = {ast.Add: int.__add__, ast.Sub: int.__sub__, ast.Mult: int.__mul__}


class NotFlat(ValueError):
    """The source holds something that lanes cannot do; the message names it."""


def flatten(source: str, name: str, tape: Tape) -> dict[tuple[str, int], int]:
    """Record function `name` of a source text on `tape`; returns {(argument, index): value} of what it writes.

    Raises:
        NotFlat: with the line that is not understood.
    """
    functions = [f for f in ast.parse(source).body if isinstance(f, ast.FunctionDef) and f.name == name]
    if not functions:
        raise NotFlat(f"there is no function {name}")
    reader = _Reader(tape)
    reader.run(functions[0].body)
    return reader.written


def _is_text(line) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)


class _Reader:
    def __init__(self, tape: Tape):
        self.tape, self.numbers, self.values, self.written = tape, {}, {}, {}

    def run(self, body) -> None:
        """Record statements in their order."""
        for line in body:
            if isinstance(line, ast.For):
                for i in range(*(self.whole(a) for a in line.iter.args)):
                    self.numbers[line.target.id] = i
                    self.run(line.body)
            elif isinstance(line, ast.Assign) and len(line.targets) == 1:
                self.assign(line.targets[0], line.value)
            elif isinstance(line, ast.AugAssign) and type(line.op) in BINARY:
                value = self.tape.record(BINARY[type(line.op)], self.value(line.target), self.value(line.value))
                self.put(line.target, value)
            elif not isinstance(line, ast.Pass) and not _is_text(line):
                raise NotFlat(f"line {line.lineno}: {ast.unparse(line)}")

    def assign(self, target, expression) -> None:
        try:
            self.numbers[target.id] = self.whole(expression)
        except (NotFlat, AttributeError):  # not a whole number, or not a plain name
            self.put(target, self.value(expression))

    def put(self, target, value: int) -> None:
        if isinstance(target, ast.Name):
            self.values[target.id] = value
        else:
            self.written[target.value.id, self.whole(target.slice)] = value

    def whole(self, node) -> int:
        """The whole number that an index expression stands for."""
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return node.value
        if isinstance(node, ast.Name) and node.id in self.numbers:
            return self.numbers[node.id]
        if isinstance(node, ast.BinOp) and type(node.op) in WHOLE:
            return WHOLE[type(node.op)](self.whole(node.left), self.whole(node.right))
        raise NotFlat(f"line {node.lineno}: {ast.unparse(node)} is no whole number")

    def value(self, node) -> int:
        """The recorded value of an expression."""
        tape = self.tape
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return tape.constant(node.value)
        if isinstance(node, ast.Name) and node.id in self.values:
            return self.values[node.id]
        if isinstance(node, ast.Subscript):
            place = (node.value.id, self.whole(node.slice))
            return self.written[place] if place in self.written else tape.input(*place)
        if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
            return tape.record(BINARY[type(node.op)], self.value(node.left), self.value(node.right))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return tape.record(t.NEGATE, self.value(node.operand))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            return tape.record(CALLS[node.func.id], *(self.value(a) for a in node.args))
        raise NotFlat(f"line {node.lineno}: {ast.unparse(node)}")
