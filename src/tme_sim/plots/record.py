"""Reads what figures need from a run record; a column that a run lacks leaves its curve out."""

from __future__ import annotations

import numpy as np

from tme_sim.plots.panel import Line
from tme_sim.plots.style import COLOURS, LESION_STYLES, unit_text

__all__ = ["curve", "diameter", "lesion_count", "lesion_names", "lesion_volumes", "title_of", "unit_of"]


def lesion_count(run) -> int:
    """Number of lesions in a run record, at least 1."""
    numbers = [int(n) for c in run.columns for _, _, n in [c.rpartition(".")] if n.isdigit()]
    return max(numbers, default=1)


def lesion_names(run) -> list[str]:
    """Names of the lesions from the resolved scenario; "lesion 1" where it has none, "focus 1" for drawn ones."""
    import tomllib

    try:
        lesions = tomllib.loads(run.scenario_text).get("patient", {}).get("lesion", [])
    except tomllib.TOMLDecodeError:
        lesions = []
    names = [str(one.get("name", f"lesion {i}")) for i, one in enumerate(lesions, 1)]
    other = "focus" if names else "lesion"  # what the scenario does not list was drawn
    return [names[i] if i < len(names) else f"{other} {i + 1 - len(names)}" for i in range(lesion_count(run))]


def unit_of(run, *names: str) -> str:
    """The unit of the first of these columns that the run holds, as an axis says it."""
    for name in names:
        for column in (name, f"{name}.1"):
            if column in run.columns:
                return unit_text(run.units[column])
    return ""


def curve(run, name: str, label: str, colour: str, *, factor: float = 1.0, change=None) -> list[Line]:
    """The lines of a column, one per lesion in its dash pattern; none if the run has no such column.

    `factor` scales the values, `change` maps them.
    """
    if name not in run:
        return []
    values = np.asarray(run[name], dtype=float)
    table = values.reshape(len(run.time), -1)
    table = (change(table) if change else table) * factor
    shade = COLOURS[colour]
    return [
        Line(run.time, table[:, i], label if i == 0 else "", shade, LESION_STYLES[i % len(LESION_STYLES)],
             1.2 if i == 0 else 0.9)
        for i in range(table.shape[1])
    ]  # fmt: skip


def diameter(volume) -> np.ndarray:
    """Diameter (mm) of spheres of `volume` (mm^3)."""
    return np.cbrt(6.0 * np.maximum(volume, 0.0) / np.pi)


def lesion_volumes(run) -> dict[str, np.ndarray] | None:
    """Volumes (mL) [time, lesion] of viable, dying and necrotic tissue, as scans see them.

    All cells are of one size, as in the model; the scar that always remains is no tissue and left out.
    """
    if not all(n in run for n in ("lesion_volume", "viable_cells", "dying", "necrotic")):
        return None
    from tme_sim.quantities import convert

    shape = (len(run.time), -1)
    unit = run.units.get("lesion_volume.1", run.units.get("lesion_volume", "mm^3"))
    whole = np.asarray(convert(run["lesion_volume"], unit, "mL")).reshape(shape)
    scar = [s for s in run.manifest.get("sources", ()) if s.get("name") == "volume_floor"]
    if scar:
        whole = np.maximum(whole - convert(float(scar[0]["value"]), scar[0]["unit"], "mL"), 0.0)
    cells = {kind: np.asarray(run[kind]).reshape(shape) for kind in ("viable_cells", "dying", "necrotic")}
    total = np.maximum(sum(cells.values()), 1e-300)
    return {kind.removesuffix("_cells"): whole * count / total for kind, count in cells.items()}


def title_of(run) -> str:
    """Title of a run's scenario, or its name."""
    import tomllib

    try:
        scenario = tomllib.loads(run.scenario_text)
    except tomllib.TOMLDecodeError:
        scenario = {}
    name = run.manifest.get("scenario", {}).get("name", "")
    return str(scenario.get("title") or scenario.get("name") or name or "run")
