"""Mechanical translation of generated functions, and of our own elementary functions, from Python to C.

Only what these sources use is translated: assignments, arithmetic, comparisons, conditions, counted loops.
Anything else raises, so that a comparison is never made with something that was left out.
"""

from __future__ import annotations

import ast
import ctypes
import inspect
import shutil
import subprocess
import textwrap
from pathlib import Path

import numpy as np

BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.BitAnd: "&", ast.RShift: ">>", ast.LShift: "<<"}
COMPARE = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
CASTS = {"int32": "int32_t", "int64": "int64_t", "float64": "double"}
NAMES = {
    "exp_": "own_exp",
    "log_": "own_log",
    "pow_": "own_power",
    "sqrt": "sqrt",
    "abs": "fabs",
    "floor": "floor",
    "max": "fmax_",
    "min": "fmin_",
}
ELEMENTARY = ("to_bits", "from_bits", "upper_half", "exp_sum", "exp", "log", "power")
RETURNS = {"to_bits": "int64_t"}
PRELUDE = """#include <math.h>
#include <stdint.h>
#include <string.h>
static inline double fmax_(double a, double b) { return b > a ? b : a; }
static inline double fmin_(double a, double b) { return b < a ? b : a; }
static inline int64_t own_to_bits(double x) { int64_t i; memcpy(&i, &x, 8); return i; }
static inline double own_from_bits(int64_t i) { double x; memcpy(&x, &i, 8); return x; }
"""
LOOP = """
typedef void (*function)(const double*, const double*, const double*, double*);
void repeat(function f, const double* y, const double* u, const double* th, double* out, long n) {
  for (long i = 0; i < n; i++) f(y, u, th, out);
}
"""


class Unknown(ValueError):
    """A construct that has no translation."""


class Translator:
    """Expressions and statements of one function; `kinds` maps locals to their C type."""

    def __init__(self, constants: dict[str, object]):
        self.constants = constants
        self.kinds: dict[str, str] = {}

    def number(self, value) -> tuple[str, str]:
        """Literal and its type."""
        if isinstance(value, bool):
            return str(int(value)), "int"
        if isinstance(value, (int, np.integer)):
            return f"INT64_C({int(value)})" if abs(value) >= 2**31 else str(int(value)), "int64_t"
        value = float(value)
        if np.isnan(value):
            return "NAN", "double"
        if np.isinf(value):
            return "INFINITY" if value > 0 else "(-INFINITY)", "double"
        return value.hex(), "double"

    def expression(self, node) -> tuple[str, str]:
        """C text and type of an expression."""
        if isinstance(node, ast.Constant):
            return self.number(node.value)
        if isinstance(node, ast.Name):
            return self.named(node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np":
            return self.number(getattr(np, node.attr))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
            text, kind = self.expression(node.operand)
            return (f"(-{text})", kind) if isinstance(node.op, ast.USub) else (f"(!{text})", "int")
        if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
            (a, ka), (b, kb) = self.expression(node.left), self.expression(node.right)
            kind = next((k for k in ("double", "int64_t") if k in (ka, kb)), ka)
            if isinstance(node.op, ast.Div) and "double" not in (ka, kb):
                raise Unknown("division of integers")
            return f"({a} {BINARY[type(node.op)]} {b})", kind
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            (a, ka), (b, kb) = self.expression(node.left), self.expression(node.comparators[0])
            return f"({a} {COMPARE[type(node.ops[0])]} {b})", "int"
        if isinstance(node, ast.BoolOp):
            between = " && " if isinstance(node.op, ast.And) else " || "
            return f"({between.join(self.expression(v)[0] for v in node.values)})", "int"
        if isinstance(node, ast.IfExp):
            (c, _), (a, ka), (b, kb) = (self.expression(x) for x in (node.test, node.body, node.orelse))
            return f"({c} ? {a} : {b})", "double" if "double" in (ka, kb) else ka
        if isinstance(node, ast.Call):
            return self.call(node)
        if isinstance(node, ast.Subscript):
            index = node.slice
            if isinstance(index, ast.Tuple):
                row, column = (self.expression(e)[0] for e in index.elts)
                return f"{node.value.id}[3*{row} + {column}]", "double"
            return f"{node.value.id}[{self.expression(index)[0]}]", "double"
        raise Unknown(ast.unparse(node))

    def named(self, name: str) -> tuple[str, str]:
        if name in self.kinds:
            return name, self.kinds[name]
        if name in self.constants and isinstance(self.constants[name], (int, float)):
            return self.number(self.constants[name])
        raise Unknown(name)

    def call(self, node) -> tuple[str, str]:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        arguments = [self.expression(a) for a in node.args]
        texts = [t for t, _ in arguments]
        if name in CASTS:
            return f"(({CASTS[name]}){texts[0]})", CASTS[name]
        if name in ELEMENTARY:
            return f"own_{name}({', '.join(texts)})", RETURNS.get(name, "double")
        if name in NAMES:
            return f"{NAMES[name]}({', '.join(texts)})", "double"
        raise Unknown(name)

    def statements(self, body, depth: int = 1) -> list[str]:
        """C lines of a body."""
        pad, out = "  " * depth, []
        for node in body:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                continue
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                out.append(pad + self.assign(node.targets[0], *self.expression(node.value)))
            elif isinstance(node, ast.AugAssign):
                target = self.target(node.target)
                out.append(f"{pad}{target} {BINARY[type(node.op)]}= {self.expression(node.value)[0]};")
            elif isinstance(node, ast.For) and isinstance(node.iter, ast.Call) and node.iter.func.id == "range":
                name, (end, _) = node.target.id, self.expression(node.iter.args[0])
                self.kinds[name] = "int64_t"
                out += [
                    f"{pad}for ({name} = 0; {name} < {end}; {name}++) {{",
                    *self.statements(node.body, depth + 1),
                    f"{pad}}}",
                ]
            elif isinstance(node, ast.If):
                out += [f"{pad}if ({self.expression(node.test)[0]}) {{", *self.statements(node.body, depth + 1)]
                if node.orelse:
                    out += [f"{pad}}} else {{", *self.statements(node.orelse, depth + 1)]
                out.append(f"{pad}}}")
            elif isinstance(node, ast.Return):
                out.append(f"{pad}return {self.expression(node.value)[0]};")
            else:
                raise Unknown(ast.unparse(node))
        return out

    def target(self, node) -> str:
        return self.expression(node)[0]

    def assign(self, target, text: str, kind: str) -> str:
        if isinstance(target, ast.Subscript):
            return f"{self.target(target)} = {text};"
        self.kinds.setdefault(target.id, kind)
        return f"{target.id} = {text};"

    def function(self, node, head: str) -> str:
        """C text of a whole function; locals are declared at its top, as Python's are known in all of it."""
        arguments = set(self.kinds) | {a.arg for a in node.args.args}
        body = self.statements(node.body)
        declared: dict[str, list[str]] = {}
        for name, kind in self.kinds.items():
            if name not in arguments:
                declared.setdefault(kind, []).append(name)
        top = [f"  {kind} {', '.join(names)};" for kind, names in declared.items()]
        return "\n".join([f"{head} {{", *top, *body, "}"])


def elementary_source() -> str:
    """C text of our exp, log and power."""
    from tme_sim.engine import elementary

    constants = {k: v for k, v in vars(elementary).items() if isinstance(v, (int, float))}
    table = ", ".join(float(v).hex() for v in elementary.LOG_TABLE.ravel())
    out = [PRELUDE, f"static const double LOG_TABLE[] = {{{table}}};"]
    for name in ELEMENTARY[2:]:
        function = getattr(elementary, name).py_func
        node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        writer = Translator(constants)
        arguments = [a.arg for a in node.args.args]
        writer.kinds |= dict.fromkeys(arguments, "double")
        out.append(writer.function(node, f"static double own_{name}({', '.join('double ' + a for a in arguments)})"))
    return "\n".join(out)


def function_source(path: Path, name: str) -> str:
    """C text of the generated function `name(y, u, th, out)` in the file `path`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    node = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)
    writer = Translator({})
    arguments = [a.arg for a in node.args.args]
    types = ["const double* restrict " + a for a in arguments[:-1]] + [f"double* restrict {arguments[-1]}"]
    return writer.function(node, f"void {name}({', '.join(types)})")


def compiler() -> str | None:
    """Path of gcc, or None."""
    return shutil.which("gcc")


def build(model_folder: Path, folder: Path, names=("rhs", "jac"), extra=("-ffp-contract=off",)) -> ctypes.CDLL:
    """Compile the generated functions with gcc -O3 for this processor into a shared library in `folder`."""
    text = "\n".join([elementary_source(), *(function_source(model_folder / f"{n}.py", n) for n in names), LOOP])
    tag = "_".join(x.strip("-").replace("=", "") for x in extra) or "default"
    source, library = folder / f"model_{tag}.c", folder / f"model_{tag}.so"
    source.write_text(text, encoding="utf-8")
    command = [
        compiler(),
        "-std=gnu11",
        "-O3",
        "-march=native",
        *extra,
        "-shared",
        "-fPIC",
        "-o",
        library,
        source,
        "-lm",
    ]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return ctypes.CDLL(str(library))
