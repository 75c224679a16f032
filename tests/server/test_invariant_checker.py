"""InvariantChecker rejects histories with a violation: each is a valid history with one change."""

from dataclasses import replace

import pytest

from tests.support.history import AuditedRequest, Call, Exchange, Fault, History, Reply
from tests.support.invariant_checker import InvariantChecker

CODE = "12345678"
CHECKER = InvariantChecker()


class SampleHistory:
    """A login of alice: an initial request, a wrong code, the right code at the other node, and its retransmission."""

    def __init__(self):
        self.first = self.exchange(1, right=True, reply=Reply("challenge", b"state1", b"1"))
        self.wrong = self.exchange(2, state=b"state1", typed="00000000", reply=Reply("challenge", b"state2", b"2"))
        self.right = self.exchange(3, state=b"state2", typed=CODE)
        self.again = self.exchange(4, state=b"state2", typed=CODE, reply=Reply("accept", b"", b"4"))
        self.call = Call(1.2, 3.1, "alice", CODE, "login1")
        reasons = (
            ("challenge", "call_placed"),
            ("challenge", "wrong_code"),
            ("accept", "code_correct"),
            ("accept", "repeated"),
        )
        self.history = History(
            exchanges=[self.first, self.wrong, self.right, self.again],
            calls=[self.call],
            audit=[AuditedRequest(f"127.1.0.{at}", *pair, "login1") for at, pair in enumerate(reasons, 1)],
        )

    def exchange(self, at, reply=None, **changes):
        values = {
            "node": "one",
            "client": "gateway",
            "source": f"127.1.0.{at}",
            "user": "alice",
            "octets": bytes([at]) * 24,
        }
        return Exchange(at, at + 0.5, **{**values, **changes}, replies=(reply,) if reply else ())

    def add(self, at, reply=None, reason="code_correct", login="login1", **changes):
        """One more request, and its audit record."""
        exchange = self.exchange(at, reply, **changes)
        self.history.exchanges.append(exchange)
        outcome = reply.outcome if reply else "no response"
        self.history.audit.append(AuditedRequest(exchange.source, outcome, reason, login))

    def change(self, old, **changes):
        exchanges = self.history.exchanges
        exchanges[exchanges.index(old)] = replace(old, **changes)


ACCEPT = Reply("accept", b"", b"accept")


def another_state_is_accepted(sample):
    sample.add(5, ACCEPT, "repeated", state=b"state1", typed=CODE)


def a_login_is_accepted_twice(sample):
    sample.add(5, ACCEPT, "code_correct", state=b"state2", typed=CODE)


def a_login_whose_accept_was_lost_is_accepted_twice(sample):
    sample.change(sample.again, replies=(), state=b"state1")


def an_expired_result_is_repeated(sample):
    sample.add(40, ACCEPT, "repeated", state=b"state2", typed=CODE)


def an_initial_request_is_accepted(sample):
    sample.add(5, ACCEPT, right=True)


def a_wrong_password_is_challenged(sample):
    sample.change(sample.first, right=False)


def an_unknown_state_is_accepted(sample):
    sample.change(sample.again, state=b"made up")
    sample.change(sample.right, state=b"made up")


def a_state_of_another_user_is_accepted(sample):
    sample.change(sample.first, user="bob")
    sample.history.exchanges.remove(sample.wrong)
    sample.change(sample.again, state=b"state1")


def a_state_of_another_gateway_is_accepted(sample):
    sample.change(sample.again, client="other")


def a_wrong_code_is_accepted(sample):
    sample.change(sample.again, typed="00000000")


def the_code_of_another_phone_is_accepted(sample):
    sample.history.calls[0] = replace(sample.call, user="bob")


def a_code_is_accepted_before_the_call(sample):
    sample.history.calls[0] = replace(sample.call, begun=3.9)


def the_code_of_an_older_call_is_accepted(sample):
    sample.history.calls.append(Call(2.8, 2.9, "alice", "87654321", "login1"))
    sample.history.calls[0] = replace(sample.call, ended=2.7)


def the_code_of_another_login_is_accepted(sample):
    sample.history.calls[0] = replace(sample.call, login="login2")


def two_calls_are_live(sample):
    sample.history.calls.append(Call(3.0, None, "alice", "87654321", "login2"))


def a_call_follows_one_that_never_ends(sample):
    sample.history.calls[0] = replace(sample.call, ended=None)
    sample.history.calls.append(Call(100.0, 106.0, "alice", "87654321", "login2"))


def a_replay_places_a_call(sample):
    sample.add(5, Reply("challenge", b"state9", b"5"), "call_placed", "login2", right=True, octets=sample.first.octets)


def a_state_is_issued_twice(sample):
    sample.add(5, Reply("challenge", b"state1", b"5"), "joined", right=True)


def a_state_is_used_again_after_a_wrong_code(sample):
    sample.change(sample.right, state=b"state1")
    sample.change(sample.again, state=b"state1")


def one_packet_gets_two_replies(sample):
    sample.change(sample.first, replies=(*sample.first.replies, Reply("challenge", b"state8", b"8")))


def the_audit_log_differs(sample):
    sample.history.audit[3] = replace(sample.history.audit[3], outcome="reject")


def an_accept_is_not_audited(sample):
    sample.history.audit = sample.history.audit[:3]


def a_login_has_four_attempts(sample):
    for at in range(5, 8):
        sample.add(at, Reply("reject", b"", b"no"), "wrong_code", state=b"state1", typed="00000000")


def a_user_is_locked_out_without_a_fault(sample):
    sample.history.stuck_users = {"alice"}
    sample.history.faults = [Fault(20.0, 21.0, "a node is killed, long after")]


VIOLATIONS = {
    another_state_is_accepted: "two accept decisions",
    a_login_is_accepted_twice: "accepted twice",
    a_login_whose_accept_was_lost_is_accepted_twice: "two accept decisions",
    an_expired_result_is_repeated: "an expired result was repeated",
    an_initial_request_is_accepted: "accept is not allowed",
    a_wrong_password_is_challenged: "challenge is not allowed",
    an_unknown_state_is_accepted: "accept is not allowed",
    a_state_of_another_user_is_accepted: "accept is not allowed",
    a_state_of_another_gateway_is_accepted: "accept is not allowed",
    a_wrong_code_is_accepted: "no right password and code",
    the_code_of_another_phone_is_accepted: "no right password and code",
    a_code_is_accepted_before_the_call: "no right password and code",
    the_code_of_an_older_call_is_accepted: "the code of an older call",
    the_code_of_another_login_is_accepted: "the code of another login",
    two_calls_are_live: "is called during a call",
    a_call_follows_one_that_never_ends: "is called during a call",
    a_replay_places_a_call: "one packet placed a second call",
    a_state_is_issued_twice: "one State was issued for two requests",
    a_state_is_used_again_after_a_wrong_code: "was used with 00000000 and with 12345678",
    one_packet_gets_two_replies: "one packet got two replies",
    the_audit_log_differs: "the audit log differs",
    an_accept_is_not_audited: "the audit log differs",
    a_login_has_four_attempts: "had 4 wrong codes",
    a_user_is_locked_out_without_a_fault: "cannot log in without a fault",
}


def test_a_history_without_a_violation_is_accepted():
    assert [] == CHECKER.violations(SampleHistory().history)


@pytest.mark.parametrize("violate", VIOLATIONS, ids=lambda violate: violate.__name__)
def test_a_history_with_a_violation_is_rejected(violate):
    sample = SampleHistory()
    violate(sample)
    found = CHECKER.violations(sample.history)
    assert any(VIOLATIONS[violate] in sentence for sentence in found), found


def test_every_invariant_rejects_some_history():
    violated = set()
    for violate in VIOLATIONS:
        sample = SampleHistory()
        violate(sample)
        violated |= CHECKER.violated(sample.history)
    assert set(CHECKER.invariants) == violated


def test_losses_by_replication_are_allowed_only_after_a_failover():
    sample = SampleHistory()
    a_login_has_four_attempts(sample)
    sample.history.failover = True
    assert [] == CHECKER.violations(sample.history)


def test_users_hit_by_a_fault_or_an_indeterminate_call_may_have_to_wait():
    sample = SampleHistory()
    sample.history.stuck_users = {"alice"}
    sample.history.faults = [Fault(3.2, 4.0, "a node is killed")]
    assert [] == CHECKER.violations(sample.history)
    sample.history.faults, sample.history.indeterminate_logins = [], {"login1"}
    assert [] == CHECKER.violations(sample.history)
    sample.history.indeterminate_logins = set()
    sample.add(5, reason="store_unavailable", right=True)
    assert [] == CHECKER.violations(sample.history)


def test_the_last_challenge_of_a_user_says_whether_the_code_of_the_call_is_unknown():
    sample = SampleHistory()
    sample.history.indeterminate_logins = {"login2"}
    assert set() == sample.history.users_with_an_unknown_last_call()
    sample.add(5, Reply("challenge", b"state3", b"5"), "delivery_indeterminate", "login2", right=True)
    sample.add(6, Reply("reject", b"", b"6"), "used_state", state=b"state1", typed=CODE)
    assert {"alice"} == sample.history.users_with_an_unknown_last_call()


def test_a_history_is_printed_in_time_order():
    sample = SampleHistory()
    lines = str(sample.history).splitlines()
    assert "password right -> challenge" in lines[0]
    assert lines[0].endswith("[call_placed of login1]")
    assert f"with code {CODE}" in lines[1]
    summary = "4 requests in 4 s, 1 accept, 2 challenge, 1 no response, 1 calls, 0 users still wait"
    assert summary == sample.history.summary
