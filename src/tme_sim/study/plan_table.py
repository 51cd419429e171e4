"""The plan of a study as a table: which run stands where, by key, and what its values are.

A store keeps it, so that a table can be made from the store alone, without the study's files.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tme_sim.study.expressions import parse_expression
from tme_sim.study.keys import short_digest

__all__ = ["FINDING", "PlanTable"]

FINDING = "points of a finding"  # the design of a plan that an analysis asked for, and not the study itself
MAX_BYTES = 4_000_000_000


@dataclass(frozen=True)
class PlanTable:
    """Columns of a plan.

    `factors` are (name, unit, title, whether its values are choices); `values` holds a column for each.  `shown` are
    the endpoints that tables show (none: all).  `about` has name, title, question and design.  `derived` are columns
    computed from others: (name, expression, unit, title), and `kept` the days of the trajectories that they may read.
    `linked` are factors that follow from others: (name, unit, title, column).
    """

    about: Mapping[str, str]
    factors: tuple[tuple[str, str, str, bool], ...]
    values: Sequence[Sequence[Any]]
    arms: Sequence[str]
    numbers: Sequence[int]
    shown: tuple[str, ...]
    keys: tuple[bytes, ...]
    derived: tuple[tuple[str, str, str, str], ...] = ()
    kept: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    linked: tuple[tuple[str, str, str, Sequence[float | None]], ...] = ()

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def digest(self) -> str:
        """Digest of what is run and what the columns are called."""
        return short_digest([k.hex() for k in self.keys], [list(f) for f in self.factors], list(self.arms),
                            list(self.numbers), list(self.shown), self.about["name"], *self._more).hex()  # fmt: skip

    @property
    def settings(self) -> set[str]:
        """Names of the columns that a run is given: all others are what it gave."""
        return {f[0] for f in self.factors} | {one[0] for one in self.linked} | {"arm", "replicate"}

    @property
    def _more(self) -> list[Any]:
        """What plans with derived or linked columns have besides."""
        if not (self.derived or self.linked):
            return []
        linked = [[list(one) for one in self.linked]] if self.linked else []
        return [[list(d) for d in self.derived], {n: list(d) for n, d in self.kept.items()}, *linked]

    def read_by_derived(self) -> list[str]:
        """Columns that derived ones need."""
        return [name for _, text, _, _ in self.derived for name in parse_expression(text, None, self.kept).names]

    def with_derived(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """A table with its derived columns behind the others; NaN where a column that one needs has no number."""
        import numpy as np

        out = dict(table)
        size = len(self) if not out else len(next(iter(out.values())))
        for name, text, _, _ in self.derived:
            found = parse_expression(text, None, self.kept)
            given = {n: out[n] for n in found.names if n in out and out[n].dtype != object}
            whole = len(given) == len(found.names)
            out[name] = found({**given, "": np.zeros(size)}) if whole else np.full(size, np.nan)
        return out

    def columns(self, ordinals: Sequence[int] | None = None) -> dict[str, Any]:
        """Factor and linked columns, "arm" and "replicate" as arrays, in the order of the plan."""
        import numpy as np

        def chosen(column: Sequence[Any]) -> Sequence[Any]:
            """The entries of a column that are asked for."""
            return column if ordinals is None else [column[i] for i in ordinals]

        out: dict[str, Any] = {}
        for (name, _, _, is_choice), column in zip(self.factors, self.values, strict=True):
            given = chosen(column)
            if is_choice:
                out[name] = np.array(["" if v is None else str(v) for v in given], dtype=object)
            else:
                out[name] = np.array([np.nan if v is None else float(v) for v in given], dtype=np.float64)
        for name, _, _, column in self.linked:
            out[name] = np.array([np.nan if v is None else float(v) for v in chosen(column)], dtype=np.float64)
        out["arm"] = np.array(list(chosen(self.arms)), dtype=object)
        out["replicate"] = np.array(list(chosen(self.numbers)), dtype=np.int64)
        return out

    def packed(self) -> bytes:
        """All but the keys as bytes."""
        arms = list(dict.fromkeys(self.arms))
        number = {arm: i for i, arm in enumerate(arms)}
        data = [dict(self.about), [list(f) for f in self.factors], [list(v) for v in self.values], arms,
                [number[a] for a in self.arms], list(self.numbers), list(self.shown), *self._more]  # fmt: skip
        return zlib.compress(json.dumps(data, separators=(",", ":")).encode())

    @classmethod
    def unpacked(cls, data: bytes, keys: Sequence[bytes]) -> PlanTable:
        """The plan of :meth:`packed` with its keys.

        Raises:
            ValueError: damaged bytes, or more of them than any plan has.
        """
        tool = zlib.decompressobj()
        try:
            text = tool.decompress(data, MAX_BYTES)
            if tool.unconsumed_tail or not tool.eof:
                raise ValueError("a plan is cut or too large")
            about, factors, values, arms, places, numbers, shown, *more = json.loads(text)
            derived, kept, linked = (*more, *((), {}, ())[len(more) :])
            found = cls(about, tuple((n, u, t, bool(c)) for n, u, t, c in factors), values,
                        [arms[i] for i in places], numbers, tuple(shown), tuple(keys),
                        tuple((n, e, u, t) for n, e, u, t in derived),
                        {n: tuple(d) for n, d in kept.items()}, tuple(map(tuple, linked)))  # fmt: skip
            found.read_by_derived()
        except (zlib.error, TypeError, IndexError, KeyError) as error:
            raise ValueError("a plan is damaged") from error
        if len(found.keys) != len(found.arms):
            raise ValueError("a plan has lost keys")
        return found
