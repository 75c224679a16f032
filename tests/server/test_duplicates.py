from hypothesis import given
from hypothesis import strategies as st

from radius_voice.server.duplicates import MAX_UNSIGNED, Duplicates, RequestId, Seen

ORIGIN = ("192.0.2.1", 1024, 7, 3)
A, B = (RequestId(ORIGIN, octet * 16, signed=True) for octet in (b"a", b"b"))
UNSIGNED = [RequestId(ORIGIN, bytes([number]) * 16, signed=False) for number in range(MAX_UNSIGNED + 1)]


def elsewhere(request, origin):
    return request._replace(origin=origin)


def test_a_retransmission_gets_nothing_while_in_progress_and_the_same_octets_when_answered():
    for request in (A, UNSIGNED[0]):
        table = Duplicates(10)
        assert Seen.NEW == table.look_up(request, 0)
        assert Seen.IN_PROGRESS == table.look_up(request, 1)
        assert table.keep_response(request, b"reply")
        assert b"reply" == table.look_up(request, 2)


def test_another_authenticator_is_a_new_request_and_the_old_one_gets_no_reply():
    table = Duplicates(10)
    table.look_up(A, 0)
    assert Seen.NEW == table.look_up(B, 1)
    assert not table.keep_response(A, b"late")
    assert table.keep_response(B, b"reply")


def test_every_part_of_the_origin_distinguishes_requests():
    table = Duplicates(10)
    table.look_up(A, 0)
    for place in range(len(ORIGIN)):
        other = (*ORIGIN[:place], "other", *ORIGIN[place + 1 :])
        assert Seen.NEW == table.look_up(elsewhere(A, other), 0)


def test_a_request_is_forgotten_after_the_window_but_can_still_be_answered():
    table = Duplicates(10)
    table.look_up(A, 0)
    assert Seen.IN_PROGRESS == table.look_up(A, 10)
    assert Seen.NEW == table.look_up(elsewhere(A, (*ORIGIN[:3], 9)), 10.1)
    assert table.keep_response(A, b"late reply")
    assert Seen.NEW == table.look_up(A, 10.2)
    assert 2 == len(table)


def test_a_replaced_entry_that_expires_does_not_remove_the_new_one():
    table = Duplicates(10)
    table.look_up(A, 0)
    table.look_up(B, 5)
    assert Seen.IN_PROGRESS == table.look_up(B, 11)
    assert 1 == len(table)


def test_a_request_that_got_no_response_is_processed_again():
    table = Duplicates(10)
    table.look_up(A, 0)
    table.forget(B)
    assert Seen.IN_PROGRESS == table.look_up(A, 1)
    table.forget(A)
    assert Seen.NEW == table.look_up(A, 2)
    table.forget(elsewhere(A, ("another origin",)))


def test_a_second_unsigned_request_removes_nothing_and_each_gets_its_reply():
    table = Duplicates(10)
    first, second = UNSIGNED[:2]
    table.look_up(first, 0)
    assert Seen.NEW == table.look_up(second, 1)
    assert Seen.IN_PROGRESS == table.look_up(first, 2)
    assert table.keep_response(first, b"to the first")
    assert table.keep_response(second, b"to the second")
    assert (b"to the first", b"to the second") == (table.look_up(first, 3), table.look_up(second, 3))


def test_a_fifth_request_without_message_authenticator_is_refused_and_evicts_none_of_the_four():
    table = Duplicates(10)
    *four, fifth = UNSIGNED
    for number, request in enumerate(four):
        assert Seen.NEW == table.look_up(request, number)
    table.keep_response(four[0], b"reply")
    assert Seen.REFUSED == table.look_up(fifth, 4)
    assert [b"reply", *[Seen.IN_PROGRESS] * 3] == [table.look_up(request, 5) for request in four]
    assert MAX_UNSIGNED == len(table)


def test_a_slot_is_free_again_when_the_window_has_passed_or_a_request_got_no_response():
    table = Duplicates(10)
    *four, fifth = UNSIGNED
    for number, request in enumerate(four):
        table.look_up(request, number)
    assert Seen.NEW == table.look_up(fifth, 10.5)
    assert Seen.REFUSED == table.look_up(four[0], 10.6)
    table.forget(four[1])
    assert Seen.NEW == table.look_up(four[0], 10.7)


def test_a_request_without_message_authenticator_that_outlived_the_window_can_still_be_answered():
    table = Duplicates(10)
    table.look_up(UNSIGNED[0], 0)
    table.look_up(UNSIGNED[1], 10.1)
    assert table.keep_response(UNSIGNED[0], b"late reply")


def test_no_unsigned_request_displaces_or_replaces_a_signed_one():
    table = Duplicates(10)
    table.look_up(A, 0)
    copy = A._replace(signed=False)
    for request in (copy, *UNSIGNED[:3]):
        assert Seen.NEW == table.look_up(request, 1)
        table.keep_response(request, b"to the spoofed one")
    assert Seen.IN_PROGRESS == table.look_up(A, 2)
    assert table.keep_response(A, b"reply")
    assert b"reply" == table.look_up(A, 3)


def test_a_signed_request_has_its_own_slot_beside_four_unsigned_ones():
    table = Duplicates(10)
    four = UNSIGNED[:4]
    for request in four:
        table.look_up(request, 0)
    assert Seen.NEW == table.look_up(A, 1)
    assert all(table.keep_response(request, b"reply") for request in four)


REQUESTS = st.builds(
    RequestId, st.sampled_from([ORIGIN, ("198.51.100.1", 9, 9, 9)]), st.sampled_from([b"a", b"b", b"c"]), st.booleans()
)
MOVES = st.lists(st.tuples(st.sampled_from(["ask", "answered", "forget"]), REQUESTS, st.floats(0, 6)), max_size=60)


@given(MOVES)
def test_the_table_holds_the_requests_of_the_window_and_at_most_five_per_key(moves):
    table, now = Duplicates(5), 0.0
    for move, request, seconds in moves:
        now += seconds
        if move == "ask":
            table.look_up(request, now)
        elif move == "answered":
            table.keep_response(request, b"reply")
        else:
            table.forget(request)
        assert len(table) <= 2 * (MAX_UNSIGNED + 1)
    table.look_up(RequestId(("the last",), b"z", signed=True), now + 5.1)
    assert 1 == len(table)
