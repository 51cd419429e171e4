"""Text in the cells of a table that may be opened in a spreadsheet (promise H8 of docs/verification.md)."""

from __future__ import annotations

__all__ = ["FORMULA", "no_formula"]

FORMULA = ("=", "+", "-", "@", "\t", "\n")  # what a cell must not begin with


def no_formula(text: str) -> str:
    """The text, with a leading apostrophe if a spreadsheet would take it for a formula and run it.

    A carriage return becomes a new line: csv writes it unquoted, and what follows would begin a cell of its own.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if text.startswith(FORMULA) else text
