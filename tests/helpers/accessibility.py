"""What axe-core finds wrong with a page that stands in Chromium."""

from importlib.resources import files

from browser import Browser

SERIOUS = ("serious", "critical")


def violations(tab: Browser) -> list[str]:
    """Return the rules that the page breaks seriously, with the first element that does.

    The page's own policy lets no script run but its own: axe-core is evaluated by the debugger.
    """
    tab.js(files("axe_core_python").joinpath("axe.min.js").read_text("utf-8") + ";0")
    tab.js("window.checked = null; axe.run().then((found) => { window.checked = found; }); 0")
    tab.until("window.checked !== null")
    assert tab.js("window.checked.passes.length") > 5
    found = tab.js("window.checked.violations.map((v) => [v.impact, v.id, v.nodes[0].html])")
    return [f"{rule}: {html[:200]}" for impact, rule, html in found if impact in SERIOUS]
