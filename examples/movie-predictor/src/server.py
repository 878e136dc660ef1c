"""`GET /health`, `GET /recommend?user_id=1`: JSON over HTTP with the standard library."""

import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


def serve(model, port):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            url = urlsplit(self.path)
            if url.path == "/health":
                return self.answer(200, {"status": "ok"})
            if url.path != "/recommend":
                return self.answer(404, {"error": "no such path"})
            try:
                user = int(parse_qs(url.query)["user_id"][0])
            except (KeyError, ValueError):
                return self.answer(400, {"error": "expected ?user_id=NUMBER"})
            found = [{"movie": movie, "watch_seconds": round(seconds)} for movie, seconds in model.recommend(user)]
            return self.answer(200, {"user_id": user, "recommended": found})

        def answer(self, status, value):
            data = json.dumps(value, ensure_ascii=False).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ThreadingHTTPServer(("0.0.0.0", port), Handler) as made:
        print(f"serving on port {port}", flush=True)
        made.serve_forever()
