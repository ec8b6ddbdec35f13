"""Addresses that no call may reach: the table of the webhooks reference, section 6."""

from __future__ import annotations

import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_socket import SocketConnectBlockedError

from integrations.exceptions import TransportError
from integrations.outbound import Call, Client, sockets
from integrations.outbound.connections import GuardedHTTPConnection
from integrations.outbound.guard import is_forbidden, vetted_addresses
from integrations.outbound.resolver import Address, use_resolver

_FORBIDDEN = """
0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.1 100.127.255.255 100.100.100.200
127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192
192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.1
203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 168.63.129.16
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:168.63.129.16
64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 100::1 2001::1 2001:10::1 2001:20::1 2001:db8::1
2002:7f00:1::1 2002:808:808::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0
fec0::1 ff02::1 ff0e::1 nonsense 1.2.3 1.2.3.4.5
"""

_PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.1 192.0.3.1 192.88.98.1
192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 196.201.214.200 223.255.255.255
168.63.129.15 168.63.129.17 ::ffff:8.8.8.8 2606:4700::1111 2a00:1450::1 2001:200::1
2001:4860:4860::8888 2003::1 3ffe::1 5eff::1 5f01::1
"""


@pytest.mark.parametrize("address", _FORBIDDEN.split())
def test_addresses_outside_the_public_internet_are_forbidden(address):
    assert is_forbidden(address)


@pytest.mark.parametrize("address", _PUBLIC.split())
def test_neighbours_of_the_forbidden_ranges_are_not(address):
    assert not is_forbidden(address)


@given(st.ip_addresses())
def test_no_private_or_loopback_address_slips_through(ip):
    if ip.is_loopback or ip.is_private or ip.is_multicast or ip.is_link_local:
        exempt = ip.version == 6 and ip.ipv4_mapped is not None
        # Globally reachable islands inside 192.0.0.0/24 and 2001::/23 stay forbidden as well.
        assert exempt or is_forbidden(str(ip))


@pytest.mark.parametrize(
    "host",
    [
        *("127.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "localhost", "127.0.0.1"),
        *("0", "::1", "::ffff:127.0.0.1"),
        *("\uff11\uff12\uff17.\uff10.\uff10.\uff11", "127\u30020\u30020\u30021"),
        "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    ],
)
def test_every_spelling_of_loopback_is_judged_by_its_socket_address(host, serve):
    """Webhooks reference, section 6.2; the guard judges even what the text check let pass."""
    listener = serve(allow=False)
    connection = GuardedHTTPConnection(host, listener.port)
    bounds = sockets.Exchange(deadline=time.monotonic() + 5, connect=1, read=1)
    with sockets.serving(bounds), pytest.raises(TransportError) as caught:
        connection.connect()
    assert (caught.value.sent, caught.value.code) == (False, "blocked_address")
    assert listener.connections == 0


def _answering(*addresses: str):
    def resolve(host: str, port: int) -> list[Address]:
        return [
            Address(
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in addresses
        ]

    return resolve


@pytest.mark.parametrize(
    "addresses", [("127.0.0.1",), ("93.184.216.34", "127.0.0.1"), ("::1",), ("::ffff:127.0.0.1",)]
)
def test_one_forbidden_address_is_enough_and_the_listener_is_never_touched(serve, addresses):
    listener = serve(allow=False)
    place = f"api.example.com:{listener.port}"
    client = Client("mpesa", credential="c", hosts=frozenset({place}))
    with use_resolver(_answering(*addresses)), pytest.raises(TransportError) as caught:
        client.send(Call("q", "GET", f"https://{place}/", idempotent=True))
    assert (caught.value.sent, caught.value.code) == (False, "blocked_address")
    assert "127.0.0.1" not in str(caught.value)
    assert listener.connections == 0


def test_a_literal_loopback_url_is_blocked_without_debug_having_a_say(serve, settings):
    listener = serve(allow=False)
    settings.DEBUG = True
    client = Client("mpesa", credential="c", hosts=frozenset({listener.place}))
    with pytest.raises(TransportError, match="internal or reserved"):
        client.send(Call("q", "GET", f"https://{listener.place}/"))
    assert listener.connections == 0


def test_a_resolver_that_flips_between_check_and_use_gains_nothing(serve):
    listener = serve(allow=False)
    asked = []

    def flipping(host, port):
        asked.append(host)
        return _answering("93.184.216.34" if len(asked) == 1 else "127.0.0.1")(host, port)

    place = f"api.example.com:{listener.port}"
    client = Client("mpesa", credential="c", hosts=frozenset({place}))
    call = Call("q", "GET", f"https://{place}/", idempotent=True)
    with use_resolver(flipping):
        # The connection goes to the very address that was judged; the test net stops it there.
        with pytest.warns(UserWarning), pytest.raises(SocketConnectBlockedError, match=r"93\.184"):
            client.send(call)
        assert asked == ["api.example.com"]
        with pytest.raises(TransportError, match="internal or reserved"):
            client.send(call)
    assert listener.connections == 0


def test_the_exception_is_for_the_exact_host_and_port(serve, settings):
    allowed, other = serve(), serve(allow=False)
    assert vetted_addresses("127.0.0.1", allowed.port, timeout=1)
    for host, port in (("127.0.0.1", other.port), ("127.0.0.2", allowed.port)):
        with pytest.raises(TransportError):
            vetted_addresses(host, port, timeout=1)
    settings.OUTBOUND_ALLOWED_HOSTS = []
    with pytest.raises(TransportError):
        vetted_addresses("127.0.0.1", allowed.port, timeout=1)


def test_the_second_address_is_tried_when_the_first_is_dead(serve, client_for, settings):
    server = serve(allow=False)
    settings.OUTBOUND_ALLOWED_HOSTS = [f"two.example.com:{server.port}"]
    place = f"two.example.com:{server.port}"
    client = Client("mpesa", credential="c", hosts=frozenset({place}))
    with use_resolver(_answering("::1", "127.0.0.1")):
        assert client.send(Call("q", "GET", f"http://{place}/", retry=1)).status == 200
    assert server.requests[0].headers["Host"] == place
