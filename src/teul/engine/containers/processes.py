"""The process of a container: its user, environment, rights and limits. Little is imported here: `exec` waits for it."""

from __future__ import annotations

from teul.runtime import host_trust, users
from teul.runtime.spec import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine
    from teul.engine.containers.record import Container


def process_of(engine: Engine, container: Container, rootfs: str, *, args: tuple[str, ...], user: str = "") -> Process:
    """The process of *container*, or one more of it, with the user looked up in *rootfs* (as seen from here)."""
    found = users.resolve_user(rootfs, user or container.user, additional=container.group_add)
    env = users.image_environment(container.env, hostname=container.hostname, home=found.home, terminal=container.tty)
    if container.add_trust:
        env = host_trust.fill(
            env, host_trust.trust_env(engine.settings, shares_network=container.network_mode == "host")
        )
    capabilities = None
    no_new_privileges = False
    if container.cap_add or container.cap_drop or container.security_options:
        from teul.runtime import security

        capabilities = security.capabilities(container.cap_add, container.cap_drop)
        no_new_privileges = security.parse_security(container.security_options).no_new_privileges
    return Process(
        args=args,
        env=env,
        cwd=container.working_dir or "/",
        uid=found.uid,
        gid=found.gid,
        groups=found.groups,
        terminal=container.tty,
        capabilities=capabilities,
        no_new_privileges=no_new_privileges,
        rlimits=container.ulimits,
        oom_score_adj=container.oom_score_adj,
    )


def is_enterable(container: Container) -> bool:
    """Whether a process may be put into *container* without the runtime, which takes a quarter of the time.

    Its rights are Docker's default ones or fewer, and its process namespace is its own: nothing in there may look into
    a process that is on its way in (see `teul.host.entering`).
    """
    return not (
        container.privileged
        or container.cap_add
        or container.security_options
        or container.ulimits
        or container.pid_mode not in ("", "private")
    )
