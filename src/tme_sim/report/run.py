"""The report page of one run, from its record alone."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from tme_sim.definitions import DAYS_PER_MONTH, definition_of
from tme_sim.plots.figures import FIGURES
from tme_sim.plots.record import lesion_names, lesion_volumes, title_of
from tme_sim.plots.run import run_figures
from tme_sim.plots.style import COLOURS, DPI, unit_text
from tme_sim.plots.treatments import PROCEDURES, Treatments, treatments_of
from tme_sim.report.page import Calendar, CalendarRow, Code, Page, Picture, Prose, Section, Table
from tme_sim.report.sources import source_tables
from tme_sim.report.words import captions_of_panels, course, day_text, days_text, value_text

__all__ = ["calendar_of", "endpoint_tables", "run_page"]

INK_OF_PAGE = "var(--ink)"  # of embolisation, which is drawn in ink everywhere: readable on a dark page as well
HEADLINE = ("n_tace", "best_response_recist11", "best_response_mrecist", "depth", "ttp", "pfs", "os", "albi_d90")
CRITERIA = {"recist11": "RECIST 1.1", "mrecist": "mRECIST", "recicl": "RECICL"}


def run_page(run) -> Page:
    """The page of a :class:`tme_sim.results.Run`."""
    treatments = treatments_of(run)
    manifest = run.manifest
    about = manifest.get("scenario", {})
    facts = [
        ("scenario", str(about.get("name", "not named"))),
        ("time simulated", f"{day_text(round(float(run.time[0]), 2))} to {day_text(run.time[-1])}"),
        ("lesions", ", ".join(lesion_names(run))),
        ("TACE sessions", str(len(treatments.tace))),
        ("drugs", ", ".join(c.drug for c in treatments.courses) or "none"),
        ("version", str(manifest.get("versions", {}).get("tme_sim", "not stored"))),
    ]
    sections = [
        Section("answer", "In short", [Prose(_in_short(run, treatments), "lead")]),
        Section("calendar", "Protocol calendar", _calendar_blocks(run, treatments)),
        *_figure_sections(run, treatments),
        Section("endpoints", "Endpoints", [
            Prose("Times are days from day 0; names and definitions are the same in every part of tme_sim.", "note"),
            *endpoint_tables(run.summary)]),
        Section("warnings", "Warnings", _warnings(manifest)),
        Section("sources", "Sources and grades, weakest first", source_tables(manifest.get("sources", ())), "Sources"),
        Section("reproduce", "How to reproduce", _reproduce(run)),
    ]  # fmt: skip
    return Page(title_of(run), "Report of a simulated course", facts, sections)


# --- in words ---------------------------------------------------------------------------------------------------


def _in_short(run, treatments: Treatments) -> str:
    told = [f"{_given(treatments)}."]
    volumes = lesion_volumes(run)
    if volumes is not None:
        viable = volumes["viable"].sum(axis=1)
        told.append(f"Viable tumour: {course(run.time, viable, 'mL')}.")
    best = [
        f"{run.summary[key]} by {words}"
        for name, words in CRITERIA.items()
        if (key := f"best_response_{name}") in run.summary
    ]
    if best:
        told.append(f"Best response: {', '.join(best)}.")
    for key, event, otherwise in (
        ("ttp", "Progression is seen at {}", "No progression is seen by the last scan, {}"),
        ("os", "The patient dies at {}", "The patient is alive at the end, {}"),
    ):
        if key in run.summary and run.summary.get(key) is not None:
            words = event if run.summary.get(f"{key}_event") else otherwise
            told.append(words.format(day_text(float(run.summary[key]))) + ".")
    if "albi" in run:
        told.append(f"Liver function (ALBI score, higher is worse): {course(run.time, run['albi'])}.")
    return " ".join(t for t in told if t)


def _given(treatments: Treatments) -> str:
    parts = []
    if treatments.tace:
        parts.append(f"TACE on {days_text(treatments.tace)}")
    parts += [f"{c.drug} from {day_text(c.days[0])} ({len(c.days)} doses)" for c in treatments.courses]
    return f"Given: {'; '.join(parts)}" if parts else "Nothing was given"


# --- calendar ---------------------------------------------------------------------------------------------------


def calendar_of(run, treatments: Treatments) -> Calendar:
    """What was given and looked at, as rows over the time of the run."""
    begin, end = min(0.0, float(run.time[0])), float(run.time[-1])
    if begin > -1:
        begin = 0.0
    span = max(end - begin, 1e-9)

    def share(day: float) -> float:
        """Where a day lies between the ends, 0 to 1."""
        return float(np.clip((day - begin) / span, 0.0, 1.0))

    rows = []
    if treatments.tace:
        number = len(treatments.tace)
        rows.append(CalendarRow("TACE", f"{number} session{'s' * (number > 1)}", INK_OF_PAGE,
                                points=[share(d) for d in treatments.tace]))  # fmt: skip
    for kind, days in treatments.others:
        number = len(days)
        rows.append(CalendarRow(PROCEDURES[kind], f"{number} session{'s' * (number > 1)}", COLOURS[kind],
                                points=[share(d) for d in days]))  # fmt: skip
    for one in treatments.courses:
        bars = []
        for first, last in one.bars(end):  # a bar per dose, as far as the next one
            inside = [d for d in one.days if first <= d < last]
            bars += [(share(a), share(b)) for a, b in zip(inside, [*inside[1:], last], strict=True)]
        rows.append(CalendarRow(one.drug, " → ".join(one.doses), one.colour, bars=bars))
    if treatments.scans:
        rows.append(CalendarRow("scans", f"{len(treatments.scans)}", COLOURS["scan"],
                                points=[share(d) for d in treatments.scans]))  # fmt: skip
    unit, days = ("months", DAYS_PER_MONTH) if span > 200 else ("weeks", 7.0)
    step = next((s for s in (1, 2, 3, 4, 6, 12, 24, 48) if span / days / s <= 12), 96)
    first = int(np.ceil(begin / days / step)) * step
    ticks = [(share(k * days), f"{k:g}") for k in np.arange(first, end / days + 1e-9, step)]
    return Calendar(rows, ticks, f"{unit} from day 0")


def _calendar_blocks(run, treatments: Treatments) -> list:
    if not (treatments.any or treatments.scans):
        return [Prose("No treatment and no scan: the untreated course.")]
    blocks = [calendar_of(run, treatments), Prose("A bar is cut at each dose; a gap in it is a hold.", "note")]
    given: dict[tuple[str, str], list[float]] = {}
    scans = []
    for event in sorted(run.events, key=lambda e: float(e["day"])):
        if event["kind"] == "scan":
            scans.append(_scan_row(event))
        else:
            key = (str(event.get("treatment", event["kind"])), str(event.get("what", "")))
            given.setdefault(key, []).append(float(event["day"]))
    if given:
        rows = [(name, what, str(len(days)), days_text(days)) for (name, what), days in given.items()]
        blocks.append(Table(("planned as", "what", "times", "when"), rows, "Given", (2,), small=True))
    if scans:
        heads = ("day", "how", "sum, RECIST 1.1 (mm)", "sum, mRECIST (mm)", *CRITERIA.values())
        blocks.append(Table(heads, scans, "Scans: sums of diameters, and the response read", (0, 2, 3), small=True))
    return blocks


def _scan_row(event) -> tuple[str, ...]:
    sums = [f"{float(event[k]):.1f}" if _is_number(event.get(k)) else "" for k in ("sum_recist11", "sum_mrecist")]
    return (f"{float(event['day']):g}", str(event.get("what", "")), *sums, *(str(event.get(c, "")) for c in CRITERIA))


# --- figures ----------------------------------------------------------------------------------------------------


def _figure_sections(run, treatments: Treatments) -> list[Section]:
    drawn = run_figures(run)
    out = []
    for figure in FIGURES:
        if figure.name not in drawn:
            continue
        stream = io.BytesIO()
        drawn[figure.name].savefig(stream, format="png", dpi=DPI)
        courses = captions_of_panels(figure.panels(run, treatments))
        picture = Picture(stream.getvalue(), figure.caption, courses, figure.question)
        short = figure.name.replace("_", " ").replace("hif", "HIF").replace("vegf", "VEGF").replace("mdsc", "MDSC")
        out.append(Section(figure.name, figure.question, [picture], short.replace("tcells", "T cells")))
    return out


# --- tables -----------------------------------------------------------------------------------------------------


def endpoint_tables(summary: dict[str, Any]) -> list[Table]:
    """Endpoints with unit and definition: those of one number, the headline first; by criterion; by landmark day."""
    order = {name: i for i, name in enumerate(HEADLINE)}
    single: list[tuple[str, ...]] = []
    criteria: dict[str, dict[str, str]] = {}
    landmarks: dict[str, dict[int, str]] = {}
    for name in sorted((n for n, v in summary.items() if not isinstance(v, dict)), key=lambda n: (order.get(n, 99), n)):
        stem, _, end = name.rpartition("_")
        if end in CRITERIA and stem:
            criteria.setdefault(stem, {})[end] = _told(summary[name])
        elif end[:1] == "d" and end[1:].isdigit() and stem:
            landmarks.setdefault(stem, {})[int(end[1:])] = _told(summary[name])
        else:
            single.append((name, _told(summary[name]), *_unit_and_words(name)))
    tables = [Table(("endpoint", "value", "unit", "definition"), single, numeric=(1,))] if single else []
    if criteria:
        ends = [c for c in CRITERIA if any(c in values for values in criteria.values())]
        rows = [(stem, *(values.get(c, "") for c in ends), _unit_and_words(f"{stem}_{next(iter(values))}")[1])
                for stem, values in criteria.items()]  # fmt: skip
        caption = f"By criterion; in the files the name ends in {', '.join(f'_{c}' for c in ends)}"
        tables.append(Table(("endpoint", *(CRITERIA[c] for c in ends), "definition"), rows, caption))
    if landmarks:
        days = sorted({day for values in landmarks.values() for day in values})
        rows = [(stem, *(values.get(day, "") for day in days), *_unit_and_words(f"{stem}_d{next(iter(values))}"))
                for stem, values in sorted(landmarks.items())]  # fmt: skip
        heads = ("endpoint", *(f"day\N{NO-BREAK SPACE}{day}" for day in days), "unit", "definition")
        caption = f"On landmark days N; in the files the name ends in _dN, like {rows[0][0]}_d{days[0]}"
        tables.append(Table(heads, rows, caption, numeric=tuple(range(1, len(days) + 1))))
    return tables


def _told(value: object) -> str:
    return "none" if value in (None, "") else value_text(value) if isinstance(value, (int, float)) else str(value)


def _unit_and_words(name: str) -> tuple[str, str]:
    """Unit, nothing for plain numbers and words, and definition of an endpoint."""
    known = definition_of(name)
    if known is None:
        return "", ""
    return "" if known.unit in ("text", "1", "0 or 1") else unit_text(known.unit), known.text.replace("`", "")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _warnings(manifest: dict) -> list:
    warnings = [Prose(str(w), "warning") for w in manifest.get("warnings", ())]
    own = manifest.get("own_mechanisms") or {}
    if own:
        warnings.append(Prose(f"Made with mechanism files outside the package: {', '.join(own)}.", "warning"))
    return warnings or [Prose("The run gave no warning.")]


def _calibration(manifest: dict) -> list[tuple[str, str]]:
    """Which member of which calibration the run followed, if any."""
    found = manifest.get("posterior")
    return [("calibration", f"{found['name']} ({found['digest'][:12]}), member {found['member']}")] if found else []


def _reproduce(run) -> list:
    manifest = run.manifest
    versions = ", ".join(f"{k} {v}" for k, v in sorted(manifest.get("versions", {}).items()))
    name = run.folder.name if run.folder else "RUN"
    return [
        Prose("The run folder holds all that decided the run. This runs it again and compares every byte:"),
        Code(f"tme-sim rerun {name}/manifest.json"),
        Prose("Without the folder, save the scenario below as scenario.toml:"),
        Code("tme-sim run scenario.toml"),
        Table(("what", "value"), [
            ("scenario digest", str(manifest.get("scenario", {}).get("digest", ""))),
            ("model digest", str(manifest.get("model_digest", ""))),
            ("seed", str(manifest.get("seed", ""))),
            *_calibration(manifest),
            ("versions", versions),
        ], small=True),
        Code(run.scenario_text, "The resolved scenario"),
    ]  # fmt: skip
