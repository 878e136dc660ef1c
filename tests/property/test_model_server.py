"""Hostile requests: whatever comes, the parsers answer with an error of their own."""

import json
import math
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from teul_model import codec
from teul_model.http1 import Parser, ProtocolError
from teul_model.signature import BadRequest, Signature

LINES = st.sampled_from(
    [
        b"POST /invocations HTTP/1.1\r\n",
        b"GET / HTTP/1.0\r\n",
        b"host: x\r\n",
        b"content-length: 3\r\n",
        b"content-length: 0x3\r\n",
        b"transfer-encoding: chunked\r\n",
        b"transfer-encoding: identity\r\n",
        b"expect: 100-continue\r\n",
        b" folded\r\n",
        b"\r\n",
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"abc",
        b"\n",
        b"\0",
    ]
)


class Customer:
    inputs = {"a": int, "b": float | None, "c": str, "d": bool}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcdx"), inner, max_size=4),
    max_leaves=12,
)
FORMS = st.dictionaries(st.sampled_from([*codec.FORMATS, "params", "columns", "data"]), VALUES, max_size=2)
TENSORS = st.dictionaries(st.sampled_from(["data", "parameters"]), VALUES, max_size=2).flatmap(
    lambda rest: st.fixed_dictionaries(
        {
            "name": st.sampled_from("abcdx") | VALUES,
            "shape": st.lists(st.integers(0, 3), max_size=3) | VALUES,
            "datatype": st.sampled_from(["INT64", "FP64", "BYTES", "BOOL"]) | VALUES,
        }
    ).map(lambda made: {**made, **rest})
)


@given(st.lists(LINES | st.binary(max_size=8), max_size=12), st.integers(1, 40))
def test_no_bytes_crash_the_parser_and_no_cut_changes_the_answer(parts, size):
    stream = b"".join(parts)

    def read(step):
        parser, made = Parser(100), []
        try:
            for start in range(0, len(stream), step):
                parser.feed(stream[start : start + step])
                while (request := parser.next_request()) is not None:
                    made.append((request.method, request.path, request.body))
        except ProtocolError as error:
            made.append(("refused", error.status, ""))
        return made

    assert read(max(1, len(stream))) == read(size)


@given(FORMS | VALUES)
def test_any_json_is_rows_of_the_signature_or_a_bad_request(value):
    for signature in (Signature.of(Customer), Signature()):
        with suppress(BadRequest):
            rows = codec.decode_invocations(json.dumps(value).encode(), signature)
            assert signature.inputs is None or all(list(row) == ["a", "b", "c", "d"] for row in rows)


@given(st.lists(TENSORS, max_size=3))
def test_any_tensors_are_rows_or_a_bad_request(tensors):
    for signature in (Signature.of(Customer), Signature()):
        with suppress(BadRequest):
            codec.decode_infer({"inputs": tensors}, signature)


@given(st.text(alphabet="abcdx,\n\r\"'1.5 ", max_size=60))
def test_any_csv_is_rows_or_a_bad_request(text):
    for signature in (Signature.of(Customer), Signature()):
        with suppress(BadRequest):
            codec.decode_csv(text.encode(), signature)


@given(st.lists(st.floats() | st.lists(st.floats(), max_size=2), max_size=4))
def test_every_answer_is_json(predictions):
    made = json.loads(codec.encode_invocations(predictions))["predictions"]

    for given_, got in zip(predictions, made, strict=True):
        if isinstance(given_, float):
            assert got == (given_ if math.isfinite(given_) else None)
