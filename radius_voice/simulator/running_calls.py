"""The simulated phones, and the calls that run because callbacks are sent about them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from radius_voice.simulator.callbacks import CallbackSender
from radius_voice.simulator.calls import Call
from radius_voice.simulator.phones import MAX_PHONES, SimulatedPhone, phone_of
from radius_voice.simulator.running import RunningCall
from radius_voice.simulator.twiml import Step, speech_of


class RunningCalls:
    """The running calls of one account. `clock` returns wall-clock seconds."""

    def __init__(self, account: str, auth_token: str, clock: Callable[[], float]) -> None:
        self._account = account
        self._clock = clock
        self._sender = CallbackSender(auth_token)
        self._phones: dict[str, SimulatedPhone] = {}
        self._running: dict[str, RunningCall] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def phone(self, number: str) -> SimulatedPhone:
        """How the phone with that number behaves."""
        return self._phones.get(number, SimulatedPhone())

    def set_phone(self, form: Mapping[str, str]) -> str:
        """Set how a phone behaves, also in its present calls; returns its number. Raises ValueError."""
        number, phone = phone_of(form)
        if len(self._phones) >= MAX_PHONES:
            self._phones.pop(next(iter(self._phones)))
        self._phones[number] = phone
        for running in self._running.values():
            running.notice()
        return number

    def run(self, call: Call) -> None:
        """Run a call to its end, in the background."""
        self._running[call.sid] = RunningCall(
            call, self._account, self._sender, lambda: self.phone(call.to), self._clock
        )
        task = asyncio.get_running_loop().create_task(self._run(self._running[call.sid]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def say(self, call: Call, steps: tuple[Step, ...], now: float) -> None:
        """Run another script in an answered call."""
        if call.sid in self._running:
            self._running[call.sid].replace_script(steps)
        else:
            call.say(speech_of(steps), now)

    def notice_end(self, call: Call) -> None:
        """Wake up a call that was ended by a request."""
        if call.sid in self._running:
            self._running[call.sid].notice()

    async def close(self) -> None:
        """End all calls without a report, and close the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sender.close()

    async def _run(self, running: RunningCall) -> None:
        try:
            await running.run()
        finally:
            del self._running[running.call.sid]
