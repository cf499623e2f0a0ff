"""The Prefect server of a run: the user's own, which must answer, or one that ends with it.

In: the environment. Out: a server, and the environment in which processes reach it. A server of our
own takes no settings of the user's, and nothing on this machine goes by a proxy; where it ends
before its time, so does what asks it, which would wait for minutes.
"""

import base64
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from socket import socket
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from busgen.errors import BusgenError, UserError

URL = "PREFECT_API_URL"
LOOPBACK = ("127.0.0.1", "localhost")
START_S, END_S, ANSWER_S = 240.0, 30.0, 10.0  # of a busy machine
WATCH_S = 0.5
LOG = Path(".prefect/server.log")
UNSET = f"mend it, or unset {URL}: a run then starts its own server"


def make_environment(found: Mapping[str, str]) -> dict[str, str]:
    """Return the environment `found` for processes that ask a Prefect server.

    Without the user's settings of Prefect, unless the server is theirs (`URL`); without proxies
    that its client would stumble over, and none for this machine.
    """
    theirs = bool(found.get(URL))
    kept = {
        name: value
        for name, value in found.items()
        if (theirs or not name.startswith("PREFECT_"))
        and (name.lower() not in ("http_proxy", "https_proxy", "all_proxy") or _is_usable(value))
    }
    direct = kept.get("no_proxy") or kept.get("NO_PROXY") or ""  # as urllib and httpx have it
    hosts = ",".join(dict.fromkeys((*filter(None, direct.split(",")), *LOOPBACK)))
    return kept | {"no_proxy": hosts, "NO_PROXY": hosts}


def _is_usable(proxy: str) -> bool:
    """Return whether httpx takes a proxy: of others it raises, whatever it is asked for."""
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    socks = ("socks5", "socks5h") if find_spec("socksio") else ()
    return whole and parts.scheme in ("http", "https", *socks)


@dataclass(frozen=True)
class PrefectServer:
    """A server's address, and its process if it is ours."""

    url: str
    process: "subprocess.Popen[bytes] | None" = None

    @contextmanager
    def bind_process(self, client: "subprocess.Popen[Any]") -> Iterator[None]:
        """Kill `client` where the server ends inside the block, and raise `BusgenError` then."""
        if (server := self.process) is None:
            yield
            return
        over = threading.Event()

        def watch() -> None:
            while not over.wait(WATCH_S):
                if server.poll() is not None:
                    client.kill()
                    return

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
        if (code := server.poll()) is not None:
            raise BusgenError(
                f"the Prefect server of this run has ended before its time (code {code}), and the "
                "run with it: run the same command again, it goes on where it was; the server's "
                f"log is {LOG}"
            )


@contextmanager
def prefect_server(die: Callable[[], None] | None = None) -> Iterator[PrefectServer]:
    """Yield a Prefect server: the user's own, or one that ends with the block.

    `die`: what a process of our own does first, so that it ends with this one. Raises `UserError`
    if the user's own does not answer, or ours does not start.
    """
    if url := os.environ.get(URL):
        _require_answer(url)
        yield PrefectServer(url)
        return
    with socket() as free:
        free.bind((LOOPBACK[0], 0))
        port = free.getsockname()[1]
    url = f"http://{LOOPBACK[0]}:{port}/api"
    path = Path.cwd() / LOG
    path.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", LOOPBACK[0]]
    own = {"PREFECT_HOME": str(path.parent), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    with path.open("wb") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port)],
            stdout=log,
            stderr=log,
            env=make_environment(os.environ) | own,
            preexec_fn=die,
        )
        try:
            _wait_until_healthy(server, url, path)
            yield PrefectServer(url, server)
        finally:
            _stop(server)


def _stop(server: "subprocess.Popen[bytes]") -> None:
    """End the server; kill it where it does not end in time."""
    server.terminate()
    try:
        server.wait(END_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _wait_until_healthy(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with _opener(url).open(f"{url}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    got = "no answer" if server.poll() is None else f"its end with code {server.poll()}"
    raise UserError(f"the Prefect server must start within {START_S:.0f} s", got, f"see {log}")


def _opener(url: str) -> OpenerDirector:
    """Return what opens an address, on this machine by no proxy."""
    own = urlsplit(url).hostname in (*LOOPBACK, "::1")
    return build_opener(*([ProxyHandler({})] if own else []))


def _require_answer(url: str) -> None:
    """Raise `UserError` unless Prefect's API answers at the address that the user set."""
    rule = f"{URL} must be the address of Prefect's API, e.g. http://HOST:4200/api"
    try:
        count = Request(f"{url.rstrip('/')}/flows/count", b"{}", _headers(), method="POST")
        if not url.startswith(("http://", "https://")):
            raise ValueError("no http:// or https://")
        with _opener(url).open(count, timeout=ANSWER_S) as answer:
            body = answer.read(1000)
    except HTTPError as error:
        if error.code in (401, 403):
            remedy = "set PREFECT_API_AUTH_STRING (or PREFECT_API_KEY) to what it asks for"
            got = f"{url}, which answers {error.code} {error.reason}"
            raise UserError(f"{URL} must let you in", got, remedy) from None
        raise UserError(rule, f"{url}, which answers {error.code}", UNSET) from None
    except (OSError, ValueError, HTTPException) as error:
        if isinstance(getattr(error, "reason", None), ssl.SSLError):
            return  # Prefect has settings of its own for certificates
        why = error.reason if isinstance(error, URLError) else error
        raise UserError(rule, f"{url}, which does not answer ({why})", UNSET) from None
    if not body.strip().isdigit():
        raise UserError(rule, f"{url}, where something else answers", UNSET)


def _headers() -> dict[str, str]:
    """Return what Prefect's client would say, as the user's settings have it."""
    key, words = (os.environ.get(f"PREFECT_API_{name}") for name in ("KEY", "AUTH_STRING"))
    own = {"Authorization": f"Bearer {key}"} if key else {}
    if words:
        own = {"Authorization": f"Basic {base64.b64encode(words.encode()).decode()}"}
    return {"Content-Type": "application/json", **own}
