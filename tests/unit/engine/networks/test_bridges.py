"""The marks that say what a network has already."""

import os

import pytest

from teul.engine.networks import bridges
from teul.network.netavark import Network

ONE, TWO = (
    Network(id=word * 64, name=word, bridge=f"tl{word}", subnet=f"10.0.{number}.0/24", gateway=f"10.0.{number}.1")
    for number, word in enumerate("ab")
)


@pytest.fixture(autouse=True)
def kept(monkeypatch):
    made = []
    monkeypatch.setattr(bridges, "keep_address", made.append)
    return made


def test_the_first_on_a_network_makes_its_rules_alone_and_the_others_need_no_lock(engine, kept):
    first = bridges.first_lock(engine, [ONE])
    assert first is not None
    bridges.has_rules(engine, [ONE])
    first.release()

    assert bridges.first_lock(engine, [ONE]) is None
    assert kept == ["tla"]
    bridges.has_rules(engine, [ONE])
    assert kept == ["tla"]


def test_one_network_without_rules_is_enough_for_the_lock(engine):
    bridges.has_rules(engine, [ONE])

    lock = bridges.first_lock(engine, [ONE, TWO])
    assert lock is not None
    lock.release()


def test_the_lock_is_the_hosts_and_not_the_state_folders(engine):
    with bridges.lock(engine):
        assert os.path.exists(f"{os.path.dirname(engine.settings.run_root)}/networks.lock")
