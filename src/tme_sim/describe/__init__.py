"""What the model is, in plain text: an overview, everything about one name, or the network of a scenario.

Everything is read from the network itself: texts of mechanisms, laws (applied to symbols), parameters with their
sources, and who reads what.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tme_sim.definitions import definition_of, unit_of
from tme_sim.describe.network import Describer
from tme_sim.describe.words import title, wrapped
from tme_sim.network import Network, compose

__all__ = ["Describer", "describe_text"]


def describe_text(
    name: str | None = None, *, network: Network | None = None, mechanisms: Iterable[str | Path] = ()
) -> str:
    """Plain text, at most 100 columns, about the whole network or one name of it.

    `name` may be a mechanism, parameter, species, input, signal, process, arrow, hypothesis slot, an endpoint, a drug
    of the library, or a scenario file, of which the network is then described.  `network` defaults to all mechanisms
    installed and those of the folders `mechanisms`; one that is given has no library of drugs.

    Raises:
        InputError: nothing of that name; with the nearest known names.
    """
    head: list[str] = []
    if name is not None and (str(name).endswith(".toml") or Path(str(name)).is_file()):
        network, head = _of_scenario(str(name), mechanisms)
        name = None
    library = None
    if network is None:
        from tme_sim.catalogue import load_catalogue

        catalogue = load_catalogue(mechanisms)
        network, library = compose(catalogue.sources), catalogue.library
    describer = Describer(network, () if library is None else library.names())
    base, _, lesion = str(name).partition(".")
    if lesion.isdigit():  # a column of a run: the same of every lesion
        name = base
    if name is None:
        lines = [*head, *describer.overview()]
    elif library is not None and name in library:  # what the network has under this name stands before it
        from tme_sim.describe.drug import drug_lines

        lines = [*(describer.about(name) + [""] if name in describer.items else []), *drug_lines(library.get(name))]
    elif name not in describer.items and (endpoint := definition_of(name)) is not None:
        unit = unit_of(name)
        lines = [*title(f"{name}, an endpoint of a run"), *wrapped(endpoint.text)]
        lines += [f"Unit        {unit}"] if unit else []
        lines += ["Stands in   summary.json; docs/endpoints.md tells of all endpoints, and how scans are read"]
    else:
        lines = describer.about(name)
    return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"


def _of_scenario(path: str, mechanisms: Iterable[str | Path]) -> tuple[Network, list[str]]:
    from tme_sim.scenario import Scenario

    scenario = Scenario.load(path, mechanisms=tuple(str(m) for m in mechanisms))
    biology = scenario.biology
    network = compose(scenario.catalogue.sources, off=biology.off, hypotheses=biology.hypotheses)
    lines = [f"Scenario {scenario.name}" + (f": {scenario.title}" if scenario.title else "")]
    if biology.off:
        lines += wrapped("Switched off: " + ", ".join(biology.off))
    for slot, choice in sorted(biology.hypotheses.items()):
        lines += wrapped(f"Hypothesis {slot}: {choice}")
    cut = {a: g for a, g in biology.gains.items() if g != 1.0}
    if cut:
        lines += wrapped("Arrows: " + ", ".join(f"{a} at {g:g}" for a, g in cut.items()))
    given = {("parameters", n): q for n, q in scenario.parameters.items()}
    given |= {("patient", n): q for n, q in scenario.patient.parameters.items()}
    for i, lesion in enumerate(scenario.patient.lesion):
        given |= {("patient", "lesion", i, n): q for n, q in lesion.parameters.items()}
    for key, quantity in given.items():
        place = f"lesion {key[2] + 1}: {key[3]}" if len(key) == 4 else key[1]
        lines += wrapped(f"Set: {place} = {quantity} ({scenario.origin(key)})")
    return network, [*lines, ""]
