"""A worker: loads the model, then answers one request after the other. Must not know sockets of clients.

Started by the front as a program of its own, so that its `sys.path` is the user's: first the code that came with the
model, then the working directory, then what the image's Python has, and this package last.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import traceback


def adjust_path(code: str) -> None:
    """Make `sys.path` the user's; this file's own folder must not shadow anything."""
    own = os.path.dirname(os.path.abspath(__file__))
    rest = [entry for entry in sys.path if entry and os.path.abspath(entry) != own]
    first = [entry for entry in (code, os.getcwd()) if entry and os.path.isdir(entry)]
    sys.path[:] = [*first, *rest, os.path.dirname(own)]


def main() -> int:
    channel = socket.socket(fileno=int(os.environ.pop("TEUL_WORKER_FD")))
    channel.setblocking(True)
    # The front decides when to stop (it closes the channel); a Ctrl-C on the terminal reaches every process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    adjust_path(os.environ.get("TEUL_MODEL_CODE", ""))

    from teul_model import frames
    from teul_model.load import LoadError, load

    try:
        model = load(os.environ.get("TEUL_MODEL_PREDICT", ""), os.environ["TEUL_MODEL_PATH"])
    except LoadError as error:
        channel.sendall(frames.pack(0, frames.FAILED, str(error).encode()))
        return 1
    except BaseException as error:
        traceback.print_exc()
        channel.sendall(frames.pack(0, frames.FAILED, f"{type(error).__name__}: {error}".encode()))
        return 1
    about = {
        "platform": model.platform,
        "inputs": _describe(model.signature.inputs),
        "outputs": _describe(model.signature.outputs),
        "example": model.example,
    }
    channel.sendall(frames.pack(0, frames.READY, json.dumps(about).encode()))
    serve(channel, model)
    return 0


def _describe(columns: object) -> object:
    if columns is None:
        return None
    return [
        {"name": column.name, "datatype": column.datatype, "shape": [-1], "optional": column.is_optional}
        for column in columns  # type: ignore[attr-defined]
    ]


def serve(channel: socket.socket, model: object) -> None:
    """Answer until the front closes the channel."""
    from teul_model import frames

    splitter = frames.Splitter()
    name, version = os.environ.get("TEUL_MODEL_NAME", "model"), os.environ.get("TEUL_MODEL_VERSION", "")
    while True:
        data = channel.recv(1 << 18)
        if not data:
            return
        for number, kind, _, payload in splitter.feed(data):
            status, body, rows = answer(model, kind, payload, name, version)
            channel.sendall(frames.pack(number, status, body, rows))


def answer(model: object, kind: int, payload: bytes, name: str, version: str) -> tuple[int, bytes, int]:
    """Decode, check, predict, encode; gives the HTTP status, the body and how many rows there were."""
    from teul_model import codec, frames
    from teul_model.signature import BadRequest

    try:
        request = codec.load(payload) if kind == frames.INFER else {}
        signature = model.signature  # type: ignore[attr-defined]
        if kind == frames.INFER:
            rows = codec.decode_infer(request, signature)
        elif kind == frames.CSV:
            rows = codec.decode_csv(payload, signature)
        else:
            rows = codec.decode_invocations(payload, signature)
        predictions = model.predict(rows) if rows else []  # type: ignore[attr-defined]
        if kind == frames.INFER:
            return 200, codec.encode_infer(request, predictions, signature, name, version), len(rows)
        return 200, codec.encode_invocations(predictions), len(rows)
    except BadRequest as error:
        return error.status, str(error).encode(), 0
    except Exception as error:
        if getattr(error, "error_code", "") in ("BAD_REQUEST", "INVALID_PARAMETER_VALUE"):
            return 400, str(error).encode(), 0  # MLflow's own check of the request
        traceback.print_exc()
        return 500, f"the model raised {type(error).__name__}: {error}".encode(), 0


if __name__ == "__main__":
    sys.exit(main())
