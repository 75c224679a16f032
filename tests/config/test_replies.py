"""`policies.NAME.reply`: attributes by name, with tags, lists, encryption and TLVs."""

import shutil

import pytest
import yaml

from radius_voice.config import attributes
from radius_voice.config.errors import ConfigError
from radius_voice.login.model import User
from radius_voice.login.upstream import HiddenAttribute
from radius_voice.resources import shipped
from radius_voice.wiring.adapters import load
from radius_voice.wiring.policies import policies_of
from tests.config.conftest import NOW, changed


def replies(*sets):
    return changed("policies.default.reply", [{"set": each} for each in sets])


def errors_of(file, *sets):
    return [error.split("default.reply", 1)[1] for error in file.errors(replies(*sets))]


class Source:
    """An identity source that is not asked."""

    directory = object()


def reply_of(file, *sets):
    settings = file.load(replies(*sets)).settings
    policy = policies_of(settings, {"people": Source()})["default"]  # type: ignore[dict-item]
    return policy.rules.reply_to(User("1", "alice", ()))


def test_a_list_adds_the_attribute_once_for_each_value(file):
    assert ((26, b"\0\0\0\x09\x01\x03a"), (26, b"\0\0\0\x09\x01\x03b"), (25, b"5")) == reply_of(
        file, {"Cisco-AVPair": ["a", "b"], "Class": 5}
    )


def test_a_tag_follows_the_name(file):
    assert ((64, b"\x01\0\0\x0d"), (81, b"\x1f42")) == reply_of(
        file, {"Tunnel-Type:1": "VLAN", "Tunnel-Private-Group-Id:31": "42"}
    )


def test_attributes_of_a_rule_share_a_tlv_and_those_of_another_rule_do_not(file):
    tlv = b"\x05\x01\x06\0\0\0\x01"
    reply = reply_of(file, {"IP-Port-Type": 1, "IP-Port-Limit": 2}, {"IP-Port-Type": 1})
    assert ((241, tlv + b"\x02\x06\0\0\0\x02"), (241, tlv)) == reply


def test_an_encrypted_attribute_is_kept_for_each_response(file):
    reply = reply_of(file, {"Tunnel-Password:1": "correct horse", "Class": "x"})
    assert ((25, b"x"), HiddenAttribute(69, b"\x01", b"correct horse")) == reply
    assert "horse" not in repr(reply)


def test_an_error_names_the_attribute_and_does_not_quote_an_encrypted_value(file):
    secret = "correct horse" * 20
    assert [
        "[0].set.(a key): Tunnel-Password: a value is 1 to 239 octets, this one has 260",
        "[0].set.(a key): Class: takes no tag; write only the name",
        "[1].set.Cisco-AVPair: a value is 1 to 247 octets, this one has 248",
    ] == errors_of(file, {"Tunnel-Password:1": secret, "Class:1": "x"}, {"Cisco-AVPair": ["x", "y" * 248]})


def test_values_that_do_not_fit_into_their_tlv_together_are_an_error_of_the_rule(file):
    assert ["[0].set: IP-Port-Limit-Info: a value is 1 to 252 octets, this one has 304"] == errors_of(
        file, {"IP-Port-Local-Id": ["x" * 150, "y" * 150]}
    )


def test_encrypted_octets_count_with_their_padding(file):
    four = {"Tunnel-Password:1": ["x" * 239] * 4}
    assert [": has 980 octets of attributes; at most 960 fit; remove some"] == errors_of(file, four)


@pytest.mark.parametrize("name", ["Class:", "Class:x", "Class:123", ":1"])
def test_a_name_has_one_form(file, name):
    (error,) = errors_of(file, {name: "x"})
    assert error.startswith("[0].set.(a key): not a valid name")


def test_a_value_can_be_a_secret_of_a_file(file):
    (file.path.parent / "tunnel").write_text("correct horse\n")
    (file.path.parent / "tunnel").chmod(0o600)
    reply = reply_of(file, {"Tunnel-Password": {"file": "tunnel"}, "Class": [{"file": "tunnel"}, "x"]})
    assert ((25, b"correct horse"), (25, b"x"), HiddenAttribute(69, b"\0", b"correct horse")) == reply


def test_a_secret_value_is_not_quoted_in_an_error(file):
    file.environ["TUNNEL"] = "hush" * 70
    (error,) = errors_of(file, {"Tunnel-Password": {"env": "TUNNEL"}})
    assert "[0].set.Tunnel-Password: a value is 1 to 239 octets, this one has 280" == error


def test_a_value_that_only_the_service_can_read_is_left_out_for_commands(file):
    tree = replies({"Tunnel-Password": {"env": "NOT_SET_HERE"}, "Class": "x"})
    assert "NOT_SET_HERE is not set" in file.errors(tree)[0]
    file.path.write_text(yaml.safe_dump(tree))
    settings = load(file.path, {}, lambda: NOW, for_service=False).settings
    policy = policies_of(settings, {"people": Source()})["default"]  # type: ignore[dict-item]
    assert ((25, b"x"),) == policy.rules.reply_to(User("1", "alice", ()))


@pytest.mark.parametrize(("name", "is_error"), [("Tunnel-Password:1", True), ("Class", False)])
def test_an_encrypted_value_in_a_file_that_others_may_read_is_an_error(file, name, is_error):
    tree = replies({name: "correct horse"})
    for secret in ("gateway", "token"):
        (file.path.parent / secret).write_text("a secret of thirty-two characters")
        (file.path.parent / secret).chmod(0o600)
    tree["clients"]["office-vpn"]["secret"] = {"file": "gateway"}
    tree["delivery"]["providers"]["twilio"]["auth_token"] = {"file": "token"}
    file.path.write_text(yaml.safe_dump(tree))
    file.path.chmod(0o644)
    if not is_error:
        load(file.path, {}, lambda: NOW)
        return
    with pytest.raises(ConfigError, match="is readable by other users"):
        load(file.path, {}, lambda: NOW)


@pytest.fixture
def own_dictionaries(tmp_path, monkeypatch):
    folder = tmp_path / "dictionaries"
    shutil.copytree(shipped("dictionaries"), folder)
    monkeypatch.setattr(attributes, "shipped", lambda _name: folder)
    return folder


def test_a_changed_dictionary_is_read_again(file, own_dictionaries):
    assert "no attribute of that name" in errors_of(file, {"Example": "x"})[0]
    with (own_dictionaries / "dictionary").open("a") as opened:
        opened.write("ATTRIBUTE Example 250 string\n")
    assert ((250, b"x"),) == reply_of(file, {"Example": "x"})
    assert attributes.attribute_dictionary() is attributes.attribute_dictionary()


def test_a_missing_dictionary_is_an_error_with_its_path(file, own_dictionaries):
    (own_dictionaries / "dictionary").unlink()
    (error,) = errors_of(file, {"Class": "x"})
    assert error.endswith("dictionaries/dictionary: No such file or directory")
    shutil.rmtree(own_dictionaries)
    (error,) = errors_of(file, {"Class": "x"})
    assert error.endswith("dictionaries: No such file or directory")


def test_a_link_without_a_target_beside_the_dictionary_is_ignored(file, own_dictionaries):
    (own_dictionaries / ".#dictionary").symlink_to("user@host.1")  # the lock file of an editor
    assert ((25, b"x"),) == reply_of(file, {"Class": "x"})


def test_an_invalid_dictionary_is_an_error_with_its_place(file, own_dictionaries):
    (own_dictionaries / "dictionary").write_text("ATTRIBUT Example 250 string\n")
    (error,) = errors_of(file, {"Class": "x"})
    assert error.endswith("dictionaries/dictionary:1: 'ATTRIBUT': the line is not valid")
    (error,) = errors_of(file, {"Tunnel-Password": "x"})
    assert error.endswith("dictionaries/dictionary:1: 'ATTRIBUT': the line is not valid")
