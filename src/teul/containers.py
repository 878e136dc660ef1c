"""Containers' names, ids, states and times. Pure but for the random ones; must not know how a container runs."""

from __future__ import annotations

import os

from teul.errors import InvalidInput, text

CREATED, RUNNING, RESTARTING, EXITED, DEAD = "created", "running", "restarting", "exited", "dead"
STATUSES = (CREATED, RUNNING, RESTARTING, EXITED, DEAD)
SHORT_ID_LENGTH = 12
_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_REST = _FIRST | frozenset("_.-")
_HEX = frozenset("0123456789abcdef")
SIGNALS = {
    "HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "IOT": 6, "BUS": 7, "FPE": 8, "KILL": 9,
    "USR1": 10, "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CLD": 17,
    "CONT": 18, "STOP": 19, "TSTP": 20, "TTIN": 21, "TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26,
    "PROF": 27, "WINCH": 28, "IO": 29, "POLL": 29, "PWR": 30, "SYS": 31, "RTMIN": 34, "RTMAX": 64,
}  # fmt: skip
"""Linux' numbers (the same on every architecture that teul runs on)."""
_ADJECTIVES = (
    "agile amber ample apt autumn basic bold brave breezy bright brisk calm candid careful cheerful chilly civil clear "
    "clever cosy crisp curious daring deft dewy eager early earnest easy elated even fair famous fancy fast fertile "
    "fine firm fluffy fond frank free fresh frosty full gentle genuine glad golden good grand great green handy happy "
    "hardy hazel hearty honest humble jolly keen kind large lasting level light lively loyal lucky lunar mellow merry "
    "mild modest nimble noble novel open patient plain polite prime proud pure quick quiet ready red rich ripe robust "
    "rosy round royal sandy serene sharp shiny silent silver simple sincere sleek smooth snowy snug sober solar solid "
    "sound spare spring steady still strong sturdy subtle summer sunny sure sweet swift tall tame tender thorough tidy "
    "timely tranquil trim true trusty upbeat useful valid vast vivid warm wary whole wild winter wise witty young"
)
_NOUNS = (
    "acorn almond anchor apple arrow aspen badger bagel bamboo basil beacon bean beaver birch biscuit boat bread bridge "
    "brook butter cabin cake candle canoe carp cedar cello chestnut cinnamon clay clover cloud comet cookie coral "
    "cricket crane crumb cup cypress daisy dawn deer delta dough dove dune eagle elm ember falcon fern fig finch flour "
    "fox garden garlic ginger ginkgo grape griddle grove harbor harp hazelnut heron hill honey iris island ivy jade "
    "kettle kite lake lantern lark leaf lemon lily linden lotus magpie mango maple meadow melon mill mint mist mold "
    "moon moss mountain muffin nest nutmeg oak oat ocean olive onion orchid otter oven owl pancake pearl pebble pepper "
    "pine plum pond poppy quail quince rabbit radish rain raven reed rice ridge river robin rose rye sage salmon seed "
    "sesame shell skillet sky snow sparrow spruce squirrel star stone stream sugar swan syrup tea thyme tide tiger "
    "toast trout tulip valley vanilla violet walnut waffle wave wheat willow wind wolf wren yeast zebra"
)


def new_id() -> str:
    """64 random hexadecimal digits. Not all of the first twelve are decimal, so that a short id is never a number."""
    while True:
        made = os.urandom(32).hex()
        if not made[:SHORT_ID_LENGTH].isdigit():
            return made


def random_name() -> str:
    """`adjective_noun`; about thirty thousand of them."""
    number = int.from_bytes(os.urandom(8), "big")
    adjectives, nouns = _ADJECTIVES.split(), _NOUNS.split()
    return f"{adjectives[number % len(adjectives)]}_{nouns[number // len(adjectives) % len(nouns)]}"


def check_name(name: str) -> str:
    """*name*, when a container may be called so.

    Raises:
        InvalidInput: with Docker's words.
    """
    bare = name.removeprefix("/")
    if len(bare) < 2 or bare[0] not in _FIRST or not _REST.issuperset(bare):
        raise InvalidInput(
            text(
                "Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
                name=name,
            )
        )
    return bare


def is_id_prefix(word: str) -> bool:
    """Whether *word* may be the beginning of an id."""
    return 0 < len(word) <= 64 and _HEX.issuperset(word)


def signal_number(word: str) -> int:
    """The number of `9`, `KILL`, `SIGKILL`, `sigkill`, `RTMIN+3`.

    Raises:
        InvalidInput: with Docker's words.
    """
    name = word.upper().removeprefix("SIG")
    if name.isascii() and name.isdigit():
        number = int(name)
    else:
        base, plus, offset = name.partition("+")
        number = SIGNALS.get(base, 0)
        if number and plus:
            number = number + int(offset) if base == "RTMIN" and offset.isdigit() else 0
        if "-" in name and name.startswith("RTMAX-") and name[6:].isdigit():
            number = 64 - int(name[6:])
    if not 0 < number <= 64:
        raise InvalidInput(text("invalid signal: {signal}", signal=word))
    return number


def rfc3339(seconds: float) -> str:
    """A time in UTC with nanoseconds, as Docker writes it; 0 is Docker's "never"."""
    if not seconds:
        return "0001-01-01T00:00:00Z"
    import time

    whole = int(seconds)
    fraction = f"{int((seconds - whole) * 1e9):09d}".rstrip("0")
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + (f".{fraction}" if fraction else "") + "Z"
