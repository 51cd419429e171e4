"""Initial cells from a table, as multiplex imaging exports them: x, y (um, from a corner of the piece), type.

A column `z` is read for cubes; other columns are ignored.  Types are those of :data:`KINDS` (tumour cells, immune
cells, vessels); a plain `tumour` is cycling, `vessel` is immature.
"""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np

from tme_sim.diagnostics import InputError, Problem, nearest, quoted

TUMOUR = ("cycling", "quiescent", "cycling_resistant", "quiescent_resistant", "cycling_unseen", "quiescent_unseen",
          "dying", "necrotic")  # fmt: skip
IMMUNE = ("CD8", "CD8_exhausted", "CD8_stem", "Treg", "MDSC", "TAM", "DC")
VESSELS = ("immature_vessel", "mature_vessel")
ALIASES = {"tumour": "cycling", "tumor": "cycling", "vessel": "immature_vessel"}
KINDS = (*TUMOUR, *IMMUNE, *VESSELS)
MOST_BYTES, MOST_TOLD = 500_000_000, 10
ROOM = 100.0  # um


def read_content(path: Path) -> bytes:
    """Bytes of a file of input.

    Raises:
        InputError: it cannot be read, or is too large.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(Problem(str(path), "", f"is larger than {MOST_BYTES} bytes"))
        return path.read_bytes()
    except OSError as error:
        raise InputError(Problem(str(path), "", f"cannot be read: {error.strerror}")) from None


def read_cells(
    path: str | Path, shape: tuple[int, int, int], edge: float, kinds: tuple[str, ...] = KINDS,
    aliases: dict[str, str] = ALIASES, unit: float = 1.0,
) -> dict[str, np.ndarray]:
    """Voxels (flattened z, y, x) of every kind in the table, in the order of its rows.

    `kinds` and `aliases` are the types allowed; `edge` of a voxel and `unit` of the coordinates in um.

    Raises:
        InputError: the file cannot be read, lacks a column, or has wrong values; each with row and column.
    """
    path = Path(path)
    try:
        text = read_content(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(Problem(str(path), "", "cannot be read: is no text in UTF-8")) from None
    rows = csv.DictReader(io.StringIO(text))
    axes = ("z", "y", "x") if shape[0] > 1 else ("y", "x")
    columns = [c.strip() for c in rows.fieldnames or ()]
    missing = [c for c in (*axes[::-1], "type") if c not in columns]
    if missing:
        named = ", ".join(missing)
        needed = f"x, y{', z' if shape[0] > 1 else ''} (um) and type, separated by commas"
        held = ", ".join(quoted(c[:40]) for c in columns[:8]) + (", ..." if len(columns) > 8 else "")
        told = f"has no column {named}{f'; it has {held}' if columns else ''}; needed are {needed}"
        raise InputError(Problem(f"{path}:1", "", told))
    out: dict[str, list[int]] = {name: [] for name in kinds}
    wrong: list[Problem] = []
    for raw in rows:
        row = {(k or "").strip(): (v or "").strip() if isinstance(v, str) else "" for k, v in raw.items()}
        place = f"{path}:{rows.line_num}"
        kind = aliases.get(row["type"], row["type"])
        if kind not in out:
            known = (*aliases, *kinds)
            told = f"{quoted(row['type'])} is no kind that is known here{nearest(row['type'], known)}"
            wrong.append(Problem(place, "type", f"{told}; there are {', '.join(known)}"))
        voxel = 0
        for axis, count in zip(axes, shape[-len(axes) :], strict=True):
            size = count * edge
            try:
                value = float(row[axis]) * unit
            except ValueError:
                value = math.nan
            if not 0.0 <= value <= size:
                range_ = f"between 0 and {size / unit:g}{' um' if unit == 1.0 else ''}"
                wrong.append(Problem(place, axis, f"{quoted(row[axis])} is no place {range_}"))
                value = 0.0
            voxel = voxel * count + min(int(value / edge), count - 1)
        if kind in out:
            out[kind].append(voxel)
        if len(wrong) >= MOST_TOLD:
            break
    if wrong:
        raise InputError(wrong)
    if not any(out.values()):
        raise InputError(Problem(str(path), "", "holds no cell"))
    return {name: np.array(voxels, dtype=np.int64) for name, voxels in out.items()}


def stand(table: dict[str, np.ndarray], shape: tuple[int, int, int], edge: float) -> tuple[np.ndarray, int]:
    """Tumour cells of a table on the lattice (0: none, else 1 + index in TUMOUR), and how many find no place.

    A voxel (`edge` in um) holds one: where it is taken, a cell goes to the nearest free one within ROOM.
    """
    from tme_sim.tissue import kernels

    cell, left = np.zeros(int(np.prod(shape)), dtype=np.int8), 0
    nowhere, reach = np.zeros(cell.size, dtype=bool), round(ROOM / edge)
    for number, name in enumerate(TUMOUR, 1):
        for v in table[name]:
            at = v
            if cell[v] != 0:
                dz, dy, dx, found = kernels.nearest_empty(v, cell, nowhere, 0.0, reach, *shape)
                if not found:
                    left += 1
                    continue
                at = kernels.shifted(v, dz, dy, dx, *shape)
            cell[at] = number
    return cell, left
