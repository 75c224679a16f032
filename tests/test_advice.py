"""Warnings about a configuration and its users: each names the key, a few users and no phone."""

import pytest
import yaml

from radius_voice.advice import user_warnings
from radius_voice.config.load import load
from radius_voice.login.model import User
from radius_voice.login.phone import Phone
from tests.config.conftest import changed, sample

US, GERMAN, PREMIUM, INVALID = "+14155551234", "+4915112345678", "+19001550123", "+441632960123"


@pytest.fixture
def warned(tmp_path):
    """The warnings of a configuration with these users, without the file's folder and line."""

    def warned(tree, *users, without_password=()):
        path = tmp_path / "radius-voice.yaml"
        (tmp_path / "users.yaml").touch()
        path.write_text(yaml.safe_dump(tree, sort_keys=False))
        path.chmod(0o600)
        loaded = load(path, {})
        told = loaded.placed(user_warnings(loaded.settings, {"people": users}, {"people": without_password}))
        assert not [phone for user in users for phone in user.phones if phone.e164[1:] in str(told)]
        assert all(sentence.startswith(f"{path}:") for sentence in told)
        return [sentence.split(": ", 1)[1] for sentence in told]

    return warned


def user(name, *phones, **more):
    return User(name, name, tuple(map(Phone, phones)), **more)


def test_users_that_fit_to_the_configuration_get_no_warning(warned):
    tree = changed(
        "policies.default", {"countries": ["US"], "reply": [{"when": {"group": "staff"}, "set": {"Class": "x"}}]}
    )
    assert [] == warned(
        tree, user("alice", PREMIUM, US, groups=frozenset({"staff"})), user("bob", US, language="de-AT")
    )


def test_a_user_without_a_phone(warned):
    assert ["identity.people.path: users without a phone cannot log in: alice"] == warned(sample(), user("alice"))


def test_a_user_without_a_password(warned):
    users = (user("alice", US), user("bob", US, disabled=True))
    expected = "identity.people.path: users without a password cannot log in: alice"
    assert [expected] == warned(sample(), *users, without_password=users)
    policy = {"first_factor": "none"}
    assert [] == warned(changed("policies.default", policy), *users, without_password=users), "the gateway checks them"


def test_a_users_file_without_any_user(warned):
    expected = "identity.people.path: holds no user, so every login is rejected; add users with: radius-voice users add"
    assert [expected] == warned(sample())


def test_a_user_that_is_disabled_gets_no_warning(warned):
    assert [] == warned(sample(), user("alice", disabled=True), user("bob", PREMIUM, disabled=True))


def test_users_whose_numbers_are_all_of_a_kind_that_is_not_called(warned):
    expected = (
        "policies.default: users without a phone that this policy calls cannot log in: "
        "alice (premium number), bob (invalid number)"
    )
    assert [expected] == warned(sample(), user("alice", PREMIUM, PREMIUM), user("bob", INVALID), user("carl", US))


def test_a_number_that_the_policy_allows_gets_no_warning(warned):
    assert [] == warned(changed("policies.default.allow_numbers", ["+4416329"]), user("bob", INVALID))


def test_countries_that_allow_some_of_the_phones(warned):
    tree = changed("policies.default.countries", ["US"])
    expected = "policies.default: users without a phone that this policy calls cannot log in: bob (country DE)"
    assert [expected] == warned(tree, user("alice", US), user("bob", GERMAN))


def test_countries_that_allow_none_of_the_phones(warned):
    tree = changed("policies.default.countries", ["AT", "CH"])
    expected = "policies.default.countries: allow none of the phones of people, which are in DE, US"
    assert [expected] == warned(tree, user("alice", US), user("bob", GERMAN, PREMIUM))


def test_a_policy_that_no_client_uses_gets_no_warning(warned):
    tree = changed("clients.office-vpn.policy", "staff")
    tree["policies"] = {"staff": {"countries": ["US"]}, "default": {"countries": ["DE"]}}
    assert [] == warned(tree, user("alice", US))


def test_a_reply_for_a_group_without_members(warned):
    rules = [{"when": {"group": group}, "set": {"Class": "x"}} for group in ("staff", "Admin", "guests")]
    alice = user("alice", US, groups=frozenset({"staff", "admins"}))
    assert [
        "policies.default.reply[1].when.group: no user of people is in this group; did you mean admins?",
        "policies.default.reply[2].when.group: no user of people is in this group",
    ] == warned(changed("policies.default.reply", rules), alice)


def test_a_language_that_is_not_spoken(warned):
    users = (user("alice", US, language="pt"), user("bob", US, language="deu"), user("carl", US, language="en_GB"))
    expected = (
        "identity.people.path: users whose language is not spoken hear English: alice (pt), bob (deu; did you mean de?); "
        "spoken are de, en, es, fr"
    )
    assert [expected] == warned(sample(), *users)


def test_phones_that_are_reserved_for_fiction_get_a_warning_except_in_development(warned):
    expected = "identity.people.path: users whose phones are reserved for fiction are called in vain: alice"
    users = (user("alice", "+14155550123", "+442079460123"), user("bob", "+14155550123", US))
    assert [expected] == warned(sample(), *users)
    assert [] == warned(changed("development", True), *users)


def test_a_warning_names_three_users_and_how_many_more_there_are(warned):
    (warning,) = warned(sample(), *(user(f"user{number}") for number in range(1000)))
    assert "users without a phone cannot log in: user0, user1, user2 and 997 more" in warning


def test_a_name_cannot_forge_a_line_of_the_log(warned):
    (warning,) = warned(sample(), user("a\nb\x1b[2J", language="x\ny"), user("c", US))[:1]
    assert "'a\\nb\\x1b[2J'" in warning
