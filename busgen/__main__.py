"""`python -m busgen`: the command line, as the command `busgen` runs it."""

from busgen.cli import main

main()
