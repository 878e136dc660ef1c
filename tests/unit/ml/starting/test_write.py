"""`teul init` on folders as people have them."""

import os

import pytest

from teul.errors import InvalidInput
from teul.ml.project import parse
from teul.ml.starting import start


def begin(folder, **options):
    said = []
    made = start(str(folder), say=str, events=said.append, **options)
    return made, parse((folder / "teul.toml").read_text()), said


def test_an_empty_folder_gets_something_that_runs(tmp_path):
    (tmp_path / "README.md").write_text("later")
    (tmp_path / ".git").mkdir()
    made, project, _ = begin(tmp_path)
    assert {"train.py", "predict.py", "data/houses.csv", "teul.toml"} <= set(made.written)
    (step,) = project.steps
    assert step.deps == ("train.py", "data/houses.csv")
    assert step.outs == ("model",)
    assert step.metrics == ("metrics.json",)
    assert project.model.predict == "predict:Price"
    assert project.model.gates
    assert project.image.python == "3.11"
    assert project.image.requirements == ""


def test_the_third_seeds_shape(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/customers.csv").write_text("a\n")
    (tmp_path / "train.py").write_text(
        "import argparse\nimport pandas as pd\nfrom catboost import CatBoostClassifier\n"
        "from sklearn.metrics import recall_score\nfrom features import build\n"
        "p = argparse.ArgumentParser()\n"
        "p.add_argument('--data', default='data/customers.csv')\n"
        "p.add_argument('--iterations', type=int, default=500)\n"
        "p.add_argument('--out', default='model/')\n"
        "if __name__ == '__main__':\n    CatBoostClassifier().fit([], [])\n"
    )
    (tmp_path / "features.py").write_text("import numpy\ndef build(): ...\n")
    made, project, _ = begin(tmp_path)
    assert made.requirements == ("catboost", "numpy", "pandas", "scikit-learn")
    assert (tmp_path / "requirements.txt").read_text() == "catboost\nnumpy\npandas\nscikit-learn\n"
    assert project.image.requirements == "requirements.txt"
    assert project.params == {"iterations": 500}
    (step,) = project.steps
    assert step.argv(project.params) == (
        "python",
        "train.py",
        "--data",
        "data/customers.csv",
        "--iterations",
        "500",
        "--out",
        "model/",
    )
    assert set(step.deps) == {"train.py", "features.py", "data/customers.csv"}
    assert step.outs == ("model",)


def test_what_is_there_is_never_touched(tmp_path):
    (tmp_path / "requirements.txt").write_text("mine\n")
    (tmp_path / ".dockerignore").write_text("mine\n")
    (tmp_path / "main.py").write_text("import numpy\n")
    made, project, _ = begin(tmp_path)
    assert made.kept == (".dockerignore",)
    assert (tmp_path / ".dockerignore").read_text() == "mine\n"
    assert (tmp_path / "requirements.txt").read_text() == "mine\n"
    assert project.image.requirements == "requirements.txt"
    assert made.requirements == ()
    before = (tmp_path / "teul.toml").read_text()
    with pytest.raises(InvalidInput, match="there already"):
        begin(tmp_path)
    assert (tmp_path / "teul.toml").read_text() == before


def test_a_dockerfile_that_is_there_is_used_and_one_is_written_when_asked(tmp_path):
    (tmp_path / "app.py").write_text("from fastapi import FastAPI\nimport uvicorn\napp = FastAPI()\n")
    made, project, _ = begin(tmp_path, with_dockerfile=True)
    assert not project.image.is_generated
    written = (tmp_path / "Dockerfile").read_text()
    assert 'CMD ["uvicorn", "app:app"' in written
    assert "USER app" in written
    os.unlink(tmp_path / "teul.toml")
    made, project, _ = begin(tmp_path)
    assert project.image.dockerfile == "Dockerfile"
    assert "Dockerfile" not in made.written
    assert (tmp_path / "Dockerfile").read_text() == written


def test_notebooks_folders_and_files_that_cannot_be_read(tmp_path):
    (tmp_path / "탐색.ipynb").write_text('{"cells": [{"cell_type": "code", "source": ["import seaborn"]}]}')
    (tmp_path / "옛날.py").write_text("print 'hello'\n")
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/a.py").write_text("import scipy\nimport pkg.b\n")
    env = tmp_path / "myenv"
    (env / "lib").mkdir(parents=True)
    (env / "pyvenv.cfg").write_text("")
    (env / "lib/ghost.py").write_text("import ghost_of_an_environment\n")
    made, _, said = begin(tmp_path)
    assert made.requirements == ("scipy", "seaborn")
    assert [event.code for event in said] == ["unreadable-source"]
    assert "옛날.py:1" in str(said[0].message)


def test_the_version_of_python_that_the_folder_asks_for(tmp_path):
    (tmp_path / "a.py").write_text("")
    (tmp_path / ".python-version").write_text("3.12.4\n")
    assert begin(tmp_path)[1].image.python == "3.12"


def test_a_dry_run_writes_nothing(tmp_path):
    made = start(str(tmp_path), say=str, dry_run=True)
    assert "teul.toml" in made.written
    assert os.listdir(tmp_path) == []


def test_names_that_no_project_may_have(tmp_path):
    folder = tmp_path / "내 모델 (2)"
    folder.mkdir()
    made, project, _ = begin(folder)
    assert made.name == project.name == "2"
    with pytest.raises(InvalidInput, match="no folder"):
        start(str(tmp_path / "none"), say=str)
