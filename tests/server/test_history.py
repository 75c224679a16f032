"""The model that judges histories refuses bad ones: each of these is a good one with one thing changed."""

from dataclasses import replace

import pytest

from tests.server.history import RULES, Audited, Call, Exchange, Fault, History, Reply, wrong_in

CODE = "12345678"


class Story:
    """Anne logs in: a first packet, a wrong code, the right one at the other node, and again what was lost."""

    def __init__(self):
        self.first = self.exchange(1, right=True, told=Reply("challenge", b"state1", b"1"))
        self.wrong = self.exchange(2, state=b"state1", typed="00000000", told=Reply("challenge", b"state2", b"2"))
        self.right = self.exchange(3, state=b"state2", typed=CODE)
        self.again = self.exchange(4, state=b"state2", typed=CODE, told=Reply("accept", b"", b"4"))
        self.call = Call(1.2, 3.1, "anne", CODE, "login1")
        reasons = (
            ("challenge", "called"),
            ("challenge", "wrong_code"),
            ("accept", "code_right"),
            ("accept", "repeated"),
        )
        self.history = History(
            exchanges=[self.first, self.wrong, self.right, self.again],
            calls=[self.call],
            audit=[Audited(f"127.1.0.{at}", *pair, "login1") for at, pair in enumerate(reasons, 1)],
        )

    def exchange(self, at, told=None, **changes):
        about = {
            "node": "one",
            "client": "gateway",
            "source": f"127.1.0.{at}",
            "person": "anne",
            "octets": bytes([at]) * 24,
        }
        return Exchange(at, at + 0.5, **{**about, **changes}, replies=(told,) if told else ())

    def add(self, at, told=None, reason="code_right", login="login1", **changes):
        """One more request, and what the audit says of it."""
        exchange = self.exchange(at, told, **changes)
        self.history.exchanges.append(exchange)
        outcome = told.outcome if told else "silence"
        self.history.audit.append(Audited(exchange.source, outcome, reason, login))

    def instead(self, old, **changes):
        exchanges = self.history.exchanges
        exchanges[exchanges.index(old)] = replace(old, **changes)


ACCEPT = Reply("accept", b"", b"accept")


def another_state_is_accepted(story):
    story.add(5, ACCEPT, "repeated", state=b"state1", typed=CODE)


def a_decision_is_made_twice(story):
    story.add(5, ACCEPT, "code_right", state=b"state2", typed=CODE)


def a_decision_whose_accept_was_lost_is_made_twice(story):
    story.instead(story.again, replies=(), state=b"state1")


def a_verdict_is_repeated_for_ever(story):
    story.add(40, ACCEPT, "repeated", state=b"state2", typed=CODE)


def a_first_packet_is_accepted(story):
    story.add(5, ACCEPT, right=True)


def a_wrong_password_is_challenged(story):
    story.instead(story.first, right=False)


def a_state_of_nobody_is_accepted(story):
    story.instead(story.again, state=b"made up")
    story.instead(story.right, state=b"made up")


def a_state_of_somebody_else_is_accepted(story):
    story.instead(story.first, person="bob")
    story.history.exchanges.remove(story.wrong)
    story.instead(story.again, state=b"state1")


def a_state_of_another_gateway_is_accepted(story):
    story.instead(story.again, client="other")


def a_wrong_code_is_accepted(story):
    story.instead(story.again, typed="00000000")


def the_code_of_another_phone_is_accepted(story):
    story.history.calls[0] = replace(story.call, person="bob")


def a_code_is_accepted_before_the_call(story):
    story.history.calls[0] = replace(story.call, begun=3.9)


def the_code_of_an_older_call_is_accepted(story):
    story.history.calls.append(Call(2.8, 2.9, "anne", "87654321", "login1"))
    story.history.calls[0] = replace(story.call, ended=2.7)


def the_code_of_another_login_is_accepted(story):
    story.history.calls[0] = replace(story.call, login="login2")


def two_calls_live(story):
    story.history.calls.append(Call(3.0, None, "anne", "87654321", "login2"))


def a_call_lives_for_ever_and_the_next_one_comes(story):
    story.history.calls[0] = replace(story.call, ended=None)
    story.history.calls.append(Call(100.0, 106.0, "anne", "87654321", "login2"))


def a_replay_rings(story):
    story.add(5, Reply("challenge", b"state9", b"5"), "called", "login2", right=True, octets=story.first.octets)


def a_state_is_given_twice(story):
    story.add(5, Reply("challenge", b"state1", b"5"), "joined", right=True)


def a_state_serves_again_after_a_wrong_code(story):
    story.instead(story.right, state=b"state1")
    story.instead(story.again, state=b"state1")


def one_packet_gets_two_answers(story):
    story.instead(story.first, replies=(*story.first.replies, Reply("challenge", b"state8", b"8")))


def the_audit_tells_something_else(story):
    story.history.audit[3] = replace(story.history.audit[3], outcome="reject")


def an_accept_is_not_on_record(story):
    story.history.audit = story.history.audit[:3]


def a_login_has_four_tries(story):
    for at in range(5, 8):
        story.add(at, Reply("reject", b"", b"no"), "wrong_code", state=b"state1", typed="00000000")


def somebody_is_locked_out_for_nothing(story):
    story.history.stuck = {"anne"}
    story.history.faults = [Fault(20.0, 21.0, "a node is killed, long after")]


BAD = {
    another_state_is_accepted: "two accept decisions",
    a_decision_is_made_twice: "accepted twice",
    a_decision_whose_accept_was_lost_is_made_twice: "two accept decisions",
    a_verdict_is_repeated_for_ever: "long ago",
    a_first_packet_is_accepted: "accept may not be",
    a_wrong_password_is_challenged: "challenge may not be",
    a_state_of_nobody_is_accepted: "accept may not be",
    a_state_of_somebody_else_is_accepted: "accept may not be",
    a_state_of_another_gateway_is_accepted: "accept may not be",
    a_wrong_code_is_accepted: "no right password and code",
    the_code_of_another_phone_is_accepted: "no right password and code",
    a_code_is_accepted_before_the_call: "no right password and code",
    the_code_of_an_older_call_is_accepted: "the code of an older call",
    the_code_of_another_login_is_accepted: "the code of another login",
    two_calls_live: "is called while a call lives",
    a_call_lives_for_ever_and_the_next_one_comes: "is called while a call lives",
    a_replay_rings: "one packet rang again",
    a_state_is_given_twice: "a State was given for another request",
    a_state_serves_again_after_a_wrong_code: "served for 00000000 and for 12345678",
    one_packet_gets_two_answers: "one packet, two answers",
    the_audit_tells_something_else: "the audit tells something else",
    an_accept_is_not_on_record: "the audit tells something else",
    a_login_has_four_tries: "answered wrongly 4 times",
    somebody_is_locked_out_for_nothing: "nothing was broken",
}


def test_a_good_history_is_believed():
    assert [] == wrong_in(Story().history)


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_a_bad_history_is_refused(spoil):
    story = Story()
    spoil(story)
    found = wrong_in(story.history)
    assert any(BAD[spoil] in sentence for sentence in found), found


def test_every_rule_refuses_something():
    refused = set()
    for spoil in BAD:
        story = Story()
        spoil(story)
        refused |= {rule for rule in RULES if list(rule(story.history))}
    assert set(RULES) == refused


def test_what_replication_may_lose_is_allowed_after_a_failover_alone():
    story = Story()
    a_login_has_four_tries(story)
    story.history.failover = True
    assert [] == wrong_in(story.history)


def test_who_was_hit_by_a_fault_or_whose_call_nobody_knows_may_have_to_wait():
    story = Story()
    story.history.stuck = {"anne"}
    story.history.faults = [Fault(3.2, 4.0, "a node is killed")]
    assert [] == wrong_in(story.history)
    story.history.faults, story.history.unknown = [], {"login1"}
    assert [] == wrong_in(story.history)
    story.history.unknown = set()
    story.add(5, reason="store_unavailable", right=True)
    assert [] == wrong_in(story.history)


def test_a_history_is_told_in_the_order_in_which_it_happened():
    story = Story()
    told = str(story.history).splitlines()
    assert "password right -> challenge" in told[0]
    assert told[0].endswith("[called of login1]")
    assert f"hears {CODE}" in told[1]
    assert "4 requests in 4 s, 1 accept, 2 challenge, 1 silence, 1 calls, 0 people still wait" == story.history.summary
