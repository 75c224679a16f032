"""Templates: which ones are errors, and that values keep their meaning in every type of body."""

import json
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from radius_voice.delivery.http_request import templates

ANY = st.text()
XML_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cn"], exclude_characters="\x0b\x0c\ufffe\uffff")).map(
    lambda text: templates.NOT_XML.sub("", text)
)
NOT_NAMES = [
    "{phone.address}",
    "{phone[0]}",
    "{phone!r}",
    "{phone:>20}",
    "{phone.__class__}",
    "{ phone }",
    "{PHONE}",
    "{0}",
    "{secret}",
    "{secret.other}",
    "{secret.api_key.value}",
    "{secret[api_key]}",
    "{secrets.api_key}",
    "{auth_token}",
]


def values(text):
    return dict.fromkeys([*templates.NAMES, "secret.api_key"], text)


@given(ANY, ANY)
def test_a_value_in_a_form_is_read_as_it_was(text, key):
    rendered = templates.render("to={phone}&text={text}&key={secret.api_key}", values(text), templates.for_url)
    expected = [("to", text), ("text", text), ("key", text)]
    assert expected == parse_qsl(rendered, keep_blank_values=True, strict_parsing=True)


@given(ANY)
def test_a_value_in_json_is_read_as_it_was(text):
    template = '{"to": ["{phone}"], "text": "a {text} b", "{language}": {"x": {}}}'
    assert templates.body_problem(template, "json") is None
    read = json.loads(templates.render(template, values(text), templates.for_json))
    assert {"to": [text], "text": f"a {text} b", text: {"x": {}}} == {"to": [], "text": "", **read}


@given(XML_TEXT)
def test_a_value_in_xml_is_read_as_it_was(text):
    template = "<m to=\"{phone}\" from='{friendly_name}'><text>a {text} b</text>{code}</m>"
    assert templates.body_problem(template, "xml") is None
    root = ET.fromstring(templates.render(template, values(text), templates.for_xml).encode())
    assert {"to": text, "from": text} == root.attrib
    assert f"a {text} b" == root.findtext("text")
    assert (text or None) == root[0].tail


@given(ANY)
def test_any_value_leaves_xml_well_formed(text):
    root = ET.fromstring(templates.render('<m a="{text}">{text}</m>', values(text), templates.for_xml).encode())
    assert [] == list(root)


@given(ANY)
def test_a_value_in_plain_text_is_unchanged(text):
    assert f"{text}: {text}" == templates.render("{phone}: {text}", values(text), templates.for_text)


@given(ANY)
def test_a_value_in_a_header_is_one_line(text):
    rendered = templates.render("Bearer {secret.api_key}", values(text), templates.for_header)
    assert len(f"Bearer {text}") == len(rendered)
    assert not templates.CONTROL.search(rendered)


@given(st.text(min_size=1).filter(lambda text: text not in {".", ".."}))
def test_a_value_in_a_url_is_one_segment_or_one_parameter(text):
    rendered = templates.render("/a/{phone}/b?text={text}&x=1", values(text), templates.for_url)
    path, query = urlsplit(f"https://sms.example.org{rendered}")[2:4]
    assert ["", "a", text, "b"] == [unquote(segment) for segment in path.split("/")]
    assert [("text", text), ("x", "1")] == parse_qsl(query, strict_parsing=True)
    sent = URL(f"https://sms.example.org{rendered}", encoded=True)
    assert rendered == sent.raw_path_qs
    assert "sms.example.org" == sent.host


@pytest.mark.parametrize("template", NOT_NAMES)
def test_only_a_known_name_is_a_placeholder(template):
    (problem,) = templates.name_problems(f"x {template} y", {"api_key"})
    assert "is no placeholder" in problem


def test_a_mistyped_name_gets_a_suggestion():
    assert ["{phon} is no placeholder; did you mean phone?"] == list(templates.name_problems("{phon}{phon}", set()))


def test_a_name_that_may_be_a_secret_is_not_shown():
    (problem,) = templates.name_problems("{hunter2-0815}", set())
    assert "hunter2" not in problem


def test_every_known_name_is_a_placeholder():
    names = [*templates.NAMES, "secret.api_key"]
    assert [] == list(templates.name_problems("".join(f"{{{name}}}" for name in names), {"api_key"}))


@pytest.mark.parametrize(
    ("content_type", "template", "problem"),
    [
        ("json", '{"to": {phone}}', "without quotation marks"),
        ("json", '{"to": "{phone}", }', "is not JSON"),
        ("json", '{"to": "\\{phone}"}', "is not JSON"),
        ("json", '{"to": "\\u00{phone}"}', "is not JSON"),
        ("json", '{"to": "{{phone}}"}', "belongs to no placeholder"),
        ("json", '{"to": "{phone"}', "belongs to no placeholder"),
        ("json", '["[{phone}]", 1{phone}]', "without quotation marks"),
        ("json", "[" * 100_000, "is nested too deeply"),
        ("json", "to={phone}", "is not JSON"),
        ("xml", "<m>{phone}", "is not XML"),
        ("xml", "<{phone}/>", "is not XML"),
        ("xml", "<m {phone}='1'/>", "is not XML"),
        ("xml", "<m a={phone}/>", "is not XML"),
        ("xml", "<m><![CDATA[{text}]]></m>", "CDATA"),
        ("xml", "<m><!-- {text} --></m>", "comment"),
        ("xml", '<!DOCTYPE m [<!ENTITY a "{text}">]><m>&a;</m>', "declaration"),
        ("xml", "<m><?x {text}?></m>", "outside of text and attributes"),
        ("xml", "<m xmlns:x='{text}'/>", "outside of text and attributes"),
        ("xml", '<?xml version="1.0" encoding="ISO-8859-1"?><m>{text}</m>', "outside of text"),
        ("xml", '<?xml version="1.0" encoding="no-such"?><m>{text}</m>', "is not XML"),
        ("xml", "<m>{{text}}</m>", "belongs to no placeholder"),
        ("form", "to={phone}&text=a b", "percent-encoded"),
        ("form", "to={phone}&text=%2", "percent-encoded"),
        ("form", "to={phone}&text=ü", "percent-encoded"),
        ("form", "to={{phone}}", "belongs to no placeholder"),
        ("form", "to={phone}\n", "percent-encoded"),
        ("text", "{phone} {}", "belongs to no placeholder"),
    ],
)
def test_a_body_in_which_values_cannot_be_escaped_is_an_error(content_type, template, problem):
    assert problem in (templates.body_problem(template, content_type) or "no problem")


@pytest.mark.parametrize(
    ("content_type", "template"),
    [
        ("json", '{"to": "{phone}", "seconds": {ring_timeout}, "n": -1.5, "empty": {}, "same": "{ring_timeout}s"}'),
        ("json", '{\n  "a": [{ "b": "{text}" }]\n}\n'),
        ("json", '"{text}"'),
        ("xml", '<?xml version="1.0" encoding="UTF-8"?>\n<x:m xmlns:x="urn:a"><x:t a="{phone}"/>{text}</x:m>'),
        ("form", "to=%2B{phone_digits}&text={text}&flags[]=1&t=a+b"),
        ("text", "to: {phone}\n\n{text} ü\n"),
    ],
)
def test_a_body_in_which_values_can_be_escaped_is_no_error(content_type, template):
    assert templates.body_problem(template, content_type) is None


@pytest.mark.parametrize("value", ["a\nb", "a\x00", "ü", "{{text}}"])
def test_a_header_that_cannot_be_sent_is_an_error(value):
    assert templates.header_problem(value)
