"""Many laws in one compiled pass over places, with the bits that :class:`tme_sim.tissue.laws.Here` gives.

The laws are those that `Here` asks.  They are called once with stand-ins for numbers and arrays, which record what is
done to them; the record becomes one loop.  Each operation keeps its arguments, so nothing is rounded otherwise; equal
operations on equal values are done once, and what depends on no place is found before the loop.  The loop goes over
tiles of TILE places, all values of a tile in one array at fixed distances: the compiler makes vector code of that, and
not of some twenty arrays that might overlap.

A generated module lies beside the model that its laws are of, under a digest of its text, and is compiled once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit

from tme_sim.compiler.model import load_part, write_part
from tme_sim.engine.cache import compiled_digest
from tme_sim.tissue import laws
from tme_sim.tissue.laws import Here, Laws

TILE = 128  # places: some fifty values of each stay in the first cache
EVERYWHERE = np.empty(0, dtype=np.int64)
OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}

TEXT = '''"""Laws of agent tissue in one pass over places.  Generated; do not edit."""
import math

import numba
import numpy as np

from tme_sim.engine.registers import wide_registers
from tme_sim.tissue.fused import fill, keep
from tme_sim.tissue.laws import exp, exp_of_place, log, log_of_place, power, power_of_any, power_of_place


def numbers(s):
    """What depends on no place: operands of the loop, and results."""
{numbers}
    return np.array([{operands}], dtype=np.float64), ({results})


@numba.njit("void(float64[::1], UniTuple(float64[::1], {fields}), int64[::1], float64[:, ::1], int64, int64)",
            cache=True, nogil=True, error_model="numpy")
def places(s, fields, at, out, first, last):
    """Items `first` to `last` of `out` [value, item]: of all places, or of those numbered in `at`."""
    wide_registers()
    t, u = np.zeros({fields} * {tile}), np.empty({values} * {tile})
{loads}
    for start in range(first, last, {tile}):
        n = min({tile}, last - start)
        for k in range({fields}):
            fill(t, k * {tile}, fields[k], at, start, n)
        for i in range({tile}):
{body}
        for k in range({values}):
            keep(u, k * {tile}, out, k, start, n)
'''


@njit("void(float64[::1], int64, float64[::1], int64[::1], int64, int64)", **OPTIONS)
def fill(tile, begin, field, at, start, n):
    """`n` values of a field from item `start` on, into a tile from `begin` on."""
    if at.size > 0:
        for i in range(n):
            tile[begin + i] = field[at[start + i]]
    else:
        for i in range(n):
            tile[begin + i] = field[start + i]


@njit("void(float64[::1], int64, float64[:, ::1], int64, int64, int64)", **OPTIONS)
def keep(tile, begin, out, row, start, n):
    """`n` values of a tile from `begin` on, into a row of `out` from item `start` on."""
    for i in range(n):
        out[row, start + i] = tile[begin + i]


class Record:
    """Operations in the order in which laws do them; each is (operation, operands), a value is its number."""

    def __init__(self):
        self.lines: list[tuple] = []
        self.local: list[bool] = []  # whether a value differs from place to place
        self.known: dict[tuple, int] = {}

    def put(self, what: str, *operands) -> Value:
        """The value of an operation on values and numbers; of "number" and "field" the operand is a name."""
        key = (what, *(o.at if isinstance(o, Value) else o for o in operands))
        if what not in ("number", "field"):
            key = (what, *(("value", o.at) if isinstance(o, Value) else ("plain", float(o).hex()) for o in operands))
        if key not in self.known:
            self.known[key] = len(self.lines)
            self.lines.append(key)
            self.local.append(what == "field" or any(isinstance(o, Value) and o.local for o in operands))
        return Value(self, self.known[key])

    def needed(self, values: list[Value]) -> list[int]:
        """Numbers of all values that `values` are made of, in the order of the record."""
        found, todo = set(), [v.at for v in values]
        while todo:
            at = todo.pop()
            if at not in found:
                found.add(at)
                what, *operands = self.lines[at]
                todo += [o[1] for o in operands if what not in ("number", "field") and o[0] == "value"]
        return sorted(found)


class Value:
    """Stands for a number or an array while a law is recorded."""

    def __init__(self, record: Record, at: int):
        self.record, self.at = record, at

    @property
    def local(self) -> bool:
        """Whether it differs from place to place."""
        return self.record.local[self.at]

    def __add__(self, other):
        return self.record.put("+", self, other)

    def __radd__(self, other):
        return self.record.put("+", other, self)

    def __sub__(self, other):
        return self.record.put("-", self, other)

    def __rsub__(self, other):
        return self.record.put("-", other, self)

    def __mul__(self, other):
        return self.record.put("*", self, other)

    def __rmul__(self, other):
        return self.record.put("*", other, self)

    def __truediv__(self, other):
        return self.record.put("/", self, other)

    def __rtruediv__(self, other):
        return self.record.put("/", other, self)

    def __neg__(self):
        return self.record.put("neg", self)

    def call(self, name: str, *operands):
        """An elementary function of values and numbers."""
        return self.record.put(name, *operands)


def above_zero(x):
    """max(x, 0) of a hazard."""
    return x.call("above_zero", x) if isinstance(x, Value) else max(x, 0.0)


def where(flag, x, y):
    """`x` at places where the field `flag` is not 0, `y` elsewhere."""
    return flag.call("where", flag, x, y)


def written(what: str, operands: list[str], local: list[bool]) -> str:
    """Source of an operation; of places the elementary functions are those that :mod:`tme_sim.tissue.laws` takes for
    arrays.

    Raises:
        ValueError: an operation that has no form for places.
    """
    places = any(local)
    if what in ("+", "-", "*", "/"):
        return f"{operands[0]} {what} {operands[1]}"
    if what == "neg":
        return f"-{operands[0]}"
    if what == "above_zero":
        return f"0.0 if {operands[0]} < 0.0 else {operands[0]}"
    if what == "where":
        return f"{operands[1]} if {operands[0]} != 0.0 else {operands[2]}"
    if what == "sqrt":
        return f"math.sqrt({operands[0]})"
    if what == "power" and places and (local[1] or not local[0]):
        return f"power_of_any({', '.join(operands)})"
    return f"{what}{'_of_place' if places else ''}({', '.join(operands)})"


class Fused:
    """What `build(here, own)` says of places, a dict of values by name, in one compiled pass.

    `here` are the laws on stand-ins of the arrays named in `fields`; `own(name)` stands for an array of the caller's,
    `own(name, True)` for a number.
    """

    def __init__(self, of: Laws, fields: Iterable[str], build: Callable[[Here, Callable], dict]):
        record = Record()

        def own(name: str, number: bool = False) -> Value:
            return record.put("number" if number else "field", name)

        class Stand:
            def __getitem__(self, name):
                return own(name, True)

        here = Here(of, Stand(), {name: own(name) for name in sorted(fields)})
        made = {name: v if isinstance(v, Value) else own("zero", True) + v for name, v in build(here, own).items()}
        self.local = [name for name, v in made.items() if v.local]
        self.plain = [name for name, v in made.items() if not v.local]
        self.row = {name: k for k, name in enumerate(self.local)}
        text, self.fields = source(record, [made[n] for n in self.local], [made[n] for n in self.plain])
        module = load(of.model, text)
        self.numbers, self.places = module.numbers, module.places

    def __call__(self, here: Here, items: int, at: np.ndarray = EVERYWHERE, deal=None, arrays=None,
                 more: Mapping[str, float] | None = None) -> Found:  # fmt: skip
        """Values at all places of `here`, or at those numbered in `at` (int64).

        `arrays` (float64, [place], those of `here` among them) and numbers in `more` are the caller's own; where there
        is no `more`, numbers are found once for `here`.  `deal(work)` calls `work(first, last)` over ranges that cover
        all items; None: one call.
        """
        if more is not None or self not in here.memo:
            here.memo[self] = self.numbers(Numbers(here.scalars, more or {}))
        operands, results = here.memo[self]
        out = np.empty((len(self.local), items))
        if self.local and items:
            arrays = here.arrays if arrays is None else arrays
            fields = tuple(arrays[name] for name in self.fields)
            if deal is None:
                self.places(operands, fields, at, out, 0, items)
            else:
                deal(partial(self.places, operands, fields, at, out))
        return Found(self.row, out, self.plain, results)


class Numbers:
    """Numbers of body and lesion, and a caller's own before them."""

    def __init__(self, scalars, more: dict[str, float]):
        self.scalars, self.more = scalars, more | {"zero": 0.0}

    def __getitem__(self, name: str) -> float:
        return self.more[name] if name in self.more else self.scalars[name]


class Found(NamedTuple):
    """What a pass found: rows of `out` [row, item] by name, and numbers, named in `plain`, of what has no row."""

    row: dict[str, int]
    out: np.ndarray
    plain: list[str]
    numbers: tuple[float, ...]

    def __getitem__(self, name: str):
        """An array [item], or a number."""
        return self.out[self.row[name]] if name in self.row else self.numbers[self.plain.index(name)]


class Table:
    """Where compiled loops find values of one or more passes, by place in a list of names; `source[j]` is the pass."""

    def __init__(self, names: list[str], passes: list[Fused], source: list[int]):
        of = [passes[s] for s in source]
        self.rows = np.array([p.row.get(name, -1) for p, name in zip(of, names, strict=True)], dtype=np.int64)
        self.place = [(j, s, passes[s].plain.index(name)) for j, (s, name) in enumerate(zip(source, names, strict=True))
                      if self.rows[j] < 0]  # fmt: skip

    def numbers(self, *found: Found) -> np.ndarray:
        """The numbers of what has no row (-1 in `rows`), of what the passes found."""
        out = np.zeros(self.rows.size)
        for j, s, k in self.place:
            out[j] = found[s].numbers[k]
        return out


def source(record: Record, local: list[Value], plain: list[Value]) -> tuple[str, list[str]]:
    """Text of the module that finds `local` and `plain` values, and the names of the fields it reads in their order."""
    needed = record.needed(local + plain)
    fields = [at for at in needed if record.lines[at][0] == "field"]
    numbers, body, operands = [], [], set()

    def name_of(operand) -> str:
        if operand[0] == "plain":
            text = repr(float.fromhex(operand[1]))
            return f"({text})" if text.startswith("-") else text
        return f"{'v' if record.local[operand[1]] else 'x'}{operand[1]}"

    for at in needed:
        what, *of = record.lines[at]
        if what == "field":
            body.append(f"v{at} = t[{fields.index(at) * TILE} + i]")
        elif what == "number":
            numbers.append(f"x{at} = s[{of[0]!r}]")
        else:
            here = [o[0] == "value" and record.local[o[1]] for o in of]
            line = written(what, [name_of(o) for o in of], here)
            if record.local[at]:
                body.append(f"v{at} = {line}")
                operands |= {o[1] for o, h in zip(of, here, strict=True) if o[0] == "value" and not h}
            else:
                numbers.append(f"x{at} = {line}")
    body += [f"u[{k * TILE} + i] = v{value.at}" for k, value in enumerate(local)]
    given = sorted(operands)
    return TEXT.format(
        numbers=lines(numbers, 4), operands=", ".join(f"x{at}" for at in given),
        results=" ".join(f"float(x{value.at})," for value in plain), fields=len(fields), values=len(local), tile=TILE,
        loads=lines([f"x{at} = s[{k}]" for k, at in enumerate(given)], 4), body=lines(body, 12),
    ), [record.lines[at][1] for at in fields]  # fmt: skip


def lines(of: list[str], indent: int) -> str:
    """Lines of source, indented; `pass` where there are none."""
    return "\n".join(" " * indent + line for line in of or ["pass"])


def load(model, text: str):
    """The module of this text beside the compiled model, written and compiled when it is not there."""
    parts = [Path(__file__).read_bytes(), Path(laws.__file__).read_bytes(), compiled_digest().encode(), text.encode()]
    key = hashlib.blake2b(b"".join(parts), digest_size=8).hexdigest()
    write_part(model.folder, f"tissue_{key}", text)
    return load_part(model.folder, model.digest, f"tissue_{key}")
