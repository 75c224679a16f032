"""One connection, to a server that answers with arbitrary octets."""

import random
import ssl
import time
from contextlib import closing

import pytest

from radius_voice.identity.ldap.client import Address, LdapClient, RequestRefused, ServerFailed
from tests.support.network import LOOPBACK
from tests.support.tcp_listener import TcpListener

# A bindResponse and a searchResEntry with its searchResDone, each after the octets of a message ID.
BIND = bytes.fromhex("61070a010004000400a02b3029041d312e332e362e312e342e312e34322e322e32372e382e352e31a0030401") + b"\0"
ENTRY = bytes.fromhex("6421041264633d6578616d706c652c64633d6f7267300b300904037569643102040161")
DONE = bytes.fromhex("65070a010004000400")
ROUNDS = 200
SECONDS = 0.1


def message(request, *operations):
    """Messages with the ID of a request, of less than 128 octets each."""
    message_id = request[2 : 4 + request[3]]
    return b"".join(bytes((0x30, len(message_id + each))) + message_id + each for each in operations)


def altered(octets, chance):
    """The octets with one to four of them replaced, or cut at some place."""
    changed = bytearray(octets)
    for _ in range(chance.randint(1, 4)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed) if chance.random() < 0.9 else bytes(changed[: chance.randrange(len(changed))])


@pytest.mark.parametrize("operation", ["bind", "search"])
def test_whatever_a_server_answers_an_operation_ends_with_a_result_or_one_of_its_errors(operation):
    chance = random.Random(f"{operation}")
    right = (BIND,) if operation == "bind" else (ENTRY, DONE)

    def serve(connection):
        request = connection.recv(4096)
        connection.sendall(altered(message(request, *right), chance))

    with TcpListener(serve) as listener:
        address = Address(LOOPBACK, listener.port, tls=False, start_tls=False)
        context = ssl.create_default_context()
        for _ in range(ROUNDS):
            deadline = time.monotonic() + SECONDS
            with closing(LdapClient(address, context, deadline)) as client:
                try:
                    if operation == "bind":
                        client.bind("cn=alice", "password", deadline)
                    else:
                        client.search("", "BASE", "(objectClass=*)", ["uid"], deadline, 1)
                except (ServerFailed, RequestRefused):
                    pass
            assert time.monotonic() < deadline + SECONDS


def test_a_closed_connection_is_not_opened_again_for_a_bind():
    connections = []

    def serve(connection):
        connections.append(connection)
        connection.recv(4096)

    with TcpListener(serve) as listener:
        address = Address(LOOPBACK, listener.port, tls=False, start_tls=False)
        deadline = time.monotonic() + 2
        with closing(LdapClient(address, ssl.create_default_context(), deadline)) as client:
            for _ in range(3):
                with pytest.raises(ServerFailed):
                    client.bind("cn=alice", "password", deadline)
    assert 1 == len(connections)


def test_an_empty_password_is_not_sent():
    with TcpListener(lambda connection: connection.recv(4096)) as listener:
        address = Address(LOOPBACK, listener.port, tls=False, start_tls=False)
        deadline = time.monotonic() + 2
        with (
            closing(LdapClient(address, ssl.create_default_context(), deadline)) as client,
            pytest.raises(ValueError, match="anonymous bind"),
        ):
            client.bind("cn=alice", "", deadline)
