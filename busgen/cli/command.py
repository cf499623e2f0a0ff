"""What every command has: `-q` and `-v`, and help that tells defaults and choices.

In: a command as typer reads it from a function. Out: the same with these two options; what an
option takes is asked of the code itself when help is shown, or completed by a shell.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from busgen.progress import VERBOSITY

Choices = Callable[[str], Iterable[str]]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Results and errors alone: no remarks, no progress.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Also the seconds it took, and where it failed.")
]
SHOWN = 12  # choices in a help: more are a list of their own


def set_verbosity(quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Say from now on what is asked for, if anything is."""
    if quiet or verbose:
        VERBOSITY.set(int(verbose) - int(quiet))


class Command(TyperCommand):
    """A command that takes `-q` and `-v`, and whose help tells what holds if nothing is said."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - typer's
        super().__init__(*args, **options)
        parsed = typer.Typer(add_completion=False)
        parsed.command()(set_verbosity)
        for option in typer.main.get_command(parsed).params:
            option.expose_value = False
            option.callback = _note
            self.params.append(option)

    def format_help(self, *args: Any) -> None:  # noqa: ANN401 - click's types
        """Show help, with the default and the choices of each option."""
        for option in self.params:
            if hasattr(option, "help"):
                option.help = describe(self.name, option)
        super().format_help(*args)


def _note(context: object, option: Any, value: object) -> None:  # noqa: ANN401 - click's types
    if value:
        set_verbosity(**{option.name: True})


def complete(choices: Callable[[], Iterable[str]]) -> Choices:
    """Return what completes a word with one of `choices()`, called when it is needed."""

    def match(incomplete: str) -> list[str]:
        return [name for name in choices() if name.startswith(incomplete)]

    return match


def describe(command: str | None, option: Any) -> str:  # noqa: ANN401 - click's types
    """Return what an option means, what it takes, if that is a short list, and its default."""
    words, found = [option.help or ""], []
    if getattr(option, "_custom_shell_complete", None) is not None:
        found = [item.value for item in option.shell_complete(None, "")]
    if 0 < len(found) <= SHOWN:
        words.append(f"One of: {', '.join(found)}.")
    if command == "generate" and option.default in (None, [], ()):
        from busgen.params.generate import GenerateParams

        field = GenerateParams.model_fields.get(option.name)
        value = field.get_default() if field else None
        if value not in (None, ()) and not isinstance(value, Mapping):
            words.append(f"Default: {value}.")
    return " ".join(words)
