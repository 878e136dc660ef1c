"""`python3 -I -S …/teul_model/__main__.py`, or `python3 -m teul_model`."""

import os
import sys

if __name__ == "__main__":
    # With -I nothing of ours is on the path; the worker's own path is made in `worker`.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from teul_model.server import main

    sys.exit(main())
