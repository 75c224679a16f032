"""A simulated call with callbacks: its statuses are reported, and its script may depend on keys.

Calls without callbacks do not need this, because their status is computed from the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

from radius_voice.simulator.callbacks import CallbackSender
from radius_voice.simulator.calls import API, Call
from radius_voice.simulator.phones import SimulatedPhone
from radius_voice.simulator.twiml import BadTwiml, Gather, Hangup, Step, speech_of, steps_of

NO_KEY = "-"


class RunningCall:
    """Runs a call from its request to its end. `phone` returns the phone's behaviour, `clock` wall-clock seconds."""

    def __init__(
        self,
        call: Call,
        account: str,
        sender: CallbackSender,
        phone: Callable[[], SimulatedPhone],
        clock: Callable[[], float],
    ) -> None:
        self.call = call
        self._account = account
        self._sender = sender
        self._phone = phone
        self._clock = clock
        self._changed = asyncio.Event()
        self._replacement: tuple[Step, ...] | None = None
        self._gathers = 0

    def notice(self) -> None:
        """Wake up, because the call or its phone was changed."""
        self._changed.set()

    def replace_script(self, steps: tuple[Step, ...]) -> None:
        """Run another script from now on."""
        self._replacement = steps
        self.notice()

    async def run(self) -> None:
        """Run the call to its end."""
        call = self.call
        await self._report("initiated")
        await self._until(call.rings_at)
        if not self._over():
            await self._report("ringing")
        await self._until(call.picks_up_at)
        if not self._over():
            await self._report("answered")
            await self._talk()
        await self._until(call.ends_at)
        await self._report("completed")

    async def _talk(self) -> None:
        await self._until(self.call.detected_at)
        steps: tuple[Step, ...] | None = self.call.steps
        if self.call.url and not self._over():
            steps = await self._script_at(self.call.url)
        while steps is not None and not self._over():
            await self._play(steps)
            await self._until_replaced()
            steps, self._replacement = self._replacement, None

    async def _play(self, steps: tuple[Step, ...]) -> None:
        """Speak, and follow the keys that the phone presses, until the script ends or another one replaces it."""
        while not self._over() and self._replacement is None:
            before, gather, after = _split(steps)
            self.call.say(speech_of(before), self._clock())
            if gather is None:
                if any(isinstance(step, Hangup) for step in before):
                    self._end()
                return
            self.call.say(speech_of(gather.prompt), self._clock())
            key = await self._key(gather.timeout)
            steps = await self._script_at(gather.action, Digits=key) if key else after

    async def _key(self, timeout: float) -> str:
        """The key that the phone presses within `timeout` seconds, empty if it presses none."""
        number, self._gathers = self._gathers, self._gathers + 1
        until = self._clock() + timeout
        while len(self._phone().keys) <= number and self._clock() < until and not self._over():
            if self._replacement is not None:
                return ""
            await self._wait(until)
        key = self._phone().keys[number : number + 1]
        self.call.keys += key.replace(NO_KEY, "")
        return key.replace(NO_KEY, "")

    async def _script_at(self, url: str, **fields: str) -> tuple[Step, ...]:
        """The script that the customer's server responds with. Without one, the call ends, as at Twilio."""
        status, text = await self._send(url, **fields)
        try:
            return steps_of(text)
        except BadTwiml as problem:
            self.call.requests[-1]["error"] = f"HTTP {status}: {problem}"
            self._end()
            return ()

    async def _report(self, event: str) -> None:
        if self.call.status_url and event in self.call.status_events:
            await self._send(self.call.status_url)

    async def _send(self, url: str, **fields: str) -> tuple[int, str]:
        call, now = self.call, self._clock()
        found = call.answered_by(now)
        fields = {
            "AccountSid": self._account,
            "ApiVersion": API.strip("/"),
            "CallSid": call.sid,
            "CallStatus": call.status(now) if now >= call.rings_at or call.over(now) else "initiated",
            "Direction": "outbound-api",
            "From": call.from_number,
            "To": call.to,
            **({"AnsweredBy": found} if found else {}),
            **fields,
        }
        entry: dict[str, object] = {"url": url, "fields": fields}
        call.requests.append(entry)
        status, text = await self._sender.send(url, fields, self._phone().callbacks)
        entry["status"] = status
        return status, text

    def _end(self) -> None:
        self.call.end("completed", self._clock())

    def _over(self) -> bool:
        return self.call.over(self._clock())

    async def _until(self, moment: float) -> None:
        """Wait until that time, or the end of the call."""
        while self._clock() < min(moment, self.call.ends_at):
            await self._wait(min(moment, self.call.ends_at))

    async def _until_replaced(self) -> None:
        while self._replacement is None and not self._over():
            await self._wait(self.call.ends_at)

    async def _wait(self, until: float) -> None:
        """Wait until that time, or until something is changed."""
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - self._clock())):
                await self._changed.wait()


def _split(steps: Iterable[Step]) -> tuple[tuple[Step, ...], Gather | None, tuple[Step, ...]]:
    """The steps before the first Gather that has an action, that Gather, and the steps after it."""
    before: list[Step] = []
    ahead = iter(steps)
    for step in ahead:
        if isinstance(step, Gather) and step.action:
            return tuple(before), step, tuple(ahead)
        before.append(step)
        if isinstance(step, Hangup):
            break
    return tuple(before), None, ()
