"""Work folders: one run at a time, links, no run over another's data."""

import subprocess
import sys
import time

import pytest

from busgen.errors import StorageError
from busgen.factory.work import link_folder, locked

HOLD = """
import sys, time
from pathlib import Path
from busgen.factory.work import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(1.0)
"""


def test_a_second_run_says_that_it_waits_and_waits(tmp_path):
    first = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert first.stdout is not None
    first.stdout.readline()
    said: list[str] = []
    start = time.monotonic()
    with locked(tmp_path, said.append):
        waited = time.monotonic() - start
    assert first.wait() == 0
    assert waited > 0.3
    assert said == [f"another run works in {tmp_path}: waiting until it is done"]


def test_a_killed_run_leaves_no_lock(tmp_path):
    first = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert first.stdout is not None
    first.stdout.readline()
    first.kill()
    first.wait()
    said: list[str] = []
    with locked(tmp_path, said.append):
        assert said == []


def test_links_share_the_bytes_and_replace_what_was_there(tmp_path):
    source, target = tmp_path / "work", tmp_path / "out ünd"
    (source / "shards").mkdir(parents=True)
    (source / "shards" / "a").write_text("new")
    target.mkdir()
    (target / "old").write_text("old")
    link_folder(source, target)
    assert sorted(p.name for p in target.rglob("*")) == ["a", "shards"]
    assert (target / "shards" / "a").stat().st_ino == (source / "shards" / "a").stat().st_ino


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="must be writable"), locked(tmp_path / "file" / "x"):
        pass


REMOVE = """
import shutil, sys, time
from pathlib import Path
from busgen.factory.work import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(1.0)
    shutil.rmtree(sys.argv[1])
"""


def test_the_holder_may_remove_the_folder_under_a_waiter(tmp_path):
    folder = tmp_path / "work"
    first = subprocess.Popen([sys.executable, "-c", REMOVE, str(folder)], stdout=subprocess.PIPE)
    assert first.stdout is not None
    first.stdout.readline()
    with locked(folder):
        assert first.wait() == 0
        assert (folder / ".lock").exists()
