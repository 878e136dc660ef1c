"""The reader behind `project.parse`: TOML tables → values, every problem with its place. Pure."""

from __future__ import annotations

import posixpath
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from teul.errors import GateError, InvalidInput, ProjectError, Span, TeulError, Text, text
from teul.ml.gate import Gate
from teul.ml.places import Path, Places
from teul.ml.project import (
    NAME,
    PARAM_NAME,
    ImageSource,
    ModelProject,
    ModelSource,
    Param,
    ProjectStep,
    ServeOptions,
    check_template,
    covers,
    order,
    overlap,
    split_command,
    suggest,
)
from teul.oci.reference import Reference

_SYNTAX_PLACE = re.compile(r"(?P<what>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)")
_PREDICT = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
_PYTHON = re.compile(r"3\.\d{1,2}")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(?::[a-z0-9]+)?(?:=[A-Za-z0-9.+:~-]+)?")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_REQUIREMENT = re.compile(r"[A-Za-z0-9]")
DOCKERFILE_KEYS = ("dockerfile", "context", "target", "build_args")
GENERATED_KEYS = ("python", "base", "requirements", "packages", "env", "user", "gpu")
_KINDS = {
    str: text("a string"),
    int: text("a whole number"),
    float: text("a number"),
    bool: text("true or false"),
    list: text("a list"),
    dict: text("a table"),
}


def read(source: str, path: str) -> ModelProject:
    """See `project.parse`."""
    try:
        document = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise ExceptionGroup(path, [_syntax_error(str(error), source, path)]) from None
    reader = _Reader(document, Places.of(source), path)
    project = reader.project()
    if reader.problems:
        reader.problems.sort(key=lambda problem: problem.span.line if problem.span else 0)
        raise ExceptionGroup(path, reader.problems)
    return project


def _syntax_error(message: str, source: str, path: str) -> ProjectError:
    found = _SYNTAX_PLACE.fullmatch(message)
    if found is None:
        lines = source.splitlines() or [""]
        return ProjectError(text("not TOML: {problem}", problem=message), span=Span(path, len(lines), source=lines[-1]))
    number, column = int(found["line"]), int(found["column"])
    lines = [*source.splitlines(), ""]
    span = Span(path, number, column=column, source=lines[min(number, len(lines)) - 1])
    return ProjectError(text("not TOML: {problem}", problem=found["what"][:1].lower() + found["what"][1:]), span=span)


class _Reader:
    """Takes values out of the document and collects what is wrong with them."""

    def __init__(self, document: dict[str, Any], places: Places, path: str) -> None:
        self.document = document
        self.places = places
        self.path = path
        self.problems: list[ProjectError] = []

    def problem(self, at: Path, message: Text, *, hint: str | None = None, is_key: bool = False) -> None:
        span = self.places.key(self.path, at) if is_key else self.places.value(self.path, at)
        self.problems.append(ProjectError(message, span=span, hint=hint))

    def keys(self, table: Mapping[str, Any], at: Path, known: tuple[str, ...]) -> None:
        """Refuse what is not known."""
        for name in table:
            if name not in known:
                where = ".".join(str(part) for part in at)
                message = (
                    text("`[{table}]`: unknown key `{name}`", table=where, name=name)
                    if at
                    else text("unknown table `{name}`", name=name)
                )
                self.problem((*at, name), message, hint=suggest(name, known), is_key=True)

    def table(self, parent: Mapping[str, Any], at: Path) -> dict[str, Any] | None:
        value = parent.get(str(at[-1]))
        if value is None:
            return None
        if isinstance(value, dict):
            return value
        self.wrong_type(at, text("a table"), value)
        return {}

    def wrong_type(self, at: Path, expected: Text, value: object) -> None:
        got = next((word for kind, word in _KINDS.items() if type(value) is kind), text("a date or time"))
        name = ".".join(str(part) for part in at)
        self.problem(at, text("`{name}`: expected {expected}, got {got}", name=name, expected=expected, got=got))

    def string(self, table: Mapping[str, Any], at: Path, default: str = "") -> str:
        value = table.get(str(at[-1]))
        if value is None:
            return default
        if not isinstance(value, str):
            self.wrong_type(at, text("a string"), value)
            return default
        if "\0" in value or not value.strip():
            self.problem(at, text("`{name}`: expected something, got an empty string", name=".".join(map(str, at))))
            return default
        return value

    def strings(self, table: Mapping[str, Any], at: Path) -> tuple[str, ...]:
        value = table.get(str(at[-1]))
        if value is None:
            return ()
        if isinstance(value, str):
            self.problem(
                at,
                text("`{name}`: expected a list, got a string", name=".".join(map(str, at))),
                hint=text('write `["{value}"]`', value=value),
            )
            return ()
        if not isinstance(value, list):
            self.wrong_type(at, text("a list of strings"), value)
            return ()
        made = []
        for index, item in enumerate(value):
            if isinstance(item, str) and item.strip():
                made.append(item)
            else:
                self.wrong_type((*at, index), text("a string"), item)
        return tuple(made)

    def integer(self, table: Mapping[str, Any], at: Path, default: int, low: int, high: int) -> int:
        value = table.get(str(at[-1]))
        if value is None:
            return default
        if type(value) is not int:
            self.wrong_type(at, text("a whole number"), value)
            return default
        if not low <= value <= high:
            name = ".".join(map(str, at))
            self.problem(
                at,
                text(
                    "`{name}`: expected a number from {low} to {high}, got {value}",
                    name=name,
                    low=low,
                    high=high,
                    value=value,
                ),
            )
            return default
        return value

    def address(self, table: Mapping[str, Any], at: Path) -> str:
        """An IPv4 address of this machine to listen on; `0.0.0.0` is all of them."""
        value = self.string(table, at, "127.0.0.1")
        if value == "localhost":
            return "127.0.0.1"
        parts = value.split(".")
        if len(parts) != 4 or not all(part.isascii() and part.isdigit() and int(part) < 256 for part in parts):
            name = ".".join(map(str, at))
            self.problem(
                at,
                text("`{name}`: expected an IPv4 address, got `{value}`", name=name, value=value),
                hint=text('"0.0.0.0" listens on every address'),
            )
        return value

    def environment(self, table: Mapping[str, Any], at: Path) -> dict[str, str]:
        """A table of strings; numbers and booleans are written as their text."""
        made = {}
        for name, value in (self.table(table, at) or {}).items():
            if isinstance(value, bool):
                made[name] = str(value).lower()
            elif isinstance(value, str | int | float):
                made[name] = str(value)
            else:
                self.wrong_type((*at, name), text("a string"), value)
        return made

    def folder_path(self, value: str, at: Path) -> str:
        """A path inside of the project's folder, in its normal form (a trailing `/` says folder and is dropped)."""
        name = ".".join(str(part) for part in at if isinstance(part, str))
        normal = posixpath.normpath(value)
        if value.startswith("/") or normal == ".." or normal.startswith("../"):
            self.problem(at, text("`{name}`: path `{path}` leaves the project's folder", name=name, path=value))
        elif any(sign in value for sign in "*?["):
            self.problem(
                at,
                text("`{name}`: `{path}` is a pattern", name=name, path=value),
                hint=text("name the files, or the folder that holds them"),
            )
        return normal

    def paths(self, table: Mapping[str, Any], at: Path) -> tuple[str, ...]:
        value = self.strings(table, at)
        return tuple(self.folder_path(item, (*at, index)) for index, item in enumerate(value))

    def project(self) -> ModelProject:
        document = self.document
        self.keys(document, (), ("project", "image", "params", "steps", "model", "serve"))
        head = self.table(document, ("project",))
        name = ""
        if head is None:
            self.problem((), text("there is no `[project]` table"), hint=text('[project]\nname = "…"'))
        else:
            self.keys(head, ("project",), ("name", "description"))
            self.string(head, ("project", "description"))
            name = self.string(head, ("project", "name"))
            if "name" not in head:
                self.problem(("project",), text("`[project]`: expected `name`"), is_key=True)
            elif name:
                self.check_name(name, ("project", "name"))
        params = self.params()
        steps = self.steps(params)
        model = self.model(name, steps)
        serve = self.serve()
        if serve is not None and model is None and "model" not in document:
            self.problem(("serve",), text("`[serve]`: there is no `[model]` to serve"), is_key=True)
        return ModelProject(name=name, image=self.image(), params=params, steps=steps, model=model, serve=serve)

    def check_name(self, name: str, at: Path) -> None:
        if not NAME.fullmatch(name) or len(name) > 63:
            self.problem(
                at,
                text(
                    "`{key}`: expected lower-case letters, digits and single `.`, `_` or `-` between them, got `{name}`",
                    key=".".join(map(str, at)),
                    name=name,
                ),
            )

    def image(self) -> ImageSource:
        at: Path = ("image",)
        table = self.table(self.document, at)
        if table is None:
            return ImageSource()
        self.keys(table, at, ("as_of", *DOCKERFILE_KEYS, *GENERATED_KEYS))
        generated = "python" in table or "base" in table
        if generated:
            for name in (key for key in DOCKERFILE_KEYS if key != "context" and key in table):
                first = "python" if "python" in table else "base"
                message = text("`[image]`: expected either `{first}` or `{name}`", first=first, name=name)
                self.problem((*at, name), message, is_key=True)
        else:
            for name in (key for key in GENERATED_KEYS if key in table):
                message = text("`[image]`: `{name}` goes with `python`", name=name)
                self.problem((*at, name), message, hint=text('python = "3.11"'), is_key=True)
        python = self.matching(table, (*at, "python"), _PYTHON, text("a version such as `3.11`"))
        requirements = ""
        lines: tuple[str, ...] = ()
        if isinstance(table.get("requirements"), list):
            lines = self.requirement_lines(table, (*at, "requirements"))
        elif requirements := self.string(table, (*at, "requirements")):
            requirements = self.folder_path(requirements, (*at, "requirements"))
        packages = self.strings(table, (*at, "packages"))
        for index, name in enumerate(packages):
            if not _PACKAGE.fullmatch(name):
                message = text("`image.packages`: expected the name of a Debian package, got `{value}`", value=name)
                self.problem((*at, "packages", index), message)
        return ImageSource(
            dockerfile=self.folder_path(self.string(table, (*at, "dockerfile"), "Dockerfile"), (*at, "dockerfile")),
            context=self.folder_path(self.string(table, (*at, "context"), "."), (*at, "context")),
            target=self.string(table, (*at, "target")),
            build_args=self.environment(table, (*at, "build_args")),
            as_of=self.as_of(table, (*at, "as_of")),
            python=python,
            base=self.base(table, (*at, "base")),
            requirements=requirements,
            requirement_lines=lines,
            packages=packages,
            env=self.variables(table, (*at, "env")),
            user=self.matching(table, (*at, "user"), _USER, text("the name of a user"), "app"),
            gpu=self.boolean(table, (*at, "gpu")),
        )

    def as_of(self, table: Mapping[str, Any], at: Path) -> str:
        value = table.get("as_of", "")
        # TOML has dates of its own.
        word = value.isoformat() if hasattr(value, "isoformat") else self.string(table, at)
        if word:
            from teul.build.python.as_of import parse_as_of

            try:
                parse_as_of(word)
            except InvalidInput as error:
                self.problem(at, text("{problem}", problem=error.message))
        return str(word)

    def matching(
        self, table: Mapping[str, Any], at: Path, pattern: re.Pattern[str], expected: Text, default: str = ""
    ) -> str:
        value = self.string(table, at, default)
        if value and not pattern.fullmatch(value):
            name = ".".join(map(str, at))
            self.problem(
                at, text("`{name}`: expected {expected}, got `{value}`", name=name, expected=expected, value=value)
            )
            return default
        return value

    def boolean(self, table: Mapping[str, Any], at: Path) -> bool:
        value = table.get(str(at[-1]), False)
        if not isinstance(value, bool):
            self.wrong_type(at, text("true or false"), value)
            return False
        return value

    def base(self, table: Mapping[str, Any], at: Path) -> str:
        value = self.string(table, at)
        if value:
            try:
                Reference.parse(value)
            except TeulError as error:
                self.problem(at, text("{message}", message=error.message), hint=error.hint)
        return value

    def variables(self, table: Mapping[str, Any], at: Path) -> dict[str, str]:
        made = self.environment(table, at)
        for name, value in made.items():
            if not PARAM_NAME.fullmatch(name):
                message = text(
                    "`{key}`: expected a variable's name, got `{name}`", key=".".join(map(str, at)), name=name
                )
                self.problem((*at, name), message, is_key=True)
            elif "\n" in value:
                self.wrong_type((*at, name), text("one line"), value)
        return made

    def requirement_lines(self, table: Mapping[str, Any], at: Path) -> tuple[str, ...]:
        """Requirements written out; one that is an option or a path belongs into a file."""
        made = []
        for index, line in enumerate(self.strings(table, at)):
            if _REQUIREMENT.match(line) and "\n" not in line:
                made.append(line.strip())
            else:
                message = text(
                    "`image.requirements`: expected a requirement such as `pandas==2.2.2`, got `{value}`", value=line
                )
                self.problem((*at, index), message, hint=text('requirements = "requirements.txt"'))
        return tuple(made)

    def params(self) -> dict[str, Param]:
        made: dict[str, Param] = {}
        for name, value in (self.table(self.document, ("params",)) or {}).items():
            at: Path = ("params", name)
            if not PARAM_NAME.fullmatch(name):
                self.problem(
                    at,
                    text("parameter `{name}`: expected letters, digits and `_`", name=name),
                    is_key=True,
                )
            elif isinstance(value, str | int | float | bool):
                made[name] = value
            else:
                self.wrong_type(at, text("a string, a number or true or false"), value)
        return made

    def steps(self, params: Mapping[str, Param]) -> tuple[ProjectStep, ...]:
        made = []
        for name, table in (self.table(self.document, ("steps",)) or {}).items():
            at: Path = ("steps", name)
            if not isinstance(table, dict):
                self.wrong_type(at, text("a table"), table)
                continue
            self.check_name(name, at)
            made.append(self.step(name, table, at, params))
        self.check_outs(made)
        try:
            return order(tuple(made))
        except ValueError as error:
            self.problem(("steps",), text("steps go round in a circle: {circle}", circle=error), is_key=True)
            return tuple(made)

    def step(self, name: str, table: dict[str, Any], at: Path, params: Mapping[str, Param]) -> ProjectStep:
        self.keys(table, at, ("run", "deps", "outs", "metrics", "env"))
        run = self.string(table, (*at, "run"))
        words: tuple[str, ...] = ()
        if "run" not in table:
            self.problem(at, text("step `{step}`: expected `run`", step=name), is_key=True)
        elif run:
            words = self.command(name, run, (*at, "run"), params)
        step = ProjectStep(
            name=name,
            words=words,
            deps=self.paths(table, (*at, "deps")),
            outs=self.paths(table, (*at, "outs")),
            metrics=self.paths(table, (*at, "metrics")),
            env=self.environment(table, (*at, "env")),
        )
        for kind in ("outs", "metrics"):
            for index, out in enumerate(getattr(step, kind)):
                if out == "." or any(overlap(out, dep) for dep in step.deps):
                    self.problem(
                        (*at, kind, index),
                        text("step `{step}`: `{path}` is an input and an output at once", step=name, path=out),
                    )
        return step

    def command(self, name: str, run: str, at: Path, params: Mapping[str, Param]) -> tuple[str, ...]:
        try:
            words = split_command(run)
        except ValueError as error:
            if str(error)[:1] in "|&;<>":
                self.problem(
                    at,
                    text(
                        "step `{step}`: `{sign}` needs a shell, and none runs unless it is named", step=name, sign=error
                    ),
                    hint=text("sh -c '{run}'", run=run),
                )
            else:
                self.problem(at, text("step `{step}`: {problem}", step=name, problem=str(error).lower()))
            return ()
        for word in words:
            try:
                check_template(word)
            except ValueError as error:
                sign = word[int(str(error))]
                self.problem(
                    at,
                    text(
                        "step `{step}`: `{sign}` in `{word}` does not name a parameter", step=name, sign=sign, word=word
                    ),
                    hint=text("write `{sign}` for a brace", sign=sign * 2),
                )
                return ()
        for used in ProjectStep(name=name, words=words).params:
            if used not in params:
                start = run.find("{" + used + "}")
                span = self.places.value(self.path, at, start, start + len(used) + 2)
                self.problems.append(
                    ProjectError(
                        text("step `{step}`: `{name}` is not in `[params]`", step=name, name=used),
                        span=span,
                        hint=suggest(used, tuple(params)) or text("[params]\n{name} = …", name=used),
                    )
                )
        return words

    def check_outs(self, steps: list[ProjectStep]) -> None:
        """No two outputs may share a path."""
        seen: list[tuple[str, str]] = []
        for step in steps:
            for kind in ("outs", "metrics"):
                for index, out in enumerate(getattr(step, kind)):
                    for owner, other in seen:
                        if overlap(out, other):
                            self.problem(
                                ("steps", step.name, kind, index),
                                text("`{path}` is an output of step `{step}` already", path=out, step=owner),
                            )
                            break
                    seen.append((step.name, out))

    def model(self, project: str, steps: tuple[ProjectStep, ...]) -> ModelSource | None:
        at: Path = ("model",)
        table = self.table(self.document, at)
        if table is None:
            return None
        self.keys(table, at, ("name", "path", "predict", "code", "gate", "approval"))
        name = self.string(table, (*at, "name"))
        if name:
            self.check_name(name, (*at, "name"))
        path = self.string(table, (*at, "path"))
        if "path" not in table:
            self.problem(at, text("`[model]`: expected `path`"), is_key=True)
        elif path:
            path = self.folder_path(path, (*at, "path"))
        predict = self.string(table, (*at, "predict"))
        if predict and not _PREDICT.fullmatch(predict):
            self.problem(
                (*at, "predict"), text("`model.predict`: expected `module:Class`, got `{value}`", value=predict)
            )
        gates = []
        for index, source in enumerate(self.strings(table, (*at, "gate"))):
            try:
                gates.append(Gate.parse(source))
            except GateError as error:
                span = self.places.value(self.path, (*at, "gate", index), error.start, error.end)
                self.problems.append(ProjectError(error.message, span=span, hint=error.hint))
        if gates and path:
            step = next((item for item in steps if any(covers(out, path) for out in item.outs)), None)
            if step is None or not step.metrics:
                self.problem(
                    (*at, "gate"),
                    text("`model.gate`: no step makes `{path}` and has `metrics`", path=path),
                    hint=text('metrics = ["metrics.json"]'),
                )
        return ModelSource(
            name=name or project,
            path=path,
            predict=predict,
            code=self.paths(table, (*at, "code")),
            gates=tuple(gates),
            needs_approval=self.boolean(table, (*at, "approval")),
        )

    def serve(self) -> ServeOptions | None:
        at: Path = ("serve",)
        table = self.table(self.document, at)
        if table is None:
            return None
        self.keys(table, at, ("port", "host", "workers", "env"))
        return ServeOptions(
            port=self.integer(table, (*at, "port"), 8000, 1, 65535),
            host=self.address(table, (*at, "host")),
            workers=self.integer(table, (*at, "workers"), 1, 1, 256),
            env=self.environment(table, (*at, "env")),
        )
