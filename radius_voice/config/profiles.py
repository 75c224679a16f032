"""Facts about gateways in their default settings. Data only.

A profile has default values for keys of a client, as the configuration writes them. The comment behind each value names
its source; docs/gateways/NAME.md has the links. Facts that could not be verified are omitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias

ProfileName: TypeAlias = Literal[
    "cisco-asa",
    "f5",
    "fortigate",
    "meraki",
    "mikrotik",
    "netscaler",
    "openvpn",
    "palo-alto",
    "pam-radius",
    "pfsense",
    "rd-gateway",
    "strongswan",
    "windows-rras",
]


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of gateway. `keys` are defaults for keys of a client.

    `unsigned`: it never sends a Message-Authenticator.
    """

    keys: Mapping[str, str | int | bool] = field(default_factory=dict)
    unsigned: bool = False


PROFILES: Mapping[ProfileName, Profile] = MappingProxyType(
    {
        "cisco-asa": Profile(
            {
                "gateway_timeout": "10s",  # timeout of an aaa-server host: Cisco's terraform-provider-fmc, schema
                "calling_station_attribute": "Calling-Station-Id",  # docs/policy.md
            }
        ),
        "f5": Profile(
            {
                # The RADIUS Auth action has a character set: cp1252 or utf8. Both have the characters of ASCII.
                "charset": "ascii",
            }
        ),
        "fortigate": Profile(
            {
                "gateway_timeout": "5s",  # timeout of user radius, and remoteauthtimeout: FortiOS CLI reference
                "gateway_input_timeout": "80s",  # 10 x remoteauthtimeout + 30 s: Fortinet community, article 191661
                "calling_station_attribute": "Calling-Station-Id",  # docs/policy.md
            }
        ),
        "meraki": Profile(
            {
                "second_factor": "two_pass",  # L2TP by the client of the operating system, which shows no challenge
            }
        ),
        "mikrotik": Profile(
            {
                "second_factor": "two_pass",  # PAP in PPP has no challenge: RFC 1334 section 2
                "calling_station_attribute": "Calling-Station-Id",  # RouterOS manual: the address of the client
            }
        ),
        "netscaler": Profile(
            {
                "gateway_timeout": "3s",  # authTimeout of authentication radiusAction: command reference
                "gateway_requests": 3,  # authservRetry: command reference
            }
        ),
        "openvpn": Profile(
            {
                "second_factor": "two_pass",  # openvpn-auth-radius 2.1: a challenge is a failure (UserAuth.cpp)
                "gateway_timeout": "1s",  # wait in its example; each further try is a new packet (RadiusPacket.cpp)
                "calling_station_attribute": "Calling-Station-Id",  # untrusted_ip (UserAuth.cpp)
            },
            unsigned=True,  # openvpn-auth-radius 2.1 (RadiusPacket.cpp)
        ),
        "palo-alto": Profile(
            {
                "gateway_timeout": "3s",  # Timeout of a RADIUS server profile: PAN-OS 7.1
                "gateway_requests": 3,  # Retries of a RADIUS server profile: PAN-OS 7.1
                # Not PaloAlto-Client-Source-IP: by the guide of GlobalProtect, the client sends this address.
            }
        ),
        "pam-radius": Profile(
            {
                "gateway_timeout": "3s",  # timeout in the file of servers: pam_radius_auth.c 2.0.0
                "gateway_requests": 1,  # retry=0, and the response to a challenge is sent once: pam_radius_auth.c 2.0.0
                "calling_station_attribute": "Calling-Station-Id",  # PAM_RHOST: pam_radius_auth.c 2.0.0
            }
        ),
        "pfsense": Profile(
            {
                "second_factor": "two_pass",  # pfSense radius.inc, OPNsense Auth/Radius.php: a challenge is a failure
            }
        ),
        "rd-gateway": Profile(
            {
                "second_factor": "approve",  # it shows no challenge: docs/approve.md
                "password_required": False,  # it sends no User-Password: docs/approve.md
            }
        ),
        "strongswan": Profile(
            {
                "second_factor": "two_pass",  # xauth-radius handles no challenge: strongSwan documentation
                "gateway_timeout": "14.2s",  # 2 s, then 1.4 times as long, for four packets: eap-radius.conf 5.9.8
                "gateway_requests": 1,  # 14.2 s is the time of all four
                "calling_station_attribute": "Calling-Station-Id",  # with the port: station_id_with_port
            }
        ),
        "windows-rras": Profile(
            {
                "second_factor": "two_pass",  # the VPN client of Windows has no prompt for a challenge
                "gateway_timeout": "5s",  # Timeout of Add-RemoteAccessRadius
            }
        ),
    }
)
