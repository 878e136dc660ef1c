"""What a step leaves behind, made constant (see also the integration tests of whole builds)."""

import os

from teul.build.normalise import normalise
from teul.layers.lower import Lower


def test_a_folder_that_says_nothing_is_no_part_of_the_layer(tmp_path):
    """A temporary file that came and went leaves the folder it was in."""
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    for name in ("tmp", "changed", "holds"):
        (lower / name).mkdir(parents=True)
        (upper / name).mkdir(parents=True)
    (upper / "changed").chmod(0o700)
    (upper / "holds/new").mkdir()
    (lower / "holds/old").mkdir()
    (upper / "holds/old").mkdir()
    normalise(str(upper), Lower([str(lower)]), epoch=315532800, is_upper=True)
    assert sorted(os.listdir(upper)) == ["changed", "holds"]
    assert os.listdir(upper / "holds") == ["new"]
    assert os.stat(upper / "holds").st_mtime == 315532800
