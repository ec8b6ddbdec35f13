"""Pooled sessions: one per provider, credential and set of hosts, never across a fork."""

from __future__ import annotations

import os
import ssl
import threading
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3.poolmanager import ProxyManager
from urllib3.util.ssl_ import create_urllib3_context

from integrations.conf import hub_settings
from integrations.exceptions import ConfigurationError
from integrations.outbound.connections import pool_classes
from integrations.outbound.guard import refuse_forbidden_literal
from integrations.outbound.sockets import DeadlineTLSSocket
from integrations.outbound.urls import allowed_hosts, host_port

# Above the widest thread pool that calls one provider; a connection beyond it is not kept.
CONNECTIONS = 64
MAX_SESSIONS = 512


def _tls_context() -> ssl.SSLContext:
    """Verifies against certifi's authorities and the system's (SSL_CERT_FILE is honoured)."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    context.check_hostname = True
    context.load_default_certs()
    context.load_verify_locations(certifi.where())
    context.sslsocket_class = DeadlineTLSSocket
    return context


class _Adapter(HTTPAdapter):
    def __init__(self, context: ssl.SSLContext, max_idle: float) -> None:
        self._context, self._max_idle = context, max_idle
        super().__init__(pool_connections=32, pool_maxsize=CONNECTIONS, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = pool_classes(self._max_idle)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> ProxyManager:
        manager = super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)
        manager.pool_classes_by_scheme = pool_classes(self._max_idle)
        return manager  # type: ignore[no-any-return]

    def cert_verify(self, conn: Any, *args: Any, **kwargs: Any) -> None:
        # The context verifies already; the original would reread the CA file per connection.
        conn.cert_reqs = "CERT_REQUIRED"


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        # Without this the library reads a redirect's body whole, past our cap.
        return None


def _open(context: ssl.SSLContext, max_idle: float) -> requests.Session:
    session = _Session()
    session.trust_env = False
    session.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    session.headers = requests.structures.CaseInsensitiveDict(
        {
            "User-Agent": "BengoERP-Integrations",
            "Accept": "application/json",
            # A compressed answer could grow a thousandfold past the cap.
            "Accept-Encoding": "identity",
            "Connection": "keep-alive",
        }
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(context, max_idle))
    return session


class Sessions:
    """The process's open sessions by key. Ask at every call, keep none: a fork drops them."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Drop all sessions, and the TLS settings, without closing what others still use."""
        self._lock = threading.Lock()
        self._open: dict[tuple[Any, ...], requests.Session] = {}
        self._context: ssl.SSLContext | None = None

    def get(self, key: tuple[Any, ...], *, max_idle: float) -> requests.Session:
        """The session of `key`, opened at first use."""
        session = self._open.get(key)
        if session is not None:
            return session
        with self._lock:
            if self._context is None:
                self._context = _tls_context()
            if len(self._open) >= MAX_SESSIONS:  # credentials that were replaced long ago
                self._open.pop(next(iter(self._open)))
            return self._open.setdefault(key, _open(self._context, max_idle))


sessions = Sessions()
os.register_at_fork(after_in_child=sessions.forget)


def proxies(url: str) -> dict[str, str]:
    """The proxy of OUTBOUND_PROXY for `url`, or none; the environment has no say.

    OUTBOUND_ALLOWED_HOSTS are machines of ours, called directly. The proxy looks names up, so
    only addresses can still be judged here. Raises ConfigurationError for anything but an
    http:// proxy, TransportError (code "blocked_address") for a forbidden address in `url`.
    """
    proxy = hub_settings.outbound_proxy
    place = host_port(url)
    if not proxy or place in allowed_hosts():
        return {}
    refuse_forbidden_literal(place)
    if not proxy.startswith("http://"):
        raise ConfigurationError("OUTBOUND_PROXY: must begin with http://.")
    return {"http": proxy, "https": proxy}
