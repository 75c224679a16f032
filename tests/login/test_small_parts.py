import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.events import Reason
from radius_voice.login import codes, prompts
from radius_voice.login.codes import Keys, key_in, new_code, tidy_code
from radius_voice.login.limits import Limits, acting, arrival_time, left_of, settle, subjects_of
from radius_voice.login.model import Act, Limit, Limited, Spend
from radius_voice.login.phone import Phone, country_of, parse_phone, refused_type


@pytest.mark.parametrize("digits", [4, 6, 10])
def test_a_code_has_its_digits(digits, monkeypatch):
    assert digits == len(new_code(digits))
    monkeypatch.setattr(codes.secrets, "randbelow", lambda _: 7)
    assert "7".rjust(digits, "0") == new_code(digits)


def test_a_state_leads_to_its_row_and_is_the_same_for_the_same_request_only():
    key, keys = b"k" * 16, Keys(b"a" * 32)
    first, other = keys.first_state(key, b"request 1"), keys.first_state(key, b"request 2")
    after = {keys.next_state(key, first, "1"), keys.next_state(key, first, "2"), keys.next_state(key, other, "1")}
    assert 5 == len({first, other, *after})
    assert first == keys.first_state(key, b"request 1")
    assert {key} == {key_in(state) for state in (first, other, *after)}
    assert key_in(b"other") is None
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
    assert keys.login("ab", "c") != keys.login("a", "bc")
    assert keys.name("people", "Alice ") == keys.name("people", "alice")
    assert keys.name("people", "alice") != keys.name("others", "alice")
    assert keys.name("a", "bc") != keys.name("ab", "c")


@pytest.mark.parametrize(
    "typed", ["123456", "123 456", "1-2-3-4-5-6", "\uff11\uff12\uff13\uff14\uff15\uff16", " 123456\n"]
)
def test_codes_are_tidied(typed):
    assert "123456" == tidy_code(typed)


LIMIT = Limit("l", 3, 30.0, Reason.CALL_LIMIT)


def test_a_limit_gives_its_burst_and_then_one_an_interval():
    full_at = 0.0
    for _ in range(3):
        full_at = arrival_time(full_at, LIMIT, Act.TAKE, 100.0)
    assert arrival_time(full_at, LIMIT, Act.TAKE, 100.0) is None
    assert arrival_time(full_at, LIMIT, Act.PEEK, 100.0) is None
    assert arrival_time(full_at, LIMIT, Act.PEEK, 110.0) is not None
    assert arrival_time(full_at, LIMIT, Act.TAKE, 110.0) is not None
    assert 100.0 == arrival_time(full_at, LIMIT, Act.CLEAR, 100.0)
    assert 120.0 == arrival_time(full_at, LIMIT, Act.GIVE_BACK, 100.0)


@pytest.mark.parametrize("set_back", [11.0, 86400.0, 1e9])
def test_a_clock_that_is_set_back_locks_no_limit(set_back):
    before = 100.0 + set_back + 30.0  # spent as a whole
    assert 110.0 == arrival_time(before, LIMIT, Act.TAKE, 100.0)
    assert 3 == left_of(before, LIMIT, 100.0)


@pytest.mark.parametrize("set_back", [0.0, 5.0, 9.0])
def test_a_clock_that_is_set_back_a_little_gives_nothing_away(set_back):
    spent = 100.0 + set_back + 30.0
    assert arrival_time(spent, LIMIT, Act.TAKE, 100.0) is None
    assert arrival_time(spent, LIMIT, Act.TAKE, 110.0 + set_back) is not None


@given(st.lists(st.tuples(st.floats(0, 50), st.sampled_from([Act.TAKE, Act.GIVE_BACK, Act.PEEK])), max_size=60))
def test_no_window_holds_more_than_burst_and_refill(events):
    now, full_at, taken = 1000.0, 0.0, []
    given_back = 0
    for pause, act in events:
        now += pause
        if act is Act.GIVE_BACK:
            if not taken:
                continue
            taken.pop()
            given_back += 1
        after = arrival_time(full_at, LIMIT, act, now)
        if after is None:
            continue
        if act is not Act.PEEK:
            full_at = after
        if act is Act.TAKE:
            taken.append(now)
    for start in taken:
        within = [at for at in taken if start <= at <= start + LIMIT.period]
        assert len(within) <= 2 * LIMIT.burst + given_back


def test_limits_are_spent_all_or_none_and_peeking_writes_nothing():
    tight = Limit("tight", 1, 60.0, Reason.LOCKED)
    stored = {"x:tight": 1060.0}
    read = lambda key: stored.get(key, 0.0)  # noqa: E731
    limited = settle([Spend(LIMIT, "x"), Spend(tight, "x")], read, 1000.0)
    assert isinstance(limited, Limited)
    assert (tight, 60.0) == (limited.limit, limited.retry_after)
    assert {} == settle([Spend(LIMIT, "x", Act.PEEK)], read, 1000.0)
    assert {} == settle([Spend(LIMIT, "x", Act.CLEAR), Spend(LIMIT, "x", Act.GIVE_BACK)], read, 1000.0)
    assert {"x:tight": 1000.0} == settle([Spend(tight, "x", Act.CLEAR)], read, 1000.0)
    assert {"x:l": 1020.0} == settle([Spend(LIMIT, "x"), Spend(LIMIT, "x")], read, 1000.0)


def test_a_subject_that_is_not_known_is_not_limited():
    limits = Limits(
        failures={"source": LIMIT}, calls={"source": LIMIT, "phone": LIMIT}, daily={"country": LIMIT, "phone": LIMIT}
    )
    assert () == limits.for_wrong_password("c")
    assert () == limits.for_password("n", "")
    assert ["+12025550123", "US", "+12025550123"] == [
        s.subject for s in limits.for_call(subjects_of("p", Phone("+12025550123"), "", "c"))
    ]
    assert 3 == len(limits.for_phone(Phone("+12025550123")))
    assert () == Limits().for_code(subjects_of("p", Phone("+12025550123"), "", "c"))
    assert [Act.PEEK] == [spend.act for spend in acting(Act.PEEK, [Spend(LIMIT, "x")])]


@pytest.mark.parametrize(
    "reason", [Reason.CALLED, Reason.WRONG_CODE, Reason.REDIALLED, Reason.CANNOT_REDIAL, Reason.JOINED]
)
@pytest.mark.parametrize("language", [*prompts.TEXTS, "xx"])
@pytest.mark.parametrize("tries", [1, 2])
def test_prompts_fit_into_a_reply_message(reason, language, tries):
    text = prompts.challenge(reason, language, "é" * 300, "23", tries)
    assert 0 < len(text.encode()) <= prompts.LONGEST


def test_phones_are_read_and_shown_masked():
    assert Phone("+14155550123") == parse_phone("+1 (415) 555-0123")
    assert Phone("+14155550123") == parse_phone("415 555 0123", "US")
    phone = Phone("+14155550123")
    assert ("+14*******23", "Phone(+14*******23)", "23") == (phone.masked, str(phone), phone.ending)


@pytest.mark.parametrize("text", ["hello", "+1", "+123456789012345678", "0415"])
def test_what_is_no_number_is_refused_without_quoting_it(text):
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


@pytest.mark.parametrize(("full_at", "left"), [(0.0, 3), (100.0, 3), (110.0, 2), (119.0, 1), (120.0, 1), (130.0, 0)])
def test_what_is_left_of_a_limit_is_told(full_at, left):
    assert left == left_of(full_at, LIMIT, 100.0)


def test_a_right_code_clears_what_is_counted_for_its_person_and_phone_alone():
    limits = Limits(codes={"person": LIMIT, "source": LIMIT, "phone": LIMIT})
    subjects = subjects_of("p", Phone("+12025550123"), "s", "c")
    acts = [(spend.act, spend.subject) for spend in limits.for_right_code(subjects)]
    peeked = [(Act.PEEK, "p"), (Act.PEEK, "s"), (Act.PEEK, "+12025550123")]
    assert [*peeked, (Act.CLEAR, "p"), (Act.CLEAR, "+12025550123")] == acts


def test_what_is_counted_about_somebody_holds_no_typed_name():
    limits = Limits(failures={"person": LIMIT, "client": LIMIT}, codes={"person": LIMIT}, calls={"phone": LIMIT})
    about = limits.about({"person": "p", "phone": "+12025550123"}, ["hash", "hash@station"])
    assert ["hash", "hash@station", "p", "+12025550123"] == [spend.subject for spend in about]


def test_a_spend_does_not_show_its_subject():
    assert "Spend(l, take)" == repr(Spend(LIMIT, "+12025550123"))
