"""The XML of `netsh nps export` becomes a configuration that works."""

import pytest

from tests.importing.imported import loaded, run, secret_of, written

DT = 'xmlns:dt="urn:schemas-microsoft-com:datatypes"'


def prop(tag, text, kind="string"):
    return f'<{tag} {DT} dt:dt="{kind}">{text}</{tag}>'


def client(name, address, secret, **more):
    more = {"NAS_Manufacturer": 0, "Radius_Client_Enabled": 1, "Require_Signature": 0, **more}
    properties = prop("IP_Address", address) + prop("Shared_Secret", secret)
    properties += "".join(prop(tag, value, "int") for tag, value in more.items())
    tag = "Client_" + "".join(filter(str.isalnum, name))
    return f'<{tag} name="{name}"><Properties>{properties}</Properties></{tag}>\n'


def collection(tag, inner):
    return f'<{tag} name="{tag}"><Children>{inner}</Children></{tag}>\n'


def export(clients, *, ports="1812,1645", groups="", providers=("1",)):
    """An export with the elements, and in the order, of Windows Server 2019."""
    profiles = "".join(
        f'<P{number} name="policy {number}"><Properties>{prop("msAuthProviderType", each, "int")}</Properties></P{number}>'
        for number, each in enumerate(providers)
    )
    policies = "".join(
        f'<P{number} name="policy {number}"><Properties>{prop("Policy_Enabled", 1)}</Properties></P{number}>'
        for number, _ in enumerate(providers)
    )
    protocol = (
        f'<Microsoft_Radius_Protocol name="Microsoft Radius Protocol"><Children>{collection("Clients", clients)}</Children>'
        f"<Properties>{prop('Accounting_Port', '1813,1646')}{prop('Authentication_Port', ports)}</Properties>"
        "</Microsoft_Radius_Protocol>"
    )
    inner = collection("Proxy_Policies", policies) + collection("Proxy_Profiles", profiles)
    inner += collection("Protocols", protocol) + collection("RADIUS_Server_Groups", groups)
    schema = "<SDO_Schema><Clients><Properties><Alias>1029</Alias></Properties></Clients></SDO_Schema>"
    return (
        f'<?xml version="1.0"?>\n<Root {DT}>\n<Children>'
        f"{collection('Microsoft_Internet_Authentication_Service', inner)}{schema}</Children></Root>\n"
    )


GATEWAYS = (
    client("FortiGate 50e", "10.1.0.1", "a&amp;b &lt;secret&gt; of 1")
    + client("Wi-Fi (HQ)", "10.2.0.0/24", "long-enough-secret-2", Require_Signature=1, NAS_Manufacturer=9)
    + client("old", "10.3.0.1", "long-enough-secret-3", Radius_Client_Enabled=0)
)
GROUP = (
    '<G name="The servers"><Children><Servers name="Servers"><Children>'
    f'<S1 name="S1"><Properties>{prop("Address", "10.9.0.1")}{prop("Authentication_Secret", "secret-of-the-group-1")}'
    f"{prop('Server_Authentication_Port', 1645, 'int')}</Properties></S1>"
    "</Children></Servers></Children></G>"
)


def test_clients_keep_their_addresses_secrets_and_signatures(tmp_path):
    configuration = loaded("nps", export(GATEWAYS), tmp_path)
    clients = configuration.settings.clients
    assert ["fortigate-50e", "wi-fi-hq"] == sorted(clients)
    assert "a&b <secret> of 1" == secret_of(configuration, "fortigate-50e")
    assert "10.2.0.0/24" == str(clients["wi-fi-hq"].address[0])
    assert "auto" == clients["fortigate-50e"].require_message_authenticator
    assert "yes" == clients["wi-fi-hq"].require_message_authenticator


def test_nps_becomes_the_upstream_that_verifies_passwords(tmp_path):
    settings = loaded("nps", export(GATEWAYS), tmp_path).settings
    assert ("nps", "users") == (settings.policies["default"].first_factor, settings.policies["default"].directory)
    assert "radius" == settings.identity["nps"].type
    assert ["0.0.0.0:1812", "0.0.0.0:1645"] == [str(each) for each in settings.server.listen]
    assert ["0.0.0.0:1813", "0.0.0.0:1646"] == [str(each) for each in settings.server.accounting]


def test_the_steps_say_how_nps_gets_to_know_this_server(tmp_path):
    stderr = run("nps", export(GATEWAYS), tmp_path).stderr
    assert "nps.secret has a new secret: enter it at the other end." in stderr
    assert "Add this server to NPS as a RADIUS client, and allow PAP in the network policies.\n" in stderr


def test_where_nps_forwards_all_requests_its_servers_become_the_upstream(tmp_path):
    settings = loaded("nps", export(GATEWAYS, groups=GROUP, providers=("2",)), tmp_path).settings
    source = settings.identity["the-servers"]
    assert [("10.9.0.1", 1645)] == [(each.host, each.port) for each in source.servers]
    assert "secret-of-the-group-1" == source.secret.get_secret_value()
    assert "the-servers" == settings.policies["default"].first_factor


def test_where_nps_forwards_some_requests_it_stays_the_upstream(tmp_path):
    path = written("nps", export(GATEWAYS, groups=GROUP, providers=("1", "2")), tmp_path)
    assert "first_factor: nps" in path.read_text()
    assert "NPS forwards to The servers as before." in path.read_text()
    assert not (path.parent / "the-servers.secret").exists()


def test_what_has_no_equal_is_a_comment(tmp_path):
    text = written("nps", export(GATEWAYS), tmp_path).read_text()
    assert "the connection request policy policy 0 has no equivalent." in text
    assert "# The client is disabled in NPS." in text
    assert "# profile: fortigate   # a guess: compare docs/gateways/fortigate.md" in text
    assert "# profile: cisco-asa   # a guess: compare docs/gateways/cisco-asa.md" in text


def test_ports_with_addresses_are_a_step(tmp_path):
    done = run("nps", export(GATEWAYS, ports="10.0.0.1:1812,1645;"), tmp_path)
    assert "Authentication_Port has addresses too: compare server.listen with the ports of NPS." in done.stderr


def test_an_export_without_secrets_gets_new_ones(tmp_path):
    done = run("nps", export(client("vpn", "10.1.0.1", "")), tmp_path)
    assert "vpn: the file has no secret; export it with exportPSK=YES; vpn.secret has a new secret" in done.stderr


def test_a_file_in_utf_16_is_read(tmp_path):
    text = export(GATEWAYS).replace('version="1.0"', 'version="1.0" encoding="UTF-16"')
    assert 0 == run("nps", text.encode("utf-16"), tmp_path).exit_code


ENTITIES = '<?xml version="1.0"?>\n<!DOCTYPE Root [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>\n<Root>&b;</Root>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ENTITIES, "source:2: has a document type (<!DOCTYPE)"),
        (
            '<?xml version="1.0"?>\n<!DOCTYPE Root SYSTEM "file:///etc/passwd">\n<Root/>',
            "source:2: has a document type",
        ),
        ("<Root>\n&unknown;</Root>", "source:2: has an entity that is not defined"),
        ("<a>\n" * 100, "source:65: elements are nested more than 64 deep"),
        ("", "source:1: ends before the last element is closed"),
        ("<Root>\n<Children>", "source:2: ends before the last element is closed, so a part of the file is missing"),
        ("client a {\n}", "source:1: is not XML"),
        ('<?xml version="1.0" encoding="nonsense"?><Root/>', "source:1: "),
        ("<Root/>", "source:1: is no export of NPS: it has no element Microsoft_Internet_Authentication_Service"),
        (export(""), "NPS has no RADIUS clients, so nothing can be imported"),
        (
            export(client("a", "host.example.org", "x")),
            "host.example.org is not an address; write the address of the host",
        ),
    ],
)
def test_a_file_that_cannot_be_imported_is_refused(tmp_path, text, message):
    done = run("nps", text, tmp_path)
    assert 1 == done.exit_code
    assert message in done.stderr
