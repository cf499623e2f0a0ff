"""The Prefect server of a run: the user's own must answer; ours takes none of their settings."""

import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from checkout import NEEDED, PIPELINE, ROOT

from busgen import server
from busgen.errors import BusgenError, UserError
from busgen.server import URL, make_environment, prefect_server

PROXY = "http://127.0.0.1:9"  # answers nothing
HOSTILE = {  # what companies, and other servers of Prefect, have in the environment
    "http_proxy": PROXY, "https_proxy": PROXY, "HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY,
    "ALL_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": "corp.example",
    "PREFECT_SERVER_API_AUTH_STRING": "admin:secret", "PREFECT_API_KEY": "x",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL": "nonsense", "PREFECT_LOGGING_LEVEL": "banana",
}  # fmt: skip


class Answers(BaseHTTPRequestHandler):
    """What stands at the address: by path another thing."""

    def do_POST(self):
        """Answer as Prefect does, or as something else."""
        said = self.headers.get("Authorization", "")
        code, body = {
            "/api/flows/count": (200, b"3"),
            "/locked/flows/count": (200 if said == "Basic YTpi" else 401, b"3"),
            "/cloud/flows/count": (200 if said == "Bearer key" else 403, b"0"),
            "/other/flows/count": (200, b"<html>welcome</html>"),
        }.get(self.path, (404, b""))
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):  # noqa: ANN002
        """Say nothing."""


@pytest.fixture
def address(monkeypatch):
    for name in [*HOSTILE, *(name for name in os.environ if name.startswith("PREFECT_"))]:
        monkeypatch.delenv(name, raising=False)
    host = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{host.server_port}"
    host.shutdown()
    host.server_close()


def ask(monkeypatch, url: str) -> str:
    """Return the address that a run would ask."""
    monkeypatch.setenv(URL, url)
    with prefect_server() as found:
        return found.url


@pytest.mark.parametrize("proxy", ["", PROXY])
def test_a_server_of_the_users_own_is_asked_and_by_no_proxy(address, monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    assert ask(monkeypatch, f"{address}/api") == f"{address}/api"
    assert ask(monkeypatch, f"{address}/api/")


@pytest.mark.parametrize(
    ("path", "got"),
    [
        ("", "which answers 404"),
        ("/other", "where something else answers"),
    ],
)
def test_an_address_of_something_else_is_one_message(address, monkeypatch, path, got):
    with pytest.raises(UserError, match=f"the address of Prefect's API, .*{got}: .*unset {URL}"):
        ask(monkeypatch, address + path)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/api",
        "http://nowhere.invalid/api",
        "https://127.0.0.1:9/api",
        "127.0.0.1:4200/api",
        "ftp://127.0.0.1/api",
        "file:///etc/passwd",
        "http://127.0.0.1:99999/api",
        "http://[::1/api",
        "http://x y/api",
        "\x1b[31m",
        " ",
    ],
)
def test_an_address_where_nothing_answers_is_one_message(address, monkeypatch, url):
    with pytest.raises(UserError, match=r"the address of Prefect's API, .*which does not answer"):
        ask(monkeypatch, url)


def test_a_server_that_asks_for_words_gets_the_users(address, monkeypatch):
    for path, name, value in (
        ("locked", "PREFECT_API_AUTH_STRING", "a:b"),
        ("cloud", "PREFECT_API_KEY", "key"),
    ):
        with pytest.raises(UserError, match=r"must let you in, got .* answers 40[13]"):
            ask(monkeypatch, f"{address}/{path}")
        monkeypatch.setenv(name, value)
        assert ask(monkeypatch, f"{address}/{path}")
        monkeypatch.delenv(name)


@pytest.mark.parametrize("theirs", [True, False])
def test_the_environment_keeps_the_users_settings_for_the_users_server_alone(theirs):
    found = HOSTILE | {"PATH": "/bin"} | ({URL: "http://host/api"} if theirs else {})
    made = make_environment(found)
    assert ("PREFECT_API_KEY" in made) == ("PREFECT_LOGGING_LEVEL" in made) == theirs
    assert made["PATH"] == "/bin"
    assert made["http_proxy"] == PROXY  # what is elsewhere may need it
    assert made["no_proxy"] == made["NO_PROXY"] == "corp.example,127.0.0.1,localhost"
    assert make_environment(made) == made


@pytest.mark.parametrize(
    ("proxy", "kept"),
    [
        ("http://proxy:3128", True),
        ("proxy:3128", True),
        ("https://u:p@proxy", True),
        ("", False),
        ("ftp://proxy", False),
        ("http://proxy:port", False),
        ("http://", False),
        ("http://[::1", False),
    ],
)
def test_a_proxy_that_no_client_takes_is_left_out(proxy, kept):
    httpx = pytest.importorskip("httpx")
    made = make_environment({"ALL_PROXY": proxy, "https_proxy": proxy})
    assert ("ALL_PROXY" in made, "https_proxy" in made) == (kept, kept)
    if kept:
        httpx.Client(proxy=proxy if "://" in proxy else f"http://{proxy}").close()


ASK = """
import flows
from prefect import get_client
with get_client(sync_client=True) as client:
    print("flows", client.request("POST", "/flows/count", json={}).json())
"""


@pytest.mark.slow
@pytest.mark.skipif(not PIPELINE, reason=NEEDED)
def test_our_own_server_starts_and_is_reached_whatever_the_environment_holds(tmp_path, monkeypatch):
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(URL, raising=False)
    monkeypatch.chdir(tmp_path)
    with prefect_server() as own:
        for name in ("PREFECT_LOGGING_LEVEL", "PREFECT_SERVER_DATABASE_CONNECTION_URL"):
            monkeypatch.delenv(name)  # of a server of their own, theirs to mend
        environment = {**os.environ, URL: own.url, "PYTHONPATH": str(ROOT)}  # as `dvc repro` has it
        done = subprocess.run(
            [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True
        )
    assert done.stdout == "flows 0\n", done.stderr


def test_a_server_that_does_not_end_is_killed(monkeypatch):
    monkeypatch.setattr(server, "END_S", 0.2)
    deaf = "import signal; signal.signal(15, signal.SIG_IGN); print(1, flush=True); signal.pause()"
    process = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
    process.stdout.readline()
    server._stop(process)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("code", [-signal.SIGKILL, 0])
def test_what_asks_a_server_of_ours_ends_with_it(code):
    """As `busgen run`: DVC waits for a flow that would ask a dead server for minutes."""
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    ends = ["sh", "-c", f"sleep 0.3; {'kill -9 $$' if code else 'exit 0'}"]
    start = time.monotonic()
    with subprocess.Popen(ends) as own, subprocess.Popen(sleep) as client:
        bound = server.PrefectServer("http://127.0.0.1:1/api", own)
        with (
            pytest.raises(BusgenError, match=rf"before its time \(code {code}\).*goes on") as told,
            bound.bind_process(client),
        ):
            client.wait()
    assert not isinstance(told.value, UserError)
    assert time.monotonic() - start < 10
    assert client.returncode == -signal.SIGKILL


def test_a_server_that_lives_ends_nothing():
    sleep = [sys.executable, "-c", "import time; time.sleep(1)"]
    with subprocess.Popen(["sleep", "60"]) as own, subprocess.Popen(sleep) as client:
        with server.PrefectServer("http://127.0.0.1:1/api", own).bind_process(client):
            assert client.wait() == 0
        own.kill()
