"""What joining or leaving a network writes into a container's record."""

import pytest

from teul.engine.containers.lookup import change, reread
from teul.engine.containers.record import Container
from teul.engine.networks import membership
from teul.errors import ContainerNotFound
from teul.network.netavark import Endpoint
from teul.state import containers as rows
from teul.values import replace

HERE = Container(id="a" * 64, name="web", image="sha256:0", image_name="app", created_at=1.0)


def test_a_place_is_written_and_what_others_wrote_meanwhile_stays(engine):
    rows.insert(engine.db, HERE.to_row())
    change(engine, HERE.id, {"stopped": True, "status": "exited", "exit_code": 9})

    membership._remember(engine, replace(HERE, places=(Endpoint(network="mine"),)))

    found = reread(engine, HERE.id)
    assert (found.stopped, found.status, found.exit_code) == (True, "exited", 9)
    assert list(found.networks) == ["mine"]


def test_a_container_that_was_removed_meanwhile_is_not_written_again(engine):
    with pytest.raises(ContainerNotFound):
        membership._remember(engine, HERE)

    assert reread(engine, HERE.id) is None
