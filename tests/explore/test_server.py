"""The page answers this machine only, and whoever holds its token (promises of docs/verification.md)."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

import pytest

from tests.explore.serving import ask, cookie, serving
from tests.promises.processes import hear_ctrl_c


@pytest.fixture(scope="module")
def explorer():
    with serving() as one:
        yield one


def upgrade(explorer, **headers):
    base = {
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": f"http://127.0.0.1:{explorer.port}",
        "Cookie": cookie(explorer),
    } | headers  # fmt: skip
    base = {k: v for k, v in base.items() if v is not None}
    text = f"GET /socket HTTP/1.1\r\nHost: {base.pop('Host', f'127.0.0.1:{explorer.port}')}\r\n"
    text += "".join(f"{k}: {v}\r\n" for k, v in base.items()) + "\r\n"
    with socket.create_connection(("127.0.0.1", explorer.port), timeout=20) as line:
        line.sendall(text.encode())
        return int(line.recv(4096).split(b" ")[1])


def test_it_listens_on_loopback_alone(explorer):
    (listener,) = explorer._server._sockets.values()
    assert listener.getsockname()[0] == "127.0.0.1"
    import inspect

    from tme_sim.commands.explore import explore

    assert "host" not in {p.name for p in explore.params}
    assert "host" not in inspect.signature(type(explorer)).parameters


def test_no_other_address_of_this_machine_answers(explorer):
    """What the kernel says is listened to: a scan of every address would find no more."""
    found = []
    for table in ("tcp", "tcp6"):
        for row in Path("/proc/net", table).read_text().splitlines()[1:]:
            local, state = row.split()[1], row.split()[3]
            address, port = local.split(":")
            if state == "0A" and int(port, 16) == explorer.port:  # 0A: it listens
                found.append(address)
    assert found == ["0100007F"], "127.0.0.1 and nothing else"
    with pytest.raises(OSError):
        socket.create_connection(("::1", explorer.port), timeout=5).close()


def test_a_message_that_is_too_long_ends_its_tab_alone(explorer):
    from tme_sim.explore.server import MOST_MESSAGE

    with socket.create_connection(("127.0.0.1", explorer.port), timeout=20) as line:
        line.sendall(
            (
                f"GET /socket HTTP/1.1\r\nHost: 127.0.0.1:{explorer.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                f"Origin: http://127.0.0.1:{explorer.port}\r\nCookie: {cookie(explorer)}\r\n\r\n"
            ).encode()
        )
        assert b" 101 " in line.recv(4096)
        line.sendall(b"\x81\xff" + (MOST_MESSAGE + 1).to_bytes(8, "big") + bytes(4))  # the head of it is enough
        with suppress(ConnectionError):
            while line.recv(65536):  # what the tab said before, then the end
                pass
    assert ask(explorer, Cookie=cookie(explorer))[0] == 200


def test_the_token_opens_the_page_once_and_becomes_a_cookie(explorer):
    status, headers, _ = ask(explorer, f"/?token={explorer.token}")
    assert status == 303
    assert headers["location"] == "/"
    assert "httponly" in headers["set-cookie"].lower()
    assert "samesite=strict" in headers["set-cookie"].lower()
    assert explorer.token not in headers["set-cookie"]
    status, headers, body = ask(explorer, Cookie=cookie(explorer))
    assert status == 200
    assert b"tme_sim" in body
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "'unsafe-eval'" not in headers["content-security-policy"]
    assert "server" not in headers


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 403),
        ("/?token=wrong", {}, 403),
        ("/?token=", {}, 403),
        ("/static/explorer.js", {}, 403),
        ("/socket", {}, 403),
        ("/", {"Cookie": "{cookie}", "Host": "evil.example"}, 421),
        ("/", {"Cookie": "{cookie}", "Host": "evil.example:{port}"}, 421),
        ("/", {"Cookie": "{cookie}", "Host": "127.0.0.1"}, 421),
        ("/?token={token}", {"Host": "rebound.example:{port}"}, 421),
        ("/", {"Cookie": "{cookie}", "Origin": "http://evil.example"}, 403),
        ("/", {"Cookie": "{cookie}", "Origin": "null"}, 403),
        ("/", {"Cookie": "{cookie}", "Sec-Fetch-Site": "cross-site"}, 403),
        ("/", {"Cookie": "{cookie}", "Sec-Fetch-Site": "same-site"}, 403),
        ("/static/index.html", {"Cookie": "{cookie}"}, 404),
        ("/static/../server.py", {"Cookie": "{cookie}"}, 404),
        ("/static/..%2f..%2fserver.py", {"Cookie": "{cookie}"}, 404),
        ("/etc/passwd", {"Cookie": "{cookie}"}, 404),
        ("/etc/passwd", {}, 403),
        ("/static/explorer.js", {"Cookie": "{cookie}"}, 200),
        ("/", {"Cookie": "{cookie}", "Host": "localhost:{port}"}, 200),
    ],
)
def test_who_is_answered(explorer, path, headers, status):
    known = {"cookie": cookie(explorer), "port": explorer.port, "token": explorer.token}
    sent = {k.replace("-", "_"): v.format(**known) for k, v in headers.items()}
    assert ask(explorer, path.format(**known), **sent)[0] == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"])
def test_only_get_is_answered(explorer, method):
    assert ask(explorer, "/", method, Cookie=cookie(explorer))[0] == 405


def test_a_body_is_bounded(explorer):
    """The length alone is refused, before a byte of the body is sent (a body left unread would reset the line)."""
    text = f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{explorer.port}\r\nCookie: {cookie(explorer)}\r\n"
    with socket.create_connection(("127.0.0.1", explorer.port), timeout=20) as line:
        line.sendall(f"{text}Content-Length: 50000\r\n\r\n".encode())
        assert int(line.recv(4096).split(b" ")[1]) in (400, 413)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 101),
        ({"Origin": None}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Cookie": "x=y"}, 403),
        ({"Host": "evil.example"}, 421),
    ],
)
def test_the_line_to_the_model_is_open_to_the_page_alone(explorer, headers, status):
    assert upgrade(explorer, **headers) == status


def rub(explorer, number):
    rubbish = (b"GET / HTTP/9.9\r\n\r\n", b"\0" * 200 + b"\r\n\r\n", b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n",
               b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n",
               b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", b"GET / HTTP/1.1\r\nCookie: " + b";" * 5000 + b"\r\n\r\n",
               b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n")  # fmt: skip
    for i in range(number):
        with socket.create_connection(("127.0.0.1", explorer.port), timeout=20) as line:
            line.sendall(rubbish[i % len(rubbish)])
    assert ask(explorer, Cookie=cookie(explorer))[0] == 200


@pytest.mark.slow
def test_a_thousand_malformed_requests_leave_it_answering(explorer):
    rub(explorer, 1000)


def test_malformed_requests_leave_it_answering(explorer):
    rub(explorer, 40)


def test_no_file_of_the_page_names_another_address(explorer):
    import re

    for name, content in explorer.contents.items():
        if not name.startswith("bokeh"):
            found = set(re.findall(rb"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", content)) - {b"http://www.w3.org"}
            assert found == set(), name


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGINT", "SIGHUP"])  # Ctrl-C, and the window of the terminal closed
def test_the_command_prints_its_address_and_stops_with_its_terminal(tmp_path, how):
    import os
    import signal
    import subprocess
    import sys

    def hear() -> None:
        hear_ctrl_c()
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tme_sim", "explore", str(root / "configs/untreated.toml"), "--no-browser"]
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe, text=True, preexec_fn=hear
    ) as run:
        address = run.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        assert "?token=" in address
        run.send_signal(getattr(signal, how))
        _, said = run.communicate(timeout=30)
    assert run.returncode == (0 if how == "SIGINT" else -signal.SIGHUP)
    assert said.endswith("stopped\n") or how == "SIGHUP"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(address.split(":")[2].split("/")[0])), timeout=5).close()
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_bad_input_of_the_command_is_told_before_anything_listens(tmp_path):
    from click.testing import CliRunner

    from tme_sim.cli import cli

    path = tmp_path / "bad.toml"
    path.write_text('[patient]\nweight = "700 kg"\n')
    result = CliRunner().invoke(cli, ["explore", str(path), "--no-browser"])
    assert result.exit_code == 2
    assert "must be at most 300 kg" in result.output
    result = CliRunner().invoke(cli, ["explore", str(tmp_path / "none.toml"), "--no-browser"])
    assert result.exit_code == 2
