"""`--change` of `commit` and `import`: Dockerfile instructions that alter a config, and nothing else.

Source: Docker's documentation, "docker commit" (supported instructions).
"""

from __future__ import annotations

from teul.build.dockerfile.lower import lower
from teul.build.dockerfile.lowered import BaseImage, LowerOptions
from teul.build.dockerfile.parser import parse
from teul.errors import InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from dataclasses import replace

    from teul.oci.image import ExecutionConfig, ImageConfig
else:
    from teul.values import replace

ALLOWED = frozenset(
    [
        "CMD",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    ]
)


def apply(config: ImageConfig, changes: Sequence[str]) -> ExecutionConfig:
    """The config of *config* after *changes*, one instruction each.

    Raises:
        InvalidInput: an instruction that makes a layer. DockerfileError: one that cannot be read.
    """
    if not changes:
        return config.config
    document = parse("FROM base\n" + "\n".join(changes) + "\n", "--change")
    for node in document.nodes[1:]:
        if node.keyword not in ALLOWED:
            raise InvalidInput(text("{instruction} is not a valid change command", instruction=node.keyword))
    options = LowerOptions(platform=config.platform, build_platform=config.platform)
    base = BaseImage(id=config.digest, config=config, reference="base")
    made = lower(document, options, lambda reference, platform: base).config.config
    # A build adds a PATH where there is none, and says how it wrote the command; neither was asked for here.
    has_env = any(node.keyword == "ENV" for node in document.nodes)
    altered: ExecutionConfig = replace(
        made, env=made.env if has_env else config.config.env, args_escaped=config.config.args_escaped
    )
    return altered
