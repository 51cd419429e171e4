"""A calibration as a PEtab problem: clean by PEtab's linter, and the same likelihood and priors as our sampler's."""

import numpy as np
import pytest

from tests.fit.test_calibrate import problem_for, toy
from tme_sim.diagnostics import InputError
from tme_sim.export.petab import petab_files, write_petab
from tme_sim.export.sbml import check
from tme_sim.fit.calibrate import calibrate
from tme_sim.fit.likelihood import log_likelihood
from tme_sim.fit.regressions import load_regressions

pytest.importorskip("petab")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit") / "fits"
    problem = problem_for(np.array([0.9, -0.8, 0.5, 0.0, 0.0, 0.0]), pairs=200, waves=0, particles=100, recoveries=2)
    result = calibrate(problem, folder, simulate=toy)
    (folder / "calibration.json").write_text("{}")
    return problem, result, folder


def linted(folder) -> bool:
    """Whether PEtab's linter finds an error, as the command ``petablint`` does."""
    from petab.v1 import Problem
    from petab.v1.lint import lint_problem

    return lint_problem(Problem.from_yaml(folder / "problem.yaml"))


def test_the_problem_is_clean_by_the_linter(fitted, tmp_path):
    out = write_petab(fitted[2], tmp_path / "problem")
    assert not linted(out)
    bad = out / "observables.tsv"
    bad.write_text(bad.read_text().replace("share_t0", "share_of_nothing"))  # the linter does see
    assert linted(out)


def test_posterior_of_the_problem_is_that_of_the_sampler(fitted):
    """Observables and noise by libRoadRunner, priors by the table: differences between vectors, constants fall out."""
    roadrunner = pytest.importorskip("roadrunner")
    problem, result, folder = fitted
    files = petab_files(load_regressions(folder))
    assert check(files["model.xml"]) == [] or all("unit" in m for m in check(files["model.xml"]))
    model = roadrunner.RoadRunner(files["model.xml"])
    rows = [line.split("\t") for line in files["observables.tsv"].splitlines()[1:]]
    seen = {r[0]: float(r[2]) for r in (line.split("\t") for line in files["measurements.tsv"].splitlines()[1:])}
    given = [line.split("\t") for line in files["parameters.tsv"].splitlines()[1:]]
    inner = problem.priors.chosen(result.choice.places)
    at = inner.draw(6, 3)
    nuisance = np.array([np.sqrt(max(0.0, t["sd"] ** 2 - problem.targets[i].noise ** 2))
                         for i, t in enumerate(load_regressions(folder)["targets"][:-1])])  # fmt: skip
    own = log_likelihood(problem, result.emulators, nuisance)(at) + inner.log_density(at)
    theirs = []
    for values in inner.values(at):
        total = 0.0
        for row, value in zip(given, values, strict=True):
            model[row[0]] = value
            centre, spread = map(float, row[8].split(";"))
            total -= 0.5 * (((np.log(value) if row[2] == "log" else value) - centre) / spread) ** 2
        for row in rows:
            mean, sd = model[row[2]], model[row[3]]
            total += -0.5 * ((seen[row[0]] - mean) / sd) ** 2 - np.log(sd)
        theirs.append(total)
    assert np.diff(theirs) == pytest.approx(np.diff(own), abs=1e-6)


def test_what_is_no_finished_calibration_is_refused(fitted, tmp_path):
    with pytest.raises(InputError, match="is no folder of a calibration"):
        write_petab(tmp_path, tmp_path / "out")
    (tmp_path / "calibration.json").write_text("{}")
    with pytest.raises(InputError, match="is not finished"):
        write_petab(tmp_path, tmp_path / "out")
    (tmp_path / "regressions.json").write_text('{"format": 1')
    with pytest.raises(InputError, match="is damaged"):
        write_petab(tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match="from the folder of its calibration"):
        write_petab(tmp_path / "calibration.json", tmp_path / "out")
    with pytest.raises(InputError, match="exists; choose another --out"):
        write_petab(fitted[2], tmp_path)
    assert not (tmp_path / "out").exists()
