"""Subnets, addresses and how they are chosen."""

import pytest

from teul.errors import Conflict, InvalidInput
from teul.network.addresses import POOLS, Subnet, choose_address, choose_subnet, number, overlapping, show


def test_subnets_are_read_and_written():
    assert str(Subnet.parse("172.20.3.4/20")) == "172.20.0.0/20"
    assert Subnet.parse("172.20.0.0/20").gateway == "172.20.0.1"
    assert "172.20.15.255" in Subnet.parse("172.20.0.0/20")
    assert "172.20.16.0" not in Subnet.parse("172.20.0.0/20")


@pytest.mark.parametrize(
    "word", ["", "10.0.0.0", "10.0.0/8", "10.0.0.0/31", "10.0.0.0/x", "300.0.0.0/8", "fd00::/127", "fd00::x/64"]
)
def test_what_is_no_subnet_is_refused(word):
    with pytest.raises(InvalidInput):
        Subnet.parse(word)


def test_addresses_are_numbers():
    assert number("172.20.0.1") == 0xAC140001
    assert show(0xAC140001) == "172.20.0.1"


def test_the_chosen_subnet_overlaps_nothing_that_is_taken():
    taken = []
    for seed in range(40):
        chosen = choose_subnet(taken, seed)
        assert overlapping(chosen, taken) is None
        taken.append(chosen)


def test_two_state_folders_choose_differently():
    assert choose_subnet([], 1) != choose_subnet([], 2)


def test_the_next_pool_is_taken_when_one_is_routed_elsewhere():
    whole = [Subnet(number(start), prefix) for start, prefix in POOLS[:2]]

    assert str(choose_subnet(whole, 0)).startswith("10.")


def test_no_subnet_left_says_so():
    with pytest.raises(Conflict):
        choose_subnet([Subnet.parse("0.0.0.0/8"), *[Subnet(number(start), prefix) for start, prefix in POOLS]], 3)


def test_addresses_are_given_from_the_lowest():
    block = Subnet.parse("10.1.1.0/29")

    assert choose_address(block, {"10.1.1.1"}) == "10.1.1.2"
    assert choose_address(block, {"10.1.1.2", "10.1.1.3"}) == "10.1.1.4"
    with pytest.raises(Conflict):
        choose_address(block, {f"10.1.1.{last}" for last in range(2, 7)})
