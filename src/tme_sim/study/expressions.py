"""Expressions of study files: ``burden_d365 / burden_d7``, ``back_at(viable_total)``; checked, never run as code.

A text is read into Python's syntax tree and compiled here, node by node, into functions of columns; whatever is not
listed below is refused with its place: attributes, subscripts, lambdas, comprehensions, unknown names and functions.
Length, number of nodes, constants and exponents are bounded, so that no text takes long or much memory.

Allowed: numbers, names of columns, ``+ - * / **`` (the exponent a number of at most 10), comparisons (0 or 1),
`log`, `exp`, `sqrt`, `abs`, `min`, `max`, ``where(condition, a, b)``; and of a trajectory that the study keeps:
``at(signal, day)``, ``smallest(signal)``, ``largest(signal)``, ``area(signal)`` (over time, in days),
``back_at(signal)`` (the day on which it is back at the value of the first day).  What cannot be computed is NaN.

Where the units of the names are given, numbers may have units as well, ``start + 84 day``, and dimensions must agree.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tme_sim.diagnostics import nearest, quoted
from tme_sim.quantities import NONE, Dimension, QuantityError, base_unit, describe_dimension, factor, parse_unit

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Expression", "ExpressionError", "parse_expression"]

MAX_LENGTH, MAX_NODES, MAX_CONSTANT, MAX_EXPONENT = 1000, 500, 1e30, 10.0
# A number with a unit, which Python's grammar knows in no place: "84 day", "15 mg/kg", "0.02 1/day".
_MEASURED = re.compile(r"(?<![\w.])((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?) +((?:1/)?[A-Za-zµμ%][\w^*/%+-]*)", re.ASCII)
Values = Mapping[str, Any]
Code = Callable[[Values], Any]


class ExpressionError(ValueError):
    """A text that is no expression; says what is wrong and what is allowed."""


@dataclass(frozen=True)
class Expression:
    """A checked expression: its text, the columns that it reads, and what computes it."""

    text: str
    names: tuple[str, ...]
    _code: Code = field(repr=False, compare=False)
    dimension: Dimension | None = None  # of its value, where units were given

    def number(self, values: Mapping[str, float]) -> float:
        """The value for one number of each name; NaN where there is none."""
        import numpy as np

        with np.errstate(all="ignore"):
            found = float(self._code(values))
        return found if math.isfinite(found) else math.nan

    def __call__(self, columns: Values) -> np.ndarray:
        """Values, one for each row of `columns` (arrays by name); NaN where there is none."""
        import numpy as np

        size = len(next(iter(columns.values())))
        with np.errstate(all="ignore"):
            found = np.broadcast_to(np.asarray(self._code(columns), dtype=np.float64), (size,))
        return np.where(np.isfinite(found), found, np.nan)


def parse_expression(
    text: str, names: Sequence[str] | None, signals: Mapping[str, Sequence[int]], units: Mapping[str, str] | None = None
) -> Expression:
    """Read an expression over columns called `names` and trajectories `signals` (name -> days that are kept).

    Without `names` any column is taken, for an expression that was checked before.  With `units` (of every name) the
    values that go in and come out are in base units, and dimensions are checked.

    Raises:
        ExpressionError: anything but what the module lists, or dimensions that do not agree.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"is longer than {MAX_LENGTH} characters")
    plain, measured = (text.strip(), {}) if units is None else _without_units(text, names or ())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd literals, which are refused below
            tree = ast.parse(plain, mode="eval")
        if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
            raise ExpressionError(f"has more than {MAX_NODES} parts")
        reader = _Reader(None if names is None else tuple(names), dict(signals), units, measured)
        found = reader.read(tree.body)
    except SyntaxError as error:
        raise ExpressionError(f"is no expression: {error.msg}, at character {error.offset or 1}") from None
    except (RecursionError, MemoryError):
        raise ExpressionError("is nested too deeply") from None
    except ValueError as error:
        if isinstance(error, ExpressionError):
            raise
        raise ExpressionError("is no expression: a character or a number that cannot be read") from None
    return Expression(text.strip(), tuple(dict.fromkeys(reader.used)), found.code, found.dimension)


def _without_units(text: str, names: Sequence[str]) -> tuple[str, dict[int, str]]:
    """The text with every unit behind a number blanked out, and the units by the place of their numbers.

    Raises:
        ExpressionError: a unit that is not known.
    """
    measured: dict[int, str] = {}

    def blanked(match: re.Match) -> str:
        """A number with its unit blanked out, which is kept in `measured`."""
        number, unit = match.groups()
        gap = " " * (len(match.group()) - len(number) - len(unit))
        behind = unit
        first = re.split(r"[*/^]", unit.removeprefix("1/"))[0]
        if keyword.iskeyword(first):
            return match.group()
        while unit:  # "2 day*gap" is two days times a factor
            try:
                found = parse_unit(unit).text
            except QuantityError as error:
                shorter = re.match(r"(.*)[*/+-]", unit)
                if shorter is None or shorter.group(1) == "1":
                    raise ExpressionError(f"holds {quoted(match.group(), 40)}: {error}") from None
                unit = shorter.group(1)
                continue
            if not set(re.findall(r"[A-Za-z]\w*", unit)[1:]) & set(names):
                break
            unit = unit[: max(unit.rfind("*"), unit.rfind("/"))]
        measured[len(plain[: match.start()].encode())] = found
        return number + gap + " " * len(unit) + behind[len(unit) :]

    plain = re.sub(r"\s", " ", text.strip())
    return _MEASURED.sub(blanked, plain), measured


@dataclass(frozen=True)
class _Part:
    """What computes a part of an expression, and its dimension (None where units are not looked at)."""

    code: Code
    dimension: Dimension | None = None


class _Reader:
    """Compiles nodes of one expression, and notes the columns that they read."""

    def __init__(
        self, names: tuple[str, ...] | None, signals: dict[str, Sequence[int]], units: Mapping[str, str] | None,
        measured: Mapping[int, str],
    ):  # fmt: skip
        self.names, self.signals, self.units, self.measured = names, signals, units, measured
        self.used: list[str] = []

    def read(self, node: ast.AST) -> _Part:
        """What computes a node.

        Raises:
            ExpressionError: a node of a kind that is not allowed.
        """
        kind = _KINDS.get(type(node))
        if kind is None:
            raise ExpressionError(
                f"holds {quoted(ast.unparse(node), 40)}, which is not allowed; use numbers, columns, + - * / **, "
                f"comparisons and {', '.join((*_PLAIN, *_OF_SIGNALS))}"
            )
        return kind(self, node)

    def alike(self, *parts: _Part) -> Dimension | None:
        """The dimension that all `parts` share.

        Raises:
            ExpressionError: they differ.
        """
        if self.units is not None:
            for part in parts[1:]:
                if part.dimension != parts[0].dimension:
                    one, other = _told(parts[0].dimension), _told(part.dimension)
                    raise ExpressionError(f"adds or compares a {one} and a {other}; numbers have units, like 84 day")
        return parts[0].dimension

    def bare(self, what: str, part: _Part) -> None:
        """Refuse a part with a dimension.

        Raises:
            ExpressionError: it has one.
        """
        if self.units is not None and part.dimension != NONE:
            raise ExpressionError(f"has a {_told(part.dimension)} as {what}, where a plain number belongs")

    def constant(self, node: ast.Constant) -> _Part:
        """A number, with its unit if one stands behind it."""
        value = node.value
        if type(value) not in (int, float) or not abs(value) <= MAX_CONSTANT:
            raise ExpressionError(f"holds {quoted(ast.unparse(node), 40)}; a number between -1e30 and 1e30 is wanted")
        unit = self.measured.get(node.col_offset, "1")
        number = float(value) * factor(unit)
        return _Part(lambda _columns: number, None if self.units is None else parse_unit(unit).dimension)

    def name(self, node: ast.Name) -> _Part:
        """A column."""
        if node.id in self.signals:
            raise ExpressionError(f"{quoted(node.id)} is a trajectory; take a number of it, like at({node.id}, 0)")
        if self.names is not None and node.id not in self.names:
            what = "column of this study" if self.units is None else "factor that stands above it"
            raise ExpressionError(f"{quoted(node.id)} is no {what}{nearest(node.id, self.names)}")
        self.used.append(node.id)
        dimension = None if self.units is None else parse_unit(self.units[node.id]).dimension
        return _Part(lambda columns, name=node.id: columns[name], dimension)

    def unary(self, node: ast.UnaryOp) -> _Part:
        """``-a`` and ``+a``."""
        inner = self.read(node.operand)
        if isinstance(node.op, ast.USub):
            return _Part(lambda columns: -inner.code(columns), inner.dimension)
        if isinstance(node.op, ast.UAdd):
            return inner
        raise ExpressionError("holds an operator that is not allowed; use + - * / ** and comparisons")

    def binary(self, node: ast.BinOp) -> _Part:
        """Arithmetic; exponents are numbers of bounded size."""
        import numpy as np

        known = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Pow: np.power}
        operation = known.get(type(node.op))
        if operation is None:
            raise ExpressionError("holds an operator that is not allowed; use + - * / ** and comparisons")
        exponent = _number(node.right) if isinstance(node.op, ast.Pow) else 1.0
        if not abs(exponent) <= MAX_EXPONENT:
            raise ExpressionError(f"has the exponent {quoted(ast.unparse(node.right), 40)}; a number between "
                                  f"-{MAX_EXPONENT:g} and {MAX_EXPONENT:g} is wanted")  # fmt: skip
        left, right = self.read(node.left), self.read(node.right)
        dimension = self.of_product(node, left, right, exponent)
        a, b = left.code, right.code
        return _Part(lambda columns: operation(a(columns), b(columns)), dimension)

    def of_product(self, node: ast.BinOp, left: _Part, right: _Part, exponent: float) -> Dimension | None:
        """The dimension of a sum, product, ratio or power."""
        if self.units is None or left.dimension is None or right.dimension is None:
            return None
        if isinstance(node.op, (ast.Add, ast.Sub)):
            return self.alike(left, right)
        if isinstance(node.op, ast.Pow):
            self.bare("exponent", right)
            return _whole(node, [e * exponent for e in left.dimension])
        sign = 1 if isinstance(node.op, ast.Mult) else -1
        return _whole(node, [a + sign * b for a, b in zip(left.dimension, right.dimension, strict=True)])

    def comparison(self, node: ast.Compare) -> _Part:
        """1 where it is true, 0 where not, NaN where a side is NaN."""
        import numpy as np

        known = {ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal,
                 ast.Eq: np.equal, ast.NotEq: np.not_equal}  # fmt: skip
        if len(node.ops) != 1 or type(node.ops[0]) not in known:
            raise ExpressionError("compares more than two things, or in a way that is not allowed")
        operation, left, right = known[type(node.ops[0])], self.read(node.left), self.read(node.comparators[0])
        self.alike(left, right)

        def compared(columns: Values) -> Any:
            """1 or 0, and no number where a side has none."""
            a, b = left.code(columns), right.code(columns)
            return np.where(np.isnan(a) | np.isnan(b), np.nan, operation(a, b))

        return _Part(compared, None if self.units is None else NONE)

    def call(self, node: ast.Call) -> _Part:
        """A function of the lists below."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        known = (*_PLAIN, *_OF_SIGNALS) if self.units is None else tuple(_PLAIN)
        if name not in known or node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            raise ExpressionError(f"calls {quoted(ast.unparse(node.func), 40)}, which is no function here"
                                  f"{nearest(name, known)}; known are {', '.join(known)}")  # fmt: skip
        if name in _OF_SIGNALS:
            return self.of_signal(name, node)
        count, function = _PLAIN[name]
        if len(node.args) != count:
            raise ExpressionError(f"{name} takes {count} value{'s' if count > 1 else ''}")
        parts = [self.read(one) for one in node.args]
        dimension = parts[-1].dimension
        if name in ("log", "exp"):
            self.bare(f"argument of {name}", parts[0])
        elif name == "sqrt" and dimension is not None:
            dimension = _whole(node, [0.5 * e for e in dimension])
        elif name == "where":
            self.bare("condition", parts[0])
            self.alike(*parts[1:])
        else:
            self.alike(*parts)
        codes = [part.code for part in parts]
        return _Part(lambda columns: function(*(code(columns) for code in codes)), dimension)

    def of_signal(self, name: str, node: ast.Call) -> _Part:
        """A number of a whole trajectory."""
        import numpy as np

        signal = node.args[0].id if node.args and isinstance(node.args[0], ast.Name) else ""
        if signal not in self.signals:
            tail = nearest(signal, self.signals) if signal else ""
            raise ExpressionError(f"{name} takes a trajectory that [outputs] keeps, first{tail}")
        days = sorted(self.signals[signal])
        if name == "at":
            day = _number(node.args[1]) if len(node.args) == 2 else math.nan
            if day not in days:
                raise ExpressionError(f"at({signal}, DAY) needs one of the days in outputs.days")
            self.used.append(f"{signal}_d{int(day)}")
            return _Part(lambda columns, name=self.used[-1]: columns[name])
        if len(node.args) != 1:
            raise ExpressionError(f"{name} takes one trajectory")
        if len(days) < 2:
            raise ExpressionError(f"{name} needs at least two days in outputs.days")
        columns_of = [f"{signal}_d{day}" for day in days]
        self.used += columns_of
        times, function = np.asarray(days, dtype=np.float64), _OF_SIGNALS[name]
        return _Part(lambda columns: function(times, np.array([columns[one] for one in columns_of], dtype=np.float64)))


def _told(dimension: Dimension | None) -> str:
    """A dimension in words."""
    return describe_dimension(base_unit(dimension or NONE))


def _whole(node: ast.AST, exponents: Sequence[float]) -> Dimension:
    """The dimension of a product or power.

    Raises:
        ExpressionError: an exponent that is not whole, or above what any unit has.
    """
    if any(e != int(e) or abs(e) > MAX_EXPONENT - 1 for e in exponents):
        raise ExpressionError(f"has no unit in {quoted(ast.unparse(node), 60)}: its power is broken or too high")
    return tuple(int(e) for e in exponents)


def _number(node: ast.AST) -> float:
    """A number that stands there, with its sign; NaN for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_number(node.operand)
    is_number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
    return float(node.value) if is_number and abs(node.value) <= MAX_CONSTANT else math.nan


def _plain(name: str) -> Callable:
    """The numpy function called `name`, imported when it is first used."""

    def function(*values: Any) -> Any:
        """The numpy function, called."""
        import numpy as np

        return getattr(np, name)(*values)

    return function


def _where(condition: Any, yes: Any, no: Any) -> Any:
    import numpy as np

    return np.where(np.isnan(condition), np.nan, np.where(np.asarray(condition) != 0.0, yes, no))


def _smallest(_times: np.ndarray, values: np.ndarray) -> np.ndarray:
    return values.min(axis=0)


def _largest(_times: np.ndarray, values: np.ndarray) -> np.ndarray:
    return values.max(axis=0)


def _area(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Under straight lines between the days that are kept."""
    return (0.5 * (values[1:] + values[:-1]) * (times[1:] - times[:-1])[:, None]).sum(axis=0)


def _back_at(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The day on which a signal, after its smallest value, is back at that of the first day; the last day if never.

    Between two days it is taken to grow by a constant share where it is positive, else by a constant amount.
    """
    import numpy as np

    out = np.full(values.shape[1], times[-1])
    for k, course in enumerate(values.T):
        if not np.isfinite(course).all():
            out[k] = np.nan
            continue
        low = int(np.argmin(course))
        above = np.flatnonzero(course[low:] >= course[0])
        if above.size:
            j = low + int(above[0])
            if j == 0:
                out[k] = times[0]
                continue
            a, b, level = course[j - 1], course[j], course[0]
            if a > 0.0:
                a, b, level = np.log(a), np.log(b), np.log(level)
            share = (level - a) / (b - a) if b > a else 1.0
            out[k] = times[j - 1] + share * (times[j] - times[j - 1])
    return out


_KINDS: dict[type, Callable[[_Reader, Any], _Part]] = {
    ast.Constant: _Reader.constant, ast.Name: _Reader.name, ast.UnaryOp: _Reader.unary, ast.BinOp: _Reader.binary,
    ast.Compare: _Reader.comparison, ast.Call: _Reader.call,
}  # fmt: skip
_PLAIN: dict[str, tuple[int, Callable]] = {
    "log": (1, _plain("log")), "exp": (1, _plain("exp")), "sqrt": (1, _plain("sqrt")), "abs": (1, _plain("abs")),
    "min": (2, _plain("minimum")), "max": (2, _plain("maximum")), "where": (3, _where),
}  # fmt: skip
_OF_SIGNALS: dict[str, Callable] = {
    "at": _smallest,  # never called: at() reads a column
    "smallest": _smallest, "largest": _largest, "area": _area, "back_at": _back_at,
}  # fmt: skip
