"""``python -m tests.docs`` writes today's numbers and tables into the pages."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from tests.docs.keys import key_table, keys_in
from tests.docs.shown import PAGES, ROOT, counts, execute, masked


def refresh():
    """Write today's numbers and tables into the pages."""
    import tempfile

    for name in PAGES:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            text = (ROOT / name).read_text()
            for shown in execute(name, Path(folder)).commands:
                real = {masked(line): line.rstrip() for line in shown.output.splitlines()}
                for line in shown.lines:
                    text = text.replace(f"\n{line}\n", f"\n{real.get(masked(line), line)}\n")
            if "<!-- keys:" in text:
                start, end = keys_in(text)
                text = text[:start] + key_table() + text[end:]
            total, assumed = counts()
            text = re.sub(r"Of \d+ parameters \d+ are", f"Of {total} parameters {assumed} are", text)
            (ROOT / name).write_text(text)


if __name__ == "__main__":
    refresh()
