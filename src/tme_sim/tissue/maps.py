"""Where vessels lie, from a file: a table (CSV), a mask (PNG) or shapes (GeoJSON, as image analysis exports them).

* CSV: columns `x`, `y` (`z` in a cube) and `type` (`vessel`, `immature_vessel` or `mature_vessel`).
* PNG: black is tissue, white is vessel; or a label image with 0 tissue, 1 immature, 2 mature.  It covers the piece.
* GeoJSON: points, lines and polygons; `properties.kind` or `properties.classification.name` says which kind; without it
  a vessel.

A section one cell thick has at most one vessel per voxel: a voxel is a vessel where a quarter of it is covered, and
what covers no voxel so far counts where it covers most.  For a `vessel` without a kind it is drawn, with the untreated
share.
"""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np

from tme_sim.diagnostics import InputError, Problem, nearest, quoted
from tme_sim.tissue.table import MOST_TOLD, read_cells, read_content

KINDS = ("vessel", "immature_vessel", "mature_vessel")
LABELS = {1: "immature_vessel", 2: "mature_vessel"}
MOST_VESSELS = 0.5  # of voxels: more is a mask the wrong way round, say
COVERED = 0.25  # of a voxel, from which on it is a vessel
MOST_PIXELS = 100_000_000
SHAPES = ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon")


def read_vessels(path: str | Path, shape: tuple[int, int, int], edge: float, unit: float | None = None) -> dict:
    """Voxels (flattened z, y, x) of every kind of vessel in a map, by its ending (.csv, .png, .geojson, .json).

    `edge` of a voxel in um; `unit`: um of one pixel, or of one unit of the coordinates (None: the picture covers the
    piece; coordinates are in um).

    Raises:
        InputError: the file cannot be read or has wrong values; each with row and column.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending == ".csv":
        found = read_cells(path, shape, edge, KINDS, {}, unit or 1.0)
    elif ending == ".png":
        found = _of_mask(path, shape, edge, unit)
    elif ending in (".geojson", ".json"):
        found = _of_shapes(path, shape, edge, unit or 1.0)
    else:
        told = f"ends in {quoted(ending)}; a map of vessels is a .csv, .png or .geojson file"
        raise InputError(Problem(str(path), "", told))
    out, taken = {}, np.zeros(int(np.prod(shape)), dtype=bool)
    for kind in reversed(KINDS):  # where two lie in one voxel: the mature one, then the immature one
        voxels = np.unique(np.asarray(found.get(kind, ()), dtype=np.int64))
        out[kind] = voxels[~taken[voxels]]
        taken[voxels] = True
    if not taken.any():
        raise InputError(Problem(str(path), "", "holds no vessel"))
    if taken.mean() > MOST_VESSELS:
        told = f"makes {100.0 * taken.mean():.0f} % of the piece vessels, and no tissue has more than half"
        told += "; in a mask tissue is black and vessels are white" if ending == ".png" else ""
        raise InputError(Problem(str(path), "", told))
    return out


# --- masks -----------------------------------------------------------------------------------------------------------


def _of_mask(path: Path, shape: tuple[int, int, int], edge: float, unit: float | None) -> dict[str, np.ndarray]:
    nz, ny, nx = shape
    if nz > 1:
        told = "is a section, and the piece is a cube; give its vessels as a CSV with x, y and z"
        raise InputError(Problem(str(path), "", told))
    grey = _grey(path)
    rows, columns = grey.shape
    pixel = unit or nx * edge / columns
    if abs(columns * pixel - nx * edge) > edge or abs(rows * pixel - ny * edge) > edge:
        size = f"{columns} x {rows} pixels of {pixel:g} um are {columns * pixel:g} x {rows * pixel:g} um"
        told = f"{size}, and the piece is {nx * edge:g} x {ny * edge:g} um; crop the picture or set piece.size"
        raise InputError(Problem(str(path), "", told))
    most = int(grey.max())
    known = (0, 1, 2) if most <= 2 else (0, 255 if most <= 255 else 65535)
    wrong = np.argwhere(~np.isin(grey, known))
    if len(wrong):
        means = "0, 1 (immature) and 2 (mature)" if most <= 2 else f"0 (tissue) and {known[-1]} (vessel)"
        raise InputError([Problem(f"{path}:{r + 1}", f"column {c + 1}", f"grey {grey[r, c]} is none of {means}")
                          for r, c in wrong[:MOST_TOLD]])  # fmt: skip
    labels = LABELS if most <= 2 else {known[-1]: "vessel"}
    fine = 1 if 2.0 * pixel <= edge or pixel == edge else math.ceil(2.0 * pixel / edge)  # no voxel without a pixel
    grey, pixel = grey.repeat(fine, axis=0).repeat(fine, axis=1), pixel / fine
    rows, columns = grey.shape
    y = np.minimum(((np.arange(rows) + 0.5) * pixel / edge).astype(np.int64), ny - 1)
    x = np.minimum(((np.arange(columns) + 0.5) * pixel / edge).astype(np.int64), nx - 1)
    voxel = y[:, None] * nx + x[None, :]
    return {kind: _covered(grey == value, voxel, nx * ny, (pixel / edge) ** 2) for value, kind in labels.items()}


def _grey(path: Path) -> np.ndarray:
    """Grey values [row, column] of a picture."""
    from PIL import Image, UnidentifiedImageError

    content = read_content(path)
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise InputError(Problem(str(path), "", f"has more than {MOST_PIXELS} pixels"))
            if image.mode in ("1", "L", "I", "I;16"):
                return np.array(image.convert("L") if image.mode == "1" else image).astype(np.int64)
            bands = np.array(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise InputError(Problem(str(path), "", "is no PNG picture, or a damaged one")) from None
    odd = np.argwhere((bands != bands[..., :1]).any(axis=-1))
    if len(odd):
        r, c = odd[0]
        told = f"is coloured (RGB {', '.join(map(str, bands[r, c]))}); a mask is black and white"
        raise InputError(Problem(f"{path}:{r + 1}", f"column {c + 1}", told))
    return bands[..., 0].astype(np.int64)


def _covered(mask: np.ndarray, voxel: np.ndarray, count: int, area: float) -> np.ndarray:
    """Voxels of which a quarter is covered, and of every connected part that covers none the one it covers most.

    `area` is that of a pixel, in voxels.
    """
    from scipy.ndimage import label

    inside = voxel[mask]
    share = np.bincount(inside, minlength=count) * area
    full = share >= COVERED - 1e-9
    parts = label(mask, structure=np.ones((3, 3), dtype=int))[0][mask]
    pairs, number = np.unique(np.column_stack([parts, inside]), axis=0, return_counts=True)
    order = np.lexsort((pairs[:, 1], -number, pairs[:, 0]))
    first = order[np.unique(pairs[order, 0], return_index=True)[1]]
    seen = set(pairs[full[pairs[:, 1]], 0].tolist())
    small = [v for part, v in pairs[first] if part not in seen]
    return np.union1d(np.flatnonzero(full), np.array(small, dtype=np.int64))


# --- shapes ----------------------------------------------------------------------------------------------------------


def _of_shapes(path: Path, shape: tuple[int, int, int], edge: float, unit: float) -> dict[str, list[int]]:
    try:
        whole = json.loads(read_content(path).decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        told = f"column {error.colno}: is no JSON: {error.msg}"
        raise InputError(Problem(f"{path}:{error.lineno}", "", told)) from None
    except (UnicodeDecodeError, RecursionError, ValueError):
        raise InputError(Problem(str(path), "", "is no JSON in UTF-8")) from None
    kind = whole.get("type") if isinstance(whole, dict) else None
    features = whole.get("features") if kind == "FeatureCollection" else ([whole] if kind == "Feature" else whole)
    if not isinstance(features, list):
        raise InputError(Problem(str(path), "features", "is no GeoJSON; needed is a FeatureCollection"))
    reader = _Reader(path, shape, edge, unit)
    for number, feature in enumerate(features):
        reader.feature(f"features[{number}]", feature)
        if len(reader.wrong) >= MOST_TOLD:
            break
    if reader.wrong:
        raise InputError(reader.wrong)
    return reader.found


class _Reader:
    """Voxels of the shapes of a file, and what is wrong with them."""

    def __init__(self, path: Path, shape: tuple[int, int, int], edge: float, unit: float):
        self.path, self.shape, self.edge, self.unit = path, shape, edge, unit
        self.found: dict[str, list[int]] = {kind: [] for kind in KINDS}
        self.wrong: list[Problem] = []

    def tell(self, where: str, what: str) -> None:
        self.wrong.append(Problem(f"{self.path}: {where}", "", what))

    def feature(self, where: str, feature) -> None:
        """Take up one feature."""
        if not isinstance(feature, dict) or not isinstance(feature.get("geometry"), dict):
            self.tell(where, "has no geometry")
            return
        geometry, kind = feature["geometry"], self.kind(where, feature.get("properties"))
        shape, at = geometry.get("type"), f"{where}.geometry.coordinates"
        if shape not in SHAPES:
            self.tell(f"{where}.geometry", f"type {quoted(str(shape))} is none of {', '.join(SHAPES)}")
            return
        if kind is None:
            return
        of, depth = geometry.get("coordinates"), ("Point", "LineString", "Polygon").index(shape.removeprefix("Multi"))
        parts = [(at, of)]
        if shape.startswith("Multi"):
            if not isinstance(of, list):
                self.tell(at, "is no list")
                return
            parts = [(f"{at}[{i}]", part) for i, part in enumerate(of)]
        for place, part in parts:
            self.part(kind, depth, place, part)

    def kind(self, where: str, properties) -> str | None:
        """Kind of vessel that the properties of a feature name."""
        about = properties if isinstance(properties, dict) else {}
        classified = about.get("classification")
        named = about.get("kind", classified.get("name") if isinstance(classified, dict) else None)
        if named is None:
            return "vessel"
        kind = str(named).strip().lower().replace(" ", "_").replace("-", "_")
        if kind in KINDS:
            return kind
        told = f"{quoted(str(named)[:60])} is no kind of vessel{nearest(kind, KINDS)}"
        self.tell(f"{where}.properties", f"{told}; leave other objects out of the file")
        return None

    def part(self, kind: str, depth: int, where: str, part) -> None:
        """Voxels of a point (depth 0), a line (1) or a polygon (2)."""
        if depth == 2 and self.shape[0] > 1:
            self.tell(where, "is a polygon, and the piece is a cube; give its vessels as lines with z, or as a CSV")
            return
        rings = [(where, [part])] if depth == 0 else [(where, part)] if depth == 1 else None
        if rings is None:
            if not isinstance(part, list) or not part:
                self.tell(where, "is no polygon")
                return
            rings = [(f"{where}[{i}]", ring) for i, ring in enumerate(part)]
        points = [self.points(at, ring, depth == 0) for at, ring in rings]
        if any(p is None for p in points):
            return
        if depth < 2:
            voxels = self.along(points[0])
        else:
            voxels = self.inside(points)
        self.found[kind].extend(voxels.tolist())

    def points(self, where: str, ring, alone: bool) -> np.ndarray | None:
        """Points [n, (z,) y, x] in voxels."""
        if not isinstance(ring, list) or not ring:
            self.tell(where, "is no list of points")
            return None
        axes, out = ("x", "y", "z")[: 3 if self.shape[0] > 1 else 2], []
        for i, point in enumerate(ring):
            place = where if alone else f"{where}[{i}]"
            if not isinstance(point, list) or len(point) < len(axes):
                self.tell(place, f"is no point with {', '.join(axes)}")
                return None
            values = []
            for axis, value, count in zip(axes, point, self.shape[::-1], strict=False):
                good = isinstance(value, (int, float)) and not isinstance(value, bool)
                um = float(value) * self.unit if good else math.nan
                if not 0.0 <= um <= count * self.edge:
                    self.tell(f"{place}: {axis}", f"{str(value)[:40]} is no place between 0 and "
                              f"{count * self.edge / self.unit:g}")  # fmt: skip
                    return None
                values.append(min(um / self.edge, count - 1e-9))
            out.append(values[::-1])
        return np.array(out)

    def voxels(self, points: np.ndarray) -> np.ndarray:
        """Flat voxels of points in voxels."""
        return np.ravel_multi_index(tuple(points.astype(np.int64).T), self.shape[-points.shape[1] :])

    def along(self, points: np.ndarray) -> np.ndarray:
        """Voxels that a line passes, looked at four times per voxel."""
        out = [points[:1]]
        for a, b in zip(points[:-1], points[1:], strict=True):
            steps = max(1, math.ceil(4.0 * float(np.abs(b - a).max())))
            out.append(a + (b - a) * (np.arange(1, steps + 1) / steps)[:, None])
        return self.voxels(np.concatenate(out))

    def inside(self, rings: list[np.ndarray]) -> np.ndarray:
        """Voxels whose middle lies within a polygon; without any the one at the middle of its outline."""
        nx = self.shape[2]
        low, high = rings[0].min(axis=0).astype(int), rings[0].max(axis=0).astype(int)
        y, x = np.meshgrid(np.arange(low[0], high[0] + 1) + 0.5, np.arange(low[1], high[1] + 1) + 0.5, indexing="ij")
        within = np.zeros(y.shape, dtype=bool)
        for ring in rings:  # even-odd: holes are outside
            for (ay, ax), (by, bx) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
                if ay != by:
                    within ^= ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
        if not within.any():
            return self.voxels(rings[0].mean(axis=0)[None])
        return y[within].astype(np.int64) * nx + x[within].astype(np.int64)
