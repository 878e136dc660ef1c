"""What was found in a folder → the text of the files that make it a project. Pure.

Whatever cannot be told stands in the file as a comment with an example, in the user's language.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from teul.errors import Text, text
from teul.ml.project import NAME, shown_param
from teul.ml.starting.scan import Option, Scanned

DOCKERIGNORE = """\
.git
.venv
venv
**/__pycache__
**/*.pyc
**/.ipynb_checkpoints
**/.pytest_cache
.env
mlruns
mlartifacts
"""
GITIGNORE = """\
.venv/
__pycache__/
.ipynb_checkpoints/
.env
mlruns/
"""
_NOT_PARAMS = frozenset(["config", "verbose", "debug", "help", "port", "host", "device"])
_METRICS = re.compile(r"(?:^|/)(?:metrics?|scores?|eval(?:uation)?)\.json$", re.IGNORECASE)
_DATA_SUFFIXES = (
    ".csv",
    ".parquet",
    ".json",
    ".jsonl",
    ".tsv",
    ".npy",
    ".npz",
    ".txt",
    ".xlsx",
    ".yaml",
    ".yml",
    ".db",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a folder holds."""

    name: str
    python: str
    files: frozenset[str]
    """Paths relative to the folder, folders of them included."""
    scanned: tuple[Scanned, ...] = ()
    requirements: str = ""
    """The file that lists them: there already, or to be written."""
    packages: tuple[str, ...] = ()
    """Debian packages that the requirements need."""
    gpu: bool = False
    as_of: str = ""
    """The day whose Python packages are meant, "" for the present."""
    has_dockerfile: bool = False
    local: frozenset[str] = frozenset()
    """Modules of the project's own."""


@dataclass(frozen=True, slots=True)
class Training:
    """The step that can be told from a training script."""

    script: Scanned
    run: str
    params: dict[str, str | int | float | bool]
    deps: tuple[str, ...]
    outs: tuple[str, ...]
    metrics: tuple[str, ...]


def project_name(folder: str) -> str:
    """A project's name out of a folder's."""
    made = re.sub(r"[^a-z0-9]+", "-", posixpath.basename(folder).lower()).strip("-")[:48].strip("-")
    return made if NAME.fullmatch(made) else "project"


def training_of(found: Found) -> Training | None:
    """The script that trains: by its name, else the one program that fits something."""
    script = _training_script(found.scanned)
    if script is None:
        return None
    words = ["python", script.path]
    if "train" in script.commands:
        words.append("train")
    params: dict[str, str | int | float | bool] = {}
    outs: list[str] = []
    metrics: list[str] = []
    deps = [script.path, *_local_files(script, found)]
    for option in script.options:
        value = option.default
        if isinstance(value, str) and value and _exists(value, found.files):
            deps.append(posixpath.normpath(value))
            words += [option.flag, value]
        elif option.is_output and (value or option.is_required):
            target = str(value or f"{option.name}/")
            if _METRICS.search(target):
                metrics.append(target)
            elif not target.startswith(("/", "..")):
                outs.append(target)
            words += [option.flag, target]
        elif isinstance(value, str) and value and _METRICS.search(value):
            metrics.append(value)
            words += [option.flag, value]
        elif _is_param(option):
            params[option.name] = value if value is not None else ""
            words += [option.flag, "{" + option.name + "}"]
    deps += [path for path in script.reads if _exists(path, found.files) and path.endswith(_DATA_SUFFIXES)]
    for path in script.writes:
        if _METRICS.search(path):
            metrics.append(path)
        elif not _exists(path, found.files) or not path.endswith(_DATA_SUFFIXES):
            outs.append(path)
    metrics = _tidy(metrics)
    outs = [path for path in _tidy(_folders(outs)) if path not in metrics]
    deps = [path for path in _tidy(deps) if not any(_covers(out, path) for out in [*outs, *metrics])]
    # A metrics file in an output folder would belong to two outputs.
    metrics = [path for path in metrics if not any(_covers(out, path) for out in outs)]
    return Training(script, _shown(words), params, tuple(deps), tuple(outs), tuple(metrics))


def _training_script(scanned: Sequence[Scanned]) -> Scanned | None:
    programs = [item for item in scanned if item.path.endswith(".py") and item.is_program]

    def rank(item: Scanned) -> tuple[int, int, str]:
        stem = posixpath.basename(item.path).removesuffix(".py").lower()
        if stem == "train":
            place = 0
        elif "train" in item.commands:
            place = 1
        elif stem.startswith(("train", "fit")) or stem.endswith("train"):
            place = 2
        elif item.calls & {"fit", "backward", "partial_fit", "train"} and stem in ("main", "run", "model"):
            place = 3
        elif item.calls & {"fit", "backward", "partial_fit"}:
            place = 4
        else:
            place = 9
        return place, item.path.count("/"), item.path

    if not programs:
        return None
    best = min(programs, key=rank)
    return best if rank(best)[0] < 9 else None


def _local_files(script: Scanned, found: Found) -> list[str]:
    """The project's own modules that *script* needs, and those that they need."""
    by_module: dict[str, list[Scanned]] = {}
    for item in found.scanned:
        parts = item.path.removesuffix(".py").split("/")
        for part in parts:
            by_module.setdefault(part, []).append(item)
    wanted: list[str] = []
    pending = [script]
    seen = {script.path}
    base = posixpath.dirname(script.path)
    while pending:
        for module in pending.pop().imports:
            if module not in found.local:
                continue
            folder = posixpath.join(base, module) if posixpath.join(base, module) in found.files else module
            file = f"{folder}.py"
            path = file if file in found.files else folder if folder in found.files else ""
            if path and path not in wanted:
                wanted.append(path)
            for item in by_module.get(module, ()):
                if item.path not in seen:
                    seen.add(item.path)
                    pending.append(item)
    return wanted


def _is_param(option: Option) -> bool:
    if option.name in _NOT_PARAMS or isinstance(option.default, bool) or not re.fullmatch(r"[A-Za-z_]\w*", option.name):
        return False
    return isinstance(option.default, int | float) or (isinstance(option.default, str) and bool(option.default))


def _exists(path: str, files: frozenset[str]) -> bool:
    return posixpath.normpath(path) in files and posixpath.normpath(path) != "."


def _covers(outer: str, inner: str) -> bool:
    outer, inner = posixpath.normpath(outer), posixpath.normpath(inner)
    return inner == outer or inner.startswith(outer + "/")


def _folders(paths: list[str]) -> list[str]:
    """Files in one folder are that folder: what a script leaves beside its model belongs to the model."""
    return [f"{folder}/" if (folder := posixpath.dirname(path.rstrip("/"))) else path for path in paths]


def _tidy(paths: Sequence[str]) -> list[str]:
    """Each path once, none that lies in another."""
    made: list[str] = []
    for path in dict.fromkeys(paths):
        if not any(other != path and _covers(other, path) and other not in made for other in paths) and not any(
            _covers(other, path) for other in made
        ):
            made = [other for other in made if not _covers(path, other)] + [path]
    return made


def _shown(words: Sequence[str]) -> str:
    import shlex

    return " ".join(word if re.fullmatch(r"[\w./={}:@%+,-]+", word) else shlex.quote(word) for word in words)


def project_file(found: Found, say: Callable[[Text], str]) -> str:
    """`teul.toml`; *say* translates its comments."""

    def note(message: Text) -> str:
        return f"# {say(message)}"

    training = training_of(found)
    lines = ["[project]", f"name = {_toml(found.name)}", ""]
    if found.has_dockerfile:
        lines += [
            "[image]",
            'dockerfile = "Dockerfile"',
            *([f"as_of = {_toml(found.as_of)}"] if found.as_of else []),
            "",
        ]
    else:
        lines += ["[image]", f"python = {_toml(found.python)}"]
        if found.requirements:
            lines.append(f"requirements = {_toml(found.requirements)}")
        if found.packages:
            lines.append(f"packages = {_toml(list(found.packages))}")
        lines += ["gpu = true"] if found.gpu else []
        lines += [f"as_of = {_toml(found.as_of)}"] if found.as_of else []
        lines.append("")
    if training and training.params:
        lines += ["[params]", *(f"{name} = {_toml(value)}" for name, value in training.params.items()), ""]
    if training:
        step = "train"
        lines += [f"[steps.{step}]", f"run = {_toml(training.run)}", f"deps = {_toml(list(training.deps))}"]
        if training.outs:
            lines.append(f"outs = {_toml(list(training.outs))}")
        else:
            lines += [note(text("the files and folders that it leaves:")), '# outs = ["model/"]']
        if training.metrics:
            lines.append(f"metrics = {_toml(list(training.metrics))}")
        else:
            lines += [note(text("a JSON file of numbers that it leaves:")), '# metrics = ["metrics.json"]']
    else:
        lines += [
            note(text("a step runs again only when something that it reads has changed:")),
            "# [steps.train]",
            '# run = "python train.py"',
            '# deps = ["train.py"]',
            '# outs = ["model/"]',
        ]
    predictor = next((item for item in found.scanned if item.predictors and "/" not in item.path), None)
    model = _model_path(training)
    lines.append("")
    if predictor and model:
        module = predictor.path.removesuffix(".py")
        lines += [
            "[model]",
            f"path = {_toml(model)}",
            f'predict = "{module}:{predictor.predictors[0]}"',
            note(text("what a new version must reach before it serves:")),
            '# gate = ["accuracy >= 0.8", "accuracy >= production"]',
            "",
            "[serve]",
            "port = 8000",
        ]
    else:
        lines += [
            note(text("to serve the model: a class with `load(path)` and `predict(rows)`")),
            "# [model]",
            f"# path = {_toml(model or 'model/')}",
            '# predict = "predict:Model"',
            "",
            "# [serve]",
            "# port = 8000",
        ]
    return "\n".join(lines) + "\n"


def _model_path(training: Training | None) -> str:
    if training is None:
        return ""
    return next((out for out in training.outs if "model" in out.lower()), training.outs[0] if training.outs else "")


def _toml(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, bool | int | float):
        return shown_param(value) if value == value and abs(value) != float("inf") else f'"{value}"'
    # A basic string of TOML is a JSON string, but for the one character that JSON does not escape.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


STARTER = {
    "data/houses.csv": "area_m2,price\n30,91\n45,128\n52,151\n60,169\n71,205\n84,236\n90,251\n105,296\n120,331\n140,389\n",
    "train.py": '''\
"""Fit a line through the prices of houses: replace it with your own training."""

import csv
import json
import pathlib
import random

rows = [(float(row["area_m2"]), float(row["price"])) for row in csv.DictReader(open("data/houses.csv"))]
random.Random(0).shuffle(rows)
train, test = rows[:7], rows[7:]

mean_x = sum(x for x, _ in train) / len(train)
mean_y = sum(y for _, y in train) / len(train)
slope = sum((x - mean_x) * (y - mean_y) for x, y in train) / sum((x - mean_x) ** 2 for x, _ in train)
intercept = mean_y - slope * mean_x
error = sum(abs(slope * x + intercept - y) for x, y in test) / len(test)

model = pathlib.Path("model")
model.mkdir(exist_ok=True)
(model / "line.json").write_text(json.dumps({"slope": slope, "intercept": intercept}))
pathlib.Path("metrics.json").write_text(json.dumps({"test": {"mean_error": error}}))
print(f"price = {slope:.2f} * area + {intercept:.2f}, mean error {error:.1f}")
''',
    "predict.py": '''\
"""How the model answers: `load` is called once, `predict` with a list of rows."""

import json
import pathlib


class Price:
    inputs = {"area_m2": float}
    outputs = {"price": float}
    example = {"area_m2": 84.0}

    def __init__(self, slope, intercept):
        self.slope, self.intercept = slope, intercept

    @classmethod
    def load(cls, path):
        return cls(**json.loads((pathlib.Path(path) / "line.json").read_text()))

    def predict(self, rows):
        return [{"price": self.slope * row["area_m2"] + self.intercept} for row in rows]
''',
}
"""What an empty folder gets, so that `teul up` has something to bring up: it needs no package and no network."""
STARTER_GATE = "test.mean_error <= 20"


def dockerfile(found: Found) -> str:
    """An ordinary Dockerfile for those who would rather have one than `[image]`."""
    from teul.ml.project import ImageSource

    source = ImageSource(python=found.python, requirements=found.requirements, packages=found.packages, gpu=found.gpu)
    lines = source.generated_dockerfile().rstrip("\n").splitlines()
    application = next((item for item in found.scanned if item.app), None)
    lines += ["", "COPY . ."]
    if application is not None and application.app_kind in ("FastAPI", "Starlette"):
        module = application.path.removesuffix(".py").replace("/", ".")
        lines += [
            "EXPOSE 8000",
            "HEALTHCHECK CMD python -c \"import urllib.request as u; u.urlopen('http://127.0.0.1:8000/docs')\"",
            f'CMD ["uvicorn", "{module}:{application.app}", "--host", "0.0.0.0", "--port", "8000"]',
        ]
    elif (training := training_of(found)) is not None:
        lines.append(f'CMD ["python", "{training.script.path}"]')
    return "\n".join(lines) + "\n"
