"""The contract suite on every runtime that works here; one that does not is skipped with what it said."""

import pytest

from suites.runtime import RuntimeSuite

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_runc, pytest.mark.slow]


class TestRunc(RuntimeSuite):
    runtime = "runc"


class TestCrun(RuntimeSuite):
    runtime = "crun"
