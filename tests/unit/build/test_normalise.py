"""What a step leaves behind, made constant (see also the integration tests of whole builds)."""

import base64
import hashlib
import json
import os

from teul.build.normalise import normalise
from teul.layers.lower import Lower


def test_a_folder_that_says_nothing_is_no_part_of_the_layer(tmp_path):
    """A temporary file that came and went leaves the folder it was in."""
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    for name in ("tmp", "changed", "holds"):
        (lower / name).mkdir(parents=True)
        (upper / name).mkdir(parents=True)
    (upper / "changed").chmod(0o700)
    (upper / "holds/new").mkdir()
    (lower / "holds/old").mkdir()
    (upper / "holds/old").mkdir()
    normalise(str(upper), Lower([str(lower)]), epoch=315532800, is_upper=True)
    assert sorted(os.listdir(upper)) == ["changed", "holds"]
    assert os.listdir(upper / "holds") == ["new"]
    assert os.stat(upper / "holds").st_mtime == 315532800


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


def recorded(data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"sha256={digest},{len(data)}"
