"""What a run is known by: a digest of the scenario it runs, as resolved, and of the code and data that run it.

The digest of a scenario is a sum over its values, so that a point of a design costs only the values that it changes.
Titles, names, sources and what is drawn do not count.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["IDLE", "KEY_BYTES", "LeafSum", "code_files", "model_digest", "short_digest"]

KEY_BYTES = 16
_MODULUS = 1 << 256
_as_text = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode
IDLE = ("title", "name", "source", "outputs", "schema")  # of a scenario or protocol: cannot change a result

# What a run needs, and what of it cannot change a number: it reads names, writes files or draws.
_SEEDS = ("scenario", "ensemble", "catalogue")
_HARMLESS = ("__init__.py", "record.py", "results.py", "disk.py", "formats.py", "toml_writer.py", "diagnostics.py",
             "protocol/view.py")  # fmt: skip
_IMPORT = re.compile(r"^\s*(?:from (tme_sim[\w.]*) import (.+)|import (tme_sim[\w.]*))", re.MULTILINE)


def code_files(root: Path) -> list[Path]:
    """Files of the package that can change a result: all that scenarios, runs and mechanisms import, and the drugs."""
    modules = [f"tme_sim.{name}" for name in _SEEDS]
    modules += [f"tme_sim.mechanisms.{path.stem}" for path in sorted(root.glob("mechanisms/*.py"))]
    found: set[Path] = set()
    while modules:
        place = root.joinpath(*modules.pop().split(".")[1:])
        path = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        if path in found or not path.is_file():
            continue
        found.add(path)
        for package, names, module in _IMPORT.findall(path.read_text()):
            modules += [package or module, *(f"{package}.{n}" for n in re.findall(r"\w+", names))]
    harmless = {root / name for name in _HARMLESS}
    return sorted((found - harmless) | set(root.glob("therapies/drugs/*.toml")))


@lru_cache(maxsize=1)
def _package_digest() -> str:
    import tme_sim

    root = Path(tme_sim.__file__).parent
    h = hashlib.blake2b(str(tme_sim.__numerics__).encode(), digest_size=KEY_BYTES)
    for path in code_files(root):
        h.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return h.hexdigest()


def model_digest(own: Mapping[str, str] | None = None) -> str:
    """Hex digest (128 bit) of all code and drug data that can change a result.

    `own` are digests of the user's mechanism files (:attr:`tme_sim.catalogue.Catalogue.own`).
    """
    from importlib.metadata import version

    h = hashlib.blake2b(_package_digest().encode(), digest_size=KEY_BYTES)
    h.update(f"{sys.version_info[:2]} {version('numba')} {version('sympy')}".encode())
    h.update(json.dumps(dict(sorted((own or {}).items()))).encode())
    return h.hexdigest()


def short_digest(*parts: Any) -> bytes:
    """128-bit digest of plain data (text, numbers, lists, tables)."""
    return hashlib.blake2b(_as_text(parts).encode(), digest_size=KEY_BYTES).digest()


class LeafSum:
    """Digest of a scenario's resolved values as a sum over them; `changed` swaps some without touching the others."""

    def __init__(self, data: Mapping[str, Any]):
        self.leaves: dict[str, str] = {}
        for key, value in data.items():
            if key not in IDLE:
                _flatten(value, key, self.leaves)
        self.total = sum(_leaf(k, v) for k, v in self.leaves.items()) % _MODULUS

    def changed(self, leaves: Mapping[str, Any]) -> int:
        """The sum with `leaves` (path of a single value, or of a table whose values all give way) put in."""
        total = self.total
        for path, value in leaves.items():
            new: dict[str, str] = {}
            _flatten(value, path, new)
            old = self._below(path)
            for key in old:
                if new.get(key) != self.leaves[key]:
                    total -= _leaf(key, self.leaves[key])
            for key, text in new.items():
                if self.leaves.get(key) != text:
                    total += _leaf(key, text)
        return total % _MODULUS

    @lru_cache(maxsize=4096)  # noqa: B019 - paths of one study, dropped with it
    def _below(self, path: str) -> tuple[str, ...]:
        return tuple(k for k in self.leaves if k == path or k.startswith(path + "\0"))


def _flatten(value: Any, path: str, out: dict[str, str]) -> None:
    if isinstance(value, (str, int, float)):
        out[path] = _as_text(_plain(value))
    elif isinstance(value, Mapping):
        if "source" in value and ("kind" in value or "start" in value or "every" in value or "at" in value):
            value = {k: v for k, v in value.items() if k != "source"}
        for key, inner in value.items():
            if path != "protocol" or key not in IDLE:
                _flatten(inner, f"{path}\0{key}", out)
    elif isinstance(value, (list, tuple)) and value and isinstance(value[0], Mapping):
        out[f"{path}\0#"] = str(len(value))
        for i, inner in enumerate(value):
            _flatten(inner, f"{path}\0{i}", out)
    else:
        out[path] = _as_text(_plain(value))


def _plain(value: Any) -> Any:
    """Numbers without a needless difference between 1 and 1.0."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


@lru_cache(maxsize=65536)
def _leaf(path: str, text: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{path}\1{text}".encode(), digest_size=32).digest(), "big")
