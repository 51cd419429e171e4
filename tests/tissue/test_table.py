"""Initial cells from a table: taken as they are, wrong ones told with row and column."""

from pathlib import Path

import numpy as np
import pytest
from tissue.test_piece import TEXT

from tme_sim.diagnostics import InputError
from tme_sim.scenario import Scenario
from tme_sim.simulation import simulate
from tme_sim.tissue.snapshots import read_snapshot

GOOD = "id,x,y,type\n1,10,10,tumour\n2,12,11,tumor\n3,150,290,necrotic\n4,30,50,CD8\n5,100,100,vessel\n6,120,100,mature_vessel\n"


def scenario(tmp_path, text):
    (tmp_path / "cells.csv").write_text(text)
    path = tmp_path / "scenario.toml"
    path.write_text(TEXT.replace("[piece]", '[piece]\ncells = "cells.csv"').replace("2 day", "0.1 day"))
    return Scenario.load(path)


def test_cells_of_a_table_stand_where_it_says(tmp_path):
    run = simulate(scenario(tmp_path, GOOD))
    shot = read_snapshot(run.files["snapshots/00_day_0.npz"], "first")
    assert np.count_nonzero(shot.arrays["cell"]) == 3  # the second goes beside the first
    assert shot.arrays["cell"][0, 0, 0] == 1 and shot.arrays["cell"][0, 14, 7] == shot.cell_names.index("necrotic")
    assert shot.arrays["vessel"][0, 5, 5] == 1 and shot.arrays["vessel"][0, 5, 6] == 2
    assert shot.immune.tolist() == [[0, 2, 1, 0]]
    assert run.files["inputs/cells.csv"] == GOOD.encode()


@pytest.mark.parametrize(("text", "told"), [
    (GOOD.replace("30,50,CD8", "30,500,CD8"), r"cells\.csv:5: y: .500. is no place between 0 and 300 um"),
    (GOOD.replace("necrotic", "necrosis"), r"cells\.csv:4: type: .necrosis. is no kind that is known here, did you mean .necrotic.*; there are tumour"),
    (GOOD.replace("id,x,y,type", "id,X,y,type"), "has no column x"),
    (GOOD.replace("12,11", "12,"), r"cells\.csv:3: y"),
    ("x,y,type\n", "holds no cell"),
    ("x,y,type\n10,10,CD8\n30,30,vessel\n", r"cells\.csv: holds no tumour cell, .* there are tumour, cycling"),
    ("Centroid X\tClass\n1\tCD8\n", r'cells\.csv:1: has no column x, y, type; it has "Centroid X.*separated by commas'),
])  # fmt: skip
def test_wrong_rows_are_told_with_row_and_column(tmp_path, text, told):
    with pytest.raises(InputError, match=told):
        scenario(tmp_path, text)


def test_cells_without_room_are_told(tmp_path):
    """A picture with more than a tumour cell per voxel, over more than 100 um."""
    made = scenario(tmp_path, GOOD + "9,150,150,tumour\n" * 200)
    lost = 203 - np.count_nonzero(read_snapshot(simulate(made).files["snapshots/00_day_0.npz"], "").arrays["cell"])
    assert lost > 50
    assert [w for w in made.warnings if "cells" in w] == [
        f"piece.cells: {lost} of 203 tumour cells find no free place of 20 um within 100 um and are left out"]
    assert not any("cells" in w for w in scenario(tmp_path, GOOD).warnings)


def test_missing_table_is_told(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        Scenario.from_text(TEXT.replace("[piece]", '[piece]\ncells = "nowhere.csv"'), str(tmp_path / "s.toml"))


def test_a_run_folder_is_run_again_without_the_table_it_was_made_of(tmp_path):
    from click.testing import CliRunner

    from tme_sim.cli import cli

    made = scenario(tmp_path, GOOD)
    simulate(made).save(tmp_path / "first")
    assert '\ncells = "inputs/cells.csv"' in (tmp_path / "first" / "scenario.toml").read_text()
    (tmp_path / "cells.csv").unlink()
    (tmp_path / "first").rename(tmp_path / "moved")
    done = CliRunner().invoke(cli, ["rerun", str(tmp_path / "moved"), "--out", str(tmp_path / "again")])
    assert done.exit_code == 0 and "the same bytes" in done.output, done.output


def test_what_a_table_holds_tells_scenarios_apart_and_where_it_lies_does_not(tmp_path):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    one, other = scenario(tmp_path / "a", GOOD), scenario(tmp_path / "b", GOOD)
    assert one.digest == other.digest
    assert scenario(tmp_path / "b", GOOD.replace("1,10,10", "1,30,10")).digest != one.digest


def test_a_study_runs_again_what_another_table_makes(tmp_path):
    from tme_sim.study.reading import load_study

    scenario(tmp_path, GOOD)
    text = 'schema = 1\nname = "s"\nbase = "scenario.toml"\n[[factor]]\nname = "k"\nkey = "parameters.k_MDSC_death"\n'
    (tmp_path / "study.toml").write_text(text + 'low = "0.02 1/day"\nhigh = "0.06 1/day"\nlevels = 2\n')
    first = load_study(tmp_path / "study.toml").keys
    assert load_study(tmp_path / "study.toml").keys == first
    scenario(tmp_path, GOOD.replace("1,10,10", "1,30,10"))
    assert not set(load_study(tmp_path / "study.toml").keys) & set(first)


def test_oxygen_that_does_not_feel_vessels_is_no_agent_tissue():
    config = Path(__file__).parents[2] / "configs" / "emerald1.toml"
    changes = {"tissue": "agents", "biology.hypotheses.oxygen.vessels": "held"}
    with pytest.raises(InputError, match="is for densities"):
        Scenario.load(config).changed(changes)
