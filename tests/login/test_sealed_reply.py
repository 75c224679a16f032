"""Attributes that the final Accept has and that are encrypted while they wait for it.

Those are the first factor's, and those of the policy that are encrypted for the gateway.
"""

from radius_voice.login.codes.keys import Keys
from radius_voice.login.model import Authenticated
from radius_voice.login.policies.policy import ReplyRule
from radius_voice.login.upstream import HiddenAttribute
from radius_voice.stores.encoding import decode, encode
from tests.login.harness import ACCEPTED, ALICE, FakeDirectory, LoginHarness, result_of

PLAIN, HIDDEN = (25, b"class of alice"), HiddenAttribute(69, b"\x03", b"tunnel password")
KEY = b"k" * 16


class Upstream(FakeDirectory):
    async def verify(self, verification, deadline):
        verified = await super().verify(verification, deadline)
        return (
            Authenticated(verified.user_id, reply=(PLAIN, HIDDEN)) if isinstance(verified, Authenticated) else verified
        )


async def test_the_accept_and_its_repetition_have_the_attributes_of_the_first_factor():
    harness = LoginHarness(policy={"first_factor": Upstream(ALICE), "first_factor_name": "nps"})
    challenge = await harness.begin()
    accept = await harness.answer(harness.provider.codes[-1], challenge)
    again = await harness.answer(harness.provider.codes[-1], challenge)
    assert (ACCEPTED, (PLAIN, HIDDEN)) == (result_of(accept), accept.reply)
    assert ((PLAIN, HIDDEN), b"") == (again.reply, again.sealed_reply)
    await harness.flow.drain()
    await harness.begin()
    of_replaced = await harness.answer(harness.provider.codes[0], challenge)
    assert ((PLAIN, HIDDEN), b"") == (of_replaced.reply, of_replaced.sealed_reply)
    wrong = await harness.answer("000000x", challenge)
    assert ((), b"") == (wrong.reply, wrong.sealed_reply)


async def test_a_stored_session_shows_none_of_them():
    harness = LoginHarness(policy={"first_factor": Upstream(ALICE), "first_factor_name": "nps"})
    challenge = await harness.begin()
    assert () == challenge.reply
    session = await harness.store.load(challenge.state[1:17])
    assert session is not None
    assert b"class of alice" not in encode(session)
    assert b"tunnel" not in encode(session)
    assert session == decode(encode(session))
    assert "tunnel" not in repr(HIDDEN)


async def test_the_encrypted_attributes_of_a_policy_are_stored_encrypted_too():
    rules = (ReplyRule(None, (HIDDEN, PLAIN)),)
    harness = LoginHarness(policy={"first_factor": Upstream(ALICE), "first_factor_name": "nps", "reply": rules})
    challenge = await harness.begin()
    session = await harness.store.load(challenge.state[1:17])
    assert session is not None
    assert (PLAIN,) == session.reply
    assert b"tunnel" not in encode(session)
    accept = await harness.answer(harness.provider.codes[-1], challenge)
    assert (PLAIN, HIDDEN, PLAIN, HIDDEN) == accept.reply


def test_they_are_bound_to_the_session_and_the_server_key():
    keys = Keys(b"server key")
    sealed = keys.seal_reply(KEY, (PLAIN, HIDDEN))
    assert (PLAIN, HIDDEN) == keys.unseal_reply(KEY, sealed)
    assert () == keys.unseal_reply(b"other session key", sealed)
    assert () == Keys(b"another key").unseal_reply(KEY, sealed)
    assert b"" == keys.seal_reply(KEY, ())
