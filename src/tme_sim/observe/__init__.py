"""What the clinic would see of a run: scans read by criteria, and the endpoints made of them.

`tme_sim.imaging` measures lesions, `tme_sim.criteria` reads the measurements; here they become endpoints, for one run
or for thousands by the same functions.  A scan sees diameters with a detection floor, so a complete response on
imaging is not a cure.
"""

from tme_sim.criteria import CRITERIA, RESPONSES
from tme_sim.imaging import diameter
from tme_sim.observe.batch import endpoints_of_batch, observation_ticks, read_ticks, thresholds, visit_ticks
from tme_sim.observe.endpoints import LANDMARKS, crossing_ticks, endpoint_columns, landmark_columns, rows_of
from tme_sim.observe.reading import HISTORY, Imaging, Visits, read_visits
from tme_sim.observe.told import told_scans

__all__ = [
    "CRITERIA",
    "HISTORY",
    "LANDMARKS",
    "RESPONSES",
    "Imaging",
    "Visits",
    "crossing_ticks",
    "diameter",
    "endpoint_columns",
    "endpoints_of_batch",
    "landmark_columns",
    "observation_ticks",
    "read_ticks",
    "read_visits",
    "rows_of",
    "thresholds",
    "told_scans",
    "visit_ticks",
]
