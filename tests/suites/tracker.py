"""What tracking does, in process and over HTTP alike; a test class derives from `TrackerSuite` and makes the tracker.

A tracker has the methods of `TrackingStore` that are used here.

Source: MLflow 3.17, the answers of its server.
"""

import math

import pytest

from teul.errors import (
    AlreadyExists,
    Conflict,
    InvalidInput,
    NotFound,
)


class TrackerSuite:
    @pytest.fixture
    def tracker(self, tmp_path):
        made = self.make(tmp_path)
        yield made
        made.close()

    def make(self, tmp_path):
        raise NotImplementedError

    @pytest.fixture
    def run(self, tracker):
        return tracker.create_run("0", run_name="첫 실행", start_time=1000).id

    def test_there_is_an_experiment_to_begin_with(self, tracker):
        experiment = tracker.get_experiment("0")

        assert (experiment.name, experiment.artifact_location) == ("Default", "mlflow-artifacts:/0")

    def test_an_experiment_that_was_made_is_found_by_id_and_by_name(self, tracker):
        made = tracker.create_experiment("고객 이탈", tags={"팀": "데이터"})

        assert tracker.get_experiment(made).name == "고객 이탈"
        assert tracker.find_experiment("고객 이탈").id == made
        assert tracker.get_experiment(made).tags == {"팀": "데이터"}
        assert tracker.find_experiment("없음") is None

    def test_a_name_is_taken_once_even_by_a_deleted_experiment(self, tracker):
        made = tracker.create_experiment("a")
        tracker.delete_experiment(made)

        with pytest.raises(AlreadyExists):
            tracker.create_experiment("a")

    @pytest.mark.parametrize("name", ["", "x" * 501])
    def test_an_experiment_name_that_mlflow_refuses_is_refused(self, tracker, name):
        with pytest.raises(InvalidInput):
            tracker.create_experiment(name)

    def test_a_deleted_experiment_takes_its_runs_along_and_brings_them_back(self, tracker):
        made = tracker.create_experiment("a")
        run = tracker.create_run(made).id
        tracker.delete_experiment(made)

        assert tracker.get_experiment(made).lifecycle_stage == "deleted"
        assert tracker.get_run(run).lifecycle_stage == "deleted"
        with pytest.raises(InvalidInput):
            tracker.create_run(made)

        tracker.restore_experiment(made)

        assert tracker.get_run(run).lifecycle_stage == "active"

    def test_experiments_are_searched_by_name_tag_and_id(self, tracker):
        one = tracker.create_experiment("이탈 하나", tags={"k": "v"})
        two = tracker.create_experiment("이탈 둘")

        def found(text):
            return [item.id for item in tracker.search_experiments(filter_text=text, order_by=["name ASC"]).items]

        assert found("name LIKE '이탈%'") == [two, one]
        assert found("tags.k = 'v'") == [one]
        assert found("tags.k IS NULL AND name != 'Default'") == [two]
        assert found(f"experiment_id IN ('{one}', '{two}')") == [two, one]

    def test_a_run_without_a_name_gets_one(self, tracker):
        run = tracker.create_run("0")

        assert run.name
        assert run.tags["mlflow.runName"] == run.name

    def test_a_run_begins_as_running_and_ends_as_told(self, tracker, run):
        assert tracker.get_run(run).status == "RUNNING"

        ended = tracker.update_run(run, status="FAILED", end_time=2000)

        assert (ended.status, ended.end_time) == ("FAILED", 2000)
        assert tracker.get_run(run).start_time == 1000

    def test_the_name_of_a_run_and_its_tag_are_one(self, tracker, run):
        tracker.set_tag(run, "mlflow.runName", "둘째")
        assert tracker.get_run(run).name == "둘째"

        tracker.update_run(run, run_name="셋째")
        assert tracker.get_run(run).tags["mlflow.runName"] == "셋째"

    def test_a_run_that_is_not_there_is_not_found(self, tracker):
        with pytest.raises(NotFound):
            tracker.get_run("f" * 32)
        with pytest.raises(NotFound):
            tracker.log_metric("f" * 32, "m", 1.0)

    def test_the_latest_metric_has_the_greatest_step_then_time_then_value(self, tracker, run):
        for value, step, timestamp in ((5.0, 1, 10), (1.0, 2, 5), (2.0, 2, 6), (1.5, 2, 6), (9.0, 0, 99)):
            tracker.log_metric(run, "m", value, step=step, timestamp=timestamp)

        assert tracker.get_run(run).metric("m") == 2.0

    def test_a_metric_that_comes_twice_is_there_once(self, tracker, run):
        for _ in range(3):
            tracker.log_metric(run, "m", 1.0, step=1, timestamp=10)
            tracker.log_metric(run, "n", math.nan, step=1, timestamp=10)

        assert len(tracker.metric_history(run, "m")) == 1
        assert len(tracker.metric_history(run, "n")) == 1

    @pytest.mark.parametrize("value", [math.inf, -math.inf, 1e308, 5e-324, -0.0, 0.1])
    def test_a_metric_comes_back_as_it_was_logged(self, tracker, run, value):
        tracker.log_metric(run, "손실", value, timestamp=10)

        assert tracker.get_run(run).metric("손실") == value
        assert [point.value for point in tracker.metric_history(run, "손실")] == [value]

    def test_nan_comes_back_as_nan(self, tracker, run):
        tracker.log_metric(run, "m", math.nan, timestamp=10)

        assert math.isnan(tracker.get_run(run).metric("m"))
        assert math.isnan(tracker.metric_history(run, "m")[0].value)

    def test_history_is_in_the_order_of_time_step_and_value(self, tracker, run):
        for value, step, timestamp in ((3.0, 1, 20), (1.0, 5, 10), (2.0, 0, 20)):
            tracker.log_metric(run, "m", value, step=step, timestamp=timestamp)

        assert [point.value for point in tracker.metric_history(run, "m")] == [1.0, 2.0, 3.0]

    def test_negative_steps_are_steps(self, tracker, run):
        tracker.log_metric(run, "m", 1.0, step=-5, timestamp=1)

        assert tracker.metric_history(run, "m")[0].step == -5

    @pytest.mark.parametrize("key", ["", "a!b", "../x", "/x", "a//b", "a/./b", "k" * 251, "a\\b", "a\nb"])
    def test_a_metric_key_that_mlflow_refuses_is_refused(self, tracker, run, key):
        with pytest.raises(InvalidInput):
            tracker.log_metric(run, key, 1.0)

    @pytest.mark.parametrize("key", ["k" * 250, "한글 키", "a/b", "a.b-c_d:e", "val/정확도"])
    def test_a_metric_key_that_mlflow_takes_is_taken(self, tracker, run, key):
        tracker.log_metric(run, key, 1.0)

        assert tracker.get_run(run).metric(key) == 1.0

    def test_a_param_is_written_once(self, tracker, run):
        tracker.log_param(run, "깊이", "6")
        tracker.log_param(run, "깊이", "6")
        with pytest.raises(InvalidInput, match="Changing param values is not allowed"):
            tracker.log_param(run, "깊이", "7")

        assert tracker.get_run(run).params == {"깊이": "6"}

    def test_long_values_are_cut_as_mlflow_cuts_them(self, tracker, run):
        tracker.log_param(run, "p", "v" * 7000)
        tracker.set_tag(run, "t", "v" * 9000)

        found = tracker.get_run(run)
        assert (len(found.params["p"]), len(found.tags["t"])) == (6000, 8000)

    def test_a_tag_is_written_again_and_taken_away(self, tracker, run):
        tracker.set_tag(run, "t", "1")
        tracker.set_tag(run, "t", "2")
        assert tracker.get_run(run).tags["t"] == "2"

        tracker.delete_tag(run, "t")

        assert "t" not in tracker.get_run(run).tags
        with pytest.raises(NotFound):
            tracker.delete_tag(run, "t")

    def test_a_batch_is_all_or_nothing(self, tracker, run):
        tracker.log_param(run, "p", "1")
        with pytest.raises(InvalidInput):
            tracker.log_batch(run, points=[_point("m", 1.0)], params={"p": "2"}, tags={"t": "x"})

        found = tracker.get_run(run)
        assert (found.metrics, "t" in found.tags) == ((), False)

    def test_a_batch_is_logged(self, tracker, run):
        tracker.log_batch(
            run, points=[_point(f"m{index}", float(index)) for index in range(900)], params={"p": "1"}, tags={"t": "x"}
        )

        found = tracker.get_run(run)
        assert len(found.metrics) == 900
        assert (found.params, found.tags["t"]) == ({"p": "1"}, "x")

    def test_a_batch_larger_than_mlflows_is_refused(self, tracker, run):
        with pytest.raises(InvalidInput, match="at most 1000 metrics"):
            tracker.log_batch(run, points=[_point(f"m{index}", 1.0) for index in range(1001)])
        with pytest.raises(InvalidInput, match="at most 100 params"):
            tracker.log_batch(run, params={f"p{index}": "1" for index in range(101)})

    def test_twelve_thousand_metrics_are_one_run(self, tracker, run):
        for start in range(0, 12_000, 1000):
            tracker.log_batch(run, points=[_point(f"m{start + index}", 1.0) for index in range(1000)])

        assert len(tracker.get_run(run).metrics) == 12_000

    def test_a_deleted_run_takes_nothing_until_it_is_restored(self, tracker, run):
        tracker.delete_run(run)
        with pytest.raises(InvalidInput):
            tracker.log_metric(run, "m", 1.0)
        assert tracker.search_runs(["0"]).items == ()
        assert [item.id for item in tracker.search_runs(["0"], view="DELETED_ONLY").items] == [run]

        tracker.restore_run(run)
        tracker.log_metric(run, "m", 1.0)

        assert [item.id for item in tracker.search_runs(["0"]).items] == [run]

    @pytest.fixture
    def many(self, tracker):
        """Ten runs: f1 0.0 … 0.9 (the fourth NaN, the fifth none), kind tree or linear, newest last."""
        made = []
        for index in range(10):
            run = tracker.create_run("0", run_name=f"run {index}", start_time=1000 + index).id
            if index != 4:
                tracker.log_metric(run, "f1", math.nan if index == 3 else index / 10, timestamp=1)
            tracker.log_param(run, "kind", "tree" if index % 2 else "linear")
            tracker.set_tag(run, "단계", f"s{index}")
            made.append(run)
        return made

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("metrics.f1 > 0.6", {7, 8, 9}),
            ("metrics.f1 >= 0.6 AND params.kind = 'tree'", {7, 9}),
            ("metric.`f1` < 0.2 and param.kind != 'tree'", {0}),
            ("metrics.f1 != 0.9", {0, 1, 2, 3, 5, 6, 7, 8}),
            ("metrics.f1 = 0", {0}),
            ("tags.`단계` LIKE 's_'", set(range(10))),
            ("tags.단계 ILIKE 'S9'", {9}),
            ("tags.단계 LIKE 'S9'", set()),
            ("attributes.run_name = 'run 3'", {3}),
            ("run_name LIKE 'run%' and start_time > 1007", {8, 9}),
            ("`run name` = 'run 1'", {1}),
            ("tags.none IS NULL and params.kind IS NOT NULL", set(range(10))),
            ('params.kind = "tree" and metrics.f1 < 1e-1', set()),
            ("status = 'RUNNING' AND start_time <= 1000", {0}),
        ],
    )
    def test_runs_are_searched(self, tracker, many, text, expected):
        found = tracker.search_runs(["0"], filter_text=text).items

        assert {many.index(run.id) for run in found} == expected

    @pytest.mark.parametrize(
        ("order", "expected"),
        [
            ([], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
            (["start_time ASC"], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
            (["metrics.f1 DESC"], [9, 8, 7, 6, 5, 2, 1, 0, 3, 4]),
            (["metrics.f1 ASC"], [0, 1, 2, 5, 6, 7, 8, 9, 3, 4]),
            (["params.kind ASC", "metrics.`f1` DESC"], [8, 6, 2, 0, 4, 9, 7, 5, 1, 3]),
            (["tags.`단계`"], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ],
    )
    def test_runs_are_ordered_with_nan_and_nothing_last(self, tracker, many, order, expected):
        found = tracker.search_runs(["0"], order_by=order).items

        assert [many.index(run.id) for run in found] == expected

    def test_pages_hold_every_run_once(self, tracker, many):
        token, pages = "", []
        while True:
            page = tracker.search_runs(["0"], max_results=4, token=token)
            pages.append([run.id for run in page.items])
            token = page.token
            if not token:
                break

        assert [len(page) for page in pages] == [4, 4, 2]
        assert {run for page in pages for run in page} == set(many)

    @pytest.mark.parametrize(
        "text",
        [
            "metrics.f1 >",
            "metrics.f1 > 'a'",
            "params.kind = 5",
            "params.kind > 'a'",
            "nope.f1 > 1",
            "attributes.nope = 'a'",
            "metrics.f1 > 1 OR metrics.f1 < 0",
            "metrics.f1 > 1; DROP TABLE runs",
            "'a' = 'a'",
            "run_id IN ()",
            "status IN ('RUNNING')",
            "(metrics.f1 > 1)",
        ],
    )
    def test_a_filter_that_is_none_is_refused(self, tracker, text):
        with pytest.raises(InvalidInput):
            tracker.search_runs(["0"], filter_text=text)

    def test_a_page_token_of_somebody_else_is_refused(self, tracker):
        with pytest.raises(InvalidInput):
            tracker.search_runs(["0"], token="nonsense!")

    def test_an_artifact_comes_back_as_it_was_logged(self, tracker, run):
        tracker.log_artifact(run, "모델/가중치.bin", b"\0\1\2" * 1000)
        tracker.log_artifact(run, "모델/빈 파일", b"")
        tracker.log_artifact(run, "metrics.json", b"{}")

        assert tracker.read_artifact(run, "모델/가중치.bin") == b"\0\1\2" * 1000
        assert tracker.read_artifact(run, "모델/빈 파일") == b""
        assert [(item.path, item.is_dir) for item in tracker.list_artifacts(run)] == [
            ("metrics.json", False),
            ("모델", True),
        ]
        assert [(item.path.rpartition("/")[2], item.size_bytes) for item in tracker.list_artifacts(run, "모델")] == [
            ("가중치.bin", 3000),
            ("빈 파일", 0),
        ]

    def test_an_artifact_is_replaced_by_the_next_of_its_name(self, tracker, run):
        tracker.log_artifact(run, "a", b"one")
        tracker.log_artifact(run, "a", b"two")

        assert tracker.read_artifact(run, "a") == b"two"

    @pytest.mark.parametrize("path", ["../x", "a/../../x", "a/..", "..", "a\0b", "a\\b", "%2e%2e/x", "a/./b"])
    def test_a_hostile_artifact_path_is_refused(self, tracker, run, path):
        with pytest.raises((InvalidInput, NotFound)):
            tracker.log_artifact(run, path, b"x")

        assert tracker.list_artifacts(run) == []

    def test_a_file_is_no_folder(self, tracker, run):
        tracker.log_artifact(run, "a", b"x")
        with pytest.raises(InvalidInput):
            tracker.log_artifact(run, "a/b", b"x")
        tracker.log_artifact(run, "c/d", b"x")
        with pytest.raises(InvalidInput):
            tracker.log_artifact(run, "c", b"x")

    def test_an_artifact_that_is_not_there_is_not_found(self, tracker, run):
        with pytest.raises(NotFound):
            tracker.read_artifact(run, "none")

    def test_versions_count_up_and_are_never_given_twice(self, tracker):
        tracker.create_registered_model("이탈")
        for expected in (1, 2):
            assert tracker.create_model_version("이탈", "s3://bucket/x").version == expected
        tracker.delete_model_version("이탈", 2, who="me")

        assert tracker.create_model_version("이탈", "s3://bucket/x").version == 3
        with pytest.raises(NotFound):
            tracker.get_model_version("이탈", 2)

    @pytest.mark.parametrize("name", ["", " ", "a/b", "a:b", ".."])
    def test_a_model_name_that_mlflow_refuses_is_refused(self, tracker, name):
        with pytest.raises(InvalidInput):
            tracker.create_registered_model(name)

    def test_a_model_name_is_taken_once(self, tracker):
        tracker.create_registered_model("이탈")
        with pytest.raises(AlreadyExists):
            tracker.create_registered_model("이탈")

    @pytest.fixture
    def model(self, tracker):
        tracker.create_registered_model("이탈")
        for _ in range(3):
            tracker.create_model_version("이탈", "s3://bucket/x")
        return "이탈"

    def test_an_alias_points_at_one_version_and_moves(self, tracker, model):
        assert tracker.alias(model, "champion") is None
        tracker.set_alias(model, "champion", 1, who="me", reason="first")
        tracker.set_alias(model, "champion", 3, who="me", reason="better")

        assert tracker.alias(model, "champion").version == 3
        assert tracker.get_model_version(model, 1).aliases == ()
        assert tracker.get_registered_model(model).aliases == {"champion": 3}

        tracker.delete_alias(model, "champion", who="me")

        assert tracker.alias(model, "champion") is None

    @pytest.mark.parametrize("alias", ["latest", "Latest", "v1", "V22", "a b", "", "x" * 256])
    def test_an_alias_that_mlflow_reserves_or_refuses_is_refused(self, tracker, model, alias):
        with pytest.raises(InvalidInput):
            tracker.set_alias(model, alias, 1, who="me")

    def test_an_alias_of_a_version_that_is_not_there_is_refused(self, tracker, model):
        with pytest.raises(NotFound):
            tracker.set_alias(model, "champion", 9, who="me")

    def test_a_deleted_version_takes_its_aliases_along(self, tracker, model):
        tracker.set_alias(model, "champion", 2, who="me")
        tracker.delete_model_version(model, 2, who="me")

        assert tracker.alias(model, "champion") is None

    def test_a_version_whose_gate_failed_does_not_become_production(self, tracker, model):
        tracker.set_alias(model, "production", 1, who="me")
        self.judge(tracker, model, 2, passed=False)

        for alias in ("production", "Production"):
            with pytest.raises(Conflict):
                tracker.set_alias(model, alias, 2, who="me")
        tracker.set_alias(model, "challenger", 2, who="me")

        assert tracker.alias(model, "production").version == 1

    def test_a_version_whose_gate_passed_becomes_production(self, tracker, model):
        self.judge(tracker, model, 2, passed=False)
        self.judge(tracker, model, 2, passed=True)
        tracker.set_alias(model, "production", 2, who="me")

        assert tracker.alias(model, "production").version == 2

    def judge(self, tracker, model, version, *, passed):
        """Keep a verdict; MLflow's API has no word for it."""
        tracker.set_gate(model, version, passed, [{"gate": "test.recall >= 0.5", "passed": passed}])

    def test_models_and_versions_are_searched(self, tracker, model):
        tracker.create_registered_model("다른 것", tags={"팀": "영상"})
        tracker.set_model_version_tag(model, 2, "검증", "통과")

        def models(text):
            return [item.name for item in tracker.search_registered_models(filter_text=text).items]

        def versions(text):
            return [item.version for item in tracker.search_model_versions(filter_text=text).items]

        assert models("name LIKE '이%'") == ["이탈"]
        assert models("tags.`팀` = '영상'") == ["다른 것"]
        assert sorted(versions(f"name = '{model}'")) == [1, 2, 3]
        assert versions("tags.검증 = '통과'") == [2]
        assert sorted(versions("version_number >= 2")) == [2, 3]

    def test_a_renamed_model_keeps_its_versions_and_aliases(self, tracker, model):
        tracker.set_alias(model, "champion", 2, who="me")
        tracker.rename_registered_model(model, "새 이름")

        assert tracker.alias("새 이름", "champion").version == 2
        with pytest.raises(NotFound):
            tracker.get_registered_model(model)

    def test_steps_out_of_order_and_clocks_that_jump_leave_the_latest_step(self, tracker, run):
        for step, timestamp in ((5, 9_000), (1, 20_000), (9, 10), (3, 4_102_444_800_000)):
            tracker.log_metric(run, "m", float(step), step=step, timestamp=timestamp)

        assert tracker.get_run(run).metric("m") == 9.0
        assert [point.timestamp for point in tracker.metric_history(run, "m")] == [10, 9_000, 20_000, 4_102_444_800_000]

    def test_infinities_come_back_as_they_were(self, tracker, run):
        for step, value in enumerate((math.inf, 0.0, -math.inf)):
            tracker.log_metric(run, "무한", value, step=step, timestamp=1)

        assert [point.value for point in tracker.metric_history(run, "무한")] == [math.inf, 0.0, -math.inf]
        assert tracker.get_run(run).metric("무한") == -math.inf

    def test_a_key_may_have_250_letters_of_any_script(self, tracker, run):
        key = "가" * 250
        tracker.log_metric(run, key, 1.0, step=0, timestamp=1)
        tracker.log_param(run, key, "값")

        assert tracker.get_run(run).metric(key) == 1.0
        with pytest.raises(InvalidInput):
            tracker.log_metric(run, key + "가", 1.0, step=0, timestamp=1)


def _point(key, value):
    from teul.ml.tracking.values import Metric

    return Metric(key, value, 1)
