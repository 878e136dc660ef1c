"""What a finished build is delivered as: outputs, attestations, the metadata that Docker's clients read."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from teul.engine.build.attestations import SLSA, SPDX, Attestations, provenance
from teul.engine.build.outputs import Built, Outputs
from teul.errors import InvalidInput
from teul.oci.digest import Digest
from teul.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from teul.build.dockerfile.lower import Lowered
    from teul.build.dockerfile.parser import Dockerfile
    from teul.build.execute import BuildWorker
    from teul.engine import Engine
    from teul.engine.build import BuildOptions
    from teul.events import Sink
    from teul.registry import RegistryClient
    from teul.solver.graph import Result
    from teul.solver.solve import Solution


class Delivery:
    """One build's end.

    Args:
        began: seconds since 1970.
        created: RFC 3339, the date in documents that are to be the same each time.
    """

    def __init__(
        self,
        engine: Engine,
        options: BuildOptions,
        lowered: Lowered,
        dockerfile: Dockerfile,
        worker: BuildWorker,
        client: Callable[[], RegistryClient],
        events: Sink,
        *,
        began: float,
        created: str,
    ) -> None:
        self._engine = engine
        self._options = options
        self._lowered = lowered
        self._dockerfile = dockerfile
        self._worker = worker
        self._client = client
        self._events = events
        self._began = began
        self._created = created
        self.reference = "default/default/" + "".join(_WORD[byte % len(_WORD)] for byte in os.urandom(25))

    def deliver(self, config: bytes, names: Sequence[Reference], solution: Solution) -> dict[str, Any]:
        """Write every output; gives Docker's metadata.

        Raises:
            TeulError, OSError: an output could not be written.
        """
        options = self._options
        tree = solution.result(self._lowered.vertex)
        built = Built(
            config,
            tuple(Digest(item) for item in tree.data["diff_ids"]),
            tree,
            tuple(names),
            annotations=options.annotations,
        )
        metadata: dict[str, Any] = {"buildx.build.ref": self.reference}
        if options.provenance or options.sbom:
            built, document = self._attested(built, solution)
            if document is not None:
                metadata["buildx.build.provenance"] = document
        outputs = Outputs(self._engine, self._worker, self._client, options.write_output, self._events)
        described = None
        for output in options.outputs:
            described = outputs.write(output, built) or described
        if not options.outputs or any(output.kind not in ("local", "tar", "cacheonly") for output in options.outputs):
            metadata["containerimage.config.digest"] = built.id
            metadata["containerimage.digest"] = built.id
            if described is not None:
                metadata["containerimage.digest"] = described.digest
                metadata["containerimage.descriptor"] = described.to_json()
            if options.tags:
                metadata["image.name"] = ",".join(_full(name) for name in options.tags)
        return dict(sorted(metadata.items()))

    def _attested(self, built: Built, solution: Solution) -> tuple[Built, dict[str, Any] | None]:
        predicates: list[tuple[str, Mapping[str, Any]]] = []
        if self._options.sbom:
            predicates.append((SPDX, self._bill(built)))
        document = self._provenance(solution) if self._options.provenance else None
        if document is not None:
            predicates.append((SLSA, document))
        attestations = Attestations(
            self._lowered.config.platform, tuple(str(name) for name in built.names), tuple(predicates)
        )
        return replace(built, attestations=attestations), document

    def _bill(self, built: Built) -> dict[str, Any]:
        from teul.images.packages import Package, read_packages
        from teul.images.sbom import spdx

        def look(tree: Result) -> tuple[Package, ...]:
            with self._worker.viewed(tree) as root:
                return read_packages(root)

        with ThreadPoolExecutor(1, thread_name_prefix="teul-sbom") as pool:
            packages = pool.submit(look, built.tree).result()
        name = str(built.names[0].familiar) if built.names else built.id
        return spdx(packages, name=name, digest=built.id, created=self._created)

    def _provenance(self, solution: Solution) -> dict[str, Any]:
        from teul import __version__

        options = self._options
        args: dict[str, str] = {}
        if options.target:
            args["target"] = options.target
        if options.no_cache:
            args["no-cache"] = ""
        if options.provenance == "max":
            # What is passed to a build may be secret; as in BuildKit only mode=max tells it.
            args |= {f"build-arg:{name}": value for name, value in options.build_args.items() if value is not None}
            args |= {f"label:{name}": value for name, value in options.labels.items()}
        path = os.path.basename(self._dockerfile.path) or "Dockerfile"
        return provenance(
            mode=options.provenance,
            builder=f"teul/{__version__}",
            invocation=self.reference.rpartition("/")[2],
            started=_when(self._began),
            finished=_when(time.time()),
            request={
                "frontend": "dockerfile.v0",
                "path": path,
                "args": args,
                "locals": [{"name": "context"}, {"name": "dockerfile"}],
                **(
                    {"secrets": [{"id": name, "optional": True} for name in sorted(options.secrets)]}
                    if options.secrets
                    else {}
                ),
            },
            platform=str(self._lowered.config.platform),
            dependencies=self._dependencies(),
            is_complete=not any(self._uses_network(vertex.op) for vertex in solution.outcomes),
            steps=[
                {
                    "id": vertex.digest,
                    "name": vertex.name,
                    "inputs": [source.digest for source in vertex.inputs],
                    "definition": dict(vertex.op.definition),
                    "result": outcome.result.digest,
                }
                for vertex, outcome in solution.outcomes.items()
            ]
            if options.provenance == "max"
            else (),
            source=(path, self._source()),
        )

    def _uses_network(self, op: object) -> bool:
        from teul.build import ops

        return isinstance(op, ops.Run) and op.network != "none"

    def _source(self) -> str:
        import base64

        data = self._options.dockerfile_text
        if data is None:
            try:
                with open(self._dockerfile.path, encoding="utf-8", errors="surrogateescape") as file:
                    data = file.read()
            except OSError:
                data = ""
        return base64.b64encode(data.encode("utf-8", "surrogateescape")).decode()

    def _dependencies(self) -> list[tuple[str, str]]:
        """The base images, by the digest that a registry knows them by, else by their id."""
        made = []
        for base, _ in self._lowered.bases:
            try:
                reference = Reference.parse(base.reference)
                word = reference.familiar_repository
                tag = f"@{reference.tag}" if reference.tag else ""
            except InvalidInput:  # an OCI layout's path is no reference
                word, tag = base.reference, ""
            platform = str(base.config.platform).replace("/", "%2F")
            digest = (base.digest or base.id).removeprefix("sha256:")
            made.append((f"pkg:docker/{word}{tag}?platform={platform}", digest))
        return made


_WORD = "abcdefghijklmnopqrstuvwxyz0123456789"


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _full(name: str) -> str:
    """As Docker writes a name there: with its registry, with a tag only where one was given."""
    reference = Reference.parse(name)
    has_tag = ":" in name.rpartition("/")[2]
    return str(reference) if has_tag else reference.repository
