"""TOML from plain data, in a fixed order, with an optional comment after each value."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["write_toml"]

Origin = Callable[[Sequence[str | int]], str]


def write_toml(data: Mapping[str, Any], origin: Origin | None = None) -> str:
    """`data` (tables, lists, text, numbers, booleans) as TOML; `origin` gives the comment after the value of a key."""
    lines: list[str] = []
    _table(data, (), (), lines, origin)
    return "\n".join(lines).strip("\n") + "\n"


def _is_table_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)


def _table(
    data: Mapping[str, Any], path: tuple[str, ...], key: tuple[str | int, ...], lines: list[str], origin: Origin | None
) -> None:
    for name, value in data.items():
        if not isinstance(value, Mapping) and not _is_table_list(value):
            comment = f"  #@ {origin((*key, name))}" if origin else ""
            lines.append(f"{bare(name)} = {literal(value)}{comment}")
    for name, value in data.items():
        inner = (*path, bare(name))
        if isinstance(value, Mapping):
            lines += ["", f"[{'.'.join(inner)}]"]
            _table(value, inner, (*key, name), lines, origin)
        elif _is_table_list(value):
            for i, item in enumerate(value):
                lines += ["", f"[[{'.'.join(inner)}]]"]
                _table(item, inner, (*key, name, i), lines, origin)


def bare(name: str) -> str:
    """A key as TOML writes it: quoted where it must be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else text(name)


def text(value: str) -> str:
    """A string as TOML writes it."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def literal(value: Any) -> str:
    """One value as TOML writes it; floats by their shortest exact form.

    Raises:
        TypeError: for what has no form in a scenario.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return text(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(literal(v) for v in value) + "]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{bare(k)} = {literal(v)}" for k, v in value.items()) + " }"
    raise TypeError(f"a scenario cannot hold a {type(value).__name__}")
