"""A release pushed to what stands in for the Hugging Face hub, on this machine."""

import hashlib
import json
import os
import subprocess
import sys
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

import pytest

from busgen.release.files import list_files

NAME, STALE = "lab/breast", "data/train-00000-of-00009.parquet"


class _Hub(ThreadingHTTPServer):
    """Keeps blobs by hash, `room` of them, and the files of the last commit."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.address, self.lock = f"http://127.0.0.1:{self.server_port}", Lock()
        self.blobs, self.room, self.sent = {}, 99, 0
        self.files, self.commits, self.visibility = {STALE: b"old", "NOTES.md": b"mine"}, 0, None


class _Answer(BaseHTTPRequestHandler):
    def log_message(self, *_: object):
        pass

    @property
    def hub(self):
        return self.server

    def answer(self, record, status=200):
        body = json.dumps(record).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def read(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def do_GET(self):
        assert self.path.startswith(f"/api/datasets/{NAME}/tree/main"), self.path
        files = self.hub.files.items()
        self.answer([{"type": "file", "path": k, "size": len(v), "oid": "0"} for k, v in files])

    def do_PUT(self):
        data = self.read()
        with self.hub.lock:
            taken = len(self.hub.blobs) < self.hub.room
            if taken:
                self.hub.blobs[hashlib.sha256(data).hexdigest()] = data
                self.hub.sent += 1
        self.answer({}, 200 if taken else 403)

    def do_POST(self):
        data, (path, *_) = self.read(), self.path.split("?")
        steps = {
            "/api/repos/create": self.create,
            "/api/validate-yaml": lambda _: {},
            f"/api/datasets/{NAME}/preupload/main": self.choose,
            f"/datasets/{NAME}.git/info/lfs/objects/batch": self.take,
            f"/api/datasets/{NAME}/commit/main": self.commit,
        }
        self.answer(steps[path](list(map(json.loads, data.splitlines()))))

    def create(self, lines):
        self.hub.visibility = lines[0]["visibility"]
        return {"url": f"{self.hub.address}/datasets/{NAME}"}

    def choose(self, lines):
        files = [one["path"] for one in lines[0]["files"]]
        modes = {file: "lfs" if file.endswith(".parquet") else "regular" for file in files}
        return {"files": [{"path": file, "shouldIgnore": False, "uploadMode": mode}
                          for file, mode in modes.items()]}  # fmt: skip

    def take(self, lines):
        upload = {"actions": {"upload": {"href": f"{self.hub.address}/blob"}}}
        objects = lines[0]["objects"]
        return {"objects": [one | ({} if one["oid"] in self.hub.blobs else upload)
                            for one in objects]}  # fmt: skip

    def commit(self, lines):
        for line in lines[1:]:
            value, files = line["value"], self.hub.files
            if line["key"] == "file":
                files[value["path"]] = b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
            else:
                del files[value["path"]]
        self.hub.commits += 1
        return {"commitUrl": f"{self.hub.address}/datasets/{NAME}/commit/1", "commitOid": "1"}


@pytest.fixture
def hub():
    with _Hub() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def push(folder, address, home):
    own = {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    own |= {"HF_TOKEN": "hf_none", "HF_HOME": str(home), "NO_PROXY": "127.0.0.1"}
    words = [sys.executable, "-m", "busgen", "push", NAME, "--in", folder]
    return subprocess.run(words, env=os.environ | own, check=False, capture_output=True, text=True)


def test_a_push_that_broke_goes_on_and_ends_in_one_commit(hub, release, tmp_path):
    hub.room = 1
    done = push(release, hub.address, tmp_path)
    assert (done.returncode, hub.sent, hub.commits) == (2, 1, 0), done.stderr
    assert "the hub must take the release" in done.stderr
    hub.room = 99
    done = push(release, hub.address, tmp_path)
    assert (done.returncode, hub.sent, hub.commits) == (0, 3, 1), done.stderr
    files = {name: (release / name).read_bytes() for name in list_files(release)}
    assert hub.files == files | {"NOTES.md": b"mine"}
    assert hub.visibility == "private"


@pytest.mark.parametrize("said", ["must hold index.parquet", "it goes on where it was"])
def test_what_cannot_be_pushed_is_one_message(release, tmp_path, said):
    done = push(release if "goes on" in said else tmp_path, "http://127.0.0.1:9", tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert said in done.stderr
