"""`teul tracking token create`: a token for a person or a program, shown once."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] NAME"
FLAGS = (
    Flag("role", help="What it may do: read, write or admin", default="write"),
    Flag("project", help="Only in the experiment of this name; default: in all", metavar="PROJECT"),
    Flag("expires", help="When it ends, such as 12h, 90d or 1y", default="90d", metavar="DURATION"),
)


def run(arguments: Arguments, context: Context) -> int:
    """The token is the only line on standard output, so that it can be put where it is needed."""
    from teul.cli.positionals import expect
    from teul.cli.runs_show import moment
    from teul.ml.promotion import who
    from teul.ml.tracking import TrackingStore

    (name,) = expect(arguments, "tracking token create", exactly=1)
    ttl_s = seconds(arguments.string("expires"))
    with TrackingStore.of(context.settings) as store:
        token, key = store.issue_key(
            name, role=arguments.string("role"), project=arguments.string("project"), ttl_s=ttl_s, who=who()
        )
    context.print(token)
    context.say(
        text("it is shown only now; it ends {when}; MLFLOW_TRACKING_TOKEN takes it", when=moment(key.expires_at))
    )
    return 0


def seconds(value: str) -> float:
    """`90d`, `1d2h30m` … as seconds. Raises: InvalidInput."""
    import re

    from teul.errors import InvalidInput

    units = {"y": 365 * 86400, "w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}
    if not re.fullmatch(r"(\d+(\.\d+)?[ywdhms])+", value):
        raise InvalidInput(text("duration `{value}`: expected one such as 30m, 12h, 90d or 1y", value=value))
    return sum(float(number) * units[unit] for number, _, unit in re.findall(r"(\d+(\.\d+)?)([ywdhms])", value))
