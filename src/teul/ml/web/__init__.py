"""The web interface of the tracking server: pages rendered here, a little script to make them handier, no other source.

`html` builds escaped markup; `pages` are plain functions from a `View` (who asks, in which language, of which store) to
markup; `site` finds the page and sends it. Must not change anything in the store: what a browser could be tricked into
doing, these pages cannot do.
"""
