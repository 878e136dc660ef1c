"""File modes as `--chmod` takes them: octal, or symbolic as chmod(1). Pure."""

from __future__ import annotations


def parse_mode(text: str) -> tuple[tuple[str, str, str], ...] | int:
    """An octal number, or the clauses of a symbolic mode: (who, operator, permissions).

    Raises:
        ValueError: neither.
    """
    if text and all(char in "01234567" for char in text):
        mode = int(text, 8)
        if mode > 0o7777:
            raise ValueError(text)
        return mode
    made: list[tuple[str, str, str]] = []
    for clause in text.split(","):
        position = 0
        while position < len(clause) and clause[position] in "ugoa":
            position += 1
        who = clause[:position] or "a"
        if position == len(clause):
            raise ValueError(text)
        while position < len(clause):
            operator = clause[position]
            if operator not in "+-=":
                raise ValueError(text)
            end = position + 1
            while end < len(clause) and clause[end] not in "+-=":
                end += 1
            permissions = clause[position + 1 : end]
            if any(char not in "rwxXstugo" for char in permissions):
                raise ValueError(text)
            made.append((who, operator, permissions))
            position = end
    if not made:
        raise ValueError(text)
    return tuple(made)


def apply_mode(text: str, mode: int, *, is_folder: bool) -> int:
    """The permission bits that *text* makes of *mode* (its lower twelve bits)."""
    parsed = parse_mode(text)
    if isinstance(parsed, int):
        return parsed
    for who, operator, permissions in parsed:
        classes = "ugo" if "a" in who else who
        affected = added = 0
        for name in classes:
            shift = {"u": 6, "g": 3, "o": 0}[name]
            affected |= 0o7 << shift
            bits = 0
            for char in permissions:
                if char in "rwx":
                    bits |= {"r": 4, "w": 2, "x": 1}[char]
                elif char == "X" and (is_folder or mode & 0o111):
                    bits |= 1
                elif char in "ugo":
                    bits |= mode >> {"u": 6, "g": 3, "o": 0}[char] & 7
            added |= bits << shift
        if "s" in permissions:
            added |= (0o4000 if "u" in classes else 0) | (0o2000 if "g" in classes else 0)
        if "t" in permissions:
            added |= 0o1000
        if operator == "+":
            mode |= added
        elif operator == "-":
            mode &= ~added
        else:
            special = (0o4000 if "u" in classes else 0) | (0o2000 if "g" in classes else 0)
            mode = mode & ~(affected | (0 if is_folder else special)) | added
    return mode & 0o7777
