"""Which attributes are copied from one packet to another."""

from hypothesis import given
from hypothesis import strategies as st

from radius_voice.radius.copied import AttributeKey, selected

CLASS, FILTER_ID, VENDOR_SPECIFIC = 25, 11, 26
MICROSOFT = (311).to_bytes(4)
FIRST, SECOND = b"\x10\x04ab", b"\x11\x03c"


def chosen(attributes, *keys):
    return [attribute for _, attribute in selected(attributes, {AttributeKey(*key) for key in keys})]


def test_attributes_are_selected_by_type_in_order():
    attributes = [(CLASS, b"1"), (FILTER_ID, b"x"), (CLASS, b"2"), (18, b"text")]
    assert attributes[:3] == chosen(attributes, (0, CLASS), (0, FILTER_ID))
    assert [(CLASS, b"1"), (CLASS, b"2")] == chosen(attributes, (0, CLASS))
    assert [] == chosen(attributes, (311, CLASS))


def test_each_attribute_of_a_vendor_gets_its_own_vendor_specific():
    both = [(VENDOR_SPECIFIC, MICROSOFT + FIRST + SECOND)]
    assert [(VENDOR_SPECIFIC, MICROSOFT + SECOND)] == chosen(both, (311, 0x11))
    assert [(26, MICROSOFT + FIRST), (26, MICROSOFT + SECOND)] == chosen(both, (311, 0x10), (311, 0x11))
    assert [] == chosen(both, (9, 0x10))
    assert [] == chosen(both, (0, 0x10))


def test_a_vendor_specific_in_another_format_is_left_out():
    for octets in (b"", b"\x10", b"\x10\x01", b"\x10\x05ab", FIRST + b"\x11"):
        assert [] == chosen([(VENDOR_SPECIFIC, MICROSOFT + octets)], (311, 0x10), (311, 0x11))


@given(value=st.binary(max_size=253))
def test_any_octets_give_attributes_that_fit(value):
    keys = [(int.from_bytes(value[:4]), code) for code in range(256)]
    assert all(len(each) <= 253 for _, each in chosen([(VENDOR_SPECIFIC, value)], *keys))
