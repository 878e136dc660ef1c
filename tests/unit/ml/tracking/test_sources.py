import pytest

from teul.errors import TrackingInvalid
from teul.ml.tracking.sources import ModelsUri, artifact_path, check_source, parse_models_uri

RUN = "mlflow-artifacts:/1/abc/artifacts"
MODEL = "mlflow-artifacts:/1/models/m-1/artifacts"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://bucket/x", None),
        ("models:/m-0123abc", ModelsUri(model_id="m-0123abc")),
        ("models:/이탈/3", ModelsUri(name="이탈", version="3")),
        ("models:/이탈/Production", ModelsUri(name="이탈", version="Production")),
        ("models:/이탈@champion", ModelsUri(name="이탈", alias="champion")),
    ],
)
def test_a_models_uri_is_read(uri, expected):
    assert expected == parse_models_uri(uri)


@pytest.mark.parametrize("uri", ["models:/", "models:/a/b/c", "models://host/a/1", "models:/a", "models:/a@"])
def test_what_looks_like_a_models_uri_and_is_none_is_refused(uri):
    with pytest.raises(TrackingInvalid):
        parse_models_uri(uri)


@pytest.mark.parametrize(
    ("source", "run_id", "model_id"),
    [
        (f"{RUN}/model", "abc", ""),
        (RUN, "abc", ""),
        ("runs:/abc/model", "abc", ""),
        (f"{MODEL}/x", "", "m-1"),
        ("models:/m-1", "", "m-1"),
        ("models:/이탈/1", "abc", ""),
        ("s3://bucket/model", "", ""),
        ("https://example.com/model.zip", "", ""),
    ],
)
def test_a_source_of_the_caller_is_taken(source, run_id, model_id):
    check_source(
        source, run_id=run_id, run_artifacts=RUN if run_id else "", model_id=model_id,
        model_artifacts=MODEL if model_id else "",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("source", "run_id", "model_id"),
    [
        ("/etc/passwd", "abc", ""),
        ("file:///etc/passwd", "abc", ""),
        ("relative", "abc", ""),
        (f"{RUN}/../../other", "abc", ""),
        (f"{RUN}/%2e%2e/%2e%2e/other", "abc", ""),
        (f"{RUN}/%252e%252e/x", "abc", ""),
        ("mlflow-artifacts:/1/abcd/artifacts", "abc", ""),
        (f"{RUN}2", "abc", ""),
        (RUN, "", ""),
        ("http://here/api/2.0/mlflow-artifacts/artifacts/1/other", "abc", ""),
        ("runs:/abd/model", "abc", ""),
        ("runs:/abc/model", "", "m-1"),
        ("models:/m-2", "", "m-1"),
        ("models:/m-1", "abc", ""),
        ("s3://bucket/../x", "", ""),
        ("s3://bucket/a%00b", "", ""),
    ],
)
def test_a_source_of_somebody_else_is_refused(source, run_id, model_id):
    with pytest.raises(TrackingInvalid):
        check_source(
            source, run_id=run_id, run_artifacts=RUN if run_id else "", model_id=model_id,
            model_artifacts=MODEL if model_id else "",
        )  # fmt: skip


def test_only_our_own_scheme_has_a_path_among_our_artifacts():
    assert artifact_path("mlflow-artifacts:/1/abc/artifacts/%ED%95%9C") == "1/abc/artifacts/한"
    assert artifact_path("s3://bucket/x") is None
