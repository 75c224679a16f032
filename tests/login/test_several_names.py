"""A user who has several names in the directory, such as a mail address beside the account name."""

import pytest

from radius_voice.events import Outcome, Reason
from radius_voice.login.model import User
from radius_voice.login.phone import Phone
from tests.login.harness import ACCEPTED, ALICE, FakeDirectory, LoginHarness, result_of

BOB = User("bob-id", "bob", (Phone("+12025550125"),))
ADDRESS = "alice@corp.example"


@pytest.fixture
def harness():
    directory = FakeDirectory(ALICE, BOB)
    directory.users[ADDRESS] = ALICE
    return LoginHarness(directory)


@pytest.mark.parametrize("first", ["alice", ADDRESS])
@pytest.mark.parametrize("second", ["alice", ADDRESS])
async def test_a_login_is_completed_under_any_name_of_its_user(harness, first, second):
    challenge = await harness.begin(name=first)
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge, name=second))


@pytest.mark.parametrize("name", ["bob", "unknown"])
async def test_a_response_under_the_name_of_another_user_has_no_effect(harness, name):
    challenge = await harness.begin(name=ADDRESS)
    stolen = await harness.answer(harness.provider.codes[0], challenge, name=name)
    assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == result_of(stolen)
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge, name=ADDRESS))


async def test_the_final_response_is_repeated_for_any_name_of_the_user(harness):
    challenge = await harness.begin(name=ADDRESS)
    await harness.answer(harness.provider.codes[0], challenge, name=ADDRESS)
    repeated = await harness.answer(harness.provider.codes[0], challenge, name="alice")
    assert (Outcome.ACCEPT, Reason.REPEATED) == result_of(repeated)


async def test_a_response_under_another_name_gets_no_response_while_the_directory_is_unavailable(harness):
    challenge = await harness.begin(name=ADDRESS)
    harness.directory.unavailable = True
    answer = await harness.answer(harness.provider.codes[0], challenge, name=ADDRESS)
    assert (Outcome.NO_RESPONSE, Reason.IDENTITY_UNAVAILABLE) == result_of(answer)
