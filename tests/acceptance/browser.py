# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A headless Chromium, over its debugging protocol."""

from __future__ import annotations

import base64
import json
import re
import resource
import subprocess
import tempfile
import time
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import websocket

#: seconds
PATIENCE = 60


class BrowserError(AssertionError):
    """The browser does not do what it should."""


def _without_limit() -> None:
    # Odoo limits the memory of its processes, and so of those that they start.
    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _soon(look, seconds: float = PATIENCE):
    """The first true result of ``look()``; None when the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.1)
    return None


class Browser:
    """A headless Chromium and its one page."""

    def __init__(self, binary: str = "chromium"):
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [
                binary,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--no-first-run",
                "--remote-debugging-port=0",
                "--remote-allow-origins=*",
                f"--user-data-dir={self._folder.name}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_without_limit,
        )
        try:
            self._connect()
        except BaseException:
            self._end()
            raise

    def _connect(self) -> None:
        self._socket = websocket.create_connection(
            self._page(self._port())["webSocketDebuggerUrl"], timeout=PATIENCE
        )
        self._number = 0
        #: what the console said that is an error
        self.errors: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def _port(self) -> str:
        file = Path(self._folder.name, "DevToolsActivePort")
        words = _soon(lambda: file.exists() and file.read_text().split())
        if not words:
            raise BrowserError("Chromium does not start")
        return words[0]

    @staticmethod
    def _page(port: str) -> dict:
        """Its page, which may come a moment after the port."""

        def pages():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
                return [each for each in json.load(answer) if each["type"] == "page"]

        found = _soon(pages)
        if not found:
            raise BrowserError("Chromium shows no page")
        return found[0]

    def call(self, method: str, **params):
        """Send a command; return its result."""
        self._number += 1
        number = self._number
        self._socket.send(
            json.dumps({"id": number, "method": method, "params": params})
        )
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == number:
                if "error" in message:
                    raise BrowserError(f"{method}: {message['error']}")
                return message["result"]
            self._note(message)

    def _note(self, message) -> None:
        params = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(
                details.get("exception", {}).get("description", details["text"])
            )
        elif message.get("method") == "Runtime.consoleAPICalled":
            if params["type"] == "error":
                self.errors.append(
                    " ".join(str(a.get("value", a)) for a in params["args"])
                )
        elif message.get("method") == "Log.entryAdded":
            if params["entry"]["level"] == "error":
                self.errors.append(
                    f"{params['entry']['text']} {params['entry'].get('url', '')}"
                )

    def run(self, script: str):
        """The value of a script, which may be a promise."""
        result = self.call(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in result:
            raise BrowserError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, selector: str, seconds: float = PATIENCE) -> bool:
        """Whether the element comes."""
        script = f"!!document.querySelector({json.dumps(selector)})"
        return bool(_soon(lambda: self.run(script), seconds))

    def size(self, width: int, height: int, mobile: bool) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=mobile)

    def picture(self, path: Path) -> None:
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        self._socket.close()
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()


def log_in(browser: Browser, url: str, user="admin", password="admin") -> None:
    """Sign in, and open the web client.

    Without the page to sign in: who leaves it while it is still starting leaves a
    database of the browser's open now and then, which the web client waits for.
    """
    cookies = CookieJar()
    agent = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    with agent.open(f"{url}/web/login") as answer:
        token = re.search(r'name="csrf_token" value="(\w+)"', answer.read().decode())
    form = {"csrf_token": token[1], "login": user, "password": password}
    with agent.open(f"{url}/web/login", urlencode(form).encode()) as answer:
        if answer.url.endswith("/web/login"):
            raise BrowserError(f"the log-in as {user} failed")
    (session,) = (cookie for cookie in cookies if cookie.name == "session_id")
    browser.call("Network.setCookie", name=session.name, value=session.value, url=url)
    browser.call("Page.navigate", url=f"{url}/odoo")
    if not browser.wait(".o_main_navbar"):
        raise BrowserError(f"the web client does not come: {browser.errors}")
