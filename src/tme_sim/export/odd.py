"""The ODD description of the model (overview, design concepts, details), after Grimm 2020, DOI 10.18564/jasss.4259.

What can be read from the network is generated from it; what cannot (purpose, concepts, scales) is written here.
"""

from __future__ import annotations

from tme_sim.engine.rng import PURPOSES
from tme_sim.export.equations import equations_document, line, table
from tme_sim.export.source import Source
from tme_sim.network import Network
from tme_sim.plan import PHASES

PURPOSE = """
The model is for questions of *when* and *in which order*: how the dates of chemoembolisation, anti-VEGF drugs and
checkpoint antibodies shape the course of a hepatocellular carcinoma. It compares hypotheses and schedules on
identical virtual patients; it is no device for the care of one.

Patterns by which it is judged: untreated growth with the doubling time of the patient and no other drift; hypoxia,
HIF and VEGF after embolisation and their return; loss and regrowth of vessels under VEGF block; a passing
normalisation; suppressor cells that follow hypoxia and AMP; T cells that enter, kill, tire and leave; responses and
progression as scans read them. The evidence board of the project lists each with its source and says whether it is
met.
"""

ENTITIES = """
**Patient**: liver reserve, drugs, blood, marrow and the draining node, one calendar of treatment and visits.
**Lesions**: repeated blocks of states with a volume of their own; each is well mixed but for its oxygen, which has
a distribution over fixed classes. **Piece of tissue** (with `tissue = "agents"`): the first lesion as single tumour
cells, immune cells and vessel segments on a periodic lattice of 20 um, with fields of oxygen, VEGF, ATP and AMP.

**Scales.** Time runs in ticks of one minute; the equations take adaptive steps and land on every date. Agents act
every 30 minutes and walk every 5. A run covers days to years, a lesion millimetres to decimetres, a piece about a
millimetre.
"""

SCHEDULING = """
At one date scans come first, then procedures, then drugs. Decisions (repeats on demand, dose levels, stops, second
lines) see only what a scan or blood test saw. Between dates all states change together by their equations. With
agents, every hour the state of the piece replaces that of the lesion; then fields are solved, and twice, for 30
minutes each: contact and killing, death, division and clearance; turnover and arrival of immune cells; vessels; walk.
"""

CONCEPTS = (
    ("Basic principles",
     "A mechanism is one file of named laws with units, sources and grades. Densities and agents take "
     "their rates from the same functions; only mechanics (places, steps, touch) is new for agents."),
    ("Emergence",
     "Response, regrowth, escape and the worth of an order are not put in; they follow from the laws."),
    ("Adaptation",
     "None is imposed on cells. Vessels, PD-L1 and exhaustion respond to their signals by rate laws."),
    ("Sensing",
     "Cells sense oxygen, VEGF, AMP, adenosine, interferon and antigen of their place or lesion. The "
     "clinic senses what scans and blood tests show, with their error."),
    ("Interaction",
     "By fields and by contact: a T cell kills the tumour cell it touches; suppressors slow it."),
    ("Stochasticity",
     "The density model has none but the patient's own chance of events. Agents act with the probability "
     "of their hazards; numbers are counter-based, keyed by seed, patient, individual, step and purpose."),
    ("Collectives",
     "Lesions, the body and, in studies, cohorts of virtual patients."),
    ("Observation",
     "Trajectories, endpoints by published criteria, measures a pathologist would take of a piece."),
)


def odd_document(network: Network, source: Source | None = None) -> str:
    """Markdown in the order of the ODD protocol; submodels are the generated equations of every mechanism."""
    states = [(f"`{s.name}`", s.label, s.where, s.unit) for s in network.species]
    events = [(f"`{h.name}`", h.label, h.where, h.unit) for h in network.held]
    phases = [(name, text) for name, text in PHASES]
    solved = [(f"`{b.parameter}`", b.label, f"`{b.species}`") for b in network.balances]
    chance = [(name.replace("_", " "), str(number)) for name, number in PURPOSES.items()]
    submodels = equations_document(network, source).split("\n", 1)[1]
    submodels = submodels.replace("\n### ", "\n#### ").replace("\n## ", "\n### ")
    parts = [
        f"# ODD description of {line(source.title) if source else 'tme_sim'}", "",
        "After the ODD protocol (Grimm 2020, DOI 10.18564/jasss.4259).", "",
        "## Purpose and patterns", PURPOSE,
        "## Entities, state variables and scales", ENTITIES,
        f"{len(states)} states; those of a lesion exist once per lesion.", "",
        *table(("state", "meaning", "where", "unit"), states), "",
        "Between dates these keep their value; the calendar changes them.", "",
        *table(("quantity", "meaning", "where", "unit"), events), "",
        "## Process overview and scheduling", "",
        *table(("phase", "what happens"), phases), SCHEDULING,
        "## Design concepts", "",
        *[f"**{name}.** {text}\n" for name, text in CONCEPTS],
        "Decisions by chance and their numbers in the counter:", "",
        *table(("decision", "number"), chance), "",
        "## Initialisation", "",
        "A run begins one minute before day 0 with an untreated patient. Nothing about the baseline is guessed: these "
        "parameters are solved so that their state rests, or grows with the tumour, before treatment.", "",
        *table(("parameter", "meaning", "state that it balances"), solved), "",
        "A piece of tissue is filled at the densities of that baseline and first lives untreated to settle.",
        "",
        "## Input data", "",
        "A scenario (patient, biology, protocol) and the drug library, both TOML. Tissue may start from a cell table.",
        "",
        "## Submodels", submodels,
    ]  # fmt: skip
    return "\n".join(parts).rstrip() + "\n"
