"""Base images without a registry: Debian's signed packages, laid out as the official images are.

`debian:<suite>[-slim]` is what mmdebstrap makes, cleaned. `python:<x.y>-slim` is one more layer on it: the libraries
that Python needs are installed as packages; Python itself, in Debian's build, is laid out below `/usr/local` as the
official image has it, not known to dpkg. So `apt-get install python3` gives Debian's own Python beside it, as there.

Why not Debian's layout with a virtual environment in `/usr/local` on top (tried, it works at first sight): in a virtual
environment `pip install --user`, which a Dockerfile with `USER` relies on, is refused; `uv pip install --system` skips
it and is refused by the interpreter below; and `COPY --from=… /usr/local /usr/local` copies no Python.
"""

from teul.images.bootstrap.recipes import PYTHONS, SUITES, Recipe, find_recipe, suggestion
from teul.images.bootstrap.rootfs import make_rootfs, tidy

__all__ = ["PYTHONS", "SUITES", "Recipe", "find_recipe", "make_rootfs", "suggestion", "tidy"]
