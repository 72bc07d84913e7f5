"""Which passwords are too easy to guess; judged here, without asking anybody (S7)."""

from __future__ import annotations

import re

SHORTEST = 12
LONGEST = 128
LEFT_AT_LEAST = 6  # different characters that must be left once what is known is taken out

# Words that the most used passwords are made of (their order in public lists of leaked passwords), and
# rows of the keyboard. Taken out wherever they stand, forwards and backwards.
_WORDS = """
password passwort passw0rd motdepasse contrasena senha parola wachtwoord haslo heslo losenord salasana
qwertyuiop qwertzuiop azertyuiop asdfghjkl zxcvbnm yxcvbnm qwerty qwertz azerty asdfgh zxcvbn qazwsxedc
qazwsx 1qaz2wsx 1q2w3e4r5t 1q2w3e4r 1q2w3e q1w2e3r4 zaq12wsx abcdefghijklmnopqrstuvwxyz abcdefgh abcdef
abc123 abcd1234 iloveyou ilove loveyou love lovely sunshine princess princesa dragon monkey football
baseball basketball superman batman spiderman pokemon naruto starwars master letmein welcome willkommen
bienvenue shadow michael jordan jennifer jessica ashley daniel charlie thomas nicole hello freedom
whatever trustno1 trust computer internet samsung google facebook instagram linkedin twitter microsoft
windows apple admin administrator root user guest login access secret changeme change default temp test
testing demo example sample manager support community moderator badge badges staff summer winter spring
autumn january february march april june july august september october november december monday tuesday
wednesday thursday friday saturday sunday liverpool arsenal chelsea barcelona realmadrid juventus
fuckyou fuckoff blink182 mustang corvette ferrari mercedes chocolate cookie banana cheese orange purple
butterfly flower rainbow unicorn angel heaven jesus christ blessed family forever together number
nothing something correcthorsebatterystaple correct horse battery staple thisisapassword mypassword
letmeinplease laurel the and you my is this our your me in on it im not for with
""".split()

_DIGITS = "01234567890123456789"
_LEET = str.maketrans("@4301!$57", "aaeoiisst")


def problem(password: str, email: str = "", name: str = "") -> str | None:
    """Why this password can't be used, as a sentence; None if it can.

    `email` and `name` are the person's: a password made of them is refused.
    """
    if len(password) < SHORTEST:
        return f"A password has at least {SHORTEST} characters."
    if len(password) > LONGEST:
        return f"A password has at most {LONGEST} characters."
    own = [word for word in re.split(r"\W+|_", f"{email} {name}".casefold()) if len(word) > 2]
    plain = password.casefold()
    # What is known is taken out of the password as typed and as meant (`p@ssw0rd`): both must leave enough.
    for spelling in (plain, plain.translate(_LEET)):
        if len(set(_left(spelling, own))) < LEFT_AT_LEAST:
            return (
                "This password is too easy to guess: it is made of common words, rows of keys, "
                "repetitions, or of the name or address. Take several words that don't belong together."
            )
    return None


def _left(text: str, own: list[str]) -> str:
    for word in sorted({*_WORDS, *own}, key=len, reverse=True):
        if len(word) > 2:
            text = text.replace(word, " ").replace(word[::-1], " ")
    text = re.sub(r"(.+?)\1+", r"\1", text)  # repetitions count once
    text = re.sub(r"\d{3,}", lambda found: _irregular(found.group()), text)
    return re.sub(r"\s", "", text)


def _irregular(digits: str) -> str:
    known = digits in _DIGITS or digits in _DIGITS[::-1] or re.fullmatch(r"(19|20)\d\d", digits)
    return " " if known else digits
