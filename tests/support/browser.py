"""A real browser without a window: Debian's Chromium, driven by its DevTools protocol.

It listens on no port: commands and events go through two pipes, a JSON object each, ended by a NUL.
A page tells its errors and the addresses it asked for, so that a test can say there were none.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMES = ("chromium", "chromium-browser", "google-chrome")
ANSWER_TIMEOUT_S = 30
_OPTIONS = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu",
    "--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking",
    "--disable-component-update", "--disable-default-apps", "--disable-sync", "--hide-scrollbars",
    "--force-color-profile=srgb",
)  # fmt: skip
_KEYS = {
    "Tab": (9, ""), "Enter": (13, "\r"), "Escape": (27, ""), " ": (32, " "),
    "PageUp": (33, ""), "PageDown": (34, ""), "End": (35, ""), "Home": (36, ""),
    "ArrowUp": (38, ""), "ArrowDown": (40, ""),
}  # fmt: skip
"""By name: what Windows calls it, which browsers go by, and the text it writes."""
_FIRST_FREE = 64  # the shell that moves the pipes to 3 and 4 uses lower numbers itself
_READ_BYTES = 1 << 20


class BrowserError(Exception):
    """The browser refused a command, ended, or did not answer in time."""


def find_browser() -> str | None:
    """The program, if there is one on this machine."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Wire:
    """Commands out, answers and events in."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._out, self._in = to_browser, from_browser
        self._number = 0
        self._rest = b""
        self.listeners: dict[str | None, Callable[[str, dict[str, Any]], None]] = {}
        """By session: who gets its events."""

    def ask(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send a command and return its result; events that come meanwhile go to listeners."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": params}
        if session:
            command["sessionId"] = session
        left = json.dumps(command).encode() + b"\0"
        while left:
            left = left[os.write(self._out, left) :]
        deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
        while True:
            message = self._next(deadline_s, method)
            if message.get("id") == self._number:
                break
        if error := message.get("error"):
            raise BrowserError(f"{method}: {error['message']}")
        result: dict[str, Any] = message["result"]
        return result

    def wait(self, is_so: Callable[[], bool], what: str) -> None:
        """Take in events until something is so."""
        deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
        while not is_so():
            self._next(deadline_s, what)

    def _next(self, deadline_s: float, what: str) -> dict[str, Any]:
        while b"\0" not in self._rest:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not select.select([self._in], [], [], left_s)[0]:
                raise BrowserError(f"{what}: no answer within {ANSWER_TIMEOUT_S} s")
            read = os.read(self._in, _READ_BYTES)
            if not read:
                raise BrowserError(f"{what}: the browser has ended")
            self._rest += read
        raw, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        listener = self.listeners.get(message.get("sessionId"))
        if listener and "method" in message:
            listener(message["method"], message["params"])
        return message


@dataclass
class Page:
    """One tab."""

    wire: Wire
    session: str
    target: str
    errors: list[str] = field(default_factory=list)
    """What its console was told as an error, and exceptions nobody caught."""
    requests: list[str] = field(default_factory=list)
    """The addresses it asked for, its own first."""
    is_loaded: bool = False

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """A command of the DevTools protocol."""
        return self.wire.ask(method, self.session, **params)

    def open(self, address: str | Path) -> Page:
        """Load a URL or a file and wait for all that belongs to it."""
        url = address.resolve().as_uri() if isinstance(address, Path) else address
        self.is_loaded = False
        self.errors.clear()
        self.requests.clear()
        answer = self.ask("Page.navigate", url=url)
        if said := answer.get("errorText"):
            raise BrowserError(f"{url}: {said}")
        self.wire.wait(lambda: self.is_loaded, f"loading {url}")
        return self

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression, as JSON; promises are awaited."""
        answer = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if thrown := answer.get("exceptionDetails"):
            raise BrowserError(f"{script}: {thrown.get('exception', thrown).get('description')}")
        return answer["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Wait until an expression is true; the page says when something in it has changed."""
        wait_ms = ANSWER_TIMEOUT_S * 1000
        found = self.evaluate(
            f"new Promise(done => {{ const over = setTimeout(() => done(false), {wait_ms - 1000});"
            f" const look = () => ({script}) ? (clearTimeout(over), done(true))"
            " : requestAnimationFrame(look); look(); })"
        )
        assert found, f"{script} did not become true"

    def press(self, key: str, times: int = 1) -> None:
        """Press a key by its name, as `Tab`, `Enter`, `ArrowDown` or a character."""
        code, text = _KEYS.get(key, (ord(key[0].upper()), key))
        kind = "keyDown" if text else "rawKeyDown"
        shared = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        for _ in range(times):
            self.ask("Input.dispatchKeyEvent", type=kind, text=text, **shared)
            self.ask("Input.dispatchKeyEvent", type="keyUp", **shared)

    def type(self, text: str) -> None:
        """Write into what has the focus."""
        self.ask("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of the first element that is so."""
        shown = json.dumps(selector)
        x, y = self.evaluate(
            f"(() => {{ const one = document.querySelector({shown});"
            " one.scrollIntoView({block: 'nearest'}); const box = one.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for event in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=event, x=x, y=y, button="left", clickCount=1)

    def resize(self, width: int, height: int = 800, scale: float = 1) -> None:
        """Set the size of the window, in CSS pixels."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=scale, mobile=width < 600,
        )  # fmt: skip

    def look(self, *, is_dark: bool = False, is_printed: bool = False) -> None:
        """Choose what the reader prefers, and whether it is on paper."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        media = "print" if is_printed else "screen"
        self.ask("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def picture(self, *, whole: bool = False) -> bytes:
        """What is seen as a PNG; with `whole`, also what is further down."""
        answer = self.ask("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])

    def close(self) -> None:
        """Close the tab."""
        self.wire.listeners.pop(self.session, None)
        self.wire.ask("Target.closeTarget", targetId=self.target)

    def note(self, event: str, params: dict[str, Any]) -> None:
        """Take in an event."""
        if event == "Page.loadEventFired":
            self.is_loaded = True
        elif event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            thrown = params["exceptionDetails"]
            self.errors.append(thrown.get("exception", {}).get("description") or thrown["text"])
        elif event == "Runtime.consoleAPICalled" and params["type"] in {"error", "assert"}:
            said = (part.get("value", part.get("description")) for part in params["args"])
            self.errors.append(" ".join(map(str, said)))
        elif event == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])


@dataclass
class Browser:
    """A running browser."""

    wire: Wire

    @contextlib.contextmanager
    def page(self) -> Iterator[Page]:
        """A new tab, closed at the end; tabs share nothing (cookies, caches)."""
        context = self.wire.ask("Target.createBrowserContext")["browserContextId"]
        created = self.wire.ask("Target.createTarget", url="about:blank", browserContextId=context)
        target = created["targetId"]
        session = self.wire.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self.wire, session, target)
        self.wire.listeners[session] = page.note
        try:
            for domain in ("Page", "Runtime", "Log", "Network"):
                page.ask(f"{domain}.enable")
            page.resize(1100)
            yield page
        finally:
            page.close()
            self.wire.ask("Target.disposeBrowserContext", browserContextId=context)


@contextlib.contextmanager
def running_browser(program: str) -> Iterator[Browser]:
    """A browser with a profile of its own, ended at the end."""
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        )
        theirs_in, ours_out = _pipe()
        ours_in, theirs_out = _pipe()
        stack.callback(os.close, ours_out)
        stack.callback(os.close, ours_in)
        # Its sandbox needs namespaces that containers and root do not get; pages are our own.
        options = [*_OPTIONS, "--no-sandbox", f"--user-data-dir={scratch}/profile", "about:blank"]
        process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}', program, *options],
            pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": scratch, "LANG": "C.UTF-8"},
        )  # fmt: skip
        stack.callback(_end, process)
        for theirs in (theirs_in, theirs_out):
            os.close(theirs)
        wire = Wire(ours_out, ours_in)
        wire.ask("Browser.getVersion")
        yield Browser(wire)
        with contextlib.suppress(BrowserError):
            wire.ask("Browser.close")


def _pipe() -> tuple[int, int]:
    """Both ends of a pipe, by high numbers."""
    ends = []
    for end in os.pipe():
        ends.append(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE))
        os.close(end)
    return ends[0], ends[1]


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
