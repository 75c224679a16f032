"""The difference between two configurations names keys and no values."""

import pytest

from radius_voice.config.changes import Changes, changes
from tests.config.conftest import changed, sample

OTHER_SECRET = "another-secret-of-32-characters!"


@pytest.fixture
def difference(file):
    """The changes from the sample to another tree."""

    def difference(tree, before=None, **options):
        return changes(file.load(before or sample()).settings, file.load(tree).settings, **options)

    return difference


def test_equal_files_have_no_changes(difference, file):
    messages = file.path.parent / "messages.yaml"
    messages.write_text("en: {}\n")
    tree = changed("delivery.messages", "messages.yaml")
    tree["policies"] = {"default": {"group_rules": [{"when": {"group": "staff"}, "countries": ["US"]}]}}
    assert Changes() == difference(tree, tree)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("clients.office-vpn.secret", OTHER_SECRET),
        ("clients.office-vpn.address", "10.0.0.2"),
        ("delivery.providers.twilio.auth_token", OTHER_SECRET),
        ("delivery.providers.twilio.from", "+14155550124"),
        ("server.reject_delay", "2s"),
        ("callbacks", {"public_url": "https://voice.example.org", "listen": "127.0.0.1:9813"}),
    ],
)
def test_a_changed_value_is_named_by_its_key_as_it_is_written(difference, key, value):
    assert Changes(changed=(key,)) == difference(changed(key, value))


def test_added_and_removed_names_are_listed_without_their_keys(difference):
    tree = sample()
    tree["clients"] = {"branch": {"address": "10.0.0.9", "secret": OTHER_SECRET}}
    assert Changes(added=("clients.branch",), removed=("clients.office-vpn",)) == difference(tree)


def test_a_changed_item_of_a_list_of_sections_is_named_by_its_index(difference):
    def policy(*countries):
        rules = [{"when": {"group": f"group{number}"}, "countries": [each]} for number, each in enumerate(countries)]
        return {**sample(), "policies": {"default": {"group_rules": rules}}}

    assert ("policies.default.group_rules[1].countries",) == difference(policy("US", "DE"), policy("US", "FR")).changed
    assert ("policies.default.group_rules",) == difference(policy("US"), policy("US", "FR")).changed


def test_another_type_of_a_section_is_one_change(difference):
    assert ("store",) == difference(changed("store", {"type": "memory"})).changed


def test_keys_that_are_left_out_and_those_below_them_are_not_listed(difference):
    tree = changed("admin.listen", "127.0.0.1:9999")
    tree["admin"]["hosts"] = ["metrics.example.org"]
    tree["audit"] = {"path": "other.jsonl"}
    assert ("admin.hosts",) == difference(tree, without=["admin.listen", "audit"]).changed
