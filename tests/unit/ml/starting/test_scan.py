"""What a file says about its project without being run."""

import json

import pytest

from teul.ml.starting.scan import scan_notebook, scan_python


def imports(source):
    return scan_python(source, "a.py").imports


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import numpy", ("numpy",)),
        ("import numpy as np, pandas.core", ("numpy", "pandas")),
        ("from sklearn.linear_model import Ridge", ("sklearn",)),
        ("from . import a\nfrom .b import c", ()),
        ("def f():\n    import torch", ("torch",)),
        ("try:\n    import orjson\nexcept ImportError:\n    orjson = None", ("orjson",)),
        ("import typing\nif typing.TYPE_CHECKING:\n    import torch", ("typing",)),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a\nelse:\n    import b", ("b", "typing")),
        ("import importlib\nimportlib.import_module('xgboost.sklearn')", ("importlib", "xgboost")),
        ("from google.cloud import storage", ("google.cloud.storage",)),
        ("import google.cloud.bigquery.client", ("google.cloud.bigquery",)),
        ("# import ghost\ns = 'import ghost'", ()),
    ],
)
def test_imports(source, expected):
    assert imports(source) == expected


def test_a_file_that_is_no_python_is_an_error_with_its_line():
    with pytest.raises(SyntaxError) as caught:
        scan_python("x = 1\nprint 'old'\n", "old.py")
    assert caught.value.lineno == 2


def test_a_notebook_gives_imports_and_installs_and_skips_magics():
    cells = [
        {"cell_type": "markdown", "source": ["import ghost"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "import pandas as pd\n", "!ls"]},
        {"cell_type": "code", "source": "!pip install -q catboost==1.2.5 'shap>=0.40' -r more.txt"},
        {"cell_type": "code", "source": "%%bash\nimport nothing"},
        {"cell_type": "code", "source": "%%time\nimport lightgbm"},
        {"cell_type": "code", "source": "this is not python"},
        {"cell_type": "code", "source": "if True:\n    %timeit f()\n"},
    ]
    found = scan_notebook(json.dumps({"cells": cells, "nbformat": 4}), "한글.ipynb")
    assert found.imports == ("lightgbm", "pandas")
    assert found.requirements == ("catboost==1.2.5", "shap>=0.40")


def test_what_is_no_notebook_is_an_error():
    for source in ("[]", "{}", '{"cells": 3}', "not json"):
        with pytest.raises(ValueError, match=r"."):
            scan_notebook(source, "a.ipynb")


COMMAND_LINE = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("-l", "--learning-rate", type=float, default="1e-3")
parser.add_argument("--data", default="data/train.csv", required=False)
parser.add_argument("--out", required=True)
parser.add_argument("--verbose", action="store_true")
parser.add_argument("--kind", choices=["a", "b"], default="a")
parser.add_argument("file")
parser.add_argument("--names", default=[])
if __name__ == "__main__":
    parser.parse_args()
"""


def test_a_command_line_in_the_order_in_which_it_is_written():
    found = scan_python(COMMAND_LINE, "train.py")
    assert [(option.name, option.default) for option in found.options] == [
        ("epochs", 5),
        ("learning_rate", 0.001),
        ("data", "data/train.csv"),
        ("out", None),
        ("verbose", False),
        ("kind", "a"),
        ("names", None),
    ]
    assert found.options[3].is_output
    assert found.options[3].is_required
    assert found.positionals == ("file",)
    assert found.is_program


def test_what_is_written_and_what_is_read():
    source = """
import json, os, pathlib, joblib, pandas as pd
DATA = "data/train.csv"
frame = pd.read_csv(DATA)
OUT = pathlib.Path("model")
OUT.mkdir(exist_ok=True)
joblib.dump(1, OUT / "a.joblib")
frame.to_csv("out/table.csv")
with open(os.path.join("model", "b.json"), "w") as file:
    json.dump({}, file)
pathlib.Path("metrics.json").write_text("{}")
open("notes.txt").read()
url = "https://example.org/a.csv"
"""
    found = scan_python(source, "train.py")
    assert set(found.writes) == {"model/a.joblib", "out/table.csv", "model/b.json", "metrics.json"}
    assert {"data/train.csv", "notes.txt"} <= set(found.reads)
    assert not any("example.org" in path for path in found.reads)


def test_predictors_and_applications():
    source = "from fastapi import FastAPI\napi = FastAPI()\nclass A:\n  def load(p): ...\n  def predict(s, r): ...\nclass B: ...\n"
    found = scan_python(source, "predict.py")
    assert found.predictors == ("A",)
    assert (found.app, found.app_kind) == ("api", "FastAPI")
    assert not found.is_program
