"""`python -m webapp.cli`: the same as `laurel`, where the script is not on the path."""

from webapp.cli import main

main(prog_name="laurel")
