"""Open Inference Protocol v2 (inference_rest.md) and MLflow's `/invocations`: requests, errors, answers."""

import json

import pytest

from teul_model import codec
from teul_model.signature import BadRequest, Signature


class Customer:
    inputs = {"Age": int, "Class": str, "Score": float | None}
    outputs = {"churn": bool, "probability": float}


SIGNATURE = Signature.of(Customer)
FREE = Signature()
ROW = {"Age": 28, "Class": "High", "Score": 0.5}


def invoke(value, signature=SIGNATURE):
    return codec.decode_invocations(json.dumps(value).encode(), signature)


@pytest.mark.parametrize(
    "value",
    [
        {"dataframe_records": [ROW]},
        {"dataframe_split": {"columns": ["Class", "Age", "Score"], "data": [["High", 28, 0.5]], "index": [0]}},
        {"dataframe_split": {"data": [[28, "High", 0.5]]}},
        {"instances": [ROW]},
        {"instances": [[28, "High", 0.5]]},
        {"inputs": {"Age": [28.0], "Class": ["High"], "Score": [0.5]}},
        {"inputs": [[28, "High", 0.5]], "params": {"x": 1}},
    ],
)
def test_every_form_of_a_request_gives_the_same_row(value):
    assert invoke(value) == [ROW]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "body: expected an object, got a list"),
        ({}, "body: expected exactly one of"),
        ({"instances": [], "inputs": []}, "got `instances`, `inputs`"),
        ({"instances": [], "extra": 1}, "body: unknown field `extra`"),
        ({"dataframe_records": ROW}, "dataframe_records: expected a list, got an object"),
        ({"dataframe_records": [ROW, 3]}, "dataframe_records[1]: expected an object, got the number 3"),
        (
            {"dataframe_records": [{**ROW, "Age": "x"}]},
            "dataframe_records[0].Age: expected an integer, got the string 'x'",
        ),
        ({"dataframe_records": [{**ROW, "Age": 1.5}]}, "Age: expected an integer, got the number 1.5"),
        ({"dataframe_records": [{**ROW, "Age": True}]}, "Age: expected an integer, got true"),
        ({"dataframe_records": [{**ROW, "Age": 2**63}]}, "Age: expected INT64, between"),
        ({"dataframe_records": [{**ROW, "Score": 10**400}]}, "Score: expected a number of 64 bits"),
        ({"dataframe_records": [{**ROW, "Class": None}]}, "Class: expected a string, got null"),
        ({"dataframe_records": [{**ROW, "age": 1}]}, "unknown field `age`; did you mean `Age`?"),
        ({"dataframe_records": [{"Class": "a"}]}, "dataframe_records[0]: missing the field `Age`"),
        ({"instances": [[1, "a"]]}, "instances[0]: expected 3 values, got 2"),
        ({"dataframe_split": {"columns": ["Age", "Age"], "data": []}}, "expected each name once"),
        ({"dataframe_split": {"columns": ["Age"], "data": []}}, "missing the column `Class`"),
        ({"dataframe_split": {"columns": ["Ag", "Class"], "data": []}}, "unknown column `Ag`; did you mean `Age`?"),
        ({"inputs": {"Age": [1, 2], "Class": ["a"]}}, "inputs.Class: expected 2 values as in the others, got 1"),
    ],
)
def test_a_wrong_request_names_the_field(value, message):
    with pytest.raises(BadRequest) as caught:
        invoke(value)

    assert message in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"instances": [NaN]}', b"[" * 100000])
def test_what_is_not_json_is_refused(body):
    with pytest.raises(BadRequest, match="body: expected"):
        codec.decode_invocations(body, SIGNATURE)


def test_an_optional_column_may_be_missing():
    assert invoke({"dataframe_records": [{"Age": 1, "Class": ""}]}) == [{"Age": 1, "Class": "", "Score": None}]


def test_without_a_signature_rows_pass_as_they_are():
    assert invoke({"instances": [[1, "a"], {"b": None}]}, FREE) == [[1, "a"], {"b": None}]


def test_csv_is_read_by_the_signature():
    rows = codec.decode_csv(b'\xef\xbb\xbfAge,Class,Score\r\n28,High,\r\n\r\n30,"a,b",0.25\r\n', SIGNATURE)

    assert rows == [{"Age": 28, "Class": "High", "Score": None}, {"Age": 30, "Class": "a,b", "Score": 0.25}]


def test_csv_without_a_signature_reads_numbers():
    assert codec.decode_csv(b"a,b,c,d\n1,0.5,x,\n", FREE) == [{"a": 1, "b": 0.5, "c": "x", "d": None}]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "expected a header line"),
        (b"Age,Age\n", "expected each column once"),
        (b"Agee,Class\n", "unknown column `Agee`; did you mean `Age`?"),
        (b"Age\n", "missing the column `Class`"),
        (b"Age,Class\n1\n", "line 2: expected 2 values, got 1"),
        (b"Age,Class\nx,y\n", "line 2, `Age`: expected an integer, got the string 'x'"),
        (b"Age,Class\n,y\n", "line 2, `Age`: expected an integer, got null"),
        (b'Age,Class\n1,"y\n', "line 2:"),
        (b"\xff", "expected UTF-8"),
    ],
)
def test_wrong_csv_names_the_line(body, message):
    with pytest.raises(BadRequest) as caught:
        codec.decode_csv(body, SIGNATURE)

    assert message in str(caught.value)


def tensor(name, datatype, data, shape=None):
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data}


def test_one_tensor_for_each_column():
    request = {
        "inputs": [
            tensor("Class", "BYTES", ["a", "b"]),
            tensor("Age", "UINT8", [[1], [2]], [2, 1]),
            tensor("Score", "FP32", [0.5, 1]),
        ]
    }

    assert codec.decode_infer(request, SIGNATURE) == [
        {"Age": 1, "Class": "a", "Score": 0.5},
        {"Age": 2, "Class": "b", "Score": 1.0},
    ]


def test_one_matrix_in_the_order_of_the_signature():
    class Point:
        inputs = {"x": float, "y": float}

    request = {"inputs": [tensor("data", "FP64", [[1, 2], [3, 4]], [2, 2])]}

    assert codec.decode_infer(request, Signature.of(Point)) == [{"x": 1.0, "y": 2.0}, {"x": 3.0, "y": 4.0}]
    assert codec.decode_infer(request, FREE) == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (None, "inputs: expected a list of tensors, got null"),
        ([3], "inputs[0]: expected an object"),
        ([{"name": 1}], "inputs[0].name: expected a string"),
        ([tensor("Age", "INT", [1])], "inputs `Age` datatype: expected one of INT8"),
        ([tensor("Age", "INT64", [1], [2])], "expected 2 values for the shape [2], got 1"),
        ([tensor("Age", "INT64", [1], [-1])], "inputs `Age` shape: expected a list of sizes"),
        ([tensor("Age", "INT64", ["x"])], "inputs `Age` data[0]: expected an integer, got the string 'x'"),
        ([tensor("Age", "INT8", [300])], "inputs `Age` data[0]: expected INT8, between -128 and 127, got 300"),
        ([tensor("Age", "FP64", [1.0]), tensor("Class", "BYTES", ["a"])], "inputs `Age`: expected INT64, got FP64"),
        ([tensor("Age", "INT64", [1]), tensor("Clas", "BYTES", ["a"])], "unknown tensor `Clas`; did you mean `Class`?"),
        ([tensor("Age", "INT64", [1])], "missing the tensor `Class`"),
        (
            [tensor("Age", "INT64", [1, 2]), tensor("Class", "BYTES", ["a"])],
            "inputs `Class`: expected the shape [2] or [2, 1], got [1]",
        ),
        ([tensor("all", "FP64", [1, 2], [1, 2])], "inputs `all`: expected the shape [n, 3], got [1, 2]"),
        (
            [{"name": "Age", "datatype": "INT64", "shape": [1], "parameters": {"binary_data_size": 8}}],
            "binary tensor data is not supported",
        ),
        (
            [{"name": "Age", "datatype": "INT64", "shape": [1], "data": [1], "parameters": 3}],
            "inputs `Age` parameters: expected an object, got the number 3",
        ),
    ],
)
def test_a_wrong_tensor_is_named(inputs, message):
    with pytest.raises(BadRequest) as caught:
        codec.decode_infer({"inputs": inputs}, SIGNATURE)

    assert message in str(caught.value)


def test_an_answer_has_one_tensor_for_each_output():
    body = codec.encode_infer({"id": "42"}, [{"churn": True, "probability": 0.75}], SIGNATURE, "churn", "3")

    assert json.loads(body) == {
        "model_name": "churn",
        "model_version": "3",
        "id": "42",
        "outputs": [
            {"name": "churn", "shape": [1], "datatype": "BOOL", "data": [True]},
            {"name": "probability", "shape": [1], "datatype": "FP64", "data": [0.75]},
        ],
    }


def test_only_the_wanted_outputs_are_given():
    body = codec.encode_infer(
        {"outputs": [{"name": "probability"}]}, [{"churn": True, "probability": 0.75}], SIGNATURE, "churn", ""
    )

    assert [output["name"] for output in json.loads(body)["outputs"]] == ["probability"]
    with pytest.raises(BadRequest, match="unknown tensor `probably`; did you mean `probability`"):
        codec.encode_infer({"outputs": [{"name": "probably"}]}, [{"probability": 1.0}], SIGNATURE, "churn", "")


@pytest.mark.parametrize(
    ("predictions", "expected"),
    [
        ([1, 2], {"name": "output", "shape": [2], "datatype": "INT64", "data": [1, 2]}),
        ([1, 2.5], {"name": "output", "shape": [2], "datatype": "FP64", "data": [1, 2.5]}),
        (["a"], {"name": "output", "shape": [1], "datatype": "BYTES", "data": ["a"]}),
        (
            [[0.5, 0.5], [1.0, 0.0]],
            {"name": "output", "shape": [2, 2], "datatype": "FP64", "data": [0.5, 0.5, 1.0, 0.0]},
        ),
    ],
)
def test_outputs_without_names_are_one_tensor(predictions, expected):
    assert [expected] == json.loads(codec.encode_infer({}, predictions, FREE, "m", ""))["outputs"]


def test_numbers_that_are_not_finite_become_null():
    assert (
        codec.encode_invocations([float("nan"), {"a": float("inf")}, 1.5]) == b'{"predictions":[null,{"a":null},1.5]}'
    )


def test_arrays_and_their_scalars_become_plain():
    class Array:
        def tolist(self):
            return [1.5, 2]

    assert [[1.5, 2], {"1": b"x".decode()}] == codec.plain((Array(), {1: b"x"}))
    with pytest.raises(TypeError, match="expected values that JSON has, got object"):
        codec.plain(object())
