"""The source as an archive: DVC does without git, and with it once there is a repository."""

import shutil
import subprocess

import pytest
from checkout import NEEDED, PIPELINE, ROOT

from busgen import pipeline
from busgen.errors import UserError

LOCAL = ".dvc/config.local"


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Return what "download ZIP" unpacks to, as the working folder."""
    folder = tmp_path / "archive ü"
    for name in (".dvc", "dvc.yaml", "params.yaml", "flows"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        folder.mkdir(exist_ok=True)
        copy(source, folder / name)
    (folder / LOCAL).unlink(missing_ok=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not PIPELINE, reason=NEEDED)
def test_dvc_works_in_an_archive_and_in_the_repository_that_it_becomes(archive):
    with pytest.raises(UserError, match="not a git repository"):
        pipeline.is_done("report")
    pipeline._tell_dvc_of_git()
    assert "no_scm = true" in (archive / LOCAL).read_text()
    assert not pipeline.is_done("report")
    subprocess.run(["git", "init", "-q"], check=True)
    pipeline._tell_dvc_of_git()
    assert "no_scm" not in (archive / LOCAL).read_text()
    assert not pipeline.is_done("report")


def test_a_command_that_is_not_installed_is_one_message(archive, monkeypatch):
    monkeypatch.setenv("PATH", str(archive))
    monkeypatch.setattr(pipeline, "_environment", lambda extra: {"PATH": str(archive)})
    with pytest.raises(UserError, match="git must be installed, got no such command"):
        pipeline.run_git("status")


def test_versions_need_git_and_say_so(archive):
    with pytest.raises(UserError, match="must succeed, got fatal: not a git repository"):
        pipeline.run_git("for-each-ref")
