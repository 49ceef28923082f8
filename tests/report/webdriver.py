"""A browser for tests: W3C WebDriver by plain HTTP, as far as these tests need it."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

DRIVER = shutil.which("chromedriver")
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {
    "Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "Home": "\ue011", "Left": "\ue012",
    "Up": "\ue013", "Right": "\ue014", "Down": "\ue015", "Shift": "\ue008",
}  # fmt: skip


class Browser:
    """One headless session."""

    def __init__(self, url: str, session: str) -> None:
        self._base = f"{url}/session/{session}"

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return request(method, self._base + path, body)

    def resize(self, width: int, height: int = 900) -> None:
        """Set the size of the page itself, below what a window can have too."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.cdp("Emulation.setDeviceMetricsOverride", metrics)
        self.next_frame()

    def next_frame(self) -> None:
        """Wait until the page has been laid out anew."""
        script = "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
        self.call("POST", "/execute/async", {"script": script, "args": []})

    def cdp(self, command: str, parameters: dict[str, Any]) -> Any:
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, url: str) -> None:
        self.call("POST", "/url", {"url": url})
        self.wait_for("return document.documentElement.dataset.state === 'ready'")

    def run(self, script: str, *arguments: Any) -> Any:
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait_for(self, condition: str, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not self.run(condition):
            if time.monotonic() > end:
                raise TimeoutError(condition)
            time.sleep(0.05)

    def find(self, selector: str) -> dict[str, str]:
        body = {"using": "css selector", "value": selector}
        return {ELEMENT: self.call("POST", "/element", body)[ELEMENT]}

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def press(self, *keys: str, shift: bool = False) -> None:
        actions = [
            {"type": kind, "value": KEYS[key]} for key in keys for kind in ("keyDown", "keyUp")
        ]
        if shift:
            hold = {"value": KEYS["Shift"]}
            actions = [{"type": "keyDown", **hold}, *actions, {"type": "keyUp", **hold}]
        self._act({"type": "key", "id": "keyboard", "actions": actions})

    def move(self, selector: str, x: float, y: float, *, click: bool = False) -> None:
        """Point at a place, counted from the upper left corner of an element."""
        corner = self.run(
            "const found = document.querySelector(arguments[0]);"
            "found.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const area = found.getBoundingClientRect(); return [area.x, area.y];",
            selector,
        )
        place = {"x": round(corner[0] + x), "y": round(corner[1] + y), "origin": "viewport"}
        actions: list[dict[str, Any]] = [{"type": "pointerMove", "duration": 0, **place}]
        if click:
            actions += [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        pointer = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}}
        self._act({**pointer, "actions": actions})

    def _act(self, source: dict[str, Any]) -> None:
        self.call("POST", "/actions", {"actions": [source]})

    def log(self, kind: str = "browser") -> list[dict[str, Any]]:
        return list(self.call("POST", "/se/log", {"type": kind}))

    def screenshot(self) -> bytes:
        return base64.b64decode(self.call("GET", "/screenshot"))


def request(method: str, url: str, body: dict[str, Any] | None) -> Any:
    data = None if method == "GET" else json.dumps(body or {}).encode()
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=120) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(error.read().decode()) from error


@contextmanager
def browser() -> Iterator[Browser]:
    """Start the driver at a port of its choice, and a browser that is thrown away afterwards."""
    assert DRIVER is not None
    with tempfile.TemporaryFile("w+") as output:
        driver = subprocess.Popen([DRIVER, "--port=0"], stdout=output, stderr=subprocess.STDOUT)
        try:
            yield from _session(f"http://127.0.0.1:{_port(driver, output)}")
        finally:
            driver.terminate()
            try:
                driver.wait(20)
            except subprocess.TimeoutExpired:
                driver.kill()
                driver.wait()


def _port(driver: subprocess.Popen[bytes], output: Any) -> int:
    end = time.monotonic() + 30
    while time.monotonic() < end and driver.poll() is None:
        output.seek(0)
        found = output.read().partition("started successfully on port ")[2]
        if "." in found:
            return int(found.partition(".")[0])
        time.sleep(0.05)
    raise TimeoutError("chromedriver did not start")


def _session(url: str) -> Iterator[Browser]:
    options = {
        "binary": BROWSER,
        "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
    }
    capabilities = {
        "browserName": "chrome",
        "goog:chromeOptions": options,
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
    }
    body = {"capabilities": {"alwaysMatch": capabilities}}
    made = request("POST", f"{url}/session", body)
    session = Browser(url, made["sessionId"])
    try:
        yield session
    finally:
        session.call("DELETE", "")
