"""Set-up: locks without addresses and with hashes, a makefile that does what it says, few direct packages."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import undeclared

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "requirements"))
import bill  # noqa: E402

LAYERS = ("run", "test", "bench", "docs", "bench-source", "audit")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def locked(layer):
    """(name, version, marker, hashes) of each entry of a lock."""
    text = (ROOT / "requirements" / f"{layer}.txt").read_text().replace("\\\n", " ")
    out = []
    for line in text.split("\n"):
        if line.strip() and not line.startswith("#"):
            found = re.match(r"([A-Za-z0-9._-]+)==([^ ;]+)(?:\s*;\s*(.*?))?((?:\s+--hash=sha256:[0-9a-f]{64})+)\s*$", line)
            assert found, line
            out.append((found[1].lower(), found[2], found[3], found[4].split()))
    return out


@pytest.mark.parametrize("layer", LAYERS)
def test_a_lock_pins_every_package_with_hashes_and_names_no_index_or_machine(layer):
    assert len(locked(layer)) >= 3
    text = (ROOT / "requirements" / f"{layer}.txt").read_text()
    assert not re.search(r"https?://|--index|--find-links|file:|/root|/home|/work", text)


def test_the_layers_agree_with_the_first_one():
    run = {(n, m): v for n, v, m, _ in locked("run")}
    for layer in LAYERS[1:]:
        other = {(n, m): v for n, v, m, _ in locked(layer)}
        shared = set(run) & set(other)
        assert all(run[k] == other[k] for k in shared) and {"setuptools", "wheel"} <= {n for n, _ in shared}


def test_the_core_is_at_most_nine_direct_packages_and_all_are_locked():
    names = {re.split(r"[<>=!~ \[]", d, maxsplit=1)[0].lower() for d in PROJECT["dependencies"]}
    assert len(names) <= 9 and names <= {n for n, *_ in locked("run")}
    assert not {"pytest", "hypothesis", "pandas", "xarray"} & {n for n, *_ in locked("run")}


FREE = ("MIT", "BSD", "Apache", "Python Software Foundation", "PSF", "0BSD", "Zlib", "CC0", "LLVM")


def test_every_package_of_the_core_has_a_free_licence_that_asks_nothing_of_our_own():
    names = {name for name, *_ in bill.locked((ROOT / "requirements" / "run.txt").read_text())}
    told = {name: bill.licence(name) for name in names}
    for name, words in told.items():
        parts = re.split(r" AND | OR | WITH |, ", words)
        assert words == bill.ELSEWHERE or all(any(f in p for f in FREE) or "exception" in p for p in parts), (name, words)
    assert sum(words != bill.ELSEWHERE for words in told.values()) > 20


def test_the_bill_names_every_locked_package_with_its_hashes_and_is_the_same_twice(tmp_path):
    text = (ROOT / "requirements" / "run.txt").read_text()
    found = bill.bill(text)
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.5")
    sums = [(p["name"].lower(), p["version"], len(p["externalReferences"])) for p in found["components"]]
    assert sums == [(name, version, len(hashes)) for name, version, _, hashes in locked("run")]
    for path in ("a.json", "b.json"):
        assert bill.main([str(tmp_path / path)]) == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    with pytest.raises(ValueError, match="no entry of a lock"):
        bill.bill("numpy\n")


ADVISOR = """
import json, sys
names = [line.split("==") for line in open(sys.argv[sys.argv.index("-r") + 1]).read().split()]
assert len({n for n, _ in names}) == len(names), "one version of each at a time"
open("ASKED", "a").write("".join(f"{n}=={v}\\n" for n, v in names))
answers = [{"name": n, "version": v, "vulns": []} for n, v in names]
if any(n == "numba" for n, _ in names):
    ANSWERS
print(json.dumps({"dependencies": answers, "fixes": []}))
"""
WEAK = "answers[0]['vulns'] = [{'id': 'PYSEC-1', 'fix_versions': ['9.9']}]"


@pytest.mark.parametrize(
    ("answers", "code", "told"),
    [
        ("pass", 0, "audit: 0 advisories for the"),
        (WEAK, 1, "PYSEC-1, mended in 9.9"),
        ("answers[1] = {'name': names[1][0], 'skip_reason': 'not found'}", 2, "could not ask about 1 of"),
        ("answers.pop()", 2, "could not ask about 1 of"),
        (WEAK + "; answers.pop()", 2, "PYSEC-1, mended in 9.9"),
        ("sys.exit('Failed to resolve host')", 2, "Failed to resolve host"),
    ],
    ids=["none known", "one known", "not found there", "left out", "both", "no network"],
)
def test_the_audit_asks_about_every_locked_package_and_silence_is_no_answer(tmp_path, answers, code, told):
    text = ADVISOR.replace("ASKED", str(tmp_path / "asked")).replace("ANSWERS", answers)
    (tmp_path / "pip_audit.py").write_text(text)
    command = [sys.executable, str(ROOT / "requirements" / "audit.py")]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == code and told in done.stdout, done.stdout + done.stderr
    everything = {f"{name}=={version}" for layer in LAYERS for name, version, *_ in locked(layer)}
    assert everything == set((tmp_path / "asked").read_text().split())


def test_every_night_asks_for_advisories_and_tests_whatever_they_say():
    text = (ROOT / ".ci" / "nightly").read_text()
    assert os.access(ROOT / ".ci" / "nightly", os.X_OK) and text.index("make audit") < text.index("make verify")


def test_every_extra_is_in_all_and_known_to_the_doctor():
    from tme_sim.doctor import EXTRAS

    extras = PROJECT["optional-dependencies"]
    (everything,) = extras["all"]
    assert set(re.search(r"\[(.*)\]", everything)[1].split(",")) == set(extras) - {"all", "dev"} == set(EXTRAS)


def test_the_version_is_one():
    import tme_sim

    cff = (ROOT / "CITATION.cff").read_text()
    assert f"version: {tme_sim.__version__}\n" in cff and PROJECT["dynamic"] == ["version"]


def sandbox(tmp_path, python=None, with_venv=True):
    """A copy of the set-up script with stand-ins for python, pip and uv that write down how they were called."""
    root = tmp_path / "clone"
    (root / "requirements").mkdir(parents=True)
    for name in ("install.sh", "run.txt", "test.txt"):
        shutil.copy(ROOT / "requirements" / name, root / "requirements" / name)
    shutil.copy(ROOT / "pyproject.toml", root / "pyproject.toml")
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "cat", "cksum", "grep", "dirname", "rm", "mkdir", "chmod", "cp", "printf", "basename"):
        os.symlink(shutil.which(tool), tools / tool)
    version = python or "3.12.1"
    major = tuple(int(x) for x in version.split(".")[:2])
    fake = f"""#!/bin/sh
echo "python $*" >> "{tmp_path}/calls"
case "$*" in
  --version) echo "Python {version}";;
  *version_info\\ \\<*) exit {0 if major >= (3, 11) else 1};;
  *version_info*) echo "{major[0]}.{major[1]}";;
  "-m venv "*) {'mkdir -p "$3/bin" && cp "$0" "$3/bin/python"' if with_venv else "exit 1"};;
esac
"""
    (tools / "python3").write_text(fake)
    (tools / "python3").chmod(0o755)

    def install(*layers):
        env = {"PATH": str(tools), "HOME": str(tmp_path / "home")}
        done = subprocess.run(["/bin/sh", "requirements/install.sh", *layers], cwd=root, env=env, capture_output=True, text=True)
        calls = (tmp_path / "calls").read_text().split("\n") if (tmp_path / "calls").exists() else []
        (tmp_path / "calls").unlink(missing_ok=True)
        return done, [c for c in calls if c]

    return root, install


def test_set_up_installs_a_layer_with_hashes_then_the_project_and_the_second_call_does_nothing(tmp_path):
    _, install = sandbox(tmp_path)
    done, calls = install("run")
    assert done.returncode == 0, done.stderr
    pip = [c for c in calls if " pip install " in c]
    assert len(pip) == 2 and "--require-hashes -r requirements/run.txt" in pip[0]
    assert "--no-deps --no-build-isolation -e ." in pip[1]
    for stage in ("making .venv", "installing layer run", "installing tme_sim itself", "ready"):
        assert stage in done.stderr
    done, calls = install("run")
    assert (done.returncode, done.stderr, calls) == (0, "", [])


def test_a_changed_lock_and_a_second_layer_are_installed(tmp_path):
    root, install = sandbox(tmp_path)
    install("run")
    assert "requirements/test.txt" in " ".join(install("test")[1]) and install("run", "test")[1] == []
    with open(root / "requirements" / "run.txt", "a") as lock:
        lock.write("# changed\n")
    assert "requirements/run.txt" in " ".join(install("run")[1])


def test_a_failed_installation_is_not_taken_for_done(tmp_path):
    root, install = sandbox(tmp_path)
    python = root / ".venv" / "bin" / "python"
    install("run")
    (root / ".venv" / ".installed-run").unlink()
    python.write_text(python.read_text().replace("case", 'case "$*" in *require-hashes*) exit 1;; esac\ncase', 1))
    assert install("run")[0].returncode != 0
    assert not (root / ".venv" / ".installed-run").exists()


def test_a_missing_venv_module_names_the_package_to_install(tmp_path):
    root, install = sandbox(tmp_path, with_venv=False)
    done, _ = install("run")
    assert done.returncode == 1 and "apt install python3.12-venv" in done.stderr and not (root / ".venv").exists()


def test_an_old_python_is_refused_with_the_repair(tmp_path):
    done, _ = sandbox(tmp_path, python="3.9.2")[1]("run")
    assert done.returncode == 1 and "Python 3.11 or later was not found" in done.stderr and "make PYTHON=" in done.stderr


def test_make_has_the_promised_targets_and_ci_runs_make_test():
    text = (ROOT / "Makefile").read_text()
    for target in ("run", "test", "verify", "soak", "bench", "evidence", "docs", "audit"):
        assert re.search(rf"^{target}:", text, re.M)
    assert "make test" in (ROOT / ".ci" / "run").read_text() and os.access(ROOT / ".ci" / "run", os.X_OK)


def test_undeclared_skips_are_found():
    skips = [("tests/a.py::x", "needs a scanner"), ("tests/b.py::y", "no scanner")]
    assert undeclared(skips, {"tests/a.py": "scanner"}) == [skips[1]]
    assert undeclared(skips, {"tests/a.py": "printer", "tests/b.py::y": "scanner"}) == [skips[0]]


@pytest.mark.parametrize("more", [[], ["-n", "2"]], ids=["one process", "two processes"])
def test_an_undeclared_skip_fails_the_session_and_is_printed(tmp_path, more):
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "test_one.py").write_text("import pytest\ndef test_a(): pytest.skip('no reason at all')\n")
    (tmp_path / "test_two.py").write_text("import pytest\npytest.skip('nor here', allow_module_level=True)\n")
    command = ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *more, "."]
    env = {**os.environ, "PATH": f"{Path(os.sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1 and "UNDECLARED SKIP: test_one.py::test_a: no reason at all" in done.stdout
    assert "UNDECLARED SKIP: test_two.py: nor here" in done.stdout and "2 skipped, 2 of them" in done.stdout


def test_no_test_can_reach_the_network():
    import socket

    with pytest.raises(RuntimeError, match="nothing here may need the network"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
