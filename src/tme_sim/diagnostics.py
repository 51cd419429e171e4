"""Messages for people: nearest known names, places in a file, and errors that are collected before they are shown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["nearest"]


def nearest(name: str, known: Iterable[str], *, limit: int = 1) -> str:
    """A tail for a message: ``, did you mean "VEGF"?`` or nothing when no known name is near."""
    found = near(name, known, limit=limit)
    return f", did you mean {' or '.join(quoted(n) for n in found)}?" if found else ""


def near(name: str, known: Iterable[str], *, limit: int = 1) -> list[str]:
    """Up to `limit` known names close to `name`, best first; case and underscores count for little."""
    by_folded: dict[str, str] = {}
    for candidate in known:
        by_folded.setdefault(_folded(str(candidate)), str(candidate))
    hits = difflib.get_close_matches(_folded(str(name)[:80]), list(by_folded), n=limit, cutoff=0.6)
    return [by_folded[h] for h in hits]


def quoted(text: object, limit: int = 60) -> str:
    """Text in double quotes, with unprintable characters replaced and long text cut."""
    plain = "".join(c if c.isprintable() else "?" for c in str(text)[: limit + 1])
    return f'"{plain}"' if len(plain) <= limit else f'"{plain[:limit]}..."'


def _folded(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")
