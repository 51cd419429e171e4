"""Where compiled code is kept: a private folder per digest of the engine's sources, so that no stale code is loaded.

numba does not notice an edit in a function that another file calls, so the folder's name carries a digest of all engine
sources and of the decision step, of the versions of Python, numba and llvmlite, and of the processor's name.
"""

import glob
import hashlib
import os
import sys
from functools import cache
from pathlib import Path


def cache_root() -> Path:
    """Folder of everything tme_sim keeps between runs: $TME_SIM_CACHE, or tme_sim in the user's cache folder."""
    root = os.environ.get("TME_SIM_CACHE")
    if root:
        return Path(root)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "tme_sim"


# of the package, beside the engine
BESIDE = (
    "criteria.py",
    "imaging.py",
    "observe/resection.py",
    "protocol/places.py",
    "protocol/seeing.py",
    "protocol/kernel.py",
)


@cache
def source_digest() -> str:
    """Hex digest (64 bit) of the engine's sources."""
    h = hashlib.blake2b(digest_size=8)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        h.update(path.name.encode() + b"\0" + path.read_bytes())
    return h.hexdigest()


def private_folder(folder: Path) -> Path:
    """Make `folder`, and every missing folder above it, open to its owner alone (mode 0700).

    Raises:
        OSError: it cannot be made.
    """
    if not folder.parent.is_dir():
        private_folder(folder.parent)
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


def mend_damaged_files(folder: Path) -> None:
    """Have numba compile again what it cannot read from below `folder`.

    numba raises where a file of its cache is cut or overwritten (numba/numba#10656).  Here such a function is
    forgotten, so that it is compiled and stored once more.  Caches elsewhere keep numba's own behaviour.
    """
    from numba.core import caching

    load = caching.IndexDataCacheFile.load

    def load_or_forget(self, key):
        """The stored function, or None when there is none or it cannot be read."""
        try:
            return load(self, key)
        except Exception:  # whatever unpickling of damaged bytes may raise
            index = Path(self._index_path)
            if folder not in index.parents:
                raise
            for path in (index, *index.parent.glob(f"{glob.escape(index.stem)}.*.nbc")):
                path.unlink(missing_ok=True)
            return None

    caching.IndexDataCacheFile.load = load_or_forget


def compiled_digest() -> str:
    """Hex digest (64 bit) of everything that is compiled once for all models: the engine and the decision step."""
    h = hashlib.blake2b(source_digest().encode(), digest_size=8)
    for name in BESIDE:
        h.update((Path(__file__).parent.parent / name).read_bytes())
    return h.hexdigest()


def use_private_cache() -> Path:
    """Point numba at the private folder (mode 0700); called once when the engine is imported."""
    import numba
    from llvmlite import binding

    versions = f"{sys.version_info[:2]} {numba.__version__} {binding.llvm_version_info} {binding.get_host_cpu_name()}"
    key = hashlib.blake2b((compiled_digest() + versions).encode(), digest_size=8).hexdigest()
    folder = cache_root() / "engine" / key
    try:
        private_folder(folder)
    except OSError:
        return folder  # numba falls back to its own choice; runs work, only slower to start
    mend_damaged_files(folder)
    numba.config.CACHE_DIR = str(folder)
    return folder
