import pytest

from teul.cli.flags import Flag, parse
from teul.errors import UsageError

FLAGS = (
    Flag("detach", "d", "bool"),
    Flag("interactive", "i", "bool"),
    Flag("tty", "t", "bool"),
    Flag("publish", "p", "list"),
    Flag("name"),
    Flag("memory", "m"),
    Flag("pids-limit", kind="int"),
    Flag("sig-proxy", kind="bool", default=True),
    Flag("oom", kind="tristate"),
    Flag("network", default="bridge"),
)


def test_short_flags_can_be_joined_as_in_itd():
    made = parse(FLAGS, ["-itd", "IMAGE"])

    assert (made.flag("interactive"), made.flag("tty"), made.flag("detach")) == (True, True, True)
    assert made.rest == ["IMAGE"]


@pytest.mark.parametrize(
    "words", [["-p80:80"], ["-p", "80:80"], ["-p=80:80"], ["--publish=80:80"], ["--publish", "80:80"]]
)
def test_a_value_may_be_written_in_five_ways(words):
    assert parse(FLAGS, words).strings("publish") == ["80:80"]


def test_a_joined_group_may_end_in_a_flag_with_a_value():
    made = parse(FLAGS, ["-dp", "80:80"])

    assert made.flag("detach")
    assert made.strings("publish") == ["80:80"]


def test_a_list_keeps_every_value_in_order():
    assert parse(FLAGS, ["-p", "1", "--publish=2", "-p3"]).strings("publish") == ["1", "2", "3"]


def test_flags_after_the_first_positional_belong_to_the_container():
    made = parse(FLAGS, ["-d", "IMAGE", "ls", "-l", "--name", "x"], interspersed=False)

    assert made.rest == ["IMAGE", "ls", "-l", "--name", "x"]
    assert made.string("name") == ""


def test_flags_may_follow_positionals_elsewhere():
    made = parse(FLAGS, ["IMAGE", "--name", "x"])

    assert (made.rest, made.string("name")) == (["IMAGE"], "x")


def test_two_dashes_end_the_flags():
    assert parse(FLAGS, ["--", "-d"]).rest == ["-d"]


def test_one_dash_is_a_positional():
    assert parse(FLAGS, ["-"]).rest == ["-"]


def test_a_default_is_told_from_a_given_value():
    made = parse(FLAGS, [])

    assert (made.string("network"), made.flag("sig-proxy"), made.values["oom"]) == ("bridge", True, None)
    assert made.given == set()


def test_a_bool_can_be_switched_off():
    assert not parse(FLAGS, ["--sig-proxy=false"]).flag("sig-proxy")


def test_help_is_seen_wherever_it_stands():
    assert "help" in parse(FLAGS, ["IMAGE", "--help"]).given
    assert "help" in parse(FLAGS, ["-h"]).given


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--nope"], "unknown flag: --nope"),
        (["-dx"], "unknown shorthand flag: 'x' in -dx"),
        (["--name"], "flag needs an argument: --name"),
        (["-p"], "flag needs an argument: 'p' in -p"),
        (["--detach=maybe"], "invalid argument `maybe` for `--detach` flag: expected true or false"),
        (["--pids-limit", "many"], "invalid argument `many` for `--pids-limit` flag: expected a number"),
    ],
)
def test_a_wrong_flag_is_answered_in_pflags_words(words, message):
    with pytest.raises(UsageError) as caught:
        parse(FLAGS, words, command="run")

    assert str(caught.value) == message
    assert caught.value.hint == "teul run --help"
