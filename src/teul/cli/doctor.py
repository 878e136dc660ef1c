"""`teul doctor`: what this host offers, what is missing, and the command that mends it. Must not change anything."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import TeulError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.gpu import NvidiaDriver
    from teul.host.probe import Finding

USAGE = "[OPTIONS]"
FLAGS = (Flag("format", "f", help="Output format: json, or a Go template for each check such as {{.Name}} {{.State}}"),)


def run(arguments: Arguments, context: Context) -> int:
    findings = examine(context)
    format_ = arguments.string("format")
    if format_:
        from teul.cli.templates import render_records

        fields = {"Name": "NAME", "State": "STATE", "Found": "FOUND", "Mend": "MEND"}
        records = [
            {"Name": finding.name, "State": finding.state, "Found": str(finding.found), "Mend": finding.mend}
            for finding in findings
        ]
        context.print(render_records(format_, fields, records))
    else:
        _show(findings, context)
    return 1 if any(finding.state == "missing" for finding in findings) else 0


def examine(context: Context) -> list[Finding]:
    """Every check, in the order of the table."""
    from teul import gpu
    from teul.host import probe

    findings = probe.probe(context.settings.root)
    # The runtime comes right after what it stands on.
    place = next(index for index, finding in enumerate(findings) if finding.name == "conmon")
    findings[place:place] = runtime_findings(context)
    findings.append(gpu_finding(gpu.detect(context.settings.driver_root)))
    return findings


def runtime_findings(context: Context) -> list[Finding]:
    """The OCI runtimes, each tried by running a process in a container."""
    from teul.host.probe import MISSING, NOTE, OK, Finding
    from teul.runtime.driver import open_driver

    try:
        driver = open_driver(context.settings)
    except TeulError as error:
        mend = context.translate(error.hint or "apt-get install runc")
        return [Finding("OCI runtime", MISSING, error.message, mend, "runc")]
    findings = [Finding("OCI runtime", OK, text("{name} ({path})", name=driver.name, path=driver.path))]
    findings += [
        Finding(refusal.name, NOTE, text("does not work here: {reason}", reason=refusal.reason))
        for refusal in driver.refused
    ]
    return findings


def gpu_finding(driver: NvidiaDriver | None) -> Finding:
    """Cards and driver, in one line."""
    from teul.host.probe import NOTE, OK, Finding

    if driver is None:
        return Finding("GPU", NOTE, text("no NVIDIA driver is loaded"))
    if not driver.gpus:
        return Finding("GPU", NOTE, text("driver {version}, but no card is seen", version=driver.version))
    models: dict[str, int] = {}
    for card in driver.gpus:
        models[card.model] = models.get(card.model, 0) + 1
    shown = ", ".join(f"{count} × {model}" for model, count in models.items())
    if driver.missing_nodes:
        return Finding(
            "GPU",
            NOTE,
            text(
                "{cards}, driver {version}; missing: {nodes}",
                cards=shown,
                version=driver.version,
                nodes=", ".join(driver.missing_nodes),
            ),
            mend="nvidia-modprobe -u -c 0",
        )
    return Finding(
        "GPU",
        OK,
        text(
            "{cards}, driver {version} (runs CUDA {cuda} and older)",
            cards=shown,
            version=driver.version,
            cuda=driver.cuda_major,
        ),
    )


def _show(findings: list[Finding], context: Context) -> None:
    from teul.cli.width import pad, width
    from teul.host.probe import MISSING, NOTE

    marks = {"ok": "OK", "note": "NOTE", "missing": "MISSING"}
    column = max(width(context.translate(finding.name)) for finding in findings) + 2
    colors = {"ok": "\x1b[32m", "note": "\x1b[33m", "missing": "\x1b[31m"}
    has_color = context.stdout.isatty() and not (context.settings.environ or {}).get("NO_COLOR")
    for finding in findings:
        mark = pad(marks[finding.state], 9)
        if has_color:
            mark = f"{colors[finding.state]}{mark}\x1b[0m"
        context.print(f"{mark}{pad(context.translate(finding.name), column)}{context.translate(finding.found)}")
        if finding.state in (MISSING, NOTE) and finding.mend:
            context.print(f"{' ' * (9 + column)}{context.translate(text('mend: {command}', command=finding.mend))}")
    missing = [finding for finding in findings if finding.state == MISSING]
    context.print("")
    if not missing:
        context.print(context.translate(text("All that teul needs is here")))
        return
    packages = " ".join(dict.fromkeys(finding.package for finding in missing if finding.package))
    context.print(context.translate(text("{count} missing", count=len(missing))))
    if packages:
        said = text("mend: {command}", command=f"apt-get install -y {packages}")
        context.print(context.translate(said))
