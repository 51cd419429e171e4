"""The rows of the board: what was observed, where, within what tolerance, and what of the model stands against it.

Roles: "input check" shows that a number which went into the model comes out again; "fitted" rows shaped a value of the
model, so agreement is no evidence; "predicted" rows shaped none.  Tolerances are those of the source (interval, spread or
range) where it gives one; otherwise the binomial 95 % interval of its patients, widened by half where definitions or times
differ from ours.  They are never set by what the model gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.evidence.rival_rows import rival_rows
from tests.evidence.tissue_rows import agent_rows

ROLES = ("input check", "fitted", "predicted")
FIDELITIES = ("density", "agents")


@dataclass(frozen=True)
class Row:
    """One observation.

    `experiment` names a function of the board (with `argument`, if any), `quantity` what of it is compared; `low` and
    `high` bound what counts as met.  `hypotheses` are choices other than the default.
    """

    name: str
    observation: str
    observed: str
    low: float
    high: float
    unit: str
    source: str
    tolerance: str
    role: str
    experiment: str
    quantity: str
    argument: str = ""
    hypotheses: Mapping[str, str] = field(default_factory=dict)
    fidelity: str = "density"

    def met(self, figure: float) -> bool:
        """Whether a figure lies within the tolerance; one that could not be formed does not."""
        return self.low <= figure <= self.high


JCTH = "doi:10.14218/JCTH.2016.00058 (22 patients, 30 sessions)"
THIRTY = "wide: thirty sessions"
VX2 = "https://pmc.ncbi.nlm.nih.gov/articles/PMC4698187 (rabbit VX2)"
VX2_HIF = "https://pmc.ncbi.nlm.nih.gov/articles/PMC2613192 (rabbit VX2)"
MANCUSO = "doi:10.1172/JCI24612 (mouse, two VEGFR inhibitors)"
EXPLANT = "doi:10.1002/hep.24246 (122 nodules, explants)"
AGAIN = "World J Gastroenterol 2014;20:6995 (134 patients after a first complete response)"
BY_SIZE = "Liver Cancer 2021;10:522 (mRECIST presumed)"
SPREAD = "spread of the source"
BINOMIAL = "binomial 95 % interval"
WIDER = "binomial 95 % interval, half as wide again: definitions or times differ"
RESECTION = "https://pmc.ncbi.nlm.nih.gov/articles/PMC6381172 (high-MDSC subgroup, 7.75 to 1.51 %)"
CONVENTIONAL_MDSC = "https://pmc.ncbi.nlm.nih.gov/articles/PMC6886785 (standardised difference -0.25, -0.57 to 0.06)"
DIG_DIS = "Dig Dis 2017;35:602 (212 patients of stage B, Child-Pugh A)"
CANCERS = "doi:10.3390/cancers13174325 (stage B)"
LI = "J Clin Oncol 2022;40:150 (159 and 156 patients, RECIST 1.1; response from a report, not the paper)"
CALM = "Gut 2021, doi:10.1136/gutjnl-2020-321040 (1 374 untreated lesions)"

KINETICS = (
    "apatinib", "atezolizumab", "bevacizumab", "brivanib", "camrelizumab", "doxorubicin", "durvalumab", "fluorouracil",
    "ipilimumab", "lenvatinib", "nivolumab", "orantinib", "oxaliplatin", "pembrolizumab", "sintilimab", "sorafenib",
    "toripalimab", "tremelimumab",
)  # fmt: skip

DEFAULT_ROWS: tuple[Row, ...] = (
    # --- what went in comes out ---
    *(
        Row(f"kinetics of {drug}", f"Published half-life, exposure or accumulation of {drug}", "at most 1", 0.0, 1.0,
            "tolerances", f"[published] of src/tme_sim/therapies/drugs/{drug}.toml", "those of the drug file; largest deviation",
            "input check", "kinetics", drug)
        for drug in KINETICS
    ),
    Row("perfusion lost to stasis", "Arterial perfusion lost, HCC embolised whole", "1 - 4.4 / 36.9 = 88", 72.0, 98.0, "%",
        "https://pmc.ncbi.nlm.nih.gov/articles/PMC9028792 (52 patients, perfusion CT)",
        "spread of the source; what stayed perfused stands for before", "input check", "emboli", "stasis"),
    Row("perfusion lost during TACE", "Perfusion lost during TACE of HCC (taken as short of stasis)", "61.0", 48.3, 73.6, "%",
        "https://pmc.ncbi.nlm.nih.gov/articles/PMC2885358 (22 tumours, transcatheter MRI)", "95 % interval of the source",
        "input check", "emboli", "short of stasis"),
    Row("vessels lost to stasis", "Perfused vessels lost, rabbits embolised to stasis (the rival of HCC)", "56 (8)", 40.0, 72.0,
        "%", VX2, "twice the printed spread, which may be a standard error", "input check", "emboli", "rabbit stasis"),
    Row("vessels lost short of stasis", "Perfused vessels lost, rabbits embolised short of stasis (the rival of HCC)", "37 (9)",
        19.0, 55.0, "%", VX2, "twice the printed spread", "input check", "emboli", "rabbit short of stasis"),
    Row("gelatin early", "Gelatin closes as much on day 2 as at first", "no resorption", 90.0, 100.0, "% closed",
        "doi:10.3109/13645706.2012.719909 (beagle)", "a tenth", "input check", "emboli", "conventional day 2"),
    Row("gelatin late", "Gelatin is gone by day 28", "all resorbed", 0.0, 10.0, "% closed",
        "doi:10.3109/13645706.2012.719909 (beagle)", "a tenth", "input check", "emboli", "conventional day 28"),
    Row("beads late", "Beads still close on day 28", "permanent", 75.0, 100.0, "% closed", "doi:10.3348/kjr.2018.0088",
        "a quarter: the value is not given", "input check", "emboli", "beads day 28"),
    Row("beads early tissue level", "Doxorubicin in tissue near beads, 8 h", "5 (range 2 to 10)", 2.0, 10.0, "umol/L",
        "doi:10.1016/j.jhep.2011.03.024 (explants)", SPREAD, "input check", "beads", "8 h"),
    Row("beads late tissue level", "Doxorubicin in tissue near beads, 30 days", "0.65", 0.3, 1.3, "umol/L",
        "doi:10.1016/j.jhep.2011.03.024 (explants)", "twofold", "fitted", "beads", "30 d"),
    Row("AFP half-life", "Half-life of AFP once its source is gone", "5 (3.5 to 7)", 3.5, 7.0, "day",
        "https://www.oncology.ox.ac.uk/publications/975497", "range of the source", "input check", "resection", "afp half-life"),
    Row("fast growth", "Untreated lesions that double within 3 months", "35.0", 30.0, 40.0, "%", CALM,
        "five points: pooled cohorts", "input check", "untreated", "fast"),
    Row("intermediate growth", "Untreated lesions that double in 3 to 9 months", "27.4", 22.4, 32.4, "%", CALM,
        "five points", "input check", "untreated", "intermediate"),
    Row("indolent growth", "Untreated lesions that double in more than 9 months", "37.6", 32.6, 42.6, "%", CALM,
        "five points", "input check", "untreated", "indolent"),
    *(
        Row(f"zone of {name}", f"Lesions {words} that one {name} treatment ablates whole", f"{value:g}", value - 10.0, 100.0, "%",
            source, "ten points", "input check", "zones", name)
        for name, words, value, source in (
            ("radiofrequency", "up to 30 mm", 95.0, "doi:10.1245/s10434-016-5527-2"),
            ("microwave", "of 30 to 50 mm", 93.0, "https://pmc.ncbi.nlm.nih.gov/articles/PMC4356920 (182 patients)"),
        )
    ),
    # --- oxygen, HIF, vessels ---
    Row("HIF in ten minutes", "HIF-1alpha positive nuclei 10 min after embolisation, over before", "41 / 23 % = 1.78", 1.3,
        2.4, "fold", VX2_HIF, "errors of both shares", "fitted", "hypoxia", "10 min"),
    Row("HIF in two hours", "HIF-1alpha positive cells 2 h after embolisation, over controls", "19 / 12 % = 1.58", 1.0, 2.2,
        "fold", "Rhee et al., J Vasc Interv Radiol (rabbit VX2)", "errors of both shares", "predicted", "hypoxia", "2 h"),
    Row("HIF-1 peak", "HIF-1alpha is highest hours after oxygen falls", "4 (1 to 8)", 1.0, 8.0, "hour",
        "https://pmc.ncbi.nlm.nih.gov/articles/PMC9730601 (endothelial cells)", "range of the table", "fitted", "hypoxia",
        "peak hour"),
    Row("vessels lost under VEGF block", "Vessels lost in 7 days of VEGFR block", "50 to 60", 45.0, 65.0, "%", MANCUSO,
        "five points", "fitted", "pruning", "lost"),
    Row("vessels regrown", "Vessels 7 days after the block ends, over before", "full", 85.0, 115.0, "%", MANCUSO,
        "fifteen points", "fitted", "pruning", "regrown"),
    Row("window opens", "Start of the normalisation window under anti-VEGF", "1 to 4", 1.0, 4.0, "day",
        "PMID 15607960 (mouse glioma; days not in the abstract)", "range of the table", "fitted", "normalisation", "opens"),
    Row("window closes", "End of the normalisation window under lenvatinib 12 mg", "5 to 14", 5.0, 14.0, "day",
        "PMID 15607960 (mouse glioma; days not in the abstract)", "range of the table", "predicted", "normalisation", "closes"),
    Row("oxygen in the window", "Oxygen of the tumour rises in the first week of anti-VEGF", "up", 1.05, 5.0, "fold",
        "PMID 15607960 (mouse glioma)", "direction; a twentieth", "predicted", "normalisation", "oxygen"),
    Row("window closes, fixed window", "End of the window if it opens once, for a fixed time", "5 to 14", 5.0, 14.0, "day",
        "PMID 15607960 (mouse glioma; days not in the abstract)", "range of the table", "predicted", "normalisation", "closes",
        hypotheses={"normalisation.window": "fixed"}),
    Row("best dose for vessels", "An intermediate lenvatinib dose normalises most", "intermediate", 1.0, 100.0, "mg/day",
        "doi:10.3389/fimmu.2023.1212577 (mouse HCC, three doses)", "inside 0.5 to 192 mg", "predicted", "normalisation",
        "best dose"),
    Row("best dose for T cells", "An intermediate lenvatinib dose brings most CD8 cells", "intermediate", 1.0, 100.0, "mg/day",
        "doi:10.3389/fimmu.2023.1212577 (mouse HCC, three doses)", "inside 0.5 to 192 mg", "predicted", "normalisation",
        "best dose CD8"),
    # --- VEGF in blood ---
    Row("VEGF 24 h conventional", "Serum VEGF 24 h after lipiodol TACE", "164", 120.0, 220.0, "% of start", JCTH, THIRTY,
        "fitted", "embolised", "serum 24 h conventional"),
    Row("VEGF 24 h beads", "Serum VEGF 24 h after beads", "114", 85.0, 143.0, "% of start", JCTH, THIRTY, "fitted",
        "embolised", "serum 24 h beads"),
    Row("VEGF 24 h starch", "Serum VEGF 24 h after starch microspheres", "121", 90.0, 151.0, "% of start", JCTH, THIRTY,
        "fitted", "embolised", "serum 24 h starch"),
    Row("VEGF 4 weeks conventional", "Serum VEGF 4 weeks after lipiodol TACE", "170", 120.0, 220.0, "% of start", JCTH,
        THIRTY, "predicted", "embolised", "serum 4 weeks conventional"),
    Row("VEGF 4 weeks beads", "Serum VEGF 4 weeks after beads", "123", 98.0, 148.0, "% of start", JCTH, THIRTY, "predicted",
        "embolised", "serum 4 weeks beads"),
    Row("VEGF 4 weeks starch", "Serum VEGF 4 weeks after starch microspheres", "124", 99.0, 149.0, "% of start", JCTH,
        THIRTY, "predicted", "embolised", "serum 4 weeks starch"),
    Row("VEGF at 5 weeks", "VEGF is up in patients with residual tumour 32 to 40 days after TACE", "up", 1.05, 3.0, "fold",
        "PMID 24029570 (22 patients)", "direction; a twentieth", "predicted", "embolised", "serum day 36"),
    Row("plasma VEGF peak", "Plasma VEGF is highest on day 1 of 1, 3, 7 and 30", "1", 1.0, 1.0, "day", "PMID 15334691",
        "the day sampled", "predicted", "embolised", "plasma peak"),
    Row("serum VEGF peak", "Serum VEGF is highest on day 7 of 1, 3, 7 and 30", "7", 7.0, 7.0, "day",
        "a serum cohort, against the plasma one: https://discovery.researcher.life (VEGF in patients with HCC)",
        "the day sampled", "predicted", "embolised", "serum peak"),
    Row("total VEGF under bevacizumab", "Total plasma VEGF rises under bevacizumab", "1 to 4", 1.0, 4.0, "fold",
        "https://pmc.ncbi.nlm.nih.gov/articles/PMC3058319", "range of the table", "predicted", "bevacizumab", "total"),
    Row("free VEGF under bevacizumab", "Free plasma VEGF falls under bevacizumab", "below 1", 0.0, 0.95, "fold",
        "https://pmc.ncbi.nlm.nih.gov/articles/PMC3058319", "direction", "predicted", "bevacizumab", "free"),
    Row("total VEGF, fast clearance", "Total plasma VEGF under bevacizumab if VEGF leaves plasma in minutes", "1 to 4", 1.0, 4.0, "fold",
        "https://pmc.ncbi.nlm.nih.gov/articles/PMC3058319", "range of the table", "predicted", "bevacizumab", "total",
        hypotheses={"vegf.clearance": "fast"}),
    # --- myeloid cells, T cells, blood ---
    Row("MDSC after resection", "MDSC of blood a month after resection, over before", "0.19", 0.1, 0.5, "fold", RESECTION,
        "upwards wide: a high subgroup falls to the mean", "predicted", "resection", "mdsc"),
    Row("MDSC after TACE", "TACE alone does not clear MDSC from blood (4 weeks, over before)", "0.85 (0.66 to 1.04)", 0.65,
        1.05, "fold", CONVENTIONAL_MDSC, "its interval; a coefficient of variation of 0.6 is assumed", "predicted", "embolised",
        "mdsc day 28 conventional"),
    *(
        Row(f"MDSC half-life{words}", f"MDSC leave within 13 days, as their fall after resection says{words}", "at most 13", 0.0,
            13.0, "day", "https://pmc.ncbi.nlm.nih.gov/articles/PMC6381172, against 46 days of a published model (0.015/d)",
            "half-life of the fall", "input check", "mdsc_turnover", "half-life", hypotheses=choice)
        for choice, words in (({}, ""), ({"mdsc.loss": "slow_turnover"}, ", slow loss"),
                              ({"mdsc.loss": "fast_turnover"}, ", fast loss"))
    ),
    *(
        Row(f"MDSC need AMP{words}", f"Hypoxic tumours hold more MDSC because of AMP{words}: with over without its arrows",
            "above 1", 1.05, 10.0, "fold", "doi:10.1038/s41467-017-00530-7 (mouse, ENTPD2)", "direction; a twentieth",
            "predicted", "amp", "day 7", hypotheses=choice)
        for choice, words in (({}, ""), ({"mdsc.amp": "recruitment"}, ", on recruitment"),
                              ({"mdsc.amp": "both"}, ", on both"))
    ),
    *(
        Row(f"MDSC need AMP, living tumour{words}", f"The same in a tumour that is hypoxic and stays alive{words} (bland, 37 % of "
            "vessels, two weeks)", "above 1", 1.05, 10.0, "fold", "doi:10.1038/s41467-017-00530-7 (mouse, ENTPD2)",
            "direction; a twentieth", "predicted", "amp", "alive day 14", hypotheses=choice)
        for choice, words in (({}, ""), ({"mdsc.amp": "recruitment"}, ", on recruitment"),
                              ({"mdsc.amp": "both"}, ", on both"))
    ),
    Row("MDSC in responders, day 10", "MDSC of blood 10 days after TACE with gelatin microparticles, responders",
        "18.6 / 30.7 = 0.61", 0.3, 0.9,
        "fold", "https://pmc.ncbi.nlm.nih.gov/articles/PMC8562264 (8 patients, all responders)", "half: eight patients",
        "predicted", "embolised", "mdsc day 10 conventional"),
    Row("MDSC in responders, day 30", "MDSC of blood 30 days after TACE with gelatin microparticles, responders",
        "7.63 / 30.7 = 0.25", 0.1, 0.5,
        "fold", "https://pmc.ncbi.nlm.nih.gov/articles/PMC8562264 (8 patients, all responders)", "twofold: eight patients",
        "predicted", "embolised", "mdsc day 28 conventional"),
    Row("Treg after TACE", "Treg among CD4 cells a month after TACE, over before", "7.58 / 11.12 = 0.68", 0.5, 0.9, "fold",
        "doi:10.3892/mmr.2015.4171", SPREAD, "predicted", "embolised", "treg day 28"),
    Row("IL-6 on day 4", "IL-6 four days after embolisation, over before", "8", 4.0, 12.0, "fold",
        "gabexate trial of TAE (17 patients)", "half: seventeen patients", "fitted", "embolised", "il6 day 4"),
    Row("IL-6 on day 7", "IL-6 is still raised a week after embolisation", "above 1", 1.5, 12.0, "fold",
        "gabexate trial of TAE (17 patients)", "direction", "predicted", "embolised", "il6 day 7"),
    Row("NLR after TACE", "NLR is slightly raised 3 to 6 weeks after TACE", "slight rise", 1.0, 1.5, "fold",
        "181 patients (address not kept)", "direction; up to half", "predicted", "embolised", "nlr day 28"),
    # --- liver ---
    Row("ALBI grade, acute", "ALBI grade worse within weeks of a session", "24.3", 18.0, 31.0, "%", CANCERS, WIDER, "fitted",
        "reserve_after_session", "acute"),
    Row("ALBI grade, chronic", "ALBI grade worse for longer", "16.0", 10.0, 22.0, "%", CANCERS, WIDER, "fitted",
        "reserve_after_session", "chronic"),
    Row("ALBI 1 to 2", "ALBI grade 1 that becomes 2, per session (four weeks)", "18 to 21", 13.0, 27.0, "%", DIG_DIS, BINOMIAL,
        "predicted", "reserve_after_session", "albi 1 to 2"),
    Row("Child-Pugh A to B", "Child-Pugh A that becomes B, per session (four weeks)", "9 to 14", 5.5, 19.0, "%", DIG_DIS,
        BINOMIAL, "predicted", "reserve_after_session", "A to B"),
    Row("bilirubin on day 3", "Bilirubin three days after TACE with ablation, over before", "34.1 / 22.1 = 1.54", 1.2, 1.9,
        "fold", "TACE and radiofrequency, 53 patients", "a quarter", "fitted", "liver", "bilirubin"),
    Row("albumin on day 3", "Albumin three days after TACE with ablation, over before", "34.6 / 42.5 = 0.81", 0.73, 0.9, "fold",
        "TACE and radiofrequency, 53 patients", "a tenth", "fitted", "liver", "albumin"),
    Row("Child-Pugh on day 3", "Child-Pugh points gained three days after TACE with ablation", "7.1 - 5.2 = 1.9", 1.0, 2.8,
        "points", "TACE and radiofrequency, 53 patients", "half", "predicted", "liver", "child-pugh"),
    Row("Child-Pugh at 4 weeks", "Points still missing 3 to 4 weeks after TACE with ablation", "back", -0.5, 0.5, "points",
        "TACE and radiofrequency, 53 patients", "half a point", "predicted", "liver", "child-pugh 4 weeks"),
    # --- necrosis and response ---
    Row("necrosis superselective", "Necrosis of nodules after superselective TACE, mean (ours: two months on)", "75.1", 63.0,
        87.0, "%", EXPLANT, WIDER, "predicted", "necrosis", "mean superselective"),
    Row("necrosis superselective, rabbit", "The same, if vessels close as they do in rabbits", "75.1", 63.0, 87.0, "%", EXPLANT, WIDER,
        "predicted", "necrosis", "mean rabbit"),
    Row("necrosis lobar", "Necrosis of nodules after lobar TACE, mean (ours: two months on)", "52.8", 41.0, 65.0, "%", EXPLANT,
        WIDER, "fitted", "necrosis", "mean lobar"),
    Row("complete necrosis superselective", "Nodules without viable cells, superselective", "53.8", 36.0, 72.0, "%", EXPLANT,
        WIDER, "predicted", "necrosis", "complete superselective"),
    Row("complete necrosis lobar", "Nodules without viable cells, lobar", "29.8", 12.0, 48.0, "%", EXPLANT, WIDER, "predicted",
        "necrosis", "complete lobar"),
    Row("necrosis by size", "Necrosis above 30 mm less that below 20 mm", "76.2 - 59.6 = 16.6", 1.0, 32.0, "points", EXPLANT,
        "standard error of 8 points assumed", "predicted", "necrosis", "large less small superselective"),
    Row("necrosis above 90 %", "Explants with 90 % necrosis or more (1.35 sessions)", "56.1", 38.0, 74.0, "%",
        "doi:10.1186/s12885-019-6265-1 (66 explants)", WIDER, "predicted", "explants", "at least 90"),
    Row("necrosis, upper two thirds", "Necrosis of the better two thirds of explants", "86.2", 74.0, 98.0, "%",
        "PMID 24149832 (18 of 27 tumours, 112 days)", "twelve points: few tumours", "predicted", "explants", "upper two thirds"),
    Row("necrosis, lower third", "Necrosis of the other third: kill comes in two kinds", "31.1", 15.0, 47.0, "%",
        "PMID 24149832 (9 of 27 tumours, 112 days)", "sixteen points: nine tumours", "predicted", "explants", "lower third"),
    Row("imaging complete response", "Complete response on imaging before transplantation", "60", 45.0, 75.0, "%",
        "https://pmc.ncbi.nlm.nih.gov/articles/PMC4904000", "fifteen points: other denominator", "predicted", "explants",
        "imaging CR"),
    Row("viable explant", "Viable tumour in explants", "74", 59.0, 89.0, "%",
        "https://pmc.ncbi.nlm.nih.gov/articles/PMC4904000", "fifteen points: other denominator", "predicted", "explants",
        "viable"),
    Row("CR below 30 mm", "Complete response after one session, below 30 mm", "61.9", 47.0, 77.0, "%", BY_SIZE,
        "fifteen points: numbers not given", "predicted", "response_by_size", "below 30 mm"),
    Row("CR 30 to 50 mm", "Complete response after one session, 30 to 50 mm", "54.1", 39.0, 69.0, "%", BY_SIZE,
        "fifteen points: numbers not given", "predicted", "response_by_size", "30 to 50 mm"),
    Row("CR above 50 mm", "Complete response after one session, above 50 mm", "22.6", 8.0, 38.0, "%", BY_SIZE,
        "fifteen points: numbers not given", "predicted", "response_by_size", "above 50 mm"),
    *(
        Row(f"first session {k}", f"{words} after the first session (mean 68 mm)", f"{value}", max(0.0, value - half),
            value + half, "%", "https://pmc.ncbi.nlm.nih.gov/articles/PMC7055892 (200 patients)", WIDER, "predicted",
            "first_session", k)
        for k, words, value, half in (
            ("CR", "Complete response", 24.0, 9.0), ("PR", "Partial response", 43.5, 10.5), ("SD", "Stable disease", 29.5, 9.5),
            ("PD", "Progression", 3.0, 4.0),
        )
    ),
    Row("response starch", "Objective response to starch TACE (mean size as above)", "44", 26.0, 62.0, "%",
        "https://pmc.ncbi.nlm.nih.gov/articles/PMC5641156 (50 patients)", WIDER, "predicted", "first_session", "objective",
        argument="starch"),
    Row("response FOLFOX by the artery", "Objective response of lesions from 70 mm on, FOLFOX by the hepatic artery", "46", 38.0,
        54.0, "%", LI, BINOMIAL, "predicted", "infusion", "FOLFOX"),
    Row("response TACE, large", "Objective response of lesions from 70 mm on, TACE", "18", 12.0, 24.0, "%", LI, BINOMIAL,
        "predicted", "infusion", "TACE"),
    Row("AFP response", "AFP falls by more than a fifth after TACE", "57", 49.0, 65.0, "%",
        "https://stage.medifind.com/articles/publication/180879984 (376 of stage B, above 20 ng/mL; abstract)", WIDER, "predicted", "first_session", "AFP down"),
    *(
        Row(f"recurrence at {m} months", f"Local recurrence {m} months after a first complete response", f"{value}", low, high,
            "%", AGAIN, why, "predicted", "recurrence", f"{m} months")
        for m, value, low, high, why in (
            (6, 20.5, 10.0, 31.0, WIDER), (12, 44.0, 15.0, 57.0, "15 to 56 % by definition"), (24, 58.6, 46.0, 71.0, WIDER),
        )
    ),
    *(
        Row(f"{what} {words}", f"{long} at 6 months, {words} TACE", f"{value}", value - 14.0, value + 14.0, "%",
            "doi:10.1007/s00270-009-9711-7 (212 patients)", WIDER, "predicted", "three_sessions", f"{key} {technique}")
        for technique, words, cr, objective in (("beads", "bead", 27.0, 52.0), ("conventional", "conventional", 22.0, 44.0))
        for what, long, key, value in (("CR", "Complete response", "CR", cr), ("response", "Objective response", "objective",
                                                                                objective))
    ),
    # --- ablation, radiotherapy ---
    Row("radiofrequency", "Local progression of HCC up to 30 mm after radiofrequency (ours: two years)", "21", 10.0, 32.0, "%",
        "doi:10.1245/s10434-016-5527-2", "eleven points: numbers not read", "predicted", "local_control",
        "radiofrequency 2 years"),
    Row("microwave", "Local progression of HCC up to 30 mm after microwave (ours: two years)", "8", 0.0, 19.0, "%",
        "doi:10.1245/s10434-016-5527-2", "eleven points: numbers not read", "predicted", "local_control", "microwave 2 years"),
    Row("radiotherapy 1 year", "Local failure one year after 45 Gy in 3", "16", 7.0, 25.0, "%",
        "doi:10.1186/1748-717X-7-166 (153 liver lesions, other tumours too)", WIDER, "predicted", "local_control",
        "radiotherapy 1 year"),
    Row("radiotherapy 2 years", "Local failure two years after 45 Gy in 3", "25", 15.0, 36.0, "%",
        "doi:10.1186/1748-717X-7-166 (153 liver lesions, other tumours too)", WIDER, "predicted", "local_control",
        "radiotherapy 2 years"),
    # --- drugs alone ---
    *(
        Row(f"response to {drug}, {criterion}", f"Objective response to {drug}, {criterion}", f"{value}", low, high, "%", source, why,
            "predicted", "systemic", quantity, argument=drug)
        for drug, criterion, value, low, high, quantity, source, why in (
            ("placebo", "RECIST 1.1", 1.0, 0.0, 4.0, "objective", "SHARP, placebo (303 patients)", WIDER),
            ("nivolumab", "RECIST 1.1", 15.0, 11.0, 19.0, "objective", "CheckMate 459 (371 patients)", BINOMIAL),
            ("pembrolizumab", "RECIST 1.1", 18.3, 14.0, 23.4, "objective", "KEYNOTE-240 (278 patients)", "its interval"),
            ("durvalumab", "RECIST 1.1", 17.0, 13.0, 21.0, "objective", "HIMALAYA (389 patients)", BINOMIAL),
            ("atezolizumab", "RECIST 1.1", 17.0, 8.0, 29.0, "objective", "GO30140 F (59 patients)", "its interval"),
            ("atezolizumab and bevacizumab", "RECIST 1.1", 27.3, 20.0, 35.0, "objective", "IMbrave150 and GO30140 F", WIDER),
            ("lenvatinib", "RECIST 1.1", 18.8, 15.0, 23.0, "objective", "REFLECT, independent review (478 patients)", BINOMIAL),
            ("lenvatinib", "mRECIST", 40.6, 36.0, 45.0, "mRECIST", "REFLECT, independent review (478 patients)", BINOMIAL),
            ("sorafenib", "RECIST 1.1", 6.5, 4.0, 9.0, "objective", "REFLECT, independent review (476 patients)", BINOMIAL),
        )
    ),
    *(
        Row(f"response to nivolumab, {words}", f"Objective response to nivolumab, RECIST 1.1, if {words}", "15", 11.0, 19.0, "%", "CheckMate 459 (371 patients)",
            BINOMIAL, "predicted", "systemic", "objective", argument="nivolumab", hypotheses={"killing.oxygen": choice})
        for choice, words in (("none", "oxygen does not limit killing"), ("direct", "oxygen limits killing"))
    ),
)  # fmt: skip

ROWS: tuple[Row, ...] = (*DEFAULT_ROWS, *rival_rows(DEFAULT_ROWS), *agent_rows(Row))
