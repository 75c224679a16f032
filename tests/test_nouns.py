from __future__ import annotations

from dataclasses import field, replace

from radius_voice.nouns import noun


@noun
class Claim:
    name: str
    password: str = field(repr=False)


@noun
class Rumour:
    name: str
    password: str


def test_nouns_are_equal_by_kind_and_content_and_may_be_keys():
    assert {Claim("alice", "wonder"): 1} == {Claim("alice", "wonder"): 1}
    assert Claim("alice", "wonder") != Rumour("alice", "wonder")


def test_a_noun_does_not_show_what_its_field_hides():
    assert "Claim(name='alice')" == repr(Claim("alice", "wonder"))


def test_a_noun_is_changed_into_another_by_replace():
    assert Claim("bob", "wonder") == replace(Claim("alice", "wonder"), name="bob")
