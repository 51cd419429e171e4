"""Check a built site: every link inside it leads somewhere, and no page loads anything from elsewhere.

``python docs/check_site.py docs/_build/html`` prints what is wrong and exits with 1; `make docs` runs it at its end.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"img": "src", "script": "src", "iframe": "src", "source": "src", "link": "href"}


class Page(HTMLParser):
    """Links, things loaded, and anchors of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        """Collect what a tag links to, loads, and is called."""
        given = dict(attrs)
        self.anchors |= {given[k] for k in ("id", "name") if given.get(k)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif tag in LOADED and given.get(LOADED[tag]):
            self.loaded.append(given[LOADED[tag]])


def outside(address: str) -> bool:
    """Whether an address leaves the site."""
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme in ("http", "https", "mailto", "ftp")


def check(folder: Path) -> list[str]:
    """What is wrong with a built site, a line each."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    wrong = [] if pages else [f"{folder}: holds no page"]
    for path, page in pages.items():
        name = path.relative_to(folder.resolve())
        wrong += [f"{name}: loads {address}" for address in page.loaded if outside(address)]
        for address in [*page.links, *page.loaded]:
            if outside(address) or address.startswith("data:"):
                continue
            parts = urlsplit(address)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target = target / "index.html"
            if not target.exists():
                wrong.append(f"{name}: {address} leads nowhere")
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                wrong.append(f"{name}: {address} has no such place")
    return wrong


if __name__ == "__main__":
    found = check(Path(sys.argv[1]))
    print("\n".join(found) or "every link of the site leads somewhere, and no page loads anything from elsewhere")
    raise SystemExit(bool(found))
