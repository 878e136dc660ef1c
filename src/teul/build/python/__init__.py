"""Python environments as layers: one for each large wheel, from whatever command installed it."""
