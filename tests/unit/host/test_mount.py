import os

import pytest

from teul.errors import HostLacks, MountFailed
from teul.host import mount as module
from teul.host.mount import (
    OVERLAY_OPTIONS,
    is_overlay_supported,
    join_layers,
    mount,
    mounted,
    parse_options,
    split_layers,
    unmount,
)
from teul.oci.runtime import Mount


def test_fstab_words_become_flags_and_the_rest_stays():
    flags, propagation, rest = parse_options(["ro", "nosuid", "dev", "rprivate", "size=1m", "mode=755"])

    assert flags == 1 | 2
    assert propagation == (1 << 18) | 0x4000
    assert rest == ("size=1m", "mode=755")


def test_the_last_word_wins():
    assert parse_options(["ro", "rw"])[0] == 0
    assert parse_options(["rw", "ro"])[0] == 1


@pytest.mark.parametrize("folders", [["/a"], ["/a", "/b"], ["/with:colon", "/with\\back", "/한글", "/a,b"]])
def test_layer_folders_of_any_name_survive_the_option(folders):
    assert split_layers(join_layers(folders)) == folders


@pytest.fixture
def place(tmp_path):
    (tmp_path / "target").mkdir()
    return str(tmp_path / "target")


def layers(folder, count):
    made = []
    for number in range(count):
        os.mkdir(f"{folder}/l{number}")
        with open(f"{folder}/l{number}/f{number}", "w") as file:
            file.write(str(number))
        made.append(f"{folder}/l{number}")
    return made


def overlay(lower, *, upper=""):
    options = [f"lowerdir={join_layers(lower)}"]
    if upper:
        os.makedirs(f"{upper}/fs")
        os.makedirs(f"{upper}/work")
        options += [f"upperdir={upper}/fs", f"workdir={upper}/work"]
    return Mount("overlay", "overlay", "", (*options, *OVERLAY_OPTIONS))


@pytest.mark.needs_root
@pytest.mark.parametrize("count", [2, 127, 500])
def test_hundreds_of_layers_are_one_folder(tmp_path, place, count):
    with mounted([overlay(layers(tmp_path, count), upper=str(tmp_path / "up"))], place):
        assert len(os.listdir(place)) == count


@pytest.mark.needs_root
@pytest.mark.parametrize("count", [2, 60, 127])
def test_a_kernel_without_the_new_calls_mounts_many_layers_too(tmp_path, place, count, monkeypatch):
    monkeypatch.setattr(module, "_SYS_FSOPEN", 100_000)  # a system call that no kernel has
    with mounted([overlay(layers(tmp_path, count), upper=str(tmp_path / "up"))], place):
        assert len(os.listdir(place)) == count


@pytest.mark.needs_root
def test_too_many_layers_are_refused_with_the_kernel_s_words(tmp_path, place):
    with pytest.raises(MountFailed, match="500"):
        mount(overlay(layers(tmp_path, 501)), place)
    assert os.listdir(place) == []


@pytest.mark.needs_root
@pytest.mark.parametrize("name", ["x" * 250, "a:b", "a,b", "back\\slash", "한글"])
@pytest.mark.parametrize("is_old", [False, True])
def test_awkward_paths_mount(tmp_path, place, name, is_old, monkeypatch):
    if is_old:
        monkeypatch.setattr(module, "_SYS_FSOPEN", 100_000)
    inner = tmp_path / name / name
    inner.mkdir(parents=True)
    with mounted([overlay(layers(inner, 2), upper=str(inner / "up"))], place):
        with open(f"{place}/new", "w"):
            pass
        assert sorted(os.listdir(place)) == ["f0", "f1", "new"]
    assert os.listdir(inner / "up/fs") == ["new"]


@pytest.mark.needs_root
def test_an_upper_folder_refers_to_nothing_below(tmp_path, place):
    """What `redirect_dir=off` and `metacopy=off` are for: a renamed folder and a changed mode are whole copies."""
    lower = layers(tmp_path, 2)
    os.mkdir(f"{lower[0]}/folder")
    with mounted([overlay(lower, upper=str(tmp_path / "up"))], place):
        os.chmod(f"{place}/f0", 0o600)
        with pytest.raises(OSError) as caught:
            os.rename(f"{place}/folder", f"{place}/moved")
    assert caught.value.errno == 18
    with open(tmp_path / "up/fs/f0") as file:
        assert file.read() == "0"
    names = os.listxattr(tmp_path / "up/fs/f0")
    assert [name for name in names if name.endswith(("redirect", "metacopy"))] == []


@pytest.mark.needs_root
def test_a_missing_layer_is_named(tmp_path, place):
    with pytest.raises(MountFailed, match=f"folder `{tmp_path}/none` is missing"):
        mount(overlay([f"{tmp_path}/none", str(tmp_path)]), place)


@pytest.mark.needs_root
def test_a_read_only_bind_is_read_only(tmp_path, place):
    source = layers(tmp_path, 1)[0]
    with mounted([Mount("bind", source, "", ("rbind", "ro"))], place):
        assert os.listdir(place) == ["f0"]
        with pytest.raises(OSError) as caught:
            os.mkdir(f"{place}/new")
        assert caught.value.errno == 30
    os.mkdir(f"{source}/new")


@pytest.mark.needs_root
def test_a_file_is_bound_on_a_file(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    with mounted([Mount("bind", str(tmp_path / "a"), "", ("bind",))], str(tmp_path / "b")):
        assert (tmp_path / "b").read_text() == "a"
    assert (tmp_path / "b").read_text() == "b"


@pytest.mark.needs_root
def test_targets_inside_resolve_inside(tmp_path, place):
    os.mkdir(f"{place}/data")
    os.symlink("/data", f"{place}/link")
    source = layers(tmp_path, 1)[0]
    with mounted([Mount("bind", source, "/link", ("rbind",))], place):
        assert os.listdir(f"{place}/data") == ["f0"]


@pytest.mark.needs_root
def test_everything_is_unmounted_after_an_error(tmp_path, place):
    source = layers(tmp_path, 1)[0]
    with pytest.raises(MountFailed), mounted([Mount("bind", source), Mount("bind", f"{tmp_path}/none")], place):
        pass

    assert os.listdir(place) == []


@pytest.mark.needs_root
def test_unmounting_what_is_not_mounted_is_fine(place):
    unmount(place)
    unmount(f"{place}/none")


@pytest.mark.needs_root
def test_a_filesystem_that_the_kernel_does_not_know_is_named(place):
    with pytest.raises(HostLacks, match="nosuchfs"):
        mount(Mount("nosuchfs", "none"), place)


@pytest.mark.needs_root
def test_the_trial_of_overlay_leaves_nothing(tmp_path):
    assert is_overlay_supported(str(tmp_path))
    assert os.listdir(tmp_path) == []


@pytest.mark.needs_root
def test_overlay_on_overlay_is_not_supported(tmp_path, place):
    with mounted([overlay(layers(tmp_path, 1), upper=str(tmp_path / "up"))], place):
        assert not is_overlay_supported(place)


@pytest.mark.needs_root
def test_a_mount_namespace_hides_what_is_mounted_in_it(place):
    pid = os.fork()
    if pid == 0:
        try:
            module.enter_mount_namespace()
            mount(Mount("tmpfs", "tmpfs"), place)
            os.mkdir(f"{place}/inside")
            os._exit(0 if os.listdir(place) == ["inside"] else 1)
        except BaseException:
            os._exit(2)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert code == 0
    assert os.listdir(place) == []
