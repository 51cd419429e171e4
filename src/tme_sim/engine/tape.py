"""Arithmetic as a list of operations: what generated source and eliminations are turned into before machine code.

A `Tape` records operations on values. Equal operations on equal values are recorded once, and a negation moves
outwards through products and into sums; a division by a power of two is a product, which is quicker. None changes a bit
of any result: each operation keeps its arguments, and IEEE arithmetic is symmetric in the sign. Sums are never put in
another order.
"""

from math import frexp

ADD, SUBTRACT, MULTIPLY, DIVIDE, NEGATE, MINIMUM, MAXIMUM, SQUARE_ROOT, EXP, LOG, POWER = range(11)
ELEMENTARY = (EXP, LOG, POWER)


class Tape:
    """Operations in the order in which they were recorded; a value is its number.

    `kinds[i]` is ("constant", number), ("input", array, index) or (operation, value, ...).
    """

    def __init__(self):
        self.kinds = []
        self._known = {}

    def _value(self, *kind):
        key = (kind[0], kind[1].hex()) if kind[0] == "constant" else kind
        if key not in self._known:
            self._known[key] = len(self.kinds)
            self.kinds.append(kind)
        return self._known[key]

    def constant(self, number):
        """Return the value of a number."""
        return self._value("constant", float(number))

    def input(self, array, index):
        """Return the value of element `index` of the array with this name."""
        return self._value("input", array, int(index))

    def is_operation(self, value):
        """Return whether a value is computed (not a constant or an input)."""
        return self.kinds[value][0] not in ("constant", "input")

    def record(self, operation, *values):
        """Return the value of an operation on values."""
        if operation == NEGATE:
            return self._negate(*values)
        if operation == DIVIDE and self._power_of_two(values[1]):
            return self.record(MULTIPLY, values[0], self.constant(1.0 / self.kinds[values[1]][1]))
        if operation in (MULTIPLY, DIVIDE):
            signs = [self._under_minus(v) is not None for v in values]
            if any(signs):
                plain = [self._under_minus(v) if minus else v for v, minus in zip(values, signs, strict=True)]
                result = self.record(operation, *plain)
                return result if all(signs) else self._negate(result)
        if operation == ADD:
            for x, y in (values, values[::-1]):
                if self._under_minus(y) is not None:
                    return self._value(SUBTRACT, x, self._under_minus(y))
        if operation == SUBTRACT and self._under_minus(values[1]) is not None:
            return self.record(ADD, values[0], self._under_minus(values[1]))
        return self._value(operation, *(sorted(values) if operation in (ADD, MULTIPLY) else values))

    def _power_of_two(self, value):
        """Return whether a value is a constant by which dividing gives the bits of a product with its inverse."""
        kind = self.kinds[value]
        return kind[0] == "constant" and abs(frexp(kind[1])[0]) == 0.5 and abs(frexp(kind[1])[1]) < 100

    def _under_minus(self, value):
        """Return x where value is -x, else None."""
        kind = self.kinds[value]
        return kind[1] if kind[0] == NEGATE else None

    def _negate(self, value):
        kind = self.kinds[value]
        if kind[0] == "constant":
            return self.constant(-kind[1])
        return kind[1] if kind[0] == NEGATE else self._value(NEGATE, value)

    def needed(self, values):
        """Return the operations that `values` depend on, in the order of recording."""
        found, todo = set(), list(values)
        while todo:
            value = todo.pop()
            if value not in found and self.is_operation(value):
                found.add(value)
                todo += self.kinds[value][1:]
        return sorted(found)

    def groups(self, values):
        """Return what `values` need as lists of operations in which equal elementary functions stand together.

        The plain operations between them form a list each. No operation depends on another one of an elementary list.
        """
        level, lists = {}, {}
        for value in self.needed(values):
            operation, *arguments = self.kinds[value]
            after = [level[a] + (self.kinds[a][0] in ELEMENTARY) for a in arguments if a in level]
            level[value] = max(after, default=0)
            lists.setdefault((level[value], operation if operation in ELEMENTARY else -1), []).append(value)
        return [lists[key] for key in sorted(lists)]


class PartialTape(Tape):
    """A tape on which all but some elements of an array are zero; what a zero makes of an operation is not recorded.

    kept: {array: {index: index among the kept ones}}; arrays not named are whole. The rest keeps its bits, but for the
    sign of a zero, wherever all numbers are finite.
    """

    def __init__(self, kept):
        super().__init__()
        self._kept = kept

    def input(self, array, index):
        """Return the value of element `index` of an array: zero where it is not kept."""
        if array not in self._kept:
            return super().input(array, index)
        place = self._kept[array].get(int(index))
        return self.constant(0.0) if place is None else super().input(array, place)

    def record(self, operation, *values):
        """Return the value of an operation on values."""
        zero = [self.kinds[v][0] == "constant" and self.kinds[v][1] == 0.0 for v in values]
        if operation == ADD and any(zero):
            return values[1] if zero[0] else values[0]
        if operation == SUBTRACT and zero[1]:
            return values[0]
        if operation == SUBTRACT and zero[0]:
            return super().record(NEGATE, values[1])
        if zeros_result(operation, zero):
            return self.constant(0.0)
        return super().record(operation, *values)


def zeros_result(operation, zero):
    """Return whether an operation is zero (if finite), given which of its values are."""
    if operation == MULTIPLY:
        return any(zero)
    if operation in (DIVIDE, SQUARE_ROOT, NEGATE):
        return zero[0]
    return operation in (ADD, SUBTRACT, MINIMUM, MAXIMUM) and all(zero)


def absent_states(tape, rates, states, held):
    """Return the sorted places of those among `states` that stay at zero while `held` inputs are zero.

    tape, rates: right-hand side as {("dy", place): value}; states, held: places (in y, in u) of zeros. Found from the
    form of the rates alone: a state stays at zero where its rate is a sum of products with such states or inputs.
    """
    absent = set(states)
    while True:
        zeros = {("y", i) for i in absent} | {("u", i) for i in held}
        zero = []
        for what, *where in tape.kinds:
            if what == "constant":
                zero.append(where[0] == 0.0)
            elif what == "input":
                zero.append(tuple(where) in zeros)
            else:
                zero.append(zeros_result(what, [zero[v] for v in where]))
        moving = {i for i in absent if not zero[rates["dy", i]]}
        if not moving:
            return tuple(sorted(absent))
        absent -= moving
