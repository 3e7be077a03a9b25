"""A plug on the loopback: a real HTTP server that answers as the makers document it, and misbehaves on demand.

Shapes: shelly-api-docs.shelly.cloud (Gen1 /meter/0, Gen2 Switch.GetStatus), tasmota.github.io (Status 8),
developers.home-assistant.io (GET /api/states/<entity_id>).
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "long-lived-and-secret"


def shelly_gen2(watts):
    return {
        "/rpc/Switch.GetStatus?id=0": {
            "id": 0,
            "source": "init",
            "output": True,
            "apower": watts,
            "voltage": 230.1,
            "current": 0.201,
            "aenergy": {"total": 1234.567, "by_minute": [712.1, 698.4, 700.0], "minute_ts": 1626935779},
            "temperature": {"tC": 36.4, "tF": 97.5},
        }
    }


def shelly_gen1(watts):
    return {
        "/meter/0": {
            "power": watts,
            "is_valid": True,
            "timestamp": 1680779310,
            "counters": [2.115, 2.114, 2.142],
            "total": 439237,
        }
    }


def tasmota(watts):
    energy = {"Total": 0.520, "Yesterday": 0.100, "Today": 0.320, "Power": watts, "Voltage": 234, "Current": 0.122}
    return {"/cm?cmnd=Status%208": {"StatusSNS": {"Time": "2026-11-21T06:00:00", "ENERGY": energy}}}


def home_assistant(watts, unit="W"):
    attributes = {"unit_of_measurement": unit, "device_class": "power", "friendly_name": "Desk"}
    return {"/api/states/sensor.desk": {"entity_id": "sensor.desk", "state": str(watts), "attributes": attributes}}


class PlugServer:
    """`answers` maps paths to JSON. `mode`: "well", "slow", "drip", "junk", "password", "redirect", "gone"."""

    def __init__(self, answers, mode="well"):
        self.answers, self.mode = answers, mode
        self.asked = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append((self.path, self.headers.get("Authorization")))
                outer.answer(self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.ended = threading.Event()
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, request):
        if self.mode == "slow":
            self.ended.wait(20)
        if self.mode == "drip":
            request.send_response(200)
            request.end_headers()
            while not self.ended.wait(0.2):
                try:
                    request.wfile.write(b" ")
                except OSError:
                    return
            return
        if self.mode == "redirect":
            request.send_response(302)
            request.send_header("Location", "http://127.0.0.1:9/elsewhere")
            request.end_headers()
            return
        body = b"<html>router</html>" if self.mode == "junk" else json.dumps(self.answers.get(request.path)).encode()
        needs_token = request.path.startswith("/api/")
        status = 200 if request.path in self.answers or self.mode == "junk" else 404
        if self.mode == "password" or (needs_token and request.headers.get("Authorization") != f"Bearer {TOKEN}"):
            status, body = 401, b"401: Unauthorized"
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def close(self):
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def wait_until(condition, timeout_s=20.0):
    """Poll a condition; the answer is whether it came true."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        if condition():
            return True
        time.sleep(0.02)
    return False
