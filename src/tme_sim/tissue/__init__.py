"""The agent tissue: cells, vessels and fields on a lattice, living by the laws of the mechanisms, coupled to the body.

* :mod:`settings` - the `[tissue]` table of a scenario, and the memory a piece needs;
* :mod:`laws` - the mechanisms' laws evaluated at every voxel;
* :mod:`kernels` - what is mechanics: oxygen, walking, placing daughters;
* :mod:`piece` - the state of a piece of tissue and one step of it;
* :mod:`network` - vessels joined by segments, and the blood that flows through them;
* :mod:`coupling` - piece and body together, from start to end of a run;
* :mod:`files` - snapshots and checkpoints;
* :mod:`measures` - what a pathologist would count.
"""
