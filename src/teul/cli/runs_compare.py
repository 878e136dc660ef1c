"""`teul runs compare`: several runs side by side, and their metrics as plots."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import RunNotFound, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.ml.plots import Chart
    from teul.ml.tracking import TrackingStore
    from teul.ml.tracking.values import Run

USAGE = "[OPTIONS] RUN RUN [RUN...]"
FLAGS = (
    Flag("metric", "m", kind="list", help="Only these metrics; default: all that the runs have"),
    Flag("all", "a", kind="bool", help="Show params that are the same in all runs, too"),
    Flag("time", kind="bool", help="Plot over seconds since the run began instead of over steps"),
    Flag("no-plots", kind="bool", help="Only the table"),
    Flag(
        "html", help="Write the table and the plots into this file, as a page that needs nothing else", metavar="FILE"
    ),
    Flag("png", help="Write the plots into this file", metavar="FILE"),
    Flag("format", help="Output format: json, or a Go template for each line such as {{.Name}} {{.Values}}"),
)
PLOTS_IN_TERMINAL = 6


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.columns import render_table
    from teul.cli.positionals import expect
    from teul.cli.templates import render_records
    from teul.cli.width import cut, printable
    from teul.ml.plots import terminal
    from teul.ml.tracking import TrackingStore

    wanted = expect(arguments, "runs compare", at_least=2)
    if not context.settings.has_tracking:
        raise RunNotFound(wanted[0])
    with TrackingStore.of(context.settings) as store:
        runs = [store.find_run(name) for name in wanted]
        metrics = sorted({item.key for run in runs for item in run.metrics})
        metrics = [key for key in metrics if not arguments.strings("metric") or key in arguments.strings("metric")]
        drawn = arguments.string("html") or arguments.string("png") or not arguments.flag("no-plots")
        charts = history_charts(store, runs, metrics, over_time=arguments.flag("time")) if drawn else []
    tables = _tables(runs, metrics, with_all=arguments.flag("all"))
    columns = ["", *(run.id[:12] for run in runs)]
    if arguments.string("html"):
        from teul.ml.plots.page import page

        title = " · ".join(run.name for run in runs)
        write_file(
            arguments.string("html"), page(title, [(head, columns, rows) for head, rows in tables], charts).encode()
        )
    if arguments.string("png"):
        from teul.ml.plots import png

        write_file(arguments.string("png"), png.draw(charts))
    if arguments.string("format"):
        records = [
            {"Kind": head.lower(), "Name": row[0], "Values": row[1:], "Differs": len(set(row[1:])) > 1}
            for head, rows in tables
            for row in rows
        ]
        context.print(render_records(arguments.string("format"), {}, records))
        return 0
    body = [row for head, rows in tables if rows for row in ((head, *[""] * len(runs)), *rows)]
    context.print(render_table(columns, [[cut(printable(cell), 40) for cell in row] for row in body]))
    if not arguments.flag("no-plots") and not arguments.string("html") and not arguments.string("png"):
        for chart in charts[:PLOTS_IN_TERMINAL]:
            context.print("\n" + terminal.draw(chart))
        if len(charts) > PLOTS_IN_TERMINAL:
            context.say(text("and {count} more plots: --metric NAME shows one", count=len(charts) - PLOTS_IN_TERMINAL))
    return 0


def history_charts(
    store: TrackingStore, runs: Sequence[Run], metrics: Sequence[str], *, over_time: bool = False
) -> list[Chart]:
    """A chart for each metric that has more than one point in some run."""
    from teul.ml.plots import Chart, Series

    made = []
    for key in metrics:
        series = []
        for run in runs:
            points = sorted(store.metric_history(run.id, key), key=lambda point: (point.step, point.timestamp))
            by_step = len({point.step for point in points}) > 1 and not over_time
            pairs = tuple(
                (float(point.step) if by_step else (point.timestamp - run.start_time) / 1000, point.value)
                for point in points
            )
            if len(pairs) > 1:
                series.append((Series(f"{run.name} {run.id[:8]}", pairs), by_step))
        if series:
            label = "step" if all(by_step for _, by_step in series) else "seconds"
            made.append(Chart(key, tuple(item for item, _ in series), label))
    return [chart for chart in made if not chart.is_empty]


def _tables(runs: Sequence[Run], metrics: Sequence[str], *, with_all: bool) -> list[tuple[str, list[tuple[str, ...]]]]:
    from teul.cli.runs import number
    from teul.cli.units import human_duration
    from teul.ml.comparison import short
    from teul.ml.record import COMMIT_TAG, IMAGE_TAG, SEED_TAG

    def took(run: Run) -> str:
        return human_duration((run.end_time - run.start_time) / 1000) if run.end_time else ""

    head: list[tuple[str, ...]] = [
        ("name", *(run.name for run in runs)),
        ("status", *(run.status for run in runs)),
        ("took", *map(took, runs)),
    ]
    for name, tag in (("image", IMAGE_TAG), ("commit", COMMIT_TAG), ("seed", SEED_TAG)):
        row = (name, *(short(run.tags.get(tag, "")) for run in runs))
        if any(row[1:]):
            head.append(row)
    params = [
        (key, *(run.params.get(key, "—") for run in runs)) for key in sorted({k for run in runs for k in run.params})
    ]
    values = [
        (key, *("—" if value is None else number(value) for value in (run.metric(key) for run in runs)))
        for key in metrics
    ]
    if not with_all:
        params = [row for row in params if len(set(row[1:])) > 1]
    return [("RUN", head), ("PARAMS", params), ("METRICS", values)]


def write_file(path: str, data: bytes) -> None:
    """Raises: Denied."""
    from teul.errors import Denied

    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as error:
        raise Denied(text("`{path}` cannot be written: {problem}", path=path, problem=error.strerror)) from error
