from __future__ import annotations

import pytest

from teul.build.dockerfile.lower import BaseImage, Lowered, LowerOptions, NamedContext, lower
from teul.build.dockerfile.parser import parse
from teul.build.ops import Run
from teul.errors import DockerfileError, ImageNotFound, TeulError, Unsupported
from teul.oci.descriptor import Platform
from teul.oci.digest import Digest
from teul.oci.image import ExecutionConfig, ImageConfig
from teul.solver import walk

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64", "v8")


class Images:
    """Resolves every reference, and remembers which were asked for."""

    def __init__(self, **config: object) -> None:
        self.asked: list[tuple[str, Platform]] = []
        self.settings = ExecutionConfig(**{"env": ("PATH=/bin",), **config})  # type: ignore[arg-type]

    def __call__(self, reference: str, platform: Platform) -> BaseImage:
        self.asked.append((reference, platform))
        config = ImageConfig(platform=platform, config=self.settings, diff_ids=(Digest.of(reference.encode()),))
        return BaseImage(id=Digest.of(config.to_bytes()), config=config)


def lowered(source: str, images: Images | None = None, **options: object) -> Lowered:
    given = {"platform": AMD64, "build_platform": AMD64, **options}
    return lower(parse(source), LowerOptions(**given), images or Images())  # type: ignore[arg-type]


def test_stages_that_the_target_does_not_need_are_not_looked_at() -> None:
    images = Images()

    made = lowered("FROM one AS a\nFROM two AS b\nRUN x\nFROM three\nCOPY --from=a /x /\n", images)

    assert [reference for reference, _ in images.asked] == ["one", "three"]
    assert "run" not in str(made)


def test_a_target_may_be_named_or_numbered() -> None:
    source = "FROM one AS a\nFROM two AS b\n"

    assert lowered(source, target="A").bases[0][0].reference == "one" or lowered(source, target="a").bases
    assert str(lowered(source, target="1")).splitlines()[:1] == ["#1 base two"]


def test_a_target_that_is_not_there_gets_a_suggestion() -> None:
    with pytest.raises(DockerfileError) as caught:
        lowered("FROM one AS builder\nFROM two", target="bulider")

    assert "could not be found" in str(caught.value)
    assert caught.value.hint == "--target builder"


def test_an_image_that_is_not_there_is_shown_at_its_from() -> None:
    def resolve(reference: str, platform: Platform) -> BaseImage:
        raise ImageNotFound(reference)

    with pytest.raises(ImageNotFound) as caught:
        lower(parse("ARG X\nFROM nowhere:1"), LowerOptions(platform=AMD64, build_platform=AMD64), resolve)

    assert caught.value.span is not None
    assert (caught.value.span.line, caught.value.span.column) == (2, 6)


def test_an_empty_variable_in_from_says_how_to_give_it_a_value() -> None:
    with pytest.raises(DockerfileError) as caught:
        lowered("ARG BASE\nFROM ${BASE}")

    assert str(caught.value) == "base name (${BASE}) should not be blank"
    assert "--build-arg" in str(caught.value.hint)


def test_build_arguments_win_over_defaults_and_env_wins_over_arg_in_the_config() -> None:
    made = lowered("FROM a\nARG V=1\nENV W=$V\nRUN x", build_args={"V": "2", "UNUSED": "3"})

    assert "W=2" in made.config.config.env
    assert "V=2" not in made.config.config.env
    assert "|1 V=2" in str(made)
    assert "UNUSED" not in str(made)


def test_a_proxy_argument_reaches_run_and_neither_history_nor_key() -> None:
    plain = lowered("FROM a\nRUN x")
    made = lowered("FROM a\nRUN x", build_args={"HTTP_PROXY": "http://user:secret@p"})

    assert plain.vertex.digest == made.vertex.digest
    assert "secret" not in str(made)
    assert made.vertex.op.proxy == (  # type: ignore[attr-defined]
        "HTTP_PROXY=http://user:secret@p",
        "http_proxy=http://user:secret@p",
    )


def test_equal_stages_are_one_vertex() -> None:
    made = lowered("FROM a AS x\nRUN same\nFROM a AS y\nRUN same\nFROM a\nCOPY --from=x /1 /\nCOPY --from=y /2 /")

    assert sum(str(vertex.op).startswith("run") for vertex in walk([made.vertex])) == 1


def test_names_say_stage_and_number() -> None:
    made = lowered("FROM a AS build\nWORKDIR /w\nRUN x\nFROM a\nCOPY --from=build /x /\n")

    assert [vertex.name for vertex in walk([made.vertex])] == [
        "",
        "[build 2/3] WORKDIR /w",
        "[build 3/3] RUN x",
        "[stage-1 2/2] COPY --from=build /x /",
    ]


def test_a_base_with_triggers_runs_them_first_and_keeps_none() -> None:
    images = Images(on_build=("RUN one", "COPY a /b"))

    made = lowered("FROM a\nRUN two", images)

    assert [
        str(vertex.op)[: len(expected)]
        for vertex, expected in zip(
            list(walk([made.vertex]))[1:],
            ["run '/bin/sh -c one'", "copy /a from con", "run '/bin/sh -c two'"],
            strict=True,
        )
    ] == ["run '/bin/sh -c one'", "copy /a from con", "run '/bin/sh -c two'"]
    assert made.config.config.on_build == ()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("FROM a AS x\nCOPY --from=y /a /b\nFROM b AS y\nFROM a\nCOPY --from=x /a /", "needs to be defined before"),
        ("FROM a AS x\nCOPY --from=x /a /b", "copies from itself"),
        ("FROM a\nCOPY --from=3 /a /b", "invalid stage index 3"),
        ("FROM a\nARG S=x\nCOPY --from=$S /a /b", "not supported for --from"),
        ("FROM a\nCOPY --chmod=9999 a b", "invalid chmod parameter"),
        ("FROM a\nCOPY --chmod=u=q a b", "invalid chmod parameter"),
        ("FROM a\nCOPY https://x/y /b", "source can't be a URL for COPY"),
        ("FROM a\nEXPOSE 99999", "invalid containerPort"),
        ("FROM a\nEXPOSE 80/xyz", "invalid proto"),
        ("FROM a\nSTOPSIGNAL SIGNOPE", "invalid signal"),
        ("FROM a\nENV A=${B", "looking for matching }"),
        ("FROM a\nRUN --mount=type=bnid,target=/x y", "did you mean bind?"),
        ("FROM a\nRUN --mount=type=cache,tagret=/x y", "did you mean target?"),
        ("FROM a\nRUN --mount=type=cache y", "mount target is required"),
        ("FROM a\nRUN --mount=from=$X,target=/x y", "doesn't support variable expansion"),
        ("FROM a\nRUN --mount=type=bind,target=/x,mode=0700 y", "mode not allowed for 'bind'"),
    ],
)
def test_what_means_nothing_is_named_with_its_line(source: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        lowered(source)

    assert message in str(caught.value)
    assert caught.value.span is not None
    assert caught.value.span.line > 1


@pytest.mark.parametrize(
    ("line", "allow"),
    [
        ("RUN --security=insecure x", "security.insecure"),
        ("RUN --network=host x", "network.host"),
        ("RUN --device=a.b/c=0 x", "device"),
    ],
)
def test_what_leaves_the_sandbox_has_to_be_allowed(line: str, allow: str) -> None:
    with pytest.raises(DockerfileError, match="is not allowed") as caught:
        lowered(f"FROM a\n{line}")

    assert caught.value.span is not None
    assert allow in str(caught.value.hint)
    assert lowered(f"FROM a\n{line}", allowed=frozenset({allow})).vertex


def test_an_ssh_mount_has_a_target_of_its_own_number() -> None:
    made = lowered("FROM a\nRUN --mount=type=tmpfs,target=/t --mount=type=ssh,id=x,required,mode=0666 y").vertex.op

    assert isinstance(made, Run)
    assert (made.mounts[1].target, made.mounts[1].identity, made.mounts[1].required, made.mounts[1].mode) == (
        "/run/buildkit/ssh_agent.1",
        "x",
        True,
        0o666,
    )


def test_run_on_another_architecture_is_refused_and_copy_is_not() -> None:
    assert lowered("FROM --platform=linux/arm64 a\nCOPY x /").vertex

    with pytest.raises(Unsupported) as caught:
        lowered("FROM --platform=linux/arm64 a\nRUN x")
    assert "linux/arm64" in str(caught.value)
    assert lowered("FROM --platform=linux/arm64 a\nRUN x", runnable=frozenset({"arm64"})).vertex


def test_a_named_context_stands_for_an_image_however_it_is_written() -> None:
    images = Images()
    contexts = {"docker.io/library/python:3.12-slim": NamedContext(kind="image", value="python:3.11-slim")}

    lowered("FROM python:3.12-slim", images, contexts=contexts)

    assert [reference for reference, _ in images.asked] == ["python:3.11-slim"]


def test_a_named_context_replaces_a_stage() -> None:
    images = Images()
    contexts = {"build": NamedContext(kind="image", value="made:1")}

    made = lowered("FROM a AS build\nRUN x\nFROM b\nCOPY --from=build /x /", images, contexts=contexts)

    assert [reference for reference, _ in images.asked] == ["made:1", "b"]
    assert "run" not in str(made)


def test_a_folder_context_can_be_built_upon() -> None:
    made = lowered("FROM root", contexts={"root": NamedContext(kind="folder", value="/r")})

    assert str(made).splitlines()[:2] == ["#1 base scratch", "#2 copy / from root to / <#1"]
    # The words of Docker 26.
    history = made.lines[0].history
    assert (history.created_by, history.comment) == ("local source for root", "buildkit.exporter.image.v0")


def test_labels_of_the_command_line_come_last() -> None:
    made = lowered("FROM a\nLABEL a=1 b=2", labels={"b": "3"})

    assert dict(made.config.config.labels) == {"a": "1", "b": "3"}


def test_the_platform_is_the_targets() -> None:
    assert lowered("FROM scratch", platform=ARM64).config.platform == ARM64


def test_an_error_of_any_kind_has_the_place_of_its_instruction() -> None:
    with pytest.raises(TeulError) as caught:
        lowered("FROM a\n\nWORKDIR ${X:?set X}")

    assert str(caught.value) == "X: set X"
    assert caught.value.span is not None
    assert caught.value.span.line == 3


@pytest.mark.parametrize(
    ("instruction", "hint"),
    [
        ("EXPOSE http", "EXPOSE 8080, EXPOSE 8000-8010/tcp"),
        ("STOPSIGNAL SIGFOO", "STOPSIGNAL SIGTERM, STOPSIGNAL 15"),
        ("RUN --mount=type=tmpfs,target=/t,size=huge x", "--mount=type=tmpfs,target=PATH[,size=64m]"),
        ("ENV A=${B:=c}", "${NAME:-word} ${NAME:+word} ${NAME:?message} ${NAME#pattern} ${NAME%pattern} ${NAME/pattern/word}"),
        ("COPY 'a b", "a quote that stands for itself is written \\' or \\\""),
        ("ENV A=${B", "a dollar sign that begins no variable is written \\$"),
        ("WORKDIR ${X:?set X}", "give the variable a value: ARG X above, and --build-arg X=value"),
        ("COPY --from=7 a b", "COPY [--from=STAGE] [--chown=USER:GROUP] SOURCE… DESTINATION"),
    ],
)  # fmt: skip
def test_an_error_of_what_an_instruction_means_has_a_suggestion(instruction: str, hint: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        lowered(f"FROM a\n{instruction}")

    assert caught.value.hint == hint


@pytest.mark.parametrize("mount", ["type=cache,target=/", "type=tmpfs,target=/a/..", "target=../.."])
def test_nothing_is_mounted_over_the_whole_tree(mount: str) -> None:
    with pytest.raises(DockerfileError, match="invalid mount target"):
        lowered(f"FROM a\nWORKDIR /w\nRUN --mount={mount} true")


def test_any_number_of_stages_may_stand_on_each_other() -> None:
    froms = "".join(f"FROM s{number} AS s{number + 1}\n" for number in range(2000))
    copies = "".join(f"FROM scratch AS c{number + 1}\nCOPY --from=c{number} / /\n" for number in range(2000))

    assert len(lowered(f"FROM scratch AS s0\n{froms}LABEL a=b").lines) == 1
    assert str(lowered(f"FROM scratch AS c0\nCOPY a /\n{copies}")).count("#2002 copy") == 1
