"""Translation at the edge: a `Text` is looked up by its template. Must not be imported when the language is English."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from teul.errors import Text


@cache
def catalogue(language: str) -> dict[str, str]:
    """All messages of *language*, English template → translated template."""
    made: dict[str, str] = {}
    package = importlib.import_module(f"teul.cli.{language}")
    for module in pkgutil.iter_modules(package.__path__):
        made |= importlib.import_module(f"{package.__name__}.{module.name}").MESSAGES
    return made


def translate(message: str, language: str) -> str:
    """*message* in *language*; as it is when it has no template or the catalogue lacks it."""
    if not isinstance(message, Text) or not hasattr(message, "template"):
        return str(message)
    template = catalogue(language).get(message.template)
    if template is None:
        return str(message)
    values = {
        name: translate(value, language) if isinstance(value, Text) else value for name, value in message.values.items()
    }
    return template.format(**values)
