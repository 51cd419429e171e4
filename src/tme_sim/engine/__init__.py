"""Numerical engine: elementary functions, random numbers, sparse algebra, stiff integrator, calendar queue.

The engine knows numpy and numba only: no biology, no files, no units (times are integer ticks of one minute and days).
"""

from tme_sim.engine.cache import use_private_cache

use_private_cache()
