"""Finding `module:Class`."""

import sys

import pytest

from teul_model.load import LoadError, Model, load
from teul_model.signature import Signature

SOURCE = """
class ByClassMethod:
    outputs = {"y": float}
    @classmethod
    def load(cls, path):
        made = cls()
        made.path = path
        return made
    def predict(self, rows):
        return [self.path for _ in rows]

class ByInstance:
    def load(self, path):
        self.path = path
    def predict(self, rows):
        return [self.path for _ in rows]

class WithoutLoad:
    def predict(self, rows):
        return ["none"] * len(rows)

class WithoutPredict:
    pass
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "model_under_test.py").write_text(SOURCE)
    (tmp_path / "needs_more.py").write_text("import not_installed_here")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("model_under_test", None)


@pytest.mark.parametrize(("name", "expected"), [("ByClassMethod", "/m"), ("ByInstance", "/m"), ("WithoutLoad", "none")])
def test_load_may_be_a_class_method_a_method_or_absent(name, expected):
    assert [expected] == load(f"model_under_test:{name}", "/m").predict([{}])


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        ("no_such_module:X", "module `no_such_module` not found"),
        ("model_under_test:Nothing", "has no `Nothing`"),
        ("model_under_test:WithoutPredict", "expected a method `predict"),
        ("", "expected `predict` in teul.toml or a file `MLmodel`"),
    ],
)
def test_what_cannot_be_loaded_is_named(predict, message, tmp_path):
    with pytest.raises(LoadError, match=message):
        load(predict, str(tmp_path))


def test_a_missing_dependency_of_the_module_comes_through():
    with pytest.raises(ModuleNotFoundError, match="not_installed_here"):
        load("needs_more:X", "/m")


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        ([1], "expected 2 predictions, got 1"),
        (3, "expected a list with one prediction for each row, got int"),
        ([{"a": 1}, {"b": 1}], "the same keys"),
    ],
)
def test_what_predict_gives_is_checked(gives, message):
    class Predictor:
        def predict(self, rows):
            return gives

    with pytest.raises((TypeError, ValueError), match=message):
        Model(Predictor(), Signature(), "x").predict([1, 2])


MLFLOW = """
class Type:
    def __init__(self, name):
        self.name = name

class Column:
    required = True
    def __init__(self, name, word):
        self.name, self.type = name, Type(word)

class Schema:
    inputs = [Column("a", "double"), Column("b", "long")]
    def is_tensor_spec(self):
        return False

class Metadata:
    def get_input_schema(self):
        return Schema()
    def get_output_schema(self):
        return None

class Model:
    metadata = Metadata()
    def predict(self, frame):
        return [row["a"] + row["b"] for row in frame]

def load_model(path):
    return Model()
"""


def test_an_mlmodel_is_loaded_by_mlflow_with_its_signature(tmp_path, monkeypatch):
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "__init__.py").write_text("")
    (tmp_path / "mlflow" / "pyfunc.py").write_text(MLFLOW)
    (tmp_path / "pandas.py").write_text("DataFrame = list")
    (tmp_path / "MLmodel").write_text("")
    for name in ("mlflow", "mlflow.pyfunc", "pandas"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    model = load("", str(tmp_path))

    assert model.platform == "mlflow_pyfunc"
    assert [(column.name, column.datatype) for column in model.signature.inputs] == [("a", "FP64"), ("b", "INT64")]
    assert model.predict([{"a": 1.5, "b": 2}]) == [3.5]
    for name in ("mlflow", "mlflow.pyfunc", "pandas"):
        sys.modules.pop(name, None)


def test_an_mlmodel_in_an_image_without_mlflow_says_what_to_add(tmp_path, monkeypatch):
    (tmp_path / "MLmodel").write_text("")
    monkeypatch.setitem(sys.modules, "mlflow", None)

    with pytest.raises(LoadError, match="the image has no `mlflow"):
        load("", str(tmp_path))
