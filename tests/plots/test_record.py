"""What figures read from a run record."""

import numpy as np

from plots.plotted import a_run
from tme_sim.plots.record import lesion_volumes


def test_tissue_volumes_add_up_to_the_lesion():
    run = a_run(lesions=2)
    volumes = lesion_volumes(run)
    assert np.allclose(sum(volumes.values()), run["lesion_volume"] / 1000.0)
    assert np.allclose(volumes["necrotic"] / volumes["viable"], 0.25 / 0.7)
    run.manifest["sources"] = [{"name": "volume_floor", "value": 1.0, "unit": "mm^3"}]
    assert np.allclose(sum(lesion_volumes(run).values()), run["lesion_volume"] / 1000.0 - 1e-3), "a scar is no tissue"
