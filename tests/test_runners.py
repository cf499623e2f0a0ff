"""Engines of distribution: processes, a Dask cluster, a Ray node; each makes the loop's bytes."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from socket import create_connection, socket
from tempfile import TemporaryDirectory

import pytest
import yaml
from checkout import BIN, NEEDED, PIPELINE, ROOT, environment, one_server

from busgen.factory import rounds
from busgen.factory.library import run_shards
from busgen.factory.plan import resolve
from busgen.params.generate import GenerateParams
from busgen.schema import JUDGED

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not PIPELINE, reason=NEEDED)]
GATES = {name: {"action": "off"} for name in JUDGED} | {"grey_sd": {"min": 31.0}}
REQUEST = {"n": 24, "size_px": 64, "shard_size": 4, "engine": "phantom", "gates": GATES,
           "mask_engine": "curvature", "max_unfilled": 1.0}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _server(tmp_path_factory):
    with one_server(tmp_path_factory.mktemp("server")):
        yield


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("plain")
    rounds.run(resolve(GenerateParams(**REQUEST)), folder, run_shards)
    return tables(folder)


def tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


def generate(folder: Path, code: int = 0, **options: object) -> str:
    """Run the flow in a folder, in a process of its own, and return what it said."""
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump({"generate": REQUEST | options}))
    done = subprocess.run([sys.executable, "-m", "flows.generate"], cwd=folder, text=True,
                          env=environment(ROOT), capture_output=True, timeout=300)  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stderr


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., int]]:
    """Yield a function that starts a process which listens at a port, and returns the port."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(*words: object, port: int | None = None) -> None:
        log = (tmp_path / f"{len(running)}.log").open("wb")
        running.append(subprocess.Popen(list(map(str, words)), cwd=tmp_path, stdout=log, stderr=log,
                                        env=environment(ROOT) | {"RAY_USAGE_STATS_ENABLED": "0"},
                                        start_new_session=True))  # fmt: skip
        deadline = time.monotonic() + 60
        while port:
            try:
                create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline
                assert running[-1].poll() is None, (
                    tmp_path / f"{len(running) - 1}.log"
                ).read_text()
                time.sleep(0.1)

    yield begin
    for process in running:
        os.killpg(process.pid, 9)
        process.wait()


def free_port() -> int:
    with socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize("runner", ["processes", "dask"])
def test_processes_of_this_machine(plain, tmp_path, runner):
    generate(tmp_path / "run", runner=runner, workers=2)
    assert tables(tmp_path / "run/data/candidates") == plain


def test_a_dask_scheduler_and_workers_in_processes_of_their_own(plain, start, tmp_path):
    port, command = free_port(), (sys.executable, "-m")
    at = f"tcp://127.0.0.1:{port}"
    start(*command, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port,
          "--no-dashboard", port=port)  # fmt: skip
    for _ in range(2):
        start(*command, "distributed.cli.dask_worker", at, "--nthreads", 1, "--no-dashboard")
    generate(tmp_path / "run", runner="dask", address=at)
    assert tables(tmp_path / "run/data/candidates") == plain
    phrases = (tmp_path / "0.log").read_text()
    assert phrases.count("Register worker") == 2
    assert "Receive client connection" in phrases


def test_a_ray_node_in_processes_of_its_own(plain, start, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")  # a node listens to the whole network
    monkeypatch.setenv("RAY_AUTH_TOKEN", token_hex(32))
    port = free_port()
    with TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as node:  # sockets: short
        start(BIN / "ray", "start", "--head", "--block", "--port", port, "--num-cpus", 2,
              "--node-ip-address", "127.0.0.1", "--include-dashboard", "false",
              "--temp-dir", node, port=port)  # fmt: skip
        generate(tmp_path / "run", runner="ray", address=f"127.0.0.1:{port}")
        logs = Path(node) / "session_latest/logs"
        assert list(logs.glob("python-core-driver-01000000*"))  # its first job was ours
        monkeypatch.setenv("RAY_AUTH_TOKEN", token_hex(32))
        at = f"127.0.0.1:{port}"
        said = generate(tmp_path / "other", code=2, n=20, runner="ray", address=at)
        assert "error: the cluster at generate.address must take this run, got" in said
        assert "Traceback" not in said.split("error: the cluster")[1]
    assert tables(tmp_path / "run/data/candidates") == plain


@pytest.mark.parametrize("runner", ["dask", "ray"])
def test_an_address_where_nothing_listens_is_one_message(tmp_path, runner):
    said = generate(tmp_path / "run", code=2, runner=runner, address="127.0.0.1:9")
    assert re.fullmatch(
        r"error: generate\.address must be where a Dask scheduler or Ray head listens, got "
        r"127\.0\.0\.1:9 \(.*refused\): start it, .*\n", said)  # fmt: skip
    assert not (tmp_path / "run/data/candidates").exists()


@pytest.mark.parametrize("runner", ["dask", "ray"])
def test_a_runner_without_its_extra_is_one_message(tmp_path, runner):
    code = f"""
import sys
sys.modules["prefect_{runner}"] = None
from busgen.params.generate import GenerateParams
from flows.runners import _dask, _ray
_{runner}(GenerateParams(runner="{runner}", address="h:1"))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(ROOT),
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert f"the runner {runner} needs the optional extra {runner}" in done.stderr
    assert f"pip install 'busgen[{runner}]'" in done.stderr
