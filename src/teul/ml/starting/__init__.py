"""`teul init`: a starting project out of the files that are there.

`scan` reads what a folder's Python files import, take as options, read and write (pure); `distributions` says which
package an import name comes from and which version is installed; `compose` turns both into the files to write (pure).
Must not run any of the user's code, and must never overwrite a file.
"""

from __future__ import annotations

from teul.ml.starting.write import Made, start

__all__ = ["Made", "start"]
