from __future__ import annotations

import pytest

from teul.cli.main import main


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["-q", "--progress=plain"], "progress=plain and quiet cannot be used together"),
        (["-q", "--progress=colourful"], "progress=colourful and quiet cannot be used together"),
        (["--platform", "linux/amd64,linux/arm64"], "option `--platform A,B` is not supported"),
        (["--ulimit", "nofile=5:2"], "soft limit must be less than or equal to hard limit: 5 > 2"),
        (["--secret", "id=a,src={folder}/large"], "secret `a`: expected at most 512000 bytes"),
        (["--iidfile", "{folder}/none/id"], "--iidfile: no folder `{folder}/none`"),
        (["--metadata-file", "{folder}"], "--metadata-file: `{folder}` is a folder, expected a file"),
        (["--iidfile", "/proc/version"], "--iidfile: cannot write `/proc/version`: "),
        (["--platform", "amd46"], "`amd46`: unknown architecture, expected `os/arch[/variant]`"),
    ],
)
def test_flags_that_do_not_go_together_are_an_error(flags, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TEUL_ROOT", str(tmp_path / "state"))
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    (tmp_path / "large").write_bytes(bytes(512_001))

    assert main(["build", *(flag.format(folder=tmp_path) for flag in flags), str(tmp_path)]) != 0
    assert message.replace("{folder}", str(tmp_path)) in capsys.readouterr().err


@pytest.mark.needs_root
@pytest.mark.parametrize("flags", [["-q"], ["--progress=quiet"], ["-q", "--progress=quiet", "--platform=linux"]])
def test_who_is_quiet_says_the_image_and_nothing_else(flags, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TEUL_ROOT", str(tmp_path / "state"))
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")

    assert main(["build", *flags, str(tmp_path)]) == 0
    shown, complaints = capsys.readouterr()
    assert (shown[:7], shown.count("\n"), complaints) == ("sha256:", 1, "")


@pytest.mark.needs_root
def test_a_folder_in_the_place_of_a_file_is_named_or_ignored(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TEUL_ROOT", str(tmp_path / "state"))
    for name in ("one/.dockerignore", "two/Dockerfile"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "one/Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    (tmp_path / "two/Dockerfile/Dockerfile").write_text("FROM scratch\n")

    assert main(["build", "-q", str(tmp_path / "one")]) == 0
    assert main(["build", "-q", str(tmp_path / "two")]) == 1
    shown = capsys.readouterr().err
    assert f"`{tmp_path}/two/Dockerfile` is a folder" in shown
    assert f"hint: -f {tmp_path}/two/Dockerfile/Dockerfile" in shown


@pytest.mark.needs_root
def test_a_step_of_an_image_without_a_dockerfile_has_no_line_of_the_project_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TEUL_ROOT", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "teul.toml").write_text('[project]\nname = "a"\n[image]\nbase = "nobody/has:this"\n')

    assert main(["build", "--offline", str(tmp_path)]) == 1
    assert "--> teul.toml [image]:1:6\n   | FROM nobody/has:this\n" in capsys.readouterr().err
