"""A real headless Chromium, spoken to through its pipe (Chrome DevTools Protocol)."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
SECONDS = 120.0


class Browser:
    """One page; `messages` are the console, errors and violations of the page's policy."""

    def __init__(self, profile: Path, *, width: int = 1400, height: int = 900) -> None:
        assert CHROMIUM is not None
        ours_read, theirs_write = os.pipe()
        theirs_read, ours_write = os.pipe()
        os.set_blocking(ours_read, False)

        def pipes() -> None:  # the browser reads from 3 and writes to 4
            read, write = os.dup(theirs_read), os.dup(theirs_write)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self._process = subprocess.Popen(
            [
                CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--remote-debugging-pipe",
                "--hide-scrollbars",
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=pipes,
        )
        os.close(theirs_read)
        os.close(theirs_write)
        self._read, self._write = ours_read, ours_write
        self._buffer = b""
        self._last = 0
        self._session: str | None = None
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.loaded = 0
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=False)  # fmt: skip

    def ask(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol and wait for what it gives back."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + SECONDS
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            assert left > 0, "the browser does not answer"
            select.select([self._read], [], [], left)
            with contextlib.suppress(BlockingIOError):
                data = os.read(self._read, 1 << 20)
                assert data, "the browser has ended"
                self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, event: str, what: dict[str, Any]) -> None:
        if event == "Page.loadEventFired":
            self.loaded += 1
        elif event == "Log.entryAdded":
            self.messages.append(what["entry"]["text"])
        elif event == "Runtime.exceptionThrown":
            self.messages.append(json.dumps(what["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled":
            self.messages.append(json.dumps(what["args"]))
        elif event == "Network.requestWillBeSent":
            self.requests.append(what["request"]["url"])

    def open(self, path: Path) -> float:
        """Open a file and wait until it is loaded; returns the seconds that took."""
        before, began = self.loaded, time.monotonic()
        self.ask("Page.navigate", url=path.as_uri())
        while self.loaded == before:
            self._next()
        return time.monotonic() - began

    def look(self, expression: str) -> Any:
        """What an expression is in the page."""
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def press(self, *keys: str) -> None:
        for key in keys:
            code = {"Tab": 9, "Escape": 27, "Home": 36, "End": 35, "ArrowLeft": 37,
                    "ArrowRight": 39}.get(key, ord(key[0].upper()))  # fmt: skip
            for kind in ("rawKeyDown", "keyUp"):
                self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                         windowsVirtualKeyCode=code)  # fmt: skip

    def point(self, selector: str, *, click: bool = False) -> None:
        """Put the pointer on the first element that a selector finds, and see it there."""
        quoted = json.dumps(selector)
        place = (
            f"(() => {{ const e = document.querySelector({quoted}); e.scrollIntoView({{block:"
            " 'center'}); const r = e.getClientRects()[0];"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        hovered = f"document.querySelector({quoted}).matches(':hover')"
        deadline = time.monotonic() + SECONDS
        while True:  # before a page is painted it drops what the mouse does, and may still move
            x, y = self.look(place)
            self._mouse("mouseMoved", x, y)
            if self.look(hovered):
                break
            assert time.monotonic() < deadline, f"the pointer does not reach {selector}"
        if click:
            self._mouse("mousePressed", x, y)
            self._mouse("mouseReleased", x, y)

    def _mouse(self, kind: str, x: float, y: float) -> None:
        pressed = kind != "mouseMoved"
        self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y,
                 button="left" if pressed else "none", clickCount=int(pressed))  # fmt: skip

    def dark(self, dark: bool) -> None:
        """As a system that prefers dark or light."""
        value = "dark" if dark else "light"
        self.ask("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": value}])  # fmt: skip

    def picture(self, path: Path) -> None:
        data = self.ask("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def paper(self, path: Path) -> None:
        """The page as it is printed, in a PDF."""
        data = self.ask("Page.printToPDF", printBackground=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._read)
        os.close(self._write)
