import os

import pytest

from suites.containers import NAME, add_busybox, why_no_busybox
from teul.engine import containers, networks
from teul.engine.containers.attached import Streams


@pytest.fixture
def busybox(engine):
    """An engine with an image of one busybox; what a test leaves is removed."""
    if why_no_busybox():
        pytest.skip(why_no_busybox())
    if os.geteuid() != 0:
        pytest.skip("needs root")
    add_busybox(engine)
    yield engine
    for container in containers.list_containers(engine, all=True):
        containers.remove(engine, container.id, force=True, with_volumes=True)
    networks.sweep(engine)


class Box:
    """Runs containers of the busybox image and keeps what they say."""

    def __init__(self, engine):
        self.engine = engine
        self.out = b""
        self.err = b""

    def options(self, *command, **options):
        return containers.ContainerOptions(
            image=options.pop("image", NAME),
            command=command or None,
            **{"network": ("none",), "add_trust": False, **options},
        )

    def run(self, *command, stdin=None, **options):
        """In the foreground, removed at the end; the exit code."""
        self.out = self.err = b""

        def on_output(stream, data):
            if stream == 1:
                self.out += data
            else:
                self.err += data

        made = self.options(*command, **{"remove": True, **options})
        return containers.run_foreground(self.engine, made, streams=Streams(stdin=stdin, on_output=on_output))

    def say(self, script, **options):
        """What a shell script prints."""
        code = self.run("sh", "-c", script, **options)
        assert code == 0, (self.out, self.err)
        return self.out.decode()

    def start(self, *command, **options):
        """In the background."""
        made = containers.create(self.engine, self.options(*command, **options))
        return containers.start(self.engine, made.id)


@pytest.fixture
def box(busybox):
    return Box(busybox)
