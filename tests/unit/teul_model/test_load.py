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
