"""`teul.toml`: what is read, what is refused and where."""

import os

import pytest

from teul.errors import InvalidInput
from teul.ml import project

CHURN = os.path.join(os.path.dirname(__file__), "../../../examples/churn/teul.toml")
HEAD = '[project]\nname = "p"\n'


def problems(source):
    """Each problem as `line:column message | hint`."""
    with pytest.raises(ExceptionGroup) as caught:
        project.parse(source)
    return [
        f"{str(error.span).removeprefix('teul.toml:')} {error.message}" + (f" | {error.hint}" if error.hint else "")
        for error in caught.value.exceptions
    ]


def test_the_example_is_read():
    with open(CHURN, encoding="utf-8") as file:
        made = project.parse(file.read())

    assert made.name == "churn"
    assert made.params == {"iterations": 500}
    (step,) = made.steps
    assert (
        step.name,
        step.params,
        step.outs,
        step.metrics,
    ) == ("train", ("iterations",), ("model",), ("metrics.json",))
    assert step.argv(made.params) == (
        "python",
        "train.py",
        "--data",
        "data/customers.csv",
        "--iterations",
        "500",
        "--out",
        "model/",
    )
    assert made.model_step is step
    assert (made.model.name, made.model.path, made.model.predict) == ("churn", "model", "predict:Churn")
    assert [str(gate) for gate in made.model.gates] == ["test.recall >= 0.55", "test.recall >= production - 0.01"]
    assert (made.serve.port, made.serve.host, made.serve.workers) == (8000, "127.0.0.1", 1)


def test_the_smallest_project_has_a_name():
    made = project.parse(HEAD)

    assert (made.name, made.image.dockerfile, made.steps, made.model, made.serve) == ("p", "Dockerfile", (), None, None)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ['1 there is no `[project]` table | [project]\nname = "…"']),
        ("[project]\n", ["1:2 `[project]`: expected `name`"]),
        ("[projct]\nname = 1", ["1:2 unknown table `projct` | did you mean `project`?", "1 there is no"]),
        ("[project]\nname = 1\n", ["2:8 `project.name`: expected a string, got a whole number"]),
        ('[project]\nname = "My App"\n', ["2:8 `project.name`: expected lower-case letters"]),
        (HEAD + 'nam = "x"\n', ["3:1 `[project]`: unknown key `nam` | did you mean `name`?"]),
        (HEAD + "[steps.a]\n", ["3:8 step `a`: expected `run`"]),
        (
            HEAD + '[steps.a]\nrun = "x"\ndeps = "d"\n',
            ['5:8 `steps.a.deps`: expected a list, got a string | write `["d"]`'],
        ),
        (
            HEAD + '[steps.a]\nrun = "x"\ndeps = ["d", 3]\n',
            ["5:14 `steps.a.deps.1`: expected a string, got a whole number"],
        ),
        (
            HEAD + '[steps.a]\nrun = "x > y"\n',
            ["4:7 step `a`: `>` needs a shell, and none runs unless it is named | sh -c"],
        ),
        (HEAD + '[steps.a]\nrun = "x \'y"\n', ["4:7 step `a`: no closing quotation"]),
        (HEAD + '[steps.a]\nrun = "x {n}"\n', ["4:10 step `a`: `n` is not in `[params]` | [params]"]),
        (HEAD + '[steps.a]\nrun = "x {1}"\n', ["4:7 step `a`: `{` in `{1}` does not name a parameter | write `{{`"]),
        (HEAD + '[steps.a]\nrun = "x }"\n', ["4:7 step `a`: `}` in `}` does not name a parameter | write `}}`"]),
        (HEAD + '[steps.a]\nrun = "x"\nouts = ["/m"]\n', ["5:9 `steps.a.outs`: path `/m` leaves the project's folder"]),
        (HEAD + '[steps.a]\nrun = "x"\nouts = ["a/../../m"]\n', ["5:9 `steps.a.outs`: path `a/../../m` leaves"]),
        (
            HEAD + '[steps.a]\nrun = "x"\ndeps = ["*.py"]\n',
            ["5:9 `steps.a.deps`: `*.py` is a pattern | name the files"],
        ),
        (
            HEAD + '[steps.a]\nrun = "x"\ndeps = ["m/x"]\nouts = ["m"]\n',
            ["6:9 step `a`: `m` is an input and an output"],
        ),
        (
            HEAD + '[steps.a]\nrun = "x"\nouts = ["m"]\n[steps.b]\nrun = "x"\nmetrics = ["m/y"]\n',
            ["8:12 `m/y` is an output of step `a` already"],
        ),
        (
            HEAD
            + '[steps.a]\nrun = "x"\ndeps = ["n"]\nouts = ["m"]\n[steps.b]\nrun = "x"\ndeps = ["m"]\nouts = ["n"]\n',
            ["3:2 steps go round in a circle: a → b → a"],
        ),
        (HEAD + '[image]\npython = "3.11"\ntarget = "x"\n', ["5:1 `[image]`: expected either `python` or `target`"]),
        (HEAD + '[image]\nrequirements = "r.txt"\n', ["4:1 `[image]`: `requirements` goes with `python`"]),
        (HEAD + '[image]\npython = "2.7"\n', ["4:10 `image.python`: expected a version such as `3.11`, got `2.7`"]),
        (HEAD + "[model]\n", ["3:2 `[model]`: expected `path`"]),
        (HEAD + '[model]\npath = "m"\npredict = "x"\n', ["5:11 `model.predict`: expected `module:Class`, got `x`"]),
        (
            HEAD + '[model]\npath = "m"\ngate = ["a = 1"]\n',
            ["5:12 gate `a = 1`: unexpected `=` | a gate compares with `>=`, not `=`"],
        ),
        (HEAD + '[model]\npath = "m"\ngate = ["a > 1"]\n', ["5:8 `model.gate`: no step makes `m` and has `metrics`"]),
        (HEAD + "[serve]\n", ["3:2 `[serve]`: there is no `[model]` to serve"]),
        (
            HEAD + '[model]\npath = "m"\n[serve]\nport = 99999\n',
            ["6:8 `serve.port`: expected a number from 1 to 65535"],
        ),
        (
            HEAD + '[model]\npath = "m"\n[serve]\nhost = "my.host"\n',
            ['6:8 `serve.host`: expected an IPv4 address, got `my.host` | "0.0.0.0" listens on every address'],
        ),
        (HEAD + "[params]\nx = [1]\n", ["4:5 `params.x`: expected a string, a number or true or false, got a list"]),
        ("a = \n", ["1:5 not TOML: invalid value"]),
        ("a = [1\n", ["1 not TOML: Unclosed array"]),
    ],
)
def test_a_problem_has_its_place_and_a_hint(source, expected):
    found = problems(source)

    assert len(expected) == len(found), found
    for wanted, got in zip(expected, found, strict=True):
        assert got.startswith(wanted)


def test_all_problems_are_found_at_once():
    assert len(problems('[project]\nname = "P"\n[steps.a]\n[serve]\nport = 0\n[model]\npath = "m"\n')) == 3


def step_of(run, params='n = 3\nflag = true\nword = "a b"\nrate = 0.1\n'):
    made = project.parse(HEAD + f"[params]\n{params}[steps.a]\nrun = '''{run}'''\n")
    return made.steps[0].argv(made.params)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("x {n} --f={flag} {rate}", ("x", "3", "--f=true", "0.1")),
        ("x {word}", ("x", "a b")),
        ('x "a  b" c\\ d', ("x", "a  b", "c d")),
        ('sh -c "echo {n} > out && true"', ("sh", "-c", "echo 3 > out && true")),
        ("""x '{{"a": {{"b": {n}}}}}'""", ("x", '{"a": {"b": 3}}')),
        ("x $HOME `y`", ("x", "$HOME", "`y`")),
    ],
)
def test_a_command_is_split_as_a_shell_would_and_only_parameters_are_filled_in(run, expected):
    assert expected == step_of(run)


def test_steps_are_put_in_an_order_that_can_run():
    made = project.parse(
        HEAD
        + '[steps.train]\nrun = "t"\ndeps = ["clean/x.csv"]\nouts = ["m"]\n'
        + '[steps.prepare]\nrun = "p"\ndeps = ["raw.csv"]\nouts = ["clean/"]\n'
    )

    assert [step.name for step in made.steps] == ["prepare", "train"]
    assert tuple(step.name for step in project.parents(made.steps[1], made.steps)) == ("prepare",)


def test_parameters_are_overridden_in_their_own_type():
    made = project.parse(HEAD + '[params]\nn = 3\nflag = true\nrate = 0.1\nword = "a"\n')

    assert made.with_params({"n": "5", "flag": "False", "rate": "2", "word": "7"}).params == {
        "n": 5,
        "flag": False,
        "rate": 2.0,
        "word": "7",
    }
    with pytest.raises(InvalidInput, match=r"parameter `rat` is not in `\[params\]`") as caught:
        made.with_params({"rat": "1"})
    assert caught.value.hint == "did you mean `rate`?"
    with pytest.raises(InvalidInput, match="parameter `n`: expected int, got `x`"):
        made.with_params({"n": "x"})


def test_an_image_without_a_dockerfile_is_described_by_one():
    made = project.parse(HEAD + '[image]\npython = "3.12"\nrequirements = "env/requirements.txt"\n')

    assert made.image.is_generated
    assert made.image.generated_dockerfile() == (
        'FROM python:3.12-slim\nENV PYTHONUNBUFFERED="1"\nWORKDIR /app\n'
        "RUN useradd --create-home --uid 1000 app && chown app:app /app\n"
        'COPY ["env/requirements.txt", "./env/requirements.txt"]\n'
        "RUN pip install --no-cache-dir -r env/requirements.txt\nUSER app\n"
    )


def test_all_that_an_image_without_a_dockerfile_can_say():
    made = project.parse(
        HEAD
        + '[image]\nbase = "debian:bookworm-slim"\nrequirements = ["pandas==2.2.2", "six"]\npackages = ["libgomp1", "g++"]\n'
        'user = "root"\ngpu = true\nenv = { A = "$x \\"y\\"", N = 3 }\n'
    )
    text = made.image.generated_dockerfile()
    assert text.startswith("FROM debian:bookworm-slim\n")
    assert 'ENV A="\\$x \\"y\\""\nENV N="3"\n' in text
    assert "--no-install-recommends g++ libgomp1" in text
    assert "COPY <<'REQUIREMENTS' ./requirements.txt\npandas==2.2.2\nsix\nREQUIREMENTS\n" in text
    assert 'ENV NVIDIA_VISIBLE_DEVICES="all"' in text
    assert "USER" not in text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('requirements = "r.txt"', "`requirements` goes with `python`"),
        ('packages = ["x"]', "`packages` goes with `python`"),
        ('python = "3.11"\ntarget = "x"', "expected either `python` or `target`"),
        ('python = "3.11"\npackages = ["a; rm -rf /"]', "expected the name of a Debian package"),
        ('python = "3.11"\nrequirements = ["-r x.txt"]', "expected a requirement such as"),
        ('python = "3.11"\nuser = "a b"', "expected the name of a user"),
        ('python = "3.11"\ngpu = "yes"', "expected true or false"),
        ('python = "3.11"\nenv = { "A B" = "x" }', "expected a variable's name"),
        ('base = "UPPER case"', "repository name must be lowercase"),
    ],
)
def test_images_that_contradict_themselves(line, message):
    with pytest.raises(ExceptionGroup) as caught:
        project.parse(HEAD + f"[image]\n{line}\n")
    assert message in str(caught.value.exceptions[0])
