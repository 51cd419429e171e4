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


def test_ome_tiff_names_channels_and_size(folder, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    out = tmp_path / "tissue.ome.tif"
    done = CliRunner().invoke(cli, ["export", "ome-tiff", str(folder), "--out", str(out)])
    assert done.exit_code == 0, done.output
    with tifffile.TiffFile(out) as file:
        assert file.is_ome and file.series[0].axes.replace("Z", "") == "TCYX"
        about = file.ome_metadata
        stack = file.asarray()
    assert 'PhysicalSizeX="20.0"' in about and 'Name="oxygen (mmHg)"' in about and 'Name="CD8"' in about
    names = [c.get("Name") for c in xml.fromstring(about).iter() if c.tag.endswith("Channel")]
    oxygen = stack.reshape(2, len(names), 15, 15)[:, names.index("oxygen (mmHg)")]
    assert np.array_equal(oxygen[1], snapshots_of(folder)[1].arrays["oxygen"][0])


def test_vtk_lists_times_and_holds_fields(folder, tmp_path):
    pytest.importorskip("pyevtk")
    out = tmp_path / "tissue.pvd"
    done = CliRunner().invoke(cli, ["export", "vtk", str(folder), "--out", str(out)])
    assert done.exit_code == 0, done.output
    sets = [s.attrib for s in xml.parse(out).iter("DataSet")]
    assert [s["timestep"] for s in sets] == ["0", "0.75"]
    head = (tmp_path / sets[1]["file"]).read_bytes()[:6000].decode("latin-1")
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
