"""Function types through which the engine calls a compiled model; the engine is compiled once against them.

All arrays are 1-D, C-contiguous float64 unless said otherwise: state y[n], held inputs u[m], working parameters
th[n_th].

prepare(par, th)                     fill th from the n_par free parameters
rhs(y, u, th, dy)                    time derivative, per day
jac(y, u, th, jv)                    nonzeros of d(dy)/dy in row-major pattern order, full diagonal present
observe(y, u, th, out)               observables
guards(y, u, th, g)                  guard values whose sign changes are state events
decide(code, tick, y, u, th, memory, queue) -> int64
                                     may write to memory (float64) and to the calendar queue (int64[:, ::1], see
                                     `tme_sim.engine.queue`); returns 0 to go on, 1 to stop the run

Functions given to the engine are compiled with the decorators below: strict IEEE arithmetic, division by zero gives
infinity instead of an exception, no global lock.
"""

from numba import njit, types

VECTOR = types.float64[::1]
QUEUE = types.int64[:, ::1]

PREPARE_SIGNATURE = types.void(VECTOR, VECTOR)
RHS_SIGNATURE = types.void(VECTOR, VECTOR, VECTOR, VECTOR)
JAC_SIGNATURE = RHS_SIGNATURE
OBSERVE_SIGNATURE = RHS_SIGNATURE
GUARDS_SIGNATURE = RHS_SIGNATURE
DECIDE_SIGNATURE = types.int64(types.int64, types.int64, VECTOR, VECTOR, VECTOR, VECTOR, QUEUE)

PREPARE = types.FunctionType(PREPARE_SIGNATURE)
RHS = types.FunctionType(RHS_SIGNATURE)
JAC = types.FunctionType(JAC_SIGNATURE)
OBSERVE = types.FunctionType(OBSERVE_SIGNATURE)
GUARDS = types.FunctionType(GUARDS_SIGNATURE)
DECIDE = types.FunctionType(DECIDE_SIGNATURE)

JIT_OPTIONS = {"error_model": "numpy", "nogil": True, "fastmath": False}


def compile_prepare(function, cache=False):
    """Compile prepare(par, th) for the engine; `cache` keeps the machine code on disk (needs a source file)."""
    return njit(PREPARE_SIGNATURE, cache=cache, **JIT_OPTIONS)(function)


def compile_rhs(function, cache=False):
    """Compile any function (y, u, th, out) of the engine interface: rhs, jac, observe or guards."""
    return njit(RHS_SIGNATURE, cache=cache, **JIT_OPTIONS)(function)


def compile_decide(function, cache=False):
    """Compile decide(code, tick, y, u, th, memory, queue) for the engine."""
    return njit(DECIDE_SIGNATURE, cache=cache, **JIT_OPTIONS)(function)


@njit(GUARDS_SIGNATURE, cache=True, **JIT_OPTIONS)
def no_guards(y, u, th, g):
    """Stand for a model without state events."""


@njit(DECIDE_SIGNATURE, cache=True, **JIT_OPTIONS)
def no_decision(code, tick, y, u, th, memory, queue):
    """Stand for a model without decisions: every decision entry passes without effect."""
    return 0
