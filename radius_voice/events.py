"""The records that the audit log, the metrics and the log read. Each verified request has one `RequestRecord`.

Every module may import this one. No field contains a code, a password or a complete phone number. Metrics use the
enumerations below as labels. The fields of a record are the keys of its line in the audit log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

import msgspec

from radius_voice.metric_labels import CallbackResult, UpstreamEvent
from radius_voice.trace import TraceStep


class Outcome(StrEnum):
    """The response to the gateway, or none."""

    ACCEPT = "accept"
    CHALLENGE = "challenge"
    REJECT = "reject"
    NO_RESPONSE = "no_response"


class Reason(StrEnum):
    """Why a verified request got its outcome. A fixed set: metrics use it as a label."""

    # accept
    CODE_CORRECT = "code_correct"
    ISSUED_CODE_CORRECT = "issued_code_correct"
    APPROVED = "approved"
    REPEATED = "repeated"
    BYPASS = "bypass"
    EXEMPT = "exempt"
    GRACE_PERIOD = "grace_period"
    REPORT_MODE = "report_mode"
    REMEMBERED = "remembered"
    STATUS = "status"
    # challenge
    CALL_PLACED = "call_placed"
    TEXT_SENT = "text_sent"
    ISSUED_CODE = "issued_code"
    DECOY = "decoy"
    DELIVERY_PENDING = "delivery_pending"
    DELIVERY_QUEUED = "delivery_queued"
    DELIVERY_INDETERMINATE = "delivery_indeterminate"
    JOINED = "joined"
    REDIAL = "redial"
    WRONG_CODE = "wrong_code"
    PASSWORD_REPEATED = "password_repeated"
    REDIAL_UNAVAILABLE = "redial_unavailable"
    UPSTREAM_CHALLENGE = "upstream_challenge"
    # reject
    WRONG_PASSWORD = "wrong_password"
    NO_PASSWORD = "no_password"
    UNKNOWN_USER = "unknown_user"
    DISABLED = "disabled"
    PASSWORD_EXPIRED = "password_expired"
    PASSWORD_MUST_CHANGE = "password_must_change"
    ACCOUNT_EXPIRED = "account_expired"
    LOGON_HOURS = "logon_hours"
    LOGON_WORKSTATION = "logon_workstation"
    DIRECTORY_LOCKED = "directory_locked"
    LOCKED = "locked"
    WRONG_PASSWORD_LIMIT = "wrong_password_limit"
    NO_PHONE = "no_phone"
    PHONE_CHANGED = "phone_changed"
    PHONE_NOT_CONFIRMED = "phone_not_confirmed"
    PHONE_NOT_VERIFIED = "phone_not_verified"
    PASSWORD_CHANGED = "password_changed"
    NUMBER_NOT_ALLOWED = "number_not_allowed"
    OUTSIDE_ALLOWED_HOURS = "outside_allowed_hours"
    CALL_LIMIT = "call_limit"
    COST_LIMIT = "cost_limit"
    TOLL_FRAUD_SUSPECTED = "toll_fraud_suspected"
    BUSY = "busy"
    REPLAY = "replay"
    JOIN_LIMIT = "join_limit"
    NO_REDIALS_LEFT = "no_redials_left"
    NUMBER_REJECTED = "number_rejected"
    DELIVERY_FAILED = "delivery_failed"
    NO_ATTEMPTS_LEFT = "no_attempts_left"
    NOT_APPROVED = "not_approved"
    NOT_ANSWERED = "not_answered"
    FRAUD_REPORTED = "fraud_reported"
    INTERRUPTED = "interrupted"
    EXPIRED = "expired"
    UNKNOWN_STATE = "unknown_state"
    USED_STATE = "used_state"
    METHOD_NOT_SUPPORTED = "method_not_supported"
    BAD_REQUEST = "bad_request"
    # no response
    AWAITING_APPROVAL = "awaiting_approval"
    IDENTITY_UNAVAILABLE = "identity_unavailable"
    STORE_UNAVAILABLE = "store_unavailable"
    VERIFIER_UNAVAILABLE = "verifier_unavailable"
    DEADLINE_PASSED = "deadline_passed"
    INTERNAL_ERROR = "internal_error"


class Mode(StrEnum):
    """Whether a policy's decisions are carried out, or only recorded."""

    ENFORCE = "enforce"
    REPORT = "report"


class SecondFactorMode(StrEnum):
    """How a client asks its users for the second factor."""

    CHALLENGE = "challenge"
    TWO_PASS = "two_pass"
    """The user logs in a second time with `password,code`."""
    APPROVE = "approve"
    """The user approves the login by pressing a key during a call."""


class Discard(StrEnum):
    """Why a datagram was discarded before its login was processed."""

    UNKNOWN_CLIENT = "unknown_client"
    MALFORMED = "malformed"
    WRONG_CODE = "wrong_code"
    NO_MESSAGE_AUTHENTICATOR = "no_message_authenticator"
    BAD_MESSAGE_AUTHENTICATOR = "bad_message_authenticator"
    BAD_REQUEST_AUTHENTICATOR = "bad_request_authenticator"
    UNSIGNED_PROXY_STATE = "unsigned_proxy_state"
    DUPLICATE = "duplicate"
    IDENTIFIER_IN_USE = "identifier_in_use"
    OVERLOAD = "overload"
    NOT_RECORDED = "not_recorded"


class Alarm(StrEnum):
    """An event that an administrator must look at. A fixed set: metrics use it as a label."""

    PHONE_CHANGED = "phone_changed"
    PROVIDER_OUTAGE = "provider_outage"
    TOLL_FRAUD_SUSPECTED = "toll_fraud_suspected"
    FRAUD_REPORTED = "fraud_reported"


class DeliveryOutcome(StrEnum):
    """The result of a request to a provider to deliver a code."""

    PLACED = "placed"
    NUMBER_REJECTED = "number_rejected"
    NOT_PLACED = "not_placed"
    INDETERMINATE = "indeterminate"


class AuditRecord(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="kind"):
    """A record that is written to the audit log. The tag of its class is the value of `kind`."""

    at: float


class RequestRecord(AuditRecord, frozen=True, tag="request"):
    """One verified Access-Request or Status-Server, and its result. `at` is the time of arrival.

    `user` and `typed_user` are empty for a name that no user has, because users type passwords there by mistake.
    """

    seconds: float  # from the arrival to the decision
    client: str
    client_address: str
    identifier: int
    outcome: Outcome
    reason: Reason
    user: str = ""  # the name in the directory
    session: str = ""  # the session's id
    calling_station_id: str = ""
    phone: str = ""  # masked
    login_seconds: float = 0  # of an Access-Accept: the time since the login's first packet
    steps: tuple[TraceStep, ...] = ()
    typed_user: str = ""  # the name as typed, if it differs from `user`
    secret: int = 0  # 1 or 2: which of the client's two secrets signed the packet; 0: unknown, or only one secret
    packet: int = 0  # a hash of the packet, only valid in this process and never written; 0: unknown
    repeated: int = 0  # the number of identical packets that this record represents; 0 means one
    rule: str = ""  # the path of the rule that decided without a call
    rule_reason: str = ""  # the administrator's text of the rule
    mode: Mode = Mode.ENFORCE  # of the policy
    would_outcome: Outcome | None = None  # the decision that report mode only records
    would_reason: Reason | None = None
    second_factor: SecondFactorMode = SecondFactorMode.CHALLENGE  # with `two_pass`, a challenge is an Access-Reject
    request_id: str = ""  # identifies an Access-Request without a session, for `explain`


class PlacementRecord(AuditRecord, frozen=True, tag="delivery"):
    """A request to a provider to deliver a code, and its result."""

    seconds: float  # since the arrival of the packet
    session: str
    provider: str
    phone: str  # masked
    result: DeliveryOutcome
    reference: str = ""
    detail: str = ""
    alarm: bool = False
    fix: str = ""  # what an administrator can do about an alarm
    method: str = "voice"  # or sms
    mode: Mode = Mode.ENFORCE  # of the policy


class CallStatusRecord(AuditRecord, frozen=True, tag="call_status"):
    """The provider reported a new status of a placed call."""

    session: str
    provider: str
    reference: str
    status: str
    mode: Mode = Mode.ENFORCE  # of the policy


class DiscardRecord(AuditRecord, frozen=True, kw_only=True, tag="discarded"):
    """A datagram was discarded."""

    client: str = ""  # empty if the source address belongs to no client
    client_address: str
    reason: Discard
    detail: str = ""
    suppressed: Mapping[str, int] = {}  # set by the audit log: earlier discards without a record, by reason


class AccountingRecord(AuditRecord, frozen=True, kw_only=True, tag="accounting"):
    """A verified Accounting-Request (RFC 2866) about a user's session at a gateway."""

    client: str
    client_address: str
    status: str  # a value of `radius.accounting.STATUSES`
    accounting_session: str = ""  # the gateway's Acct-Session-Id
    user: str = ""  # the name in the directory; empty unless a user was accepted at the client under the sent name
    calling_station_id: str = ""
    framed_address: str = ""
    session_seconds: int = 0
    input_octets: int = 0
    output_octets: int = 0
    terminate_cause: str = ""  # a value of `radius.accounting.TERMINATE_CAUSES`
    delay: int = 0  # how many seconds before the packet the event happened


class ProbeRecord(msgspec.Struct, frozen=True, gc=False):
    """A health check with a client's probe user got the configured response."""

    at: float
    client: str
    outcome: Outcome


class ResendRecord(msgspec.Struct, frozen=True, gc=False):
    """A retransmission got the octets of the first response again."""

    at: float
    client: str


class UpstreamRecord(msgspec.Struct, frozen=True, gc=False):
    """An event of a server that verifies passwords for the identity source `identity`."""

    at: float
    identity: str
    server: str
    event: UpstreamEvent


class CallbackRecord(msgspec.Struct, frozen=True, gc=False):
    """A callback was received at the path of that provider."""

    at: float
    provider: str
    result: CallbackResult


class SharedStationRecord(msgspec.Struct, frozen=True, gc=False):
    """A login was remembered for a Calling-Station-Id of a client that many users share."""

    at: float
    client: str


class CostRecord(msgspec.Struct, frozen=True, gc=False):
    """The cost reserved for a delivery, or settled at its end, in the currency of the prices."""

    at: float
    method: str
    reserved: float
    settled: float


class ExpiryRecord(AuditRecord, frozen=True, tag="sessions_expired"):
    """The number of open sessions that expired without a correct code."""

    count: int


class ServiceRecord(AuditRecord, frozen=True, tag="service"):
    """An event of the service.

    `event` is one of:

    - `started`, `reloaded`, `reload_failed`, `draining`, `stopped`, `warning`;
    - `users_file_read`, `users_file_invalid`, `users_file_valid`: a users file was read while the service runs;
    - `debug`: packets are shown to `radius-voice debug`;
    - `provider_restored`: a provider is no longer skipped after an outage.
    """

    event: str
    detail: str = ""


class AlarmRecord(AuditRecord, frozen=True, tag="alarm"):
    """An alarm. It is written to the audit log, logged as a warning, and counted by a metric."""

    alarm: Alarm
    detail: str  # the event and the fix, without secrets
    user: str = ""  # the name in the directory; empty if the alarm is not about a user
    client: str = ""  # the client entry; empty if the alarm is not about a client
    mode: Mode = Mode.ENFORCE  # of the policy


class OperatorRecord(AuditRecord, frozen=True, tag="operator"):
    """An administrator's command changed something.

    `event` is `unlocked` (the counters of a user were reset), `forgotten` (the user's remembered logins ended),
    `code_issued`, `user_data_deleted`, `phones_confirmed`, `phones_pinned`, `enrolment_called`,
    `enrolment_code_wrong` or `phone_verified`.
    """

    event: str
    user: str  # the name in the directory `identity_source`
    identity_source: str
    uid: int | None = None  # local user id of the requesting process; None on systems that do not provide it
    by: str = ""  # the operator as named on the command line
    detail: str = ""


EventRecord = (
    RequestRecord
    | PlacementRecord
    | CallStatusRecord
    | DiscardRecord
    | AccountingRecord
    | ProbeRecord
    | ResendRecord
    | UpstreamRecord
    | CallbackRecord
    | SharedStationRecord
    | CostRecord
    | ExpiryRecord
    | ServiceRecord
    | OperatorRecord
    | AlarmRecord
)
Observer = Callable[[EventRecord], None]
