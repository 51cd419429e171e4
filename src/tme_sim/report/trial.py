"""The report page of a virtual trial, from its folder alone."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tme_sim.diagnostics import InputError, Problem
from tme_sim.plots.style import unit_text
from tme_sim.report.given import calendar_blocks, scenario_codes, text_of, unit_told, warning_blocks
from tme_sim.report.page import Code, Page, Picture, Prose, Section, Table
from tme_sim.report.sources import rank_of, source_tables
from tme_sim.report.words import value_text

__all__ = ["trial_page"]

MOST_LISTED = 20
# The figures in the order they are read: name, caption.
CAPTIONS = (
    (
        "survival",
        "Share of patients without progression or death (left), and alive (right), by arm. Bands are 95 % "
        "intervals, strokes patients lost or cut off; below, how many are still watched.",
    ),
    (
        "waterfall",
        "Best change of the sum of target diameters: a bar is a patient, down is shrinkage, the colour is the best "
        "response by the criterion of the trial. Both are as simulated up to progression, also of patients who were "
        "lost or cut off before; a bar below -30 % is no response where a new lesion was seen at that visit. Of more "
        "than 200 patients, 200 are drawn, evenly over the order.",
    ),
    ("spider", "The same sums from scan to scan, a line for each of the first patients."),
    (
        "swimmer",
        "A bar is a patient from entry to death or the last follow-up, with response and progression; the same line "
        "holds the same patient in every arm.",
    ),
    ("progression", "What the first progression was, as shares of all patients of an arm."),
    (
        "conversion",
        "Of patients who could not be resected at entry, the share that could be operated at each visit (left) and "
        "at it or before (right). The point marks the visit at which most could.",
    ),
    (
        "paired",
        "What each patient gains or loses by the other arm, in order of size. No real trial can draw this: here each "
        "patient is treated in every arm.",
    ),
    ("benefit", "How well what is known at entry foretells who gains."),
    (
        "choice",
        "Months gained by tumour burden and portal invasion, and what choosing the arm by them is worth on patients "
        "whose outcome the rule had not seen.",
    ),
)
# Rows of the table of arms: words, key of the summary, "months", "share" or "number".
ROWS = (
    ("PFS, median", "pfs_median", "months"),
    ("PFS at 6 months", "pfs_rate_6", "share"),
    ("PFS at 12 months", "pfs_rate_12", "share"),
    ("PFS at 24 months", "pfs_rate_24", "share"),
    ("TTP, median", "ttp_median", "months"),
    ("TACE-PFS, median", "tace_pfs_median", "months"),
    ("time to untaceable progression, median", "untaceable_median", "months"),
    ("OS, median", "os_median", "months"),
    ("OS at 12 months", "os_rate_12", "share"),
    ("OS at 24 months", "os_rate_24", "share"),
    ("objective response", "orr", "share"),
    ("objective response, mRECIST", "orr_mrecist", "share"),
    ("complete response", "cr", "share"),
    ("median best change of diameters", "depth_median", "share"),
    ("duration of response, median", "dor_median", "months"),
    ("TACE sessions, mean", "n_tace_mean", "number"),
    ("converted to resectable, of all", "converted", "share"),
    ("operable at the best visit, of those not so at entry", "operable_most", "share"),
    ("month of that visit", "operable_most_month", "months"),
    ("ALBI, change at 3 months", "albi_change_d90", "number"),
    ("ALBI, change at 6 months", "albi_change_d180", "number"),
)


def trial_page(folder: Path) -> Page:
    """The page of the trial in `folder`.

    Raises:
        InputError: a file of the folder is missing or damaged.
    """
    about, summary = _json(folder / "trial.json"), _json(folder / "summary.json")
    arms, told = _arms_of(about, folder / "trial.json"), _arms_of(summary, folder / "summary.json")
    order = [n for n in _arms_in_order(folder) if n in told] or list(told)
    titles = {name: str(arms.get(name, {}).get("title") or name) for name in order}
    scenarios = {n: arms[n]["scenario"] for n in order if "scenario" in arms.get(n, {})}
    facts = [
        ("trial", str(about.get("name", ""))),
        ("arms", ", ".join(titles.values())),
        ("patients", f"{summary.get('patients', '')} in every arm, the same ones"),
        ("cohort", str(about.get("cohort", {}).get("name", ""))),
        ("repeats", str(about.get("repeats", 1))),
        ("version", str(about.get("versions", {}).get("tme_sim", "not stored"))),
    ]
    sections = [
        Section("answer", "In short", _in_short(about, summary, titles)),
        Section("arms", "Arms", _arms(about, titles)),
        Section(
            "calendar",
            "Protocol calendar",
            calendar_blocks(scenarios, titles)
            or [Prose("The folder does not hold the scenarios of its arms; run its command again, which adds them.")],
        ),
        Section("endpoints", "Endpoints by arm", _endpoints(told, titles)),
        Section("contrasts", "Contrasts", _contrasts(summary, titles)),
        *_figure_sections(folder),
        Section("patients", "Patients", _patients(folder, about)),
        Section("failures", "Patients left out", _failures(about)),
        Section("warnings", "Warnings", _warnings(about, summary)),
        Section("sources", "Sources and grades, weakest first", _sources(about), "Sources"),
        Section("reproduce", "How to reproduce", _reproduce(folder, about, scenarios)),
    ]
    return Page(str(about.get("title") or about.get("name", "")), "Report of a virtual trial", facts, sections)


def _arms_in_order(folder: Path) -> list[str]:
    """Names of the arms as the trial lists them, the reference first."""
    try:
        with (folder / "rows.csv").open(encoding="utf-8", newline="") as file:
            return list(dict.fromkeys(row["arm"] for row in csv.DictReader(file)))
    except (OSError, KeyError):
        return []


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            Problem(
                str(path), "", "is missing: the trial has not ended; the command that made the folder goes on with it"
            )
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(Problem(str(path), "", f"cannot be read: {error}")) from error
    if not isinstance(found, dict):
        raise InputError(Problem(str(path), "", "is not what tme-sim trial writes"))
    return found


def _arms_of(found: Mapping[str, Any], path: Path) -> dict[str, dict]:
    """The arms that a file of the folder tells of.

    Raises:
        InputError: it tells of none.
    """
    arms = found.get("arms")
    if not isinstance(arms, dict) or not arms or not all(isinstance(one, dict) for one in arms.values()):
        raise InputError(
            Problem(str(path), "arms", "is damaged: it tells of no arms; the command that made the folder mends it")
        )
    return arms


# --- in words ------------------------------------------------------------------------------------------------------


def _in_short(about: Mapping, summary: Mapping, titles: Mapping[str, str]) -> list:
    parts = []
    for name, title in titles.items():
        found = summary["arms"][name]
        parts.append(
            f"{title}: median PFS {_months(found.get('pfs_median'))}, objective response "
            f"{_cell(found.get('orr'), 'share')}, alive at 24 months {_cell(found.get('os_rate_24'), 'share')}."
        )
    blocks = [Prose(" ".join(parts), "lead")]
    for name, one in summary.get("contrasts", {}).items():
        low, high = (one.get("pfs_hr_ci95") or [None, None])[:2]
        apart = _number(low) and _number(high) and (high < 1 or low > 1)
        gain = summary.get("paired", {}).get(name, {}).get("pfs", {})
        words = "the arms differ" if apart else "with so many patients the arms cannot be told apart"
        told = (
            f"{_versus(name, titles)}: hazard ratio for PFS {_interval(one, 'pfs_hr', 'number')}; {words}."
            if _number(one.get("pfs_hr"))
            else f"{_versus(name, titles)}: no hazard ratio."
        )
        if _number(gain.get("mean_gain")):
            told += (
                f" In the same patients it gains {value_text(gain['mean_gain'])} months of PFS on average; "
                f"{_cell(gain.get('better'), 'share')} gain, {_cell(gain.get('worse'), 'share')} lose."
            )
        blocks.append(Prose(told))
    return blocks


def _versus(name: str, titles: Mapping[str, str]) -> str:
    first, _, second = name.partition(" vs ")
    return f"{titles.get(first, first)} against {titles.get(second, second)}"


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(np.isfinite(value))


def _cell(value: Any, kind: str) -> str:
    if not _number(value):
        return "not reached" if kind == "months" else "–"
    if kind == "share":
        return f"{100 * value:.0f} %".replace("-", "\N{MINUS SIGN}")
    return value_text(value)


def _months(value: Any) -> str:
    return f"{value_text(value)} months" if _number(value) else "not reached"


def _interval(row: Mapping, key: str, kind: str) -> str:
    text, ends = _cell(row.get(key), kind), row.get(f"{key}_ci95")
    if not ends or not _number(row.get(key)) or not any(_number(v) for v in ends):
        return text
    return f"{text} ({_cell(ends[0], kind)} to {_cell(ends[1], kind)})"


# --- tables ----------------------------------------------------------------------------------------------------------


def _arms(about: Mapping, titles: Mapping[str, str]) -> list:
    arms = about.get("arms", {})
    rows = [(title, name, str(arms.get(name, {}).get("protocol", ""))) for name, title in titles.items()]
    follow = ", ".join(
        f"{k.replace('_', ' ')} {v}" for k, v in about.get("follow_up", {}).items() if k != "source" and v
    )
    return [
        Table(("arm", "name", "protocol"), rows),
        Prose(f"Follow-up: {follow or 'to the end of the simulation'}. {_source(about)}"),
        Prose(f"After progression: {about.get('after_progression', 'not stored')}.", "note"),
        Prose(_values(about), "note"),
    ]


def _values(about: Mapping) -> str:
    """Whose values the patients follow, in words."""
    found = about.get("posterior")
    if not found:
        return "Values of the model: as declared, the same for all patients but for what is drawn."
    return (f"Values of the model: each patient follows one of the {found['members']} members of the calibration "
            f"{found['name']} ({found['digest'][:12]}), drawn by their weights.")  # fmt: skip


def _source(about: Mapping) -> str:
    text = str(about.get("follow_up", {}).get("source", ""))
    return f"Source: {text}" if text else ""


def _endpoints(told: Mapping, titles: Mapping[str, str]) -> list:
    rows = []
    for words, key, kind in ROWS:
        if any(key in told[name] for name in titles):
            unit = " (months)" if kind == "months" else ""
            rows.append((words + unit, *(_interval(told[name], key, kind) for name in titles)))
    criterion = next((str(one.get("criterion")) for one in told.values() if one.get("criterion")), "")
    note = (
        "Times are in months, with 95 % intervals where they can be given (medians and rates: Kaplan-Meier, responses: "
        f"Wilson). Responses without another name are by {criterion or 'the criterion of the trial'}"
        + (", others as simulated, whatever the follow-up." if criterion != "mrecist" else ".")
    )
    return [Prose(note, "note"), Table(("endpoint", *titles.values()), rows, numeric=tuple(range(1, len(titles) + 1)))]


def _contrasts(summary: Mapping, titles: Mapping[str, str]) -> list:
    found = summary.get("contrasts", {})
    if not found:
        return [Prose("One arm: there is nothing to compare.")]
    rows = []
    for name, one in found.items():
        gain = summary.get("paired", {}).get(name, {}).get("pfs", {})
        rows.append(
            (
                _versus(name, titles),
                _interval(one, "pfs_hr", "number"),
                text_of(one.get("pfs_nonproportional_p")),
                _interval(one, "os_hr", "number"),
                _cell(one.get("orr_difference"), "share"),
                _interval(gain, "mean_gain", "months"),
            )
        )
    heads = (
        "",
        "PFS hazard ratio",
        "p of non-proportional hazards",
        "OS hazard ratio",
        "difference of response",
        "PFS gained by the same patients (months)",
    )
    return [
        Table(heads, rows, numeric=(1, 2, 3, 4, 5), small=True),
        Prose(
            "A hazard ratio below 1 favours the arm named first, and is one number for all of the follow-up: a small p "
            "beside it says that it is not the whole story. The gain in the same patients has no noise of who entered "
            "which arm, and is cut at the end of the simulation. Intervals are over patients, not "
            "over what is not known of the biology.",
            "note",
        ),
    ]


def _figure_sections(folder: Path) -> list[Section]:
    from tme_sim.plots.trial_sheet import FIGURES

    out = []
    for name, caption in CAPTIONS:
        path = folder / "figures" / f"{name}.png"
        if path.is_file():
            picture = Picture(path.read_bytes(), caption, (), FIGURES[name])
            out.append(Section(f"figure-{name}", FIGURES[name], [picture], name))
    if not out:
        said = "The figures were left out (--no-figures); the command without it draws them, and runs nothing again."
        out.append(Section("figures", "Figures", [Prose(said)]))
    return out


def _patients(folder: Path, about: Mapping) -> list:
    units = {row["name"]: row["unit"] for row in about.get("draws", ())}
    try:
        with (folder / "patients.csv").open(encoding="utf-8", newline="") as file:
            table = list(csv.DictReader(file))
    except OSError as error:
        raise InputError(Problem(str(folder / "patients.csv"), "", f"cannot be read: {error.strerror}")) from error
    rows = []
    for name in table[0] if table else ():
        values = [row[name] for row in table if row[name] not in (None, "")]
        if name != "patient" and values:
            unit = units.get(name, "")
            rows.append((name.replace("_", " "), unit_told(unit), _drawn(values)))
    return [
        Prose(
            f"{len(table)} virtual patient{'' if len(table) == 1 else 's'}, each treated in every arm. "
            + " ".join(about.get("cohort", {}).get("source", ()))
        ),
        Table(("drawn", "unit", "median (quartiles), or shares"), rows, small=True),
    ]


def _drawn(values: Sequence[str]) -> str:
    try:
        numbers = np.array([float(v) for v in values])
    except ValueError:
        numbers = np.empty(0)
    if numbers.size and (np.unique(numbers).size > 5 or np.any(numbers % 1)):
        low, middle, high = np.percentile(numbers, (25, 50, 75))
        return f"{value_text(middle)} ({value_text(low)} to {value_text(high)})"
    counts = {v: values.count(v) for v in dict.fromkeys(values)}
    most = sorted(counts.items(), key=lambda pair: -pair[1])[:6]
    return ", ".join(f"{v}: {100 * n / len(values):.0f} %" for v, n in most)


def _failures(about: Mapping) -> list:
    lost = list(about.get("failures", ()))
    if not lost:
        return [Prose("Every patient was simulated in every arm.")]
    rows = [(str(f.get("patient")), str(f.get("arm")), str(f.get("message"))[:300]) for f in lost[:MOST_LISTED]]
    count = len({f.get("patient") for f in lost})
    return [
        Prose(f"{count} patients could not be simulated in some arm and are left out of all arms.", "warning"),
        Table(("patient", "arm", "why"), rows, small=True),
    ]


def _warnings(about: Mapping, summary: Mapping) -> list:
    warnings = list(about.get("warnings", ()))
    few = summary.get("patients", 0)
    if _number(few) and few < 100:
        warnings.append(f"{few} patients are few: intervals are wide, and medians jump from visit to visit.")
    return warning_blocks(warnings, "The trial gave no warning.")


def _sources(about: Mapping) -> list:
    blocks: list = [Prose(str(text)) for text in about.get("source", ())]
    draws = [
        (str(d["grade"]), str(d["name"]), str(d["value"]), unit_text(str(d["unit"])), str(d["source"]))
        for d in sorted(about.get("draws", ()), key=lambda d: rank_of(d["grade"]))
    ]
    if draws:
        heads = ("grade", "drawn for each patient", "from", "unit", "source")
        blocks.append(Table(heads, draws, "Draws of the cohort", graded=0, small=True,
                            widths=(9, 17, 28, 8, 38)))  # fmt: skip
    return [*blocks, *source_tables(about.get("sources", ()))]


def _reproduce(folder: Path, about: Mapping, scenarios: Mapping[str, str]) -> list:
    versions = ", ".join(f"{k} {v}" for k, v in sorted(about.get("versions", {}).items()))
    name = about.get("name", "trial")
    return [
        Prose(
            "With the file of the trial (and the cohort and protocols that it names) this gives the same rows; what "
            "the folder holds already is not run again:"
        ),
        Code(
            f"tme-sim trial {name}.toml --n {about.get('n', '')} --repeats {about.get('repeats', 1)} "
            f"--seed {about.get('seed', '')} --out {folder.name}"
        ),
        Table(
            ("what", "value"),
            [
                ("digest of the trial", str(about.get("digest", ""))),
                ("digest of the cohort", str(about.get("cohort", {}).get("digest", ""))),
                ("versions", versions),
            ],
            small=True,
        ),
        *scenario_codes(scenarios),
    ]
