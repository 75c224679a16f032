"""The exit codes of each command, for its help, its manual page and docs/commands.md."""

from __future__ import annotations

from collections.abc import Mapping

NOT_RUNNING = 3
"""No service runs, as of a System V init script."""
UNKNOWN = 4
"""It is not known whether a service runs."""

_IMPORTED = "the file was imported; standard error has a list of manual steps"
_MEANINGS: Mapping[str, Mapping[int, str]] = {
    "demo": {0: "the login ended in Access-Accept"},
    "init": {0: "all files were written", 1: "nothing is written, for example because one of the files exists"},
    "import duo": {0: _IMPORTED, 1: "nothing is written"},
    "import freeradius": {0: _IMPORTED, 1: "nothing is written"},
    "import nps": {0: _IMPORTED, 1: "nothing is written"},
    "serve": {0: "a signal stopped it", 1: "it cannot start, or ended with an error"},
    "status": {
        0: "the service is healthy",
        1: "it runs and has problems, which are listed",
        NOT_RUNNING: "no service runs",
        UNKNOWN: "the service cannot be asked",
    },
    "reload": {
        0: "the configuration is in effect",
        1: "it has errors, or a worker has sent no result within 60 s",
        NOT_RUNNING: "no service runs",
        UNKNOWN: "the service cannot be asked",
    },
    "debug": {
        0: "the time is over, or an interrupt ended it",
        NOT_RUNNING: "no service runs",
        UNKNOWN: "the service cannot be asked, refuses the session, or has ended",
    },
    "check": {
        0: (
            "no check failed; with --connect, store, servers of identity sources, providers and certificates are "
            "good too, or there are only warnings"
        ),
        1: "serve would not start, or a connection is bad",
    },
    "test-credentials": {0: "no check is bad", 1: "a check is bad"},
    "call": {0: "the call was answered and has ended"},
    "text": {0: "the message was delivered; or it was sent, and the network or the provider reports no delivery"},
    "login": {0: "Access-Accept", 1: "Access-Reject or no response"},
    "simulate-twilio": {0: "a signal stopped it"},
    "limits": {0: "the limits were read"},
    "clients": {0: "the report was read"},
    "explain": {
        0: "the decisions were shown, also those of a login that would be rejected; or the login was found",
        1: "no record of the login was found, and standard error names the files that were searched",
    },
    "audit tail": {0: "an interrupt ended it"},
    "audit search": {
        0: "a record was found",
        1: "none was found, and standard error names the files that were searched",
    },
    "audit show": {
        0: "the login was found",
        1: "it was not found, and standard error names the files that were searched",
    },
    "support-bundle": {0: "the archive was written"},
    "users add": {
        0: "the user was added",
        1: "nothing is changed",
        2: "wrong usage, or a phone number or the language is not valid",
    },
    "users list": {0: "the source was read"},
    "users show": {0: "the user exists"},
    "users set-phone": {
        0: "the user has these phones",
        1: "nothing is changed",
        2: "wrong usage, or a phone number is not valid",
    },
    "users set-password": {0: "the password was changed", 1: "nothing is changed"},
    "users set-language": {
        0: "the user has this language",
        1: "nothing is changed",
        2: "wrong usage, or the language is not known",
    },
    "users disable": {0: "the user is disabled, or was already"},
    "users enable": {0: "the user is enabled, or was already", 1: "nothing is changed"},
    "users import": {0: "the users were added, or with --dry-run could be", 1: "nothing is changed"},
    "users remove": {
        0: "the user was removed, and without --file what the store had",
        1: "the user was not removed",
    },
    "users unlock": {0: "the user is unlocked", 1: "nothing is changed"},
    "users forget": {
        0: "the user has no remembered login, and with --all-data no data in the store",
        1: "nothing is changed",
    },
    "users issue-code": {0: "the code was issued", 1: "nothing is changed"},
    "users confirm": {0: "the phones are pinned and verified", 1: "nothing is changed"},
    "users pin": {
        0: "the phones of all users are pinned",
        1: (
            "a source cannot list its users, and the phones of the others are pinned; or a source, the store or the "
            "service failed, as standard error says"
        ),
    },
    "users enroll": {
        0: "the phone is verified",
        1: "it is not; no right code was entered, the call was not placed, or a limit is reached",
    },
    "hash-password": {0: "the hash was printed"},
    "completion": {0: "the script was printed"},
}
_OF_ALL = {1: "failure, as standard error says", 2: "wrong usage"}
"""The meanings for commands that have no other ones."""


def exit_status(command: str) -> str:
    """One sentence for each exit code of a command, which is named by its words; empty for a group of commands."""
    meanings = _MEANINGS.get(command)
    if meanings is None:
        return ""
    return " ".join(f"{code}: {meaning}." for code, meaning in sorted({**_OF_ALL, **meanings}.items()))
