"""What a predictor says about its inputs and outputs."""

import pytest

from teul_model.signature import Signature


def test_python_types_and_protocol_types_are_read():
    class Model:
        inputs = {"a": int, "b": "FP32", "c": str | None, "d": bool, "e": "ANY"}

    made = Signature.of(Model)

    assert [(column.name, column.datatype, column.is_optional) for column in made.inputs] == [
        ("a", "INT64", False),
        ("b", "FP32", False),
        ("c", "BYTES", True),
        ("d", "BOOL", False),
        ("e", "ANY", False),
    ]
    assert made.outputs is None


@pytest.mark.parametrize("inputs", [["a"], {"a": dict}, {"a": "INT65"}, {"a": int | str}])
def test_any_other_type_is_refused(inputs):
    class Model:
        pass

    Model.inputs = inputs
    with pytest.raises(TypeError, match="`inputs"):
        Signature.of(Model)
