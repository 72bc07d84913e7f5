"""`python -m webapp.cli`: the same as `laurel`, if the script isn't on the path."""

from webapp.cli import main

main(prog_name="laurel")
