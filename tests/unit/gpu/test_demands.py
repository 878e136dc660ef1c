import pytest

from teul.gpu import demands


@pytest.mark.parametrize(
    ("value", "driver", "said"),
    [
        ("cuda>=12.4", "550.54.15", ""),
        ("cuda>=12.4", "535.1", "cuda>=12.4"),
        ("cuda>=13.0", "550.54.15", "cuda>=13.0"),
        ("cuda>=12.4 brand=tesla,driver>=470,driver<471", "470.82.01", ""),
        ("cuda>=12.4 brand=tesla,driver>=470,driver<471", "460.1", "cuda>=12.4"),
        ("driver>=550.54.16", "550.54.15", "driver>=550.54.16"),
        ("driver=550.54.15", "550.54.15", ""),
        ("arch>=9.0", "550.1", ""),
        ("", "400.1", ""),
    ],
)
def test_a_demand_on_the_driver_is_checked(value, driver, said):
    assert said == demands.unmet({"NVIDIA_REQUIRE_CUDA": value}, driver)


def test_all_variables_must_hold_and_one_switches_them_off():
    env = {"NVIDIA_REQUIRE_CUDA": "cuda>=11", "NVIDIA_REQUIRE_DRIVER": "driver>=600"}

    assert demands.unmet(env, "550.1") == "driver>=600"
    assert demands.unmet({**env, "NVIDIA_DISABLE_REQUIRE": "1"}, "550.1") == ""
