"""Exports of a model: SBML, a COMBINE archive, equations, the ODD description, the parameters as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

KINDS = ("sbml", "omex", "equations", "parameters", "odd")


def export(kind: str, source: Any, out: str | Path) -> None:
    """Write a model to the file `out`, which appears whole or not at all.

    `source` is a :class:`tme_sim.export.source.Source`, or a checked scenario, from which one is made.

    Raises:
        ExportError: a kind that this version cannot write, a calendar that a format cannot hold, or SBML that libSBML,
            where it is installed, finds unsound.
    """
    from tme_sim.disk import write_file
    from tme_sim.export.source import ExportError, Source, source_of_scenario

    if kind not in KINDS:
        raise ExportError(f'a model cannot be exported as "{kind}"; choose one of {", ".join(KINDS)}')
    if not isinstance(source, Source):
        source = source_of_scenario(source, trajectory=kind == "omex")
    write_file(out, content(kind, source))


def content(kind: str, source: Any) -> bytes:
    """What :func:`export` writes.

    Raises:
        ExportError: as :func:`export`.
    """
    if kind == "parameters":
        from tme_sim.export.parameters import parameter_table

        return parameter_table(source).encode()
    if kind == "equations":
        from tme_sim.export.equations import equations_document

        return equations_document(source.network, source).encode()
    if kind == "odd":
        from tme_sim.export.odd import odd_document

        return odd_document(source.network, source).encode()
    if kind == "omex":
        from tme_sim.export.omex import omex_archive

        return omex_archive(source)
    from tme_sim.export.sbml import checked, sbml_document

    return checked(sbml_document(source)).encode()
