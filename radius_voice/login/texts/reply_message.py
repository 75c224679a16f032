"""The text of a Reply-Message, shortened to the length of the attribute. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

from msgspec import Struct
from msgspec.structs import asdict, fields

from radius_voice.events import Reason
from radius_voice.login.model import Method
from radius_voice.login.texts.charset import Charset
from radius_voice.login.texts.prompts import MAX_REPLY_MESSAGE_BYTES, MIN_NAME_BYTES, PromptFormat, cut, last_sentence
from radius_voice.messages import LogInAgain, Messages, Shown

SPOKEN_OR_TEXTED = ("spoken", "texted")
"""Sections of messages that are not shown at a gateway."""


class Wording(Struct, frozen=True):
    """How to word a Reply-Message: the texts, the name of the service, and what the gateway can show."""

    texts: Messages
    friendly_name: str
    format: PromptFormat = PromptFormat()


@lru_cache(maxsize=256)
def shown_texts(texts: Messages, default: Messages, charset: Charset) -> Messages:
    """`texts` if a gateway with that character set can show all of them, else `default`."""
    sections = [getattr(texts, each.name) for each in fields(texts) if each.name not in SPOKEN_OR_TEXTED]
    shown = (text for section in sections if isinstance(section, Struct) for text in asdict(section).values())
    return texts if all(map(charset.can_show, shown)) else default


@lru_cache(maxsize=4096)
def challenge(
    reason: Reason,
    wording: Wording,
    ending: str,
    attempts: int,
    method: Method = Method.VOICE,
    *,
    asked: Method | None = None,
    delimiter: str = "",
    missed: str = "",
    wait: int = 0,
) -> str:
    """The text of a challenge, as the gateway can show it: `wording.format`.

    - `ending`: the last digits of the phone;
    - `attempts`: how many codes may still be typed;
    - `method`: how the current code reaches the user;
    - `asked`: the method of another delivery that the user requested;
    - `delimiter`: if not empty, the text asks for a second login with password and code;
    - `missed`: the name of the text (in `CallEnded`) about a call that did not speak its code;
    - `wait`: the seconds until a queued call.

    If the text is too long, the friendly name is cut, in whole characters. If that is not enough, only the last
    sentence is used.
    """
    messages = wording.texts
    if wait and reason is not Reason.WRONG_CODE:
        text = messages.log_in_again.call_queued if delimiter else messages.shown.call_queued
    elif delimiter:
        text = _log_in_again_template(messages.log_in_again, reason, attempts, method, asked)
    elif missed and reason is not Reason.REDIAL_UNAVAILABLE:
        text = getattr(messages.call_ended, missed)
    elif reason is Reason.REDIAL_UNAVAILABLE:
        text = _unavailable_template(messages.shown, method, asked or method)
    else:
        text = _TEMPLATES[method](messages.shown, reason, attempts)
    fill = partial(text.format, ending=ending, attempts=attempts, delimiter=delimiter, seconds=wait)
    return _fitting(fill, wording)


def _fitting(fill: Callable[..., str], wording: Wording) -> str:
    """The text that `fill` returns for the friendly name, in the gateway's character set and length."""
    shown, length = wording.format.charset.shown, wording.format.length
    whole = shown(fill(friendly_name=wording.friendly_name))
    if len(whole.encode()) <= length:
        return whole
    room = length - len(shown(fill(friendly_name="")).encode())
    if room < MIN_NAME_BYTES:
        return cut(last_sentence(whole), length)
    return shown(fill(friendly_name=cut(shown(wording.friendly_name), room).rstrip()))


def fitting(text: str) -> str:
    """A text of another server, cut to the maximum length of a Reply-Message in whole characters."""
    return cut(text, MAX_REPLY_MESSAGE_BYTES)


def rejected(texts: Messages) -> str:
    """The text of every reject in the language of `texts`."""
    return texts.shown.rejected.format()


def _issued_template(shown: Shown, reason: Reason, attempts: int) -> str:
    if reason is not Reason.WRONG_CODE:
        return shown.issued_code
    return shown.issued_code_wrong_one_left if attempts == 1 else shown.issued_code_wrong


def _unavailable_template(shown: Shown, method: Method, asked: Method) -> str:
    """The text if a delivery by the method `asked` is not possible. `method` has delivered the current code."""
    match method, asked:
        case Method.ISSUED_CODE, _:
            return shown.issued_code
        case Method.SMS, Method.VOICE:
            return shown.no_call
        case Method.SMS, _:
            return shown.no_new_text
        case _, Method.SMS:
            return shown.no_text
        case _:
            return shown.no_new_call


def _text_template(shown: Shown, reason: Reason, attempts: int) -> str:
    match reason:
        case Reason.WRONG_CODE:
            return shown.text_wrong_code_one_left if attempts == 1 else shown.text_wrong_code
        case Reason.REDIAL:
            return shown.new_text
        case _:
            return shown.text_sent


def _call_template(shown: Shown, reason: Reason, attempts: int) -> str:
    match reason:
        case Reason.WRONG_CODE:
            return shown.wrong_code_one_left if attempts == 1 else shown.wrong_code
        case Reason.REDIAL:
            return shown.new_call
        case _:
            return shown.enter_code


def _log_in_again_template(
    texts: LogInAgain, reason: Reason, attempts: int, method: Method, asked: Method | None
) -> str:
    if reason is Reason.WRONG_CODE:
        return texts.wrong_code_one_left if attempts == 1 else texts.wrong_code
    if method is Method.ISSUED_CODE:
        return texts.issued_code
    if reason is Reason.REDIAL_UNAVAILABLE:
        return texts.no_new_text if (asked or method) is Method.SMS else texts.no_new_call
    return texts.texted if method is Method.SMS else texts.called


_TEMPLATES: dict[Method, Callable[[Shown, Reason, int], str]] = {
    Method.VOICE: _call_template,
    Method.SMS: _text_template,
    Method.ISSUED_CODE: _issued_template,
}
