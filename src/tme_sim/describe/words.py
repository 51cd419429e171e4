"""Lines, headings and laws as `tme-sim describe` writes them."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Sequence
from pathlib import Path

from tme_sim.network import arguments

WIDTH = 100
EQUATION_LIMIT = 1200  # characters; a longer law is named, and its file given


def wrapped(text: str, lead: str = "", indent: str | None = None) -> list[str]:
    """Lines of at most 100 columns; the first begins with `lead`, the others with `indent` (default: its width)."""
    indent = " " * len(lead) if indent is None else indent
    if len(lead) > WIDTH // 2:
        return [*textwrap.wrap(lead.rstrip(), WIDTH, subsequent_indent=indent), *wrapped(text, indent, indent)]
    lines = textwrap.wrap(" ".join(text.split()), WIDTH, initial_indent=lead, subsequent_indent=indent,
                          break_on_hyphens=False)  # fmt: skip
    return lines or [lead.rstrip()]


def title(text: str) -> list[str]:
    """A heading underlined."""
    return [text, "=" * min(len(text), WIDTH)]


def first_line(text: str) -> str:
    """First line of a text."""
    return (text or "").strip().split("\n", 1)[0]


def doc_line(law) -> str:
    """First paragraph of a law's docstring."""
    return " ".join((law.__doc__ or "a law without words").strip().split("\n\n")[0].split())


def source_of(law) -> str:
    """File and line of a law."""
    path, number = Path(inspect.getsourcefile(law) or "unknown"), inspect.getsourcelines(law)[1]
    parts: Sequence[str] = path.parts
    tail = parts[len(parts) - 1 - parts[::-1].index("tme_sim") :] if "tme_sim" in parts else parts[-1:]
    return f"{'/'.join(tail)}, line {number}, {law.__name__}"


def law_text(law, bind) -> str:
    """A law in plain text, in the names of the network; several values of a law are told in brackets."""
    from tme_sim.export.notation import expression, plain

    result = expression(law, bind)
    text = "(" + ", ".join(plain(r) for r in result) + ")" if isinstance(result, tuple) else plain(result)
    if len(text) <= EQUATION_LIMIT:
        return text
    return f"{law.__name__}({', '.join(dict.fromkeys(arguments(law, bind).values()))})"


def is_sum(law, bind) -> bool:
    """Whether a law is a sum, which needs brackets before it is multiplied."""
    from tme_sim.export.notation import expression

    return bool(getattr(expression(law, bind), "is_Add", False))


def start_text(initial, unit: str) -> str:
    """The untreated value of a species in words."""
    if callable(initial):
        return law_text(initial, {})
    return initial if isinstance(initial, str) else f"{initial:g}" + ("" if unit == "1" else f" {unit}")


def reads_of_start(initial) -> list[str]:
    """Names that an untreated value reads."""
    return list(arguments(initial, {}).values()) if callable(initial) else [initial] if isinstance(initial, str) else []
