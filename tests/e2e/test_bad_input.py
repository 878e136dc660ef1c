"""Bad input ends with one clear error that names the object; nothing is lost and nothing half-made stays visible."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import subprocess
import tarfile

import pytest

from teul.testing.registry import FakeRegistry, Fault

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_runc, pytest.mark.slow]


def names(teul):
    return set(teul("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split())


def test_a_typo_in_a_dockerfile_is_shown_with_its_line_a_caret_and_a_suggestion(teul, project):
    context = project({"Dockerfile": "FROM scratch\nCPOY a b\n"})
    shown = teul("build", context, code=1).stderr

    assert "Dockerfile:2" in shown
    assert "CPOY a b" in shown
    assert "^^^^" in shown
    assert "COPY" in shown.replace("CPOY", "")


def test_a_copy_source_that_is_missing_is_named(teul, project):
    context = project({"Dockerfile": "FROM scratch\nCOPY 없는파일.txt /\n"})
    shown = teul("build", context, code=1).stderr

    assert "없는파일.txt" in shown
    assert "Dockerfile:2" in shown


def test_a_copy_source_that_is_ignored_is_explained(teul, project):
    context = project({"Dockerfile": "FROM scratch\nCOPY data.csv /\n", "data.csv": "1", ".dockerignore": "*.csv\n"})

    assert ".dockerignore" in teul("build", context, code=1).stderr


def test_an_unknown_base_without_a_network_says_what_was_tried_and_what_to_do(teul, project):
    context = project({"Dockerfile": "FROM python:3.11-slim\n"})
    # A name that no resolver answers stands for "no network" wherever the test runs.
    shown = teul("build", context, code=1, HTTPS_PROXY="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9").stderr

    assert "python:3.11-slim" in shown
    assert "registry-1.docker.io" in shown
    assert "teul image bootstrap python:3.11-slim" in shown


def layer_tar(*members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def docker_archive(path, layer, *, diff_id=None, architecture="amd64", tag="hostile:latest"):
    """A `docker save` archive of one layer, written by hand."""
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["true"]},
            "rootfs": {"type": "layers", "diff_ids": [diff_id or "sha256:" + hashlib.sha256(layer).hexdigest()]},
            "history": [{"created_by": "by hand"}],
        }
    ).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [tag], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(path, "w") as archive:
        for name, data in ((config_name, config), ("layer.tar", layer), ("manifest.json", manifest)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def link(name, target, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "members",
    [
        [(tarfile.TarInfo("../escaped"), b"x")],
        [(link("out", "/tmp", tarfile.SYMTYPE), b""), (tarfile.TarInfo("out/../../escaped"), b"x")],
        [(link("hard", "../../../../etc/passwd", tarfile.LNKTYPE), b"")],
    ],
    ids=["dot-dot", "through a symlink", "hard link"],
)
def test_a_layer_that_tries_to_escape_is_refused_whole(teul, tmp_path, members):
    archive = tmp_path / "hostile.tar"
    docker_archive(archive, layer_tar(*members))
    teul("load", "-i", str(archive), code=1)

    assert "hostile:latest" not in names(teul)
    teul("system", "fsck")


def test_a_symlink_to_the_host_stays_inside_the_image(teul, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    layer = layer_tar((link("out", str(outside), tarfile.SYMTYPE), b""), (tarfile.TarInfo("out/file"), b"x"))
    docker_archive(tmp_path / "image.tar", layer)
    subprocess.run(
        teul.argv("load", "-i", str(tmp_path / "image.tar")), env=teul.environ(), capture_output=True, check=False
    )

    assert list(outside.iterdir()) == []


def test_a_layer_whose_digest_is_wrong_is_refused(teul, tmp_path):
    archive = tmp_path / "wrong.tar"
    wrong = "sha256:" + "0" * 64
    docker_archive(archive, layer_tar((tarfile.TarInfo("file"), b"x")), diff_id=wrong, tag="wrong:latest")
    shown = teul("load", "-i", str(archive), code=1).stderr

    assert wrong in shown
    assert "wrong:latest" not in names(teul)


def test_an_image_of_another_architecture_is_named(teul, tmp_path):
    archive = tmp_path / "arm.tar"
    docker_archive(archive, layer_tar((tarfile.TarInfo("file"), b"x")), architecture="arm64", tag="arm:latest")
    teul("load", "-i", str(archive))
    shown = teul("run", "--rm", "--network", "none", "arm:latest", "true", code=125).stderr

    assert "linux/arm64" in shown
    assert "linux/amd64" in shown


def test_a_port_in_use_names_its_holder_and_a_free_one(teul, busybox):
    with socket.socket() as held:
        held.bind(("0.0.0.0", 0))
        held.listen()
        port = held.getsockname()[1]
        shown = teul("run", "--rm", "-p", f"{port}:80", busybox, "true", code=125).stderr

    assert f"port {port} is held by" in shown
    assert str(os.getpid()) in shown
    assert "free" in shown


def test_a_run_that_fails_in_a_build_shows_its_last_lines_and_its_code(teul, busybox, project):
    context = project({"Dockerfile": f"FROM {busybox}\nRUN echo nearly there; echo 실패 >&2; exit 3\n"})
    shown = teul("build", "-t", "failing:latest", context, code=3).stderr

    assert "실패" in shown
    assert "exit code 3" in shown or "exit code: 3" in shown
    assert "Dockerfile:2" in shown
    assert "failing:latest" not in names(teul)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["/nowhere"], 127),
        (["/etc"], 126),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "sleep 9 & kill -9 $!; wait $!"], 137),
    ],
)
def test_run_ends_with_dockers_exit_codes(teul, busybox, command, code):
    teul("run", "--rm", "--network", "none", busybox, *command, code=code)


def test_an_unknown_flag_is_125_under_run(teul, busybox):
    assert "unknown flag: --no-such" in teul("run", "--no-such", busybox, code=125).stderr


def test_an_option_that_is_not_honoured_is_refused_by_name(teul, busybox):
    assert "--storage-opt" in teul("run", "--rm", "--storage-opt", "size=1G", busybox, "true", code=125).stderr


def test_up_in_a_folder_without_a_project_says_what_is_missing(teul, tmp_path):
    shown = teul("up", str(tmp_path), code=1).stderr

    assert "teul.toml" in shown
    assert "Dockerfile" in shown


def test_ctrl_c_in_a_build_leaves_a_store_that_the_next_build_uses(teul, busybox, project):
    context = project({"Dockerfile": f"FROM {busybox}\nRUN echo first > /first\nRUN echo waiting; sleep 100\n"})
    process = teul.start("build", "--progress", "plain", "-t", "interrupted:latest", context)
    for line in process.stderr:
        if "waiting" in line and "RUN" not in line:
            break
    _, shown = teul.interrupt(process)

    assert process.returncode == 130, shown
    assert "interrupted:latest" not in names(teul)
    teul("system", "fsck")
    project({"Dockerfile": f"FROM {busybox}\nRUN echo first > /first\n"})
    assert "CACHED" in teul("build", "--progress", "plain", context).stderr


@pytest.mark.parametrize(
    "flags", [["--push"], ["--cache-to", "type=registry,ref={domain}/sent:cache"]], ids=["push", "cache"]
)
def test_ctrl_c_while_something_is_sent_waits_for_no_registry(teul, project, flags):
    context = project({"Dockerfile": "FROM scratch\nCOPY word /word\n", "word": " ".join(flags)})
    with FakeRegistry() as registry:
        words = ["build", "-t", f"{registry.domain}/sent:1", *(flag.format(domain=registry.domain) for flag in flags)]
        registry.fail(Fault(method="PUT", path="/blobs/uploads/", stall=True))
        process = teul.start(*words, context)
        assert registry.stalled.wait(60)
        # The client's own patience with a registry is twice as long.
        _, shown = teul.interrupt(process, timeout_s=30)

        assert process.returncode == 130, shown
        assert "CANCELED" in shown
        assert "ERROR" not in shown
        assert registry.tags == {}
        registry.resume.set()
        teul(*words, context)
        assert [*registry.tags] == ["sent"]


def test_ctrl_c_while_several_registries_are_asked_waits_for_none(teul, project):
    with FakeRegistry() as registry:
        froms = "".join(f"FROM {registry.domain}/{name} AS {name}\n" for name in ("one", "two"))
        context = project({"Dockerfile": f"{froms}COPY --from=one /a /a\n"})
        registry.fail(Fault(path="/manifests/", times=2, stall=True))
        process = teul.start("build", context)
        assert registry.stalled.wait(60)
        _, shown = teul.interrupt(process, timeout_s=30)

        assert process.returncode == 130, shown


def test_a_full_disk_is_said_and_leaves_nothing_half_made(teul, project, tmp_path):
    if not os.path.exists("/dev/loop-control"):
        pytest.skip("needs loop devices")
    disk, folder = tmp_path / "disk.img", tmp_path / "small"
    folder.mkdir()
    with open(disk, "wb") as file:
        file.truncate(24 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", str(disk)], check=True)
    subprocess.run(["mount", "-o", "loop", str(disk), str(folder)], check=True)
    try:
        context = project({"Dockerfile": "FROM scratch\nCOPY big /big\n", "big": os.urandom(32 << 20)})
        shown = teul("build", "-t", "big:latest", context, code=1, TEUL_ROOT=str(folder / "state")).stderr
        assert "space" in shown
        teul("system", "fsck", TEUL_ROOT=str(folder / "state"))
        small = project({"Dockerfile": "FROM scratch\nCOPY small /small\n", "small": b"1"}, "after")
        teul("build", "-t", "small:latest", small, TEUL_ROOT=str(folder / "state"))
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_two_builds_at_once_on_one_store_give_one_digest(teul, busybox, project):
    context = project({"Dockerfile": f"FROM {busybox}\nRUN echo one > /one\nRUN echo two > /two\n"})
    both = [teul.start("build", "-q", "-t", f"twin{number}:latest", context) for number in (1, 2)]
    outputs = [process.communicate(timeout=120) for process in both]

    assert [process.returncode for process in both] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0]
    teul("system", "fsck")
