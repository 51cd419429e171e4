"""What holds for every test: no outside connection, no skip that is not declared here, derandomised hypothesis."""

from __future__ import annotations

import socket

import pytest

# Skips that may happen, by the start of the test's name, each with the reason it must give.
DECLARED_SKIPS: dict[str, str] = {
    "tests/agreement/": "libRoadRunner",
}
_skipped: dict[tuple[str, str], None] = {}  # (name, reason), in order, each once


def pytest_configure(config):
    """Derandomise hypothesis in the fast pack and close the way to the network."""
    from hypothesis import HealthCheck, settings

    settings.register_profile("fast", derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("fast")
    _block_network()


def _block_network() -> None:
    allowed = (socket.AF_UNIX,) if hasattr(socket, "AF_UNIX") else ()

    def guard(method):
        def connect(self, address, *rest):
            local = self.family in allowed or str(address[0]) in ("127.0.0.1", "::1", "localhost")
            if not local:
                raise RuntimeError(f"a test tried to connect to {address}; nothing here may need the network")
            return method(self, address, *rest)

        return connect

    socket.socket.connect = guard(socket.socket.connect)
    socket.socket.connect_ex = guard(socket.socket.connect_ex)


def _note(report) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _skipped[report.nodeid, reason.removeprefix("Skipped: ")] = None


def pytest_runtest_logreport(report):
    """Remember skips while tests run."""
    _note(report)


def pytest_collectreport(report):
    """Remember skips of whole files."""
    _note(report)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """Take over what one of several test processes has skipped; whole files are told in no other way."""
    _skipped.update(dict.fromkeys(map(tuple, getattr(node, "workeroutput", {}).get("skipped", ()))))


def undeclared(skips, declared) -> list[tuple[str, str]]:
    """Skips that no entry of `declared` allows."""
    return [
        (name, reason)
        for name, reason in skips
        if not any(name.startswith(start) and word in reason for start, word in declared.items())
    ]


def pytest_sessionfinish(session, exitstatus):
    """Fail a session with a skip that nobody declared; one of several test processes hands its skips on."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["skipped"] = list(_skipped)
        return
    if exitstatus == 0 and undeclared(_skipped, DECLARED_SKIPS):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    """Print every skip with its reason."""
    wrong = undeclared(_skipped, DECLARED_SKIPS)
    for name, reason in _skipped:
        kind = "UNDECLARED SKIP" if (name, reason) in wrong else "skipped"
        terminalreporter.write_line(f"{kind}: {name}: {reason}", red=(name, reason) in wrong)
    terminalreporter.write_line(f"{len(_skipped)} skipped, {len(wrong)} of them not declared in tests/conftest.py")
