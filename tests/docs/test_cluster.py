"""The guide's ways to run a dataset in parts: each is run as it stands, with 2 parts of 64.

`sbatch` is a stand-in that runs the script for each task of its array, one after the other; of the
Kubernetes job the manifest is read, and its command run with each index.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from documents import ROOT, blocks

from busgen.schema import JUDGED

PAGE = ROOT / "docs/guide/cluster.md"
SBATCH = r"""#!/bin/bash
case "$*" in
*--wrap*) [[ "$*" == *--dependency=afterok:17* ]] && exec bash -c "${!#}" ;;
*)
    range=$(sed -n 's/^#SBATCH --array=//p' "${!#}")
    for task in $(seq ${range/-/ }); do SLURM_ARRAY_TASK_ID=$task bash "${!#}" >&2 || exit 1; done
    echo 17
    ;;
esac
"""
BUSGEN = '#!/bin/sh\nexec "{python}" -m busgen "$@"\n'
GATES = {name: {"action": "off"} for name in JUDGED} | {"grey_sd": {"min": 31.0}}
REQUEST = {"n": 8, "size_px": 64, "shard_size": 2, "engine": "phantom", "mask_engine": "curvature",
           "gates": GATES, "max_unfilled": 1.0}  # fmt: skip


def parts(text: str) -> str:
    """Return a text with 2 parts where it has 64."""
    assert re.search(r"\b6[34]\b", text)
    return re.sub(r"\b64\b", "2", re.sub(r"\b63\b", "1", text))


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def plain(tmp_path_factory, call) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("plain")
    (folder / "params.yaml").write_text(yaml.safe_dump({"generate": REQUEST}))
    code, _, error = call("generate", "--params", folder / "params.yaml", "--out", folder / "out")
    assert code == 0, error
    return files(folder / "out")


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Return a function that runs a script in a folder with `busgen`, `sbatch` and parameters."""
    (tmp_path / "bin").mkdir()
    for name, text in (("busgen", BUSGEN.format(python=sys.executable)), ("sbatch", SBATCH)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"generate": REQUEST}))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def run(*words: str) -> None:
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def shown(language: str, word: str) -> str:
    """Return the one block of the guide with a word in it."""
    (block,) = [b for b in blocks(PAGE) if b.language == language and word in b.text]
    return block.text


def test_xargs(shell, plain, tmp_path):
    shell("bash", "-ec", parts(shown("bash", "xargs")))
    assert files(tmp_path / "RELEASE") == plain


def test_a_slurm_array_by_emulation(shell, plain, tmp_path):
    (tmp_path / "part.sh").write_text(parts(shown("bash", "#SBATCH --array")))
    shell("bash", "-ec", shown("bash", "--parsable"))
    assert files(tmp_path / "RELEASE") == plain


def test_a_kubernetes_indexed_job_by_its_command(shell, plain, tmp_path, monkeypatch):
    job = yaml.safe_load(parts(shown("yaml", "JOB_COMPLETION_INDEX")))
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    assert job["spec"]["completionMode"] == "Indexed"
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounted = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == mounted
    here = {"/etc/busgen/": "", "s3://lab/run": "WORK"}
    words = [*container["command"], *container["args"]]
    for name, local in here.items():
        words = [word.replace(name, local) for word in words]
    for index in range(job["spec"]["completions"]):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(index))
        shell(*words)
    shell("busgen", "merge", "WORK", "--out", "RELEASE")
    assert files(tmp_path / "RELEASE") == plain
