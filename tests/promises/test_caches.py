"""What is kept on disk between runs: closed to others, never stale, mended when damaged."""

from __future__ import annotations

import importlib.util
import inspect
import os
import shutil
from pathlib import Path

import pytest

import tme_sim
from tests.promises.processes import python
from tme_sim.compiler.model import _law_files, _laws, model_digest
from tme_sim.engine import cache
from tme_sim.mechanisms.registry import all_mechanisms
from tme_sim.network import Mechanism, Species, compose, decay
from tme_sim.quantities import Parameter

PACKAGE = Path(tme_sim.__file__).parent
ENGINE = PACKAGE / "engine"
IN_EVERY_DIGEST = {PACKAGE / "laws.py", PACKAGE / "network.py", PACKAGE / "quantities.py"}  # and the two folders below
FOLDERS_IN_EVERY_DIGEST = {ENGINE, PACKAGE / "compiler"}


def modes(root: Path) -> dict[str, int]:
    """Rights of every folder in which nothing private lies above it."""
    out, todo = {}, [root]
    while todo:
        folder = todo.pop()
        out[str(folder.relative_to(root.parent))] = folder.stat().st_mode & 0o777
        if out[str(folder.relative_to(root.parent))] != 0o700:
            todo += [entry for entry in folder.iterdir() if entry.is_dir()]
    return out


CREATE = """
import os, sys
os.umask(int(sys.argv[1], 8))
import tme_sim.engine
from tme_sim.compiler import model
from tests.promises.test_caches import decaying
model.compile_model(decaying(), 1)
"""


def decaying(law=None):
    """A network of one species that decays, small enough to be compiled in seconds."""
    return compose([Mechanism("decaying", "One species that decays.", species=(Species("x", "1", "x", initial=1.0),),
                              parameters=(Parameter("k", 1.0, "1/day", "made up", "assumed", 0.5, 2.0),),
                              processes=(decay("loss", "x", law or lose, "loss"),))])


def lose(k):
    """Loss, per day."""
    return k


@pytest.fixture
def warm(tmp_path) -> Path:
    """A cache of its own with the compiled engine in it, but no model."""
    import numba

    import tme_sim.engine.batch  # noqa: F401  (compiles the engine if it is not there)

    old = Path(numba.config.CACHE_DIR)
    new = tmp_path / "cache" / "engine" / old.name
    new.parent.mkdir(parents=True)
    shutil.copytree(old, new, ignore=lambda folder, names: [n for n in names if Path(folder) == old and n[:7] != "engine_"])
    for folder in (new, new.parent, new.parent.parent):
        folder.chmod(0o700)
    return tmp_path / "cache"


def test_compiled_code_lies_in_folders_closed_to_others(tmp_path, warm):
    done = python("-c", CREATE, "000", TME_SIM_CACHE=str(warm))
    assert done.returncode == 0, done.stderr
    (warm / "models").stat()
    assert {f.stat().st_mode & 0o777 for f in (warm / "models").iterdir()} == {0o700}
    assert {f.stat().st_mode & 0o777 for f in (warm / "engine").iterdir()} == {0o700}


def test_every_folder_of_a_new_cache_is_closed_to_others(tmp_path, monkeypatch):
    import numba

    monkeypatch.setenv("TME_SIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(numba.config, "CACHE_DIR", numba.config.CACHE_DIR)
    before = os.umask(0)
    try:
        cache.use_private_cache()
    finally:
        os.umask(before)
    assert set(modes(tmp_path / "cache").values()) == {0o700}, modes(tmp_path / "cache")


# --- never stale ---------------------------------------------------------------------------------------------------------


def digest_of(folder: Path) -> str:
    """Source digest as the cache module of a copied engine computes it."""
    spec = importlib.util.spec_from_file_location("copied_cache", folder / "cache.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.source_digest()


def test_an_edit_of_any_engine_file_changes_the_folder_of_compiled_code(tmp_path):
    copy = tmp_path / "engine"
    shutil.copytree(ENGINE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    seen = {digest_of(copy)}
    assert seen == {cache.source_digest()}
    files = sorted(copy.glob("*.py"))
    for path in files:  # elementary.py is a callee of every kernel and of no entry point: numba would not notice it
        path.write_text(path.read_text() + "\n# edited\n")
        seen.add(digest_of(copy))
    assert len(seen) == len(files) + 1


LAW = '''"""A law and what it calls."""


def helper(x):
    """Callee."""
    return {factor} * x


def law(k):
    """Loss, per day."""
    return helper(k)
'''


def test_an_edit_of_what_a_law_calls_gives_another_model(tmp_path):
    digests = set()
    for factor in ("2.0", "3.0"):
        path = tmp_path / "edited_law.py"
        path.write_text(LAW.format(factor=factor))
        spec = importlib.util.spec_from_file_location("edited_law", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        digests.add(model_digest(decaying(module.law), 1))
    assert len(digests) == 2


def file_of(found) -> Path | None:
    """File of the package that a module, function or class comes from."""
    name = found.__name__ if inspect.ismodule(found) else getattr(found, "__module__", None) or ""
    file = PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py")
    return file if name.startswith("tme_sim.") and file.is_file() else None


def called_files(laws) -> set[Path]:
    """Files of the package with something that a law calls, directly or through what it calls."""
    seen, todo, out = set(), list(laws), set()
    while todo:
        law = todo.pop()
        law = getattr(law, "py_func", law)  # a compiled function as it was written
        if id(law) in seen or not hasattr(law, "__code__"):
            continue
        seen.add(id(law))
        out |= {file_of(law)}
        for found in (law.__globals__[name] for name in law.__code__.co_names if name in law.__globals__):
            out |= {file_of(found)}
            todo.append(found)
    return {file for file in out - {None} if file not in IN_EVERY_DIGEST and file.parent not in FOLDERS_IN_EVERY_DIGEST}


def choices():
    """Hypotheses of the network one at a time, and none."""
    return [{}, *({h.slot: h.choice} for mechanism in all_mechanisms() for h in mechanism.hypotheses)]


def test_every_file_that_a_law_can_call_is_part_of_the_model_digest():
    assert len(choices()) > 8
    for chosen in choices():
        network = compose(all_mechanisms(), hypotheses=chosen)
        digested, called = {Path(f) for f in _law_files(network)}, called_files(_laws(network))
        assert len(called) > 8
        assert called <= digested, f"an edit would run an old model: {sorted(map(str, called - digested))}, {chosen}"
    repair = PACKAGE / "mechanisms" / "repair.py"
    assert any(repair in called_files(_laws(compose(all_mechanisms(), hypotheses=c))) for c in choices())


# --- damaged -------------------------------------------------------------------------------------------------------------

USE = """
from tme_sim.engine import elementary
print(elementary.exp(1.0).hex())
"""


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", ["cut", "garbage"])
def test_a_damaged_file_of_compiled_code_is_made_again(warm, ending, damage):
    from tme_sim.engine import elementary

    (path,) = compiled(warm).glob(f"elementary.exp-*.{ending}")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"\x80\x05garbage" + content[::-1])
    for _ in range(2):  # mended, and whole the second time
        done = python("-c", USE, TME_SIM_CACHE=str(warm))
        assert done.returncode == 0, done.stderr[-600:]
        assert done.stdout.strip() == elementary.exp(1.0).hex()


def compiled(warm: Path) -> Path:
    """Where numba keeps what it compiled of this copy of the package."""
    from numba.core.caching import _CacheLocator

    (found,) = warm.glob(f"engine/*/{_CacheLocator.get_suitable_cache_subpath(str(ENGINE / 'elementary.py'))}")
    return found
