"""Commands that stand in files of their own, imported when they are asked for.

`ELSEWHERE` maps the name of a command to ``module:function`` and its line in ``tme-sim --help``, so that the help
answers without importing any of them.
"""

ELSEWHERE: dict[str, tuple[str, str]] = {
    "report": ("tme_sim.commands.report:report", "Write one self-contained page about a run."),
}
