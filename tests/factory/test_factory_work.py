"""Work folders: shards linked into the folder that the next stage reads."""

import pytest

from busgen.errors import UserError
from busgen.folders import link_folder, open_work
from busgen.folders.manifests import MANIFEST


def test_links_share_the_bytes_and_replace_what_was_there(tmp_path):
    source, target = tmp_path / "work", tmp_path / "out ünd"
    open_work(source)
    (source / "old").write_text("old")
    link_folder(source, target, "candidates")
    (source / "old").unlink()
    (source / "shards").mkdir()
    (source / "shards" / "a").write_text("new")
    link_folder(source, target, "candidates")
    assert sorted(p.name for p in target.rglob("*")) == [MANIFEST, "a", "shards"]
    assert (target / "shards" / "a").stat().st_ino == (source / "shards" / "a").stat().st_ino


def test_a_strangers_file_is_never_replaced(tmp_path):
    open_work(tmp_path / "work")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis").write_text("months")
    with pytest.raises(UserError, match="out with thesis"):
        link_folder(tmp_path / "work", tmp_path / "out", "candidates")
    assert (tmp_path / "out" / "thesis").read_text() == "months"
