"""Subnets of other state folders."""

from teul.network import claims
from teul.network.claims import Claim


def test_claims_are_read_as_they_were_written_and_given_back(tmp_path):
    folder = str(tmp_path / "subnets")
    claim = Claim("172.20.0.0/20", str(tmp_path), {"name": "bridge"})
    with claims.lock(folder):
        claims.write(folder, claim)

    assert claims.read(folder) == [claim]
    claims.release(folder, claim.subnet)
    claims.release(folder, claim.subnet)
    assert claims.read(folder) == []


def test_a_claim_is_stale_when_its_state_folder_is_gone(tmp_path):
    assert not Claim("172.20.0.0/20", str(tmp_path), {}).is_stale
    assert Claim("172.20.0.0/20", str(tmp_path / "gone"), {}).is_stale


def test_a_damaged_claim_is_none(tmp_path):
    (tmp_path / "172.20.0.0_20").write_text("{")

    assert claims.read(str(tmp_path)) == []
    assert claims.read(str(tmp_path / "none")) == []
