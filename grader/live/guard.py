"""Who may ask the live page's server: those who know its address, from this machine, and nothing but to read."""

import secrets
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_BYTES: Final = 24
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""What a browser may call this machine. Another name that leads here is how a foreign page would try to get in."""


def new_token() -> str:
    """What stands in the address, and cannot be guessed."""
    return secrets.token_urlsafe(TOKEN_BYTES)


class Guard:
    """Lets through what may be asked, with the token taken off its path, and answers the rest itself."""

    def __init__(self, app: ASGIApp, token: str, policy: str) -> None:
        self._app = app
        self._token = token.encode()
        self._headers = {
            "content-security-policy": policy,
            "cache-control": "no-store",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, self._with_headers(send))
            return
        path = "/" + scope["path"].split("/", 2)[2]
        inner = {**scope, "path": path, "raw_path": path.encode(errors="replace"), "root_path": ""}
        await self._app(inner, receive, self._with_headers(send))

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        # The name first: a page that has made its own name lead here learns nothing, not even of tokens.
        if headers.get("host", "").rpartition(":")[0] not in LOOPBACK:
            return PlainTextResponse("misdirected\n", 421)
        _, _, rest = scope["path"].partition("/")
        token, slash, _ = rest.partition("/")
        if not secrets.compare_digest(token.encode(errors="replace"), self._token) or not slash:
            return PlainTextResponse("not found\n", 404)
        if scope["method"] != "GET":
            return PlainTextResponse("this page can only be read\n", 405)
        # Of browsers that say so: no other page may load any of this, but a link may lead to it.
        elsewhere = headers.get("sec-fetch-site", "none") in ("cross-site", "same-site")
        if elsewhere and headers.get("sec-fetch-mode") != "navigate":
            return PlainTextResponse("forbidden\n", 403)
        return None

    def _with_headers(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in self._headers.items()]
                message = {**message, "headers": [*message.get("headers", ()), *own]}
            await send(message)

        return sending
