"""A study from the page to the scores, in Chromium: keys, clicks, a closed browser, two devices."""

import json
import re
from itertools import cycle
from pathlib import Path

import pytest
from accessibility import violations
from browser import CHROMIUM, Browser, browsing, faults

from busgen.io import read_json
from busgen.reader_study.records import _read_answers, read_key

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
READER = "R é/1"
# what is pressed, and the rating that it must give
WAYS = ((["1"], 1), (["6"], 6), (["r", "1"], 3), (["s", "2"], 5), (["2"], 2), (["s", "1"], 4),
        (["r", "3"], 1), (["r", "5"], 5), (["s", "Escape", "3"], 3))  # fmt: skip


@pytest.fixture(scope="module")
def shown(study) -> dict[str, str]:
    """Return the id of each image by what the page shows."""
    text = (study / "study.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="study">(.*?)</script>', text, re.S)[1])
    return {uri: name for name, uri in data["images"].items()}


def text(tab: Browser, selector: str) -> str:
    return tab.js(f"document.querySelector({json.dumps(selector)}).textContent")


def at(tab: Browser) -> str:
    return text(tab, "#where")


def visible(tab: Browser) -> str:
    return tab.js("[...document.querySelectorAll('main')].find((m) => !m.hidden).id")


def begin(tab: Browser, page: Path) -> None:
    tab.open(page)
    assert visible(tab) == "start"
    tab.write("#reader", f" {READER} ")
    tab.press("Enter")
    assert (visible(tab), at(tab)) == ("reading", "Practice 1 of 4")
    for _ in range(4):
        tab.press("3")
        tab.press("Enter")
    assert visible(tab) == "ready"
    tab.click("#go")
    assert visible(tab) == "reading"


def rate_by_keys(tab: Browser, shown: dict[str, str], ways, count: int) -> dict[str, int]:
    """Rate the next images by keys, in different ways; return what was given."""
    given = {}
    for _ in range(count):
        keys, rating = next(ways)
        for key in keys:
            tab.press(key)
        given[shown[tab.js("document.querySelector('#image').src")]] = rating
        tab.press(("Enter", " ", "ArrowRight")[len(given) % 3])
    return given


def rate_by_clicks(tab: Browser, shown: dict[str, str]) -> dict[str, int]:
    """Rate an image by clicks, go back, rate it anew, say of it what is optional."""
    here, name = at(tab), shown[tab.js("document.querySelector('#image').src")]
    tab.click("#next")
    assert at(tab) == here  # not rated yet
    assert text(tab, "#told") == "Rate this image first"
    tab.click("[data-rating='3']")
    tab.click("#next")
    tab.press("ArrowLeft")
    assert at(tab) == here
    tab.click("[data-rating='5']")
    tab.click("summary")
    for chip in ("birads'][data-term='4a", "shape'][data-term='oval", "shape'][data-term='round",
                 "margin'][data-term='circumscribed", "margin'][data-term='spiculated",
                 "margin'][data-term='angular", "halo'][data-term='absent",
                 "posterior'][data-term='none", "posterior'][data-term='none"):  # fmt: skip
        tab.click(f"[data-field='{chip}']")
    tab.click("summary")
    tab.click("#next")
    return {name: 5}


def save(tab: Browser, folder: Path) -> Path:
    tab.click("#export")
    name = tab.wait("Browser.downloadWillBegin")["suggestedFilename"]
    while tab.wait("Browser.downloadProgress")["state"] != "completed":
        pass
    return folder / name


def first_sitting(tab: Browser, page: Path, shown: dict[str, str], ways) -> dict[str, int]:
    """Rate 12 images, the page loaded again after 10 of them; return what was given."""
    begin(tab, page)
    assert at(tab) == "Image 1 of 20"
    given = rate_by_keys(tab, shown, ways, 9) | rate_by_clicks(tab, shown)
    assert at(tab) == "Image 11 of 20"
    tab.reload()
    assert tab.wait("Page.javascriptDialogOpening")["type"] == "beforeunload"
    tab.click("#readers button")
    assert at(tab) == "Image 11 of 20"
    given |= rate_by_keys(tab, shown, ways, 2)
    assert faults(tab) == []
    return given


def second_sitting(tab: Browser, page: Path, shown: dict[str, str], ways) -> dict[str, int]:
    """Go on where the closed browser was left, to the end; return what was given."""
    tab.open(page)
    assert text(tab, "#readers button") == f"{READER}: 12 of 20 rated"
    tab.click("#readers button")
    assert at(tab) == "Image 13 of 20"
    tab.press("ArrowRight")
    assert at(tab) == "Image 13 of 20"  # not rated yet
    given = rate_by_keys(tab, shown, ways, 8)
    assert visible(tab) == "finish"
    assert text(tab, "#state").startswith("All 20 images are rated")
    return given


@pytest.fixture(scope="module")
def answered(study, shown, tmp_path_factory) -> tuple[dict[str, int], Path]:
    """Return what a reader gave in two sittings, and the file that was saved."""
    folder, ways = tmp_path_factory.mktemp("reader é"), cycle(WAYS)
    with browsing(folder / "profile", folder) as tab:
        given = first_sitting(tab, study / "study.html", shown, ways)
    with browsing(folder / "profile", folder) as tab:
        given |= second_sitting(tab, study / "study.html", shown, ways)
        file = save(tab, folder)
        tab.reload()
        assert not [e for e in tab.events if e["method"] == "Page.javascriptDialogOpening"]
        assert faults(tab) == []
    return given, file


def test_what_was_pressed_and_clicked_is_in_the_file(study, answered):
    given, file = answered
    answers = _read_answers(file, read_key(study / "key.json"))  # takes the page's checksum anew
    assert answers.reader == READER
    assert {name: one["rating"] for name, one in answers.images.items()} == given
    assert sorted(one["place"] for one in answers.images.values()) == list(range(1, 21))
    assert all(0 < one["ms"] < 60_000 for one in answers.images.values())
    (phrases,) = [one["said"] for one in answers.images.values() if one["said"]]
    assert phrases == {
        "birads": "4a",
        "shape": "round",
        "margin": ["angular", "spiculated"],
        "halo": "absent",
    }


def test_the_file_is_scored(study, answered, tmp_path, call):
    given, file = answered
    words = ["--key", study / "key.json", "--out", tmp_path / "scores"]
    code, _, err = call("study", "score", file, *words)
    assert code == 0, err
    (reader,) = read_json(tmp_path / "scores" / "scores.json")["readers"]
    generated = read_key(study / "key.json").ids("synthetic")
    assert reader["sensitivity"]["value"] == sum(given[name] >= 4 for name in generated) / 10


def test_another_device_takes_the_file_and_none_that_was_changed(study, answered, tmp_path):
    page, file, changed = study / "study.html", answered[1], tmp_path / "changed.json"
    changed.write_text(file.read_text().replace('"place": 1,', '"place": 2,'))
    with browsing(tmp_path / "profile", tmp_path) as tab:
        tab.open(page)
        for path, words in ((changed, "was changed since"), (page, "no file of answers")):
            tab.choose_file("#file", path)
            tab.until(f"document.querySelector('#told').textContent.includes('{words}')")
        assert visible(tab) == "start"
        tab.choose_file("#file", file)
        tab.until("!document.querySelector('#finish').hidden")
        assert read_json(save(tab, tmp_path)) == read_json(file)


def test_image_and_ratings_fit_and_can_be_touched_and_have_their_names(study, tmp_path):
    with browsing(tmp_path / "profile", tmp_path) as tab:
        begin(tab, study / "study.html")
        assert named(tab)
        for width, height in ((1024, 768), (768, 1024), (390, 844)):
            tab.size(width, height)
            fits(tab, width, height)


def test_an_image_has_its_own_size_a_scale_and_nothing_over_it(study, tmp_path):
    with browsing(tmp_path / "profile", tmp_path) as tab:
        tab.size(1280, 900)
        tab.open(study / "study.html")
        assert violations(tab) == []
        begin(tab, study / "study.html")
        box = "document.querySelector('#image').getBoundingClientRect()"
        assert tab.js(f"[{box}.width, {box}.height]") == [64, 64]  # a pixel is a pixel
        marks = "[...document.querySelectorAll('#depth span')]"
        assert tab.js(f"{marks}.map((m) => m.textContent)") == ["25 %", "50 %", "75 %"]
        middle = f"{marks}[1].getBoundingClientRect()"
        assert tab.js(f"Math.abs({middle}.top + {middle}.height / 2 - {box}.top - 32)") < 1
        tab.click("#zoom")
        assert tab.js(f"{box}.width") == 128
        assert "do not copy" in text(tab, ".banner")
        for width, height in ((1280, 900), (1024, 768), (768, 1024), (390, 844), (900, 420)):
            tab.size(width, height)
            tab.js("document.querySelector('#more').open = true")
            tab.js("document.querySelector('.choices').scrollTop = 1e4")
            for y in (0, 150, 10_000):
                tab.js(f"scrollTo(0, {y})")
                assert tab.js(COVERED) == [], (width, height, y)
        tab.size(1280, 900)
        assert violations(tab) == []
        assert faults(tab) == []


# elements of the page that stand over another's text or picture, what scrolls inside cut off
COVERED = """(() => {
  const cut = document.querySelector('.choices').getBoundingClientRect();
  const parts = ['.banner', '.top', '.view', '.choices', '.steps', '.keys'];
  const boxes = parts.map((p) => [p, document.querySelector(p).getBoundingClientRect()]);
  const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  return boxes.flatMap(([p, a], k) =>
    boxes.slice(k + 1).filter(([, b]) => over(a, b)).map(([q]) => p + q));
})()"""


def test_enter_and_held_keys_toggle_nothing(study, shown, tmp_path):
    with browsing(tmp_path / "profile", tmp_path) as tab:
        begin(tab, study / "study.html")
        tab.press("2")
        tab.click("summary")
        chip = "[data-field='shape'][data-term='oval']"
        tab.click(chip)
        assert tab.js(f"document.querySelector(\"{chip}\").getAttribute('aria-pressed')") == "true"
        tab.press("Enter")
        assert at(tab) == "Image 2 of 20"
        tab.press("ArrowLeft")
        assert tab.js(f"document.querySelector(\"{chip}\").getAttribute('aria-pressed')") == "true"
        tab.js(f'document.querySelector("{chip}").focus()')
        tab.press("Enter")  # goes on, chooses nothing
        tab.press("ArrowLeft")
        assert tab.js(f"document.querySelector(\"{chip}\").getAttribute('aria-pressed')") == "true"
        tab.js(f'document.querySelector("{chip}").focus()')
        tab.press(" ")
        assert tab.js(f"document.querySelector(\"{chip}\").getAttribute('aria-pressed')") == "false"
        tab.press("ArrowRight")
        tab.press("4")
        for _ in range(5):  # a key that is held
            key = {"key": "Enter", "windowsVirtualKeyCode": 13, "text": "\r", "autoRepeat": True}
            tab.call("Input.dispatchKeyEvent", type="keyDown", **key)
        assert at(tab) == "Image 2 of 20"


def fits(tab: Browser, width: int, height: int) -> None:
    """Check that nothing needs scrolling, and that what is touched is large enough."""
    assert tab.js("document.documentElement.scrollWidth") == width
    seen = tab.js(
        "[...document.querySelectorAll('#image, [data-rating], #next')]"
        ".map((e) => e.getBoundingClientRect()).map((b) => [b.top, b.bottom])"
    )
    assert len(seen) == 8
    assert all(0 <= top < bottom <= height for top, bottom in seen)
    tab.click("summary")
    sizes = tab.js(
        "[...document.querySelectorAll('button, summary')].filter((e) => e.offsetParent)"
        ".map((e) => e.getBoundingClientRect()).map((b) => Math.min(b.width, b.height))"
    )
    assert len(sizes) > 30
    assert min(sizes) >= 44
    tab.click("summary")


def named(tab: Browser) -> bool:
    """Return whether what a person hears of the page says all that it shows."""
    tab.press("2")
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
    result = {(n["role"]["value"], n["name"]["value"]) for n in nodes if "name" in n}
    return result >= {
        ("image", "Ultrasound image 1"),
        ("group", "Real or synthetic?"),
        ("button", "Definitely synthetic"),
        ("progressbar", "Images rated"),
        ("StaticText", "probably real, chosen"),  # what the live region said
    }
