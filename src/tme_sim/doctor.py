"""What is installed, missing or left over, and the repair."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from shlex import quote

__all__ = ["report"]

EXTRAS = {
    "sens": "Morris screening for sensitivity studies",
    "fit": "fitting: approximate Bayesian computation, MCMC, CMA-ES",
    "trial": "hazard ratios of virtual trials",
    "sbml": "SBML export and its check",
    "explore": "the explorer page",
    "parquet": "tables as Parquet",
    "report": "report pages",
    "cluster": "studies on a cluster",
    "xarray": "Run.to_dataframe and Run.to_xarray",
    "images": "pictures of tissue for Fiji, napari and ParaView",
}


def _name(requirement: str) -> str:
    import re

    return re.split(r"[\s<>=!~;\[(]", requirement, maxsplit=1)[0]


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def report() -> tuple[str, bool]:
    """The report as text, and whether everything that the core needs is there."""
    lines = [f"tme_sim {_installed('tme-sim') or '(not installed, run from source)'}"]
    lines.append(f"Python {platform.python_version()} at {sys.executable}")
    sound = sys.version_info >= (3, 11)
    if not sound:
        lines.append("  too old: tme_sim needs Python 3.11 or later")
    try:
        declared = requires("tme-sim") or []
    except PackageNotFoundError:
        declared = []
    lines.append("core:")
    for requirement in declared:
        if "extra ==" in requirement:
            continue
        found = _installed(_name(requirement))
        lines.append(f"  {_name(requirement):<16}{found or 'MISSING'}")
        sound &= found is not None
    if not declared:
        lines.append("  unknown: install the project with make run, or pip install --no-deps -e .")
    lines.append("extras:")
    for extra, gives in EXTRAS.items():
        tagged = [r for r in declared if f'extra == "{extra}"' in r.replace("'", '"')]
        missing = [_name(r) for r in tagged if _installed(_name(r)) is None]
        state = ("missing" if missing else "installed") if tagged else "unknown"
        repair = f'; needs {", ".join(missing)}: pip install "tme-sim[{extra}]"' if missing else ""
        lines.append(f"  {extra:<10}{state:<11}{gives}{repair}")
    lines += _machine()
    lines += _cache()
    lines += _left_over()
    return "\n".join(lines) + "\n", sound


def _machine() -> list[str]:
    import sqlite3

    free = shutil.disk_usage(Path.cwd()).free
    lines = [
        f"machine: {platform.machine()}, {os.cpu_count()} processors, {platform.system()} {platform.release()}",
        f"SQLite {sqlite3.sqlite_version}; {free / 1e9:.1f} GB free here",
    ]
    if free < 1e9:
        lines.append("  less than 1 GB is free: runs may not fit")
    return lines


def _cache() -> list[str]:
    """Where compiled models are kept, how many and how large, what no longer serves, and whether it can be written."""
    from tme_sim.engine.cache import cache_root

    root = cache_root()
    if not root.is_dir():
        return [f"cache: {root} is not there yet; the first run of a structure compiles its model, about a minute"]
    sizes = [p.stat().st_size for p in root.rglob("*") if p.is_file()]
    models = len([p for p in (root / "models").glob("*") if p.is_dir()])
    lines = [f"cache: {root}, {models} compiled models, {sum(sizes) / 1e6:.0f} MB"]
    engines = sorted(p.name for p in (root / "engine").glob("*") if p.is_dir())
    if len(engines) > 1:
        lines.append(f"  {len(engines)} compiled engines, of which this version uses one; to free the others: "
                     f"rm -r {root / 'engine'} (the next run compiles again)")  # fmt: skip
    if not os.access(root, os.W_OK):
        lines.append(f"  cannot be written, so that every start compiles: chmod u+w {root}, or set TME_SIM_CACHE")
    return lines


HEX = r"[0-9a-f]{12}"
# What an interrupted command leaves: a folder half written or just replaced, a file half written (disk.whole and
# disk.write_file), a store half mended.
LEFT = re.compile(rf"\..+\.incomplete$|\..{{1,40}}\.{HEX}(?:\.\w+)*$|runs\.sqlite\.mended.*$")
PLACES = (".", "runs", "stores", "trials")


def _left_over() -> list[str]:
    """Files and folders that interrupted commands left here and one or two folders below, with the repair."""
    found: list[Path] = []
    for place in PLACES:
        folder = Path(place)
        depth = ("*", "*/*") if place == "." else ("*/*", "*/*/*")
        found += [p for pattern in depth for p in folder.glob(pattern) if LEFT.match(p.name)] if folder.is_dir() else []
    # what lies inside a folder that is listed itself needs no line of its own
    found = sorted(p for p in dict.fromkeys(found) if not any(q in p.parents for q in found))
    if not found:
        return ["left over: nothing by interrupted commands"]
    told = ", ".join(map(str, found[:5])) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    names = " ".join(quote(str(p)) for p in found[:20])
    return [f"left over: {len(found)} left by interrupted runs and commands, safe to delete: {told}",
            f"  repair: rm -r {names}{' ...' if len(found) > 20 else ''}"]  # fmt: skip
