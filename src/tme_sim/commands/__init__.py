"""Commands that stand in files of their own, imported when they are asked for.

`ELSEWHERE` maps the name of a command to ``module:function`` and its line in ``tme-sim --help``, so that the help
answers without importing any of them.
"""

ELSEWHERE: dict[str, tuple[str, str]] = {
    "config": ("tme_sim.commands.config:config", "Write, check, resolve and compare scenario files."),
    "protocol": ("tme_sim.commands.protocol:protocol", "Look at the calendar of a protocol or scenario file."),
    "sweep": ("tme_sim.commands.study:sweep", "Run a study: what its store does not hold yet."),
    "merge": ("tme_sim.commands.study:merge", "Join the stores of shards."),
    "store": ("tme_sim.commands.study:store", "Look at, check and repair the store of a study."),
    "hypothesis": ("tme_sim.commands.findings:hypothesis", "Hypothesis cards: claim, study, verdict."),
    "optimise": ("tme_sim.commands.findings:optimise", "Search the best protocol within constraints."),
    "sensitivity": ("tme_sim.commands.findings:sensitivity", "What decides the outcome, and what flips the order."),
    "surface": ("tme_sim.commands.findings:surface", "Outcome over two start dates, and the near-best window."),
    "export": ("tme_sim.commands.export:export", "Write a run, a study, tissue or a model in a common format."),
    "explore": ("tme_sim.commands.explore:explore", "Open a local page to change a scenario and see what follows."),
    "snapshot": ("tme_sim.commands.tissue:snapshot", "Draw agent tissue: cells over fields."),
    "movie": ("tme_sim.commands.tissue:movie", "Make a film of agent tissue."),
    "cohort": ("tme_sim.commands.cohort:cohort", "Draw and describe virtual patients."),
    "trial": ("tme_sim.commands.cohort:trial", "Run a virtual trial: every patient through every arm."),
    "calibrate": ("tme_sim.commands.fit:calibrate", "Fit parameters to what the parts do alone."),
    "predict": ("tme_sim.commands.fit:predict", "Write down what a trial will show, before it is scored."),
    "report": ("tme_sim.commands.report:report", "Write one self-contained page about a run."),
}
