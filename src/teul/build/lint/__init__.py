"""Build checks: warnings about a Dockerfile, each with its place and a page that explains it.

`rules` names them, `written` has those that look at the file alone; those that have to know what a variable holds or a
base image says are raised by lowering itself. Must not print.
"""
