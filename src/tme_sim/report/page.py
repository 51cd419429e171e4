"""What a report page is made of, and its HTML.

A page is a list of sections and a section a list of blocks: prose, a table, a picture, a calendar or code.  Blocks hold
plain text; jinja2 escapes all of it.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Calendar", "CalendarRow", "Code", "Page", "Picture", "Prose", "Section", "Table", "page_html"]


@dataclass(frozen=True)
class Prose:
    """A paragraph; `kind` is "plain", "lead", "note" or "warning"."""

    text: str
    kind: str = "plain"


@dataclass(frozen=True)
class Table:
    """Rows of text under `heads`; `numeric` are the columns set flush right, `graded` the one with evidence
    grades, `widths` the columns in percent (as wide as their text if empty)."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    numeric: Sequence[int] = ()
    graded: int | None = None
    small: bool = False
    widths: Sequence[int] = ()


@dataclass(frozen=True)
class Picture:
    """A PNG with its caption, and (what, how it went) for its curves; `alt` is read by screen readers."""

    png: bytes
    caption: str
    courses: Sequence[tuple[str, str]]
    alt: str

    @property
    def data(self) -> str:
        """The picture as a data address."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


@dataclass(frozen=True)
class CalendarRow:
    """One line of a calendar: bars (from, to) and points, both as shares 0 to 1 of the time shown."""

    label: str
    note: str
    colour: str
    bars: Sequence[tuple[float, float]] = ()
    points: Sequence[float] = ()


@dataclass(frozen=True)
class Calendar:
    """Rows over one axis; `ticks` are (share 0 to 1, text)."""

    rows: Sequence[CalendarRow]
    ticks: Sequence[tuple[float, str]]
    unit: str


@dataclass(frozen=True)
class Code:
    """Text to copy, folded away if `folded` gives it a title."""

    text: str
    folded: str = ""


@dataclass(frozen=True)
class Section:
    """A heading with blocks; `name` is the anchor, `short` what the list of sections says instead of the title."""

    name: str
    title: str
    blocks: Sequence[object]
    short: str = ""


@dataclass(frozen=True)
class Page:
    """A report: title, what kind of thing it reports, short facts (label, text) and sections."""

    title: str
    kind: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section] = field(default_factory=tuple)


def page_html(page: Page) -> str:
    """The page as one HTML document that needs nothing else.

    Raises:
        ImportError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise ImportError('a report needs jinja2: pip install "tme-sim[report]"') from error
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    templates.tests["block"] = lambda block, name: type(block).__name__ == name
    return templates.get_template("page.html").render(page=page, parts=_parts_with_addresses)


def _parts_with_addresses(text: str) -> list[tuple[str, str]]:
    """Text cut into (text, address): DOIs and registry numbers become links, everything else has no address."""
    import re

    found, at = [], 0
    for match in re.finditer(r"\b(10\.\d{4,9}/[^\s,;)\"'<>]+[^\s.,:;)\"'<>])|\b(NCT\d{8})\b", text):
        found.append((text[at : match.start()], ""))
        doi, trial = match.groups()
        found.append((match[0], f"https://doi.org/{doi}" if doi else f"https://clinicaltrials.gov/study/{trial}"))
        at = match.end()
    return [*found, (text[at:], "")]
