"""One step's run in the tracking store: what is written before, while and after it runs. Must not start anything.

A run that teul began says who runs it (`teul.process`), so that the next `up` can close one whose process died.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from teul.errors import CommandFailed, HostLacks
from teul.host import process
from teul.state.leases import process_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.ml.tracking import TrackingStore

PROJECT_TAG, STEP_TAG, IMAGE_TAG = "teul.project", "teul.step", "teul.image"
PROCESS_TAG = "teul.process"
INPUT_TAG = "teul.input."
OUTPUT_TAG = "teul.output."
DIFF_LIMIT_BYTES = 8 << 20
OUTS = "outs"
"""Where a step's outputs lie among its run's artifacts: `outs/<path>`."""


@dataclass(frozen=True, slots=True)
class GitState:
    """The commit that the folder is at, and what is not in it. `commit` is "" outside of a repository."""

    commit: str = ""
    branch: str = ""
    diff: bytes = b""
    untracked: tuple[str, ...] = ()

    @property
    def is_dirty(self) -> bool:
        return bool(self.diff or self.untracked)


def read_git(folder: str) -> GitState:
    """Ask git about *folder*; a folder outside of a repository, or a host without git, gives the empty state."""
    try:
        commit = _git(folder, "rev-parse", "HEAD").decode().strip()
        branch = _git(folder, "rev-parse", "--abbrev-ref", "HEAD").decode().strip()
        diff = _git(folder, "diff", "--no-ext-diff", "--no-textconv", "--binary", "HEAD", "--", ".")
        listed = _git(folder, "ls-files", "--others", "--exclude-standard", "-z", "--", ".")
    except (CommandFailed, HostLacks, OSError):
        return GitState()
    names = tuple(name for name in listed.decode(errors="replace").split("\0") if name)
    if len(diff) > DIFF_LIMIT_BYTES:
        diff = diff[:DIFF_LIMIT_BYTES] + b"\n[cut: the diff is longer than 8 MiB]\n"
    return GitState(commit, "" if branch == "HEAD" else branch, diff, names)


def _git(folder: str, *words: str) -> bytes:
    # A repository's own configuration could name programs to run; none of them is wanted to read it.
    safe = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.pager=cat")
    return process.run(("git", *safe, "-C", folder, *words), timeout_s=30).stdout


def begin(
    tracking: TrackingStore,
    *,
    project: str,
    step: str,
    image: str,
    folder: str,
    inputs: Mapping[str, str],
    git: GitState,
) -> str:
    """Make the run of *step* (experiment: the project's name); returns its id."""
    tags = {
        PROJECT_TAG: project,
        STEP_TAG: step,
        IMAGE_TAG: image,
        PROCESS_TAG: f"{os.getpid()} {process_start(os.getpid())}",
        "mlflow.source.type": "PROJECT",
        "mlflow.source.name": folder,
        "mlflow.project.entryPoint": step,
    }
    if git.commit:
        tags["mlflow.source.git.commit"] = git.commit
        tags["teul.git.dirty"] = str(git.is_dirty).lower()
    if git.branch:
        tags["mlflow.source.git.branch"] = git.branch
    run = tracking.create_run(
        tracking.ensure_experiment(project), run_name=step, tags=tags, user_id=os.environ.get("USER", "root")
    )
    tracking.set_tags(run.id, {INPUT_TAG + path: digest for path, digest in inputs.items()})
    if git.diff:
        tracking.log_artifact(run.id, "git/uncommitted.diff", git.diff)
    if git.untracked:
        tracking.log_artifact(run.id, "git/untracked.txt", "\n".join((*git.untracked, "")).encode())
    return run.id


def log_missing_params(tracking: TrackingStore, run_id: str, params: Mapping[str, str]) -> None:
    """Log the parameters that the step's own code has not logged under the same name: its word counts."""
    known = tracking.get_run(run_id).params
    tracking.log_params(run_id, {name: value for name, value in params.items() if name not in known})


def log_missing_metrics(tracking: TrackingStore, run_id: str, values: Mapping[str, float]) -> None:
    """Log the values of the metrics files, unless the run's latest value is the same already."""
    run = tracking.get_run(run_id)
    tracking.log_metrics(run_id, {name: value for name, value in values.items() if run.metric(name) != value})


def close_abandoned(tracking: TrackingStore, project: str) -> list[str]:
    """End (KILLED) the running runs of *project* whose process is gone; returns their ids."""
    experiment = tracking.find_experiment(project)
    if experiment is None:
        return []
    page = tracking.search_runs([experiment.id], filter_text="attributes.status = 'RUNNING'", max_results=1000)
    closed = []
    for run in page.items:
        pid, _, started = run.tags.get(PROCESS_TAG, "").partition(" ")
        if pid.isdigit() and process_start(int(pid)) != started:
            tracking.end_run(run.id, "KILLED")
            closed.append(run.id)
    return closed
