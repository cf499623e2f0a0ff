"""What is shown on a screen: a text's escapes are seen, never obeyed."""

import json
import subprocess
import sys

import pytest

from busgen.errors import UserError, to_printable

SHOW = """
import json, sys
from busgen.cli.screen import err, out, print_rows, to_words
text = json.loads(sys.argv[1])
out.print(text, markup=False), err.print(text, markup=False), to_words(text)
print_rows([{text: text}])
out.print_json(json.dumps({"a": text}))
"""
OBEYED = {
    "colour": "\x1b[31mred",
    "title of the window": "\x1b]0;pwn\x07",
    "of one byte": "\x9b31m",
    "back": "safe\b\b\b\bgone",
    "over the line": "safe\rgone",
    "other direction": "a\u202eb",
}


@pytest.mark.parametrize("text", OBEYED.values(), ids=OBEYED)
def test_escapes_are_shown_and_not_obeyed(text):
    done = subprocess.run(
        [sys.executable, "-c", SHOW, json.dumps(text)], capture_output=True, check=True
    )
    said = (done.stdout + done.stderr).decode()
    sign = next(letter for letter in text if letter in "\x1b\x07\x9b\b\r\u202e")
    assert not {*"\x1b\x07\x9b\b\r\u202e"} & {*said}
    assert f"\\u{ord(sign):04x}" in said or sign in "\b\r\x07"  # which rich leaves out
    assert to_printable(text) in str(UserError("it must be", text, "mend it"))


def test_what_we_colour_ourselves_stays_coloured():
    code = (
        "from busgen.cli.screen import _Screen; _Screen(force_terminal=True).print('[red]x[/]\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert b"\x1b[31mx" in done.stdout
