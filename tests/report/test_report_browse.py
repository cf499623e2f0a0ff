"""The gallery's file: what it shows, and what it never replaces."""

import re

import pytest

from busgen.errors import UserError
from busgen.report.browse import write_gallery


def test_a_gallery_shows_some_or_all_images_with_scanner_and_text(chain, evidence, tmp_path):
    release, page = chain.sources.release, tmp_path / "g.html"
    rows = evidence.accepted_rows
    assert write_gallery(release, page) == len(rows)
    html = page.read_text(encoding="utf-8")
    assert html.count("<img ") == len(rows)
    for row in rows.to_dict("records")[:5]:
        assert f"<span>{row['sample_id']}</span>" in html
        assert f"<span>{row['text'].replace(chr(39), '&#39;')}</span>" in html
    assert write_gallery(release, page, 3) == 3  # its own file, unchanged, is replaced
    assert "3 images at equal steps through all" in page.read_text(encoding="utf-8")
    assert not re.search(r"https?://", page.read_text(encoding="utf-8"))


def test_nothing_else_is_replaced_and_what_is_no_release_is_refused(chain, tmp_path):
    page = tmp_path / "g.html"
    write_gallery(chain.sources.release, page, 1)
    page.write_text(page.read_text(encoding="utf-8").replace("Synthetic", "My", 1))
    for text in (page.read_text(encoding="utf-8"), "years of work", ""):
        page.write_text(text)
        with pytest.raises(UserError, match="must not exist, or be one that this command wrote"):
            write_gallery(chain.sources.release, page)
        assert page.read_text(encoding="utf-8") == text
    with pytest.raises(UserError, match="a release folder must hold"):
        write_gallery(tmp_path, tmp_path / "h.html")
    assert not (tmp_path / "h.html").exists()


def test_the_command_writes_beside_the_release_and_opens_it(call, chain, tmp_path, monkeypatch):
    import shutil
    import webbrowser

    shutil.copytree(chain.sources.release, tmp_path / "my set")
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    code, out, _ = call("browse", tmp_path / "my set", "--n", 2)
    assert (code, opened) == (0, [(tmp_path / "my set.html").as_uri()])
    assert "2 images" in out
    assert call("browse", tmp_path / "my set", "--no-open")[0] == 0
    assert len(opened) == 1
