"""The model server as a process of its own, with a small predictor, under the system's Python."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

import teul_model

pytestmark = pytest.mark.slow
PROGRAM = os.path.join(os.path.dirname(teul_model.__file__), "__main__.py")
SOURCE = """
import os, signal, time

class Adder:
    inputs = {"x": int, "y": float}
    outputs = {"sum": float}
    example = {"x": 1, "y": 2.0}

    @classmethod
    def load(cls, path):
        if path == "/nowhere":
            raise FileNotFoundError("no model at /nowhere")
        return cls()

    def predict(self, rows):
        if rows[0]["x"] == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        if rows[0]["x"] == 7:
            time.sleep(60)
        if rows[0]["x"] == 3:
            raise ZeroDivisionError("three")
        return [{"sum": row["x"] + row["y"]} for row in rows]
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running server; `ask` sends one request."""

    def __init__(self, folder, **environ):
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", PROGRAM],
            cwd=folder,
            env={
                "TEUL_HOST": "127.0.0.1",
                "TEUL_PORT": str(self.port),
                "TEUL_MODEL_NAME": "adder",
                "TEUL_MODEL_VERSION": "3",
                "TEUL_MODEL_PATH": "/",
                "TEUL_MODEL_PREDICT": "adder_under_test:Adder",
                **environ,
            },
            stderr=subprocess.PIPE,
        )

    def wait_ready(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                if self.ask("GET", "/v2/health/ready")[0] == 200:
                    return
            except OSError:
                pass
            assert self.process.poll() is None
            time.sleep(0.02)
        raise AssertionError("the server is not ready")

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        data = json.dumps(body).encode() if not isinstance(body, (bytes, type(None))) else body
        connection.request(method, path, data, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        is_json = answer.headers.get("content-type") == "application/json" and text.strip()
        return answer.status, json.loads(text) if is_json else text.decode()

    def invoke(self, x, y=0.5):
        return self.ask(
            "POST", "/invocations", {"dataframe_records": [{"x": x, "y": y}]}, content_type="application/json"
        )

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=20)
        return self.process.returncode


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("adder")
    (made / "adder_under_test.py").write_text(SOURCE)
    return made


@pytest.fixture(scope="module")
def server(folder):
    made = Server(folder)
    made.wait_ready()
    yield made
    made.stop()


def test_health_version_and_metadata(server):
    assert server.ask("GET", "/v2/health/live") == (200, {"live": True})
    assert server.ask("GET", "/v2/health/ready") == (200, {"ready": True, "live": True})
    assert server.ask("GET", "/v2/models/adder/versions/3/ready") == (200, {"name": "adder", "ready": True})
    assert server.ask("GET", "/ping")[0] == 200
    assert server.ask("GET", "/health")[0] == 200
    assert (200, teul_model.__version__) == server.ask("GET", "/version")
    assert {"name": "teul-model", "version": teul_model.__version__, "extensions": []} == server.ask("GET", "/v2")[1]
    assert server.ask("GET", "/v2/models/adder")[1] == {
        "name": "adder",
        "versions": ["3"],
        "platform": "teul_predictor",
        "inputs": [
            {"name": "x", "datatype": "INT64", "shape": [-1], "optional": False},
            {"name": "y", "datatype": "FP64", "shape": [-1], "optional": False},
        ],
        "outputs": [{"name": "sum", "datatype": "FP64", "shape": [-1], "optional": False}],
        "parameters": {"example": {"x": 1, "y": 2.0}},
    }


def test_inference_by_the_open_protocol(server):
    request = {
        "id": "42",
        "inputs": [
            {"name": "x", "shape": [2], "datatype": "INT64", "data": [1, 2]},
            {"name": "y", "shape": [2], "datatype": "FP64", "data": [0.5, 0.25]},
        ],
    }
    status, answer = server.ask("POST", "/v2/models/adder/versions/3/infer", request)

    assert status == 200
    assert answer == {
        "model_name": "adder",
        "model_version": "3",
        "id": "42",
        "outputs": [{"name": "sum", "shape": [2], "datatype": "FP64", "data": [1.5, 2.25]}],
    }


def test_invocations_as_mlflow_has_them(server):
    assert server.invoke(1) == (200, {"predictions": [{"sum": 1.5}]})
    assert server.ask("POST", "/invocations", b"x,y\n1,2.5\n", content_type="text/csv; charset=utf-8") == (
        200,
        {"predictions": [{"sum": 3.5}]},
    )


def test_errors_speak_the_protocol_that_was_asked_in(server):
    assert (server.invoke(None)) == (
        400,
        {"error_code": "BAD_REQUEST", "message": "dataframe_records[0].x: expected an integer, got null"},
    )
    assert server.ask("POST", "/v2/models/adder/infer", {}) == (
        400,
        {"error": "inputs: expected a list of tensors, got null"},
    )
    assert server.ask("POST", "/v2/models/other/infer", {}) == (
        404,
        {"error": "unknown model `other`; this server has `adder`"},
    )
    assert server.ask("GET", "/v2/models/adder/versions/9")[0] == 404
    assert server.ask("GET", "/nothing")[0] == 404
    assert server.ask("GET", "/invocations")[0] == 405
    assert server.ask("DELETE", "/ping")[0] == 405
    assert server.ask("POST", "/invocations", b"x", content_type="text/plain")[0] == 415
    assert server.ask("POST", "/v2/models/adder/infer", b"{}", inference_header_content_length="2")[0] == 400


def test_an_exception_of_the_model_is_500_and_the_server_goes_on(server):
    assert (server.invoke(3)) == (
        500,
        {"error_code": "INTERNAL_ERROR", "message": "the model raised ZeroDivisionError: three"},
    )
    assert server.invoke(1)[0] == 200


def test_pipelined_requests_are_answered_in_order(server):
    def request(x):
        body = json.dumps({"instances": [[x, 0.0]]}).encode()
        head = f"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        return head.encode() + b"\r\n\r\n" + body

    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"".join(request(x) for x in (1, 2, 4, 5)) + b"GET /ping HTTP/1.0\r\n\r\n")
        text = b""
        while data := connection.recv(65536):
            text += data

    sums = [json.loads(part.split(b"\r\n\r\n")[1])["predictions"][0]["sum"] for part in text.split(b"HTTP/1.1 ")[1:5]]
    assert sums == [1.0, 2.0, 4.0, 5.0]


def test_metrics_and_the_form_are_served(server):
    server.invoke(1)
    text = server.ask("GET", "/metrics")[1]

    assert 'teul_model_info{model="adder",version="3"} 1' in text
    assert 'route="invocations",status="200"' in text
    assert "<title>adder 3</title>" in server.ask("GET", "/")[1]


def test_a_crashed_worker_fails_its_request_and_is_replaced(folder):
    server = Server(folder)
    try:
        server.wait_ready()

        assert (lambda it: (it[0], it[1]["message"]))(server.invoke(13)) == (503, "the worker ended while it predicted")
        server.wait_ready()
        assert server.invoke(1)[0] == 200
        assert "teul_model_worker_restarts_total 1" in server.ask("GET", "/metrics")[1]
    finally:
        assert server.stop() == 0


def test_a_worker_that_hangs_is_killed_and_replaced(folder):
    server = Server(folder, TEUL_TIMEOUT_S="0.5")
    try:
        server.wait_ready()

        assert server.invoke(7)[0] == 504
        server.wait_ready()
        assert server.invoke(1)[0] == 200
    finally:
        server.stop()


def test_too_large_a_body_is_refused_before_it_is_read(folder):
    server = Server(folder, TEUL_BODY_LIMIT_BYTES="100")
    try:
        server.wait_ready()

        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: 101\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")
    finally:
        server.stop()


def test_a_model_that_cannot_be_loaded_ends_the_server(folder):
    server = Server(folder, TEUL_MODEL_PATH="/nowhere")
    _, stderr = server.process.communicate(timeout=20)

    assert server.process.returncode == 1
    assert "cannot load the model: FileNotFoundError: no model at /nowhere" in stderr.decode()


def test_the_health_check_asks_the_server(server):
    code = subprocess.run(
        [sys.executable, "-I", "-S", PROGRAM, "--check"], env={"TEUL_PORT": str(server.port)}, check=False
    ).returncode

    assert code == 0


def test_a_running_request_is_answered_before_the_server_ends(folder, tmp_path):
    (tmp_path / "slow_under_test.py").write_text(
        "import time\nclass Slow:\n def predict(self, rows):\n  time.sleep(0.5)\n  return rows\n"
    )
    server = Server(tmp_path, TEUL_MODEL_PREDICT="slow_under_test:Slow")
    server.wait_ready()
    body = b'{"instances":[1]}'
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(
            b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n" % len(body) + body
        )
        deadline = time.monotonic() + 5
        while "teul_model_in_flight 1" not in server.ask("GET", "/metrics")[1] and time.monotonic() < deadline:
            pass
        os.kill(server.process.pid, signal.SIGTERM)
        answer = connection.recv(65536)

    assert b'{"predictions":[1]}' in answer
    assert b"connection: close" in answer
    assert server.stop() == 0
