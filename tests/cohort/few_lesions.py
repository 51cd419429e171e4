"""A cohort of one lesion each: larger models take minutes to compile, and these tests are not about them."""

from __future__ import annotations

import re
from pathlib import Path

CONFIGS = Path(__file__).parents[2] / "configs"


def cohort_of_one(folder: Path) -> Path:
    """Write the EMERALD-1-like cohort, and the biology it names, with one lesion and no occult foci; its path."""
    biology = (CONFIGS / "cohorts" / "biology.toml").read_text(encoding="utf-8")
    for where in ("liver", "extrahepatic"):
        draw = re.compile(rf"(\[draw\.occult_{where}\]\n).*?(source = )", re.S)
        biology, changed = draw.subn(r'\1distribution = "fixed"\nvalue = 0.0\n\2', biology)
        assert changed == 1
    together = re.compile(r'\[\[correlation\]\]\nof = \["tumour_number", "occult_liver"\]\n.*?(?=\n\[|\Z)', re.S)
    biology, changed = together.subn("", biology)
    assert changed == 1
    text = (CONFIGS / "cohorts" / "emerald1_like.toml").read_text(encoding="utf-8")
    text, changed = re.subn(r"values = \[1, .*\]\nweights = \[.*\]", "values = [1, 2]\nweights = [1, 0]", text)
    assert changed == 1
    (Path(folder) / "biology.toml").write_text(biology, encoding="utf-8")
    path = Path(folder) / "one_lesion.toml"
    path.write_text(text, encoding="utf-8")
    return path
