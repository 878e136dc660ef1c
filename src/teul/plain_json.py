"""`loads` and `dumps` of the standard library's `json`, from its C half alone; imports nothing else.

`json` compiles regular expressions when it is imported, and with `re` and `enum` that is 5 ms of every `teul run`. Its C
half needs none of them. Where it is not there (another interpreter), this is `json` itself. Must not grow: what needs
hooks, streams or indentation imports `json`.

Spec: RFC 8259; what Python's `json` takes beyond it (`NaN`) is taken here too.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from json import dumps, loads
else:
    try:
        from _json import encode_basestring, encode_basestring_ascii, make_encoder, make_scanner
    except ImportError:
        from json import dumps, loads
    else:
        _CONSTANTS = {"-Infinity": float("-inf"), "Infinity": float("inf"), "NaN": float("nan")}
        _SPACE = " \t\n\r"

        class _Context:
            """What the C scanner asks of a decoder."""

            strict = True
            object_hook = None
            object_pairs_hook = None
            parse_float = float
            parse_int = int
            parse_constant = _CONSTANTS.__getitem__

        _scan = make_scanner(_Context)

        def loads(text: str | bytes) -> object:
            """The value of one document.

            Raises:
                ValueError: not JSON, or not UTF-8. RecursionError: nested too deeply.
            """
            if not isinstance(text, str):
                text = bytes(text).decode("utf-8")
            start = len(text) - len(text.lstrip(_SPACE))
            try:
                value, end = _scan(text, start)
            except StopIteration as stop:
                raise ValueError(f"Expecting value: char {stop.value}") from None
            if text[end:].strip(_SPACE):
                raise ValueError(f"Extra data: char {end}")
            return value

        def _refuse(value: object) -> object:
            raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")

        def dumps(value: object, *, ensure_ascii: bool = True, separators: tuple[str, str] = (", ", ": ")) -> str:
            """*value* as one line.

            Raises:
                TypeError: something in it has no JSON form. ValueError: it contains itself.
            """
            encode = encode_basestring_ascii if ensure_ascii else encode_basestring
            encoder = make_encoder({}, _refuse, encode, None, separators[1], separators[0], False, False, True)
            return "".join(encoder(value, 0))


__all__ = ["dumps", "loads"]
