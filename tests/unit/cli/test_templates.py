import pytest

from teul.cli.templates import render_records, render_template
from teul.errors import InvalidInput

VALUE = {
    "Id": "abc",
    "Size": 12,
    "State": {"Status": "running", "Running": True},
    "Mounts": [{"Source": "/a"}, {"Source": "/b"}],
    "Networks": {"one": {"IPAddress": "10.1.0.2"}, "two": {"IPAddress": "10.2.0.2"}},
    "Names": ["x", "y"],
    "Labels": {"a": "b"},
    "Ports": {"80/tcp": [{"HostPort": "8080"}], "81/tcp": None},
    "Volumes": None,
    "Nothing": None,
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{.Id}}", "abc"),
        ("{{ .State.Status }}!", "running!"),
        ("{{.State.Running}} {{.Size}} {{.Nothing}}", "true 12 <no value>"),
        ("{{json .State}}", '{"Status":"running","Running":true}'),
        ("{{.State | json}}", '{"Status":"running","Running":true}'),
        ("{{range .Mounts}}{{.Source}};{{end}}", "/a;/b;"),
        ("{{range $i, $m := .Mounts}}{{$i}}={{$m.Source}} {{end}}", "0=/a 1=/b "),
        ("{{range .Networks}}{{.IPAddress}}{{end}}", "10.1.0.210.2.0.2"),
        ("{{range $name, $network := .Networks}}{{$name}} {{$.Id}} {{end}}", "one abc two abc "),
        ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
        ('{{if eq .Id "x"}}1{{else if eq .Id "abc"}}2{{else}}3{{end}}-', "2-"),
        ("{{with .State}}{{.Status}}{{end}}", "running"),
        ('{{index .Names 1}} {{index .Networks.one "IPAddress"}}', "y 10.1.0.2"),
        ("{{(index .Mounts 0).Source}}", "/a"),
        ('{{join .Names ", "}}', "x, y"),
        ("{{len .Names}} {{upper .Id}} {{slice .Id 0 2}}", "2 ABC ab"),
        ('{{printf "%s-%d" .Id .Size}}', "abc-12"),
        ("a {{- .Id -}} b", "aabcb"),
        ("{{.Id}}\\t{{.Size}}", "abc\t12"),
        ("{{.Names}} {{.State}}", "[x y] map[Running:true Status:running]"),
        ("{{/* nothing */}}x", "x"),
        (
            "{{.Labels.none}} {{.Labels.a}} {{.Labels.none.deeper}} {{.Volumes.none}}",
            "<no value> b <no value> <no value>",
        ),
        ("{{.Networks.none.IPAddress}}{{if .Labels.none}}1{{else}}2{{end}}", "<no value>2"),
        ('{{index .Labels "none"}}|{{index .Ports "90/tcp"}}|{{range index .Ports "90/tcp"}}x{{end}}', "|[]|"),
        ('{{"{{"}}', "{{"),
    ],
)
def test_a_template_gives_what_go_gives(template, expected):
    assert expected == render_template(template, VALUE)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{.Id", "unclosed action"),
        ("{{.Wrong}}", "no field `Wrong`"),
        ("{{.Networks.one.Wrong}}", "no field `Wrong`"),
        ("{{end}}", "unexpected end"),
        ("{{if .Id}}", "`end` is missing"),
        ("{{nope .Id}}", "function `nope` not defined"),
        ("{{index .Names 9}}", "wrong arguments for `index`"),
        ("{{(.Id}}", "unclosed left paren"),
        ("{{}}", "missing value for command"),
        ("{{$x}}", "undefined variable `$x`"),
    ],
)
def test_a_wrong_template_says_what_is_wrong(template, reason):
    with pytest.raises(InvalidInput) as caught:
        render_template(template, VALUE)

    assert reason in str(caught.value)


def test_a_list_without_format_is_a_table_of_all_headings():
    shown = render_records("", {"ID": "CONTAINER ID", "Names": "NAMES"}, [{"ID": "0123456789ab", "Names": "web"}])

    assert shown == "CONTAINER ID   NAMES\n0123456789ab   web"


def test_a_table_template_has_headings_in_its_own_order():
    headings = {"ID": "CONTAINER ID", "Names": "NAMES"}

    shown = render_records("table {{.Names}}\\t{{.ID}}", headings, [{"ID": "01", "Names": "web"}])

    assert shown == "NAMES     CONTAINER ID\nweb       01"


def test_json_is_one_object_per_line():
    assert render_records("json", {"ID": "ID"}, [{"ID": "1"}, {"ID": "2"}]) == '{"ID":"1"}\n{"ID":"2"}'


def test_a_label_is_asked_for_by_name():
    records = [{"Names": "a", "Labels": "x=1,2,y=3"}, {"Names": "b", "Labels": ""}]

    assert render_records('{{.Label "x"}} {{.Names}}', {}, records) == "1,2 a\n b"
    assert (
        render_records('table {{.Label "y"}}\t{{.Names}}', {"Names": "NAMES", "Labels": "LABELS"}, records)
        == "y         NAMES\n3         a\n          b"
    )
