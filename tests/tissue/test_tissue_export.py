"""Snapshots as other programs read them: OME-TIFF by tifffile, VTK as XML, xarray; names, units and size kept."""

import xml.etree.ElementTree as xml

import numpy as np
import pytest
from click.testing import CliRunner
from tissue.test_piece import TEXT

from tme_sim.cli import cli
from tme_sim.scenario import Scenario
from tme_sim.simulation import simulate
from tme_sim.tissue.snapshots import snapshots_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run folder with one snapshot before and one after a session."""
    run = simulate(Scenario.from_text(TEXT, changes=["run.duration=0.75 day", "piece.film_every=0 day"]))
    return run.save(tmp_path_factory.mktemp("runs") / "small")


def test_ome_tiff_names_layers_days_and_size(folder, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    out = tmp_path / "tissue.ome.tif"
    done = CliRunner().invoke(cli, ["export", "ome-tiff", str(folder), "--out", str(out)])
    assert done.exit_code == 0, done.output
    with tifffile.TiffFile(out) as file:
        assert file.is_ome and {s.axes.replace("Z", "") for s in file.series} == {"TYX"}
        held = {s.name: s.asarray().reshape(2, 15, 15) for s in file.series}
        root = xml.fromstring(file.ome_metadata)
    shots = snapshots_of(folder)
    for name in ("oxygen (mmHg)", "cell"):
        wanted = [s.arrays[name.partition(" ")[0]][0] for s in shots]
        assert np.array_equal(held[name], np.array(wanted, dtype=np.float32)), name
    assert [held["CD8"][i].sum() for i in (0, 1)] == [(s.immune[:, 3] == 0).sum() for s in shots]
    images = [e for e in root if e.tag.endswith("Image")]
    assert [i.get("Name") for i in images] == list(held)
    for image in images:
        parts = {tag: [e for e in image.iter() if e.tag.endswith(tag)] for tag in ("Pixels", "Channel", "Plane")}
        assert parts["Channel"][0].get("Name") == image.get("Name")
        about = parts["Pixels"][0]
        assert (about.get("PhysicalSizeX"), about.get("PhysicalSizeXUnit")) == ("20.0", "µm")
        assert [(float(p.get("DeltaT")), p.get("DeltaTUnit")) for p in parts["Plane"]] == [(s.day, "d") for s in shots]
    said = {i.get("Name"): "".join(e.text for e in i if e.tag.endswith("Description")) for i in images}
    assert f"1 {shots[0].cell_names[1]}" in said["cell"] and "0.75 d" in said["oxygen (mmHg)"]


def test_vtk_lists_times_and_holds_fields(folder, tmp_path):
    pytest.importorskip("pyevtk")
    out = tmp_path / "tissue.pvd"
    done = CliRunner().invoke(cli, ["export", "vtk", str(folder), "--out", str(out)])
    assert done.exit_code == 0, done.output
    sets = [s.attrib for s in xml.parse(out).iter("DataSet")]
    assert [s["timestep"] for s in sets] == ["0", "0.75"]
    head = (tmp_path / sets[1]["file"]).read_bytes()[:8000].decode("latin-1")
    texts = xml.fromstring(head[head.index("<FieldData>") : head.index("</FieldData>") + 12])
    told = {a.get("Name"): bytes(map(int, a.text.split()))[:-1].decode() for a in texts}
    assert told["units"] == "lengths in um, times in day"
    assert f"1 {snapshots_of(folder)[0].cell_names[1]}" in told["cell"] and "2 mature" in told["vessel"]
    assert 'WholeExtent="0 15 0 15 0 1"' in head and 'Name="oxygen (mmHg)"' in head and "20.0" in head
    for shot, one in zip(snapshots_of(folder), sets, strict=True):
        held = image_data(tmp_path / one["file"])
        for name in ("oxygen (mmHg)", "cell", "core"):
            wanted = shot.arrays[name.partition(" ")[0]]
            assert np.array_equal(held[name], wanted.ravel().astype(held[name].dtype)), name  # x fastest, as VTK has it
        assert held["CD8"].sum() == (shot.immune[:, 3] == 0).sum()


def image_data(path):
    """Arrays of the cells of a VTK image file with raw appended data, by name: after what VTK's format says, not its writer."""
    head, _, rest = path.read_bytes().partition(b'<AppendedData encoding="raw">')
    root, begin = xml.fromstring(head + b"</VTKFile>"), rest.index(b"_") + 1
    assert root.get("byte_order") == "LittleEndian"
    count = np.dtype({"UInt64": "<u8", "UInt32": "<u4"}[root.get("header_type", "UInt32")])
    out = {}
    for array in root.find("ImageData/Piece/CellData"):
        at = begin + int(array.get("offset"))
        size = int(np.frombuffer(rest, count, 1, at)[0])
        kind = np.dtype({"UInt8": "u1", "Int8": "i1", "Float32": "<f4", "Float64": "<f8"}[array.get("type")])
        out[array.get("Name")] = np.frombuffer(rest, kind, size // kind.itemsize, at + count.itemsize)
    return out


def test_xarray_has_units_and_every_immune_cell(folder):
    pytest.importorskip("xarray")
    from tme_sim.tissue.export import to_xarray

    data = to_xarray(folder)
    assert data["oxygen"].attrs["units"] == "mmHg" and data["x"].attrs["units"] == "um"
    assert int(data["CD8"].isel(day=0).sum()) == int((snapshots_of(folder)[0].immune[:, 3] == 0).sum())


def test_wrong_ending_is_told(folder, tmp_path):
    done = CliRunner().invoke(cli, ["export", "vtk", str(folder), "--out", str(tmp_path / "x.vtk")])
    assert done.exit_code == 2 and "must end in .pvd" in done.output
