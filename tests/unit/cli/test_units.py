import pytest

from teul.cli.units import human_age, human_duration, human_memory, human_size


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, "0B"), (999, "999B"), (1000, "1kB"), (77_800_000, "77.8MB"), (1_050_000_000, "1.05GB"), (999_960, "1MB"),
     (125_400_000, "125MB"), (1_810_000_000, "1.81GB"), (10**21, "1000EB")],
)  # fmt: skip
def test_sizes_are_decimal_with_three_digits(size, expected):
    assert expected == human_size(size)


@pytest.mark.parametrize(("size", "expected"), [(0, "0B"), (512 << 20, "512MiB"), (8_323_596_288, "7.752GiB")])
def test_memory_is_binary_with_four_digits(size, expected):
    assert expected == human_memory(size)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.4, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (61, "About a minute"),
        (150, "2 minutes"),
        (3600, "About an hour"),
        (2 * 3600, "2 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (15 * 86400, "2 weeks"),
        (70 * 86400, "2 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_durations_are_dockers_words(seconds, expected):
    assert expected == human_duration(seconds)
    assert human_age(seconds) == f"{expected} ago"
