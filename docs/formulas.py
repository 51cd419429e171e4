"""Formulas of the site as MathML, which browsers draw themselves: no script, and nothing from any network.

Docutils translates the LaTeX.  Names of several letters (``\\mathrm{...}``) become words, no rows of letters: that
is smaller, and what a screen reader expects.
"""

from __future__ import annotations

import re

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

UPRIGHT = re.compile(r"\\mathrm\{((?:[^{}\\]|\\,)+)\}")


def words(latex: str) -> str:
    """LaTeX with upright names as text, and a dot between factors, so that words do not run together."""
    return UPRIGHT.sub(lambda m: r"\text{" + m[1].replace(r"\,", " ") + "}", latex.replace(r" \, ", r" \cdot "))


def mathml(latex: str, block: bool) -> str:
    """A formula as a MathML element, on a line of its own if `block`."""
    return re.sub(r">\s+<", "><", tex2mathml(words(latex).strip(), as_block=block))


def inline(self, node) -> None:
    """Write a formula within a line."""
    self.body.append(mathml(node.astext(), False))
    raise nodes.SkipNode


def displayed(self, node) -> None:
    """Write a formula on a line of its own; a wide one is scrolled by itself, not the page."""
    self.body.append(f'<div class="math formula">{mathml(node.astext(), True)}</div>')
    raise nodes.SkipNode


def setup(app) -> dict:
    """Offer the renderer to Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (displayed, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
