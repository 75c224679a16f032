"""A syntax error names the line that must be changed, the cause and the fix, whichever parser PyYAML has."""

import pytest
import yaml

from radius_voice.config import strict_yaml
from radius_voice.config.yaml_syntax import (
    AFTER_QUOTE,
    BACKSLASH,
    COLON,
    CURLY_QUOTE,
    DASH,
    DEEPER,
    FIRST_CHARACTER,
    FIRST_LINE,
    IN_BRACKETS,
    MIXED,
    NO_BREAK_SPACE,
    NO_COLON,
    NO_COMMA,
    NO_SPACE,
    OPEN_BRACKET,
    OPEN_QUOTE,
    TAB,
    TAGS,
    UNEVEN,
)

TEMPLATE = (
    "a key that is not text; {{ }} is not replaced here; "
    "write the value itself, or put the braces in quotes if they are meant"
)
OTHER = "not valid YAML; check the indentation, quotes and colons of this line and the line above"

CLIENT = "clients:\n  hq:\n    address: 10.0.0.1\n"
TWO_CLIENTS = (
    f"{CLIENT}    secret: hush-1\nbranch:\n    address: 10.0.0.2\n    secret: hush-2\n  lab:\n    address: 10.0.0.3\n"
)

ERRORS = {
    "a tab before a key": ("clients:\n\thq:\n\t\taddress: 10.0.0.1\n", 2, TAB),
    "a tab below spaces": (f"{CLIENT}\tsecret: hush\n", 4, TAB),
    "a tab after spaces": ("clients:\n  hq:\n  \tsecret: hush\n", 3, TAB),
    "a tab before a list": ("listen:\n\t- udp://0.0.0.0:1812\n", 2, TAB),
    "an unclosed double quote, no other quote below": (
        f'{CLIENT}    secret: "hush\n    policy: x\nlog: {{}}\n',
        4,
        OPEN_QUOTE,
    ),
    "an unclosed double quote, another quote below": (
        f'{CLIENT}    secret: "hush\n    policy: x\n  b:\n    secret: "hush"\n',
        4,
        OPEN_QUOTE,
    ),
    "an unclosed double quote with a backslash below": (f'{CLIENT}    secret: "hush\n    policy: \\p\n', 4, OPEN_QUOTE),
    "an unclosed single quote": ("a: 'hush\nb: 'hush'\nc: 1\n", 1, OPEN_QUOTE),
    "an unclosed quote in a list": ('listen: ["udp://0.0.0.0:1812]\nkey: "hush"\nworkers: 2\n', 1, OPEN_QUOTE),
    "an unclosed quote in braces": ('hq: {address: 1, secret: "hush}\nb: {secret: "hush"}\n', 1, OPEN_QUOTE),
    "no colon after a key": ("clients:\n  hq:\n    address 10.0.0.1\n    secret: hush\n", 3, NO_COLON),
    "no colon after the last key": (f"{CLIENT}    secret hush\nidentity: {{}}\n", 4, NO_COLON),
    "no colon after a section": (f"development: true\nclients\n{CLIENT[9:]}", 2, NO_COLON),
    "no colon after the first section": (f"clients\n{CLIENT[9:]}", 1, NO_COLON),
    "no colon after a name": ("clients:\n  # ours\n  hq\n\n    secret: hush\n", 3, NO_COLON),
    "no colon after a key above a comment": (
        "clients:\n  hq:\n    address 10.0.0.1\n    # hush\n    secret: hush\n",
        3,
        NO_COLON,
    ),
    "no space after a colon above a comment": ("hq:\n  address:10.0.0.1\n  # hush\n  secret: hush\n", 2, NO_SPACE),
    "an equals sign for a colon": (f"{CLIENT}    secret = hush\nlog: {{}}\n", 4, NO_COLON),
    "no colon after very many quotes": ("x" + '""' * 60 + "\n  b: 1\n", 1, NO_COLON),
    "no space after a colon": ("clients:\n  hq:\n    secret:hush\n    policy: x\n", 3, NO_SPACE),
    "no space after the last colon": (f"{CLIENT}    secret:hush\n", 4, NO_SPACE),
    "a colon inside a value": ("delivery:\n  friendly_name: hush: VPN\n", 2, COLON),
    "a colon at the end of a value": ("hq:\n  address: 2001:db8::\n  secret: hush\n", 2, COLON),
    "a colon inside a value in braces": ("delivery: {friendly_name: hush: VPN}\n", 1, IN_BRACKETS),
    "a colon at the end of a value in braces": ("hq: {address: 2001:db8::, secret: hush}\n", 1, IN_BRACKETS),
    "an at sign": ("hq:\n  secret: @hush\n", 2, FIRST_CHARACTER),
    "a back quote": ("hq:\n  secret: `hush\n", 2, FIRST_CHARACTER),
    "a percent sign": ("hq:\n  secret: %hush\n", 2, FIRST_CHARACTER),
    "an at sign in braces": ("hq: {secret: @hush}\n", 1, FIRST_CHARACTER),
    "a closing brace first": ("hq:\n  secret: }hush\n", 2, FIRST_CHARACTER),
    "a comma first": ("hq:\n  secret: ,hush\n", 2, FIRST_CHARACTER),
    "a question mark first": ("hq:\n  secret: ? hush\n", 2, FIRST_CHARACTER),
    "an asterisk alone": ("hq:\n  secret: * hush\n", 2, FIRST_CHARACTER),
    "an ampersand alone": ("hq:\n  secret: & hush\n", 2, FIRST_CHARACTER),
    "a bar first": ("hq:\n  secret: |hush\n", 2, FIRST_CHARACTER),
    "a bracket in a list": ("server:\n  listen: [udp://[::1]:1812]\n", 2, IN_BRACKETS),
    "no comma in braces": ("hq: {address: 1 secret: hush}\n", 1, IN_BRACKETS),
    "no comma in a list": ('listen: ["hush" "hush"]\n', 1, IN_BRACKETS),
    "no comma at the end of a line": ("a: {person: 1,\n    phone: 2  # hush\n    all: 3}\n", 2, NO_COMMA),
    "a colon in a later line of braces": ("a: {person: 1,\n    name: x: y}\n", 2, IN_BRACKETS),
    "an unclosed bracket": ("server:\n  listen: [udp://a, udp://b\n  workers: 2\n  key: hush\n", 2, OPEN_BRACKET),
    "an unclosed brace": ("clients:\n  hq: {address: 1, secret: hush\n  b: {address: 2}\n", 2, OPEN_BRACKET),
    "an unclosed brace at the end": ("clients:\n  hq: {address: 1, secret: hush\n", 2, OPEN_BRACKET),
    "a bracket too many": ("listen: [a]]\nb: 2\n", 1, AFTER_QUOTE),
    "text after a quote": ('key: "hush" hush\nb: 2\n', 1, AFTER_QUOTE),
    "a quote in quotes": ("key: 'hush's'\nb: 2\n", 1, AFTER_QUOTE),
    "text after a brace": ("key: {hush}hush\nb: 2\n", 1, AFTER_QUOTE),
    "a backslash": ('key: "hush\\path"\n', 1, BACKSLASH),
    "a hexadecimal escape": ('key: "\\xhush"\n', 1, BACKSLASH),
    "a list on the line of its key": ("reply: - set: hush\n", 1, DASH),
    "a client in column 0": (
        TWO_CLIENTS,
        5,
        "is indented less than lines 2 and 8 and ends the mapping that line 8 continues; indent it like them",
    ),
    "the first client in column 0": (
        "clients:\nhq:\n    secret: hush-1\n  branch:\n    secret: hush-2\n",
        2,
        "is not indented below line 1 and ends the mapping that line 4 continues; indent it like line 4",
    ),
    "the first key of a client indented one more": (
        "clients:\n  hq:\n     address: 10.0.0.1\n    # ours\n    secret: hush\n",
        3,
        "is indented differently than line 5, which belongs to the same mapping; indent both alike",
    ),
    "a key below a section that ended": ("clients:\n  a: 1\nserver:\n    key: hush\n  workers: 2\n", 5, UNEVEN),
    "indented one less": (f"{CLIENT}   secret: hush\n", 4, UNEVEN),
    "indented one more": (f"{CLIENT}     secret: hush\n", 4, DEEPER),
    "indented below a quoted value": ('a: "hush"\n  b: 2\n', 2, DEEPER),
    "a name indented one more": (f"{CLIENT}   branch:\n    address: 10.0.0.2\n", 4, UNEVEN),
    "a section indented": ("server:\n  workers: 1\n clients:\n  a: 1\n", 3, UNEVEN),
    "the first section indented": ("# hush\n server:\n  workers: 1\nclients:\n  a: 1\n", 2, FIRST_LINE),
    "an item indented one less": ("reply:\n  - set: 1\n - set: 2\n", 3, UNEVEN),
    "an item and a key": ("a:\n  - hush\n  b: 1\n", 3, MIXED),
    "a key and an item": ("a:\n  b: hush\n  - x\n", 3, MIXED),
    "curly quotes": ("hq:\n  secret: \u201chush\u201d\n", 2, CURLY_QUOTE),
    "curly quotes in braces": ("hq: {secret: \u2018hush\u2019}\n", 1, CURLY_QUOTE),
    "curly quotes around a colon": ("hq:\n  secret: \u201chush: x\u201d\n", 2, CURLY_QUOTE),
    "no-break spaces before a key": (f"{CLIENT}\xa0\xa0\xa0\xa0secret: hush\n", 4, NO_BREAK_SPACE),
    "no-break spaces after spaces": (f"{CLIENT}  \xa0\xa0secret: hush\n    policy: x\n", 4, NO_BREAK_SPACE),
    "no-break spaces before every key": ("clients:\n\xa0\xa0hq: {}\n", 2, NO_BREAK_SPACE),
    "a no-break space after a colon": ("hq:\n  secret:\xa0hush\n  policy: x\n", 2, NO_BREAK_SPACE),
    "a template": ("hq:\n  secret: {{ hush }}\n", 2, TEMPLATE),
    "a tag": ("hq:\n  secret: !hush! hush\n", 2, TAGS),
    "another format": ("[clients]\nsecret: hush\n", 2, OTHER),
}


@pytest.mark.parametrize("parser", [yaml.CSafeLoader, yaml.SafeLoader])
@pytest.mark.parametrize("error", ERRORS)
def test_a_syntax_error_names_its_line_its_cause_and_the_fix_and_no_value(monkeypatch, parser, error):
    monkeypatch.setattr(strict_yaml, "PARSER", parser)
    text, line, message = ERRORS[error]
    with pytest.raises(strict_yaml.StrictYamlError) as refused:
        strict_yaml.load(text, "x.yaml", sections=("server", "clients"))
    assert f"x.yaml:{line}: {message}" == str(refused.value)


def test_a_character_of_a_value_is_not_shown(monkeypatch):
    for parser in (yaml.CSafeLoader, yaml.SafeLoader):
        monkeypatch.setattr(strict_yaml, "PARSER", parser)
        for written in ("@#", '"\\q"', "|7x", "!q!q q"):
            with pytest.raises(strict_yaml.StrictYamlError) as refused:
                strict_yaml.load(f"key: {written}\n", "x.yaml")
            assert not {"q", "7", "'#'"} & set(str(refused.value).replace("quote", "").split())


def test_a_key_in_column_0_is_valid_where_every_key_may_be():
    with pytest.raises(strict_yaml.StrictYamlError) as refused:
        strict_yaml.load("alice:\n  groups: []\nbob:\n    groups: []\n  phones: []\n", "users.yaml")
    assert f"users.yaml:5: {UNEVEN}" == str(refused.value)
