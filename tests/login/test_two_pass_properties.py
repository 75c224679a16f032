"""Random orders of first and second passes at two nodes: at most one accept, and one effect of each request."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from radius_voice.events import Outcome, Reason, SecondFactorMode
from radius_voice.login.codes.issued_states import REPEAT_SECONDS
from radius_voice.login.codes.keys import Keys
from radius_voice.login.model import CallStatus
from tests.login.harness import ALICE, FakeDirectory, LoginHarness

PARTS = st.sampled_from([",", "+", "123456", "phone", "sms2", "ACDE-FGHJ-KMNP", "a", " ", "\uff0c", "\u0660"])
STATIONS = ("192.0.2.9", "198.51.100.66", "")
EFFECTS = {Reason.CODE_CORRECT, Reason.WRONG_CODE, Reason.NO_ATTEMPTS_LEFT, Reason.REDIAL, Reason.CALL_PLACED}
KEY = Keys(b"k" * 32).session_key("vpn", "people:alice-id")

pytestmark = pytest.mark.no_cover  # measuring would take most of the time, and other tests reach the same lines


class Passes(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = FakeDirectory(ALICE)
        self.nodes = [LoginHarness(directory=self.directory, second_factor=SecondFactorMode.TWO_PASS) for _ in "ab"]
        first, second = self.nodes
        second.clock, second.providers = first.clock, first.providers
        second.restart_with(first.store)
        self.packets, self.station = 0, STATIONS[0]  # of the last first pass
        self.sent = []  # (typed, station, packet)
        self.effects = {}  # packet -> its reasons with an effect
        self.accepts = {}  # session id -> (typed, station, packet, at)

    def teardown(self):
        for node in self.nodes:
            self.loop.run_until_complete(node.flow.drain())
        self.loop.close()

    @property
    def now(self):
        return self.nodes[0].clock.now

    @property
    def codes(self):
        return self.nodes[0].provider.codes

    def send(self, *requests):
        """Send requests at once, each to a node: (node, typed, station, packet)."""
        before = self.directory.verifications

        async def all_of_them():
            return await asyncio.gather(
                *(
                    self.nodes[node].begin(typed, calling_station_id=station, packet=packet)
                    for node, typed, station, packet in requests
                )
            )

        decisions = self.loop.run_until_complete(all_of_them())
        assert self.directory.verifications - before <= len(requests), "a password was verified twice"
        for (_, typed, station, packet), decision in zip(requests, decisions, strict=True):
            self.check(typed, station, packet, decision)

    def check(self, typed, station, packet, decision):
        assert b"" == decision.state, "a State was sent"
        if decision.reason in EFFECTS:
            self.effects.setdefault(packet, []).append(decision.reason)
            assert 1 == len(self.effects[packet]), "a request had two effects"
        if decision.outcome is not Outcome.ACCEPT:
            return
        if decision.reason is Reason.CODE_CORRECT:
            assert decision.session not in self.accepts, "a session was accepted twice"
            self.accepts[decision.session] = (typed, station, packet, self.now)
            return
        first_typed, first_station, first_packet, at = self.accepts[decision.session]
        assert (first_typed, first_station) == (typed, station), "the Accept of another text was repeated"
        assert self.now - at <= REPEAT_SECONDS, "an Accept was repeated too late"
        assert station or packet == first_packet, "an Accept without Calling-Station-Id was repeated to another request"

    def new_request(self, node, typed, station):
        self.packets += 1
        packet = self.packets.to_bytes(16)
        self.sent.append((typed, station, packet))
        return node, typed, station, packet

    def draw_second_pass(self, data, node):
        """A new second pass, mostly with the right password from the Calling-Station-Id of the last first pass."""
        code = data.draw(st.sampled_from([*self.codes[-2:], *self.codes[-1:], "000000", "phone", "phone2"]))
        password = data.draw(st.sampled_from(["right"] * 4 + ["guess"]))
        station = data.draw(st.sampled_from([self.station] * 4 + [*STATIONS]))
        return self.new_request(node, f"{password},{code}", station)

    @rule(seconds=st.sampled_from([1.0, 29.0, 31.0, 120.0, 400.0]))
    def time_passes(self, seconds):
        self.nodes[0].clock.now += seconds

    @rule(node=st.integers(0, 1), station=st.sampled_from(STATIONS), password=st.sampled_from(["right", "right", "no"]))
    def first_pass(self, node, station, password):
        self.station = station
        self.send(self.new_request(node, password, station))

    @rule(data=st.data(), node=st.integers(0, 1))
    def second_pass(self, data, node):
        self.send(self.draw_second_pass(data, node))

    @rule(data=st.data(), same_packet=st.booleans())
    def two_second_passes_at_once(self, data, same_packet):
        one = self.draw_second_pass(data, 0)
        self.send(one, (1, *one[1:]) if same_packet else self.draw_second_pass(data, 1))

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), node=st.integers(0, 1))
    def replayed(self, data, node):
        self.send((node, *data.draw(st.sampled_from(self.sent[-8:]))))

    @precondition(lambda self: self.codes)
    @rule()
    def calls_end(self):
        provider = self.nodes[0].provider
        provider.statuses |= {f"fake{number + 1}": CallStatus.NO_ANSWER for number in range(len(provider.requests))}
        for node in self.nodes:
            self.loop.run_until_complete(node.flow.follower.poll())

    @invariant()
    def an_open_session_has_one_unused_state_for_each_first_pass(self):
        session = self.loop.run_until_complete(self.nodes[0].store.load(KEY))
        if session is not None and session.open_at(self.now):
            assert 1 <= sum(each.result is None for each in session.states) <= len(self.sent)


Passes.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestPasses = Passes.TestCase


@given(password=st.lists(PARTS, min_size=1, max_size=6).map("".join), delimiter=st.sampled_from(",+"))
@settings(max_examples=100, deadline=None)
def test_any_password_logs_in_by_two_passes(password, delimiter):
    async def passes():
        directory = FakeDirectory(ALICE, password=password)
        harness = LoginHarness(directory=directory, second_factor=SecondFactorMode.TWO_PASS)
        reasons = [
            (await harness.begin(password, delimiter=delimiter)).reason,
            (await harness.begin(password, delimiter=delimiter)).reason,
            (await harness.begin(f"{password}{delimiter}{harness.provider.codes[-1]}", delimiter=delimiter)).reason,
        ]
        await harness.flow.drain()
        return reasons, directory.verifications

    assert ([Reason.CALL_PLACED, Reason.JOINED, Reason.CODE_CORRECT], 2) == asyncio.run(passes())
