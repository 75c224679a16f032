"""`simulate-twilio` as a process."""

import json
import urllib.parse
import urllib.request
from typing import Any

from tests.support.matching import search
from tests.support.network import http_get
from tests.support.program_process import ProgramProcess


class SimulatorProcess(ProgramProcess):
    """A simulated Twilio, with the history of its calls, text messages and verifications."""

    def __init__(self, *options: object) -> None:
        super().__init__("simulate-twilio", "--listen", "127.0.0.1:0", *options)
        self.url = search(r"on (http://\S+);", self.wait_for_line("simulated Twilio", self.stdout))[1]

    def calls(self, phone: str | None = None) -> list[dict[str, Any]]:
        """The calls to `phone` or to all phones, oldest first, as GET /simulator/calls returns them."""
        return self._history("calls", phone)

    def messages(self, phone: str | None = None) -> list[dict[str, Any]]:
        """The text messages to `phone` or to all phones, oldest first, as GET /simulator/messages returns them."""
        return self._history("messages", phone)

    def set_phone(self, phone: str, *, keys: str = "", answered_by: str = "human", callbacks: str = "") -> None:
        """Set how a phone behaves, as POST /simulator/phones does."""
        form = {"To": phone, "Keys": keys, "AnsweredBy": answered_by, "Callbacks": callbacks}
        with urllib.request.urlopen(f"{self.url}/simulator/phones", urllib.parse.urlencode(form).encode()):
            pass

    def code(self, phone: str) -> str:
        """The code of the last call to `phone`."""
        code: str = self.calls(phone)[-1]["code"]
        return code

    def texted_code(self, phone: str) -> str:
        """The code of the last text message to `phone`."""
        code: str = self.messages(phone)[-1]["code"]
        return code

    def verifications(self, phone: str | None = None) -> list[dict[str, Any]]:
        """The verifications of `phone` or of all phones, oldest first, as GET /simulator/verifications returns them."""
        return self._history("verifications", phone)

    def verification_code(self, phone: str) -> str:
        """The code of the last verification of `phone`."""
        code: str = self.verifications(phone)[-1]["code"]
        return code

    def _history(self, kind: str, phone: str | None) -> list[dict[str, Any]]:
        query = f"?{urllib.parse.urlencode({'to': phone})}" if phone else ""
        history: list[dict[str, Any]] = json.loads(http_get(f"{self.url}/simulator/{kind}{query}")[1])
        return history
