"""Rows of agent tissue; :mod:`tests.evidence.rows` says what a row is."""

from __future__ import annotations

VX2 = "https://pmc.ncbi.nlm.nih.gov/articles/PMC4698187 (rabbit VX2)"
EXPLANT = "doi:10.1002/hep.24246 (122 nodules, explants)"
BEADS = "doi:10.1016/j.jhep.2011.03.024 (explants)"
SCAN = "no observation: another solver, one pattern of 150 vessels/mm2 with an uptake of 8 mmHg/s"
WIDER = "binomial 95 % interval, half as wide again: definitions or times differ"
BELOW = (
    ("before", "before embolisation", 47.0, 9.0),
    ("short of stasis", "after embolisation short of stasis (37 % of vessels lost)", 85.0, 37.0),
    ("to stasis", "after embolisation to stasis (56 % of vessels lost)", 95.0, 60.0),
)  # fmt: skip
NECROSIS = (
    ("mean superselective", "Necrosis of pieces after superselective TACE, mean", "75.1", 63.0, 87.0),
    ("mean lobar", "Necrosis of pieces after lobar TACE, mean", "52.8", 41.0, 65.0),
    ("complete superselective", "Pieces without viable cells, superselective", "53.8", 36.0, 72.0),
    ("complete lobar", "Pieces without viable cells, lobar", "29.8", 12.0, 48.0),
)


def agent_rows(Row) -> tuple:
    """The rows of the fidelity `agents`."""
    more = {"fidelity": "agents"}
    return (
        Row("tissue liver oxygen", "Mean oxygen of the liver around a nodule", "about 30", 25.0, 35.0, "mmHg",
            "https://pmc.ncbi.nlm.nih.gov/articles/PMC4064601 (table 2)", "end of the perivenous range either way",
            "input check", "nodule_oxygen", "liver", **more),
        Row("tissue tumour oxygen", "Mean oxygen of an untreated nodule in liver", "6 to 10; severe hypoxia not proven", 6.0,
            25.0, "mmHg", "https://pmc.ncbi.nlm.nih.gov/articles/PMC4064601 (table 2; four patients)", "range accepted",
            "fitted", "nodule_oxygen", "tumour", **more),
        Row("tissue oxygen contrast", "Oxygen of liver over that of the tumour in it", "3 to 5", 1.2, 6.0, "fold",
            "https://pmc.ncbi.nlm.nih.gov/articles/PMC4064601 (table 2; four patients)", "from the ranges of both",
            "fitted", "nodule_oxygen", "ratio", **more),
        *(
            Row(f"tissue {mark} below {edge:g} {name}", f"Area below {edge:g} mmHg {words}, {mark}s", f"{value:g}",
                max(0.0, value - 15.0), min(100.0, value + 15.0), "%", SCAN, "fifteen points", "input check",
                "tissue_oxygen", f"{mark} below {edge:g} {name}", **more)
            for mark in ("section", "cube") for name, words, *values in BELOW
            for edge, value in zip((10.0, 2.5), values, strict=True)
        ),
        Row("tissue rim after stasis", "Vessels left open after stasis that lie at the rim (40 % of the area)",
            "mainly peripheral", 50.0, 100.0, "%", VX2, "more than half", "input check", "tissue_oxygen",
            "section rim to stasis", **more),
        *(
            Row(f"tissue necrosis {name}", words, observed, low, high, "%", EXPLANT, f"{WIDER} (ours: six pieces, two "
                "months on)", "predicted", "pieces_necrosis", name, **more)
            for name, words, observed, low, high in NECROSIS
        ),
        Row("tissue doxorubicin early", "Doxorubicin at depots of beads, 8 h", "5 (range 2 to 10)", 2.0, 10.0, "umol/L",
            BEADS, "spread of the source", "input check", "depots", "8 h", **more),
        Row("tissue doxorubicin late", "Doxorubicin at depots of beads, 30 days", "0.65", 0.3, 1.3, "umol/L", BEADS,
            "twofold", "fitted", "depots", "30 d", **more),
        Row("tissue doxorubicin gone", "Doxorubicin at depots of beads, 105 days", "gone", 0.0, 0.05, "umol/L",
            "peers' account of the same explants", "a hundredth of the early level: the limit of detection is not given",
            "predicted", "depots", "105 d", **more),
        Row("tissue doxorubicin reach", "Distance to which a tenth of doxorubicin reaches around a depot, 8 h",
            "0.6 (0.2 to 1.2)", 0.2, 1.2, "mm", BEADS, "range of the source", "input check", "depots", "reach", **more),
        Row("tissue T cells in stroma", "CD8 density at places without a tumour cell over those with one", "about 2", 1.5,
            3.0, "fold", "doi:10.3892/ol.2014.2516", "half as much either way", "predicted", "t_cells",
            "stroma over tumour", **more),
        Row("tissue T cells stall", "Movement of CD8 cells at 2 mmHg over that at 30 mmHg", "stalls below 5 mmHg", 0.0, 0.2,
            "fold", "doi:10.1186/s40425-019-0543-y (mouse)", "a fifth", "input check", "stalling", "stalled", **more),
        Row("tissue T cells recover", "Movement of CD8 cells once oxygen is back, over before", "resumes", 0.8, 1.2, "fold",
            "doi:10.1186/s40425-019-0543-y (mouse)", "a fifth", "input check", "stalling", "recovered", **more),
    )  # fmt: skip
