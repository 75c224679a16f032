"""The section of a provider of type `http-request`: errors with the key and the fix, and warnings."""

import pytest

from radius_voice.delivery.http_request.settings import HttpRequestSettings
from tests.config.conftest import changed

SECRET = "a-key-that-stays-secret"
BASE = {
    "type": "http-request",
    "methods": ["sms"],
    "url": "https://sms.example.org/messages",
    "content_type": "json",
    "body": '{"to": "{phone}", "text": "{text}"}',
}


def with_gateway(**values):
    section = {key: value for key, value in {**BASE, **values}.items() if value is not None}
    tree = changed("delivery.providers.gateway", section)
    return {**tree, "policies": {"default": {"methods": ["voice", "sms"]}}}


def section_of(loaded):
    section = loaded.settings.delivery.providers["gateway"]
    assert isinstance(section, HttpRequestSettings)
    return section


def test_the_least_section(file):
    loaded = file.load(with_gateway())
    assert () == loaded.warnings
    section = section_of(loaded)
    assert ("POST", (), None) == (section.method, section.responses, section.reference)


def test_the_statuses_and_values_of_a_rule(file):
    rules = [
        {"status": 200, "field": "a.0.b", "value": [True, 0, "x"], "result": "placed"},
        {"status": [404, "5xx"], "contains": "x", "result": "not_placed", "alarm": True},
    ]
    first, second = section_of(file.load(with_gateway(responses=rules))).responses
    assert (range(200, 201),) == first.status
    assert ("true", "0", "x") == first.value
    assert (range(404, 405), range(500, 600)) == second.status


@pytest.mark.parametrize("method", ["voice", "sms"])
def test_a_gateway_has_the_methods_of_its_section(file, method):
    tree = {**with_gateway(methods=[method]), "policies": {}}
    section = section_of(file.load(tree))
    assert [method] == [each.value for each in section.methods]


HOST = "placeholders only after the host"
READABLE = "would send codes and secrets in clear text"


@pytest.mark.parametrize(
    ("values", "key", "fix"),
    [
        ({"methods": []}, "methods", "must not be empty"),
        ({"methods": ["pigeon"]}, "methods[0]", "must be 'voice' or 'sms'"),
        ({"methods": ["sms", "sms"]}, "methods", "is listed twice"),
        ({"method": "PATCH"}, "method", "must be 'GET', 'POST' or 'PUT'"),
        ({"url": "sms.example.org"}, "url", "write https://HOST/PATH"),
        ({"url": "https://{friendly_name}.example.org/"}, "url", HOST),
        ({"url": "https://sms.example.org{phone}/"}, "url", HOST),
        ({"url": "https://sms.example.org:{phone_digits}/"}, "url", HOST),
        ({"url": "https://{secret.key}@sms.example.org/"}, "url", HOST),
        ({"url": "https://user:word@sms.example.org/"}, "url", "without a user name"),
        ({"url": "https://sms..example.org/"}, "url", "write https://HOST/PATH"),
        ({"url": f"https://{'a' * 64}.example.org/"}, "url", "write https://HOST/PATH"),
        ({"url": "https://sms.example.org:0/"}, "url", "write https://HOST/PATH"),
        ({"url": "https://sms.example.org:99999/"}, "url", "write https://HOST/PATH"),
        ({"url": "https://sms.example.org/#{phone}"}, "url", "percent-encoded"),
        ({"url": "https://sms.example.org/a b"}, "url", "percent-encoded"),
        ({"url": "https://sms.example.org/{phone.number}"}, "url", "{phone.number} is no placeholder"),
        ({"url": "http://sms.example.org/"}, "url", f"{READABLE}; write https://"),
        ({"url": "http://192.168.1.10/"}, "url", f"{READABLE}; write https://, or, for a private address, also allow"),
        ({"url": "http://sms.example.org/", "allow_http": True}, "url", "private addresses like 192.168.1.10 only"),
        ({"url": "http://198.18.0.1.example.org/", "allow_http": True}, "url", "private addresses"),
        ({"url": "http://8.8.8.8/", "allow_http": True}, "url", "private addresses"),
        ({"allow_http": True}, "allow_http", "remove it"),
        ({"headers": {"X Y": "1"}}, "headers.(a key)", "not a valid name"),
        ({"headers": {"Host": "other.example.org"}}, "headers.Host", "belongs to the connection"),
        ({"headers": {"content-length": "5"}}, "headers.content-length", "belongs to the connection"),
        ({"headers": {"X-Key": "a\r\nX-Other: b"}}, "headers.X-Key", "characters that a header cannot have"),
        ({"headers": {"X-Key": "{secret.key}"}}, "headers.X-Key", "{secret.key} is no placeholder"),
        ({"content_type": None}, "body", "needs content_type"),
        ({"body": None}, "content_type", "is the type of a body"),
        ({"method": "GET"}, "body", "a GET request has none"),
        ({"body": '{"to": {phone}, "text": "{text}"}'}, "body", "without quotation marks"),
        ({"body": '{"to": "{phone}", "text": "{texts}"}'}, "body", "{texts} is no placeholder; did you mean text?"),
        ({"body": '{"to": "{phone}"}'}, "body", "no template has the code"),
        ({"body": '{"text": "{text}"}'}, "body", "no template has the phone"),
        ({"content_type": "form", "body": "to={phone}&text={text}\n"}, "body", "percent-encoded"),
        ({"secrets": {"Key": SECRET}}, "secrets.Key", "not a valid name"),
        ({"secrets": {"key": ""}}, "secrets.key", "is empty"),
        ({"secrets": {"key": {"env": "NOT_SET"}}}, "secrets.key", "NOT_SET is not set"),
        ({"basic_auth": {"username": "a:b", "password": SECRET}}, "basic_auth.username", "write it like"),
        ({"basic_auth": {"username": "a"}}, "basic_auth.password", "is missing"),
        (
            {"basic_auth": {"username": "a", "password": SECRET}, "headers": {"authorization": "x"}},
            "basic_auth",
            "remove one of them",
        ),
        ({"responses": [{"result": "placed"}]}, "responses[0]", "has no condition"),
        ({"responses": [{"status": 200}]}, "responses[0].result", "is missing"),
        ({"responses": [{"status": 99, "result": "placed"}]}, "responses[0].status", "not a status"),
        ({"responses": [{"status": "200", "result": "placed"}]}, "responses[0].status", "not a status"),
        ({"responses": [{"status": True, "result": "placed"}]}, "responses[0].status", "not a status"),
        ({"responses": [{"field": "a", "result": "placed"}]}, "responses[0].field", "write both"),
        ({"responses": [{"value": "a", "result": "placed"}]}, "responses[0].value", "write both"),
        ({"responses": [{"field": "a..b", "value": "a", "result": "placed"}]}, "responses[0].field", "write it like"),
        ({"responses": [{"field": "a", "value": 1.5, "result": "placed"}]}, "responses[0].value", "in quotes"),
        ({"responses": [{"status": 200, "result": "placed", "alarm": True}]}, "responses[0].alarm", "remove it"),
        ({"timeout": "1s"}, "timeout", "write at least 2s"),
        ({"ca_file": "nothing.pem"}, "ca_file", "does not exist; correct the path or create the file"),
    ],
)
def test_a_mistake_is_an_error_with_its_fix(file, values, key, fix):
    errors = file.errors(with_gateway(**values))
    assert [] != [line for line in errors if f": delivery.providers.gateway.{key}" in line and fix in line], errors
    assert SECRET not in " ".join(errors)


def test_all_errors_of_templates_are_reported_with_their_lines(file):
    text = """\
clients: {office-vpn: {address: 10.0.0.1, secret: gateway-secret-of-32-characters!}}
identity: {people: {type: users_file, path: users.yaml}}
policies: {default: {methods: [sms]}}
delivery:
  friendly_name: ACME VPN
  providers:
    gateway:
      type: http-request
      methods: [sms]
      url: https://sms.example.org/{fone}
      headers:
        X-Key: "{secret.key}"
      content_type: json
      body: '{"a": {text}, "b": "{Code}"}'
"""
    errors = file.errors(text)
    problems = [
        "{fone} is",
        "{secret.key} is",
        "a text in braces is",
        "has a placeholder without",
        "no template has the phone",
    ]
    assert [10, 12, 14, 14, 14] == [int(line.split(":")[1]) for line in errors]
    assert [] == [problem for problem, line in zip(problems, errors, strict=True) if problem not in line]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8088/{phone}", "http://[::1]/", "http://localhost/"])
def test_a_gateway_on_this_machine_may_have_no_tls(file, url):
    assert () == file.load(with_gateway(url=url)).warnings


@pytest.mark.parametrize("url", ["http://192.168.1.10:8088/ari/channels", "http://[fd00::1]/"])
def test_a_gateway_in_the_local_network_may_have_no_tls_with_a_warning(file, url):
    (warning,) = file.load(with_gateway(url=url, allow_http=True)).warnings
    assert "allow_http: codes and secrets are sent in clear text" in warning


def test_a_gateway_under_development_may_have_no_tls(file):
    tree = {**with_gateway(url="http://sms.example.org/"), "development": True}
    assert [] == [warning for warning in file.load(tree).warnings if "gateway" in warning]


def test_a_secret_that_no_template_uses_is_a_warning(file):
    secrets = {"used": SECRET, "unused": "another secret of this test"}
    (warning,) = file.load(with_gateway(headers={"X-Key": "{secret.used}"}, secrets=secrets)).warnings
    assert "secrets.unused: is used by no template" in warning
