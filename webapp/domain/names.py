"""Names that the staff give: of badges, quests and batches."""

from __future__ import annotations

from webapp.domain.refusals import Refused

LONGEST = 120


def checked(name: str, missing: str = "", field: str = "name") -> str:
    """The name on one line, without blanks around it; Refused where it is too long or can't be kept.

    Where it is blank, Refused with the sentence `missing`; without one, "".
    """
    if "\x00" in name:
        raise Refused("The name has a character that can't be kept (NUL).", field)
    name = " ".join(name.split())
    if not name and missing:
        raise Refused(missing, field)
    if len(name) > LONGEST:
        raise Refused(
            f"A name has at most {LONGEST} characters; this one has {len(name):,}.", field
        )
    return name
