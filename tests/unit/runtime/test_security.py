"""Capabilities, security options and devices."""

import pytest

from teul.errors import InvalidInput, OptionUnsupported
from teul.runtime.security import capabilities, parse_device, parse_security
from teul.runtime.spec import ALL_CAPABILITIES, DEFAULT_CAPABILITIES


def test_nothing_said_is_dockers_default():
    assert capabilities([], []) is None


def test_capabilities_are_added_and_dropped():
    made = capabilities(["sys_admin", "CAP_NET_ADMIN"], ["CHOWN"])

    assert set(DEFAULT_CAPABILITIES) - {"CAP_CHOWN"} | {"CAP_SYS_ADMIN", "CAP_NET_ADMIN"} == set(made)


def test_all_means_all():
    assert capabilities(["ALL"], []) == ALL_CAPABILITIES
    assert capabilities([], ["all"]) == ()
    assert capabilities(["chown"], ["ALL"]) == ("CAP_CHOWN",)
    assert "CAP_SYS_TIME" not in capabilities(["ALL"], ["SYS_TIME"])


def test_an_unknown_capability_is_refused():
    with pytest.raises(InvalidInput):
        capabilities(["FLY"], [])


def test_security_options():
    made = parse_security(["seccomp=unconfined", "no-new-privileges", "systempaths=unconfined", "label=disable"])

    assert (
        made.seccomp,
        made.no_new_privileges,
        made.masked_paths,
        made.readonly_paths,
    ) == ("unconfined", True, (), ())
    assert not parse_security(["no-new-privileges:false"]).no_new_privileges


@pytest.mark.parametrize("word", ["seccomp", "no-new-privileges=maybe", "nothing=1"])
def test_wrong_security_options_are_refused(word):
    with pytest.raises(InvalidInput):
        parse_security([word])


@pytest.mark.parametrize("word", ["apparmor=mine", "label=type:x"])
def test_a_confinement_that_would_not_be_there_is_refused_by_name(word):
    with pytest.raises(OptionUnsupported):
        parse_security([word])


def test_a_device_has_its_numbers_and_another_place():
    (made,) = parse_device("/dev/null:/dev/nothing:r")

    assert (made.path, made.kind, made.major, made.minor, made.access) == ("/dev/nothing", "c", 1, 3, "r")
    assert parse_device("/dev/zero")[0].access == "rwm"


@pytest.mark.parametrize("word", ["null", "/dev/null:x", "/etc/passwd", "/dev/none", "/dev/null:/dev/x:q"])
def test_what_is_no_device_is_refused(word):
    with pytest.raises(InvalidInput):
        parse_device(word)


def test_a_cdi_name_is_refused_by_name():
    with pytest.raises(OptionUnsupported):
        parse_device("nvidia.com/gpu=all")
