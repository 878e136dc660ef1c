"""Requests to rows, predictions to answers: the Open Inference Protocol v2 and MLflow's `/invocations`.

Rows are what a predictor takes: dicts where names are known, else lists or single values. No IO here.
Spec: Open Inference Protocol, inference_rest.md; MLflow "Inference Server Specification".
"""

from __future__ import annotations

import csv
import difflib
import io
import json

from teul_model.signature import DATATYPES, FLOATS, INTEGERS, BadRequest, Column, Signature, describe, family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

FORMATS = ("dataframe_records", "dataframe_split", "instances", "inputs")


def _refuse_constant(word: str) -> float:
    raise BadRequest(f"body: expected JSON, got `{word}`, which JSON has not")


def load(body: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        BadRequest: with the line and column of what is wrong.
    """
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"body: expected JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadRequest(f"body: expected an object, got {describe(value)}")
    return value


def unknown(where: str, name: str, known: Sequence[str], what: str = "field") -> BadRequest:
    """The error for a name that the model does not know."""
    close = difflib.get_close_matches(name, known, 1)
    ask = f"; did you mean `{close[0]}`?" if close else f"; expected {', '.join(f'`{item}`' for item in known)}"
    return BadRequest(f"{where}: unknown {what} `{name}`{ask}")


def _row_of_names(row: object, signature: Signature, where: str) -> object:
    """Check one row given as an object."""
    if not isinstance(row, dict):
        raise BadRequest(f"{where}: expected an object, got {describe(row)}")
    if signature.inputs is None:
        return row
    for name in row:
        if name not in signature.by_name:
            raise unknown(where, name, list(signature.by_name))
    made = {}
    for column in signature.inputs:
        if column.name in row:
            made[column.name] = column.check(row[column.name], f"{where}.{column.name}")
        elif column.is_optional:
            made[column.name] = None
        else:
            raise BadRequest(f"{where}: missing the field `{column.name}`")
    return made


def _row_in_order(row: object, signature: Signature, where: str) -> object:
    """Check one row given as a list (or a single value) in the order of the signature."""
    if signature.inputs is None:
        return row
    values = row if isinstance(row, list) else [row]
    if len(values) != len(signature.inputs):
        raise BadRequest(f"{where}: expected {len(signature.inputs)} values, got {len(values)}")
    return {
        column.name: column.check(value, f"{where}.{column.name}") for column, value in zip(signature.inputs, values)
    }


def decode_invocations(body: bytes, signature: Signature) -> list[object]:
    """Read the JSON body of `/invocations`: exactly one of `FORMATS`, and `params`, which is not used."""
    value = load(body)
    given = [name for name in FORMATS if name in value]
    if len(given) != 1:
        got = ", ".join(f"`{name}`" for name in value) or "none"
        raise BadRequest(f"body: expected exactly one of {', '.join(f'`{name}`' for name in FORMATS)}; got {got}")
    for name in value:
        if name not in given and name != "params":
            raise unknown("body", name, (*FORMATS, "params"))
    format_, data = given[0], value[given[0]]
    if format_ == "dataframe_split":
        return _decode_split(data, signature)
    if format_ == "inputs" and isinstance(data, dict):
        return _decode_columns(data, signature)
    if not isinstance(data, list):
        raise BadRequest(f"{format_}: expected a list, got {describe(data)}")
    if format_ == "dataframe_records":
        return [_row_of_names(row, signature, f"{format_}[{index}]") for index, row in enumerate(data)]
    return [
        _row_of_names(row, signature, f"{format_}[{index}]")
        if isinstance(row, dict)
        else _row_in_order(row, signature, f"{format_}[{index}]")
        for index, row in enumerate(data)
    ]


def _decode_split(data: object, signature: Signature) -> list[object]:
    if not isinstance(data, dict):
        raise BadRequest(f"dataframe_split: expected an object with `columns` and `data`, got {describe(data)}")
    for name in data:
        if name not in ("columns", "data", "index"):
            raise unknown("dataframe_split", str(name), ("columns", "data", "index"))
    columns, rows = data.get("columns"), data.get("data")
    if not isinstance(rows, list):
        raise BadRequest(f"dataframe_split.data: expected a list of rows, got {describe(rows)}")
    if columns is None:
        return [_row_in_order(row, signature, f"dataframe_split.data[{index}]") for index, row in enumerate(rows)]
    if not isinstance(columns, list) or not all(isinstance(name, (str, int)) for name in columns):
        raise BadRequest(f"dataframe_split.columns: expected a list of names, got {describe(columns)}")
    if len(set(columns)) != len(columns):
        raise BadRequest("dataframe_split.columns: expected each name once")
    names = [str(name) for name in columns]
    if signature.inputs is not None:
        for name in names:
            if name not in signature.by_name:
                raise unknown("dataframe_split.columns", name, list(signature.by_name), "column")
        for column in signature.inputs:
            if column.name not in names and not column.is_optional:
                raise BadRequest(f"dataframe_split.columns: missing the column `{column.name}`")
    made = []
    for index, row in enumerate(rows):
        where = f"dataframe_split.data[{index}]"
        if not isinstance(row, list) or len(row) != len(names):
            got = f"{len(row)}" if isinstance(row, list) else describe(row)
            raise BadRequest(f"{where}: expected {len(names)} values, got {got}")
        made.append(_row_of_names(dict(zip(names, row)), signature, where))
    return made


def _decode_columns(data: dict[str, object], signature: Signature) -> list[object]:
    """`inputs` in the column form: name → values, all of one length."""
    count = None
    for name, values in data.items():
        if not isinstance(values, list):
            raise BadRequest(f"inputs.{name}: expected a list, got {describe(values)}")
        if count is not None and len(values) != count:
            raise BadRequest(f"inputs.{name}: expected {count} values as in the others, got {len(values)}")
        count = len(values)
    rows = [dict(zip(data, row)) for row in zip(*data.values())]
    return [_row_of_names(row, signature, f"inputs[{index}]") for index, row in enumerate(rows)]


def decode_csv(body: bytes, signature: Signature) -> list[object]:
    """Read CSV with a header line."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest(f"body: expected UTF-8: {error}") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = next(reader, None)
        if not names:
            raise BadRequest("body: expected a header line with the names of the columns")
        if len(set(names)) != len(names):
            raise BadRequest("line 1: expected each column once")
        columns = [signature.by_name.get(name) for name in names]
        if signature.inputs is not None:
            for name, column in zip(names, columns):
                if column is None:
                    raise unknown("line 1", name, list(signature.by_name), "column")
            for wanted in signature.inputs:
                if wanted.name not in names and not wanted.is_optional:
                    raise BadRequest(f"line 1: missing the column `{wanted.name}`")
        free = Column("", "ANY", True)
        made: list[object] = []
        for cells in reader:
            if not cells:
                continue
            where = f"line {reader.line_num}"
            if len(cells) != len(names):
                raise BadRequest(f"{where}: expected {len(names)} values, got {len(cells)}")
            row = {
                name: (column or free).from_text(cell, f"{where}, `{name}`")
                for name, column, cell in zip(names, columns, cells)
            }
            for wanted in signature.inputs or ():
                row.setdefault(wanted.name, None)
            made.append(row)
    except csv.Error as error:
        raise BadRequest(f"line {reader.line_num}: {error}") from None
    return made


def decode_infer(value: dict[str, Any], signature: Signature) -> list[object]:
    """Read an inference request: one tensor for each column, or one matrix of all columns in order.

    Raises:
        BadRequest: names the tensor, and says what was expected.
    """
    tensors = value.get("inputs")
    if not isinstance(tensors, list) or not tensors:
        raise BadRequest(f"inputs: expected a list of tensors, got {describe(tensors)}")
    read = [_tensor(tensor, f"inputs[{index}]") for index, tensor in enumerate(tensors)]
    names = [name for name, _, _, _ in read]
    if len(set(names)) != len(names):
        raise BadRequest("inputs: expected each name once")
    known = signature.by_name
    if len(read) == 1 and len(read[0][2]) == 2 and names[0] not in known:
        name, datatype, shape, data = read[0]
        rows = [data[start : start + shape[1]] for start in range(0, len(data), shape[1])] if shape[1] else []
        if signature.inputs is not None and shape[1] != len(known):
            raise BadRequest(f"inputs `{name}`: expected the shape [n, {len(known)}], got {shape}")
        return [_row_in_order(row, signature, f"inputs `{name}` row {index}") for index, row in enumerate(rows)]
    count = read[0][2][0] if read[0][2] else 1
    columns: dict[str, list[object]] = {}
    for name, datatype, shape, data in read:
        if signature.inputs is not None:
            column = known.get(name)
            if column is None:
                raise unknown("inputs", name, list(known), "tensor")
            if column.family not in ("ANY", family(datatype)) and (column.family, family(datatype)) != ("FP", "INT"):
                raise BadRequest(f"inputs `{name}`: expected {column.datatype}, got {datatype}")
        if not shape or shape[0] != count or len(data) != count:
            raise BadRequest(f"inputs `{name}`: expected the shape [{count}] or [{count}, 1], got {shape}")
        columns[name] = data
    for column in signature.inputs or ():
        if column.name not in columns and not column.is_optional:
            raise BadRequest(f"inputs: missing the tensor `{column.name}`")
    table = [dict(zip(columns, row)) for row in zip(*columns.values())]
    return [_row_of_names(row, signature, f"inputs row {index}") for index, row in enumerate(table)]


def _tensor(tensor: object, where: str) -> tuple[str, str, list[int], list[Any]]:
    """Name, data type, shape and flat data of one tensor, checked against each other."""
    if not isinstance(tensor, dict):
        raise BadRequest(f"{where}: expected an object, got {describe(tensor)}")
    name, datatype, shape = tensor.get("name"), tensor.get("datatype"), tensor.get("shape")
    if not isinstance(name, str):
        raise BadRequest(f"{where}.name: expected a string, got {describe(name)}")
    if datatype not in DATATYPES:
        raise BadRequest(f"inputs `{name}` datatype: expected one of {', '.join(DATATYPES)}, got {describe(datatype)}")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise BadRequest(f"inputs `{name}` shape: expected a list of sizes, got {describe(shape)}")
    if "binary_data_size" in _parameters(tensor, f"inputs `{name}`"):
        raise BadRequest(f"inputs `{name}`: binary tensor data is not supported; send `data` as JSON")
    data = tensor.get("data")
    if not isinstance(data, list):
        raise BadRequest(f"inputs `{name}` data: expected a list, got {describe(data)}")
    while data and isinstance(data[0], list):
        if not all(isinstance(part, list) for part in data):
            raise BadRequest(f"inputs `{name}` data: expected lists of one depth")
        data = [item for part in data for item in part]
    expected = 1
    for size in shape:
        expected *= size
    if len(data) != expected:
        raise BadRequest(f"inputs `{name}` data: expected {expected} values for the shape {shape}, got {len(data)}")
    check = Column(name, str(datatype), True)
    return (
        name,
        str(datatype),
        shape,
        [check.check(item, f"inputs `{name}` data[{index}]") for index, item in enumerate(data)],
    )


def _parameters(part: dict[str, Any], where: str) -> dict[str, Any]:
    value = part.get("parameters")
    if value is not None and not isinstance(value, dict):
        raise BadRequest(f"{where} parameters: expected an object, got {describe(value)}")
    return value or {}


def plain(value: Any) -> Any:
    """*value* made of dicts, lists, strings, numbers, booleans and None (arrays and scalars of numpy are unpacked)."""
    kind = type(value)
    if kind in (float, int, str, bool) or value is None:
        return value
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return [plain(row) for row in value.to_dict("records")]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (int, float, str)):
        return value
    raise TypeError(f"predict: expected values that JSON has, got {kind.__name__}")


def dumps(value: object) -> bytes:
    """JSON bytes; a number that is not finite becomes null, for JSON has none."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":")).encode()


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value


def encode_invocations(predictions: list[Any]) -> bytes:
    return dumps({"predictions": predictions})


def encode_infer(
    request: dict[str, Any], predictions: list[Any], signature: Signature, model: str, version: str
) -> bytes:
    """The answer to an inference request: one tensor for each key of the predictions, or the one tensor `output`."""
    columns: dict[str, list[Any]]
    if predictions and isinstance(predictions[0], dict):
        columns = {name: [row[name] for row in predictions] for name in predictions[0]}
    elif not predictions and signature.outputs is not None:
        columns = {column.name: [] for column in signature.outputs}
    else:
        name = signature.outputs[0].name if signature.outputs and len(signature.outputs) == 1 else "output"
        columns = {name: predictions}
    wanted = request.get("outputs")
    if wanted is not None:
        if not isinstance(wanted, list) or not all(isinstance(item, dict) for item in wanted):
            raise BadRequest(f"outputs: expected a list of objects, got {describe(wanted)}")
        for item in wanted:
            if _parameters(item, "outputs").get("binary_data"):
                raise BadRequest(f"outputs `{item.get('name')}`: binary tensor data is not supported")
            if item.get("name") not in columns:
                raise unknown("outputs", str(item.get("name")), list(columns), "tensor")
        columns = {item["name"]: columns[item["name"]] for item in wanted} or columns
    types = {column.name: column.datatype for column in signature.outputs or ()}
    made: dict[str, Any] = {"model_name": model}
    if version:
        made["model_version"] = version
    if isinstance(request.get("id"), str):
        made["id"] = request["id"]
    made["outputs"] = [_output(name, data, types.get(name, "")) for name, data in columns.items()]
    return dumps(made)


def _output(name: str, data: list[Any], datatype: str) -> dict[str, Any]:
    shape = [len(data)]
    while data and isinstance(data[0], list):
        shape.append(len(data[0]))
        data = [item for part in data for item in part]
    return {
        "name": name,
        "shape": shape,
        "datatype": datatype if datatype in DATATYPES else _type_of(data),
        "data": data,
    }


def _type_of(data: list[Any]) -> str:
    kinds = {type(item) for item in data if item is not None}
    if kinds <= {bool} and kinds:
        return "BOOL"
    if kinds <= {int} and kinds:
        return INTEGERS[3]
    return FLOATS[2] if kinds <= {int, float} else "BYTES"
