"""Runs in parts: the bytes of one process, whatever is killed, missing or run twice."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from socket import socket

import pyarrow.parquet as pq
import pytest
import yaml

from busgen.errors import StorageError, UserError
from busgen.factory.distributed import make_part, merge, parse_part
from busgen.factory.library import make_release
from busgen.factory.work_store import open_store
from busgen.params.base import check
from busgen.params.load import Params, load_params
from busgen.schema import JUDGED

SHARDS = 5
GATES = {name: {"action": "off"} for name in JUDGED} | {  # each rejects some
    "grey_sd": {"min": 31.0},
    "duplicate_distance": {"min": 29.0},
}
REQUEST = {
    "generate": {"n": 24, "size_px": 64, "shard_size": 5, "engine": "phantom", "gates": GATES,
                 "mask_engine": "curvature", "max_attempts": 3, "max_unfilled": 1.0},
    "release": {"title": "Parts", "splits": {"train": 0.5, "test": 0.5}},
}  # fmt: skip


@pytest.fixture(scope="module")
def params() -> Params:
    return check(Params, REQUEST, "the test")


@pytest.fixture(scope="module")
def plain(tmp_path_factory, params) -> dict[str, bytes]:
    """Return the files of the release that one process makes."""
    out = tmp_path_factory.mktemp("plain") / "out"
    make_release(params, out)
    return contents(out)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def merged(place: object, folder: Path) -> dict[str, bytes]:
    merge(str(place), folder / "out")
    return contents(folder / "out")


def make_parts(params: Params, count: int, place: object) -> None:
    for number in reversed(range(count)):
        make_part(params, parse_part(f"{number}/{count}"), str(place))


@pytest.mark.parametrize("count", [2, 7])
def test_any_number_of_parts_makes_the_bytes_of_one_process(params, plain, tmp_path, count):
    make_parts(params, count, tmp_path / "wörk")
    before = contents(tmp_path / "wörk")
    assert [name for name in before if name.startswith("shards/round-01-shard")]  # tried again
    assert not [name for name in before if "repeats" in name]
    assert merged(tmp_path / "wörk", tmp_path) == plain
    reasons = pq.read_table(tmp_path / "out/index.parquet")["reason"].to_pylist()
    assert {"grey_sd", "duplicate_distance"} <= {*reasons}
    assert contents(tmp_path / "wörk") == before  # merging changes nothing there
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "wörk"]


def test_a_part_is_made_once_and_one_without_shards_makes_nothing(params, tmp_path):
    first, again, empty = (
        make_part(params, parse_part(words), str(tmp_path)) for words in ("1/3", "1/3", "6/7")
    )
    assert (first.shards, first.whole, first.made, first.findings) == (2, SHARDS, 2, 9)
    assert again == first._replace(made=0)
    assert (empty.shards, empty.made) == (0, 0)


def test_missing_and_garbled_shards_are_named_and_nothing_is_written(params, plain, tmp_path):
    work = tmp_path / "work"
    make_parts(params, 1, work)
    shards = work / "shards"
    (shards / "round-00-shard-00001.json").unlink()
    second = shards / "round-00-shard-00003.parquet"
    second.write_bytes(second.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"2 missing \(1, 3\): .*--shard 1/5"):
        merge(str(work), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    for words in ("1/5", "3/5"):
        assert make_part(params, parse_part(words), str(work)).made == 1
    assert merged(work, tmp_path) == plain


def test_a_retry_that_is_missing_makes_its_shard_missing(params, plain, tmp_path):
    work = tmp_path / "work"
    make_parts(params, 1, work)
    retry = next((work / "shards").glob("round-01-shard-*.json"))
    retry.unlink()
    with pytest.raises(UserError, match=rf"1 missing \({int(retry.stem[-5:])}\)"):
        merge(str(work), tmp_path / "out")
    make_parts(params, 2, work)
    assert merged(work, tmp_path) == plain


def test_another_request_is_refused_where_parts_of_one_stand(params, tmp_path):
    make_part(params, parse_part("0/5"), str(tmp_path))
    before = contents(tmp_path)
    other = {"generate": REQUEST["generate"] | {"seed": 8}, "release": {"title": "Other"}}
    with pytest.raises(UserError, match=r"others in .*: seed, release: give what"):
        make_part(check(Params, other, ""), parse_part("1/5"), str(tmp_path))
    assert contents(tmp_path) == before


def test_a_merge_by_other_versions_is_refused(params, tmp_path):
    make_parts(params, 1, tmp_path / "work")
    plan = tmp_path / "work/plan.json"
    plan.write_text(plan.read_text().replace('"torch": "', '"torch": "0'))
    with pytest.raises(UserError, match=r"same request, weights and versions, got .*: tools"):
        merge(str(tmp_path / "work"), tmp_path / "out")


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_folder_without_a_run_cannot_be_merged(tmp_path, content):
    (tmp_path / "work").mkdir()
    if content:
        (tmp_path / "work/request.json").write_text(content)
    with pytest.raises(UserError, match=r"must hold what|must be a JSON object"):
        merge(str(tmp_path / "work"), tmp_path / "out")


def test_a_strangers_folder_is_no_work_folder(params, tmp_path):
    (tmp_path / "thesis").write_text("months")
    with pytest.raises(UserError, match="a work folder must be one that busgen made"):
        make_part(params, parse_part("0/1"), str(tmp_path))
    assert contents(tmp_path) == {"thesis": b"months"}


@pytest.mark.parametrize("words", ["3", "5/5", "-1/5", "0/0", "a/b", "1/2/3", "¼/5"])
def test_what_names_no_part_is_refused(words):
    with pytest.raises(UserError, match="--shard must be PART/PARTS"):
        parse_part(words)


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a part in a process of its own."""
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(REQUEST))
    assert load_params(tmp_path / "params.yaml") == check(Params, REQUEST, "")
    words = ("generate", "--params", tmp_path / "params.yaml", "--shard", "0/1", "--work")

    def begin(place: object) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "busgen", *words, place]
        return subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE)

    return begin


def test_a_part_run_by_two_at_once_and_one_of_them_killed(params, plain, start, tmp_path):
    work = tmp_path / "work"
    both = [start(work), start(work)]
    while not list(work.glob("shards/*.json")):
        assert both[0].poll() is None
        time.sleep(0.02)
    finished = {path: path.read_bytes() for path in work.glob("shards/*.json")}
    both[0].send_signal(signal.SIGKILL)
    said = both[1].communicate()[1]
    assert (both[0].wait(), both[1].returncode) == (-signal.SIGKILL, 0), said
    both[0].stderr.close()
    assert {path: path.read_bytes() for path in finished} == finished
    assert make_part(params, parse_part("0/1"), str(work)).made == 0
    assert merged(work, tmp_path) == plain


def test_a_killed_part_goes_on_from_the_shards_that_stand(params, plain, start, tmp_path):
    work = tmp_path / "work"
    part = start(work)
    while len(list(work.glob("shards/round-00*.json"))) < 2:
        assert part.poll() is None
        time.sleep(0.02)
    part.kill()
    part.communicate()
    standing = {path: path.stat().st_mtime_ns for path in work.glob("shards/*.json")}
    with pytest.raises(UserError, match="missing"):
        merge(str(work), tmp_path / "out")
    assert 0 < make_part(params, parse_part("0/1"), str(work)).made < SHARDS
    assert {path: path.stat().st_mtime_ns for path in standing} == standing
    assert merged(work, tmp_path) == plain


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """Yield the URL of a bucket on a server of its own, and the server's process."""
    s3fs = pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    own = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
           "AWS_DEFAULT_REGION": "us-east-1", "no_proxy": "127.0.0.1"}  # fmt: skip
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    for _ in range(600):
        try:
            with socket() as probe:
                probe.connect(("127.0.0.1", port))
            break
        except OSError:
            time.sleep(0.1)
    files.mkdir("lab")
    yield "s3://lab/run é", files, server
    server.kill()
    server.wait()


def test_parts_meet_in_object_storage(params, plain, bucket, tmp_path):
    place, files, server = bucket
    make_part(params, parse_part("0/2"), place)
    root = place.removeprefix("s3://")
    files.pipe_file(f"{root}/shards/round-00-shard-00001.parquet", b"PAR1 half")  # interrupted
    with pytest.raises(UserError, match=r"2 missing \(1, 3\)"):
        merge(place, tmp_path / "out")
    assert make_part(params, parse_part("1/2"), place).made == 2
    assert make_part(params, parse_part("1/2"), place).made == 0
    there = sorted(files.find(root))
    assert merged(place, tmp_path) == plain
    assert sorted(files.find(root)) == there
    server.kill()
    server.wait()
    start = time.monotonic()
    with pytest.raises(StorageError, match="run é must be in reach"):
        make_part(params, parse_part("1/2"), place)
    assert time.monotonic() - start < 60


def test_a_bucket_that_is_not_there_is_one_message(params, bucket):
    with pytest.raises(StorageError, match=r"s3://none/run must be in reach.*check address"):
        make_part(params, parse_part("0/2"), "s3://none/run")


@pytest.mark.parametrize("place", ["nonsense://x", "gs://bucket/run"])
def test_a_url_that_nothing_opens_is_one_message(place):
    with pytest.raises(UserError, match="the work folder must be one that fsspec can open"):
        open_store(place)


def test_storage_whose_extra_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(UserError, match=r"s3:// needs the optional extra s3"):
        open_store("s3://lab/run")


def test_a_file_url_is_the_folder(tmp_path):
    assert open_store(f"file://{tmp_path}").root == open_store(str(tmp_path)).root == str(tmp_path)
    assert Path(open_store("work").root).is_absolute()
