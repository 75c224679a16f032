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
    """A message that carries a code."""

    language: str
    friendly_name: str  # the name of the service that the user logs in to
    code: str
    enrolment: bool = False  # the code verifies the phone and is not for a login
    catalog: Catalog = SHIPPED  # has the texts
    speech: Speech = DEFAULT_SPEECH

    @property
    def texts(self) -> Messages:
        """The texts in the language of the message."""
        return self.catalog.messages_for(self.language)

    @property
    def voice(self) -> str:
        """The provider's name of the voice; empty if the provider chooses one for the language."""
        return self.speech.voice_in(self.language)

    def __repr__(self) -> str:
        return f"CodeMessage({self.language})"


class ApprovalQuestion(Struct, frozen=True):
    """The login that a call asks the user to approve by a key."""

    gateway: str  # its spoken name
    calling_station_id: str  # empty if unknown


class DeliveryRequest(Struct, frozen=True):
    """One delivery to be made."""

    phone: Phone
    message: CodeMessage  # without a code if `voicemail` is not OFF: the server sends the code later
    ring_timeout: int  # seconds
    method: Method = Method.VOICE
    public_url: str = ""  # of the callback listener; empty if there is none
    delivery: str = ""  # a `DeliveryId`, for the URL of callbacks
    voicemail: Voicemail = Voicemail.OFF
    approval: ApprovalQuestion | None = None  # the call asks this question and speaks no code

    def callback_url(self, provider: str, action: str = "") -> str:
        """The URL for callbacks of the provider with that name; empty if there is no callback listener."""
        if not self.public_url:
            return ""
        return f"{self.public_url}/{provider}/{self.delivery}{'/' if action else ''}{action}"


class Placed(Struct, frozen=True):
    """The provider accepted the request."""

    reference: str
    live: bool = True  # a call may ring; False for a text message


class NumberRejected(Struct, frozen=True):
    """The provider does not deliver to this number: try the next phone."""

    detail: str
    alarm: bool = False  # an administrator must act
    fix: str = ""  # what an administrator can do about an alarm
    sent: bool = True  # False if the provider got no request


class NotPlaced(Struct, frozen=True):
    """The provider certainly did not make the delivery: try the next provider.

    Only an outage of every provider permits a bypass.
    """

    detail: str
    alarm: bool = False  # an administrator must act
    outage: bool = False  # no delivery is possible: no connection, or the account or caller ID is refused
    fix: str = ""  # what an administrator can do about an alarm
    sent: bool = True  # False if the provider certainly did not receive the request


class Indeterminate(Struct, frozen=True):
    """The provider may have made the delivery, so it is not requested again."""

    detail: str


class MessageStatus(StrEnum):
    """The status of a text message, in the terms that all providers share."""

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
