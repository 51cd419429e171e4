"""The documentation site: pages of this folder, model pages generated from the network, the API from docstrings."""

from __future__ import annotations

from pathlib import Path

from tme_sim import __version__

HERE = Path(__file__).parent
FRONT = {"CONTRIBUTING.md": "contributing", "CHANGELOG.md": "changes"}

project = "tme_sim"
author = "tme_sim contributors"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
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
    from tme_sim.catalogue import load_catalogue
    from tme_sim.export.equations import mechanism_pages
    from tme_sim.export.odd import odd_document
    from tme_sim.network import compose

    folder = HERE / "model"
    folder.mkdir(exist_ok=True)
    network = compose(load_catalogue(()).sources)
    pages = mechanism_pages(network)
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / "odd.md").write_text(odd_document(network), encoding="utf-8")
    head = ["# The model", "", "Written from the laws themselves at every build.", ""]
    index = [*head, "```{toctree}", ":maxdepth: 1", "", *pages, "odd", "```", ""]
    (folder / "index.md").write_text("\n".join(index), encoding="utf-8")


def copy_front_pages(_app) -> None:
    """Pages that stand at the top of the repository, as pages of the site; their links into `docs/` made relative."""
    for source, target in FRONT.items():
        text = (HERE.parent / source).read_text(encoding="utf-8")
        (HERE / f"{target}.md").write_text(text.replace("](docs/", "]("), encoding="utf-8")


def setup(app) -> None:
    """Generate before Sphinx looks for pages."""
    app.connect("builder-inited", write_model_pages)
    app.connect("builder-inited", copy_front_pages)
