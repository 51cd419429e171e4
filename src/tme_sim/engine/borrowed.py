"""Arrays whose users are not counted.

numba counts who uses the memory of an array with instructions that lock a line of the cache, for every row that is
taken out of it. In the loop over the steps of many patients that took a ninth of the time, more where threads share the
array. The functions of the engine keep no array beyond their own return, so the caller's reference is enough.
"""

from llvmlite import ir
from numba.extending import intrinsic


@intrinsic
def borrowed(typing_context, array):
    """Return the array itself, on loan: rows of it are not counted either. Whoever owns it must outlive its use."""

    def emit(context, b, signature, values):
        """Copy where the array lies and how large it is, without its owner."""
        found = context.make_array(array)(context, b, values[0])
        for owner in ("meminfo", "parent"):
            setattr(found, owner, ir.Constant(getattr(found, owner).type, None))
        return found._getvalue()

    return array(array), emit


__all__ = ["borrowed"]
