import re
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.events import Reason
from radius_voice.login.codes.keys import Keys, new_code, new_request_id, session_key_in, tidy_code
from radius_voice.login.deliveries.requests import MessageStatus
from radius_voice.login.limits.configured import Limits, subjects_of, with_action
from radius_voice.login.limits.rate_limits import MIN_USE_SECONDS, apply_operations, arrival_time, expiry, remaining
from radius_voice.login.model import Authenticated, Limit, LimitAction, Limited, LimitOperation, StoredUser, User
from radius_voice.login.phone import Phone, country_of, parse_phone, refused_type
from radius_voice.login.session.challenge_responses import requested_delivery


@pytest.mark.parametrize("digits", [4, 6, 10])
def test_a_code_has_the_configured_number_of_digits(digits, monkeypatch):
    assert digits == len(new_code(digits))
    monkeypatch.setattr("secrets.randbelow", lambda _: 7)
    assert "7".rjust(digits, "0") == new_code(digits)


def test_request_ids_differ():
    ids = {new_request_id() for _ in range(100)}
    assert (100, {16}) == (len(ids), {len(each) for each in ids})


def test_a_state_identifies_its_row_and_is_the_same_only_for_the_same_request():
    key, keys = b"k" * 16, Keys(b"a" * 32)
    first, other = keys.first_state(key, b"request 1"), keys.first_state(key, b"request 2")
    after = {keys.next_state(key, first, "1"), keys.next_state(key, first, "2"), keys.next_state(key, other, "1")}
    assert 5 == len({first, other, *after})
    assert first == keys.first_state(key, b"request 1")
    assert {key} == {session_key_in(state) for state in (first, other, *after)}
    assert session_key_in(b"other") is None
    assert first != Keys(b"b" * 32).first_state(key, b"request 1")


def test_hashes_of_different_kinds_and_keys_differ():
    keys, key = Keys(b"a" * 32), b"k" * 16
    hashes = {
        keys.code(key, "x"),
        keys.password(key, "x"),
        keys.answer(key, "x"),
        keys.state(b"x"),
        Keys(b"b").code(key, "x"),
    }
    assert 5 == len(hashes)
    assert keys.session_key("ab", "c") != keys.session_key("a", "bc")
    assert keys.client("ab", b"c") != keys.client("a", b"bc")
    assert keys.name_subject("people", "Alice ") == keys.name_subject("people", "alice")
    assert keys.name_subject("people", "alice") != keys.name_subject("others", "alice")
    assert keys.name_subject("a", "bc") != keys.name_subject("ab", "c")


@pytest.mark.parametrize(
    "typed", ["123456", "123 456", "1-2-3-4-5-6", "\uff11\uff12\uff13\uff14\uff15\uff16", " 123456\n"]
)
def test_codes_are_normalized(typed):
    assert "123456" == tidy_code(typed)


LIMIT = Limit("l", 3, 30.0, Reason.CALL_LIMIT)


def test_a_limit_allows_its_burst_and_then_one_per_interval():
    tat = 0.0
    for _ in range(3):
        next_tat = arrival_time(tat, LIMIT, LimitAction.TAKE, 100.0)
        assert next_tat is not None
        tat = next_tat
    assert arrival_time(tat, LIMIT, LimitAction.TAKE, 100.0) is None
    assert arrival_time(tat, LIMIT, LimitAction.CHECK, 100.0) is None
    assert arrival_time(tat, LIMIT, LimitAction.CHECK, 110.0) is not None
    assert arrival_time(tat, LIMIT, LimitAction.TAKE, 110.0) is not None
    assert 100.0 == arrival_time(tat, LIMIT, LimitAction.RESET, 100.0)
    assert 120.0 == arrival_time(tat, LIMIT, LimitAction.REFUND, 100.0)


@pytest.mark.parametrize("set_back", [11.0, 86400.0, 1e9])
def test_a_clock_set_back_locks_no_limit(set_back):
    before = 100.0 + set_back + 30.0  # exhausted
    assert 110.0 == arrival_time(before, LIMIT, LimitAction.TAKE, 100.0)
    assert 3 == remaining(before, LIMIT, 100.0)


@pytest.mark.parametrize("set_back", [0.0, 5.0, 9.0])
def test_a_clock_set_back_slightly_refills_no_limit(set_back):
    spent = 100.0 + set_back + 30.0
    assert arrival_time(spent, LIMIT, LimitAction.TAKE, 100.0) is None
    assert arrival_time(spent, LIMIT, LimitAction.TAKE, 110.0 + set_back) is not None


@given(
    st.lists(
        st.tuples(st.floats(0, 50), st.sampled_from([LimitAction.TAKE, LimitAction.REFUND, LimitAction.CHECK])),
        max_size=60,
    )
)
def test_no_window_holds_more_than_burst_and_refill(events):
    now, tat = 1000.0, 0.0
    taken: list[float] = []
    refunded = 0
    for pause, action in events:
        now += pause
        if action is LimitAction.REFUND:
            if not taken:
                continue
            taken.pop()
            refunded += 1
        after = arrival_time(tat, LIMIT, action, now)
        if after is None:
            continue
        if action is not LimitAction.CHECK:
            tat = after
        if action is LimitAction.TAKE:
            taken.append(now)
    for start in taken:
        within = [at for at in taken if start <= at <= start + LIMIT.period]
        assert len(within) <= 2 * LIMIT.burst + refunded


ALL_AT_ONCE = Limit("l", 2, 30.0, Reason.LOCKED, resets=True)


def test_a_limit_that_resets_has_its_uses_again_after_a_period_without_a_use():
    used = arrival_time(0.0, ALL_AT_ONCE, LimitAction.TAKE, 100.0)
    assert used is not None
    again = arrival_time(used, ALL_AT_ONCE, LimitAction.TAKE, 129.0)
    assert again is not None
    assert [1, 0] == [remaining(each, ALL_AT_ONCE, 129.0) for each in (used, again)]
    for now in (129.0, 158.9):
        assert arrival_time(again, ALL_AT_ONCE, LimitAction.TAKE, now) is None
        assert arrival_time(again, ALL_AT_ONCE, LimitAction.CHECK, now) is None
    assert used == arrival_time(used, ALL_AT_ONCE, LimitAction.CHECK, 100.0)
    assert 2 == remaining(again, ALL_AT_ONCE, 159.0)
    fresh = arrival_time(again, ALL_AT_ONCE, LimitAction.TAKE, 159.0)
    assert 1 == remaining(fresh or 0.0, ALL_AT_ONCE, 159.0)
    limited = apply_operations([LimitOperation(ALL_AT_ONCE, "x")], lambda _: again, 130.0)
    assert Limited(ALL_AT_ONCE, 29.0) == limited


def test_a_limit_that_resets_counts_from_the_first_use_unless_it_is_extended():
    limit = Limit("l", 3, 600.0, Reason.LOCKED, resets=True)
    used = arrival_time(0.0, limit, LimitAction.TAKE, 100.0) or 0.0
    twice = arrival_time(used, limit, LimitAction.TAKE, 500.0) or 0.0
    assert [700, 700] == [floor(used), floor(twice)]
    assert used == arrival_time(twice, limit, LimitAction.REFUND, 500.0)
    assert 650 + MIN_USE_SECONDS == floor(arrival_time(used, limit, LimitAction.TAKE, 650.0) or 0.0)
    extended = arrival_time(twice, limit, LimitAction.EXTEND, 500.0) or 0.0
    assert (1100, 1) == (floor(extended), remaining(extended, limit, 1099.0))
    assert extended == arrival_time(extended, limit, LimitAction.EXTEND, 500.0)
    assert 1100.0 == arrival_time(extended, limit, LimitAction.EXTEND, 1100.0)
    assert 130.0 == arrival_time(130.0, LIMIT, LimitAction.EXTEND, 100.0)


def test_a_use_of_a_limit_that_resets_is_refunded_and_all_are_reset():
    used = arrival_time(0.0, ALL_AT_ONCE, LimitAction.TAKE, 100.0) or 0.0
    twice = arrival_time(used, ALL_AT_ONCE, LimitAction.TAKE, 100.0) or 0.0
    assert used == arrival_time(twice, ALL_AT_ONCE, LimitAction.REFUND, 100.0)
    assert 100.0 == arrival_time(used, ALL_AT_ONCE, LimitAction.REFUND, 100.0)
    assert 200.0 == arrival_time(used, ALL_AT_ONCE, LimitAction.REFUND, 200.0)
    assert 100.0 == arrival_time(twice, ALL_AT_ONCE, LimitAction.RESET, 100.0)


def test_a_clock_set_back_uses_up_no_limit_that_resets():
    used = arrival_time(0.0, ALL_AT_ONCE, LimitAction.TAKE, 1000.0) or 0.0
    assert 2 == remaining(used, ALL_AT_ONCE, 100.0)


def test_a_limit_that_counts_is_reset_and_has_no_end_that_could_be_extended():
    limit = Limit("c", 5, 86400.0, Reason.COST_LIMIT, counts=True)
    used = arrival_time(0.0, limit, LimitAction.TAKE, 100.0, 5) or 0.0
    assert used == arrival_time(used, limit, LimitAction.EXTEND, 200.0)
    assert 200.0 == arrival_time(used, limit, LimitAction.RESET, 200.0)
    assert 100.0 == expiry(100.0)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 2**33)), max_size=40), st.integers(1, 2**35))
def test_a_limit_that_counts_is_exact_and_never_exceeded(events, burst):
    limit, stored, used = Limit("c", burst, 86400.0, Reason.CALL_LIMIT, counts=True), 0.0, 0
    for is_refund, amount in events:
        action = LimitAction.REFUND if is_refund else LimitAction.TAKE
        after = arrival_time(stored, limit, action, 4e9, amount)
        if after is None:
            assert used + amount > burst
            continue
        used = max(0, used - amount) if is_refund else used + amount
        stored = after
        assert burst - used == remaining(stored, limit, 4e9)
        assert 4e9 + 2 * 86400 < expiry(stored) <= 4e9 + 3 * 86400


def test_limits_are_charged_all_or_none_and_checking_writes_nothing():
    tight = Limit("tight", 1, 60.0, Reason.LOCKED)
    stored = {"x:tight": 1060.0}
    read = lambda key: stored.get(key, 0.0)  # noqa: E731
    limited = apply_operations([LimitOperation(LIMIT, "x"), LimitOperation(tight, "x")], read, 1000.0)
    assert isinstance(limited, Limited)
    assert (tight, 60.0) == (limited.limit, limited.retry_after)
    assert {} == apply_operations([LimitOperation(LIMIT, "x", LimitAction.CHECK)], read, 1000.0)
    assert {} == apply_operations(
        [LimitOperation(LIMIT, "x", LimitAction.RESET), LimitOperation(LIMIT, "x", LimitAction.REFUND)], read, 1000.0
    )
    assert {"x:tight": 1000.0} == apply_operations([LimitOperation(tight, "x", LimitAction.RESET)], read, 1000.0)
    assert {"x:l": 1020.0} == apply_operations([LimitOperation(LIMIT, "x"), LimitOperation(LIMIT, "x")], read, 1000.0)


def test_an_unknown_subject_is_not_limited():
    limits = Limits(
        failures={"calling_station": LIMIT},
        calls={"calling_station": LIMIT, "phone": LIMIT},
        daily={"country": LIMIT, "phone": LIMIT},
    )
    assert () == limits.for_wrong_password("c")
    assert () == limits.for_password("n", "")
    assert ["+12025550123", "US", "+12025550123"] == [
        s.subject for s in limits.for_call(subjects_of("p", Phone("+12025550123"), "", "c"))
    ]
    assert 3 == len(limits.for_phone(Phone("+12025550123")))
    assert () == Limits().for_code(subjects_of("", Phone("+12025550123"), "", "c"))
    assert ["fraud_report.user"] == [
        each.limit.name for each in Limits().for_code(subjects_of("p", Phone(""), "", "c"))
    ]
    assert [LimitAction.CHECK] == [
        operation.action for operation in with_action(LimitAction.CHECK, [LimitOperation(LIMIT, "x")])
    ]


def test_phones_are_parsed_and_shown_masked():
    assert Phone("+14155550123") == parse_phone("+1 (415) 555-0123")
    assert Phone("+14155550123") == parse_phone("415 555 0123", "US")
    phone = Phone("+14155550123")
    assert ("+14*******23", "Phone(+14*******23)", "23") == (phone.masked, str(phone), phone.ending)


@pytest.mark.parametrize("text", ["hello", "+1", "+123456789012345678", "0415"])
def test_an_invalid_number_is_refused_without_quoting_it(text):
    with pytest.raises(ValueError, match="phone number") as caught:
        parse_phone(text)
    assert text not in str(caught.value) or text == "+1"


@pytest.mark.parametrize(
    ("number", "kind", "country"),
    [
        ("+12025550123", None, "US"),
        ("+14165550123", None, "CA"),
        ("+19005550123", "premium", "US"),
        ("+870773111632", "satellite", "001"),
        ("+4990012345678"[:13], "premium", "DE"),
        ("+442079460123", None, "GB"),
    ],
)
def test_kinds_and_countries_of_numbers(number, kind, country):
    assert (kind, country) == (refused_type(Phone(number)), country_of(Phone(number)))


@pytest.mark.parametrize(("tat", "left"), [(0.0, 3), (100.0, 3), (110.0, 2), (119.0, 1), (120.0, 1), (130.0, 0)])
def test_the_remainder_of_a_limit_is_reported(tat, left):
    assert left == remaining(tat, LIMIT, 100.0)


def test_a_right_code_clears_the_counts_only_of_its_user_and_phone():
    limits = Limits(codes={"user": LIMIT, "calling_station": LIMIT, "phone": LIMIT})
    subjects = subjects_of("p", Phone("+12025550123"), "s", "c")
    acts = [(operation.action, operation.subject) for operation in limits.for_correct_code(subjects)]
    checked_only = [(LimitAction.CHECK, subject) for subject in ("p", "s", "+12025550123", "p")]  # last: fraud
    assert [*checked_only, (LimitAction.RESET, "p"), (LimitAction.RESET, "+12025550123")] == acts


def test_counters_of_a_user_contain_no_typed_name():
    limits = Limits(failures={"user": LIMIT, "client": LIMIT}, codes={"user": LIMIT}, calls={"phone": LIMIT})
    about = limits.about({"user": "p", "phone": "+12025550123"}, ["hash", "hash@station"])
    assert ["hash", "hash@station", "p", "p", "+12025550123"] == [operation.subject for operation in about]


def test_the_repr_of_a_correct_password_has_no_part_of_its_hash():
    assert "Authenticated(alice-id)" == repr(Authenticated("alice-id", password_id="a part of a hash"))


def test_the_repr_of_a_limit_operation_has_no_subject():
    assert "LimitOperation(l, take)" == repr(LimitOperation(LIMIT, "+12025550123"))


def test_a_stored_user_does_not_show_the_hash_of_the_password():
    assert "StoredUser(alice)" == repr(StoredUser(User("alice", "alice"), "$argon2id$..."))


@pytest.mark.parametrize("digits", range(4, 11))
@pytest.mark.parametrize("word", ["phone", "sms", "PHONE2", " sms9 ", "\uff53\uff4d\uff53"])
def test_a_word_that_asks_for_another_delivery_is_never_a_code(digits, word):
    for _ in range(50):
        code = new_code(digits)
        assert re.fullmatch(f"[0-9]{{{digits}}}", code)
        assert tidy_code(word) != tidy_code(code)
        assert requested_delivery(code) is None


def test_a_text_message_is_followed_until_it_was_delivered_or_cannot_be():
    assert [MessageStatus.DELIVERED, MessageStatus.NOT_DELIVERED] == [each for each in MessageStatus if each.final]
