"""The records that the audit log, the metrics and the log read, among them one `RequestRecord` per verified request.

Every module may import it. No field holds a code, a password or a complete phone number.
Metrics use the enumerations below as labels. The fields of a record are the keys of its line in the audit log.
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
    """How a client asks its users for the second factor.

    By a challenge, in a second login with `password,code`, or by a call in which the user approves the login.
    """

    CHALLENGE = "challenge"
    TWO_PASS = "two_pass"
    APPROVE = "approve"


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
    """A record that the audit log has; the tag of its class is the value of `kind`. `at` is wall-clock seconds."""

    at: float


class RequestRecord(AuditRecord, frozen=True, tag="request"):
    """One verified Access-Request or Status-Server, and its result.

    `at` is the time of arrival, `seconds` the time until the decision. `user` is the user's name in the
    directory; `typed_user` is the name as typed, if it differs. Both are empty for a name that no user has, because
    users type passwords there by mistake. `session` is the session's id, and `request_id` that of an Access-Request
    without a session; either is a login for `explain`. `phone` is masked. `login_seconds`, on an
    accept, is the time since the login's first packet. For a client with two secrets, `secret` is the one that the
    packet was made with, 1 or 2; it is 0 if that is unknown and for other clients. `packet` is a hash of the packet's
    octets, only valid in this process (0: not known) and never written. `repeated` is the number of identical packets
    that this record stands for; 0 means one. `rule` names the rule of the configuration that decided without a call,
    and `rule_reason` is the text that the administrator gave it. `mode` is that of the policy; in report mode,
    `would_outcome` and `would_reason` are the decision that was only recorded. `second_factor` is that of the client:
    with `two_pass`, the gateway got an Access-Reject in place of a challenge.
    """

    seconds: float
    client: str
    client_address: str
    identifier: int
    outcome: Outcome
    reason: Reason
    user: str = ""
    session: str = ""
    calling_station_id: str = ""
    phone: str = ""
    login_seconds: float = 0
    steps: tuple[TraceStep, ...] = ()
    typed_user: str = ""
    secret: int = 0
    packet: int = 0
    repeated: int = 0
    rule: str = ""
    rule_reason: str = ""
    mode: Mode = Mode.ENFORCE
    would_outcome: Outcome | None = None
    would_reason: Reason | None = None
    second_factor: SecondFactorMode = SecondFactorMode.CHALLENGE
    request_id: str = ""


class PlacementRecord(AuditRecord, frozen=True, tag="delivery"):
    """A request to a provider to deliver a code, and its result; `seconds` is the time since the packet's arrival.

    `method` is `voice` or `sms`. `fix` says what an administrator can do about an alarm. `mode` is that of the policy.
    """

    seconds: float
    session: str
    provider: str
    phone: str
    result: DeliveryOutcome
    reference: str = ""
    detail: str = ""
    alarm: bool = False
    fix: str = ""
    method: str = "voice"
    mode: Mode = Mode.ENFORCE


class CallStatusRecord(AuditRecord, frozen=True, tag="call_status"):
    """The provider reported a new status of a placed call. `mode` is that of the policy."""

    session: str
    provider: str
    reference: str
    status: str
    mode: Mode = Mode.ENFORCE


class DiscardRecord(AuditRecord, frozen=True, kw_only=True, tag="discarded"):
    """A datagram was discarded; `client` is empty if the source address belongs to no client.

    `suppressed` is set by the audit log: by reason, the number of earlier discards that have no record.
    """

    client: str = ""
    client_address: str
    reason: Discard
    detail: str = ""
    suppressed: Mapping[str, int] = {}


class AccountingRecord(AuditRecord, frozen=True, kw_only=True, tag="accounting"):
    """A verified Accounting-Request (RFC 2866): what a user's session at a gateway did.

    `status` and `terminate_cause` are in `radius.accounting`. `accounting_session` is the gateway's Acct-Session-Id.
    `user` is the user's name in the directory; it is empty if no user was accepted at the client by the name that the
    gateway sent. `delay` is how many seconds before the packet the event happened.
    """

    client: str
    client_address: str
    status: str
    accounting_session: str = ""
    user: str = ""
    calling_station_id: str = ""
    framed_address: str = ""
    session_seconds: int = 0
    input_octets: int = 0
    output_octets: int = 0
    terminate_cause: str = ""
    delay: int = 0


class ProbeRecord(msgspec.Struct, frozen=True, gc=False):
    """A health check with the probe user of a client got the configured response."""

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
    """The reservation for a delivery by that method, or its cost once it has ended, in the currency of the prices."""

    at: float
    method: str
    reserved: float
    settled: float


class ExpiryRecord(AuditRecord, frozen=True, tag="sessions_expired"):
    """Number of open logins that expired without their code."""

    count: int


class ServiceRecord(AuditRecord, frozen=True, tag="service"):
    """An event of the service.

    `event` is `started`, `reloaded`, `reload_failed`, `draining`, `stopped` or `warning`, or `users_file_read`,
    `users_file_invalid` or `users_file_valid` for a users file while the service runs, or `debug` when packets
    are shown to `radius-voice debug`, or `provider_restored` when a
    provider is no longer skipped after an outage.
    """

    event: str
    detail: str = ""


class AlarmRecord(AuditRecord, frozen=True, tag="alarm"):
    """An alarm: the audit log has it, the log has it as a warning, and a counter counts it.

    `user` is the name in the directory, `client` the client entry; both are empty if the alarm is about none. `detail`
    says what happened and what to do, without secrets. `mode` is that of the policy.
    """

    alarm: Alarm
    detail: str
    user: str = ""
    client: str = ""
    mode: Mode = Mode.ENFORCE


class OperatorRecord(AuditRecord, frozen=True, tag="operator"):
    """An administrator's command changed something.

    `event` is `unlocked` (the counters of a user were reset), `forgotten` (the user's remembered logins ended),
    `code_issued`, `user_data_deleted`, `phones_confirmed`, `phones_pinned`, `enrolment_called`,
    `enrolment_code_wrong` or `phone_verified`.
    `user` is the name in the directory `identity_source`. `uid` is the local user id of the requesting process, None on
    systems that do not provide it. `by` is the operator as named on the command line, `detail` more about the change.
    """

    event: str
    user: str
    identity_source: str
    uid: int | None = None
    by: str = ""
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
