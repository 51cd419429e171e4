"""What every endpoint is: names, unit and definition, the one source of the table in ``docs/endpoints.md``.

`_dN` stands for the landmark days.  ``python -m tme_sim.definitions`` prints the table as it stands in the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "DAYS_PER_MONTH", "DEFINITIONS", "HEADLINES", "Definition", "definition_of", "headlines", "table_text", "unit_of",
]  # fmt: skip

DAYS_PER_MONTH = 30.4375  # as in `quantities`: a twelfth of 365.25 days
HEADLINES = ("ttp", "best_response_mrecist", "depth", "viable_fraction_d90", "albi_d90")  # what a run is summed up by


@dataclass(frozen=True)
class Definition:
    """Endpoints that share a definition (Markdown text, with names in backquotes), and their unit."""

    names: tuple[str, ...]
    unit: str
    text: str


DEFINITIONS = (
    Definition(
        ("n_tace",),
        "1",
        "TACE sessions given within the run and before death, without those of therapy after progression",
    ),
    Definition(
        (
            "best_response_recist11",
            "best_response_mrecist",
            "best_response_recicl",
        ),
        "text",
        "best response after baseline and up to first progression: CR, PR, SD, PD, or NE",
    ),
    Definition(
        (
            "cr_recist11",
            "cr_mrecist",
            "cr_recicl",
        ),
        "0 or 1",
        "best response is complete: every lesion ever seen is gone; RECICL: nothing viable in any (TE4)",
    ),
    Definition(
        (
            "pr_recist11",
            "pr_mrecist",
            "pr_recicl",
        ),
        "0 or 1",
        "best response is partial: sum of target diameters at least 30 % below baseline; RECICL: viable area "
        "at least halved (TE3)",
    ),
    Definition(
        (
            "sd_recist11",
            "sd_mrecist",
            "sd_recicl",
        ),
        "0 or 1",
        "best response is stable disease (RECICL: TE2)",
    ),
    Definition(
        (
            "pd_recist11",
            "pd_mrecist",
            "pd_recicl",
        ),
        "0 or 1",
        "best response is progression (RECICL: TE1)",
    ),
    Definition(
        (
            "orr_recist11",
            "orr_mrecist",
            "orr_recicl",
        ),
        "0 or 1",
        "objective response: complete or partial",
    ),
    Definition(
        (
            "dcr_recist11",
            "dcr_mrecist",
            "dcr_recicl",
        ),
        "0 or 1",
        "disease control: complete, partial or stable",
    ),
    Definition(
        ("depth",),
        "1",
        "smallest sum of target diameters up to first progression over baseline, less 1; negative is shrinkage",
    ),
    Definition(
        ("dor",),
        "day",
        "first response to progression, death or the last visit; 0 without response",
    ),
    Definition(
        ("ttp",),
        "day",
        "first progression; otherwise the last visit",
    ),
    Definition(
        ("ttp_event",),
        "0 or 1",
        "1 if progression was seen",
    ),
    Definition(
        ("pfs",),
        "day",
        "first progression or death; otherwise the last visit",
    ),
    Definition(
        ("pfs_event",),
        "0 or 1",
        "1 if there was either",
    ),
    Definition(
        ("first_pd",),
        "text",
        "what `pfs` ended with: `existing_intrahepatic`, `new_intrahepatic` (new liver lesions or new "
        "vascular invasion), `extrahepatic`, `death`; empty without an event. Of several seen at one visit "
        "the gravest, in this order",
    ),
    Definition(
        ("tace_pfs",),
        "day",
        "untreatable progression, TACE refractoriness (JSH-LCSGJ) or death; otherwise the last visit",
    ),
    Definition(
        ("tace_pfs_event",),
        "0 or 1",
        "1 if there was one of them",
    ),
    Definition(
        ("untaceable",),
        "day",
        "untreatable (unTACEable) progression: growth of the targets' area by more than 25 % over baseline, "
        "new vascular invasion, extrahepatic spread, or Child-Pugh C; otherwise the last visit",
    ),
    Definition(
        ("untaceable_event",),
        "0 or 1",
        "1 if it was seen",
    ),
    Definition(
        ("os",),
        "day",
        "death from any cause; otherwise the end of the run",
    ),
    Definition(
        ("os_event",),
        "0 or 1",
        "1 if the patient died",
    ),
    Definition(
        ("resectable",),
        "0 or 1",
        "some visit found Child-Pugh A, no vascular invasion, nothing outside the liver, at most three viable"
        " lesions, no infiltrative margin, and a remnant of 40 % of the liver with margins of 10 mm",
    ),
    Definition(
        ("resectable_day",),
        "day",
        "first such visit, the baseline included; empty without one",
    ),
    Definition(
        ("resectable_until",),
        "day",
        "last such visit; empty without one",
    ),
    Definition(
        ("burden_dN",),
        "mL",
        "viable tumour volume of all lesions on day N",
    ),
    Definition(
        ("viable_fraction_dN",),
        "1",
        "viable tumour on day N over day 0",
    ),
    Definition(
        ("albi_dN",),
        "1",
        "ALBI score on day N (lower is better; grade 2 from -2.60, grade 3 from -1.39)",
    ),
    Definition(
        ("child_pugh_dN",),
        "1",
        "Child-Pugh points on day N, as a smooth sum from 5",
    ),
    Definition(
        ("survival_dN",),
        "1",
        "probability to live on day N",
    ),
    Definition(
        ("afp_ratio_dN",),
        "1",
        "alpha-fetoprotein in blood on day N over day 0",
    ),
    Definition(
        ("vegf_ratio_dN",),
        "1",
        "plasma VEGF, free and bound to drug as common assays see it, on day N over day 0",
    ),
)

_LANDMARK = re.compile(r"_d\d+$")


def definition_of(name: str) -> Definition | None:
    """The definition of an endpoint of a run, like ``albi_d90``; None for a name that has none."""
    wanted = (name, _LANDMARK.sub("_dN", name))
    return next((d for d in DEFINITIONS if any(w in d.names for w in wanted)), None)


def unit_of(name: str) -> str:
    """Unit of an endpoint; "" for a plain number, a text, and what has no definition."""
    found = definition_of(name)
    return found.unit if found is not None and found.unit not in ("1", "text") else ""


def headlines(summary: Mapping[str, Any]) -> dict[str, str]:
    """The headline endpoints that a summary holds, with units, and ``> 728 day`` for what had not happened."""
    out = {}
    for name in HEADLINES:
        value = summary.get(name)
        if value is None:
            continue
        number = isinstance(value, (int, float))
        unseen = number and value != value  # the change of what no scan has seen again
        told = "not yet measured" if unseen else f"{value:g}" if number else str(value)
        later = "> " if summary.get(f"{name}_event") == 0 else ""
        out[name] = f"{later}{told} {unit_of(name)}".rstrip()
    return out


def table_text() -> str:
    """The rows of the table in Markdown."""
    return "".join(f"| {', '.join(f'`{n}`' for n in d.names)} | {d.unit} | {d.text} |\n" for d in DEFINITIONS)


if __name__ == "__main__":
    print(table_text(), end="")
