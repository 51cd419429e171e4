"""Numbers of the published criteria, by themselves, for whoever needs them without the compiled criteria.

Sources: RECIST 1.1 (DOI 10.1016/j.ejca.2008.10.026); mRECIST (DOI 10.1055/s-0030-1247132); RECICL (DOI
10.2478/raon-2018-0044); Child-Pugh classes.
"""

FOLLOW = 5.0  # mm; a known lesion below it counts as gone (RECIST 1.1 records what is too small to measure as 5 mm)
DETECT = 10.0  # mm; a new lesion is seen from here on
MEASURABLE = 10.0  # mm; smallest target
PARTIAL = 0.30  # fall of a sum of diameters that is a partial response
PROGRESSIVE = 0.20  # rise of a sum of diameters that is progression
PROGRESSIVE_MM = 5.0  # RECIST 1.1: absolute rise besides
CONFIRMED_MM = 10.0  # mRECIST: growth that makes an atypical nodule a hepatoma
RECICL_GROWN = 0.25  # RECICL: rise of the area that is progression
HALF = 0.5  # RECICL: fall of the viable area that is a partial response; viable share that makes a session insufficient
JUDGED_DAYS = 28.0  # a session is judged from one month on
LIVER_C = 10.0  # points from which Child-Pugh is C
