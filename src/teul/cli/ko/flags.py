"""Help texts of flags. Several commands share a text, so they are kept together."""

MESSAGES: dict[str, str] = {}
