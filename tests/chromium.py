"""A real Chromium without a window, driven over its debugging pipe: no driver, no package, no port."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE_S = 20
# Chromium reads from descriptor 3 and writes to 4, whatever numbers the pipes have here.
_AS_3_AND_4 = """
import os, sys
there, back = (os.dup(int(number)) for number in sys.argv[1:3])
os.dup2(there, 3), os.dup2(back, 4)
os.set_inheritable(3, True), os.set_inheritable(4, True)
os.execv(sys.argv[3], sys.argv[3:])
"""


def executable() -> str | None:
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Refused(Exception):
    """What the browser says it cannot do."""


class Chromium:
    """The browser; `with` ends it. Messages are JSON with a zero byte behind each."""

    def __init__(self, profile: Path) -> None:
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        found = executable()
        assert found, "look for it with `executable` first"
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-c", _AS_3_AND_4, str(theirs_in), str(theirs_out)),
                found,
                "--headless=new",
                "--no-sandbox",  # which root in a container does not get
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--remote-debugging-pipe",
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._in, self._out = ours_in, ours_out
        self._buffer = b""
        self._asked = 0
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._asked:
                if "error" in answer:
                    raise Refused(answer["error"]["message"])
                return answer["result"]
            self.events.append(answer)

    def open(self, url: str, width: int = 1280, height: int = 800) -> Page:
        """A new page, in cookies of its own, as another person's browser would have."""
        context = self.ask("Target.createBrowserContext")["browserContextId"]
        target = self.ask(
            "Target.createTarget", url="about:blank", browserContextId=context, width=width, height=height
        )["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target)
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable", session)
        self.ask("Page.navigate", session, url=url)
        return page

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            data = os.read(self._in, 1 << 16)
            assert data, "the browser has ended"
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self.ask("Browser.close")
            self._process.wait(PATIENCE_S)
        except (AssertionError, Refused, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)


class Page:
    def __init__(self, browser: Chromium, session: str, target: str) -> None:
        self._browser, self._session, self._target = browser, session, target

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, waited for if it is a promise."""
        answer = self._browser.ask(
            "Runtime.evaluate", self._session, expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, script: str) -> Any:
        """Asks until the value is true to JavaScript, of whatever page is there by then."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                if value := self.run(script):
                    return value
            except Refused as refused:
                if "navigated" not in str(refused):  # while it was asked
                    raise
            assert time.monotonic() < deadline, f"never became true: {script}"
            time.sleep(0.05)

    def click(self, selector: str) -> None:
        """With the mouse, where the element is."""
        x, y = self.run(
            f"(() => {{ const r = document.querySelector({selector!r}).getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._browser.ask(
                "Input.dispatchMouseEvent",
                self._session,
                type=kind,
                x=x,
                y=y,
                button="left",
                clickCount=1,
            )

    def screenshot(self) -> bytes:
        """A PNG."""
        return base64.b64decode(self._browser.ask("Page.captureScreenshot", self._session)["data"])

    def close(self) -> None:
        self._browser.ask("Target.closeTarget", targetId=self._target)

    @property
    def complaints(self) -> list[str]:
        """The errors in the browser's console: exceptions, refusals by the page's policy, answers amiss."""
        found = []
        for event in self._browser.events:
            if event.get("sessionId") == self._session and event["method"] == "Log.entryAdded":
                entry = event["params"]["entry"]
                found += [entry["text"]] * (entry["level"] == "error")
            elif event.get("sessionId") == self._session and event["method"] == "Runtime.exceptionThrown":
                found.append(event["params"]["exceptionDetails"]["text"])
        return found
