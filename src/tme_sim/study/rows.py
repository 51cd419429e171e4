"""A row of endpoints as bytes and back, to the last bit."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tme_sim.row import Row

__all__ = [
    "NUMBER", "TEXT", "WHOLE", "DamagedRow", "Packed", "checksum", "kinds_of", "layout_of", "pack", "packed", "unpack",
    "unpack_many",
]  # fmt: skip

NUMBER, WHOLE, TEXT = "f", "i", "s"


class DamagedRow(ValueError):
    """Bytes that are not what was written."""


@dataclass(frozen=True)
class Packed:
    """A row as a store keeps it: `layout` says what is in `data`."""

    status: str
    message: str
    layout: str
    data: bytes


def packed(row: Row | Packed) -> Packed:
    """A row as a store keeps it; one that is packed already stays as it is."""
    if isinstance(row, Packed):
        return row
    layout = layout_of(row.summary)
    return Packed(row.status, row.message, layout, pack(row.summary, layout))


def layout_of(summary: Mapping[str, Any]) -> str:
    """Names and kinds of the values of a row as text; rows of one model share it."""
    return _layout(tuple(summary), tuple(map(type, summary.values())))


@lru_cache(maxsize=64)
def _layout(names: tuple[str, ...], types: tuple[type, ...]) -> str:
    return json.dumps([[name, _kind(kind)] for name, kind in zip(names, types, strict=True)], separators=(",", ":"))


def _kind(of: type) -> str:
    if issubclass(of, str):
        return TEXT
    return WHOLE if issubclass(of, int) else NUMBER


@lru_cache(maxsize=64)
def _form(layout: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """Names with kinds, and the form of the numbers for `struct`."""
    kinds = tuple((name, kind) for name, kind in json.loads(layout))
    return kinds, "<" + "".join("q" if k == WHOLE else "d" for _, k in kinds if k != TEXT)


def pack(summary: Mapping[str, Any], layout: str) -> bytes:
    """The values of a row in the order of its layout: 8 bytes for a number, texts at the end."""
    kinds, form = _form(layout)
    numbers, texts = [], []
    for name, kind in kinds:
        value = summary[name]
        if kind == TEXT:
            texts.append(value)
        else:
            numbers.append(int(value) if kind == WHOLE else (math.nan if value is None else float(value)))
    return struct.pack(form, *numbers) + "\0".join(texts).encode()


def unpack(data: bytes, layout: str) -> dict[str, Any]:
    """The row that :func:`pack` wrote.

    Raises:
        DamagedRow: bytes that do not fit the layout.
    """
    try:
        kinds, form = _form(layout)
        size = struct.calcsize(form)
        numbers = iter(struct.unpack(form, data[:size]))
        texts = iter(data[size:].decode().split("\0"))
        return {name: next(texts) if kind == TEXT else next(numbers) for name, kind in kinds}
    except (struct.error, ValueError, StopIteration, TypeError) as error:
        raise DamagedRow("a row does not fit its layout") from error


def checksum(*parts: bytes) -> bytes:
    """64-bit checksum over all columns of a row, their lengths included."""
    h = hashlib.blake2b(digest_size=8)
    for part in parts:
        h.update(len(part).to_bytes(8, "little") + part)
    return h.digest()


def kinds_of(layout: str) -> tuple[tuple[str, str], ...]:
    """Names and kinds (NUMBER, WHOLE or TEXT) of a layout."""
    return _form(layout)[0]


def unpack_many(rows: list[bytes], layout: str) -> tuple[Any, list[list[str]]]:
    """Rows of one layout: their numbers (n, count) as float64 bits (view a WHOLE column as int64), and their texts.

    Raises:
        DamagedRow: bytes that do not fit the layout.
    """
    import numpy as np

    kinds, form = _form(layout)
    size = struct.calcsize(form)
    if any(len(row) < size for row in rows):
        raise DamagedRow("a row does not fit its layout")
    numbers = np.frombuffer(b"".join(row[:size] for row in rows), dtype="<f8").reshape(len(rows), size // 8)
    count = sum(kind == TEXT for _, kind in kinds)
    texts = [row[size:].decode().split("\0") for row in rows] if count else []
    return np.asfortranarray(numbers), texts
