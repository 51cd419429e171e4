"""Snapshots of a run for other programs: ParaView (VTK), Fiji and napari (OME-TIFF), xarray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tme_sim.tissue.snapshots import FIELD_UNITS, Snapshot, snapshots_of

PLAIN = ("cell", "vessel", "flowing", "occluded")
PLACES = ("core", "liver")  # of what class vessels are here, and what is no lesion


def immune_counts(shot: Snapshot) -> dict[str, np.ndarray]:
    """Immune cells of each kind per voxel [z, y, x]."""
    out = {}
    for k, name in enumerate(shot.immune_names):
        count = np.zeros(shot.shape, dtype=np.uint8)
        np.add.at(count, tuple(shot.immune[shot.immune[:, 3] == k, :3].T), 1)
        out[name] = count
    return out


def layers(shot: Snapshot) -> dict[str, np.ndarray]:
    """Every array of a snapshot by name, with its unit in the name where it has one."""
    named = {n: f"{n} ({u})" for n, u in FIELD_UNITS.items() if u != "1"}
    out = {n: shot.arrays[n] for n in (*PLAIN, *PLACES) if n in shot.arrays}
    out |= {named.get(n, n): shot.arrays[n] for n in FIELD_UNITS if n in shot.arrays}
    return out | immune_counts(shot)


def to_xarray(folder: str | Path) -> Any:
    """All snapshots of a run folder as an xarray data set over day, z, y, x (um), with units.

    Raises:
        InputError: no snapshots, or damaged ones.
        ImportError: xarray is not installed (extra ``[xarray]``).
    """
    import xarray

    shots = snapshots_of(folder)
    first = shots[0]
    data = {}
    for name in (n for n in (*PLAIN, *PLACES, *FIELD_UNITS) if n in first.arrays):
        attributes = {"units": FIELD_UNITS.get(name, "1")}
        if name == "cell":
            attributes["meanings"] = " ".join(n or "none" for n in first.cell_names)
        data[name] = (("day", "z", "y", "x"), np.stack([s.arrays[name] for s in shots]), attributes)
    for name in first.immune_names:
        data[name] = (("day", "z", "y", "x"), np.stack([immune_counts(s)[name] for s in shots]), {"units": "cell"})
    sides = zip("zyx", first.shape, strict=True)
    places = {a: (a, (np.arange(n) + 0.5) * first.edge, {"units": "um"}) for a, n in sides}
    coordinates = {"day": ("day", [s.day for s in shots], {"units": "day"}), "label": ("day", [s.label for s in shots])}
    return xarray.Dataset(data, coords=coordinates | places)


def meanings(shot: Snapshot) -> dict[str, str]:
    """What the numbers of a layer mean, by name of the layer."""
    names = ", ".join(f"{i} {name or 'none'}" for i, name in enumerate(shot.cell_names))
    return {"cell": names, "vessel": "0 none, 1 immature, 2 mature"}


def notes(told: dict[str, str]) -> bytes:
    """Field data of a VTK file that hold a text for every name, as its format writes text: codes, closed by 0."""
    rows = (f'<DataArray type="String" Name="{name}" NumberOfTuples="1" format="ascii">'
            f"{' '.join(map(str, text.encode()))} 0</DataArray>\n" for name, text in told.items())  # fmt: skip
    return ("<FieldData>\n" + "".join(rows) + "</FieldData>\n").encode()


def to_ome_tiff(folder: str | Path, out: str | Path) -> Path:
    """Write all snapshots as one OME-TIFF, an image a layer over time, z, y, x.

    Images and their channels carry name and unit, the size of a voxel and the day of each snapshot; what numbers of
    cells and vessels mean stands in the description.  Layers are images of their own since Fiji shows the names of
    images, not of channels, and one range of grey for more than seven channels, in which oxygen is black.

    Raises:
        InputError: no snapshots, or damaged ones.
        ImportError: tifffile is not installed.
    """
    import tifffile

    from tme_sim.disk import whole

    shots = snapshots_of(folder)
    named, edge, meaning = [layers(s) for s in shots], shots[0].edge, meanings(shots[0])
    days = ", ".join(f"{s.label} ({s.day:g} d)" for s in shots)
    times = [float(s.day) for s in shots for _ in range(s.shape[0])]  # of every plane
    size = {f"PhysicalSize{a}": edge for a in "XYZ"} | {f"PhysicalSize{a}Unit": "µm" for a in "XYZ"}
    with whole(out) as half, tifffile.TiffWriter(half, ome=True) as file:
        for name in named[0]:
            about = {
                "axes": "TZYX", "Name": name, "Channel": {"Name": [name]},
                "Description": f"{name}: {meaning[name]}; {days}" if name in meaning else days,
                "Plane": {"DeltaT": times, "DeltaTUnit": ["d"] * len(times)}, **size,
            }  # fmt: skip
            stack = np.stack([one[name].astype(np.float32) for one in named])  # of bytes napari shows 0 to 255
            file.write(stack, metadata=about, photometric="minisblack")
    return Path(out)


def to_vtk(folder: str | Path, out: str | Path) -> Path:
    """Write snapshots as image data for ParaView: ``NAME.pvd`` lists the times, ``NAME_00.vti`` and so on hold them.

    Texts among the field data say what numbers of cells and vessels mean, and in which unit lengths and times are.

    Raises:
        InputError: no snapshots, or damaged ones.
        ImportError: pyevtk is not installed.
    """
    from pyevtk.hl import imageToVTK

    from tme_sim.disk import write_file

    out, rows = Path(out), []
    for i, shot in enumerate(snapshots_of(folder)):
        stem = out.with_name(f"{out.stem}_{i:02d}")
        data = {n: np.ascontiguousarray(a.transpose(2, 1, 0)) for n, a in layers(shot).items()}  # x runs fastest in VTK
        made = Path(imageToVTK(str(stem), spacing=(shot.edge,) * 3, cellData=data))
        told = notes(meanings(shot) | {"units": "lengths in um, times in day"})
        made.write_bytes(made.read_bytes().replace(b"<Piece", told + b"<Piece", 1))  # arrays count from their own start
        about = f'timestep="{shot.day:g}" group="" part="0" name="{shot.label}"'
        rows.append(f'    <DataSet {about} file="{stem.name}.vti"/>\n')
    head = '<?xml version="1.0"?>\n<VTKFile type="Collection" version="0.1" byte_order="LittleEndian">\n'
    write_file(out, (head + "  <Collection>\n" + "".join(rows) + "  </Collection>\n</VTKFile>\n").encode())
    return out
