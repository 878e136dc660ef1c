"""The layers and the config of the served image."""

import hashlib
import io
import tarfile

from teul.ml import served_image, trees
from teul.ml.trees import Entry, Tree
from teul.oci.descriptor import Platform
from teul.oci.digest import Digest
from teul.oci.image import ExecutionConfig, ImageConfig

CONTENTS = {str(Digest.of(data)): data for data in (b"model", b"code")}
MODEL, CODE = CONTENTS
TREE = Tree((Entry("", trees.FOLDER), Entry("a.bin", trees.FILE, MODEL, 5), Entry("link", trees.LINK, "a.bin")))


def read(digest):
    yield CONTENTS[digest][:2]
    yield CONTENTS[digest][2:]


def layer(parts):
    made = served_image.write_layer(parts, read)
    made.file.seek(0)
    data = made.file.read()
    assert Digest.of(data) == made.diff_id
    assert len(data) == made.size_bytes
    made.close()
    return data


def test_a_layer_is_a_function_of_its_bytes():
    parts = {"opt/teul/model": TREE, "opt/teul/code/predict.py": Tree((Entry("", trees.FILE, CODE, 4),))}
    data = layer(parts)

    assert data == layer(dict(reversed(parts.items())))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        listed = [(item.name, item.type, oct(item.mode), item.uid, item.mtime, item.linkname) for item in archive]
    at = served_image.EPOCH_S
    assert [
        ("opt", b"5", "0o755", 0, at, ""),
        ("opt/teul", b"5", "0o755", 0, at, ""),
        ("opt/teul/code", b"5", "0o755", 0, at, ""),
        ("opt/teul/code/predict.py", b"0", "0o644", 0, at, ""),
        ("opt/teul/model", b"5", "0o755", 0, at, ""),
        ("opt/teul/model/a.bin", b"0", "0o644", 0, at, ""),
        ("opt/teul/model/link", b"2", "0o777", 0, at, "a.bin"),
    ] == listed


def test_the_server_is_the_package_and_nothing_else():
    tree, folder = served_image.server_tree()
    names = [entry.path for entry in tree.files]

    assert "teul_model/__main__.py" in names
    assert all(name.endswith(".py") for name in names)
    for entry in tree.files:
        with open(f"{folder}/{entry.path.partition('/')[2]}", "rb") as file:
            assert entry.content == "sha256:" + hashlib.sha256(file.read()).hexdigest()


def test_the_config_keeps_the_image_and_starts_the_server():
    base = ImageConfig(
        platform=Platform("linux", "amd64"),
        config=ExecutionConfig(
            user="app",
            env=("PATH=/venv/bin:/bin", "TEUL_MODEL_NAME=old"),
            entrypoint=("python",),
            command=("train.py",),
            working_dir="/app",
            labels={"a": "b"},
        ),
        diff_ids=(Digest.of(b"layer"),),
        created="1980-01-01T00:00:00Z",
    )

    made = served_image.make_config(
        base,
        model="churn",
        path="/opt/teul/model",
        predict="predict:Churn",
        model_digest="sha256:m",
        trained_in="sha256:i",
    )

    config = made.config
    assert (config.user, config.working_dir, config.command, config.exposed_ports) == (
        "app",
        "/app",
        None,
        ("8000/tcp",),
    )
    assert config.entrypoint == ("python3", "-I", "-S", "-B", "/opt/teul/server/teul_model/__main__.py")
    assert config.env == (
        "PATH=/venv/bin:/bin",
        "TEUL_MODEL_NAME=churn",
        "TEUL_MODEL_PATH=/opt/teul/model",
        "TEUL_MODEL_CODE=/opt/teul/code",
        "TEUL_MODEL_PREDICT=predict:Churn",
        "TEUL_PORT=8000",
    )
    assert config.labels == {
        "a": "b",
        "io.teul.model": "churn",
        "io.teul.model.digest": "sha256:m",
        "io.teul.trained-in": "sha256:i",
    }
    assert base.diff_ids == made.diff_ids
    assert base.created == made.created
