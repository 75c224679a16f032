"""Result codes of binds: recorded messages of Active Directory, and the password policy control."""

import pytest

from radius_voice.events import Reason
from radius_voice.identity.ldap.client import BindResult, RequestRefused
from radius_voice.identity.ldap.results import denial
from radius_voice.login.model import Authenticated, Denied
from tests.identity.ldap.conftest import verified
from tests.support.slapd_server import POLICIES, RELAX_RULES

TEXT = "Your password has expired. Change it at https://password.example.org"
WINDOWS = "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data {}, v2580"
LOCKED = Denied(Reason.DIRECTORY_LOCKED)


@pytest.mark.parametrize(
    ("data", "reason", "password_correct"),
    [
        ("525", Reason.UNKNOWN_USER, False),
        ("52e", Reason.WRONG_PASSWORD, False),
        ("530", Reason.LOGON_HOURS, False),
        ("531", Reason.LOGON_WORKSTATION, False),
        ("532", Reason.PASSWORD_EXPIRED, True),
        ("533", Reason.DISABLED, False),
        ("701", Reason.ACCOUNT_EXPIRED, False),
        ("773", Reason.PASSWORD_MUST_CHANGE, True),
        ("775", Reason.DIRECTORY_LOCKED, False),
        ("80090346", Reason.WRONG_PASSWORD, False),  # a code that is not known here: the password may be wrong
    ],
)
def test_the_code_in_a_message_of_active_directory(data, reason, password_correct):
    assert (reason, password_correct) == denial(BindResult(49, WINDOWS.format(data)))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\x30\x03\x81\x01\x00", Reason.PASSWORD_EXPIRED),
        (b"\x30\x03\x81\x01\x01", Reason.DIRECTORY_LOCKED),
        (b"\x30\x03\x81\x01\x02", Reason.PASSWORD_MUST_CHANGE),
        (b"\x30\x08\xa0\x03\x80\x01\x05\x81\x01\x02", Reason.PASSWORD_MUST_CHANGE),  # after a warning
    ],
)
def test_the_error_of_the_password_policy_control(value, reason):
    for code in 0, 49:
        denied = denial(BindResult(code, "", value))
        assert denied is not None
        assert reason == denied.reason


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\x30\x00",
        b"\x30\x05\xa0\x03\x80\x01\x05",
        b"\x81\x01\x02",
        b"\x30\x03\x81\x01\x08",
        b"\x30\xff\xff",
    ],
)
def test_a_control_without_a_known_error_changes_nothing(value):
    assert denial(BindResult(0, "", value)) is None
    assert (Reason.WRONG_PASSWORD, False) == denial(BindResult(49, "", value))


@pytest.mark.parametrize(
    ("code", "reason"),
    [(19, Reason.DIRECTORY_LOCKED), (32, Reason.WRONG_PASSWORD), (48, Reason.WRONG_PASSWORD)],
)
def test_results_of_other_directories_for_locked_users_and_users_without_a_password(code, reason):
    assert (reason, False) == denial(BindResult(code, ""))


@pytest.mark.parametrize("code", [2, 7, 8, 10, 13, 34, 50, 53])
def test_a_result_that_is_not_about_the_user_is_not_a_wrong_password(code):
    with pytest.raises(RequestRefused, match=str(code)):
        denial(BindResult(code, ""))


# ppolicy of slapd


@pytest.fixture
def source(ldap, slapd):
    return ldap.source(slapd.url, expired_password_text=TEXT)


async def test_a_password_that_must_be_changed(source, slapd, user_name):
    slapd.modify(slapd.add_user(user_name), pwdReset=["TRUE"])

    assert Denied(Reason.PASSWORD_MUST_CHANGE, user_name, password_correct=True, text=TEXT) == await verified(
        source, user_name
    )
    assert Denied(Reason.WRONG_PASSWORD, user_name) == await verified(source, user_name, "wrong")


async def test_an_expired_password(source, slapd, user_name):
    policy = slapd.add(
        f"cn={user_name},{POLICIES}", ["device", "pwdPolicy"], {"pwdAttribute": "userPassword", "pwdMaxAge": "1"}
    )
    dn = slapd.add_user(user_name, pwdPolicySubentry=policy)
    with slapd.administrator() as connection:
        connection.modify(dn, {"pwdChangedTime": [("MODIFY_REPLACE", ["20200101000000Z"])]}, controls=[RELAX_RULES])

    assert Denied(Reason.PASSWORD_EXPIRED, user_name, password_correct=True, text=TEXT) == await verified(
        source, user_name
    )
    assert Denied(Reason.WRONG_PASSWORD, user_name) == await verified(source, user_name, "wrong")


async def test_an_account_that_the_directory_has_locked(source, slapd, user_name):
    policy = slapd.add(
        f"cn={user_name},{POLICIES}",
        ["device", "pwdPolicy"],
        {"pwdAttribute": "userPassword", "pwdLockout": "TRUE", "pwdMaxFailure": "2"},
    )
    slapd.add_user(user_name, pwdPolicySubentry=policy)
    assert isinstance(await verified(source, user_name), Authenticated)
    for _ in range(2):
        await verified(source, user_name, "wrong")

    assert Denied(Reason.DIRECTORY_LOCKED, user_name) == await verified(source, user_name)
    assert Denied(Reason.DIRECTORY_LOCKED, user_name) == await verified(source, user_name, "wrong")
