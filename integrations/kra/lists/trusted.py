"""Whose word is taken for what several businesses go by: codes, tax rates, a PIN's catalogue.

Who may change one business's settings may name any host there. Such a host may tell that business
what it likes; it must not set the tax rates of all others.
"""

from __future__ import annotations

from integrations.config import Snapshot
from integrations.exceptions import ConfigurationError
from integrations.kra.lists.feeds import Feed
from integrations.models import KRASettings
from integrations.models.kra_choices import ETIMS_HOSTS
from integrations.models.settings_model import host_of
from integrations.outbound.urls import allowed_hosts

# Of KRA as a whole: one copy for each environment.
EVERYBODYS = frozenset({"codes", "item_classes"})
# Of a PIN, which several businesses may have.
OF_PIN = frozenset({"items", "branches", "notices"})
UNTRUSTED = (
    "Other businesses go by this list too, so it is read from KRA's own host, from one in "
    "OUTBOUND_ALLOWED_HOSTS, or by the installation's settings; {host} is none of these."
)


def refuse_untrusted(config: Snapshot, feed: Feed) -> None:
    """Raises ConfigurationError ("untrusted_host") for others' list from a business's own host."""
    if feed.name not in EVERYBODYS | OF_PIN or not config.owner:
        return
    host = host_of(str(config.values["base_url"]))
    if host in map(host_of, ETIMS_HOSTS.values()) or host in allowed_hosts():
        return
    others = KRASettings.objects.filter(kra_pin=config.text("kra_pin"))
    if feed.name in EVERYBODYS or others.exclude(business=config.owner).exists():
        raise ConfigurationError(UNTRUSTED.format(host=host), code="untrusted_host")
