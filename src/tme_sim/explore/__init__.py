"""The explorer: a local page to drag a calendar, move parameters, and see at once what follows.

It answers this machine only (loopback, a token in the address that becomes a cookie, host and origin checked), asks
nothing of any network, and holds each tab apart (promises H9 and H10 of docs/verification.md). The page and how to use
it: ``docs/explorer.md``; why it is made as it is: ``docs/adr/0011-explorer-page.md``.

`edits`, `session`, `form`, `frames`, `prior` and `packing` know of no browser; `tab` joins them to messages, `server`
to HTTP.
"""

from tme_sim.explore.session import Session

__all__ = ["Session"]
