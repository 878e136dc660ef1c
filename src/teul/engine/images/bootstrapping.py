"""Make a base image without a registry: Debian as one layer, Python as a second one on it."""

from __future__ import annotations

import glob
import os
import time

from teul.errors import BootstrapFailed, CommandFailed, SnapshotNotFound, text
from teul.events import Line, Step, silent
from teul.host.fs import FolderLock, remove_tree
from teul.images.bootstrap import find_recipe, make_rootfs, tidy
from teul.images.bootstrap.recipes import EPOCH_S, WHEELS, Recipe
from teul.layers import Packed, pack
from teul.oci.descriptor import Platform
from teul.oci.digest import Digest
from teul.oci.reference import Reference
from teul.oci.runtime import Mount
from teul.runtime.foreground import run
from teul.runtime.host_trust import trust_mounts
from teul.runtime.spec import Process, Sandbox
from teul.state.leases import Lease, lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine
    from teul.events import Sink
    from teul.images import Image

INSIDE = "/run/teul"
"""Where the packages and the script are seen while Python is laid out; never part of the layer."""
_SCRIPT = """
cd /run/teul/debs
libraries=
for deb in *.deb; do
    case $deb in
        python* | libpython*) ;;
        *) libraries="$libraries ./$deb" ;;
    esac
done
apt-get --quiet --yes --no-install-recommends -o APT::Sandbox::User=root install $libraries
mkdir /tmp/teul
for deb in python*.deb libpython*.deb; do dpkg-deb --extract "$deb" /tmp/teul; done
mkdir -p /usr/local/include
mv "/tmp/teul/usr/lib/python$TEUL_PYTHON" "/usr/local/lib/python$TEUL_PYTHON"
mv "/tmp/teul/usr/bin/python$TEUL_PYTHON" "/usr/local/bin/python$TEUL_PYTHON"
mv "/tmp/teul/usr/include/python$TEUL_PYTHON" "/usr/local/include/python$TEUL_PYTHON"
exec "/usr/local/bin/python$TEUL_PYTHON" -I -S -B /run/teul/inside.py
"""


def bootstrap(engine: Engine, reference: str, *, mirror: str = "", events: Sink = silent) -> Image:
    """See `teul.engine.images.bootstrap`."""
    wanted = Reference.parse(reference)
    recipe = find_recipe(wanted)
    epoch_s = engine.settings.source_date_epoch
    if epoch_s is None:
        epoch_s = EPOCH_S
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch_s))
    platform = Platform.parse(os.uname().machine)
    folder = f"{engine.settings.root}/bootstrap/{os.urandom(6).hex()}"
    os.makedirs(folder, mode=0o711)
    lock = FolderLock.take(folder)
    _sweep(os.path.dirname(folder))
    keys: list[str] = []
    try:
        with lease(engine.db) as held:
            below = _debian(engine, recipe, folder, held, keys, epoch_s=epoch_s, mirror=mirror, events=events)
            if not recipe.python:
                config = recipe.debian_config(below, platform, created)
            else:
                above, version = _python(engine, recipe, below, folder, held, keys, epoch_s=epoch_s, events=events)
                config = recipe.python_config(below, above, platform, created, version=version)
            return engine.images.add(config.to_bytes(), names=(wanted,))
    finally:
        for key in keys:
            try:
                engine.snapshots.remove(key)
            except SnapshotNotFound:
                pass
        remove_tree(folder)
        if lock is not None:
            lock.release()


def _debian(
    engine: Engine,
    recipe: Recipe,
    folder: str,
    held: Lease,
    keys: list[str],
    *,
    epoch_s: int,
    mirror: str,
    events: Sink,
) -> Digest:
    step = text("Debian {suite}, from signed packages", suite=recipe.suite)
    events(Step("debian", step, "started"))
    try:
        key = _prepare(engine, held, keys, ())
        make_rootfs(
            recipe,
            _writable(engine, key),
            debs=f"{folder}/debs",
            environ=engine.settings.environ or {},
            epoch_s=epoch_s,
            mirror=mirror,
            step="debian",
            events=events,
        )
        packed = _commit(engine, key, epoch_s)
    except BaseException as error:
        events(Step("debian", step, "failed", error=str(error)))
        raise
    events(Step("debian", step, "done"))
    return packed.diff_id


def _python(
    engine: Engine,
    recipe: Recipe,
    below: Digest,
    folder: str,
    held: Lease,
    keys: list[str],
    *,
    epoch_s: int,
    events: Sink,
) -> tuple[Digest, str]:
    """The layer with Python; returns its digest and Python's version in full."""
    (package,) = glob.glob(f"{folder}/debs/python{recipe.python}-minimal_*.deb")
    version = os.path.basename(package).partition("_")[2].partition("-")[0]
    step = text("Python {version} in /usr/local, pip {pip}", version=version, pip=WHEELS[recipe.python][0].version)
    events(Step("python", step, "started", parents=("debian",)))
    try:
        key = _prepare(engine, held, keys, engine.snapshots.resolve((below,)))
        mounted = _lay_out(engine, recipe, key, folder, epoch_s, events)
        (layer,) = engine.snapshots.resolve((below,))
        packed = _commit(engine, key, epoch_s, below=engine.snapshots.layer(layer).folder, mountpoints=mounted)
    except BaseException as error:
        events(Step("python", step, "failed", error=str(error)))
        raise
    events(Step("python", step, "done"))
    return packed.diff_id, version


def _lay_out(engine: Engine, recipe: Recipe, key: str, folder: str, epoch_s: int, events: Sink) -> tuple[str, ...]:
    """Run the script; returns where something of the host was mounted."""
    import teul.images.bootstrap

    script = f"{os.path.dirname(teul.images.bootstrap.__file__)}/inside.py"
    wheels = "".join(f"{item.name}=={item.version} --hash=sha256:{item.sha256}\n" for item in WHEELS[recipe.python])
    tail: list[bytes] = []

    def hear(stream: str, data: bytes) -> None:
        tail.append(data)
        del tail[:-20]
        events(Line("python", stream, data))

    sandbox = Sandbox(
        process=Process(
            args=("/bin/sh", "-euc", _SCRIPT),
            env=(
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME=/root",
                "TZ=UTC",
                "LC_ALL=C.UTF-8",
                "DEBIAN_FRONTEND=noninteractive",
                "PYTHONHASHSEED=0",
                f"SOURCE_DATE_EPOCH={epoch_s}",
                f"TEUL_PYTHON={recipe.python}",
                f"TEUL_WHEELS={wheels}",
            ),
        ),
        rootfs=f"{folder}/rootfs",
        network="host",
        mounts=(
            Mount("bind", f"{folder}/debs", f"{INSIDE}/debs", ("bind", "ro")),
            Mount("bind", script, f"{INSIDE}/inside.py", ("bind", "ro")),
        ),
    )
    try:
        code = run(
            engine.driver,
            sandbox,
            id=f"bootstrap-{os.urandom(6).hex()}",
            bundle=f"{folder}/bundle",
            rootfs_mounts=engine.snapshots.mounts(key),
            on_output=hear,
            trust=engine.settings,
        )
    except CommandFailed as error:
        raise BootstrapFailed(error.message, argv=error.argv, exit_code=error.exit_code) from error
    if code != 0:
        said = b"".join(tail).decode(errors="replace").strip()
        raise BootstrapFailed(
            text(
                "base image `{name}`: laying out Python ended with exit code {exit_code}: {reason}",
                name=recipe.reference.familiar,
                exit_code=code,
                reason=said.splitlines()[-1] if said else "",
            ),
            exit_code=code,
            stderr_tail=said,
        )
    # On a snapshotter that copies, the runtime leaves the folders that it made for these.
    trusted = trust_mounts(engine.settings, "", folder=f"{folder}/bundle")
    return tuple(mount.target for mount in (*sandbox.mounts, *trusted))


def _prepare(engine: Engine, held: Lease, keys: list[str], parents: tuple[str, ...]) -> str:
    key = f"bootstrap-{os.urandom(6).hex()}"
    held.add("snapshot", key)
    engine.snapshots.prepare(key, parents)
    keys.append(key)
    return key


def _writable(engine: Engine, key: str) -> str:
    """The folder of an active snapshot that stands on nothing."""
    if engine.snapshots.kind == "overlay":
        return engine.snapshots.upper(key)
    return engine.snapshots.mounts(key)[0].source


def _commit(engine: Engine, key: str, epoch_s: int, *, below: str = "", mountpoints: tuple[str, ...] = ()) -> Packed:
    # Asked for once: a snapshotter that copies computes it, and commits what it computed last.
    upper = engine.snapshots.upper(key)
    tidy(upper, epoch_s, below=below, mountpoints=mountpoints)
    packed = pack(upper)
    engine.snapshots.commit(key, packed.diff_id, tar_size_bytes=packed.tar_size_bytes)
    return packed


def _sweep(folder: str) -> None:
    """Remove the folders of runs that were killed: the kernel took their locks away."""
    for entry in os.listdir(folder):
        path = f"{folder}/{entry}"
        try:
            # A minute, because a run that begins locks its folder a moment after it made it.
            is_old = os.stat(path).st_mtime < time.time() - 60
            lock = FolderLock.take(path, wait=False) if is_old else None
        except FileNotFoundError:
            continue
        if lock is not None:
            with lock:
                remove_tree(path)
