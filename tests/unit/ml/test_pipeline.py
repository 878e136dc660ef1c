"""Steps lowered to the solver's graph, asserted as text."""

import pytest

from teul.ml.pipeline import lower
from teul.ml.project import parse

PROJECT = """
[project]
name = "p"
[params]
rate = 0.1
unused = 1
[steps.train]
run = "python train.py --rate {rate}"
deps = ["train.py", "clean/"]
outs = ["model/"]
metrics = ["metrics.json"]
[steps.prepare]
run = "python prepare.py 'a b'"
deps = ["prepare.py", "raw.csv"]
outs = ["clean/"]
[model]
path = "model/best.bin"
predict = "predict:Model"
"""


def graph(source=PROJECT, image="sha256:image", server="sha256:server"):
    return lower(parse(source), image=image, server=server)


def test_a_pipeline_prints():
    assert str(graph()) == (
        "[] -> [prepare] python prepare.py 'a b'\n"
        "[prepare] -> [train] python train.py --rate 0.1\n"
        "[train] -> [serve] p: the model on top of the image"
    )


def test_a_vertex_is_what_the_step_depends_on():
    assert graph().steps["train"].op.definition == {
        "image": "sha256:image",
        "command": ["python", "train.py", "--rate", "{rate}"],
        "param": {"rate": "0.1"},
        "env": {},
        "outs": ["model"],
        "metrics": ["metrics.json"],
    }


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("unused = 1", "unused = 2", []),
        ("rate = 0.1", "rate = 0.2", ["train", "serve"]),
        ("prepare.py 'a b'", "prepare.py c", ["prepare", "train", "serve"]),
        ("[model]", '[steps.other]\nrun = "x"\n[model]', ["other"]),
        ("predict:Model", "predict:Other", ["serve"]),
        ('deps = ["prepare.py", "raw.csv"]', 'deps = ["raw.csv", "prepare.py"]', []),
    ],
)
def test_only_what_depends_on_a_change_gets_another_digest(before, after, changed):
    def digests(pipeline):
        made = {name: vertex.digest for name, vertex in pipeline.steps.items()}
        return {**made, "serve": pipeline.serve.digest}

    old, new = digests(graph()), digests(graph(PROJECT.replace(before, after)))

    assert sorted(changed) == sorted(name for name in new if old.get(name) != new[name])


def test_another_image_changes_every_vertex():
    old, new = graph(), graph(image="sha256:other")

    assert all(old.steps[name].digest != new.steps[name].digest for name in old.steps)
    assert old.serve.digest != new.serve.digest
