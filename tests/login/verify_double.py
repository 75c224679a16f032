"""A provider that keeps the codes itself, like a Verify service: one pending verification for each number."""

import asyncio

from radius_voice.login.deliveries.requests import Placed
from radius_voice.login.deliveries.verifications import CodeCheck
from radius_voice.login.model import Method, Unavailable
from tests.login.harness import FakeProvider


class VerifyDouble(FakeProvider):
    """Makes the codes 900001, 900002, ... unless `keeps_code` is False.

    Each check releases `checks_started` and waits for `check_gate`. Checks fail while `down` is True.
    """

    call_control = None

    def __init__(self, *results, keeps_code=True, name="verify"):
        super().__init__(*results, name=name)
        self.keeps_code = keeps_code
        self.pending = {}  # reference -> code
        self.checks, self.canceled, self.approved = [], [], []
        self.down = False
        self.checks_started, self.check_gate = asyncio.Semaphore(0), None

    @property
    def verifier(self):
        return self

    async def place(self, request, deadline):
        reference = f"VE{len(self.requests) + 1}"
        self.pending = {reference: f"{900_001 + len(self.requests)}" if self.keeps_code else request.message.code}
        result = await super().place(request, deadline)
        return Placed(reference, live=request.method is Method.VOICE) if isinstance(result, Placed) else result

    @property
    def code(self):
        """The code that the user has received last."""
        return list(self.pending.values())[-1]

    async def check(self, verification, phone, code, deadline):
        self.checks.append((verification, phone.address, code))
        self.checks_started.release()
        if self.check_gate is not None:
            await self.check_gate.wait()
        if self.down:
            raise Unavailable(self.name, "down")
        reference = verification or next(iter(self.pending), "")
        if reference not in self.pending:
            return CodeCheck.ENDED
        if self.pending[reference] != code:
            return CodeCheck.WRONG
        del self.pending[reference]
        return CodeCheck.CORRECT

    async def cancel(self, verification, phone):
        self._end(verification, self.canceled)

    async def approve(self, verification, phone):
        self._end(verification, self.approved)

    def _end(self, verification, ended):
        if self.down:
            raise Unavailable(self.name, "down")
        ended.append(verification)
        self.pending.pop(verification or next(iter(self.pending), ""), None)
