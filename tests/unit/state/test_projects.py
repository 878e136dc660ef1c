"""Projects and the record of what served when."""

import pytest

from teul.state import projects
from teul.state.db import Database


@pytest.fixture
def db(tmp_path):
    made = Database.open(str(tmp_path / "state.db"))
    yield made
    made.close()


def test_a_project_is_remembered_by_name_and_folder(db):
    projects.remember(db, "churn", "/work/churn", {"candidate": "1"})
    projects.remember(db, "churn", "/work/moved", {"candidate": "2"})

    assert (lambda row: (row.name, row.folder, row.data))(projects.find_by_folder(db, "/work/moved")) == (
        "churn",
        "/work/moved",
        {"candidate": "2"},
    )
    assert projects.find_by_folder(db, "/work/churn") is None
    assert projects.find(db, "other") is None


def test_an_equal_row_is_not_written_again(db):
    projects.remember(db, "churn", "/work/churn", {"a": 1})
    before = projects.find(db, "churn")
    projects.remember(db, "churn", "/work/churn", {"a": 1})

    assert before == projects.find(db, "churn")


def test_one_deployment_serves_at_a_time_and_none_is_forgotten(db):
    for version in ("1", "2"):
        projects.begin_deployment(
            db, "p", model="m", version=version, image=f"sha256:{version}", container=f"c{version}", reason="why"
        )
    first, second = projects.deployments(db, "p")

    assert (first.version, second.version) == ("1", "2")
    assert first.ended_at == second.started_at
    assert second == projects.current_deployment(db, "p")

    projects.end_deployment(db, "p")
    assert projects.current_deployment(db, "p") is None
    assert len(projects.deployments(db, "p")) == 2
