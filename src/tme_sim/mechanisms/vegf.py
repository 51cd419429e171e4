"""VEGF in tissue and plasma, free and bound.

Biology.  Hypoxic tumour cells and macrophages secrete VEGF; it acts within the tissue and leaks into plasma.  Injured
liver after embolisation adds its own, more after lipiodol than after beads (DOI 10.14218/JCTH.2016.00058).  An
anti-VEGF antibody binds VEGF: free VEGF falls, while total plasma VEGF rises because the complex is cleared as slowly
as the antibody (PMC3058319).

Simplified.  The tissue level is that of viable tissue, relative to untreated (1): necrosis neither makes nor destroys
VEGF, and VEGF reaches 0.4 mm only.  Plasma is absolute.  The antibody is in great
excess (uM against pM), so the bound share follows the antibody alone.  In tissue the antibody can hide at most a share
`Bmax_trap` of the VEGF from its receptors (matrix-bound and pericellular VEGF stays reachable).

Not included.  VEGF isoforms, VEGFR1 decoy, PlGF, receptor internalisation as a state.

Clearance and binding of plasma VEGF are one coupled hypothesis: the slow pair (0.401/d with 267 nM, clinical) is the
default; the fast pair (34 min with 2.2 nM, cell-level models) is registered and predicts a rise of total VEGF that is
about a hundred times what is seen.
"""

from tme_sim.laws import fold
from tme_sim.network import (
    Balance,
    Hypothesis,
    Mechanism,
    Modulation,
    Reference,
    Signal,
    Species,
    Total,
    arrival,
    decay,
)
from tme_sim.quantities import Parameter


def hypoxia_induces_vegf(hif, fold_vegf):
    """HIF raises VEGF release up to `fold_vegf` (PMC2613192 for the mechanism; 1.4-10 fold by assay)."""
    return fold(hif, fold_vegf)


def secrete_from_tumour(q_vegf_tumour):
    """VEGF from viable tumour cells in full oxygen, per volume of viable tissue; hypoxia multiplies it."""
    return q_vegf_tumour


def secrete_from_macrophages(k_vegf_tissue, vegf_share_tam, tam_relative):
    """VEGF from tumour-associated macrophages, a share of the untreated output (Wu 2010, PMID 20692534)."""
    return k_vegf_tissue * vegf_share_tam * tam_relative


def clear_tissue_vegf(k_vegf_tissue):
    """Degradation and internalisation in tissue, half-life 1 h (Finley 2011, PMID 22104283)."""
    return k_vegf_tissue


def trap_bound_share(trap_tissue, K_trap):
    """Share of VEGF bound by antibody of this concentration."""
    return trap_tissue / (trap_tissue + K_trap)


def free_tissue_vegf(VEGF, trap_bound_tissue, Bmax_trap):
    """Tissue VEGF that can reach receptors, relative to the untreated lesion."""
    return VEGF * (1 - Bmax_trap * trap_bound_tissue)


def trap_enters(k_trap_uptake, trap_molar, perfusion, phi_T):
    """Antibody from plasma into tissue, in proportion to perfusion; `phi_T` is the share of tissue it can fill."""
    return k_trap_uptake * perfusion * phi_T * trap_molar


def trap_leaves(k_trap_uptake, perfusion):
    """Antibody returns to plasma at the same exchange rate."""
    return k_trap_uptake * perfusion


def leak_into_plasma(tumour_share_vegf, k_vegf_plasma, vegf_plasma_start, vegf_leak, vegf_leak_start, one_cell):
    """VEGF that tumours leak into plasma: follows tissue VEGF times viable cells, summed over lesions."""
    return tumour_share_vegf * k_vegf_plasma * vegf_plasma_start * vegf_leak / (vegf_leak_start + one_cell)


def leak_of_lesion(VEGF, viable_cells):
    """Tissue VEGF weighted by viable cells."""
    return VEGF * viable_cells


def make_plasma_vegf(q_vegf_body):
    """VEGF from the rest of the body, solved so that the untreated plasma rests."""
    return q_vegf_body


def injury_raises_vegf(injury, injury_vegf):
    """Injured liver secretes VEGF (Kupffer cells, hepatocytes; IL-6 driven): sets the surge of the first days."""
    return 1 + injury_vegf * injury


def free_share_plasma(trap_molar, K_trap_plasma):
    """Share of plasma VEGF that is not bound."""
    return K_trap_plasma / (trap_molar + K_trap_plasma)


def clear_plasma_vegf(vegf_free_share, k_vegf_plasma, k_complex):
    """Free VEGF is cleared fast, the complex as slowly as the antibody."""
    return vegf_free_share * k_vegf_plasma + (1 - vegf_free_share) * k_complex


def free_plasma_vegf(VEGF_plasma, vegf_free_share):
    """Free plasma VEGF."""
    return VEGF_plasma * vegf_free_share


PANOILIA = "DOI 10.1007/s00280-015-2701-3 (Panoilia 2015) via https://github.com/nlmixr2/nlmixr2lib"
PLASMA_MODEL = "http://bmcsystbiol.biomedcentral.com/articles/10.1186/1752-0509-2-77"

MECHANISM = Mechanism(
    name="vegf",
    text=__doc__,
    parameters=(
        Parameter("fold_vegf", 3.0, "1", "PMC2613192 (mechanism); HepG2 protein 1.4x, 2-10x by assay", "low", 1.4, 10.0,
                  "VEGF release of anoxic over normoxic tumour cells"),
        Parameter("k_vegf_tissue", 16.6, "1/day", "Finley 2011 (PMID 22104283) via QSPIO-TNBC and SPQSP_HCC_GPU",
                  "medium", 5.0, 25.0, "half-life 1 h"),
        Parameter("vegf_share_tam", 0.15, "1", "Wu 2010 (PMID 20692534): about a sixth of the tumour cells' output",
                  "medium", 0.05, 0.4, "share of untreated tissue VEGF that macrophages secrete"),
        Parameter("k_vegf_plasma", 0.401, "1/day", PANOILIA, "high", 0.2, 1.0, "turnover of free plasma VEGF"),
        Parameter("K_trap_plasma", 267.0, "nmol/L", PANOILIA, "medium", 100.0, 500.0,
                  "quasi-steady-state constant of bevacizumab and VEGF in plasma"),
        Parameter("K_trap", 267.0, "nmol/L", f"as in plasma ({PANOILIA}); not measured in tissue", "low", 2.2, 500.0,
                  ""),
        Parameter("Bmax_trap", 0.6, "1", "no source found; tissue free VEGF stays at 7-233 pM in a model "
                  "(DOI 10.1186/1752-0509-5-193)", "assumed", 0.3, 0.9,
                  "largest share of tissue VEGF an antibody hides from receptors", maximum=1.0),
        Parameter("k_complex", 0.075, "1/day",
                  "derived: bevacizumab CL/V1 = 0.216/2.88 (DOI 10.1007/s00280-016-3079-6)",
                  "high", 0.04, 0.15, "clearance of the antibody-VEGF complex"),
        Parameter("k_trap_uptake", 0.7, "1/day",
                  f"derived: permeability 4e-8 to 4e-7 cm/s ({PLASMA_MODEL}) times about "
                  "100 cm^2 of vessel per mL gives 0.3-3.5/d", "low", 0.3, 3.5, "antibody exchange of perfused tissue"),
        Parameter("phi_T", 0.522, "1", "https://github.com/HanwenWang95/QSPIO-TNBC (pk_parameters)", "low", 0.2, 0.6,
                  "share of tumour volume that antibodies fill", maximum=1.0),
        Parameter("vegf_plasma_start", 154.0, "pg/mL",
                  "plasma before TACE 154 +- 90 pg/mL (n = 30, Xiong); serum median "
                  "285 pg/mL (PMID 23359473)", "medium", 14.0, 1207.0, "plasma VEGF before treatment"),
        Parameter("tumour_share_vegf", 0.3, "1", "derived: median in serum 418 pg/mL in 30 patients with HCC, 308 in "
                  "31 with cirrhosis alone, so 0.26 (openbiomarkerjournal.com/VOLUME/9/PAGE/84; the difference is "
                  "within chance)", "low", 0.05, 0.8, "share of untreated plasma VEGF that comes from the tumours"),
        Parameter("injury_vegf", 3.0, "1", "fitted: cTACE serum VEGF 164 % at 24 h, beads 114 % "
                  "(DOI 10.14218/JCTH.2016.00058)", "low", 0.5, 10.0, "plasma VEGF production per unit of injury"),
    ),
    species=(
        Species("VEGF", "1", "tissue VEGF, relative", kind="field", initial=1.0, scale=0.1, rest=1.0,
                ontology="UniProt:P15692"),
        Species("trap_tissue", "nmol/L", "anti-VEGF antibody in tumour", kind="field", initial=0.0, scale=1.0),
        Species("VEGF_plasma", "pg/mL", "plasma VEGF, free and bound", where="body", kind="pool",
                initial="vegf_plasma_start", scale=10.0, ontology="UniProt:P15692"),
    ),
    signals=(
        Signal("trap_bound_tissue", trap_bound_share, "1", "share of tissue VEGF bound by antibody"),
        Signal("vegf_fold", free_tissue_vegf, "1", "tissue VEGF that reaches receptors, relative", rest=1.0),
        Signal("vegf_free_share", free_share_plasma, "1", "free share of plasma VEGF", where="body", rest=1.0),
        Signal("vegf_free_plasma", free_plasma_vegf, "pg/mL", "free plasma VEGF", where="body"),
        Signal("tam_relative", lambda TAM, TAM_start: TAM / TAM_start, "1", "macrophages relative to untreated",
               rest=1.0),
    ),
    totals=(Total("vegf_leak", leak_of_lesion, "cell", "tissue VEGF weighted by viable cells"),),
    processes=(
        arrival("vegf_from_tumour", "VEGF", secrete_from_tumour, "VEGF from tumour cells"),
        arrival("vegf_from_macrophages", "VEGF", secrete_from_macrophages, "VEGF from macrophages"),
        decay("vegf_tissue_loss", "VEGF", clear_tissue_vegf, "loss of tissue VEGF"),
        arrival("trap_uptake", "trap_tissue", trap_enters, "antibody into tumour"),
        decay("trap_return", "trap_tissue", trap_leaves, "antibody out of tumour"),
        arrival("vegf_leakage", "VEGF_plasma", leak_into_plasma, "VEGF from tumours into plasma", where="body"),
        arrival("vegf_body", "VEGF_plasma", make_plasma_vegf, "VEGF from the rest of the body", where="body"),
        decay("vegf_plasma_loss", "VEGF_plasma", clear_plasma_vegf, "loss of plasma VEGF", where="body"),
    ),
    modulations=(
        Modulation("hypoxia_on_vegf", "vegf_from_tumour", hypoxia_induces_vegf, "HIF -> VEGF of tumour cells"),
        Modulation("injury_on_vegf", "vegf_body", injury_raises_vegf, "liver injury -> plasma VEGF"),
        Modulation("injury_on_tissue_vegf", "vegf_from_macrophages", injury_raises_vegf,
                   "liver injury -> VEGF of macrophages"),
    ),
    balances=(
        Balance("q_vegf_tumour", "VEGF", "1/day", "VEGF of normoxic tumour cells"),
        Balance("q_vegf_body", "VEGF_plasma", "pg/mL/day", "VEGF from the rest of the body"),
    ),
    references=(
        Reference("vegf_leak_start", "vegf_leak", "cell", "untreated tumour leak", where="body"),
    ),
    hypotheses=(
        Hypothesis("vegf.clearance", "fast", "fast clearance with tight binding", PLASMA_MODEL, values={
            "k_vegf_plasma": Parameter("k_vegf_plasma", 0.0206, "1/min", PLASMA_MODEL, "medium", 0.01, 0.05, "34 min"),
            "K_trap_plasma": Parameter("K_trap_plasma", 2.2, "nmol/L", "https://pmc.ncbi.nlm.nih.gov/articles/PMC3058319",
                                       "medium", 0.1, 2.2, ""),
            "K_trap": Parameter("K_trap", 2.2, "nmol/L", "https://pmc.ncbi.nlm.nih.gov/articles/PMC3058319", "medium",
                                0.1, 2.2, ""),
        }),
    ),
)
