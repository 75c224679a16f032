"""Requests to providers to deliver a code, and their answers."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from radius_voice.login.model import Method
from radius_voice.login.phone import Phone
from radius_voice.login.texts.speech import DEFAULT_SPEECH, Speech
from radius_voice.login.voicemail import Voicemail
from radius_voice.messages import SHIPPED, Catalog, Messages


class CodeMessage(Struct, frozen=True):
    """A message that carries a code: its language, and the name of the service that the user logs in to.

    `enrolment`: the code is for the help desk, to verify the phone, and not for a login. `catalog` has the texts, and
    `speech` says how a call speaks them.
    """

    language: str
    friendly_name: str
    code: str
    enrolment: bool = False
    catalog: Catalog = SHIPPED
    speech: Speech = DEFAULT_SPEECH

    @property
    def texts(self) -> Messages:
        """The texts in the language of the message."""
        return self.catalog.messages_for(self.language)

    @property
    def voice(self) -> str:
        """The name of the voice at the provider; empty if the provider chooses one for the language."""
        return self.speech.voice_in(self.language)

    def __repr__(self) -> str:
        return f"CodeMessage({self.language})"


class ApprovalQuestion(Struct, frozen=True):
    """What a call asks the user to approve by a key: a login to that gateway, from `calling_station_id`.

    That is empty if it is not known.
    """

    gateway: str
    calling_station_id: str


class DeliveryRequest(Struct, frozen=True):
    """One delivery to be made, by `method`. `ring_timeout` is how many seconds the phone may ring.

    `public_url` is the URL of the callback listener, empty if there is none, and `delivery` identifies this delivery
    there. With `voicemail`, a call speaks no code until the server says so: its message has none. With
    `approval`, it asks that.
    """

    phone: Phone
    message: CodeMessage
    ring_timeout: int
    method: Method = Method.VOICE
    public_url: str = ""
    delivery: str = ""
    voicemail: Voicemail = Voicemail.OFF
    approval: ApprovalQuestion | None = None

    def callback_url(self, provider: str, action: str = "") -> str:
        """The URL for callbacks of the provider with that name, empty if there is no callback listener."""
        if not self.public_url:
            return ""
        return f"{self.public_url}/{provider}/{self.delivery}{'/' if action else ''}{action}"


class Placed(Struct, frozen=True):
    """The provider accepted the request. `live` is False if there is no call that may ring, as for a text message."""

    reference: str
    live: bool = True


class NumberRejected(Struct, frozen=True):
    """The provider does not deliver to this number: try the next phone.

    `fix` is what an administrator can do about an alarm. `sent` is False if the provider got no request.
    """

    detail: str
    alarm: bool = False
    fix: str = ""
    sent: bool = True


class NotPlaced(Struct, frozen=True):
    """The provider certainly did not make the delivery: try the next provider.

    `outage` is True if the provider could not have made any delivery: no connection, or the account or caller ID is
    refused. Only an outage of every provider permits a bypass. `fix` says what an administrator can do about an alarm.
    `sent` is False if the provider certainly did not receive the request.
    """

    detail: str
    alarm: bool = False
    outage: bool = False
    fix: str = ""
    sent: bool = True


class Indeterminate(Struct, frozen=True):
    """The provider may have made the delivery, so it is never made again."""

    detail: str


class MessageStatus(StrEnum):
    """The status of a text message, reduced to what providers have in common."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    NOT_DELIVERED = "not_delivered"

    @property
    def final(self) -> bool:
        """Whether the status no longer changes."""
        return self in (MessageStatus.DELIVERED, MessageStatus.NOT_DELIVERED)


DeliveryResult: TypeAlias = Placed | NumberRejected | NotPlaced | Indeterminate
"""A provider's answer to a `DeliveryRequest`."""
