"""Chromium, driven over its DevTools pipe as a person would: keys, clicks, reloads, downloads."""

import json
import os
import shutil
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import F_DUPFD, fcntl
from pathlib import Path
from select import select

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
# Chromium takes commands at descriptor 3 and answers at 4
START = """import os, sys
for end, place in zip(sys.argv[1:3], (3, 4)):
    os.dup2(int(end), place)
os.execv(sys.argv[3], sys.argv[3:])"""
LIMIT_S = 30.0
KEYS = {
    "Tab": (9, ""),
    "Enter": (13, "\r"),
    "Escape": (27, ""),
    " ": (32, " "),
    "ArrowLeft": (37, ""),
    "ArrowRight": (39, ""),
}


class Browser:
    """One tab of a running Chromium; `events` are those that it reported, in order."""

    def __init__(self, to: int, answers: int) -> None:
        self.to, self.answers = to, answers
        self.session, self.number, self.left = "", 0, b""
        self.events: list[dict] = []

    def call(self, method: str, **params):
        """Run a command of the DevTools protocol, and return its result."""
        number = self.send(method, **params)
        while (got := self.read()).get("id") != number:
            pass
        assert "error" not in got, got
        return got["result"]

    def send(self, method: str, **params) -> int:
        """Send a command, and return its number."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        message |= {"sessionId": self.session} if self.session else {}
        os.write(self.to, json.dumps(message).encode() + b"\0")
        return self.number

    def read(self) -> dict:
        """Return the next message; an event is kept too, and a dialog agreed to."""
        end = time.monotonic() + LIMIT_S
        while b"\0" not in self.left:
            ready, _, _ = select([self.answers], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"Chromium said nothing for {LIMIT_S} s"
            data = os.read(self.answers, 1 << 20)
            assert data, "Chromium ended"
            self.left += data
        text, _, self.left = self.left.partition(b"\0")
        message = json.loads(text)
        if "method" in message:
            self.events.append(message)
            if message["method"] == "Page.javascriptDialogOpening":
                self.send("Page.handleJavaScriptDialog", accept=True)
        return message

    def wait(self, method: str) -> dict:
        """Return the parameters of the next event of this name, and forget it."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            for event in self.events:
                if event["method"] == method:
                    self.events.remove(event)
                    return event["params"]
            self.read()
        raise TimeoutError(f"no {method} for {LIMIT_S} s")

    def open(self, page: Path) -> None:
        """Open a page from disk."""
        self.call("Page.navigate", url=page.as_uri())
        self.wait("Page.loadEventFired")

    def reload(self) -> None:
        """Load the page again; what it asks before it is left is agreed to."""
        self.call("Page.reload")
        self.wait("Page.loadEventFired")

    def js(self, code: str):
        """Return the value of an expression."""
        done = self.call("Runtime.evaluate", expression=code, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def until(self, code: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + LIMIT_S
        while not self.js(code):
            assert time.monotonic() < end, code
            time.sleep(0.02)

    def press(self, key: str) -> None:
        """Press and release a key."""
        number, text = KEYS[key] if key in KEYS else (ord(key.upper()), key)
        result = {"key": key, "windowsVirtualKeyCode": number, "text": text}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **result)
        self.call("Input.dispatchKeyEvent", type="keyUp", **result)

    def click(self, selector: str):
        """Click in the middle of an element, scrolled into view."""
        box = self.js(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            "return [b.left + b.width / 2, b.top + b.height / 2]; })()"
        )
        result = {"x": box[0], "y": box[1], "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", **result)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **result)

    def write(self, selector: str, text: str) -> None:
        """Click into a field and type."""
        self.click(selector)
        self.call("Input.insertText", text=text)

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in a field for files."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def size(self, width: int, height: int) -> None:
        """Make the window as large as that, in pixels."""
        result = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **result)

    def scheme(self, name: str) -> None:
        """Ask for the colours of ``"light"`` or ``"dark"``."""
        result = [{"name": "prefers-color-scheme", "value": name}]
        self.call("Emulation.setEmulatedMedia", features=result)

    def screenshot(self, path: Path) -> None:
        """Save what is in sight as PNG."""
        path.write_bytes(b64decode(self.call("Page.captureScreenshot")["data"]))


def faults(tab: Browser) -> list[dict]:
    """Return what was logged or thrown, and what was asked of anything but this page."""
    bad = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    request = [e for e in tab.events if e["method"] == "Network.requestWillBeSent"]
    urls = [e["params"]["request"]["url"] for e in request]
    return [e for e in tab.events if e["method"] in bad] + [
        url for url in urls if not url.startswith(("file:", "data:", "blob:"))
    ]


@contextmanager
def browsing(profile: Path, downloads: Path) -> Iterator[Browser]:
    """Yield a Chromium of its own with one tab; what it downloads goes to `downloads`."""
    (theirs, to), (answers, result) = os.pipe(), os.pipe()
    ends = [fcntl(end, F_DUPFD, 10) for end in (theirs, result)]  # clear of 3 and 4
    start = [sys.executable, "-IS", "-c", START, *map(str, ends), str(CHROMIUM)]
    switches = [*SWITCHES, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen([*start, *switches], pass_fds=ends, stderr=subprocess.DEVNULL)
    for end in (theirs, result, *ends):
        os.close(end)
    try:
        browser = Browser(to, answers)
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads),
                     eventsEnabled=True)  # fmt: skip
        session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser.session = session
        for domain in ("Page", "Runtime", "Network", "Log"):
            browser.call(f"{domain}.enable")
        yield browser
        browser.session = ""
        with suppress(OSError, subprocess.TimeoutExpired):
            browser.send("Browser.close")
            process.wait(timeout=LIMIT_S)  # what pages stored is written as it ends
    finally:
        process.terminate()
        process.wait(timeout=LIMIT_S)
        os.close(to)
        os.close(answers)
