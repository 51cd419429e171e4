"""A patient whose lesions and blood follow a script: the decision step without a model behind it."""

import numpy as np
from shell_toys import toy_catalogue

from tme_sim.criteria import default_settings
from tme_sim.engine import queue as q
from tme_sim.protocol import places as p
from tme_sim.protocol.deciding import open_queue
from tme_sim.protocol.kernel import decide_on
from tme_sim.protocol.rules import Signals, Visits, happened, memory_of, queue_size
from tme_sim.quantities import internal
from tme_sim.scenario import Scenario

DAY = 1440
SCAN = '[[protocol.scan]]\nstart = "day 0"\nevery = "56 day"\n'


def scenario(text, days=400, **changes):
    return Scenario.from_text(f'[run]\nduration = "{days} day"\n{text}', "p.toml", changes, catalogue=toy_catalogue())


class Course:
    """Runs the decisions of a protocol.

    `lesions(day, given)` gives (whole, viable) diameters in mm of each lesion, `given` being the days of sessions so far;
    `points(day)` the Child-Pugh points and `bilirubin(day)` umol/L; numbers of lesions `outside` the liver, and of those
    that do not enhance (`pale`).  `jumps` holds (day, what) in order.
    """

    def __init__(self, text, lesions=lambda day, given: [(50.0, 50.0)], points=lambda day: 5.0,
                 bilirubin=lambda day: 10.0, days=400, oral="averaged", outside=(), pale=()):  # fmt: skip
        self.calendar = scenario(text, days).calendar
        self.lesions, self.points, self.bilirubin = lesions, points, bilirubin
        n = len(lesions(0.0, []))
        body = [2 * n, -1, 2 * n + 1, -1, 0, 0, 1, -1, 2]
        signals = Signals(body, [[2 * k, 2 * k + 1, -1, float(k in outside), float(k not in pale), 0.0]
                                 for k in range(n)])  # fmt: skip
        self.groups = []
        start, stop = self.calendar.first_tick, days * DAY
        self.memory = memory_of(self.calendar, signals, self._parts, start=start, stop=stop, oral=oral,
                                visits=Visits(default_settings()))  # fmt: skip
        self.queue = q.new_queue(queue_size(self.calendar, self.memory, start, stop, oral))
        scans = [e.tick for e in self.calendar.entries if e.kind == "scan" and e.tick <= stop]
        open_queue(self.calendar, self.memory, self.queue, scans, start, stop)
        self.jumps, self.sessions, self.oral, self.stop = [], [], oral, stop
        self._run()

    def _parts(self, track, entry):
        lesions = [-1, *range(len(self.lesions(0.0, [])))] if (entry or track.given[0]).kind != "drug" else [-1]
        out = []
        for lesion in lesions:
            self.groups.append((track.name, "off" if entry is None else entry.data.get("dose", entry.kind), lesion))
            out.append((lesion, 0, 30, len(self.groups) - 1))
        return out

    def _run(self):
        self.queue[0, q.H_RUNNING] = 1
        y, th = np.array([1.0]), np.array([0.0, 1.0, 1.5e6])
        while entry := q.peek(self.queue):
            tick = int(self.queue[entry, q.TICK])
            if tick > self.stop:
                break
            self.queue[0, q.H_NOW] = tick
            q.pop(self.queue)
            ref, day = int(self.queue[entry, q.REF]), tick / DAY
            if self.queue[entry, q.ACTION] == q.DECISION:
                out = [v for pair in self.lesions(day, self.sessions) for v in (np.pi / 6 * d**3 for d in pair)]
                out += [self.points(day), internal(self.bilirubin(day), "umol/L")]
                decide_on(ref, tick, y, np.zeros(1), th, np.array(out), self.memory, self.queue)
            else:
                name, what, lesion = self.groups[ref]
                self.jumps.append((day, name, what, lesion))
                if lesion == -1 and what == "tace":
                    self.sessions.append(day)
        assert self.queue[0, q.H_OVERFLOW] == 0 and self.memory[p.LOGGED] < self.memory[p.LOG_N]

    @property
    def told(self):
        """(day, what, treatment or phase, reason) of everything that happened."""
        rows = happened(self.calendar, self.memory, self.stop, self.oral)
        return [(h.tick / DAY, h.what, h.target, h.reason) for h in rows]

    def days(self, name):
        """Days on which a treatment was given."""
        return [day for day, what, target, _ in self.told if what == "given" and target == name]

    def doses(self, name):
        """(day, mg) of every dose of a treatment."""
        rows = happened(self.calendar, self.memory, self.stop, self.oral)
        return [(h.tick / DAY, h.entry.data["dose"]) for h in rows if h.entry is not None and h.target == name]

    def decided(self, what):
        """(day, treatment or phase, reason) of one kind of decision."""
        return [(day, target, reason) for day, said, target, reason in self.told if said == what]
