"""Members of the demo community, with names from many languages and realistic usernames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple
from unicodedata import category, normalize

from faker import Factory

from webapp.domain.normalization import fold
from webapp.models import MemberStatus

YEARS = 5.1
SEED = 20


class Tongue(NamedTuple):
    """A language: its weight, about the number of members per hundred, and how it forms names."""

    locale: str
    share: int
    family_first: bool = False
    space: str = " "


TONGUES = (
    Tongue("en_US", 17),
    Tongue("en_GB", 8),
    Tongue("de_DE", 9),
    Tongue("fr_FR", 7),
    Tongue("es_ES", 6),
    Tongue("es_MX", 4),
    Tongue("pt_BR", 7),
    Tongue("it_IT", 4),
    Tongue("nl_NL", 3),
    Tongue("pl_PL", 4),
    Tongue("cs_CZ", 2),
    Tongue("sv_SE", 2),
    Tongue("fi_FI", 1),
    Tongue("is_IS", 1),
    Tongue("tr_TR", 3),
    Tongue("hu_HU", 1, family_first=True),
    Tongue("en_NG", 3),
    Tongue("en_IN", 4),
    Tongue("id_ID", 2),
    Tongue("ja_JP", 5, family_first=True),
    Tongue("zh_CN", 5, family_first=True, space=""),
    Tongue("ko_KR", 3, family_first=True, space=""),
    Tongue("ar_AA", 3),
    Tongue("fa_IR", 1),
    Tongue("he_IL", 1),
    Tongue("ru_RU", 4),
    Tongue("uk_UA", 2),
    Tongue("el_GR", 1),
    Tongue("th_TH", 1),
    Tongue("bn_BD", 1),
    Tongue("ka_GE", 1),
)

LIKE_LATIN = str.maketrans(
    {"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"}
)

_MOODS = (
    "amber autumn brave bright busy calm clever cosmic crisp curious daily dusty early electric "
    "faint gentle golden happy hidden humble icy idle jolly kind late lazy little lone lucid lucky "
    "mellow mighty misty modest noble northern odd pale patient polite proud quick quiet rapid rusty "
    "salty shy silent silver sleepy slow small snowy solar spare steady sunny tidy tiny vivid wandering wild"
)
_THINGS = (
    "badger beacon birch bison brook cedar cello cloud comet compass coral crane cricket dingo dune "
    "ember falcon fern ferry finch fjord fox gecko glacier harbor hare harp hawk heron ibis island "
    "juniper kettle kite koala lamp lantern lemur lichen lynx maple marmot meadow moth newt oak "
    "ocelot orbit otter owl panda pebble pigeon pixel plover quail raven reef robin sparrow tapir "
    "teapot thistle tram turnip walrus willow wombat wren yak zebra"
)
MOODS, THINGS = _MOODS.split(), _THINGS.split()


def people(number: int, now: datetime) -> list[dict[str, Any]]:
    """Return rows for `number` members in the order they joined; deterministic for the same `now`."""
    random, busy = Random(SEED), Random(SEED + 1)
    voices = {tongue: _voice(tongue) for tongue in TONGUES}
    spoken = random.choices(TONGUES, [tongue.share for tongue in TONGUES], k=number)
    joined = sorted(
        now - timedelta(days=365 * YEARS) * random.random() ** 1.3 - timedelta(minutes=30)
        for _ in range(number)
    )
    taken: set[str] = set()
    external_id = 10_000
    rows = []
    for tongue, at in zip(spoken, joined, strict=True):
        external_id += random.randint(1, 7)
        given, family, latin = voices[tongue]()
        username = _free(_usernames(random, given, family, latin), taken)
        address = username if username.isascii() else f"{random.choice(THINGS)}{external_id}"
        host = random.choice(("example.org", "example.org", "example.net"))
        email = None if random.random() < 0.02 else f"{address.lower()}@{host}"
        order = (family, given) if tongue.family_first else (given, family)
        rows.append(
            {
                "external_id": str(external_id),
                "username": username,
                "username_key": fold(username),
                "email": email,
                "email_key": fold(email) if email else None,
                "name": "" if random.random() < 0.04 else tongue.space.join(order),
                "status": _status(random),
                "activity": int(busy.paretovariate(0.9) * 4) - 4 if busy.random() < 0.85 else 0,
                "joined_at": at,
                "updated_at": at,
            }
        )
    return rows


def _status(random: Random) -> MemberStatus:
    return random.choices(
        (MemberStatus.ACTIVE, MemberStatus.LEFT, MemberStatus.SUSPENDED), (962, 26, 12)
    )[0]


def _voice(tongue: Tongue) -> Callable[[], tuple[str, str, str]]:
    """Return a generator of names: given name, family name, and both in Latin letters separated by a space, or ""."""
    source: Any = Factory.create(tongue.locale, providers=["faker.providers.person"])
    source.seed_instance(SEED)
    romanized = hasattr(source, "first_romanized_name")

    def say() -> tuple[str, str, str]:
        female = source.random.random() < 0.5
        given = source.first_name_female() if female else source.first_name_male()
        family = source.last_name_female() if female else source.last_name_male()
        if romanized:
            latin = f"{source.first_romanized_name()} {source.last_romanized_name()}"
        else:
            latin = f"{_latin(given)} {_latin(family)}"
        return given, family, latin.lower() if latin.replace(" ", "").isalpha() else ""

    return say


def _latin(name: str) -> str:
    plain = normalize("NFKD", name.lower().translate(LIKE_LATIN))
    kept = "".join(sign for sign in plain if category(sign) not in ("Mn", "Zs", "Pd", "Po"))
    return kept if kept.isascii() else ""


def _usernames(random: Random, given: str, family: str, latin: str) -> Iterator[str]:
    first, _, last = latin.partition(" ")
    style = random.random()
    if not (first and last) and style < 0.12 and not given.isascii():
        yield given.replace(" ", "")
        yield f"{family}{given}".replace(" ", "")
    elif first and last and style < 0.6:
        number = random.randint(2, 99)
        yield random.choice(
            (
                f"{first}.{last}",
                f"{first}{last}",
                f"{first[0]}{last}",
                f"{first}_{last[0]}",
                f"{first}{number}",
                f"{first.title()}{last.title()}",
                f"{last}{number}",
                first,
            )
        )
    mood, thing = random.choice(MOODS), random.choice(THINGS)
    yield random.choice((f"{mood}{thing}", f"{mood}_{thing}", f"{mood.title()}{thing.title()}"))
    while True:
        yield f"{first or thing}{random.choice(('', '_', '.'))}{random.randint(2, 9999)}"


def _free(usernames: Iterator[str], taken: set[str]) -> str:
    username = next(name for name in usernames if fold(name) not in taken)
    taken.add(fold(username))
    return username
