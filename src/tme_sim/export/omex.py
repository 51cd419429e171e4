"""COMBINE archive: the SBML model, a SED-ML experiment, our own trajectory and what says what they are.

The archive is the same bytes for the same source: fixed dates, fixed order, no compression that could differ.
"""

from __future__ import annotations

import csv
import io
import zipfile
from xml.sax.saxutils import escape, quoteattr

from tme_sim.compiler.symbolic import Model, build
from tme_sim.export.parameters import number, parameter_table
from tme_sim.export.sbml import DISCLAIMER, model_id, printable, sbml_document
from tme_sim.export.source import Source, Trajectory, identifier

EPOCH = (1980, 1, 1, 0, 0, 0)
FORMATS = {
    ".": "http://identifiers.org/combine.specifications/omex",
    "manifest.xml": "http://identifiers.org/combine.specifications/omex-manifest",
    "metadata.rdf": "http://identifiers.org/combine.specifications/omex-metadata",
    "model.xml": "http://identifiers.org/combine.specifications/sbml.level-3.version-2",
    "experiment.sedml": "http://identifiers.org/combine.specifications/sed-ml.level-1.version-4",
    "trajectory.csv": "http://purl.org/NET/mediatypes/text/csv",
    "parameters.csv": "http://purl.org/NET/mediatypes/text/csv",
}


def omex_archive(source: Source, model: Model | None = None) -> bytes:
    """The bytes of the archive; our trajectory is in it if the source has one.

    Raises:
        ExportError: as the SBML export.
    """
    model = model or build(source.network)
    files = {
        "model.xml": sbml_document(source, model),
        "experiment.sedml": sedml_document(source, model),
        "parameters.csv": parameter_table(source),
    }
    if source.trajectory is not None:
        files["trajectory.csv"] = trajectory_table(source.trajectory)
    files["metadata.rdf"] = metadata(source)
    return archive({"manifest.xml": manifest(files), **files})


def archive(files: dict[str, str]) -> bytes:
    """A ZIP of text files in the order given, dated 1980-01-01."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as stream:
        for label, text in files.items():
            info = zipfile.ZipInfo(label, EPOCH)
            info.create_system = 3
            info.external_attr = 0o644 << 16
            stream.writestr(info, text.encode())
    return out.getvalue()


def manifest(files: dict[str, str]) -> str:
    """The manifest of the archive; the experiment is what a tool should open."""
    rows = [
        f'  <content location="{"." if label == "." else "./" + label}" format="{FORMATS[label]}"'
        f"{' master=' + quoteattr('true') if label == 'experiment.sedml' else ''}/>\n"
        for label in (".", "manifest.xml", *files)
    ]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<omexManifest xmlns="http://identifiers.org/combine.specifications/omex-manifest">\n{"".join(rows)}'
        "</omexManifest>\n"
    )


def metadata(source: Source) -> str:
    """What the archive is, as RDF; without dates, so that the same model gives the same bytes."""
    about = f"{source.title}: model and calendar exported by tme_sim. {DISCLAIMER}"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dcterms="http://purl.org/dc/terms/">\n'
        '  <rdf:Description rdf:about=".">\n'
        f"    <dcterms:title>{escape(printable(source.title))}</dcterms:title>\n"
        f"    <dcterms:description>{escape(printable(about))}</dcterms:description>\n"
        f"    <dcterms:identifier>{escape(source.digest or 'none')}</dcterms:identifier>\n"
        "  </rdf:Description>\n</rdf:RDF>\n"
    )


def outputs(source: Source, model: Model) -> list[tuple[str, str]]:
    """(identifier, label) of what the experiment reports: states, then signals and totals."""
    out = []
    labels = {s.name: s.label for s in source.network.species}
    for where in ("body", "lesion"):
        for b in range(source.layout.n_lesions if where == "lesion" else 1):
            mark = f", lesion {b + 1}" if where == "lesion" and source.layout.n_lesions > 1 else ""
            for name in source.layout.states[where]:
                out.append((identifier(name, where == "lesion", b, source.layout.n_lesions), labels[name] + mark))
            for node in model.nodes.values():
                if node.where == where and node.kind in ("signal", "total"):
                    label = identifier(node.name, where == "lesion", b, source.layout.n_lesions)
                    out.append((label, node.label + mark))
    return out


def sedml_document(source: Source, model: Model) -> str:
    """A SED-ML experiment: the time course of the whole calendar, daily, and one report of every named output."""
    shown = outputs(source, model)
    days = source.days
    steps = max(1, round(days))
    variables = "".join(_generator(label, text) for label, text in shown)
    sets = "".join(
        f'        <dataSet id="set_{label}" label={quoteattr(label)} name={quoteattr(printable(text))} '
        f'dataReference="out_{label}"/>\n'
        for label, text in shown
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<sedML xmlns="http://sed-ml.org/sed-ml/level1/version4" '
        'xmlns:sbml="http://www.sbml.org/sbml/level3/version2/core" level="1" version="4">\n'
        "  <listOfModels>\n"
        f'    <model id="model" name={quoteattr(printable(source.title))} '
        'language="urn:sedml:language:sbml.level-3.version-2" source="model.xml"/>\n  </listOfModels>\n'
        "  <listOfSimulations>\n"
        f'    <uniformTimeCourse id="course" initialTime="0" outputStartTime="0" outputEndTime="{number(days)}" '
        f'numberOfSteps="{steps}">\n'
        '      <algorithm kisaoID="KISAO:0000019">\n        <listOfAlgorithmParameters>\n'
        '          <algorithmParameter kisaoID="KISAO:0000209" value="1e-10"/>\n'
        '          <algorithmParameter kisaoID="KISAO:0000211" value="1e-20"/>\n'
        "        </listOfAlgorithmParameters>\n      </algorithm>\n    </uniformTimeCourse>\n  </listOfSimulations>\n"
        '  <listOfTasks>\n    <task id="run" modelReference="model" simulationReference="course"/>\n  </listOfTasks>\n'
        f"  <listOfDataGenerators>\n{_generator('', 'days since the start')}{variables}  </listOfDataGenerators>\n"
        f'  <listOfOutputs>\n    <report id="report" name={quoteattr(model_id(source.title))}>\n'
        "      <listOfDataSets>\n"
        f'        <dataSet id="set_time" label="time" dataReference="out_time"/>\n{sets}'
        "      </listOfDataSets>\n    </report>\n  </listOfOutputs>\n</sedML>\n"
    )


def _generator(label: str, text: str) -> str:
    name = label or "time"
    target = 'symbol="urn:sedml:symbol:time"' if not label else f'target="{target_of(label)}"'
    return (
        f'    <dataGenerator id="out_{name}" name={quoteattr(printable(text))}>\n      <listOfVariables>\n'
        f'        <variable id="var_{name}" {target} taskReference="run"/>\n      </listOfVariables>\n'
        f'      <math xmlns="http://www.w3.org/1998/Math/MathML"><ci> var_{name} </ci></math>\n    </dataGenerator>\n'
    )


def target_of(label: str) -> str:
    """XPath of a variable of the model, species or parameter."""
    return f"/sbml:sbml/sbml:model/*/*[@id='{label}']"


def trajectory_table(trajectory: Trajectory) -> str:
    """Our own run as CSV: days, then one column per name with its unit in brackets."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    names = (f"{n} [{u}]" for n, u in zip(trajectory.names, trajectory.units, strict=True))
    writer.writerow(["day", *names])
    for day, row in zip(trajectory.days, trajectory.values, strict=True):
        writer.writerow([number(day), *(number(v) for v in row)])
    return out.getvalue()
