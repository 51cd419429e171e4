"""The report page of a study, from its store alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tme_sim.diagnostics import InputError
from tme_sim.plots.study import how_to_read, study_figure
from tme_sim.plots.style import unit_text
from tme_sim.report.given import (
    calendar_blocks,
    definition_text,
    picture_of,
    scenario_codes,
    spread_row,
    text_of,
    unit_told,
    warning_blocks,
)
from tme_sim.report.page import Code, Page, Picture, Prose, Section, Table
from tme_sim.report.sources import source_tables
from tme_sim.report.words import value_text
from tme_sim.row import OK
from tme_sim.study.keys import model_digest
from tme_sim.study.plan_table import FINDING, PlanTable
from tme_sim.study.store import open_store
from tme_sim.study.tables import unit_of

__all__ = ["study_page"]

MOST_FIGURES = 4
MOST_FAILURES = 12
SHOWN_LEVELS = 8
WORTH_TELLING = 0.2  # of a rank correlation


def study_page(folder: Path) -> Page:
    """The page of the study that the store in `folder` noted last.

    Raises:
        InputError: no store, or one without a plan.
        StoreError: a damaged store.
    """
    with open_store(folder) as store:
        plan = store.plan()
        told = next(p for p in reversed(store.plans()) if p["digest"] == plan.digest)
        table, given = store.table(plan), store.given(plan.digest) or {}
        digest = store.model_digest
    outcome = _first_outcome(plan, table)
    good = np.asarray(table["status"]) == OK
    arms = list(dict.fromkeys(plan.arms))
    facts = [
        ("study", str(plan.about["name"])),
        ("runs", f"{int(good.sum())} of {len(plan)} with a result"),
        ("arms", ", ".join(arms) if len(arms) <= 6 else f"{len(arms)} arms"),
        ("patients", str(len(set(plan.numbers)))),
        ("design", str(plan.about.get("design", "")).replace("_", " ")),
        ("version", str(given.get("versions", {}).get("tme_sim", "not stored"))),
    ]
    sections = [
        Section("answer", "In short", _in_short(plan, table, outcome)),
        Section("design", "What was varied", _design(plan)),
        Section(
            "calendar",
            "Protocol calendar",
            calendar_blocks(given.get("arms", {}), {})
            or [
                Prose(
                    "The store does not hold the scenarios of its arms; run tme-sim sweep on it again, which adds them."
                )
            ],
        ),
        *_figure_sections(plan, table, outcome),
        *_surface_section(plan, table, told["study"]),
        *_sensitivity_section(plan, table, outcome),
        Section("endpoints", "Endpoints", _endpoints(plan, table)),
        Section("failures", "Runs without a result", _failures(plan, table)),
        Section("warnings", "Warnings", _warnings(digest, given)),
        Section("sources", "Sources and grades, weakest first", source_tables(given.get("sources", ())), "Sources"),
        Section("reproduce", "How to reproduce", _reproduce(folder, plan, told, given, digest)),
    ]
    return Page(str(plan.about.get("title") or plan.about["name"]), "Report of a study", facts, sections)


def _numeric(plan: PlanTable, table: Mapping[str, Any]) -> list[str]:
    """Names of the endpoints that are numbers."""
    known = plan.settings | {"status", "message"}
    return [n for n, v in table.items() if n not in known and v.dtype != object]


def _first_outcome(plan: PlanTable, table: Mapping[str, Any]) -> str:
    numbers = _numeric(plan, table)
    return next((n for n in (*plan.shown, *numbers) if n in numbers), "")


# --- in words ------------------------------------------------------------------------------------------------------


def _in_short(plan: PlanTable, table: Mapping[str, Any], outcome: str) -> list:
    blocks: list = []
    if plan.about.get("question"):
        blocks.append(Prose(str(plan.about["question"]), "lead"))
    if not outcome or not np.isfinite(table[outcome]).any():
        return [*blocks, Prose("No run has a result yet.")]
    values = table[outcome]
    _, middle, most, _ = spread_row(values)
    unit = unit_told(unit_of(plan, outcome))
    told = [
        f"{outcome} ({definition_text(outcome) or 'a state or signal'}) is {middle}{_space(unit)} in the middle run, "
        f"and {most}{_space(unit)} in 8 of 10."
    ]
    told += _arms_told(table, outcome)
    told += _goes_with(plan, table, outcome)
    return [*blocks, Prose(" ".join(told))]


def _space(unit: str) -> str:
    return f" {unit}" if unit else ""


def _arms_told(table: Mapping[str, Any], outcome: str) -> list[str]:
    """The median of each arm, where there are several."""
    arms = list(dict.fromkeys(table["arm"]))
    if not 1 < len(arms) <= 8:
        return []
    parts = []
    for arm in arms:
        values = table[outcome][np.asarray(table["arm"]) == arm]
        values = values[np.isfinite(values)]
        if values.size:
            parts.append(f"{arm} {value_text(float(np.median(values)))}")
    return [f"Medians by arm: {', '.join(parts)}."]


def _goes_with(plan: PlanTable, table: Mapping[str, Any], outcome: str) -> list[str]:
    """Which factors the outcome goes with, by rank."""
    from scipy.stats import spearmanr

    found = []
    for name, _, title, is_choice in plan.factors:
        column = table[name]
        if is_choice:
            continue
        both = np.isfinite(column) & np.isfinite(table[outcome])
        if both.sum() < 4 or np.ptp(column[both]) == 0 or np.ptp(table[outcome][both]) == 0:
            continue
        found.append((float(spearmanr(column[both], table[outcome][both]).statistic), title))
    if not found:
        return []
    strong = sorted((f for f in found if abs(f[0]) >= WORTH_TELLING), key=lambda f: -abs(f[0]))[:3]
    if not strong:
        return ["It goes with none of the factors (every rank correlation is below 0.2)."]
    words = [
        f'{"more" if r > 0 else "less"} of it with more of "{title}" (rank correlation {r:+.2f})' for r, title in strong
    ]
    return [f"There is {'; '.join(words)}.".replace("-0.", "\N{MINUS SIGN}0.")]


def _design(plan: PlanTable) -> list:
    rows = []
    for (name, unit, title, is_choice), column in zip(plan.factors, plan.values, strict=True):
        values = [v for v in dict.fromkeys(column) if v is not None]
        if is_choice or len(values) <= SHOWN_LEVELS:
            shown = ", ".join(text_of(v) for v in (values if is_choice else sorted(values, key=float)))
        else:
            ends = sorted(float(v) for v in values)
            shown = f"{value_text(ends[0])} to {value_text(ends[-1])}, {len(values)} values"
        rows.append((title or name, name, unit_told(unit), shown))
    heads = ("what", "column", "unit", "values")
    blocks: list = [Table(heads, rows, "Factors of the design and of the patients")] if rows else []
    count, arms = len(set(plan.numbers)), list(dict.fromkeys(plan.arms))
    same = "the same ones at every point and in every arm" if count > 1 else "the one of the base scenario"
    blocks.append(
        Prose(f"{len(plan)} runs: {len(arms)} arm{'s' * (len(arms) > 1)}, {count} patient{'s' * (count > 1)}, {same}.")
    )
    return blocks


# --- figures ---------------------------------------------------------------------------------------------------------


def _figure_sections(plan: PlanTable, table: Mapping[str, Any], outcome: str) -> list[Section]:
    numbers = _numeric(plan, table)
    shown = [n for n in dict.fromkeys([outcome, *plan.shown]) if n in numbers][:MOST_FIGURES]
    out = []
    for name in shown:
        try:
            figure = study_figure(plan, table, name)
        except ValueError:
            continue
        _, middle, most, ends = spread_row(table[name])
        caption = (
            f"{name}: {definition_text(name) or 'state or signal'}. Over all runs its median is {middle}, 8 of 10 "
            f"lie from {most}, all from {ends}. {how_to_read(plan, table)}"
        )
        title = f"What was found: {name.replace('_', ' ')}"
        out.append(Section(f"figure-{name}", title, [picture_of(figure, caption, title)], name))
    return out


def _surface_section(plan: PlanTable, table: Mapping[str, Any], text: str) -> list[Section]:
    """The timing surface, if the study asks for one and is of one arm."""
    import tomllib

    from tme_sim.findings.surface import surface_of
    from tme_sim.findings.told import surface_told

    try:
        asked = tomllib.loads(text).get("surface")
    except tomllib.TOMLDecodeError:
        return []
    if not isinstance(asked, dict) or len(set(plan.arms)) > 1:
        return []
    titles = {name: f"{title} ({unit_text(unit)})" for name, unit, title, choice in plan.factors if not choice}
    units = {name: unit for name, unit, _, _ in plan.factors}
    days = [name for name, unit, _, choice in plan.factors if unit == "day" and not choice]
    x, y = asked.get("x") or next(iter(days), ""), asked.get("y") or next(iter(days[1:]), "")
    outcome = asked.get("outcome") or _first_outcome(plan, table)
    if x not in titles or y not in titles:
        return []
    member = [f[0] for f in plan.factors if f[0] not in (x, y)] + ["replicate"]
    orders = {str(n): (float(p[0]), float(p[1])) for n, p in asked.get("orders", {}).items()}
    try:
        found = surface_of(table, outcome, x, y, member=member, better=asked.get("better"))
        files, lines = surface_told(
            found, str(plan.about.get("title") or plan.about["name"]), (titles[x], titles[y]), orders,
            plan.derived, (units[x], units[y]),
        )
    except (InputError, ValueError) as error:
        return [Section("surface", "Timing surface", [Prose(f"It cannot be drawn: {error}")])]
    caption = (
        "The mean over patients at each pair of first days, with the edges of the near-best windows where the map has "
        "them; points are published orders. Beside it how much single patients differ."
    )
    blocks = [
        Picture(files["surface.png"], caption, (), "Timing surface"),
        Code("\n".join(lines), "The window and regrets in numbers"),
    ]
    return [Section("surface", "When is best: the timing surface", blocks, "timing surface")]


def _sensitivity_section(plan: PlanTable, table: Mapping[str, Any], outcome: str) -> list[Section]:
    """Partial rank correlations, for designs whose factors were scattered together."""
    from tme_sim.findings.draw import bars_figure
    from tme_sim.findings.sensitivity import prcc
    from tme_sim.findings.told import label_of

    names = [n for n, _, _, choice in plan.factors if not choice and np.ptp(_finite(table[n])) > 0]
    if plan.about.get("design") in ("grid", "one_at_a_time", "list", FINDING) or len(names) < 2 or not outcome:
        return []
    points = np.column_stack([table[n] for n in names])
    kept = np.isfinite(points).all(axis=1)
    try:
        found = prcc(points[kept], table[outcome][kept], names)
    except InputError as error:
        return [
            Section("sensitivity", "What decides the outcome", [Prose(f"It cannot be told: {error}")], "sensitivity")
        ]
    label = label_of(outcome)
    figure = bars_figure(
        names,
        {"prcc": found.values},
        title=f"What decides {label}?",
        subtitle=f"{found.used} runs. Lines: 95 % intervals.",
        label="partial rank correlation",
    )
    order = sorted(zip(names, found.values, strict=True), key=lambda p: -abs(p[1].value))
    told = [
        (n, f"{v.value:+.2f}, 95 % interval {v.low:+.2f} to {v.high:+.2f}".replace("-", "\N{MINUS SIGN}"))
        for n, v in order[:8]
    ]
    caption = (
        "Partial rank correlation of each factor with the outcome, the others held: +1 or \N{MINUS SIGN}1 decides it "
        "alone, 0 does nothing in order."
    )
    block = picture_of(figure, caption, "Sensitivity of the outcome", told)
    return [Section("sensitivity", "What decides the outcome", [block], "sensitivity")]


def _finite(values: np.ndarray) -> np.ndarray:
    found = values[np.isfinite(values)]
    return found if found.size else np.zeros(1)


# --- tables ---------------------------------------------------------------------------------------------------------


def _endpoints(plan: PlanTable, table: Mapping[str, Any]) -> list:
    arms = list(dict.fromkeys(table["arm"]))
    rows = []
    for name in _numeric(plan, table):
        for arm in arms:
            row = spread_row(table[name][np.asarray(table["arm"]) == arm])
            unit = unit_told(unit_of(plan, name))
            rows.append((name, arm, unit, *row, definition_text(name) if arm == arms[0] else ""))
    heads = ("endpoint", "arm", "unit", "runs", "median", "middle 80 %", "range", "definition")
    return [
        Prose(
            "Every row is over all runs of an arm that gave a number; the table of single runs is made by "
            "tme-sim export csv STORE.",
            "note",
        ),
        Table(heads, rows, numeric=(3, 4, 5, 6), small=True),
    ]


def _failures(plan: PlanTable, table: Mapping[str, Any]) -> list:
    status = np.asarray(table["status"])
    bad = np.flatnonzero(status != OK)
    if not bad.size:
        return [Prose("Every run of the plan has a result.")]
    counts = ", ".join(f"{int((status == s).sum())} {s}" for s in dict.fromkeys(status[bad]))
    rows = []
    for i in bad[:MOST_FAILURES]:
        where = ", ".join(f"{f[0]} {text_of(table[f[0]][i])}" for f in plan.factors)
        rows.append(
            (str(status[i]), str(table["arm"][i]), str(table["replicate"][i]), where, str(table["message"][i])[:300])
        )
    heads = ("status", "arm", "patient", "values", "why")
    caption = f"The first {len(rows)} of them" if bad.size > len(rows) else ""
    return [
        Prose(
            f"{bad.size} of {len(status)}: {counts}. They are left out of every figure and number, never read as zero.",
            "warning",
        ),
        Table(heads, rows, caption, small=True),
    ]


def _warnings(digest: str, given: Mapping[str, Any]) -> list:
    warnings = list(given.get("warnings", ()))
    if digest != model_digest():
        warnings.append(
            f"The runs come from model {digest[:12]}; this installation is another one, so running the study "
            "again gives other numbers."
        )
    if not given:
        warnings.append("The store does not say what its arms were given: it was made by an earlier version.")
    return warning_blocks(warnings, "The study gave no warning.")


def _reproduce(folder: Path, plan: PlanTable, told: Mapping[str, Any], given: Mapping[str, Any], digest: str) -> list:
    name = plan.about["name"]
    versions = ", ".join(f"{k} {v}" for k, v in sorted(given.get("versions", {}).items()))
    blocks: list = [
        Prose("Save the study below as study.toml beside its base scenario; then this runs it, or what a store lacks:"),
        Code(f"tme-sim sweep study.toml --out stores/{name}\ntme-sim report stores/{name} --out {name}.html"),
        Prose("Every row of the store is checked against its checksum by:"),
        Code(f"tme-sim store verify {folder.name}"),
        Table(
            ("what", "value"),
            [
                ("digest of the plan", plan.digest),
                ("digest of the model", digest),
                ("made", str(told.get("made", ""))),
                ("versions", versions),
            ],
            small=True,
        ),
    ]
    if told["study"]:
        blocks.append(Code(told["study"], "The study"))
    return [*blocks, *scenario_codes(given.get("arms", {}))]
