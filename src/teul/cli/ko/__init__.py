"""The Korean catalogue: one module per package of teul, each with `MESSAGES` (English template → Korean template)."""
