"""`teul system fsck`: check that nothing on disk is damaged. Mends leftovers alone, and only when it is asked to."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.snapshots import Finding

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("deep", kind="bool", help="Also make every layer's tar again and compare it with its digest"),
    Flag("format", "f", help="Output format: json, or a Go template for each finding such as {{.Code}} {{.Message}}"),
    Flag("repair", kind="bool", help="Take away what crashes left of containers and networks"),
    Flag("quiet", "q", kind="bool", help="Say nothing when all is whole"),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.engine.system import fsck

    findings = fsck(
        context.engine,
        is_deep=arguments.flag("deep"),
        events=context.sink("quiet" if arguments.flag("quiet") else "auto"),
    )
    damaged = {finding.subject: str(finding.message) for finding in findings if finding.code == "blob-damaged"}
    findings += _check_artifacts(context, damaged)
    if arguments.string("format"):
        from teul.cli.templates import render_records

        headings = {"Code": "CODE", "Subject": "SUBJECT", "Message": "MESSAGE"}
        records = [
            {"Code": finding.code, "Subject": finding.subject, "Message": str(finding.message)} for finding in findings
        ]
        shown = render_records(arguments.string("format"), headings, records)
        if shown:
            context.print(shown)
    else:
        for finding in findings:
            context.print(f"{finding.code}: {context.translate(finding.message)}")
    if findings and arguments.flag("repair"):
        from teul.engine import leftovers

        mended = {(finding.code, finding.subject) for finding in leftovers.mend(context.engine)}
        findings = [finding for finding in findings if (finding.code, finding.subject) not in mended]
        context.say(text("taken away: {count}", count=len(mended)))
    if findings:
        context.say(text("problems found: {count}", count=len(findings)))
        return 1
    if not arguments.flag("quiet"):
        context.say(text("nothing is damaged"))
    return 0


def _check_artifacts(context: Context, damaged: Mapping[str, str]) -> list[Finding]:
    """The engine is below tracking and cannot know of its artifacts."""
    if not context.settings.has_tracking:
        return []
    from teul.ml.tracking import TrackingStore
    from teul.snapshots import Finding

    with TrackingStore.of(context.settings) as store:
        return [
            Finding("artifact-damaged", path, text("artifact `{path}`: {reason}", path=path, reason=reason))
            for path, reason in store.check(damaged)
        ]
