"""``tme-sim cohort`` and ``tme-sim trial``: what they write, and that bad input is refused with nothing written."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from few_lesions import cohort_of_one

from tme_sim.cli import cli
from tme_sim.cohort.tables import read_table
from tme_sim.diagnostics import InputError

CONFIGS = Path(__file__).parents[2] / "configs"
ONE = str(CONFIGS / "cohorts" / "emerald1_like.toml")


def ran(*words):
    return CliRunner().invoke(cli, [str(w) for w in words])


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """A shipped trial, made small: twice 4 patients, three arms, half a year."""
    folder = tmp_path_factory.mktemp("trial")
    text = (CONFIGS / "trials" / "emerald1_like.toml").read_text()
    text = text.replace('"../cohorts/emerald1_like.toml"', f'"{cohort_of_one(folder)}"').replace("../", f"{CONFIGS}/")
    text = text.replace('duration = "36 months"', 'duration = "6 months"')
    text = text.replace('cut_off = "40 months"', 'cut_off = "13 months"')
    (folder / "small.toml").write_text(text)
    out = folder / "out"
    return out, ran("trial", folder / "small.toml", "--n", 4, "--repeats", 2, "--jobs", 1, "--spiders", 2, "--out", out)


def test_trial_writes_rows_summary_and_figures(trial):
    out, done = trial
    assert done.exit_code == 0, done.output
    for name in ("trial.json", "summary.json", "rows.csv", "rows.npz", "patients.csv"):
        assert (out / name).stat().st_size > 100
    figures = {p.stem for p in (out / "figures").glob("*.png")}
    assert figures == {"survival", "waterfall", "swimmer", "spider", "progression", "paired"}
    about = json.loads((out / "trial.json").read_text())
    assert about["status"] == "done"
    assert about["after_progression"].startswith("emerald1_tace: TACE by need, then atezolizumab and bevacizumab; ")
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary["arms"]) == {"emerald1_tace", "emerald1_durva", "emerald1_durva_bev"}
    assert set(summary["contrasts"]) == set(summary["paired"])
    assert "over_repeats" in summary
    with open(out / "rows.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3 * summary["patients"]
    with np.load(out / "rows.npz", allow_pickle=False) as arrays:
        assert len(arrays["emerald1_tace/pfs"]) == summary["patients"]
    assert "per second" in done.output


def test_the_folder_of_a_trial_is_reported(trial, tmp_path):
    from tme_sim.report import page_of

    page = page_of(trial[0])
    found = {section.name: section for section in page.sections}
    assert {"answer", "arms", "contrasts", "figure-survival", "patients", "sources"} <= set(found)
    pictures = [b for b in found["calendar"].blocks if type(b).__name__ == "Picture"]
    assert len(pictures) == 3, "the calendar of each arm"
    assert [len(t.rows) > 10 for t in found["sources"].blocks if type(t).__name__ == "Table"] == [True, True]


def test_summary_agrees_with_its_rows(trial):
    out, _ = trial
    summary = json.loads((out / "summary.json").read_text())
    with open(out / "rows.csv") as stream:
        rows = [r for r in csv.DictReader(stream) if r["arm"] == "emerald1_tace"]
    arm = summary["arms"]["emerald1_tace"]
    seen = [r for r in rows if r["pfs_event"] == "1" and float(r["pfs"]) <= float(r["follow_up"])]
    assert arm["pfs_events"] == len(seen)
    shares = [arm[f"first_pd_{kind}"] for kind in ("existing_intrahepatic", "new_intrahepatic", "extrahepatic", "death")]
    assert sum(shares) == pytest.approx(len(seen) / len(rows))
    assert arm["n_tace_mean"] == pytest.approx(np.mean([int(r["n_tace"]) for r in rows]))


def test_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = ran("trial", CONFIGS / "trials" / "tace_only.toml", "--out", tmp_path)
    assert done.exit_code == 2 and "no folder of a trial" in done.output
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(("words", "told"), [
    (["--n", "0"], "--n: n: must be at least 1"), (["--repeats", "-1"], "at least 1"), (["--seed", "-1"], "at least 0"),
])  # fmt: skip
def test_trial_of_nobody_is_refused(tmp_path, words, told):
    done = ran("trial", CONFIGS / "trials" / "tace_only.toml", "--out", tmp_path / "t", *words)
    assert done.exit_code == 2 and told in done.output
    assert not (tmp_path / "t").exists()


def test_a_disk_that_is_too_small_for_a_trial_is_told_before_it_and_when_it_is_full(trial, tmp_path, monkeypatch):
    import errno

    from tme_sim.cohort import running
    from tme_sim.study import expected

    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(expected, "_free", lambda path: 20_000)
    monkeypatch.setattr(running, "write_file", full)
    done = ran("trial", trial[0].parent / "small.toml", "--n", 2, "--repeats", 1, "--jobs", 1, "--out", tmp_path / "t")
    assert f"warning: about 29 kB will be written to {tmp_path / 't'}, but only 20 kB are free: free some" in done.output
    assert done.exit_code == 1 and "the disk is full" in done.output.splitlines()[-1]
    assert "run the same command again" in done.output


def test_cohort_make_writes_patients_and_a_scenario_that_can_be_read(tmp_path):
    out = tmp_path / "patients.csv"
    done = ran("cohort", "make", ONE, "--n", 3, "--out", out, "--scenario", 1)
    assert done.exit_code == 0, done.output
    with open(out) as stream:
        assert [r["patient"] for r in csv.DictReader(stream)] == ["0", "1", "2"]
    assert ran("config", "check", tmp_path / "patients-1.toml").exit_code == 0
    again = ran("cohort", "make", ONE, "--n", 3, "--out", out)
    assert again.exit_code == 2 and "exists" in again.output
    assert ran("cohort", "make", ONE, "--n", 0, "--out", tmp_path / "none.csv").exit_code == 2
    assert not (tmp_path / "none.csv").exists()


def test_a_share_that_none_of_few_drawn_patients_has_is_told_with_its_error():
    done = ran("cohort", "describe", CONFIGS / "cohorts" / "large_7cm.toml", "--n", 4)  # four of four: Beta(4.5, 0.5)
    assert done.exit_code == 0 and "100.0 % (12.2 %)" in done.output


def test_a_published_figure_of_nothing_is_told_before_anything_is_shown(tmp_path):
    folder = Path(ONE).parent
    (tmp_path / "c.toml").write_text(Path(ONE).read_text().replace('of = "bclc"', 'of = "bclcc"', 1)
                                     .replace('"biology.toml"', f'"{folder}/biology.toml"'))  # fmt: skip
    done = ran("cohort", "describe", tmp_path / "c.toml", "--n", 2)
    assert done.exit_code == 2 and 'did you mean "bclc"' in done.output and "┃" not in done.output


def test_patients_are_not_written_over_a_folder(tmp_path):
    done = ran("cohort", "make", ONE, "--n", 2, "--force", "--out", tmp_path)
    assert done.exit_code == 2 and "is a folder; name a file in it" in done.output and not list(tmp_path.iterdir())


def test_cohort_describe_compares_with_what_was_published_and_with_a_table(tmp_path):
    table = tmp_path / "baseline.csv"
    table.write_text("age,sex,ki67\n61,male,3\n70,female,4\n55,male,9\n")
    done = ran("cohort", "describe", ONE, "--n", 20, "--out", tmp_path / "a.png", "--table", table, "--sources")
    assert done.exit_code == 0, done.output
    assert "25.8 %" in done.output and "BCLC stage A" in done.output
    assert "61 (58 to 65.5)" in done.output
    tied = next(line for line in done.output.splitlines() if "albumin_base and bilirubin_base" in line).split("│")
    assert tied[2].strip() == "-0.5" and -0.9 < float(tied[3]) < 0.1 and tied[4].strip() == "low"
    assert "albumin_base and bilirubin_base (low): no figure found" in done.output
    assert "ki67" in done.output
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_one_patient_is_described_without_an_error_of_none(tmp_path):
    """Patient 0 has one tumour: that is a number and no yes, and one patient has no error of sampling."""
    done = ran("cohort", "describe", ONE, "--n", 1, "--out", tmp_path / "one.png")
    assert done.exit_code == 0, done.output
    lines = {line.split("│")[1].strip(): line.split("│") for line in done.output.splitlines() if line.startswith("│")}
    assert lines["tumour_number"][3].strip() == "1 100 %"
    assert lines["mean ALBI"][3].strip().endswith("(-)") and "1 patient of seed 1" in done.output


@pytest.mark.parametrize(("header", "cell"), [
    ("Patient Name", "x"), ("surname", "x"), ("date_of_birth", "1"), ("DOB", "1"), ("MRN", "1"), ("e-mail", "x"),
    ("Hospital number", "5"), ("seen", "1961-04-03"), ("first visit", "03.04.1961"), ("code", "GB1234567"),
    ("contact", "ann@example.org"), ("who", "Anna Schmidt"), ("called", "+49 30 1234567"),
])  # fmt: skip
def test_table_of_identifiable_patients_is_refused(tmp_path, header, cell):
    table = tmp_path / "people.csv"
    table.write_text(f"age,{header}\n" + f"61,{cell}\n" * 4)
    done = ran("cohort", "describe", ONE, "--n", 2, "--table", table)
    assert done.exit_code == 2
    assert "identifiable patients" in done.output and header in done.output
    assert list(read_table(table, allow_identifiers=True)) == ["age", header]


@pytest.mark.parametrize("cell", [
    "Müller Hans", '"MÜLLER, H."', '"Weiß, Renate"', "\"O'Brien, Mary-Ann\"", "J. Smith", "Smith J.", "J.R. Łoś", "12 Mar 2021",
    '"April 3, 2021"', "3. März 2021",
])  # fmt: skip
def test_names_and_dates_are_known_however_they_are_written(tmp_path, cell):
    table = tmp_path / "people.csv"
    table.write_text("age,entry\n" + f"61,{cell}\n" * 4)
    with pytest.raises(InputError, match='"entry" looks like (names of people|dates)'):
        read_table(table)


@pytest.mark.parametrize("cell", ["male", "HBV", "BCLC B", "Child-Pugh A", "Vp3", "HBV + HCV", "Barcelona B", "I-II", "HCC-0001"])
def test_words_of_a_baseline_are_no_names(tmp_path, cell):
    table = tmp_path / "baseline.csv"
    table.write_text("age,entry\n" + f"61,{cell}\n" * 4)
    assert list(read_table(table)) == ["age", "entry"]


@pytest.mark.parametrize("cell", ["call 555-123-4567", "ask ann@example.org again", "seen by Dr Miller", "came on 03.04.2021",
                                  "seen by Prof. Łoś", "came on 3 April 2021", "back Mar 12 2021"])
def test_one_remark_that_tells_of_a_person_is_enough(tmp_path, cell):
    table = tmp_path / "people.csv"
    table.write_text("age,remark\n" + "61,no change of 2.5 mm since 2020\n" * 9 + f"61,{cell}\n")
    with pytest.raises(InputError, match='"remark" holds'):
        read_table(table)
    table.write_text("age,remark\n" + "61,VEGF 500 - 12000 pg/mL at 12/2020 stage B/C of 2; may rise; Child-Pugh A. No TACE\n" * 9)
    assert list(read_table(table)) == ["age", "remark"]


@pytest.mark.parametrize(("cell", "what"), [
    ("well, seen by J.K. in clinic", "initials"), ("J. K., day 7: well", "initials"), ("pt HM declined a second session", "initials"),
    ("Patient: AB, no ascites", "initials"), ("Patient Anna Schmidt was late", "names of people"),
    ("Patientin Müller, Renate kam nicht", "names of people"), ("asked by H. Miller to wait", "names of people"),
])  # fmt: skip
def test_initials_and_names_are_known_within_a_longer_remark(tmp_path, cell, what):
    """One is enough, among remarks that hold abbreviations of the field."""
    table = tmp_path / "people.csv"
    plain = ("CR at month 3", "pt CR by mRECIST", "patient HBV and HCV", "Child-Pugh A. I.V. fluids, e.g. at 3 a.m.",
             "Patient with Child-Pugh B", "LHA fed", "PD in S8", "AFP up", "TACE x2, PR", "seen in the U.S. by CT")  # fmt: skip
    table.write_text("age,remark\n" + "".join(f'61,"{one}"\n' for one in plain))
    assert list(read_table(table)) == ["age", "remark"]
    table.write_text("age,remark\n" + "".join(f'61,"{one}"\n' for one in (*plain, cell)))
    with pytest.raises(InputError, match=f'"remark" holds {what}'):
        read_table(table)


def test_long_cells_are_searched_in_no_time():
    from time import perf_counter

    from tme_sim.cohort.identities import identifying

    begin = perf_counter()
    assert identifying({"remark": ["A" * 20_000 + " " + "Aa" * 10_000] * 20}) == []
    assert perf_counter() - begin < 5.0  # a minute and more where a search is quadratic


def test_capitals_that_begin_remarks_and_never_come_again_are_initials(tmp_path):
    table = tmp_path / "people.csv"
    table.write_text("age,remark\n61,HM well\n62,KL tired again\n70,AB no ascites\n")
    with pytest.raises(InputError, match='"remark" holds initials'):
        read_table(table)
    table.write_text("age,remark\n61,XY well\n62,XY tired again\n70,XY no ascites\n")  # of a procedure, say
    assert list(read_table(table)) == ["age", "remark"]


@pytest.mark.parametrize(("header", "cells", "what"), [
    ("patient", ("HM-0001", "KL-0002"), "codes of single patients"), ("id", ("A12", "B77", "C09"), "codes of single patients"),
    ("study code", ("HCC-UKE-17", "HCC-UKE-18"), "codes of single patients"), ("pat", ("AB", "CD", "EF"), "initials"),
    ("entry", tuple(f"HM-{7 * i:04d}" for i in range(12)), "codes of single patients"), ("who", ("A.B.", "J. K."), "initials"),
])  # fmt: skip
def test_codes_and_initials_of_single_patients_are_known(tmp_path, header, cells, what):
    table = tmp_path / "people.csv"
    table.write_text(f"age,{header}\n" + "".join(f"61,{cell}\n" for cell in cells))
    with pytest.raises(InputError, match=f'"{header}" looks like {what}'):
        read_table(table)


def test_tables_of_virtual_patients_and_codes_that_come_again_are_harmless(trial, tmp_path):
    """Our own tables hold patients by number and nothing else that would look like people."""
    for name in ("patients.csv", "rows.csv"):
        assert "patient" in read_table(trial[0] / name)
    done = ran("cohort", "make", ONE, "--n", 12, "--out", tmp_path / "made.csv")
    assert done.exit_code == 0 and "patient" in read_table(tmp_path / "made.csv")
    table = tmp_path / "baseline.csv"
    table.write_text("id,case,age,level,entry\n" + "".join(f"{i},{'B1' if i % 2 else 'A2'},61,1.{i}e-05,S{i}\n" for i in range(1, 13)))
    assert list(read_table(table)) == ["id", "case", "age", "level", "entry"]


def test_harmless_tables_are_read_and_broken_ones_refused(tmp_path):
    good = tmp_path / "good.csv"
    good.write_text("age;albi;sex\n61;-2.5;male\n70;-1.9;female\n")
    assert read_table(good) == {"age": ["61", "70"], "albi": ["-2.5", "-1.9"], "sex": ["male", "female"]}
    for text, words in (("age,sex\n", "no rows"), ("age,age\n1,2\n", "one name"), ("age,sex\n1\n", "1 cells")):
        bad = tmp_path / "bad.csv"
        bad.write_text(text)
        with pytest.raises(InputError, match=words):
            read_table(bad)


@pytest.mark.parametrize(("text", "said"), [
    ("age\n61\nabc\n", 'age: "abc" is no number'), ("age\n61\n-4\n", "age: -4 is negative"),
    ("age\n61\nnan\n", "age: holds numbers that are not finite"), ("agee\n61\n60\n", 'did you mean "age"'),
])  # fmt: skip
def test_a_table_that_cannot_be_compared_is_refused_before_anything_is_shown(tmp_path, text, said):
    (tmp_path / "t.csv").write_text(text)
    done = ran("cohort", "describe", ONE, "--n", 2, "--table", tmp_path / "t.csv")
    assert done.exit_code == 2 and said in done.output
    assert done.output.startswith(str(tmp_path / "t.csv")) and "┃" not in done.output


def test_patients_left_out_are_told_once_for_all_arms_and_counted():
    from types import SimpleNamespace

    from tme_sim.commands.cohort import _left_out

    failed = [{"patient": p, "arm": arm, "message": "no rest"} for p in (3, 8) for arm in ("a", "b")]
    failed.append({"patient": 9, "arm": "b", "message": "too many steps"})
    assert _left_out(SimpleNamespace(failures=failed, arms=["a", "b"], follow_up=np.ones(7))) == [
        "patient 3 left out of all arms: no rest", "patient 8 left out of all arms: no rest",
        "patient 9 left out of all arms: b: too many steps",
        "3 of 10 patients are left out of all arms; trial.json lists each with its reason",
    ]  # fmt: skip
    assert _left_out(SimpleNamespace(failures=[], arms=["a"], follow_up=np.ones(7))) == []


def test_a_cell_without_a_band_shows_none():
    from tme_sim.commands.cohort import _cell

    assert _cell(0.0, "share", [float("nan")] * 2) == "0 %"
    assert _cell(1.84, "number", [float("inf")] * 2) == "1.84"
    assert _cell(0.5, "share", [0.25, float("inf")]) == "50 % (25 % to not reached)"


def test_a_picture_that_cannot_be_written_is_told_first(tmp_path):
    for out, message in (("a.docx", "must end in .png"), ("nowhere/a.png", "no such folder")):
        done = CliRunner().invoke(cli, ["cohort", "describe", str(ONE), "--n", "2", "--out", str(tmp_path / out)])
        assert done.exit_code == 2 and message in done.output and not list(tmp_path.iterdir())
