"""What no call may reach: a listener that counts, the reference's table, and odd spellings of it.

Webhooks reference, sections 6.1 and 6.2.
"""

from __future__ import annotations

import ipaddress
import random
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

_RANGES = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24
224.0.0.0/4 240.0.0.0/4 168.63.129.16/32 100.100.100.200/32
::/8 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 3fff::/20 5f00::/16
fc00::/7 fe80::/10 fec0::/10 ff00::/8
"""
# The addresses that the reference measured, and those of cloud metadata services.
_MEASURED = """
100.64.0.1 192.88.99.1 224.0.0.1 239.1.1.1 168.63.129.16 169.254.169.254 100.100.100.200
255.255.255.255 0.0.0.0 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 2002:7f00:1::1 3fff::1 5f00::1
fec0::1 fd00:ec2::254 ::1 :: ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:0:0
"""
RANGES = _RANGES.split()
_FULL_WIDTH = str.maketrans(
    "0123456789abcdefx", "".join(chr(ord(c) + 0xFEE0) for c in "0123456789abcdefx")
)
_CIRCLED = str.maketrans("0123456789", "\u24ea" + "".join(map(chr, range(0x2460, 0x2469))))
_DOTS = "\u3002\uff0e\uff61"


def edges() -> list[str]:
    """The first and the last address of every range, and what the reference measured."""
    networks = [ipaddress.ip_network(text) for text in RANGES]
    # ::ffff:0:0/96 lies inside ::/8 and is judged by the IPv4 address in it.
    ends = {str(end) for net in networks for end in (net[0], net[-1])}
    return sorted(ends | set(_MEASURED.split()))


def odd_spelling(address: str, dice: random.Random) -> str:
    """The address as some resolver or URL parser reads it too, and no person writes it."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        forms = [f"[{ip.exploded}]", f"[{ip}%25lo]", f"[{ip}%lo]", f"[{str(ip).upper()}]"]
        return dice.choice(forms)
    if dice.random() < 0.25:
        return dice.choice([f"[::ffff:{ip}]", f"[::{ip}]", f"[64:ff9b::{ip}]"])
    parts = [str(int(octet)) for octet in str(ip).split(".")]
    kept = dice.randint(0, 3)
    last = int(ip) & ((1 << (8 * (4 - kept))) - 1)
    texts = [_number(int(part), dice) for part in parts[:kept]] + [_number(last, dice)]
    text = dice.choice([".", *_DOTS]).join(texts) + dice.choice(["", "", "."])
    return dice.choice([text, text.translate(_FULL_WIDTH), text.translate(_CIRCLED)])


def _number(value: int, dice: random.Random) -> str:
    return dice.choice([str(value), hex(value), f"0{value:o}", f"0x{value:08X}", f"00{value:o}"])


class ForbiddenListener:
    """Accepts on every loopback address of this machine, IPv4 and IPv6, at one port; counts."""

    def __init__(self) -> None:
        self.hits: list[str] = []
        # All addresses at once: 127.0.0.1, 127.9.9.9 and 0.0.0.0 lead here alike.
        self._sockets = [socket.create_server(("0.0.0.0", 0))]
        self.port: int = self._sockets[0].getsockname()[1]
        self._sockets.append(
            socket.create_server(("::", self.port), family=socket.AF_INET6, dualstack_ipv6=False)
        )
        for listening in self._sockets:
            threading.Thread(target=self._accept, args=(listening,), daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, peer = listening.accept()
            except OSError:
                return
            self.hits.append(str(peer[0]))
            connection.close()

    def knock(self) -> None:
        """Show that it hears: one connection of each family, which is then forgotten."""
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, self.port), timeout=5).close()
        for _ in range(6000):
            if len(self.hits) == 2:
                break
            threading.Event().wait(0.01)
        assert sorted(self.hits) == ["127.0.0.1", "::1"]
        self.hits.clear()

    def stop(self) -> None:
        for listening in self._sockets:
            listening.shutdown(socket.SHUT_RDWR)
            listening.close()


class Internet:
    """The world outside this machine: names that resolve as told, addresses that refuse.

    Takes the place of the system's resolver and of connections that would leave the machine;
    what lies on loopback is reached as always.
    """

    def __init__(self) -> None:
        self.attempts: list[str] = []
        self.lookups: list[str] = []
        self._answers: dict[str, list[list[str]]] = {}

    def answer(self, name: str, *answers: list[str]) -> None:
        """Let a name resolve to these lists of addresses, one list a lookup, the last for ever."""
        self._answers[name] = [*answers]

    def plug_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        getaddrinfo, connect = socket.getaddrinfo, socket.socket.connect

        def look_up(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
            answers = self._answers.get(str(host).lower().removesuffix("."))
            if answers is None:
                # Spellings of addresses are for the system to read; no query leaves the machine.
                numeric = 0 if "localhost" in str(host) else socket.AI_NUMERICHOST
                return getaddrinfo(host, port, *args, **{"flags": numeric, **kwargs})
            self.lookups.append(str(host))
            chosen = answers.pop(0) if len(answers) > 1 else answers[0]
            return [_entry(address, int(port)) for address in chosen]

        def reach(sock: socket.socket, address: Any) -> None:
            if sock.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(address[0]):
                self.attempts.append(address[0])
                raise ConnectionRefusedError(111, "nobody lives there")
            connect(sock, address)

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        monkeypatch.setattr(socket.socket, "connect", reach)


def _entry(address: str, port: int) -> tuple[Any, ...]:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)


def _is_here(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return ip.is_loopback or ip.is_unspecified


@pytest.fixture
def listener() -> Iterator[ForbiddenListener]:
    """The forbidden target, which hears a knock on either family before the test begins."""
    listening = ForbiddenListener()
    listening.knock()
    yield listening
    listening.stop()


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Internet:
    """A world outside with names of the test's choice, and nobody at home."""
    outside = Internet()
    outside.plug_in(monkeypatch)
    return outside


# URLs whose place is (also) the listener's, for some parser; PORT stands for its port.
TRICKS = """
https://127.0.0.1:PORT http://127.0.0.1:PORT https://localhost:PORT http://localhost:PORT
https://LOCALHOST:PORT https://localhost.:PORT https://127.0.0.1.:PORT https://x.localhost:PORT
https://[::1]:PORT http://[::1]:PORT https://[::]:PORT https://0.0.0.0:PORT https://0:PORT
https://127.1:PORT https://127.0.1:PORT https://2130706433:PORT https://0x7f000001:PORT
https://0x7f.1:PORT https://0177.0.0.1:PORT https://0177.1:PORT https://017700000001:PORT
https://00000177.0.0.1:PORT https://0x7f.0x0.0x0.0x1:PORT https://127.0.0.1.nowhere.local:PORT
https://[::ffff:127.0.0.1]:PORT https://[::ffff:7f00:1]:PORT https://[0:0:0:0:0:ffff:127.0.0.1]:PORT
https://[::127.0.0.1]:PORT https://[64:ff9b::127.0.0.1]:PORT https://[64:ff9b:1::1]:PORT
https://[2002:7f00:1::1]:PORT https://[2002:7f00:1::]:PORT https://[0000::1]:PORT
https://[::1%25lo]:PORT https://[::1%lo]:PORT https://[fe80::1%25lo]:PORT https://[::1%2525lo]:PORT
https://\uff11\uff12\uff17.\uff10.\uff10.\uff11:PORT https://127\u30020\u30020\u30021:PORT
https://127\uff0e0\uff0e0\uff0e1:PORT https://127\uff610\uff610\uff611:PORT
https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460:PORT https://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3:PORT
https://127.0.0.1\u200b:PORT https://127.0.0.1\u00ad:PORT https://loc\u00adalhost:PORT
https://good.example\\@127.0.0.1:PORT https://127.0.0.1:PORT\\@good.example/
https://good.example%5c@127.0.0.1:PORT https://good.example%5C@127.0.0.1:PORT/
https://good.example@127.0.0.1:PORT https://good.example:443@127.0.0.1:PORT
https://u:p@127.0.0.1:PORT https://@127.0.0.1:PORT https://127.0.0.1:PORT@127.0.0.1:PORT
https://127.0.0.1:PORT#@good.example/ https://127.0.0.1:PORT?@good.example/
https://127.0.0.1:PORT;@good.example/ https://127.0.0.1:PORT/@good.example/
https://127.0.0.1%2f@good.example:PORT https://127.0.0.1%00.good.example:PORT
https://127.0.0.1%23.good.example:PORT https://%31%32%37.0.0.1:PORT https://127.0.0.1%2eexample:PORT
https:/\\127.0.0.1:PORT https:\\\\127.0.0.1:PORT https:127.0.0.1:PORT https:/127.0.0.1:PORT
https:///127.0.0.1:PORT ///127.0.0.1:PORT //127.0.0.1:PORT 127.0.0.1:PORT
ftp://127.0.0.1:PORT file://127.0.0.1:PORT gopher://127.0.0.1:PORT HTTPS+unix://127.0.0.1:PORT
https://127.0.0.1:+PORT https://127.0.0.1:0PORT https://127.0.0.1:PORT: https://127.0.0.1::PORT
https://[127.0.0.1]:PORT https://[::1]PORT https://[::1]:PORT[ https://[::1]x:PORT
https://printer.local:PORT https://db.internal:PORT https://pay.svc:PORT
https://pay.default.svc.cluster.local:PORT https://kv.consul:PORT https://nas.lan:PORT
https://router.home.arpa:PORT https://erp.corp:PORT https://erp.intranet:PORT https://intranet:PORT
"""
# The same with characters that a list split at spaces can't hold.
_BLANKS = ("\t", "\n", "\r", "\r\nHost: good.example", "\x00", "\x0b", "\x7f", "\x85", "\xa0", " ",
           "\u2028", "\ufeff")  # fmt: skip


def tricks(port: int) -> list[str]:
    """Every trick, for the listener's port."""
    spoilt = [
        text.replace("@", blank)
        for blank in _BLANKS
        for text in (
            "https://127.0.0.1@:PORT",
            "@https://127.0.0.1:PORT",
            "https://127.0.0.1:PORT@",
        )
    ]
    return [text.replace("PORT", str(port)) for text in [*TRICKS.split(), *spoilt]]
