"""What the page is given apart from frames: bands, explanations, files to download, differences of two scenarios."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tme_sim.diagnostics import InputError, Problem
from tme_sim.explore.frames import ENDPOINTS, encoded, told
from tme_sim.plots.style import unit_text

__all__ = ["DOWNLOADS", "UNBALANCED", "UNFINISHED", "band", "changes", "download", "explained", "lost_text"]

DOWNLOADS = {
    "config": "the config file",
    "data": "a table of all values (CSV)",
    "figures": "the figures (ZIP of PNG)",
    "run": "the whole run folder with report (ZIP)",
}
MOST_ROWS = 12
UNBALANCED, UNFINISHED = "unbalanced", "unfinished"  # why a draw gives no curve
_EPOCH = (1980, 1, 1, 0, 0, 0)


def band(
    curves: Sequence[Mapping[tuple[str, int], np.ndarray]], summaries: Sequence[Mapping[str, Any]], view: str,
    revision: int, over: bool, lost: Sequence[str], ends: tuple[float, float],
) -> dict[str, Any]:  # fmt: skip
    """Quantiles of the curves of several draws, and of their endpoints; `lost` says why others gave none."""
    out = []
    for key in curves[0] if curves else ():
        same = [c[key] for c in curves if key in c and c[key].shape == curves[0][key].shape]
        low, high = np.quantile(np.stack(same), ends, axis=0)
        out.append({"panel": key[0], "curve": key[1], "low": encoded(low), "high": encoded(high)})
    tiles = {}
    for name, _ in ENDPOINTS:
        values = [s[name] for s in summaries if isinstance(s.get(name), (int, float)) and np.isfinite(s[name])]
        texts = [str(s[name]) for s in summaries if isinstance(s.get(name), str) and s[name]]
        if values:
            low, high = np.quantile(values, ends)
            ends_told = [told(name, float(v), {"pfs_event": 1, "os_event": 1, "ttp_event": 1}) for v in (low, high)]
            tiles[name] = f"{ends_told[0].removesuffix(' months')} to {ends_told[1]}"
        elif texts:
            common = max(sorted(set(texts)), key=texts.count)
            tiles[name] = f"{common} in {texts.count(common)} of {len(texts)}"
    return {"type": "band", "view": view, "revision": revision, "done": len(curves), "over": over,
            "lost": len(lost), "why": lost_text(len(curves), lost), "curves": out, "endpoints": tiles}  # fmt: skip


def lost_text(kept: int, lost: Sequence[str]) -> str:
    """How many draws were left out of a band, and why, as a sentence; "" if none was."""
    if not lost:
        return ""
    tried, parts = kept + len(lost), []
    unbalanced, unfinished = lost.count(UNBALANCED), lost.count(UNFINISHED)
    if unbalanced:
        parts.append(f"{unbalanced} because no untreated tumour can grow as this one does with such values (parameters "
                     "are drawn one by one, and far apart they do not fit together)")  # fmt: skip
    if unfinished:
        parts.append(f"{unfinished} because the run did not reach its end")
    return (f"The band is made of {kept} of {tried} draws; {100 * len(lost) / tried:.0f} % were left out: "
            f"{'; '.join(parts)}. It says what the evidence alone leaves open; it is no forecast.")  # fmt: skip


def explained(attribution: Any) -> dict[str, Any]:
    """An attribution as the page lists it: processes and sudden changes, then factors against the untreated rates."""
    words = {c.process: c.label for c in attribution.contributions}
    processes = [
        {"name": str(row["process"]), "what": str(row["what happens"]), "amount": float(row["change"]),
         "share": float(row["share"])}
        for row in attribution.to_table()
    ]  # fmt: skip
    factors = [
        {"name": str(row["factor"]), "amount": float(row["change"]),
         "what": f"{words[row['process']]}: {row['what it is']}".replace("->", "→")}
        for row, factor in zip(attribution.to_factor_table(), attribution.factors, strict=True)
        if abs(factor.amount) >= 1e-3 * attribution.gross
    ]  # fmt: skip
    return {"state": attribution.state, "label": attribution.label, "unit": unit_text(attribution.unit),
            "start": attribution.start_day, "end": attribution.end_day, "text": attribution.text,
            "processes": [p for p in processes if p["share"] >= 1e-3][:MOST_ROWS],
            "factors": factors[:MOST_ROWS]}  # fmt: skip


def changes(before: Any, after: Any) -> list[str]:
    """What differs between two scenarios, key by key, in words."""
    a, b = _flat(before.data), _flat(after.data)
    out = [f"{key}: {a.get(key, 'not given')} → {b.get(key, 'not given')}" for key in dict.fromkeys([*a, *b])
           if a.get(key) != b.get(key)]  # fmt: skip
    return out[:MOST_ROWS]


def _flat(data: Any, key: str = "") -> dict[str, str]:
    if isinstance(data, dict):
        out: dict[str, str] = {}
        for name, value in data.items():
            out |= _flat(value, f"{key}.{name}" if key else str(name))
        return out
    if isinstance(data, list) and data and all(isinstance(v, dict) for v in data):
        out = {}
        for i, value in enumerate(data):
            out |= _flat(value, f"{key}[{value.get('name') or value.get('drug') or value.get('kind') or i + 1}]")
        return out
    return {key: ", ".join(map(str, data)) if isinstance(data, list) else str(data)}


def download(what: str, session: Any, models: Any) -> tuple[str, bytes]:
    """Name and content of a file made of the scenario as it stands.

    Raises:
        InputError: the run is one of single cells.
        ImportError: the report needs jinja2 (extra ``[report]``); the other files do not.
    """
    scenario, config = session.scenario, session.config
    if what == "config":
        return session.file_name, config.encode()
    if scenario.tissue == "agents":
        raise InputError(Problem(session.file_name, "tissue", (
            'a run of single cells takes minutes: download the config file and use tme-sim run, or write tissue = '
            '"density"')))
    from tme_sim.simulation import simulate

    run = simulate(scenario, make=models.set_up)
    if what == "data":
        return f"{scenario.name}.csv", run.to_csv().encode()
    with tempfile.TemporaryDirectory(prefix="tme_sim_") as place:
        folder = Path(place) / scenario.name
        run.save(folder)
        from tme_sim.plots import draw_run

        draw_run(folder)
        if what == "figures":
            return f"{scenario.name}-figures.zip", _zipped(sorted((folder / "figures").iterdir()), folder / "figures")
        (folder / session.file_name).write_text(config, encoding="utf-8")
        _report(folder)
        return f"{scenario.name}.zip", _zipped(sorted(p for p in folder.rglob("*") if p.is_file()), folder.parent)


def _report(folder: Path) -> None:
    from importlib.util import find_spec

    if find_spec("jinja2") is None:
        return
    from tme_sim.report import write_report

    write_report(folder, folder / "report.html")


def _zipped(paths: Sequence[Path], root: Path) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            info = zipfile.ZipInfo(path.relative_to(root).as_posix(), _EPOCH)
            info.external_attr = 0o644 << 16
            archive.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return out.getvalue()
