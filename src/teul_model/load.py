"""Find and load what predicts: `module:Class` of the user, or the flavour that `MLmodel` names. No HTTP here.

A class may have `load(path)` as a class method that gives the predictor, or as an ordinary method of an instance made
without arguments. `predict(rows)` gives one prediction for each row.
"""

from __future__ import annotations

import importlib
import os

from teul_model.codec import plain
from teul_model.signature import Column, Signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PREDICTOR, PYFUNC = "teul_predictor", "mlflow_pyfunc"
MLFLOW_TYPES = {
    "integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64", "boolean": "BOOL", "string": "BYTES",
}  # fmt: skip


class LoadError(Exception):
    """The model cannot be loaded; the text says what was expected."""


class Model:
    """A loaded predictor with its signature. `example` is a row to try, or None."""

    def __init__(self, predictor: Any, signature: Signature, platform: str) -> None:
        self._predictor = predictor
        self.signature = signature
        self.platform = platform
        self.example = getattr(predictor, "example", None)

    def predict(self, rows: list[Any]) -> list[Any]:
        """One plain prediction (see `codec.plain`) for each row.

        Raises:
            TypeError, ValueError: the predictor gave something else. Whatever `predict` itself raises comes through.
        """
        made = plain(self._predictor.predict(rows))
        if not isinstance(made, list):
            raise TypeError(f"predict: expected a list with one prediction for each row, got {type(made).__name__}")
        if len(made) != len(rows):
            raise ValueError(f"predict: expected {len(rows)} predictions, got {len(made)}")
        if made and isinstance(made[0], dict):
            keys = made[0].keys()
            if any(not isinstance(row, dict) or row.keys() != keys for row in made):
                raise ValueError("predict: expected the same keys in every prediction")
        return made


def load(predict: str, path: str) -> Model:
    """Load the model in the folder *path* with *predict* (`module:Class`), or by its `MLmodel` when that is "".

    Raises:
        LoadError: no such module, class or method, or neither form is there. Whatever the user's `load` raises
            comes through.
    """
    if not predict:
        return _load_pyfunc(path)
    name, _, attribute = predict.partition(":")
    try:
        found: Any = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name and not name.startswith(f"{error.name}."):
            raise
        raise LoadError(f"module `{name}` not found; the image or `[model] code` must bring it") from None
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise LoadError(f"`{predict}`: `{name}` has no `{attribute}`") from None
    predictor = found
    if isinstance(found, type):
        loader = getattr(found, "load", None)
        if loader is None:
            predictor = found()
        elif hasattr(loader, "__self__"):
            predictor = loader(path)
        else:
            predictor = found()
            given = predictor.load(path)
            predictor = predictor if given is None else given
    if not callable(getattr(predictor, "predict", None)):
        raise LoadError(f"`{predict}`: expected a method `predict(rows)`")
    return Model(predictor, Signature.of(predictor), PREDICTOR)


class _Pyfunc:
    """Gives an `mlflow.pyfunc` model the shape of a predictor."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, rows: list[Any]) -> Any:
        return self._model.predict(importlib.import_module("pandas").DataFrame(rows))


def _load_pyfunc(path: str) -> Model:
    if not os.path.exists(os.path.join(path, "MLmodel")):
        raise LoadError(f"`{path}`: expected `predict` in teul.toml or a file `MLmodel`")
    try:
        pyfunc = importlib.import_module("mlflow.pyfunc")
    except ModuleNotFoundError as error:
        raise LoadError(f"`{path}/MLmodel`: the image has no `{error.name}`; add mlflow-skinny and pandas") from None
    model = pyfunc.load_model(path)
    return Model(_Pyfunc(model), _mlflow_signature(model), PYFUNC)


def _mlflow_signature(model: Any) -> Signature:
    """The signature recorded in `MLmodel`; columns only (a tensor signature is left to MLflow's own check)."""

    def columns(schema: Any) -> tuple[Column, ...] | None:
        if schema is None or schema.is_tensor_spec():
            return None
        made = []
        for column in schema.inputs:
            word = getattr(column.type, "name", "")
            datatype = MLFLOW_TYPES.get(word, "ANY")
            made.append(Column(str(column.name), datatype, not getattr(column, "required", True)))
        return tuple(made) if all(column.name != "None" for column in made) else None

    return Signature(columns(model.metadata.get_input_schema()), columns(model.metadata.get_output_schema()))
