"""`Settings`: every environment variable and every path, declared once. Must not create anything.

Paths are `str`, here and everywhere in teul: `pathlib` costs 5 ms of a `teul run`.
"""

from __future__ import annotations

import os

from teul.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import dataclass
else:
    from teul.values import dataclass

ENVIRONMENT = {
    "TEUL_ROOT": "the state folder; default /var/lib/teul as root, $XDG_DATA_HOME/teul otherwise",
    "TEUL_RUNTIME": "the OCI runtime to use: runc, crun or a path; default: the first that works",
    "TEUL_LANG": "language of messages: en or ko; default: from LC_ALL, LC_MESSAGES, LANG",
    "TEUL_INSECURE_REGISTRIES": "comma-separated host:port that are spoken to in plain HTTP (loopback always is)",
    "TEUL_SNAPSHOTTER": "overlay or native; default: overlay where it works",
    "TEUL_DRIVER_ROOT": "where the NVIDIA driver's files are looked for; default /",
    "TEUL_EVENT_LOG": "a file to which every progress event is appended as a JSON line, whatever is shown",
    "TEUL_CRASH_AT": "for tests: die as by kill -9 at this crash point (`name` or `name:n`, the n-th time)",
    "TEUL_CRASH_LOG": "for tests: a file to which the name of each crash point that is passed is appended",
    "SOURCE_DATE_EPOCH": "seconds since 1970 for everything a build writes; default 315532800 (1980-01-01)",
    "NO_COLOR": "when set and not empty, no colour",
    "TEUL_TRACKING_STORE": "postgresql://USER@HOST/DATABASE of a team's tracking store; default: a file in TEUL_ROOT",
    "TEUL_TRACKING_ARTIFACTS": "a folder for that store's artifacts that all of its servers mount; default: the content"
    " store in TEUL_ROOT",
    "MLFLOW_TRACKING_URI": "a tracking server to use instead of teul's own",
}
"""Name → meaning; the reference page is generated from this."""

SERVING_ENVIRONMENT = {
    "TEUL_HOST": "the address that the model server listens on; default 0.0.0.0",
    "TEUL_PORT": "its port; default 8000",
    "TEUL_WORKERS": "processes that hold the model; default 1",
    "TEUL_QUEUE": "requests that may wait before others are turned away; default 256",
    "TEUL_TIMEOUT_S": "seconds after which a worker that has not answered is replaced; default 60",
    "TEUL_BODY_LIMIT_BYTES": "bytes of the largest request; default 33554432",
    "TEUL_ACCESS_LOG": "1 writes a line for each request",
    "TEUL_MODEL_NAME": "the model's name in answers and metrics",
    "TEUL_MODEL_VERSION": "its version",
    "TEUL_MODEL_PATH": "the folder of the model in the image",
    "TEUL_MODEL_PREDICT": "`module:Class` that loads it; default: the flavour that its MLmodel names",
    "TEUL_MODEL_CODE": "a folder with the user's code, put before all others",
}
"""What a serving container's server reads (`teul_model`, which knows nothing of this module)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are and what the environment asks for."""

    root: str
    run_root: str
    language: str = "en"
    runtime: str = ""
    snapshotter: str = ""
    insecure_registries: tuple[str, ...] = ()
    source_date_epoch: int | None = None
    docker_config: str = ""
    driver_root: str = "/"
    tracking_store: str = ""
    """URL of the team's tracking database in PostgreSQL; empty: `tracking_database`."""
    tracking_artifacts: str = ""
    """Folder of the artifacts of that store; empty: they lie in `layout`, among the blobs of images."""
    environ: Mapping[str, str] | None = None
    """The environment as given, for what must be handed on (proxies, CA bundle, pip settings)."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read the environment; nothing is checked on disk."""
        is_root = os.geteuid() == 0
        home = environ.get("HOME") or "/root"
        root = environ.get("TEUL_ROOT") or (
            "/var/lib/teul" if is_root else (environ.get("XDG_DATA_HOME") or f"{home}/.local/share") + "/teul"
        )
        root = os.path.abspath(root)
        run_base = "/run/teul" if is_root else (environ.get("XDG_RUNTIME_DIR") or f"{root}/run") + "/teul"
        locale = (
            environ.get("TEUL_LANG") or environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or ""
        )
        epoch = environ.get("SOURCE_DATE_EPOCH", "")
        artifacts = environ.get("TEUL_TRACKING_ARTIFACTS", "")
        return cls(
            root=root,
            run_root=f"{run_base}/{Digest.of(os.fsencode(root)).hex[:8]}",
            language="ko" if locale.lower().startswith("ko") else "en",
            runtime=environ.get("TEUL_RUNTIME", ""),
            snapshotter=environ.get("TEUL_SNAPSHOTTER", ""),
            insecure_registries=tuple(item for item in environ.get("TEUL_INSECURE_REGISTRIES", "").split(",") if item),
            source_date_epoch=int(epoch) if epoch.isdigit() else None,
            docker_config=environ.get("DOCKER_CONFIG") or f"{home}/.docker",
            driver_root=environ.get("TEUL_DRIVER_ROOT") or "/",
            tracking_store=environ.get("TEUL_TRACKING_STORE", ""),
            tracking_artifacts=os.path.abspath(artifacts) if artifacts else "",
            environ=dict(environ),
        )

    @property
    def instance(self) -> str:
        """Eight hexadecimal digits that tell this state folder from others: prefix of all that is global on the host."""
        return os.path.basename(self.run_root)

    @property
    def layout(self) -> str:
        return f"{self.root}/layout"

    @property
    def snapshots(self) -> str:
        return f"{self.root}/snapshots"

    @property
    def containers(self) -> str:
        return f"{self.root}/containers"

    @property
    def volumes(self) -> str:
        return f"{self.root}/volumes"

    @property
    def database(self) -> str:
        return f"{self.root}/state.db"

    @property
    def tracking_database(self) -> str:
        return f"{self.root}/tracking.db"

    @property
    def tracking_stores(self) -> str:
        """Folder with a file for each tracking store whose artifacts lie in `layout`, named as the store's id."""
        return f"{self.root}/tracking-stores"

    @property
    def has_tracking(self) -> bool:
        """Whether there is a tracking store to look into; opening one makes it."""
        return bool(self.tracking_store) or os.path.exists(self.tracking_database)
