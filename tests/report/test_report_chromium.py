"""The pages opened from disk in Chromium: no error, every image drawn, filters work, dark too."""

import cv2
import pytest
from accessibility import violations
from browser import CHROMIUM, browsing, faults

from busgen.report.browse import write_gallery
from busgen.report.page import print_pdf
from busgen.report.report import SCORECARD

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
SHOWN = "[...document.querySelectorAll('.shot')].filter((s) => s.offsetParent)"
IMAGES = "[...document.images].map((i) => [i.complete && i.naturalWidth > 0, i.alt.length > 20])"


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    root = tmp_path_factory.mktemp("browser é")
    with browsing(root / "profile", root) as browser:
        yield browser


@pytest.fixture(autouse=True)
def _nothing_wrong(request):
    """No test may leave a message, an exception, or a request to anywhere else."""
    yield
    if "tab" in request.fixturenames:
        tab = request.getfixturevalue("tab")
        assert faults(tab) == []
        tab.events.clear()


@pytest.mark.parametrize("release", ["chain", "families"])
@pytest.mark.parametrize("width", [1280, 390])
def test_everything_is_drawn_and_the_banner_stays(request, tab, width, release):
    chain = request.getfixturevalue(release)
    tab.size(width, 900)
    tab.open(chain.page)
    drawn = tab.js(IMAGES)
    assert len(drawn) == chain.html.count("<img ") > 0
    assert all(whole and result for whole, result in drawn)
    assert tab.js("document.documentElement.scrollWidth - innerWidth") <= 0
    tab.js("scrollTo(0, 4000)")
    assert tab.js("scrollY") > 0
    box = "document.querySelector('.banner').getBoundingClientRect()"
    assert tab.js(f"[{box}.left, {box}.top, {box}.width]") == [0, 0, width]


@pytest.mark.parametrize("width", [1280, 390])
def test_the_scorecard_fits_the_screen(tab, chain, width):
    tab.size(width, 900)
    tab.open(chain.folder / SCORECARD)
    assert tab.js("document.querySelectorAll('section').length") == 7
    assert tab.js("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("width", [1280, 390])
def test_images_come_first_then_the_verdict(tab, chain, width):
    tab.size(width, 900)
    tab.open(chain.page)
    box = "document.querySelector('.first img').getBoundingClientRect()"
    assert tab.js(f"{box}.bottom") < 900
    assert tab.js("document.querySelector('h2').textContent") == "Verdict"
    assert "uses." in tab.js("document.querySelector('#verdict .lead').textContent")
    assert tab.js("document.querySelectorAll('.checks li').length") == 5


def test_no_table_of_answers_is_cut_on_a_phone(tab, chain):
    tab.size(390, 900)
    tab.open(chain.page)
    tab.js("document.querySelector('#verdict details').open = true")
    cells = "[...document.querySelectorAll('.answers td, .answers th[scope=row]')]"
    assert tab.js(f"Math.max(...{cells}.map((c) => c.getBoundingClientRect().right))") <= 390


def test_filters_work_by_keyboard(tab, chain):
    tab.size(1280, 900)
    tab.open(chain.page)
    benign = f"{SHOWN}.filter((s) => s.dataset.pathology === 'benign').length"
    every, before = tab.js(f"{SHOWN}.length"), tab.js(benign)
    assert before > 0
    tab.js("document.querySelector('#show-pathology-benign').focus()")
    tab.press(" ")
    assert tab.js(benign) == 0
    assert tab.js(f"{SHOWN}.length") == every - before
    tab.js("document.querySelector('.filters button').focus()")
    tab.press("Enter")
    assert tab.js(f"{SHOWN}.length") == every
    outlines = "getComputedStyle(document.querySelector('.outline')).display"
    assert tab.js(outlines) != "none"
    tab.js("document.querySelector('#outlines').focus()")
    tab.press(" ")
    assert tab.js(outlines) == "none"


def test_dark_and_light_differ_and_both_show_images(tab, chain, tmp_path):
    tab.size(1280, 2000)
    levels = {}
    for name in ("light", "dark"):
        tab.scheme(name)
        tab.open(chain.page)
        target = tmp_path / f"{name}.png"
        tab.screenshot(target)
        pixels = cv2.imread(str(target))
        assert pixels[4, 4].tolist() == [0x1C, 0x1C, 0x8A]  # blue, green, red: the banner's
        levels[name] = pixels[100, 4].mean()
        line = tab.js("getComputedStyle(document.querySelector('.chart path[style]')).stroke")
        assert "var" not in line
    tab.scheme("light")
    assert levels["light"] > 250
    assert levels["dark"] < 40


def test_the_data_docs_open_from_the_report(tab, chain):
    tab.size(1280, 900)
    tab.open(chain.page)
    tab.click("a[href='contract.html']")
    tab.wait("Page.loadEventFired")
    assert tab.js("document.querySelector('h1').textContent").startswith("The contract")
    assert tab.js("document.querySelectorAll('.danger').length") == 0
    assert tab.js("document.querySelectorAll('td .success').length") > 150
    assert "sampling noise" in tab.js("document.body.textContent")


def test_it_prints_every_section_with_the_banner(chain, tmp_path):
    target = tmp_path / "report é.pdf"
    print_pdf(chain.page, target)
    data = target.read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.count(b"/Type /Page\n") > 5
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(tab, chain, width):
    tab.size(width, 900)
    for page in (chain.page, chain.folder / SCORECARD):
        tab.open(page)
        tab.js("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        assert violations(tab) == []


def test_axe_finds_what_is_wrong(tab, chain):
    tab.open(chain.folder / SCORECARD)
    tab.js("document.querySelector('h1').style.color = '#eee'")
    assert [rule.partition(":")[0] for rule in violations(tab)] == ["color-contrast"]


@pytest.fixture(scope="module")
def gallery(chain, tmp_path_factory):
    page = tmp_path_factory.mktemp("gallery é") / "g.html"
    write_gallery(chain.sources.release, page)
    return page


@pytest.mark.parametrize("width", [1280, 390])
def test_a_gallery_shows_images_at_once_and_is_accessible(tab, gallery, width):
    tab.size(width, 900)
    tab.open(gallery)
    assert all(whole and named for whole, named in tab.js(IMAGES))
    assert tab.js("document.images[0].getBoundingClientRect().bottom") < 900
    assert tab.js("document.documentElement.scrollWidth - innerWidth") <= 0
    tab.js("document.querySelector('details').open = true")
    assert violations(tab) == []
    tab.js("document.querySelector('.shot button').click()")
    assert violations(tab) == []


def test_a_gallery_filters_by_class_scanner_and_descriptor(tab, gallery):
    tab.size(1280, 900)
    tab.open(gallery)
    legends = "[...document.querySelectorAll('legend')].map((e) => e.textContent)"
    assert {"Pathology", "Scanner", "Margin", "Shape"} <= set(tab.js(legends))
    every = tab.js(f"{SHOWN}.length")
    assert tab.js("document.querySelector('#count').textContent") == (
        f"{every} of {every} images shown"
    )
    spiculated = f"{SHOWN}.filter((s) => (s.dataset.margin || '').includes('spiculated')).length"
    several = tab.js(spiculated)
    assert several > 0
    tab.js("document.querySelector('details').open = true")
    tab.click("#show-margin-spiculated")
    assert tab.js(spiculated) == 0
    assert tab.js("document.querySelector('#count').textContent").startswith(f"{every - several} ")


def test_images_enlarge_by_keyboard_and_escape_closes(tab, gallery):
    tab.size(1280, 900)
    tab.open(gallery)
    tab.js("document.querySelectorAll('.shot button')[1].focus()")
    tab.press(" ")
    assert tab.js("document.querySelector('#large').open")
    wide = "document.querySelector('#large img').getBoundingClientRect()"
    assert tab.js(f"{wide}.width") > 500
    assert tab.js(f"{wide}.bottom") < 900
    alts = "[...document.querySelectorAll('main img')].map((i) => i.alt)"
    assert tab.js("document.querySelector('#large img').alt") == tab.js(alts)[1]
    tab.press("ArrowRight")
    assert tab.js("document.querySelector('#large img').alt") == tab.js(alts)[2]
    assert tab.js("document.querySelector('#large figcaption span').offsetHeight") > 0
    tab.press("Escape")
    assert not tab.js("document.querySelector('#large').open")
    tab.until(f"document.activeElement.querySelector('img').alt === {alts}[2]")


def test_the_reports_images_enlarge_with_their_caption(tab, chain):
    tab.size(1280, 900)
    tab.open(chain.page)
    tab.click(".first .shot button")
    assert tab.js("document.querySelector('#large').open")
    assert tab.js("document.querySelector('#large figcaption').offsetHeight") > 0
    tab.press("Escape")
    assert not tab.js("document.querySelector('#large').open")
