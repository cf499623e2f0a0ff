"""What is shown on a screen: a text's escapes are seen, never obeyed."""

import json
import os
import subprocess
import sys
from pathlib import Path

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


def _commands(command, words=()):
    below = getattr(command, "commands", None)
    if below is None:
        yield words
        return
    for name, one in below.items():
        yield from _commands(one, (*words, name))


def test_every_help_shows_defaults_and_choices_and_cuts_no_word(call, monkeypatch):
    import typer

    from busgen.cli import app

    monkeypatch.setenv("COLUMNS", "80")
    pages = {}
    for words in _commands(typer.main.get_command(app)):
        code, pages[words], _ = call(*words, "-h")
        assert code == 0
        assert "…" not in pages[words], words
        assert {"--quiet", "-q", "--verbose", "-v"} <= set(pages[words].split()), words
    shown = " ".join(pages["generate",].replace("│", " ").split())
    for part in ("One of: phantom, diffusion, stable_diffusion.", "Default: diffusion.",
                 "Number of findings. Default: 600.", "Default: 0.01."):  # fmt: skip
        assert part in shown, part
    assert "webdataset, dicom." in " ".join(pages["export",].replace("│", " ").split())


def test_a_shell_completes_what_an_option_takes():
    shell = {"_BUSGEN_COMPLETE": "complete_bash", "COMP_CWORD": "3"}
    shell |= {"COMP_WORDS": "busgen generate --engine di"}
    command = str(Path(sys.executable).parent / "busgen")
    done = subprocess.run([command], env=os.environ | shell, capture_output=True, check=True)
    assert done.stdout.split() == [b"diffusion"]


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_table_cuts_no_name_whatever_the_screen(monkeypatch, capsys, columns):
    from busgen.cli import screen

    monkeypatch.setattr(screen.out, "_width", columns)
    row = {f"a_column_of_a_long_name_{k}": f"a_value_of_{k}" for k in range(5)}
    screen.print_rows([row], "It holds one row.")
    shown = capsys.readouterr().out
    assert all(word in shown for item in row.items() for word in item)
    assert ("│" in shown) == (columns == 200)
    assert shown.splitlines()[-1] == "It holds one row."
    screen.print_rows([], "It holds none.")
    assert capsys.readouterr().out == "It holds none.\n"


def test_scores_say_which_side_is_better_and_end_with_a_sentence(capsys):
    from busgen.cli.tables import print_comparison

    score = {"interval": (1, 2), "n": 9, "floor": 1.0}
    print_comparison({
        "scores": {"all": {"kid_us64": score | {"value": 3.0, "floor_limit": 2.0, "bad": "high"},
                           "coverage": score | {"value": 3.0, "floor_limit": 2.0, "bad": "low"}}},
        "notes": [], "skipped": {},
    })  # fmt: skip
    shown = capsys.readouterr().out.splitlines()
    rows = {line.split()[1]: line.split()[-4::2] for line in shown if "│" in line}
    assert rows == {"kid_us64": ["lower", "yes"], "coverage": ["higher", "no"]}
    assert shown[-1].startswith("1 of 2 scores is beyond the limit")
