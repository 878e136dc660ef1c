"""`teul version`: what this is and what it runs on. Must not open the engine."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS]"
FLAGS = (Flag("format", "f", help="Output format: json, or a Go template such as {{.Version}}"),)


def run(arguments: Arguments, context: Context) -> int:
    import teul

    facts = collect(context)
    template = arguments.string("format")
    if template:
        from teul.cli.templates import render_template

        context.print(render_template(template, facts))
        return 0
    context.print(f"teul {teul.__version__}")
    if context.stdout.isatty():
        context.print(f" Python:   {facts['Python']}")
        context.print(f" OS/Arch:  {facts['Os']}/{facts['Arch']}")
        context.print(f" Kernel:   {facts['KernelVersion']}")
        context.print(f" State:    {facts['Root']}")
    return 0


def collect(context: Context) -> dict[str, object]:
    """Docker's `Client` and `Server`, which are one program here, and the same facts without either before them."""
    import os
    import sys

    import teul

    common: dict[str, object] = {
        "Version": teul.__version__,
        "Os": "linux",
        "Arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
    }
    kernel, python = os.uname().release, sys.version.split()[0]
    engine = {"Name": "Engine", "Version": teul.__version__, "Details": {"KernelVersion": kernel, "Python": python}}
    return {
        "Client": {**common, "Context": "default"},
        "Server": {"Platform": {"Name": "teul"}, "Components": [engine], **common, "KernelVersion": kernel},
        **common,
        "Python": python,
        "KernelVersion": kernel,
        "Root": context.settings.root,
    }
