"""`teul system boot`: after a reboot, containers with a restart policy come back."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS]"
FLAGS = (Flag("print-unit", kind="bool", help="Print a systemd unit that runs this at boot, and do nothing else"),)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.main import report
    from teul.cli.positionals import expect
    from teul.engine.supervision import boot, environment

    expect(arguments, "system boot", exactly=0)
    if arguments.flag("print-unit"):
        known = environment(context.settings)
        kept: dict[str, str] = {
            name: known[name] for name in ("TEUL_ROOT", "TEUL_RUNTIME", "PYTHONPATH") if name in known
        }
        context.stdout.write(boot.unit(_program(), kept))
        return 0
    code = 0
    for container, error in boot.boot(context.engine):
        if error is None:
            context.print(container.name)
            continue
        report(error, context)
        code = 1
    return code


def _program() -> tuple[str, ...]:
    """How this very teul is run again."""
    import os
    import sys

    script = os.path.abspath(sys.argv[0])
    if os.path.basename(script) == "teul" and os.access(script, os.X_OK):
        return (script, "system", "boot")
    return (sys.executable, "-m", "teul.cli.main", "system", "boot")
