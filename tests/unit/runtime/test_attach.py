"""The attach client against a socket that speaks as conmon does."""

import os
import socket
import threading

import pytest

from teul.errors import Cancelled, InvalidInput
from teul.runtime.attach import DETACHED, ENDED, Attachment, SignalPipe, parse_detach_keys


@pytest.fixture
def monitor(tmp_path):
    """A listening attach socket below a path that is too long for a socket's name."""
    bundle = tmp_path / ("deep" * 40)
    bundle.mkdir()
    before = os.getcwd()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    os.chdir(bundle)
    try:
        listener.bind("attach")
    finally:
        os.chdir(before)
    listener.listen()
    yield str(bundle), listener
    listener.close()


def relay(monitor, act, **options):
    """Run *act* with the monitor's end of a connection while we relay; gives (how it ended, what came)."""
    bundle, listener = monitor
    heard = []
    with Attachment(bundle) as attachment:
        connection, _ = listener.accept()

        def run():
            with connection:
                act(connection)

        thread = threading.Thread(target=run)
        thread.start()
        how = attachment.relay(on_output=lambda stream, data: heard.append((stream, data)), **options)
        attachment.close()
        thread.join(timeout=10)
    return how, heard


def test_output_comes_by_stream_until_the_end(monitor):
    def act(connection):
        connection.send(b"\x02out")
        connection.send(b"\x03err")
        connection.send(b"\x02" + b"x" * 8192)

    assert relay(monitor, act) == (ENDED, [(1, b"out"), (2, b"err"), (1, b"x" * 8192)])


def test_input_goes_out_and_its_end_is_told(monitor):
    reader, writer = os.pipe()
    os.write(writer, b"some input")
    os.close(writer)
    got = []

    def act(connection):
        while data := connection.recv(9000):
            got.append(data)

    try:
        how, _ = relay(monitor, act, stdin=reader)
    finally:
        os.close(reader)

    assert how == ENDED
    assert got == [b"some input"]


def test_the_detach_keys_leave_the_container_alone(monitor):
    reader, writer = os.pipe()
    os.write(writer, b"ab\x10c\x10\x11rest")
    got = []

    def act(connection):
        while data := connection.recv(9000):
            got.append(data)

    try:
        how, _ = relay(monitor, act, stdin=reader, detach_keys=parse_detach_keys("ctrl-p,ctrl-q"))
    finally:
        os.close(reader)
        os.close(writer)

    assert how == DETACHED
    assert got == [b"ab\x10c"]


def test_a_container_that_does_not_read_stops_nothing(monitor):
    """Megabytes of input wait; its output still comes."""
    reader, writer = os.pipe()
    threading.Thread(target=_fill, args=(writer, 4 << 20), daemon=True).start()

    def act(connection):
        connection.send(b"\x02still here")
        while connection.recv(65536):
            pass

    try:
        how, heard = relay(monitor, act, stdin=reader)
    finally:
        os.close(reader)

    assert (how, heard) == (ENDED, [(1, b"still here")])


def test_should_stop_ends_it(monitor):
    with pytest.raises(Cancelled):
        relay(monitor, lambda connection: connection.recv(1), should_stop=lambda: True)


def test_signals_are_noted_and_the_handlers_put_back():
    import signal

    before = signal.getsignal(signal.SIGUSR1)
    with SignalPipe((signal.SIGUSR1,)) as signals:
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)

        assert {signal.SIGUSR1} == set(signals.take())
    assert before == signal.getsignal(signal.SIGUSR1)


@pytest.mark.parametrize("word", ["ctrl-", "ctrl-1x", "ab", "ctrl-é"])
def test_wrong_detach_keys_are_refused(word):
    with pytest.raises(InvalidInput):
        parse_detach_keys(word)


def _fill(descriptor, size):
    try:
        os.write(descriptor, b"x" * size)
    finally:
        os.close(descriptor)
