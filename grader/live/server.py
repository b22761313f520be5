"""Serves the live page on a loopback address, in a thread of its own, and tells every open tab of each change.

Who may ask: those who know its address, from this machine, and nothing but to read.
"""

import asyncio
import json
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from types import TracebackType
from typing import Final, Self

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grader.errors import CannotJudge
from grader.limits import LIVE_POLL_SECONDS, LIVE_SILENCE_SECONDS, LIVE_START_SECONDS
from grader.live.live_page import Board, Phase, policy, render_shell

HOST: Final = "127.0.0.1"
TOKEN_BYTES: Final = 24
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""What a browser may call this machine. Another name that leads here is how a foreign page would try to get in."""


class Server:
    """The page's server. Use as a context manager; leaving it tells the tabs and ends every connection.

    Args:
        look: is called twice a second, to put on the board what has changed without a save.

    Raises:
        CannotJudge: on entering, when no port can be had.
    """

    def __init__(self, board: Board, look: Callable[[], None]) -> None:
        self._board = board
        self._look = look
        self._token = new_token()
        routes = [Route("/", self._page), Route("/view", self._view), Route("/events", self._events)]
        app = Guard(Starlette(routes=routes), self._token, policy())
        # Nothing is logged: an address holds the token. No lifespan, no websockets.
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False,
                timeout_graceful_shutdown=1, proxy_headers=False,
            )
        )  # fmt: skip
        self._thread = threading.Thread(target=self._serve, name="live page", daemon=True)

    @property
    def address(self) -> str:
        """Where the page is. Who knows it can read the page."""
        return f"http://{HOST}:{self._port}/{self._token}/"

    def __enter__(self) -> Self:
        try:
            self._socket = socket.create_server((HOST, 0))
        except OSError as error:
            raise CannotJudge(f"the page cannot be served on {HOST}: {error.strerror}") from None
        self._port: int = self._socket.getsockname()[1]
        self._thread.start()
        waited = threading.Event()
        for _ in range(int(LIVE_START_SECONDS / 0.01)):
            if self._server.started:
                return self
            waited.wait(0.01)
        raise CannotJudge(f"the page's server did not start within {LIVE_START_SECONDS:g} s")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._board.change(phase=Phase.ENDED)
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])

    async def _page(self, _: Request) -> Response:
        return HTMLResponse(render_shell(self._board.view))

    async def _view(self, _: Request) -> Response:
        return JSONResponse(asdict(self._board.view))

    async def _events(self, _: Request) -> Response:
        return StreamingResponse(self._changes(), media_type="text/event-stream")

    async def _changes(self) -> AsyncIterator[str]:
        """An event for each change that this reader has not seen, until the page ends."""
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(changed.set)

        end = self._board.listen(wake)
        told, quiet = -1, 0.0
        try:
            while True:
                view = self._board.view
                if view.number != told:
                    told, quiet = view.number, 0.0
                    yield f"data: {json.dumps({'number': told, 'phase': view.phase})}\n\n"
                    if view.phase is Phase.ENDED:
                        return
                changed.clear()
                if self._board.view.number == told:
                    try:
                        await asyncio.wait_for(changed.wait(), LIVE_POLL_SECONDS)
                    except TimeoutError:
                        self._look()
                        quiet += LIVE_POLL_SECONDS
                if quiet >= LIVE_SILENCE_SECONDS:
                    quiet = 0.0
                    yield ": still here\n\n"
        finally:
            end()


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
