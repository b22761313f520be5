"""A real browser, driven over its own pipe: what a reader of the report would see and could do.

Chromium's DevTools protocol, one JSON message after another, each ending in a zero byte; no library and no port.
"""

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections import deque
from pathlib import Path
from typing import Any, Self

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 120  # seconds for one answer: a machine may be busy with other things
_SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars", "--force-color-profile=srgb",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--remote-debugging-pipe",
)  # fmt: skip


class Browser:
    """One browser for many pages."""

    def __init__(self, profile: Path) -> None:
        read, self._write = os.pipe()
        self._read, write = os.pipe()
        # Chromium reads from descriptor 3 and writes to 4. Higher numbers first: one of the ends may be 3 or 4 itself.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 16) for end in (read, write)]

        def place() -> None:
            for end, number in zip(ends, (3, 4), strict=True):
                os.dup2(end, number)

        assert CHROMIUM is not None
        self._process = subprocess.Popen(
            [CHROMIUM, *_SWITCHES, f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=place,
            close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (read, write, *ends):
            os.close(end)
        self._numbers = itertools.count(1)
        self._received = b""
        self._events: deque[dict[str, Any]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._write)  # the browser ends when its caller is gone
        self._process.kill()
        self._process.wait()
        os.close(self._read)

    def open(
        self, page: Path | str, *, width: int = 1440, height: int = 900, dark: bool = False, media: str = ""
    ) -> "Page":
        """The page, a file or an address, loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        opened = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            opened.call(f"{domain}.enable")
        opened.look(width=width, height=height, dark=dark, media=media)
        opened.call("Page.navigate", url=page if isinstance(page, str) else page.as_uri())
        opened.wait_for("Page.loadEventFired")
        return opened

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Ask, and wait for the answer; what happens meanwhile is kept."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        data = json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        while (answer := self._next()).get("id") != number:
            self._events.append(answer)
        assert "error" not in answer, (method, answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    def events(self, session: str) -> list[dict[str, Any]]:
        """What happened on one page up to now."""
        return [event for event in self._events if event.get("sessionId") == session]

    def wait_for(self, session: str, method: str) -> None:
        """Return when it has happened."""
        while all(event["method"] != method for event in self.events(session)):
            self._events.append(self._next())

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._received:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._read], [], [], max(left, 0))
            read = os.read(self._read, 1 << 20) if ready else b""
            assert read, f"the browser said nothing for {PATIENCE} s" if not ready else "the browser has ended"
            self._received += read
        message, _, self._received = self._received.partition(b"\0")
        event: dict[str, Any] = json.loads(message)
        return event


class Page:
    """One page, as a reader has it open."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask something of this page."""
        return self._browser.call(method, self._session, **parameters)

    def wait_for(self, method: str) -> None:
        """Return when it has happened on this page."""
        self._browser.wait_for(self._session, method)

    def look(self, *, width: int, height: int = 900, dark: bool = False, media: str = "") -> None:
        """Look at it on another screen, or on paper."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def run(self, script: str) -> Any:
        """The value of an expression, evaluated by the tester and not by the page: its policy does not forbid it."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key and let it go."""
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                text=text if kind == "keyDown" else "",
            )

    def shoot(self, file: Path, *, whole: bool = True) -> None:
        """A picture of the page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shot["data"]))

    def printed(self) -> bytes:
        """The page as a printer gets it: a PDF."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def complaints(self) -> list[str]:
        """What was written to the console, by the page or by the browser about it."""
        found = []
        for event in self._browser.events(self._session):
            match event["method"]:
                case "Log.entryAdded":
                    found.append(event["params"]["entry"]["text"])
                case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                    found.append(json.dumps(event["params"]))
        return found

    def requests(self) -> list[str]:
        """The addresses that were asked for, without those the tester typed."""
        events = self._browser.events(self._session)
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
