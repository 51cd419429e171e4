"""The web server of the explorer: this machine only, one token, few files, bounded messages.

What it refuses: another host in the request (421; a name that an attacker's DNS points here), another origin or site
(403; a page open in the same browser), a request without the token or the cookie it became (403), any method but GET
(405), any path but its own few (404).  It opens no file that a page names.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, HTTPError, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from tme_sim.explore.models import Models
from tme_sim.explore.session import Session
from tme_sim.explore.tab import Tab

__all__ = ["Explorer", "POLICY"]

HOST = "127.0.0.1"
MOST_TABS = 12
MOST_MESSAGE = 1_000_000  # bytes; a config file and some
MOST_BODY, MOST_HEADER = 10_000, 32_000
IDLE = 300.0  # seconds a connection may wait for its next request

# BokehJS writes style elements into its figures, so styles must be allowed inline; scripts are not.
POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self' 'unsafe-inline'", "img-src 'self' data: blob:",
    "connect-src 'self'", "font-src 'self' data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
))  # fmt: skip
HEADERS = {
    "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store", "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}  # fmt: skip
PAGE = ("index.html", "style.css", "explorer.js", "calendar.js", "curves.js", "figures.js", "controls.js", "timing.js")
BOKEH = ("bokeh.min.js", "bokeh-api.min.js")
KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript"}


def contents() -> dict[str, bytes]:
    """Everything the page is made of, by name.

    Raises:
        ImportError: Bokeh is not installed (extra ``[explore]``).
    """
    try:
        import bokeh
    except ImportError as error:
        raise ImportError('the explorer needs Bokeh: pip install "tme-sim[explore]"') from error
    scripts = Path(bokeh.__file__).parent / "server" / "static" / "js"
    out = {name: (files("tme_sim.explore") / "page" / name).read_bytes() for name in PAGE}
    return out | {name: (scripts / name).read_bytes() for name in BOKEH}


class _Guarded(RequestHandler):
    """Checks that stand before everything."""

    explorer: Explorer

    def initialize(self, explorer: Explorer) -> None:
        self.explorer = explorer

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        self.explorer.check(self.request)
        if self.request.method != "GET":
            raise HTTPError(405)

    def write_error(self, status_code: int, **_kwargs: Any) -> None:
        """Answer with what went wrong and what to do, in a sentence."""
        words = {
            403: "This page answers only the address that tme-sim explore printed. Open that address again.",
            404: "There is no such page.",
            405: "Only GET is answered.",
            421: "This server answers only to 127.0.0.1 and localhost.",
            429: "Too many tabs are open; close one.",
        }
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(words.get(status_code, "This request cannot be answered.") + "\n")

    def admitted(self) -> None:
        """Refuse who does not hold the cookie."""
        given = self.get_cookie(self.explorer.cookie_name, "") or ""
        if not hmac.compare_digest(given.encode(), self.explorer.cookie.encode()):
            raise HTTPError(403)


class _Page(_Guarded):
    def get(self) -> None:
        """The page itself; its token becomes a cookie and leaves the address."""
        token = self.request.arguments.get("token", [b""])[-1]
        if token:
            if not hmac.compare_digest(token, self.explorer.token.encode()):
                raise HTTPError(403)
            self.set_cookie(
                self.explorer.cookie_name, self.explorer.cookie, httponly=True, samesite="Strict", path="/"
            )
            self.redirect("/", status=303)
            return
        self.admitted()
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(self.explorer.contents["index.html"])


class _File(_Guarded):
    def get(self, name: str) -> None:
        self.admitted()
        content = self.explorer.contents.get(name)
        if content is None or name == "index.html":
            raise HTTPError(404)
        self.set_header("Content-Type", f"{KINDS[name.rpartition('.')[2]]}; charset=utf-8")
        self.finish(content)


class _Missing(_Guarded):
    def get(self) -> None:
        self.admitted()
        raise HTTPError(404)


class _Socket(WebSocketHandler):
    """The line between a page and its tab."""

    def initialize(self, explorer: Explorer) -> None:
        self.explorer = explorer
        self.tab: Tab | None = None

    def prepare(self) -> None:
        self.explorer.check(self.request)
        given = self.get_cookie(self.explorer.cookie_name, "") or ""
        if not hmac.compare_digest(given.encode(), self.explorer.cookie.encode()):
            raise HTTPError(403)
        if "Origin" not in self.request.headers:
            raise HTTPError(403)
        if len(self.explorer.tabs) >= MOST_TABS:
            raise HTTPError(429)

    def check_origin(self, origin: str) -> bool:
        return origin in self.explorer.origins

    def open(self, *_args: str, **_kwargs: str) -> None:
        self.set_nodelay(True)
        self.tab = self.explorer.new_tab(self._say)
        self.explorer.tabs.add(self.tab)
        self.tab.open()

    def on_message(self, message: str | bytes) -> None:
        try:
            data = json.loads(message)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict) or self.tab is None:
            self.close(1003, "not understood")
            return
        self.tab.take(data)

    def on_close(self) -> None:
        if self.tab is not None:
            self.explorer.tabs.discard(self.tab)
            self.tab.close()

    def _say(self, message: dict, content: bytes | None = None) -> None:
        try:
            self.write_message(json.dumps(message, allow_nan=False))
            if content is not None:
                self.write_message(content, binary=True)
        except WebSocketClosedError:
            self.on_close()


class Explorer:
    """The server of one scenario: starts on loopback, knows its address, makes a tab for each page.

    Args:
        scenario: what each new tab starts with.
        port: 0 takes a free one.
        study: a timing surface (:func:`tme_sim.explore.timing.of_study`) that the page offers.
        posterior: :class:`tme_sim.posterior.Posterior` for the band; the prior without one.
    """

    def __init__(self, scenario: Any, port: int = 0, study: dict | None = None, posterior: Any = None):
        Session(scenario)
        self.scenario, self.wanted, self.study, self.posterior = scenario, port, study, posterior
        self.token, self.cookie = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self.contents = contents()
        self.models = Models()
        self.tabs: set[Tab] = set()
        self.port = 0
        self.hosts: frozenset[str] = frozenset()
        self.origins: frozenset[str] = frozenset()
        self.cookie_name = ""
        self._quick = ThreadPoolExecutor(2, "explorer-quick")
        self._slow = ThreadPoolExecutor(1, "explorer-slow")
        self._server: HTTPServer | None = None

    @property
    def address(self) -> str:
        """The address to open, with its token."""
        return f"http://{HOST}:{self.port}/?token={self.token}"

    def new_tab(self, send: Callable[..., None]) -> Tab:
        """A tab with the scenario as it was given."""
        return Tab(Session(self.scenario), self.models, self._quick, self._slow, send, self.study, self.posterior)

    def check(self, request: HTTPServerRequest) -> None:
        """Refuse what comes under another name (421), or from another origin or site (403).

        Raises:
            HTTPError: 421 or 403.
        """
        if request.headers.get_list("Host") != [request.host] or request.host not in self.hosts:
            raise HTTPError(421)
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self.origins:
            raise HTTPError(403)
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise HTTPError(403)

    def start(self) -> None:
        """Listen; called inside a running event loop.

        Raises:
            OSError: the port is taken.
        """
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, self.wanted))
            listener.listen(64)
        except OSError:
            listener.close()
            raise
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        self.hosts = frozenset((f"{HOST}:{self.port}", f"localhost:{self.port}"))
        self.origins = frozenset(f"http://{host}" for host in self.hosts)
        self.cookie_name = f"tme_sim_{self.port}"
        own = {"explorer": self}
        application = Application(
            [("/", _Page, own), (r"/static/([a-z.-]{1,40})", _File, own), ("/socket", _Socket, own)],
            default_handler_class=_Missing, default_handler_args=own, websocket_max_message_size=MOST_MESSAGE,
            websocket_ping_interval=20, log_function=lambda _handler: None, compress_response=False,
        )  # fmt: skip
        self._server = HTTPServer(
            application, max_body_size=MOST_BODY, max_header_size=MOST_HEADER, idle_connection_timeout=IDLE,
            body_timeout=10.0, max_buffer_size=2 * MOST_MESSAGE,
        )  # fmt: skip
        self._server.add_socket(listener)

    def stop(self) -> None:
        """Close the line to every tab and stop listening."""
        if self._server is not None:
            self._server.stop()
        for tab in list(self.tabs):
            tab.close()
        self._quick.shutdown(wait=False, cancel_futures=True)
        self._slow.shutdown(wait=False, cancel_futures=True)

    def serve(self, ready: Callable[[str], None]) -> None:
        """Listen until interrupted; `ready` is told the address.

        Raises:
            OSError: the port is taken.
        """

        async def forever() -> None:
            """Listen, tell the address, and wait for the interrupt."""
            self.start()
            ready(self.address)
            await asyncio.Event().wait()

        try:
            asyncio.run(forever())
        except KeyboardInterrupt:
            pass
        finally:
            self.stop()
