"""Registers of 512 bits, where the processor has them: LLVM halves long vectors unless a function asks for whole ones.

Bits of results do not depend on it. On processors without such registers it changes nothing.
"""

from numba import types
from numba.extending import intrinsic

WIDTH = 512


def wide(function):
    """Let an LLVM function use them."""
    for attribute in ("min-legal-vector-width", "prefer-vector-width"):
        set.add(function.attributes, f'"{attribute}"="{WIDTH}"')  # llvmlite knows no attributes with a value


@intrinsic
def wide_registers(typing_context):
    """Let the function that calls this use them."""

    def emit(context, b, signature, values):
        wide(b.function)
        return context.get_dummy_value()

    return types.void(), emit


__all__ = ["wide", "wide_registers"]
