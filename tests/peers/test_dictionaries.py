"""Attributes of every format, in both directions between this codec and FreeRADIUS's, by Debian's dictionaries."""

import re
import secrets
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from radius_voice.radius import packet as radius
from radius_voice.radius.dictionary import AttributeDictionary
from radius_voice.radius.encrypted import encrypt
from radius_voice.radius.salted import SALTS
from tests.support.requirements import require

pytestmark = pytest.mark.peer("radclient")

DEBIAN = Path("/usr/share/freeradius")
SECRET = b"a shared secret of the tests"
LONG = f"0x{'00ff' * 150}"
PLAIN = {
    "string": [("Filter-Id", '"vpn"')],
    "octets": [("Class", "0x0001ff")],
    "concat": [("PKM-SS-Cert", LONG)],
    "integer": [("Session-Timeout", "4294967295"), ("Service-Type", "Framed-User")],
    "integer64": [("MIP6-Feature-Vector", "18446744073709551615")],
    "byte": [("ERX-Bulk-CoA-Transaction-Id", "7")],
    "signed": [("WiMAX-GMT-Timezone-offset", "-3600")],
    "short": [("WiMAX-PDFID", "513")],
    "combo-ip": [("WiMAX-DHCPv4-Server", "192.0.2.1"), ("WiMAX-DHCPv6-Server", "2001:db8::1")],
    "ipaddr": [("Framed-IP-Address", "192.0.2.17")],
    "ipv6addr": [("NAS-IPv6-Address", "2001:db8::1")],
    "ipv6prefix": [("Delegated-IPv6-Prefix", "2001:db8:17::/48")],
    "ipv4prefix": [("PMIP6-Home-IPv4-HoA", "192.0.2.0/24")],
    "ifid": [("Framed-Interface-Id", "200:5eff:fe00:5301")],
    "ether": [("Fortinet-WirelessController-Device-MAC", "00:00:5e:00:53:01")],
    "tags": [("Tunnel-Type:1", "VLAN"), ("Tunnel-Private-Group-Id:31", '"42"'), ("Tunnel-Preference", "3")],
    "format 1,1": [("Cisco-AVPair", '"shell:priv-lvl=15"'), ("Cisco-AVPair", '"ip:addr-pool=a"')],
    "format 2,1": [("Lucent-Max-Shared-Users", "5")],
    "format 2,2": [("SN-VPN-Name", '"vpn"')],
    "format 4,0": [("USR-Local-Framed-IP-Addr", "192.0.2.1")],
    "format 1,1,c": [("WiMAX-Device-Authentication-Indicator", "1")],
    "format 1,1,c, long": [("WiMAX-Location", LONG)],
    "TLV": [("WiMAX-Release", '"1.0"'), ("WiMAX-Accounting-Capabilities", "IP-Session-Based")],
    "extended": [("Frag-Status", "More-Data-Pending")],
    "extended TLV": [("IP-Port-Type", "1"), ("IP-Port-Ext-IPv4-Addr", "192.0.2.18"), ("IP-Port-Limit", "9")],
    "extended vendor": [("FreeRADIUS-802.1X-Anonce", f"0x{'00ff' * 16}")],
    "long extended vendor": [("FreeRADIUS-802.1X-EAPoL-Key-Msg", LONG)],
}
ENCRYPTED = [
    ("Tunnel-Password:3", '"correct horse"'),
    ("Tunnel-Password", f'"{"x" * 239}"'),
    ("Aruba-MPSK-Passphrase", "0x0001ff"),
    ("Ascend-Send-Secret", '"half a block"'),
    ("Juniper-Local-User-Name", '"operator"'),
]


@pytest.fixture(scope="module")
def names():
    require("freeradius-common", DEBIAN.exists())
    require("radclient", shutil.which("radclient"))
    return AttributeDictionary(DEBIAN)


@pytest.fixture
def server():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        yield server


def exchange(server, lines, respond):
    """Send a request with these attributes by radclient; its packet, and the attributes that it reads in `respond`."""
    port = server.getsockname()[1]
    command = ["radclient", "-x", "-r", "1", "-t", "10", f"127.0.0.1:{port}", "auth", SECRET.decode()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdin is not None
        client.stdin.write("\n".join(lines) + "\n")
        client.stdin.close()
        datagram, peer = server.recvfrom(4096)
        request = radius.decode(datagram)
        attributes = [_sent(each, request) for each in respond]
        server.sendto(radius.encode_reply(radius.ACCESS_ACCEPT, request, attributes, SECRET), peer)
        assert client.stdout is not None
        printed = client.stdout.read()
    received = printed.partition("Received Access-Accept")[2]
    return request, re.findall(r"^\t(?!Message-Authenticator)(.+)$", received, re.MULTILINE)


def _sent(attribute, request):
    if isinstance(attribute, tuple):
        return attribute
    salt = (SALTS | secrets.randbelow(SALTS)).to_bytes(2)
    octets = encrypt(attribute.plain, attribute.encryption, SECRET, request.authenticator, salt)
    return attribute.type, attribute.prefix + octets


def settings(attributes):
    return [(name, text.strip('"')) for name, text in attributes]


@pytest.mark.parametrize("kind", PLAIN)
def test_both_read_what_the_other_writes(names, server, kind):
    attributes = PLAIN[kind]
    lines = [f"{name} = {text}" for name, text in attributes]
    request, read = exchange(server, lines, names.encode_all(settings(attributes)))
    assert lines == [line.replace(":0 = ", " = ") for line in read]
    assert lines == names.describe(request.attributes)


@pytest.mark.parametrize(("name", "text"), ENCRYPTED)
def test_freeradius_decrypts_the_values_that_are_encrypted_here(names, server, name, text):
    _, read = exchange(server, ['User-Name = "alice"'], names.encode_all(settings([(name, text)])))
    assert [f"{name} = {text}"] == [line.replace(":0 = ", " = ") for line in read]
