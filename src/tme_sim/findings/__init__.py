"""What a study tells: timing surfaces, sensitivity, what flips the order, which arrow matters, the best protocol,
hypothesis cards.

Everything that computes works on plain tables (a dict of equally long columns, as `tme_sim.study` stores give them) or
on a function from parameter sets to rows, and imports neither matplotlib nor the simulator.  Runs that failed are
counted and named; they are never read as zeros.
"""
