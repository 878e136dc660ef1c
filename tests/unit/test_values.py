"""`teul.values` behaves as the standard library's frozen, slotted dataclasses do."""

import dataclasses
import os
import pickle
import subprocess
import sys

import pytest

import teul
from teul.values import dataclass, field, fields, replace


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    name: str
    tags: dict = field(default_factory=dict)

    def __len__(self):
        return len(self.name)


@dataclass(frozen=True, slots=True)
class Deep(Point):
    z: int = 5


def test_values_are_equal_by_their_fields():
    assert Point(1, 2) == Point(1, y=2)
    assert Point(1) != Point(2)
    assert hash(Point(1, 2)) == hash(Point(1, 2))
    assert Point(1) != Named(name="1")


def test_values_cannot_be_changed():
    with pytest.raises(AttributeError):
        Point(1).x = 2
    with pytest.raises(AttributeError):
        del Point(1).x
    with pytest.raises(AttributeError):
        Point(1).other = 2


@pytest.mark.parametrize(
    ("args", "given"), [((), {}), ((1, 2, 3), {}), ((1,), {"x": 2}), ((1,), {"z": 2}), ((), {"y": 1})]
)
def test_wrong_arguments_are_type_errors(args, given):
    with pytest.raises(TypeError):
        Point(*args, **given)


def test_keyword_only_fields_take_no_position():
    with pytest.raises(TypeError):
        Named("a")


def test_a_default_factory_makes_a_new_value_each_time():
    assert Named(name="a").tags is not Named(name="b").tags


def test_fields_of_a_base_come_first():
    assert fields(Deep) == ("x", "y", "z")
    assert Deep(1, 2, 3) == Deep(x=1, y=2, z=3)
    assert repr(Deep(1)) == "Deep(x=1, y=0, z=5)"


def test_replace_changes_some_fields():
    assert Point(1, 9) == replace(Point(1, 2), y=9)
    with pytest.raises(TypeError):
        replace(Point(1), z=1)


def test_the_standard_library_knows_these_values():
    assert Point(1, 9) == dataclasses.replace(Point(1, 2), y=9)
    assert dataclasses.asdict(Point(1, 2)) == {"x": 1, "y": 2}
    assert dataclasses.is_dataclass(Point)
    assert [item.name for item in dataclasses.fields(Named)] == ["name", "tags"]


def test_values_are_pickled_and_matched():
    assert Point(1, 2) == pickle.loads(pickle.dumps(Point(1, 2)))
    match Point(1, 2):
        case Point(x, 2):
            assert x == 1
        case _:
            pytest.fail("no match")


def test_it_imports_nothing():
    program = "import sys; before = set(sys.modules); import teul.values; print(*sorted(set(sys.modules) - before))"
    # Without `site` an installed teul is not found by itself.
    environ = {"PYTHONPATH": os.path.dirname(os.path.dirname(teul.__file__))}
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, env=environ, check=True
    )

    assert done.stdout.split() == ["__future__", "teul", "teul.values"]
