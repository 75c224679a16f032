"""An account with two auth tokens, as Twilio has them, in front of the simulator, which has one."""

import base64
import http.server
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.server_process import TOKEN
from tests.support.simulator_process import SimulatorProcess

ACCOUNT = "AC00000000000000000000000000000000"


class TwoTokens:
    """`valid` has the tokens that the account accepts now, `used` the token of each request. `url` is its address."""

    def __init__(self, url: str, *valid: str) -> None:
        self.url = url
        self.valid = set(valid)
        self.used: list[str] = []

    def translated(self, header: str) -> str:
        """The header with the simulator's token, or with a wrong one for a token that is not valid."""
        token = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")[2]
        self.used.append(token)
        known = TOKEN if token in self.valid else "not valid"
        return "Basic " + base64.b64encode(f"{ACCOUNT}:{known}".encode()).decode()


@contextmanager
def two_tokens(simulator: SimulatorProcess, *valid: str) -> Iterator[TwoTokens]:
    """The account, whose calls are those of the simulator, as long as the context."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.forward(None)

        def do_POST(self) -> None:
            self.forward(self.rfile.read(int(self.headers["Content-Length"])))

        def forward(self, body: bytes | None) -> None:
            headers = {"Authorization": account.translated(self.headers["Authorization"])}
            request = urllib.request.Request(f"{simulator.url}{self.path}", body, headers)
            try:
                with urllib.request.urlopen(request) as response:
                    self.answer(response.status, response.read())
            except urllib.error.HTTPError as refused:
                self.answer(refused.code, refused.read())

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *values: object) -> None:  # noqa: A002 - the name of the base class
            """Write nothing: the test shows what matters."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        account = TwoTokens(f"http://127.0.0.1:{server.server_port}", *valid)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield account
        finally:
            server.shutdown()
            thread.join()
