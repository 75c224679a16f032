"""SIP addresses as phones: which texts are addresses, how they are shown, and which of them are called."""

import re
from ipaddress import IPv4Address, IPv6Address

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from radius_voice.login import sip
from radius_voice.login.codes.keys import Keys
from radius_voice.login.codes.pins import compare, encode, new_pins
from radius_voice.login.limits.configured import subjects_of
from radius_voice.login.phone import (
    NumberRules,
    Phone,
    Refusal,
    caution,
    country_of,
    is_fictional,
    parse_number,
    parse_phone,
    refused_type,
)

DESK = Phone("sip:3105@pbx.example.org")
LABELS = st.from_regex("[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
HOSTS = st.one_of(
    st.lists(LABELS, min_size=1, max_size=4).map(".".join),
    st.integers(0, 2**32 - 1).map(lambda number: str(IPv4Address(number))),
    st.integers(0, 2**128 - 1).map(lambda number: f"[{IPv6Address(number)}]"),
)
ADDRESSES = st.builds(
    "{}:{}@{}{}{}".format,
    st.sampled_from(["sip", "sips"]),
    st.from_regex("[A-Za-z0-9+_][A-Za-z0-9+_.-]{0,63}", fullmatch=True),
    HOSTS,
    st.one_of(st.just(""), st.integers(1, 65535).map(":{}".format)),
    st.sampled_from(["", ";transport=tcp", ";transport=tls"]),
)
STORED = re.compile(r"sips?:[A-Za-z0-9+_.-]+@[a-z0-9.:\[\]-]+(;transport=(udp|tcp|tls))?")
"""What no stored address goes beyond: no space, quote, angle bracket, percent sign, password, header or parameter."""


@given(ADDRESSES)
def test_an_address_in_its_stored_form_stays_as_it_is(address):
    phone = parse_phone(address)
    assert Phone(address) == phone
    assert phone == parse_phone(phone.text) == msgspec.msgpack.decode(msgspec.msgpack.encode(phone), type=Phone)


@given(
    st.one_of(
        st.text(max_size=40),
        st.builds("{}{}{}".format, ADDRESSES, st.text(min_size=1, max_size=3), st.sampled_from(["", "@x", ":5060"])),
        st.tuples(ADDRESSES, st.integers(0, 30), st.text(min_size=1, max_size=2)).map(
            lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] :]
        ),
    ).map("sip:{}".format)
)
@example("sip:a@b\n")
@example("sip:3105@pbx.example.or\u212a")
@example("\u017fip:3105@pbx.example.org")
@example("sip:\uff13105@pbx.example.org")
def test_a_text_is_an_address_in_the_stored_form_or_refused(text):
    try:
        address = sip.parse_sip(text)
    except ValueError:
        return
    assert STORED.fullmatch(address)
    assert address == sip.parse_sip(address)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (" SIP:Alice@PBX.Example.ORG ", "sip:Alice@pbx.example.org"),
        ("sips:3105@pbx.example.org", "sips:3105@pbx.example.org"),
        ("sip:3105@192.0.2.7:5080", "sip:3105@192.0.2.7:5080"),
        ("sip:3105@[2001:DB8:0::1]:5061", "sip:3105@[2001:db8::1]:5061"),
        ("sip:+14155550123@pbx.example.org;Transport=TLS", "sip:+14155550123@pbx.example.org;transport=tls"),
        ("sip:3105@pbx", "sip:3105@pbx"),
    ],
)
def test_the_stored_form_has_the_host_in_lower_case_and_the_user_as_written(text, address):
    assert Phone(address) == parse_phone(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sip:3105", "it has another syntax"),
        ("sip:@pbx.example.org", "it has another syntax"),
        ("sip:pbx.example.org", "it has another syntax"),
        ("sip:31 05@pbx.example.org", "it has another syntax"),
        ("sip:3105@pbx.example.org ext. 5", "it has another syntax"),
        ("sip:<3105>@pbx.example.org", "it has another syntax"),
        ('"Alice" <sip:3105@pbx.example.org>', "not a phone number"),
        ("<sip:3105@pbx.example.org>", "not a phone number"),
        ('sip:"3105"@pbx.example.org', "it has another syntax"),
        ("sip:3105%00@pbx.example.org", "it has another syntax"),
        ("sip:3105\0@pbx.example.org", "it has another syntax"),
        ("sip:3105@pbx.example.org\r\nX-Header: 1", "it has another syntax"),
        ("sip:*72@pbx.example.org", "it has another syntax"),
        ("sip:-1@pbx.example.org", "it has another syntax"),
        ("sip:a&b=c@pbx.example.org", "it has another syntax"),
        ("sip:3105@pbx.example.org@evil.example", "it has another syntax"),
        ("sip:3105@pbx.example.org?Subject=x", "it has headers"),
        ("sip:3105@pbx.example.org;transport=tcp?Route=x", "it has headers"),
        ("sip:3105:secret@pbx.example.org", "it has a password"),
        ("sip:3105@pbx.example.org;user=phone", "it has a parameter other than transport"),
        ("sip:3105@pbx.example.org;transport=ws", "it has another syntax"),
        ("sip:3105@pbx.example.org:0", "it has another syntax"),
        ("sip:3105@pbx.example.org:65536", "a port above 65535"),
        ("sips:3105@pbx.example.org;transport=udp", "sips: is SIP over TLS"),
        (f"sip:{'1' * 65}@pbx.example.org", "it has another syntax"),
        (f"sip:3105@{'a.' * 122}example", "it has more than 254 characters"),
        ("sip:3105@pbx..org", "not the name or IP address of a host"),
        ("sip:3105@pbx.example.org.", "not the name or IP address of a host"),
        ("sip:3105@-pbx.example.org", "not the name or IP address of a host"),
        ("sip:3105@192.0.2", "not the name or IP address of a host"),
        ("sip:3105@192.0.2.256", "not the name or IP address of a host"),
        ("sip:3105@[192.0.2.1]", "not the name or IP address of a host"),
        ("sip:3105@[::1", "it has another syntax"),
    ],
)
def test_an_address_that_is_refused_is_not_repeated_in_the_error(text, problem):
    with pytest.raises(ValueError, match=re.escape(problem)) as refused:
        parse_phone(text)
    assert "secret" not in str(refused.value)
    assert "; " in str(refused.value), "the error has the fix"


def test_a_host_name_is_not_longer_than_dns_allows():
    with pytest.raises(ValueError, match="not the name or IP address"):
        sip.parse_host("a." * 126 + "example")


@pytest.mark.parametrize("host", ["[::1", "::1]", "[fe80::1%eth0]", "a_b", "", "[]"])
def test_a_text_that_is_no_host_is_refused(host):
    with pytest.raises(ValueError, match="not the name or IP address"):
        sip.parse_host(host)


@pytest.mark.parametrize(
    ("address", "masked", "ending"),
    [
        ("sip:3105@pbx.example.org", "sip:31**@pbx.example.org", "05"),
        ("sips:alice@192.0.2.7:5061", "sips:al***@192.0.2.7:5061", "ce"),
        ("sip:311@[2001:db8::1]:5061;transport=tcp", "sip:3**@[2001:db8::1]:5061;transport=tcp", "11"),
        ("sip:7@pbx.example.org", "sip:*@pbx.example.org", "7"),
    ],
)
def test_the_user_of_an_address_is_masked_and_its_last_characters_are_for_the_prompt(address, masked, ending):
    phone = Phone(address)
    assert (masked, f"Phone({masked})", ending) == (phone.masked, repr(phone), phone.ending)


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("sip:3105@pbx.example.org", "pbx.example.org"),
        ("sips:3105@192.0.2.7:5061;transport=tls", "192.0.2.7"),
        ("sip:3105@[2001:db8::1]:5061", "[2001:db8::1]"),
        ("+14155550123", ""),
        ("", ""),
    ],
)
def test_the_domain_of_a_phone_is_the_host_of_its_address(address, domain):
    assert domain == Phone(address).domain


def test_an_address_is_called_only_if_its_domain_is_listed():
    refused = Refusal("SIP domain pbx.example.org", "sip_domains")
    assert refused == NumberRules().refusal(DESK)
    assert refused == NumberRules(None, ("+1",), (), frozenset({"example.org", "sip.pbx.example.org"})).refusal(DESK)
    listed = NumberRules(frozenset({"US"}), (), ("+1415",), frozenset({"pbx.example.org"}))
    assert None is listed.refusal(DESK)
    assert None is listed.refusal(Phone("sips:3105@pbx.example.org:5061;transport=tls"))


def test_an_address_has_no_country_and_no_type():
    assert ("sip:pbx.example.org", None, False) == (country_of(DESK), refused_type(DESK), is_fictional(DESK))
    assert "sip:pbx.example.org" == subjects_of("u", Phone("sips:9@pbx.example.org:5061"), "", "")["country"]
    assert DESK.address == subjects_of("u", DESK, "", "")["phone"]


def test_configuring_an_address_warns_that_its_domain_must_be_allowed():
    expected = "sip:31**@pbx.example.org is not called, unless policies.NAME.sip_domains has pbx.example.org"
    assert expected == caution(DESK)


def test_the_caller_of_a_call_is_a_number():
    assert Phone("+14155550123") == parse_number("+1 415 555 0123")
    with pytest.raises(ValueError, match=r"^not a phone number; write it as \+"):
        parse_number(DESK.address)


@pytest.mark.parametrize(
    "changed",
    [
        "sip:3105@pbx.example.net",
        "sip:3106@pbx.example.org",
        "sips:3105@pbx.example.org",
        "sip:3105@pbx.example.org:5060",
        "sip:3105@pbx.example.org;transport=tcp",
    ],
)
def test_a_pin_is_of_the_whole_address(changed):
    keys = Keys(b"k" * 32)
    stored = encode(new_pins(keys, "user", [DESK], 0.0, verified=False))
    assert () == compare(keys, "user", [parse_phone("SIP:3105@PBX.example.org")], stored).changed
    assert (Phone(changed),) == compare(keys, "user", [Phone(changed)], stored).changed


def test_a_session_that_was_stored_before_addresses_were_phones_is_still_read():
    assert Phone("+14155550123", "42") == msgspec.msgpack.decode(b"\x92\xac+14155550123\xa242", type=Phone)
