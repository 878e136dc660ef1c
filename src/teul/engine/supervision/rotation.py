"""Turning a container's log while it is written: `log` becomes `log.1`, `log.1` becomes `log.2`, and the oldest goes.

The monitor is told afterwards to open `log` anew. Until it has, it goes on writing where it wrote, which is `log.1` by
then: no line is lost and none is written twice.
"""

from __future__ import annotations

import os
import time

from teul.errors import InvalidInput, text
from teul.host.fs import remove_file
from teul.runtime import monitor
from teul.runtime.logs import log_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

REOPEN_WAIT_S = 2.0
DRIVERS = ("json-file", "local", "none")
OPTIONS = ("max-size", "max-file", "compress", "mode", "labels", "env")
DEFAULT_FILES = {"local": 5}


def limits(driver: str, options: Mapping[str, str]) -> tuple[int, int]:
    """(bytes of a file, number of files) that a log may have; (0, 1) is "no limit"."""
    from teul.volumes import parse_size

    size = options.get("max-size", "")
    if not size or size == "-1":
        return 0, 1
    return parse_size(size), int(options.get("max-file") or DEFAULT_FILES.get(driver, 1))


def check_options(driver: str, options: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The driver's name and the options, when they can be honoured.

    Raises:
        InvalidInput: with Docker's words.
    """
    from teul.volumes import parse_size

    name = {"": "json-file", "k8s-file": "json-file"}.get(driver, driver)
    if name not in DRIVERS:
        raise InvalidInput(text('error looking up logging plugin {name}: plugin "{name}" not found', name=name),
                           hint=text("json-file, local and none are there"))  # fmt: skip
    if name == "none" and options:
        raise InvalidInput(text("invalid logging opts for driver none"))
    for option, value in options.items():
        if option not in OPTIONS:
            raise InvalidInput(text("unknown log opt '{option}' for {name} log driver", option=option, name=name))
        if option == "mode" and value != "blocking":
            raise InvalidInput(text("log mode `{value}`: expected blocking", value=value))
        if option == "compress" and value != "false":
            raise InvalidInput(text("log option compress: expected false, turned logs are kept as they are"))
        if option == "max-size" and value != "-1":
            parse_size(value)
        if option == "max-file" and not (value.isdigit() and int(value) >= 1):
            raise InvalidInput(text("max-file cannot be less than 1"))
    if options.get("max-file", "1") != "1" and "max-size" not in options and name == "json-file":
        raise InvalidInput(text("max-file cannot be set without max-size"))
    made = dict(options)
    if name == "local":
        made.setdefault("max-size", "20m")
    return name, made


def size_of(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def rotate(path: str, bundle: str, files: int) -> bool:
    """Turn the log at *path*, of which *files* are kept; False when its monitor is gone."""
    if not monitor.is_listening(bundle):
        return False
    kept = log_files(path)
    if kept and kept[-1] == path:
        for old in kept[:-1]:
            number = int(old.rpartition(".")[2])
            os.rename(old, f"{path}.{number + 1}") if number + 1 < max(files, 2) else remove_file(old)
        # `kept` begins with the oldest, so that no name is taken twice.
        os.rename(path, f"{path}.1")
    # One that was turned and not opened anew (we were killed then) is only opened.
    if not monitor.reopen_log(bundle):
        return False
    deadline = time.monotonic() + REOPEN_WAIT_S
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    if files < 2:
        remove_file(f"{path}.1")
    return True
