"""What no file of the package does: relaxed arithmetic, running texts as code, unpickling, random numbers of the process."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "tme_sim"
STREAMS = {"Generator", "Philox", "SeedSequence", "default_rng"}  # streams of one's own; all else is the process's
CALLS = {"eval", "exec", "guvectorize", "set_option"}  # the last: options of LLVM for the whole process
MODULES = {"pickle", "shelve", "marshal", "dill", "cloudpickle", "random", "cma"}  # cma draws from numpy's own
LOOSE = {"fastmath", "parallel"}  # the order or the rounding of operations is the compiler's


def name_of(node):
    """Dotted name of an expression, "" if it is none."""
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def forbidden(text):
    """(line, what) of everything in a source that the package must not do."""
    out = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.keyword) and node.arg in LOOSE and getattr(node.value, "value", True) is not False:
            out.append((node.value.lineno, node.arg))
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if getattr(key, "value", None) in LOOSE and getattr(value, "value", True) is not False:
                    out.append((node.lineno, key.value))
        if isinstance(node, ast.Call) and name_of(node.func).rpartition(".")[2] in CALLS:
            is_method = isinstance(node.func, ast.Attribute) and node.func.attr in ("eval", "exec")
            out += [] if is_method else [(node.lineno, name_of(node.func))]
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            out += [(node.lineno, n) for n in names if n.split(".")[0] in MODULES]
        if isinstance(node, ast.Attribute) and name_of(node.value) in ("np.random", "numpy.random"):
            out += [] if node.attr in STREAMS else [(node.lineno, name_of(node))]
    return out


def test_no_file_relaxes_arithmetic_runs_texts_unpickles_or_draws_from_the_process():
    found = {str(p.relative_to(PACKAGE)): forbidden(p.read_text(encoding="utf-8")) for p in PACKAGE.rglob("*.py")}
    assert len(found) > 150
    assert {k: v for k, v in found.items() if v} == {}


@pytest.mark.parametrize(
    "text",
    [
        "@njit(fastmath=True)\ndef f(): pass",
        '@njit(fastmath={"reassoc"})\ndef f(): pass',
        'OPTIONS = {"fastmath": True}',
        "@njit(parallel=True)\ndef f(): pass",
        "import cma",
        "numba.guvectorize('void(f8[:])', '(n)')",
        "eval('1')",
        "import pickle",
        "from random import random",
        "np.random.seed(1)",
        "binding.set_option('', '-x')",
    ],
)
def test_it_would_be_found(text):
    assert len(forbidden(text)) == 1


def test_what_is_allowed_is_not_found():
    assert forbidden('OPTIONS = {"fastmath": False}\nrng = np.random.Generator(np.random.Philox(1))\nmodel.eval(2)') == []
