import pytest

from teul.errors import InvalidInput
from teul.gpu.requests import GpuRequest, parse


@pytest.mark.parametrize(
    ("value", "request_", "names"),
    [
        ("all", GpuRequest(count=-1), ("all",)),
        ("2", GpuRequest(count=2), ("0", "1")),
        ("device=0", GpuRequest(ids=("0",)), ("0",)),
        ('"device=0,1"', GpuRequest(ids=("0", "1")), ("0", "1")),
        ('"device=GPU-a,1",capabilities=utility', GpuRequest(ids=("GPU-a", "1"), capabilities=("utility",)), ("GPU-a", "1")),
        ("count=all,driver=nvidia", GpuRequest(count=-1, driver="nvidia"), ("all",)),
        ('all,"capabilities=gpu,compute"', GpuRequest(count=-1, capabilities=("compute",)), ("all",)),
        ("driver=nvidia", GpuRequest(count=1, driver="nvidia"), ("0",)),
    ],
)  # fmt: skip
def test_gpus_are_asked_for_in_dockers_words(value, request_, names):
    assert request_ == parse(value)
    assert names == parse(value).names(2)


@pytest.mark.parametrize("value", ["many", "count=2,device=0", "count=1,count=2", "size=3", "1,2"])
def test_what_docker_refuses_is_refused(value):
    with pytest.raises(InvalidInput):
        parse(value)


def test_more_cards_than_there_are_is_said():
    with pytest.raises(InvalidInput, match="3 GPUs are asked for, this host has 1"):
        parse("3").names(1)
