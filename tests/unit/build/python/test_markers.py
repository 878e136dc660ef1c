"""PyPA "Dependency specifiers", Environment Markers: agree with `packaging` wherever they are decided."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker

from teul.build.python.markers import holds
from teul.build.python.values import Interpreter

ENVIRONMENT = {
    "python_version": "3.11",
    "python_full_version": "3.11.2",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}
PYTHON = Interpreter.from_json(
    {
        **dict.fromkeys(
            ("path", "executable", "cache_tag", "magic", "libc", "prefix", "base_prefix", "purelib", "platlib", "scripts",
             "data", "headers", "pip_version", "script_form", "identity"), "",
        ),
        "implementation": "cpython", "machine": "x86_64", "is_externally_managed": False, "blocks_imports": False,
        "version": [3, 11, 2], "libc_version": [2, 36], "search_path": [], "installed": [],
    }
)  # fmt: skip
ONE = st.tuples(
    st.sampled_from(sorted(ENVIRONMENT)),
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
    st.sampled_from(
        ["3.8", "3.11", "3.11.0", "3.12", "linux", "win32", "Linux", "x86_64", "arm64", "CPython", "cpython"]
    ),
).map(lambda item: f'{item[0]} {item[1]} "{item[2]}"')
MARKERS = st.recursive(
    ONE, lambda inner: st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda i: f"({i[0]}) {i[1]} {i[2]}")
)


@given(marker=MARKERS)
def test_what_is_decided_is_what_pip_decides(marker: str) -> None:
    decided = holds(marker, PYTHON)

    if decided is not None:
        assert Marker(marker).evaluate(ENVIRONMENT) == decided


@pytest.mark.parametrize(
    ("marker", "decided"),
    [
        ("", True),
        ('python_version < "3"', False),
        ("python_full_version >= '3.11.2' and sys_platform != 'win32'", True),
        ('sys_platform == "win32" or (os_name == "posix" and platform_machine == "aarch64")', False),
        ('extra == "more"', None),
        ('python_version in "3.11 3.12"', None),
        ('"linux" == sys_platform', None),
        ('python_version < "3', None),
        ('python_version < "3" nonsense', None),
        ('python_version >= "3.9rc1"', None),
    ],
)
def test_ordinary_markers_are_decided_and_odd_ones_left_open(marker: str, decided: bool | None) -> None:
    assert decided is holds(marker, PYTHON)
