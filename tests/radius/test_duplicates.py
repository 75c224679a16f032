from radius_voice.radius.duplicates import Duplicates, Seen

ORIGIN = ("192.0.2.1", 1024, 7, 3)
A, B = b"a" * 16, b"b" * 16


def test_a_retransmission_in_progress_gets_nothing_and_answered_the_same_octets():
    table = Duplicates(10)
    assert Seen.NEW == table.ask(ORIGIN, A, 0)
    assert Seen.IN_PROGRESS == table.ask(ORIGIN, A, 1)
    assert table.answered(ORIGIN, A, b"reply")
    assert b"reply" == table.ask(ORIGIN, A, 2)


def test_another_authenticator_is_a_new_request_and_the_old_one_gets_no_reply():
    table = Duplicates(10)
    table.ask(ORIGIN, A, 0)
    assert Seen.NEW == table.ask(ORIGIN, B, 1)
    assert not table.answered(ORIGIN, A, b"late")
    assert table.answered(ORIGIN, B, b"reply")


def test_every_part_of_the_origin_tells_requests_apart():
    table = Duplicates(10)
    table.ask(ORIGIN, A, 0)
    for place in range(len(ORIGIN)):
        other = (*ORIGIN[:place], "other", *ORIGIN[place + 1 :])
        assert Seen.NEW == table.ask(other, A, 0)


def test_a_request_is_forgotten_after_the_window_and_still_answered():
    table = Duplicates(10)
    table.ask(ORIGIN, A, 0)
    assert Seen.IN_PROGRESS == table.ask(ORIGIN, A, 10)
    assert Seen.NEW == table.ask((*ORIGIN[:3], 9), A, 10.1)
    assert table.answered(ORIGIN, A, b"late reply")
    assert Seen.NEW == table.ask(ORIGIN, A, 10.2)
    assert 2 == len(table)


def test_an_old_entry_that_was_replaced_does_not_take_the_new_one_with_it():
    table = Duplicates(10)
    table.ask(ORIGIN, A, 0)
    table.ask(ORIGIN, B, 5)
    assert Seen.IN_PROGRESS == table.ask(ORIGIN, B, 11)
    assert 1 == len(table)


def test_a_request_that_ended_in_silence_is_looked_at_afresh():
    table = Duplicates(10)
    table.ask(ORIGIN, A, 0)
    table.forget(ORIGIN, B)
    assert Seen.IN_PROGRESS == table.ask(ORIGIN, A, 1)
    table.forget(ORIGIN, A)
    assert Seen.NEW == table.ask(ORIGIN, A, 2)
    table.forget(("nobody",), A)
