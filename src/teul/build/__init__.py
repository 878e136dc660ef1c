"""Turning a Dockerfile and a context into an image.

`dockerfile` reads and lowers (pure), `ops` are the operations as data (pure), `tree` and `dockerignore` say what a
context holds, `execute` does the operations on snapshots, `normalise` makes what they leave behind reproducible.
"""
