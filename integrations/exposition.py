"""What a scrape answers: the counters of all processes, and what the database says just now."""

from __future__ import annotations

import ipaddress
import os

from django.utils.crypto import constant_time_compare
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from integrations import metrics
from integrations.conf import hub_settings
from integrations.gauges import Gauges

CONTENT_TYPE = CONTENT_TYPE_PLAIN_1_0_0


def exposition() -> bytes:
    """All metrics in Prometheus's text format.

    With PROMETHEUS_MULTIPROC_DIR, the counters of every process that writes there; else those of
    this process. Never fails because of the database: `integrations_database_up` is 0 then.
    """
    metrics.flush()
    gauges = CollectorRegistry(auto_describe=False)
    gauges.register(Gauges())
    return generate_latest(_counters()) + generate_latest(gauges)


def _counters() -> Collector:
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return REGISTRY
    registry = CollectorRegistry(auto_describe=False)
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def may_scrape(*, address: str, authorization: str) -> bool:
    """Whether a caller may read metrics: by METRICS_TOKEN, or from METRICS_ALLOWED_NETWORKS.

    Where neither is set, nobody. `authorization` is the header's text.
    """
    token = hub_settings.metrics_token
    if token and constant_time_compare(authorization, f"Bearer {token}"):
        return True
    return any(_contains(network, address) for network in hub_settings.metrics_allowed_networks)


def _contains(network: str, address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
