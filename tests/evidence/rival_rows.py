"""Rows of the board under a registered hypothesis, beside those of the default: the same observation, tolerance and source.

Each hypothesis was tried on every row that it bears on, whether it mends or spoils it.  A row whose observation shaped a
number of the hypothesis is fitted there, whatever it is by default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

REACH = {"tace.reach": "drawn"}
BY_SIZE = {"tace.reach": "by size"}
MARGIN = {"tumour.resorption": "margin"}
FRONT = {"tumour.resorption": "front"}
REPAIR = {"liver.repair": "weeks"}
COHORT = BY_SIZE | FRONT | REPAIR  # of what virtual patients follow, what concerns embolisation
EMBOLISED = ("necrosis", "explants", "response_by_size", "first_session", "recurrence", "three_sessions", "infusion")
FAST = {"vegf.clearance": "fast"}
BESIDE = {"killing.bystander": "fas"}
KEPT = {"angiogenesis.escape": "kept"}
DEAD = {"drugs.death": "necrosis"}
SIGNS = {"liver.points": "signs"}
VEGF = ("VEGF 24 h conventional", "VEGF 24 h beads", "VEGF 24 h starch", "VEGF 4 weeks conventional", "VEGF 4 weeks beads",
        "VEGF 4 weeks starch", "VEGF at 5 weeks", "plasma VEGF peak", "serum VEGF peak")  # fmt: skip
BLOOD = (*VEGF, "MDSC after TACE", "MDSC in responders, day 10", "MDSC in responders, day 30", "NLR after TACE", "IL-6 on day 7")  # fmt: skip
SIZE = ("necrosis superselective", "necrosis lobar", "necrosis by size", "necrosis above 90 %", "response FOLFOX by the artery",
        "response TACE, large", "first session PR", "first session SD")  # fmt: skip
CHECKPOINT = ("nivolumab", "pembrolizumab", "durvalumab", "atezolizumab", "atezolizumab and bevacizumab")


@dataclass(frozen=True)
class Rival:
    """A hypothesis on the board: `short` for names, `words` for the page, `fitted` rows that shaped a number of it."""

    short: str
    words: str
    hypotheses: Mapping[str, str]
    bears_on: Callable
    fitted: tuple[str, ...] = ()


def _reached(row) -> bool:
    """Whether what a session reaches bears on a row."""
    return row.experiment in EMBOLISED and "FOLFOX" not in row.name and "rabbit" not in row.name and row.argument != "starch"


LOBAR, LARGE = "complete necrosis lobar", "response TACE, large"
RIVALS = (
    Rival("drawn reach", "what a session reaches is drawn", REACH, _reached, (LOBAR,)),
    Rival("reach by size", "what a session reaches is drawn, further in small lesions", BY_SIZE, _reached, (LOBAR,)),
    Rival("slow resorption", "necrosis goes from its margin", MARGIN, lambda r: r.name in SIZE),
    Rival("front", "necrosis goes by a front, slowly in large lesions", FRONT, lambda r: r.name in SIZE, (LARGE,)),
    Rival("drawn reach, slow resorption", "reach is drawn and necrosis goes from its margin", REACH | MARGIN,
          lambda r: r.name in SIZE and "FOLFOX" not in r.name),
    Rival("repair", "liver in repair and platelets give VEGF", REPAIR, lambda r: r.name in BLOOD),
    Rival("VEGF in minutes", "VEGF leaves plasma in minutes", FAST, lambda r: r.name in VEGF),
    Rival("repair, VEGF in minutes", "liver in repair gives VEGF that leaves plasma in minutes", REPAIR | FAST,
          lambda r: r.name in VEGF),
    Rival("as in cohorts", "reach by size, resorption by a front and liver in repair", COHORT,
          lambda r: _reached(r) or r.name in SIZE or r.name in BLOOD, (LOBAR, LARGE)),
    Rival("bystanders", "antigen-low cells die beside cells that T cells kill", BESIDE,
          lambda r: r.experiment in ("systemic", "systemic_by_antigenicity") and r.argument in CHECKPOINT),
    Rival("kept escape", "the escape from a VEGF block lasts as long as the block", KEPT,
          lambda r: r.experiment in ("systemic_by_potency", "systemic_at_low_end")),
    Rival("drugs leave necrosis", "most of what cytotoxic drugs kill stays as necrosis", DEAD,
          lambda r: r.name == "response FOLFOX by the artery"),
    Rival("signs", "ascites and prothrombin time make points", SIGNS, lambda r: r.name == "Child-Pugh A to B"),
)  # fmt: skip
"""The last four were run on every row of densities; rows that they move by less than their noise are told in docs/misses.md."""

SATELLITES, RIMS = "recurrence_by_satellites", "thin_rims"
DIFFERING = {
    "systemic_by_antigenicity": ("own antigenicity", "patients differ in what T cells see", CHECKPOINT),
    "systemic_by_addiction": (
        "own addiction", "a quarter of tumours divide only through the kinases blocked, half at 10 nM",
        ("lenvatinib", "sorafenib")),
    "systemic_by_potency": ("own potency", "patients differ in potency, from 0.7 to 10 nM", ("lenvatinib",)),
    "systemic_at_low_end": (
        "0.7 nM", "0.7 nM, the low end of its range, block half of VEGF signalling", ("lenvatinib",)),
}  # fmt: skip
"""Experiments in which patients, or a drug, differ from the default: name, words of a row, drugs."""


def _under_rivals(rows: Iterable, link: str) -> list:
    """Rows under each of :data:`RIVALS` that bears on them; `link` goes before the words of the rival."""
    return [
        replace(r, name=f"{r.name}, {rival.short}", observation=f"{r.observation}, {link} {rival.words}",
                hypotheses=rival.hypotheses, role="fitted" if r.name in rival.fitted else r.role)
        for rival in RIVALS for r in rows if not r.hypotheses and rival.bears_on(r)
    ]  # fmt: skip


def rival_rows(rows: Iterable) -> list:
    """The rows that :data:`RIVALS` bear on, under each of them; then drugs in patients who differ more, also under rivals."""
    rows = list(rows)
    out = _under_rivals(rows, "if")
    by_drug = {(r.argument, r.quantity): r for r in rows if r.experiment == "systemic" and not r.hypotheses}
    differing = [replace(r, name=f"{r.name}, {short}", observation=f"{r.observation}, if {words}", experiment=experiment)
                 for experiment, (short, words, drugs) in DIFFERING.items()
                 for (drug, _), r in by_drug.items() if drug in drugs]  # fmt: skip
    out += differing + _under_rivals(differing, "and")
    for experiment, short, words, of in (
        (SATELLITES, "satellites", "a fifth have satellites", ("recurrence",)),
        (RIMS, "thin rims", "what lives is a rim, unseen below 1 mm", ("recurrence", "response_by_size")),
    ):
        for tail, more, choice in (("", "", {}), (", drawn reach", " and reach is drawn", REACH)):
            out += [replace(r, name=f"{r.name}, {short}{tail}", observation=f"{r.observation}, if {words}{more}",
                            hypotheses=choice, experiment=experiment) for r in rows if r.experiment in of]  # fmt: skip
    return out
