import json

import pytest

from teul.errors import InvalidInput, MalformedSpecification, NotFound
from teul.gpu import cdi

ACME = {
    "cdiVersion": "1.1.0",
    "kind": "acme.com/npu",
    "annotations": {"org.mobyproject.buildkit.device.autoallow": "true"},
    "containerEdits": {"env": ["ACME=1"], "additionalGids": [0, 44]},
    "devices": [
        {
            "name": "one",
            "containerEdits": {
                "deviceNodes": [{"path": "/dev/npu0", "hostPath": "/dev/null", "permissions": "rw", "fileMode": 432}],
                "mounts": [{"hostPath": "/opt/acme", "containerPath": "/opt/acme", "options": ["ro"]}],
                "hooks": [
                    {"hookName": "createContainer", "path": "/usr/bin/hook", "args": ["hook", "x"], "timeout": 5}
                ],
                "netDevices": [{"hostInterfaceName": "eno1", "name": "acme0"}],
            },
        },
        {"name": "two", "annotations": {"speed": "high"}, "containerEdits": {"env": ["TWO=2"]}},
    ],
}


def test_a_device_brings_its_specifications_edits_once():
    registry = cdi.Registry([cdi.parse(ACME)])

    edits = registry.edits(["acme.com/npu=one", "acme.com/npu=two", "acme.com/npu=one"])

    assert edits.env == ("ACME=1", "TWO=2")
    assert edits.groups == (44,)
    assert (cdi.DeviceNode("/dev/npu0", "/dev/null", mode=432, access="rw"),) == edits.nodes
    assert (cdi.HostMount("/opt/acme", "/opt/acme", ("ro",)),) == edits.mounts
    assert (cdi.Hook("createContainer", "/usr/bin/hook", ("hook", "x"), timeout_s=5),) == edits.hooks
    assert (cdi.NetDevice("eno1", "acme0"),) == edits.net_devices


def test_annotations_of_a_device_come_on_top_of_its_specifications():
    registry = cdi.Registry([cdi.parse(ACME)])

    assert registry.annotations("acme.com/npu=two") == {
        "org.mobyproject.buildkit.device.autoallow": "true",
        "speed": "high",
    }


def test_the_later_folder_wins_and_json_and_yaml_are_read(tmp_path):
    etc, run = tmp_path / "etc", tmp_path / "run"
    etc.mkdir()
    run.mkdir()
    (etc / "acme.json").write_text(json.dumps(ACME))
    (run / "acme.yaml").write_text(
        "cdiVersion: 0.5.0\nkind: acme.com/npu\ndevices:\n- name: one\n  containerEdits:\n    env: [NEWER=1]\n"
    )
    (run / "notes.txt").write_text("not a specification")

    registry = cdi.read((str(etc), str(run), str(tmp_path / "missing")))

    assert registry.names() == ["acme.com/npu=one", "acme.com/npu=two"]
    assert registry.edits(["acme.com/npu=one"]).env == ("NEWER=1",)


def test_two_files_of_one_folder_with_one_device_decide_nothing(tmp_path):
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(ACME))

    registry = cdi.read((str(tmp_path),))

    with pytest.raises(NotFound, match=r"a\.json.*b\.json"):
        registry.edits(["acme.com/npu=one"])


def test_a_broken_file_does_no_harm_to_others(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(ACME))
    (tmp_path / "b.json").write_text("{")
    (tmp_path / "c.yaml").write_text("a: [b\n")
    (tmp_path / "d.yaml").write_text("- 1\n")

    registry = cdi.read((str(tmp_path),))

    assert "acme.com/npu=one" in registry
    assert {"b.json", "c.yaml", "d.yaml"} == {path.rpartition("/")[2] for path in registry.problems}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"cdiVersion": "9.0"}, "cdiVersion"),
        ({"kind": "npu"}, "kind"),
        ({"devices": {}}, "devices"),
        ({"devices": [{"name": "a b"}]}, r"devices\[0\].name"),
        ({"devices": [{"name": "a"}, {"name": "a"}]}, r"devices\[1\].name"),
        ({"containerEdits": {"env": ["NAME"]}}, "containerEdits.env"),
        ({"containerEdits": {"deviceNodes": [{"path": "npu"}]}}, r"deviceNodes\[0\].path"),
        ({"containerEdits": {"hooks": [{"hookName": "later", "path": "/x"}]}}, r"hooks\[0\].hookName"),
        ({"containerEdits": {"mounts": [{"hostPath": "/x"}]}}, r"mounts\[0\].containerPath"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(change, place):
    with pytest.raises(MalformedSpecification, match=place):
        cdi.parse({**ACME, **change})


def test_an_unknown_device_is_told_with_those_that_are_there():
    registry = cdi.Registry([cdi.parse(ACME)])

    with pytest.raises(NotFound) as caught:
        registry.edits(["acme.com/npu=three"])

    assert "acme.com/npu=one" in str(caught.value.hint)
    with pytest.raises(InvalidInput):
        registry.edits(["/dev/null"])


@pytest.mark.parametrize(
    ("word", "is_name"),
    [
        ("nvidia.com/gpu=all", True),
        ("nvidia.com/gpu=GPU-11-22", True),
        ("nvidia.com/gpu=0:1", True),
        ("/dev/x=y", False),
        ("gpu=all", False),
        ("a/b/c=d", False),
    ],
)
def test_a_device_name_is_told_from_a_path(word, is_name):
    assert is_name == cdi.is_device_name(word)
