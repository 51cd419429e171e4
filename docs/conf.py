"""The documentation site: pages of this folder, model pages generated from the network, the API from docstrings."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tme_sim import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for formulas, an extension, and board
FRONT = {"CONTRIBUTING.md": "contributing", "CHANGELOG.md": "changes"}

project = "tme_sim"
author = "tme_sim contributors"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "formulas"]
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "tme_sim"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5d7a", "color-brand-content": "#0b5d7a"},
    "dark_css_variables": {"color-brand-primary": "#6fc3df", "color-brand-content": "#6fc3df"},
}
autodoc_member_order = "bysource"
autodoc_typehints = "none"
nitpicky = False
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure"]  # links to files that are not of the site


def write_model_pages(_app) -> None:
    """Pages of the model, made anew at every build: an overview, a page per mechanism, the ODD description."""
    from board import section

    from tme_sim.catalogue import load_catalogue
    from tme_sim.export.equations import mechanism_pages
    from tme_sim.export.odd import odd_document
    from tme_sim.network import compose

    folder = HERE / "model"
    folder.mkdir(exist_ok=True)
    network = compose(load_catalogue(()).sources)
    pages = mechanism_pages(network)
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(linked(f"{text.rstrip()}\n\n{section(name)}"), encoding="utf-8")
    (folder / "odd.md").write_text(odd_document(network), encoding="utf-8")
    head = ["# The model", "", "Written from the laws themselves at every build.", ""]
    index = [*head, "```{toctree}", ":maxdepth: 1", "", *pages, "odd", "```", ""]
    (folder / "index.md").write_text("\n".join(index), encoding="utf-8")


def linked(text: str) -> str:
    """Markdown with DOIs, PMC and PubMed numbers and addresses as links, where they are not links already."""
    found = r"https?://[^\s|)>,;]+|\b10\.\d{4,9}/[^\s|,;)>`]+[^\s|,;.)>`]|\bPMC\d{5,}|\bPMID \d+"

    def link(match: re.Match) -> str:
        name, plain = match[0], match[0].replace("\\", "")
        if name.startswith("http"):
            return f"<{plain.rstrip('.')}>" + ("." if plain.endswith(".") else "")
        if name.startswith("PMC"):
            return f"[{name}](https://pmc.ncbi.nlm.nih.gov/articles/{name})"
        if name.startswith("PMID"):
            return f"[{name}](https://pubmed.ncbi.nlm.nih.gov/{name[5:]})"
        return f"[{name}](https://doi.org/{plain})"

    return re.sub(found, link, text)


def copy_front_pages(_app) -> None:
    """Pages that stand at the top of the repository, as pages of the site; their links into `docs/` made relative."""
    for source, target in FRONT.items():
        text = (HERE.parent / source).read_text(encoding="utf-8")
        (HERE / f"{target}.md").write_text(_of_site(text), encoding="utf-8")


def _of_site(text: str) -> str:
    """Links of a page at the top of the repository as the site has them."""
    text = text.replace("](docs/adr)", "](decisions.md)").replace("](docs/", "](")
    for source, target in FRONT.items():
        text = text.replace(f"]({source})", f"]({target}.md)")
    return text


def let_names_break(_app, _page, _template, context, _doctree) -> None:
    """Let a long name in code break after an underscore, not inside a word; what is copied has no break."""
    if "body" in context:
        context["body"] = re.sub(
            r'(?<=<span class="pre">)[^<]*_[^<]*(?=</span>)', lambda m: m[0].replace("_", "_<wbr>"), context["body"]
        )


def setup(app) -> None:
    """Generate before Sphinx looks for pages, and mend them before they are written."""
    app.connect("html-page-context", let_names_break)
    app.connect("builder-inited", write_model_pages)
    app.connect("builder-inited", copy_front_pages)
