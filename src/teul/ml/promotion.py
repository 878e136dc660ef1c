"""From a served image to a version of the registered model: register, judge by the gates, promote. Decides nothing.

A version is known by the digests of its model (files, the code that predicts, how it is called) and of the image that it
was trained in, so the same are one version however often they are brought up; its served image may be made anew, by
another model server, without making another version. A version whose gate failed is kept, marked, and never becomes `production`.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping, Sequence

from teul.errors import Text, TrackingNotFound, Unsupported
from teul.ml.gate import Gate, Verdict, evaluate
from teul.ml.record import OUTS
from teul.ml.tracking.values import PRODUCTION, ModelVersion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.ml.tracking import TrackingStore

SERVED_TAG, TRAINED_TAG, MODEL_TAG, PROJECT_TAG = "teul.image", "teul.trained-in", "teul.model", "teul.project"


def find_version(tracking: TrackingStore, model: str, *, digest: str, trained_in: str) -> ModelVersion | None:
    """The version of the model with this digest from this image, or None."""
    page = tracking.search_model_versions(filter_text=f"name = '{model}'")
    wanted = (digest, trained_in)
    return next((item for item in page.items if (item.tags.get(MODEL_TAG), item.tags.get(TRAINED_TAG)) == wanted), None)


def register(
    tracking: TrackingStore,
    model: str,
    *,
    project: str,
    digest: str,
    image: str,
    trained_in: str,
    run_id: str,
    path: str,
) -> ModelVersion:
    """The version that is there, or a new one whose files are the run's output *path*; *image* serves it from now on."""
    found = find_version(tracking, model, digest=digest, trained_in=trained_in)
    if found is not None:
        if found.tags.get(SERVED_TAG) == image:
            return found
        tracking.set_model_version_tag(model, found.version, SERVED_TAG, image)
        return tracking.get_model_version(model, found.version)
    tracking.ensure_registered_model(model)
    return tracking.create_model_version(
        model,
        f"{tracking.get_run(run_id).artifact_uri}/{OUTS}/{path}",
        run_id=run_id,
        tags={SERVED_TAG: image, TRAINED_TAG: trained_in, MODEL_TAG: digest, PROJECT_TAG: project},
        user_id=who(),
    )


def judge(
    tracking: TrackingStore, gates: Sequence[Gate], values: Mapping[str, float], production: ModelVersion | None
) -> tuple[Verdict, ...]:
    """What each gate says of *values*, compared with the metrics of the version in production."""
    before = None
    if production is not None:
        run = tracking.get_run(production.run_id) if production.run_id else None
        before = {metric.key: metric.value for metric in run.metrics} if run else {}
    return tuple(evaluate(gate, values, before) for gate in gates)


def keep_verdicts(tracking: TrackingStore, version: ModelVersion, verdicts: Sequence[Verdict]) -> None:
    """Remember what the gates said; nothing is written when they said the same before."""
    passed = all(verdict.passed for verdict in verdicts)
    report = [verdict.to_json() for verdict in verdicts]
    if (version.gate, [dict(line) for line in version.gate_report]) != ("passed" if passed else "failed", report):
        tracking.set_gate(version.name, version.version, passed, report)


def keep_card(tracking: TrackingStore, version: ModelVersion) -> str:
    """Write the model card of *version* among its run's artifacts, as things are now; returns its text."""
    from teul.ml.model_card import path_of, write

    version = tracking.get_model_version(version.name, version.version)
    card = write(tracking, version)
    if version.run_id:
        try:
            tracking.log_artifact(version.run_id, path_of(version), card.encode())
        except (TrackingNotFound, Unsupported):
            pass
    return card


def promote(tracking: TrackingStore, version: ModelVersion, reason: Text) -> None:
    """Make *version* what serves. Raises: GateFailed."""
    tracking.set_alias(version.name, PRODUCTION, version.version, who=who(), reason=str(reason))


def in_production(tracking: TrackingStore, model: str) -> ModelVersion | None:
    return tracking.alias(model, PRODUCTION)


def who() -> str:
    """The person at the keyboard, for the history: the one behind sudo where there is one."""
    given = os.environ.get("SUDO_USER")
    if given:
        return given
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.geteuid())
