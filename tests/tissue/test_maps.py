"""Vessels from a file, as table, mask or shapes: taken where they lie, wrong ones told with row and column."""

import json

import numpy as np
import pytest
from PIL import Image
from tissue.test_piece import TEXT

from tme_sim.diagnostics import InputError
from tme_sim.scenario import Scenario
from tme_sim.simulation import simulate
from tme_sim.tissue.maps import read_vessels
from tme_sim.tissue.snapshots import read_snapshot

SHAPE, EDGE = (1, 15, 15), 20.0  # 300 um


def picture(path, at, side=300, value=255, mode="L"):
    """A mask with rectangles `at` (row, column, height, width) in pixels of 300 / `side` um."""
    grey = np.zeros((side, side), dtype=np.uint8)
    for row, column, height, width in at:
        grey[row : row + height, column : column + width] = value
    Image.fromarray(grey).convert(mode).save(path)
    return path


def shapes(path, *features):
    """A GeoJSON file of (type, coordinates, properties)."""
    listed = [{"type": "Feature", "geometry": {"type": t, "coordinates": c}, "properties": p} for t, c, p in features]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": listed}))
    return path


def places(path, unit=None, shape=SHAPE):
    return {kind: voxels.tolist() for kind, voxels in read_vessels(path, shape, EDGE, unit).items()}


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "P"])
def test_a_mask_gives_the_voxels_it_covers_and_small_vessels_once(tmp_path, mode):
    at = [(0, 0, 40, 20), (104, 108, 4, 4), (219, 218, 4, 4)]  # two voxels; a dot; a dot over the corner of four
    assert places(picture(tmp_path / "m.png", at, mode=mode))["vessel"] == [0, 15, 5 * 15 + 5, 11 * 15 + 10]


def test_a_vessel_along_the_section_is_a_line_of_voxels(tmp_path):
    assert places(picture(tmp_path / "m.png", [(0, 206, 300, 8)]))["vessel"] == [r * 15 + 10 for r in range(15)]


def test_a_coarse_mask_covers_every_voxel_under_a_pixel(tmp_path):
    path = picture(tmp_path / "m.png", [(1, 0, 1, 1)], side=5)
    assert places(path)["vessel"] == [r * 15 + c for r in (3, 4, 5) for c in (0, 1, 2)]


def test_a_label_image_names_the_kind(tmp_path):
    found = places(picture(tmp_path / "m.png", [(0, 0, 1, 1), (3, 4, 1, 1)], side=15, value=2))
    assert found == {"vessel": [], "immature_vessel": [], "mature_vessel": [0, 3 * 15 + 4]}


def test_shapes_of_all_kinds(tmp_path):
    qupath = {"objectType": "annotation", "classification": {"name": "Mature vessel", "color": [1, 2, 3]}}
    path = shapes(
        tmp_path / "v.geojson",
        ("Point", [30, 50], {"kind": "immature_vessel"}),
        ("LineString", [[10, 110], [70, 110]], {}),
        ("Polygon", [[[200, 200], [260, 200], [260, 260], [200, 260], [200, 200]],
                     [[220, 220], [240, 220], [240, 240], [220, 240], [220, 220]]], qupath),
        ("MultiPolygon", [[[[101, 1], [103, 1], [103, 3]]]], qupath),
    )  # fmt: skip
    found = places(path)
    assert found["immature_vessel"] == [2 * 15 + 1] and found["vessel"] == [5 * 15 + i for i in range(4)]
    ring = [r * 15 + c for r in (10, 11, 12) for c in (10, 11, 12) if (r, c) != (11, 11)]
    assert found["mature_vessel"] == [5, *ring]


def test_a_table_and_units_of_pixels(tmp_path):
    path = tmp_path / "v.csv"
    path.write_text("x,y,type\n20,40,vessel\n300,300,mature_vessel\n")
    assert places(path, unit=0.5) == {"vessel": [15], "immature_vessel": [], "mature_vessel": [7 * 15 + 7]}
    path.write_text("x,y,z,type\n10,30,50,vessel\n")
    assert places(path, shape=(5, 5, 5))["vessel"] == [2 * 25 + 5]
    line = shapes(tmp_path / "v.geojson", ("LineString", [[10, 10, 10], [10, 10, 90]], {}))
    assert places(line, shape=(5, 5, 5))["vessel"] == [0, 25, 50, 75, 100]


def grey_at(path):
    image = Image.open(picture(path, [(0, 0, 20, 20)]))
    image.putpixel((7, 3), 90)
    image.save(path)


def coloured(path):
    image = Image.open(picture(path, [(0, 0, 20, 20)])).convert("RGB")
    image.putpixel((7, 3), (200, 0, 0))
    image.save(path)


def inverted(path):
    image = Image.open(picture(path, [(40, 40, 20, 20), (100, 100, 20, 20)])).convert("L")
    Image.eval(image, lambda grey: 255 - grey).save(path)


@pytest.mark.parametrize(("name", "make", "told"), [
    ("m.png", grey_at, r"m\.png:4: column 8: grey 90 is none of 0 \(tissue\) and 255"),
    ("m.png", coloured, r"m\.png:4: column 8: is coloured"),
    ("m.png", lambda p: p.write_bytes(b"no picture"), "is no PNG"),
    ("m.png", lambda p: picture(p, []), "holds no vessel"),
    ("m.png", inverted, r"m\.png: makes 9\d % of the piece vessels.*tissue is black and vessels are white"),
    ("m.png", lambda p: Image.new("L", (300, 200)).save(p), "300 x 200 pixels"),
    ("v.geojson", lambda p: p.write_text('{"type":\n "Feature",, }'), r"v\.geojson:2: column 12: is no JSON"),
    ("v.geojson", lambda p: p.write_text("[" * 100_000), "is no JSON"),
    ("v.geojson", lambda p: p.write_text('{"type": "FeatureCollection"}'), "needed is a FeatureCollection"),
    ("v.geojson", lambda p: shapes(p, ("LineString", [[1, 2], [3, 400]], {})),
     r"features\[0\]\.geometry\.coordinates\[1\]: y: 400 is no place between 0 and 300"),
    ("v.geojson", lambda p: shapes(p, ("Point", [True, 2], {})), r"coordinates: x: True is no place"),
    ("v.geojson", lambda p: shapes(p, ("Point", [1, 2], {}), ("Circle", [3, 4], {})), r"features\[1\].*Circle.*none of"),
    ("v.geojson", lambda p: shapes(p, ("Point", [1, 2], {"kind": "mature_vesel"})), "mature_vesel.*mature_vessel"),
    ("v.geojson", lambda p: shapes(p, ("Polygon", [], {})), "is no polygon"),
    ("v.csv", lambda p: p.write_text("x,y,type\n1,2,CD8\n"), r"v\.csv:2: type: .CD8. is no kind"),
    ("v.tif", lambda p: p.write_bytes(b""), "is a .csv, .png or .geojson file"),
    ("v.png", lambda p: None, "cannot be read"),
])  # fmt: skip
def test_wrong_maps_are_told_with_row_and_column(tmp_path, name, make, told):
    make(tmp_path / name)
    with pytest.raises(InputError, match=told):
        read_vessels(tmp_path / name, SHAPE, EDGE)


def test_a_run_starts_from_the_vessels_of_a_map(tmp_path):
    picture(tmp_path / "m.png", [(0, 0, 20, 20), (100, 200, 20, 40)])
    path = tmp_path / "scenario.toml"
    path.write_text(TEXT.replace("[piece]", '[piece]\nvessels = "m.png"').replace("2 day", "0.1 day"))
    run = simulate(Scenario.load(path))
    shot = read_snapshot(run.files["snapshots/00_day_0.npz"], "first")
    assert np.flatnonzero(shot.arrays["vessel"]).tolist() == [0, 5 * 15 + 10, 5 * 15 + 11]
    assert run.files["inputs/vessels.png"] == (tmp_path / "m.png").read_bytes()


@pytest.mark.parametrize(("piece", "told"), [
    ('vessels = "m.png"\nvessels_unit = "3 um"', r"piece\.vessels: .*300 x 300 pixels of 3 um"),
    ('vessels_unit = "3 um"', "piece.vessels_unit: is the unit of piece.vessels"),
    ('vessels = "m.png"\ncells = "c.csv"', "holds vessels too"),
])  # fmt: skip
def test_scenario_tells_what_is_wrong_with_a_map(tmp_path, piece, told):
    picture(tmp_path / "m.png", [(0, 0, 20, 20)])
    (tmp_path / "c.csv").write_text("x,y,type\n1,2,vessel\n")
    path = tmp_path / "scenario.toml"
    path.write_text(TEXT.replace("[piece]", f"[piece]\n{piece}"))
    with pytest.raises(InputError, match=told):
        Scenario.load(path)
