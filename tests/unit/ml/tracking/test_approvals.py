import pytest

from teul.errors import GateFailed, NotApproved, TrackingNotFound
from teul.ml.tracking import TrackingStore, registry
from teul.ml.tracking.alias_history import STAGE
from teul.ml.tracking.aliases import periods
from teul.ml.tracking.app import TrackingApp
from teul.ml.tracking.database import RowConflict
from unit.ml.tracking.asgi import Client


@pytest.fixture
def store(tmp_path):
    with TrackingStore.open(str(tmp_path / "tracking.db")) as made:
        made.create_registered_model("churn")
        for _ in range(3):
            made.create_model_version("churn", "s3://x")
        yield made


def promote(store, version, **more):
    store.set_alias("churn", "production", version, who="kim", **more)


def test_where_nobody_asks_for_an_approval_none_is_needed(store):
    promote(store, 1)

    assert store.alias("churn", "production").version == 1


def test_what_needs_an_approval_is_let_in_only_with_one(store):
    store.require_approval("churn", True)
    with pytest.raises(NotApproved, match="no approval"):
        promote(store, 1)
    with pytest.raises(NotApproved):
        registry.transition_stage(store.db, "churn", 1, "Production")
    store.set_alias("churn", "champion", 1, who="kim")

    store.decide("churn", 1, "approved", who="lee", reason="좋음")
    promote(store, 1)

    (change,) = store.alias_history("churn", alias="production")
    assert (change.version, change.who, change.approved_by) == (1, "kim", "lee")


def test_a_rejected_version_stays_out_until_somebody_says_otherwise(store):
    store.decide("churn", 1, "rejected", who="lee", reason="leak")
    with pytest.raises(NotApproved, match="rejected"):
        promote(store, 1)

    store.decide("churn", 1, "approved", who="park")
    promote(store, 1)

    assert [(item.verdict, item.who) for item in store.approvals("churn", 1)] == [
        ("rejected", "lee"),
        ("approved", "park"),
    ]


def test_a_rejection_needs_a_reason(store):
    with pytest.raises(NotApproved, match="reason"):
        store.decide("churn", 1, "rejected", who="lee")


def test_nobody_approves_what_failed_its_gate(store):
    store.set_gate("churn", 1, False, [])

    with pytest.raises(GateFailed):
        store.decide("churn", 1, "approved", who="lee")


def test_what_was_said_cannot_be_unsaid(store):
    store.decide("churn", 1, "rejected", who="lee", reason="x")
    for statement in (
        "DELETE FROM approvals",
        "UPDATE approvals SET who = 'me'",
        "UPDATE alias_history SET who = 'me'",
    ):
        promote(store, 2)
        with pytest.raises(RowConflict), store.db.write():
            store.db.execute(statement)


def test_the_stock_client_is_answered_as_our_command_is(store):
    store.require_approval("churn", True)
    client = Client(TrackingApp(store))

    body = {"name": "churn", "alias": "production", "version": "1"}
    status, answer = client.ask("POST", "registered-models/alias", body)
    staged = client.ask(
        "POST", "model-versions/transition-stage", {"name": "churn", "version": "1", "stage": "Production"}
    )

    with pytest.raises(NotApproved) as refused:
        promote(store, 1)
    assert (status, answer["error_code"]) == (409, "RESOURCE_CONFLICT")
    assert answer["message"].startswith(str(refused.value))
    assert staged[0] == 409


def test_rollback_goes_back_and_further_back_and_not_forth(store):
    for version in (1, 2, 3):
        promote(store, version)

    assert store.rollback("churn", "production", who="kim") == (3, 2)
    assert store.rollback("churn", "production", who="kim", reason="bad") == (2, 1)
    with pytest.raises(TrackingNotFound, match="no version before"):
        store.rollback("churn", "production", who="kim")

    assert [(c.version, c.reason) for c in store.alias_history("churn")][3:] == [
        (2, "rolled back from version 3"),
        (1, "bad"),
    ]


def test_rollback_passes_over_what_may_not_be_in_production_any_more(store):
    for version in (1, 2, 3):
        promote(store, version)
    store.set_gate("churn", 2, False, [])

    assert store.rollback("churn", "production", who="kim") == (3, 1)


def test_history_keeps_the_gate_as_it_was_when_it_let_the_version_in(store):
    store.set_gate("churn", 1, True, [{"gate": "recall >= 0.5", "passed": True}])
    promote(store, 1)
    store.set_gate("churn", 1, False, [{"gate": "recall >= 0.9", "passed": False}])
    promote(store, 2)
    store.delete_alias("churn", "production", who="kim")

    found = periods(store.alias_history("churn", alias="production"))

    assert [(change.version, change.gate, change.gate_report) for change, _ in found] == [
        (1, "passed", ({"gate": "recall >= 0.5", "passed": True},)),
        (2, "", ()),
    ]
    assert all(until is not None and until >= change.at for change, until in found)


@pytest.mark.parametrize(
    "source", ["models:/churn/1", "models:/churn@candidate", "{uri}/model", "{uri}/model/", "runs:/{run}/model"]
)
def test_what_failed_its_gate_has_failed_it_under_another_number_and_name_too(store, source):
    run = store.create_run("0")
    store.log_artifact(run.id, "model/MLmodel", b"flavors: {}")
    store.create_registered_model("other")
    (client, named) = (Client(TrackingApp(store)), {"uri": run.artifact_uri, "run": run.id})
    failed = store.create_model_version("churn", "{uri}/model".format(**named), run_id=run.id)
    store.create_model_version("churn", f"{run.artifact_uri}/another", run_id=run.id)
    source = source.replace("churn/1", f"churn/{failed.version}").format(**named)
    store.set_alias("churn", "candidate", failed.version, who="kim")
    store.set_gate("churn", failed.version, False, [{"gate": "auc >= 0.9", "passed": False}])

    for name in ("churn", "other"):
        given = {} if source.startswith("models:") else {"run_id": run.id}
        status, made = client.ask("POST", "model-versions/create", {"name": name, "source": source, **given})
        assert status == 200
        wanted = {"name": name, "version": made["model_version"]["version"]}
        assert client.ask("POST", "registered-models/alias", {**wanted, "alias": "production"})[0] == 409
        assert client.ask("POST", "model-versions/transition-stage", {**wanted, "stage": "Production"})[0] == 409
        version = store.get_model_version(name, wanted["version"])
        assert (version.gate, version.gate_report) == ("failed", ({"gate": "auc >= 0.9", "passed": False},))
    promote(store, failed.version + 1)


def test_promotion_by_stages_is_in_the_history_too(store):
    """What the stage means is its newest version, whichever way that changes."""
    client = Client(TrackingApp(store))

    def move(version, stage, archive=False):
        body = {"name": "churn", "version": version, "stage": stage, "archive_existing_versions": archive}
        assert client.ask("POST", "model-versions/transition-stage", body)[0] == 200

    store.set_gate("churn", 1, True, [{"gate": "auc >= 0.9", "passed": True}])
    move("1", "Production")
    move("2", "Staging")
    move("2", "Production")
    move("1", "Archived")
    move("3", "Production", archive=True)
    store.delete_model_version("churn", 3, who="kim")

    changes = store.alias_history("churn", alias=STAGE)
    assert [(item.previous, item.version, item.gate) for item in changes] == [
        (None, 1, "passed"),
        (1, 2, ""),
        (2, 3, ""),
        (3, None, ""),
    ]
    assert changes[0].who == "client at 10.88.0.7"
    assert [(item.version, until is None) for item, until in periods(changes)] == [(1, False), (2, False), (3, False)]
    move("1", "Production")
    store.delete_registered_model("churn", who="kim")
    assert store.alias_history("churn")[-1].version is None
