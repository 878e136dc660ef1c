"""How wide text is on a terminal, in columns. Must not know what the text is for."""

from __future__ import annotations


def width(text: str) -> int:
    """Columns that *text* takes: a Hangul syllable two, a combining mark none, a control character none.

    Source: Unicode Standard Annex 11, "East Asian Width" (W and F are wide, all others narrow).
    """
    return len(text) if text.isascii() and text.isprintable() else sum(map(character_width, text))


def character_width(character: str) -> int:
    """Columns of one character: 0, 1 or 2."""
    code = ord(character)
    if code < 0x300:
        return 1 if code >= 0x20 and not 0x7F <= code < 0xA0 else 0
    import unicodedata

    # Medial vowels and finals of decomposed Hangul join the leading consonant, which has the two columns already.
    if 0x1160 <= code <= 0x11FF or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def pad(text: str, columns: int) -> str:
    """*text* with spaces behind it up to *columns*; never cut."""
    return text + " " * (columns - width(text))


def cut(text: str, columns: int) -> str:
    """The beginning of *text* that fits into *columns*, ending in `…` where something was left out."""
    if columns <= 0:
        return ""
    if width(text) <= columns:
        return text
    used = 0
    for position, character in enumerate(text):
        used += character_width(character)
        if used > columns - 1:
            return text[:position] + "…"
    return text


def printable(text: str) -> str:
    """*text* as one line that cannot move the cursor: no escape sequences, no control characters, tabs as spaces.

    What stands before a carriage return was overwritten by what follows, as on a terminal (pip's progress bars).
    """
    if "\r" in text:
        parts = [part for part in text.split("\r") if part.strip()]
        text = parts[-1] if parts else ""
    if text.isprintable():
        return text
    kept: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character == "\x1b":
            position = _after_escape(text, position)
        elif character == "\t":
            kept.append("    ")
        elif character.isprintable() or ord(character) >= 0xA0:
            kept.append(character)
    return "".join(kept)


def _after_escape(text: str, position: int) -> int:
    """Where the escape sequence ends whose ESC stands before *position*. Spec: ECMA-48 §5.4 (CSI), §5.6 (OSC)."""
    if position >= len(text):
        return position
    if text[position] == "[":
        position += 1
        while position < len(text) and not "@" <= text[position] <= "~":
            position += 1
        return position + 1
    if text[position] == "]":
        while position < len(text) and text[position] not in "\x07\x1b":
            position += 1
        return position + (2 if text[position : position + 2] == "\x1b\\" else 1)
    return position + 1
