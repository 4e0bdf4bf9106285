"""`python -m podwire`: the command line, whatever is on PATH."""

from podwire.cli import main

main()
