"""What is installed, missing or left over, and the repair."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

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
        state = f'missing {", ".join(missing)}: pip install "tme-sim[{extra}]"' if missing else "installed"
        state = state if tagged else "unknown"
        lines.append(f"  {extra:<10}{gives}: {state}")
    lines += _machine()
    lines += _left_over(Path("runs"))
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


def _left_over(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    left = sorted(
        p.name for p in folder.iterdir() if p.name.startswith(".") and p.name.endswith((".incomplete", ".old"))
    )
    if not left:
        return []
    return [f"{folder}: {len(left)} folders left by interrupted runs, safe to delete: {', '.join(left[:5])}"]
