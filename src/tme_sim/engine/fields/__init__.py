"""Fields on a lattice: diffusion in time and at rest, arrays only.

A field is a float64 array (ny, nx) or (nz, ny, nx) of values at the centres of cubic voxels, x contiguous.  Lengths are
in voxel edges: `spread` is D / h^2, per time.  The unit of time and that of the field are the caller's, and the same in
all arguments.  Walls let nothing through, or the lattice is periodic.

* :func:`steady_oxygen` - rest under saturating uptake and exchange with vessels;
* :func:`steady_field` - rest under first-order loss and sources; with `step` an implicit time step without splitting;
* :func:`diffuse` - one time step: diffusion, first-order loss, source; any step is stable and nothing turns negative;
* :class:`Diffusion`, :class:`Multigrid` - the same with their working arrays kept between calls;
* :mod:`tme_sim.engine.fields.radial` - slabs, cylinders and spheres by finite shells, to compare with.

A tissue of 20 um voxels in day, mm and mmHg, oxygen at rest, then half an hour of a secreted field::

    oxygen, grid = np.full(shape, 30.0), Multigrid(shape, D_oxygen / h**2, periodic=True)      # once
    rest = steady_oxygen(oxygen, uptake, K_oxygen, exchange, 60.0, D_oxygen / h**2, 1e-2, periodic=True, grid=grid)
    vegf = Diffusion(shape, D_vegf / h**2, dt, decay, made, order=2, periodic=True)            # made: per voxel and day
    vegf.set_sources(decay + wash_out, made)                                                   # when cells have moved
    taken = vegf.step(field)

`oxygen` is changed in place and the next call starts from it: after a small change of cells one to three cycles do.
Flat arrays are given as `flat.reshape(shape)`, which is the same memory.  A drug that binds the field is a loss of the
caller's (`decay` may differ from voxel to voxel).  A field that settles well within a step (VEGF and adenosine at half
an hour) belongs to `steady_field`, with `step=dt` while it still matters how it began.

Compiled code is kept in a folder of its own, under a digest of the files beside this one, so that an edit here does not
make the integrator compile again.
"""

import hashlib
import sys
from pathlib import Path

from tme_sim.engine.cache import cache_root, mend_damaged_files, private_folder


def source_digest() -> str:
    """Hex digest (64 bit) of the files of this folder."""
    h = hashlib.blake2b(digest_size=8)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        h.update(path.name.encode() + b"\0" + path.read_bytes())
    return h.hexdigest()


def cache_folder() -> Path:
    """Where the compiled code of these files is kept."""
    import numba
    from llvmlite import binding

    versions = f"{sys.version_info[:2]} {numba.__version__} {binding.llvm_version_info} {binding.get_host_cpu_name()}"
    return cache_root() / "fields" / hashlib.blake2b((source_digest() + versions).encode(), digest_size=8).hexdigest()


def _import_into(folder: Path):
    """Import the compiled modules while numba looks for its cache in `folder`; everything else keeps its own."""
    import numba

    elsewhere = numba.config.CACHE_DIR
    try:
        private_folder(folder)
        mend_damaged_files(folder)
        numba.config.CACHE_DIR = str(folder)
    except OSError:
        pass  # slower to start, nothing else
    try:
        from tme_sim.engine.fields import diffusion, multigrid, steady
    finally:
        numba.config.CACHE_DIR = elsewhere
    return diffusion, multigrid, steady


diffusion, multigrid, steady = _import_into(cache_folder())
Diffusion, diffuse = diffusion.Diffusion, diffusion.diffuse
Multigrid = multigrid.Multigrid
Rest, steady_field, steady_oxygen = steady.Rest, steady.steady_field, steady.steady_oxygen

__all__ = ["Diffusion", "Multigrid", "Rest", "diffuse", "steady_field", "steady_oxygen"]
