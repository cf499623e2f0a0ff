"""The page opened from disk in Chromium: no error, every picture drawn, the banner in sight."""

import html
import json
import re
import shutil
import subprocess

import cv2
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--virtual-time-budget=5000",
)
# what the page looks like to a reader: it tells the frame around it, which may be narrower than
# Chromium's smallest window and writes the answer where --dump-dom shows it
SELF_CHECK = """
<script>
addEventListener("load", () => {
  scrollTo(0, 4000);
  const place = document.querySelector(".banner").getBoundingClientRect();
  parent.postMessage({
    width: innerWidth,
    pictures: document.images.length,
    undrawn: [...document.images].filter((i) => !i.complete || i.naturalWidth === 0).length,
    scrolled: scrollY,
    banner: [place.left, place.top, place.width, Math.min(20, place.height)],
    overflow: document.documentElement.scrollWidth - innerWidth,
    resources: performance.getEntriesByType("resource").map((r) => r.name)
      .filter((name) => !name.startsWith("data:")),
  }, "*");
});
</script>"""
FRAME = """<!DOCTYPE html><html><body><script>
addEventListener("message", (e) => { document.body.dataset.seen = JSON.stringify(e.data); });
</script><iframe src="page.html" style="width:{width}px;height:900px;border:0"></iframe>
</body></html>"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


def browse(page, profile, switches):
    command = [CHROMIUM, *SWITCHES, f"--user-data-dir={profile}", *switches, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    errors = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, errors


@pytest.mark.parametrize("release", ["chain", "families"])
@pytest.mark.parametrize("width", [1280, 390])
def test_chromium_draws_everything(request, tmp_path, width, release):
    chain = request.getfixturevalue(release)
    checked = chain.html.replace("</body>", SELF_CHECK + "</body>")
    (tmp_path / "page.html").write_text(checked, encoding="utf-8")
    frame = tmp_path / "frame é.html"
    frame.write_text(FRAME.replace("{width}", str(width)), encoding="utf-8")
    dom, errors = browse(frame, tmp_path / "profile", ["--window-size=1400,900", "--dump-dom"])
    assert errors == []
    seen = json.loads(html.unescape(re.search(r'data-seen="([^"]*)"', dom)[1]))
    assert seen["width"] == width
    assert seen["pictures"] == chain.html.count("<img ") > 0
    assert seen["undrawn"] == 0
    assert seen["resources"] == []
    assert seen["scrolled"] > 0
    assert seen["banner"] == [0, 0, width, 20]
    assert seen["overflow"] <= 0


def test_screenshot_has_banner_and_pictures(chain, tmp_path):
    target = tmp_path / "page.png"
    switches = ["--window-size=1280,3000", f"--screenshot={target}"]
    browse(chain.page, tmp_path / "profile", switches)
    pixels = cv2.imread(str(target))
    assert pixels.shape == (3000, 1280, 3)
    assert pixels[4, 4].tolist() == [0x1C, 0x1C, 0x8A]  # blue, green, red: the banner's colour
    dark = (pixels.max(axis=2) < 60).mean()
    assert dark > 0.02  # pictures on black
