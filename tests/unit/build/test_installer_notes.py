"""What installers write down of themselves, made constant."""

import base64
import hashlib
import json

from teul.build.normalise import normalise
from teul.layers.lower import Lower


def test_uv_note_of_a_local_project_has_the_constant_time(tmp_path):
    """It holds times of the disk that the project was built on; RECORD goes with it, and what is below stays."""
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    lower.mkdir()
    made = []
    for seconds in (1795276598, 1795276999):
        installed = upper / str(seconds) / "app-0.1.0.dist-info"
        installed.mkdir(parents=True)
        time = {"secs_since_epoch": seconds, "nanos_since_epoch": seconds % 1000}
        note = {"timestamp": time, "commit": None, "env": {"이름": "값"}, "directories": {"src": time, "docs": None}}
        data = json.dumps(note, separators=(",", ":"), ensure_ascii=False).encode()
        (installed / "uv_cache.json").write_bytes(data)
        (installed / "RECORD").write_text(f"app.pth,sha256=x,8\n{installed.name}/uv_cache.json,{recorded(data)}\n")
        made.append(installed)
    normalise(str(upper), Lower([str(lower)]), epoch=315532800, is_upper=True)
    notes = [(folder / "uv_cache.json").read_bytes() for folder in made]
    records = [(folder / "RECORD").read_text() for folder in made]
    assert notes[0] == notes[1]
    assert records[0] == records[1]
    assert json.loads(notes[0]) == {
        "timestamp": {"secs_since_epoch": 315532800, "nanos_since_epoch": 0},
        "commit": None,
        "env": {"이름": "값"},
        "directories": {"src": {"secs_since_epoch": 315532800, "nanos_since_epoch": 0}, "docs": None},
    }
    assert records[0].splitlines()[1].endswith(recorded(notes[0]))


def test_a_uv_note_that_is_no_json_or_a_link_is_left(tmp_path):
    """A hostile step may leave anything under that name."""
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    lower.mkdir()
    outside = tmp_path / "outside.json"
    outside.write_text('{"timestamp":{"secs_since_epoch":1,"nanos_since_epoch":2}}')
    contents = {"a": b"{", "b": b"[" * 200000, "c": b"\xff", "d": b"{}"}
    for name, data in contents.items():
        (upper / f"{name}.dist-info").mkdir(parents=True)
        (upper / f"{name}.dist-info/uv_cache.json").write_bytes(data)
    (upper / "e.dist-info").mkdir()
    (upper / "e.dist-info/uv_cache.json").symlink_to(outside)
    normalise(str(upper), Lower([str(lower)]), epoch=315532800, is_upper=True)
    assert {name: (upper / f"{name}.dist-info/uv_cache.json").read_bytes() for name in contents} == contents
    assert 'secs_since_epoch":1' in outside.read_text()


def test_rows_of_virtualenv_without_a_digest_are_sorted(tmp_path):
    """virtualenv takes them from a set; where its marker is not, RECORD is as its installer wrote it. The last line has
    no end.
    """
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    lower.mkdir()
    rows = [
        "pip/b.py,sha256=x,1\n",
        "pip/a.py,sha256=y,2\n",
        "pip/c.pyc,,\n",
        "pip-1.dist-info/RECORD,,\n",
        "pip/b.pyc,,",
    ]
    for name in ("pip-1", "other-1"):
        (upper / f"{name}.dist-info").mkdir(parents=True)
        (upper / f"{name}.dist-info/RECORD").write_text("".join(rows))
    (upper / "pip-1.virtualenv").write_text("")
    (upper / "gone-1.virtualenv").write_text("")
    normalise(str(upper), Lower([str(lower)]), epoch=315532800, is_upper=True)
    assert (upper / "pip-1.dist-info/RECORD").read_text() == "".join(
        [*rows[:2], rows[3], f"{rows[4]}\n", rows[2].rstrip()]
    )
    assert (upper / "other-1.dist-info/RECORD").read_text() == "".join(rows)


def recorded(data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"sha256={digest},{len(data)}"
