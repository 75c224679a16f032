"""The texts that every language file defines.

The placeholders in braces are those of `placeholders.LONGEST`.
"""

from __future__ import annotations

import msgspec


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """Texts that the gateway shows, in a Reply-Message. `{ending}` is the last digits of the called phone."""

    enter_code: str
    """After the first call was placed."""
    call_queued: str
    """While a call waits, the first one or another one. It begins in `{seconds}`, one or more."""
    wrong_code_one_left: str
    """After a wrong code, with one attempt left."""
    wrong_code: str
    """After a wrong code, with `{attempts}` left, two or more."""
    new_call: str
    """After another call was placed, to the same phone or to another one."""
    no_new_call: str
    """When another call was requested and is not possible."""
    text_sent: str
    """After the first text message was sent."""
    text_wrong_code_one_left: str
    """After a wrong code, with one attempt left, when the code is in a text message."""
    text_wrong_code: str
    """After a wrong code, with `{attempts}` left, two or more, when the code is in a text message."""
    new_text: str
    """After another text message was sent, to the same phone or to another one."""
    no_new_text: str
    """When another text message was requested and is not possible."""
    no_call: str
    """When a call was requested and is not possible, and the code is in a text message."""
    no_text: str
    """When a text message was requested and is not possible, and a call has spoken the code."""
    issued_code: str
    """When the user must enter a code that the help desk issued, and no phone is called."""
    issued_code_wrong_one_left: str
    """After another code than the help desk's, with one attempt left."""
    issued_code_wrong: str
    """After another code than the help desk's, with `{attempts}` left, two or more."""
    rejected: str
    """The text of every Access-Reject in this language, whatever its reason."""


class LogInAgain(msgspec.Struct, frozen=True, kw_only=True):
    """Texts of an Access-Reject that asks for a second login with `password,code`, where no challenge can be shown.

    `{delimiter}` separates password and code.
    """

    called: str
    """After a call was placed, the first one or another one."""
    call_queued: str
    """While a call waits, the first one or another one. It begins in `{seconds}`, one or more."""
    texted: str
    """After a text message was sent, the first one or another one."""
    wrong_code_one_left: str
    """After a wrong code, with one attempt left."""
    wrong_code: str
    """After a wrong code, with `{attempts}` left, two or more."""
    no_new_call: str
    """When a call was requested and is not possible."""
    no_new_text: str
    """When a text message was requested and is not possible."""
    issued_code: str
    """When the user must enter a code that the help desk issued, and no phone is called."""


class CallEnded(msgspec.Struct, frozen=True, kw_only=True):
    """Texts that the gateway shows after a call that ended without its code, while another call is possible.

    They name `phone`, which the user types to be called again.
    """

    busy: str
    """When the phone was busy."""
    no_answer: str
    """When the user did not answer."""
    failed: str
    """When the call did not reach the phone."""
    machine: str
    """When an answering machine took the call. There is no code."""
    no_code: str
    """When the call ended before it had a code: no key was pressed, or the user hung up."""


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """Phrases of calls: one that speaks a code, without the digits, and one about a code of the help desk."""

    locale: str
    """The voice's language: a BCP 47 tag with a region."""
    greeting: str
    code: str
    """Before the digits, the first time."""
    code_again: str
    """Before the digits, each further time."""
    press_key: str
    """Which key the user presses to hear the code: 1."""
    wait: str
    """That the code follows, while the provider finds out whether a human has answered."""
    issued_code: str
    """That the help desk has issued a code for the user. The code itself is not spoken."""
    enrolment_code: str
    """Before the digits of a code that the user reads to the help desk, to verify the phone, the first time."""
    enrolment_closing: str
    """The end of a call that verifies the phone."""
    closing: str


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """Phrases of a call that asks the user to approve a login by a key."""

    question: str
    """Who asks, and for what."""
    question_from: str
    """The same with the Calling-Station-Id."""
    keys: str
    """What the keys do: # approves, 9 reports fraud."""
    approved: str
    """After #."""
    fraud_reported: str
    """After 9."""
    ended: str
    """After a key that comes too late, or if the user may no longer log in."""


class Texted(msgspec.Struct, frozen=True, kw_only=True):
    """Whole text messages. `{code}` is the code."""

    code: str
    """The code of a login."""
    enrolment_code: str
    """A code that the user reads to the help desk, to verify the phone."""
    issued_code: str
    """That the help desk has issued a code for the user. The code itself is not in it."""


class Messages(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """All wording in one language. `language` is its BCP 47 tag in lower case."""

    language: str
    shown: Shown
    log_in_again: LogInAgain
    call_ended: CallEnded
    spoken: Spoken
    approval: Approval
    texted: Texted
