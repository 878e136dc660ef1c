"""One step's run in the tracking store: what is written before, while and after it runs. Must not start anything.

A run that teul began says who runs it (`teul.process`), so that the next `up` can close one whose process died.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from teul.errors import CommandFailed, HostLacks
from teul.host import process
from teul.ml.trees import FOLDER, Tree
from teul.state.leases import process_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.ml.tracking import TrackingStore

PROJECT_TAG, STEP_TAG, IMAGE_TAG = "teul.project", "teul.step", "teul.image"
PROCESS_TAG = "teul.process"
COMMIT_TAG = "mlflow.source.git.commit"
COMMAND_TAG, SEED_TAG = "teul.command", "teul.seed"
INPUT_TAG = "teul.input."
OUTPUT_TAG = "teul.output."
PIN_TAG, HOST_TAG = "teul.pin.", "teul.host."
COMPARED_TAGS = {COMMAND_TAG: "command", SEED_TAG: "seed", PIN_TAG: "pin", HOST_TAG: "host"}
"""Tags of ours that say how a run came about, and what a difference in them is called."""
CPU_SECONDS, PEAK_MEMORY = "system/cpu_seconds", "system/peak_memory_megabytes"
DIFF_FILE, UNTRACKED_FILE = "git/uncommitted.diff", "git/untracked.txt"
INPUTS_FILE = "inputs/listing.json"
LISTED_FILES = 20_000
"""A run keeps the listing of its inputs up to so many files; the digest of each input always."""
THREAD_PINS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "BLIS_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "CUBLAS_WORKSPACE_CONFIG",
    "PYTHONHASHSEED",
)
SEED_NAMES = ("seed", "random_seed", "random_state", "SEED", "RANDOM_SEED", "PYTHONHASHSEED")
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
        commit = ask_git(folder, "rev-parse", "HEAD").decode().strip()
        branch = ask_git(folder, "rev-parse", "--abbrev-ref", "HEAD").decode().strip()
        diff = ask_git(folder, "diff", "--no-ext-diff", "--no-textconv", "--binary", "HEAD", "--", ".")
        listed = ask_git(folder, "ls-files", "--others", "--exclude-standard", "-z", "--", ".")
    except (CommandFailed, HostLacks, OSError):
        return GitState()
    names = tuple(name for name in listed.decode(errors="replace").split("\0") if name)
    if len(diff) > DIFF_LIMIT_BYTES:
        diff = diff[:DIFF_LIMIT_BYTES] + b"\n[cut: the diff is longer than 8 MiB]\n"
    return GitState(commit, "" if branch == "HEAD" else branch, diff, names)


def ask_git(folder: str, *words: str) -> bytes:
    """What `git *words*` in *folder* prints. Raises: CommandFailed, HostLacks."""
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
    inputs: Mapping[str, Tree],
    git: GitState,
    command: str = "",
    params: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> str:
    """Make the run of *step* (experiment: the project's name); returns its id.

    Args:
        params, environ: what the step is given; only the seed and the pins among them are kept here.
    """
    tags = {
        **circumstances(params or {}, environ or {}),
        PROJECT_TAG: project,
        STEP_TAG: step,
        IMAGE_TAG: image,
        PROCESS_TAG: f"{os.getpid()} {process_start(os.getpid())}",
        "mlflow.source.type": "PROJECT",
        "mlflow.source.name": folder,
        "mlflow.project.entryPoint": step,
    }
    if command:
        tags[COMMAND_TAG] = command
    tags |= git_tags(git)
    run = tracking.create_run(
        tracking.ensure_experiment(project), run_name=step, tags=tags, user_id=os.environ.get("USER", "root")
    )
    tracking.set_tags(run.id, {INPUT_TAG + path: tree.digest for path, tree in inputs.items()})
    for path, data in git_files(git).items():
        tracking.log_artifact(run.id, path, data)
    if any(tree.entries[0].kind == FOLDER for tree in inputs.values()) and (
        sum(len(tree.entries) for tree in inputs.values()) <= LISTED_FILES
    ):
        listing = {path: tree.to_json() for path, tree in inputs.items()}
        tracking.log_artifact(run.id, INPUTS_FILE, json.dumps(listing, ensure_ascii=False).encode())
    return run.id


def git_tags(git: GitState) -> dict[str, str]:
    """The tags for what the folder was at, MLflow's names first; none outside of a repository."""
    if not git.commit:
        return {}
    tags = {COMMIT_TAG: git.commit, "teul.git.dirty": str(git.is_dirty).lower()}
    if git.branch:
        tags["mlflow.source.git.branch"] = git.branch
    return tags


def git_files(git: GitState) -> dict[str, bytes]:
    """Artifact path → content: what was not committed."""
    made = {DIFF_FILE: git.diff} if git.diff else {}
    if git.untracked:
        made[UNTRACKED_FILE] = "\n".join((*git.untracked, "")).encode()
    return made


def circumstances(params: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Tags that say on what machine, with which seed and held to which CPUs and threads a run ran."""
    machine = os.uname()
    tags = {
        f"{HOST_TAG}name": machine.nodename,
        f"{HOST_TAG}kernel": machine.release,
        f"{HOST_TAG}machine": machine.machine,
        f"{HOST_TAG}cpu": _cpu_model(),
        f"{PIN_TAG}cpus": _ranges(sorted(os.sched_getaffinity(0))),
    }
    tags |= {PIN_TAG + name: environ[name] for name in THREAD_PINS if name in environ}
    seed = next((found[name] for name in SEED_NAMES for found in (params, environ) if name in found), "")
    if seed:
        tags[SEED_TAG] = seed
    return {name: value for name, value in tags.items() if value}


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() in ("model name", "Model", "cpu model"):
                    return value.strip()
    except OSError:
        pass
    return ""


def _ranges(numbers: Sequence[int]) -> str:
    """`0-3,6`: as the kernel writes a list of CPUs. Spec: cpuset(7), "List format"."""
    made: list[list[int]] = []
    for number in numbers:
        if made and made[-1][1] == number - 1:
            made[-1][1] = number
        else:
            made.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in made)


def log_usage(tracking: TrackingStore, run_id: str, *, cpu_seconds: float, peak_memory_bytes: int) -> None:
    """Keep what a run took: CPU time of all its processes, and the most memory they held (0: not known)."""
    values = {CPU_SECONDS: round(cpu_seconds, 3)}
    if peak_memory_bytes:
        values[PEAK_MEMORY] = round(peak_memory_bytes / 1e6, 1)
    tracking.log_metrics(run_id, values)


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
