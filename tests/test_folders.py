"""Folders and records are written whole, one at a time, and never over a user's files."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from busgen import folders, io
from busgen.errors import StorageError, UserError
from busgen.folders import manifests

KIND = "test"
NOT_OURS = "must not exist or be empty, or hold only what the same command wrote"


def write(out: Path, text: str, kind: str = KIND) -> None:
    """Write a folder of two files and an empty folder."""
    with folders.write_folder(out, kind) as partial:
        (partial / "a").mkdir()
        (partial / "a" / "ü.txt").write_text(text)
        (partial / "b.txt").write_text(text)
        (partial / "empty").mkdir()


def content(folder: Path) -> dict[str, bytes | str | None]:
    """Return all that is below a folder, links as where they lead, folders as None."""
    found: dict[str, bytes | str | None] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        found[name] = str(path.readlink()) if path.is_symlink() else None
        if path.is_file() and not path.is_symlink():
            found[name] = path.read_bytes()
    return found


def listed(folder: Path) -> list[str]:
    """Return the names of what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_written_and_replaced_whole(tmp_path):
    out = tmp_path / "new" / "out é"
    for text in ("1", "2"):
        write(out, text)
        assert sorted(content(out)) == [manifests.MANIFEST, "a", "a/ü.txt", "b.txt", "empty"]
        assert (out / "a" / "ü.txt").read_text() == text
        assert listed(out.parent) == [out.name]


def test_the_manifest_lists_size_and_hash_and_no_time(tmp_path):
    write(tmp_path / "x", "1")
    write(tmp_path / "y", "1")
    manifest = manifests.read_manifest(tmp_path / "x")
    assert manifest is not None
    result = {"bytes": 1, "sha256": io.sha256_bytes(b"1")}
    assert manifest.files == {"a/ü.txt": result, "b.txt": result}
    assert manifest.folders == {"a", "empty"}
    assert content(tmp_path / "x") == content(tmp_path / "y")


CHANGES = {
    "a stranger's file": lambda out: (out / "a" / "thesis.tex").write_text("months"),
    "a hidden file": lambda out: (out / ".git").write_text("mine"),
    "a stranger's folder": lambda out: (out / "thesis").mkdir(),
    "an edited file": lambda out: (out / "b.txt").write_text("9"),
    "a link": lambda out: (out / "link").symlink_to("b.txt"),
    "a link in a file's place": lambda out: [(out / "b.txt").unlink(),
                                             (out / "b.txt").symlink_to("a/ü.txt")],
    "a link in a folder's place": lambda out: [(out / "empty").rmdir(),
                                               (out / "empty").symlink_to("a")],
    "a pipe": lambda out: os.mkfifo(out / "pipe"),
    "no manifest": lambda out: (out / manifests.MANIFEST).unlink(),
    "a changed manifest": lambda out: (out / manifests.MANIFEST).write_text("{}"),
    "a manifest too deep": lambda out: (out / manifests.MANIFEST).write_text("[" * 100_000),
    "a manifest that is none": lambda out: (out / manifests.MANIFEST).write_text("["),
    "a file": lambda out: [shutil.rmtree(out), out.write_text("mine")],
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_we_did_not_write_is_refused_and_kept(tmp_path, change):
    write(tmp_path / "x", "1")
    CHANGES[change](tmp_path / "x")
    before = content(tmp_path)
    with pytest.raises(UserError, match=NOT_OURS):
        write(tmp_path / "x", "2")
    assert content(tmp_path) == before


@pytest.mark.parametrize("change", CHANGES)
def test_what_comes_meanwhile_is_kept_too(tmp_path, change):
    write(tmp_path / "x", "1")

    def write_late() -> None:
        with folders.write_folder(tmp_path / "x", KIND) as partial:
            (partial / "c").write_text("2")
            CHANGES[change](tmp_path / "x")
            before.update(content(tmp_path / "x"))

    before: dict[str, bytes | str | None] = {}
    with pytest.raises(UserError):
        write_late()
    assert content(tmp_path / "x") == before
    assert listed(tmp_path) == ["x"]


def test_a_folder_of_another_command_is_refused_and_one_with_less_is_not(tmp_path):
    write(tmp_path / "x", "1")
    with pytest.raises(UserError, match="something else that busgen wrote: test"):
        write(tmp_path / "x", "2", kind="another")
    (tmp_path / "x" / "b.txt").unlink()
    write(tmp_path / "x", "2")
    assert (tmp_path / "x" / "b.txt").read_text() == "2"


def test_a_manifest_that_names_files_elsewhere_removes_none(tmp_path):
    out, mine = tmp_path / "x", tmp_path / "thesis"
    mine.write_text("months")
    out.mkdir()
    result = {"format": manifests.FORMAT, "kind": KIND, "folders": [".."]}
    result |= {"files": {"../thesis": {"bytes": 6, "sha256": io.sha256_file(mine)}}}
    digest = io.sha256_bytes(io.dumps(result).encode())
    io.write_text(out / manifests.MANIFEST, io.dumps(result | {"sha256": digest}))
    write(out, "1")
    assert mine.read_text() == "months"


def test_the_folder_that_one_is_in_is_refused_and_a_link_is_followed(tmp_path, monkeypatch):
    (tmp_path / "here" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "below")
    for out in (".", ".."):
        with pytest.raises(UserError, match="must not be the one that you are in"):
            write(Path(out), "1")
    with pytest.raises(UserError, match="must not be where a disk is mounted"):
        write(Path("/proc"), "1")
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to("target")
    write(tmp_path / "link", "1")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target" / "b.txt").read_text() == "1"


def test_a_failure_leaves_everything_as_it_was(tmp_path):
    write(tmp_path / "x", "1")
    before = content(tmp_path)

    def fail(error: BaseException) -> None:
        with folders.write_folder(tmp_path / "x", KIND) as partial:
            (partial / "b.txt").write_text("2")
            raise error

    for error, raised in ((KeyboardInterrupt(), KeyboardInterrupt), (OSError(28), StorageError)):
        with pytest.raises(raised):
            fail(error)
        assert content(tmp_path) == before
    with pytest.raises(RuntimeError), folders.lock_folder(tmp_path / "new" / "y", KIND):
        raise RuntimeError
    assert content(tmp_path) == before


def test_folders_of_others_beside_it_are_let_be(tmp_path):
    names = (".x.partial", ".x.work", ".x.busgen-abc.other", "x.busgen-abc")
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis").write_text("months")
    write(tmp_path / "x", "1")
    write(tmp_path / "x", "2")
    assert listed(tmp_path) == sorted((*names, "x"))
    assert all((tmp_path / name / "thesis").is_file() for name in names)
    with pytest.raises(UserError, match="a work folder must be one that busgen made"):
        folders.open_work(tmp_path / ".x.work")


KILLED = """
import os, signal, sys
from pathlib import Path
from busgen import folders

at, renames, rename = int(sys.argv[2]), [], Path.rename

def die(count):
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)

def rename_and_die(self, target):
    rename(self, target)
    renames.append(target)
    die(len(renames))

Path.rename = rename_and_die
with folders.write_folder(Path(sys.argv[1]), "test") as partial:
    (partial / "c.txt").write_text("new")
    die(0)
"""


@pytest.mark.parametrize(("at", "stands"), [(0, "b.txt"), (1, "b.txt"), (2, "c.txt")])
def test_a_kill_leaves_the_old_folder_or_the_new_one(tmp_path, at, stands):
    write(tmp_path / "x", "1")
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "x", str(at)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "x").exists() == (at != 1)
    with folders.lock_folder(tmp_path / "x", KIND):
        assert (tmp_path / "x" / stands).is_file()
        assert manifests.find_stranger(tmp_path / "x", KIND) is None
    assert listed(tmp_path) == ["x"]
    write(tmp_path / "x", "3")
    assert (tmp_path / "x" / "b.txt").read_text() == "3"


def test_what_a_user_changed_after_a_kill_is_kept(tmp_path):
    write(tmp_path / "x", "1")
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "x", "1"], check=False)
    (tmp_path / "x").write_text("mine")
    before = content(tmp_path)
    with pytest.raises(UserError, match=NOT_OURS):
        write(tmp_path / "x", "2")
    assert {name: before[name] for name in content(tmp_path)} == content(tmp_path)
    assert any(name.endswith("old/b.txt") for name in before)


WRITER = """
import sys, time
from pathlib import Path
from busgen import folders
from busgen.errors import UserError

out, label, wait = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
time.sleep(wait)
try:
    with folders.write_folder(out, "test") as partial:
        for number in range(400):
            (partial / f"{number}.txt").write_text(label)
except UserError as error:
    print(error, flush=True)
    sys.exit(2)
"""


@pytest.mark.parametrize("wait", [0.0, 0.02, 0.05, 0.2])
def test_of_two_writers_one_is_refused_or_both_write_whole(tmp_path, wait):
    command = [sys.executable, "-c", WRITER, tmp_path / "x"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    runs = [subprocess.Popen([*command, label, str(late)], **pipes)
            for label, late in (("one", 0), ("two", wait))]  # fmt: skip
    for run in runs:
        run.stdout.readline()
    for run in runs:
        run.stdin.write("\n")
        run.stdin.flush()
    phrases = [run.communicate()[0] for run in runs]
    codes = sorted(run.returncode for run in runs)
    assert codes in ([0, 0], [0, 2]), phrases
    assert codes == [0, 0] or "which another command is writing: wait" in "".join(phrases)
    assert manifests.find_stranger(tmp_path / "x", KIND) is None
    texts = {path.read_text() for path in (tmp_path / "x").glob("*.txt")}
    assert len(list((tmp_path / "x").glob("*.txt"))) == 400
    assert len(texts) == 1
    assert listed(tmp_path) == ["x"]


HOLD = """
import sys, time
from pathlib import Path
from busgen.folders.manifests import hold_lock
with hold_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(1.0)
"""


def held(target: Path) -> "subprocess.Popen[bytes]":
    """Return a process that holds the lock of a folder for a second."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(target)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_second_run_is_refused_or_waits_where_it_can_use_what_the_first_made(tmp_path):
    first, phrases = held(tmp_path / "x"), []
    with pytest.raises(UserError, match="which another command is writing"):
        write(tmp_path / "x", "1")
    with manifests.hold_lock(tmp_path / "x", phrases.append):
        assert first.wait() == 0
    assert phrases == [f"another run works in {tmp_path / 'x'}: waiting until it is done"]
    assert listed(tmp_path) == []


def test_a_killed_run_leaves_no_lock(tmp_path):
    first = held(tmp_path / "x")
    first.kill()
    first.wait()
    write(tmp_path / "x", "1")
    assert listed(tmp_path) == ["x"]


def test_a_thread_may_hold_a_lock_twice_and_another_not_at_all(tmp_path):
    refused = []

    def other() -> None:
        try:
            write(tmp_path / "x", "2")
        except UserError as error:
            refused.append(error)

    with folders.lock_folder(tmp_path / "x", KIND):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        write(tmp_path / "x", "1")
    assert len(refused) == 1
    assert (tmp_path / "x" / "b.txt").read_text() == "1"


def test_a_grown_folder_keeps_what_it_had_and_goes_on_after_a_failure(tmp_path):
    def grow(name: str, *, fail: bool = False) -> None:
        with folders.grow_folder(tmp_path / "x", KIND) as work:
            io.write_text(work / name, name)
            if fail:
                raise KeyboardInterrupt

    with pytest.raises(RuntimeError), folders.grow_folder(tmp_path / "x", KIND):
        raise RuntimeError
    assert listed(tmp_path) == []
    grow("a")
    with pytest.raises(KeyboardInterrupt):
        grow("b", fail=True)
    assert sorted(content(tmp_path / "x")) == [manifests.MANIFEST, "a"]
    grow("c")
    assert sorted(content(tmp_path / "x")) == [manifests.MANIFEST, "a", "b", "c"]
    assert listed(tmp_path) == ["x"]
    (tmp_path / "x" / "thesis").write_text("months")
    with pytest.raises(UserError, match=NOT_OURS):
        grow("d")


def test_what_was_written_can_be_removed_and_the_rest_stays(tmp_path):
    write(tmp_path / "x", "1")
    (tmp_path / "x" / "b.txt").write_text("9")
    folders.remove_written(tmp_path / "x")
    assert sorted(content(tmp_path / "x")) == [manifests.MANIFEST, "b.txt"]
    write(tmp_path / "y", "1")
    folders.remove_written(tmp_path / "y")
    folders.remove_written(tmp_path / "nowhere")
    assert listed(tmp_path) == ["x"]


def test_work_folders_of_ours_go_and_others_stay(tmp_path):
    place = folders.work_path(tmp_path / "x")
    (folders.open_work(place / "0123456789abcdef") / "shard").write_text("")
    (place / "thesis").mkdir()
    (place / "thesis" / "chapter").write_text("months")
    folders.clear_work(tmp_path / "x")
    assert content(place) == {"thesis": None, "thesis/chapter": b"months"}


def test_a_record_replaces_its_own_kind_alone(tmp_path):
    path = tmp_path / "new" / "scores é.json"

    def keep(record: dict[str, object], kind: str = "score") -> None:
        with manifests.write_record(path, kind) as write_record:
            write_record(record)

    keep({"a": 0.1})
    keep({"a": 1.5, "é": None})
    assert {"a": 1.5, "é": None}.items() <= io.read_json(path).items()
    assert listed(path.parent) == [path.name]
    with pytest.raises(UserError, match="the output file must not exist or be empty, or hold"):
        keep({}, kind="privacy")
    whole = path.read_text()
    for other in ("mine", "[]", '{"a": 1}', whole.replace("1.5", "1.6"), whole + " "):
        path.write_text(other)
        with pytest.raises(UserError, match="the output file must not exist"):
            keep({"a": 2})
        assert path.read_text() == other
    path.write_text("")
    keep({"a": 2})
    with manifests.write_record(None, "score") as write_nothing:
        write_nothing({"a": 3})
    with pytest.raises(UserError, match="the output file must not exist"):
        path.unlink() or path.mkdir() or keep({"a": 2})


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="must be writable"):
        write(tmp_path / "file" / "x", "1")
