import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from radius_voice.config.strict_yaml import MAX_DEPTH, StrictYamlError, load


def errors_of(text):
    with pytest.raises(StrictYamlError) as refused:
        load(text, "x.yaml")
    return refused.value.errors


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("+441632960123", 441632960123),
        ("1.50", 1.5),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("True", "True"),
        ("0x10", "0x10"),
        ("012", "012"),
        ("1e3", "1e3"),
        (".5", ".5"),
        (".inf", ".inf"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-01-01", "2026-01-01"),
        ("9" * 5000, "9" * 5000),
        ("'12'", "12"),
        ('"true"', "true"),
        ("|\n  a\n  b\n", "a\nb\n"),
        ("=", "="),
    ],
)
def test_a_scalar_means_what_an_administrator_expects(written, value):
    read = load(f"key: {written}", "x.yaml")[0]
    assert {"key": value} == read
    assert type(value) is type(read["key"])


def test_every_key_and_item_has_its_line():
    value, lines = load("# head\na: 1\nb:\n  - x\n  - {c: 2,\n     d: 3}\n", "x.yaml")
    assert {"a": 1, "b": ["x", {"c": 2, "d": 3}]} == value
    assert {(): 1, ("a",): 2, ("b",): 3, ("b", 0): 4, ("b", 1): 5, ("b", 1, "c"): 5, ("b", 1, "d"): 6} == lines


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_value_is_none(text):
    assert (None, {(): 1}) == load(text, "x.yaml")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "'a' is listed twice, first in line 1"),
        ("a: 1\n1: x\n", 2, "a key that is not text"),
        ("true: x\n", 1, "a key that is not text"),
        ("? [a, b]\n: x\n", 1, "a key that is not text"),
        ("? {a: b}\n: {c: d}\n", 1, "a key that is not text"),
        ("a: &hush 1\n", 1, "anchors"),
        ("a: &hush [1]\n", 1, "anchors"),
        ("b: 1\na: *hush\n", 2, "aliases"),
        ("a: !hush 1\n", 1, "tags"),
        ("a: ! 1\n", 1, "tags"),
        ("a: !!python/object:os.system {}\n", 1, "tags"),
        ("a: !hush!hush 1\n", 1, "tags"),
        ("a: 1\n---\nb: 2\n", 2, "a second document"),
        ("a: 1\nb: c: d\n", 2, "holds a colon and a space, must be in quotes"),
        ("a: 1\nb: \x07hush\n", 2, "a character that YAML forbids"),
        ("a: '\ud800'\n", 1, "a character that YAML forbids"),
        ("a: " + "[" * 100_000, 1, "nested too deeply"),
        ("{a: " * 100_000, 1, "nested too deeply"),
    ],
)
def test_ambiguous_yaml_is_refused_with_its_line(text, line, message):
    errors = errors_of(text)
    assert line == errors[0][0]
    assert message in errors[0][1]
    assert "hush" not in str(errors)


def test_all_errors_are_reported_at_once_and_in_order():
    errors = errors_of("a: &x 1\na: *x\nb: !t 1\n")
    assert [1, 2, 2, 3] == [line for line, _ in errors]


def test_an_error_says_which_file():
    with pytest.raises(StrictYamlError, match=r"^x\.yaml:2: 'a' is listed twice"):
        load("a: 1\na: 2\n", "x.yaml")


def test_the_deepest_nesting_is_read():
    assert "x" in str(load("[" * MAX_DEPTH + "x" + "]" * MAX_DEPTH, "x.yaml")[0])


@given(st.text() | st.text(alphabet="ab:- \n[]{},&*!'\"?|>#%@`\\~\t1.+"))
@example("%YAML 1.2\n---\na: 1")
@example("%TAG ! tag:hush,2000:\n---\n!a b")
@example("\ufeffa: 1")
@example("...")
@example("a: 'x")
@example(":")
def test_any_text_is_read_or_refused_without_another_exception(text):
    errors = [(1, "")]
    try:
        value, lines = load(text, "x.yaml")
    except StrictYamlError as refused:
        errors = refused.errors
    else:
        assert () in lines
        assert not isinstance(value, dict) or all(isinstance(key, str) for key in value)
    assert errors
    assert all(1 <= line <= len(text.splitlines()) + 2 for line, _ in errors)
