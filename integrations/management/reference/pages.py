"""Which pages are generated, and from what."""

from __future__ import annotations

from pathlib import Path

from integrations.management.reference.configuration import configuration_page
from integrations.management.reference.errors import errors_page
from integrations.management.reference.events import events_page
from integrations.management.reference.hub_settings import hub_settings_page
from integrations.management.reference.mpesa_codes import mpesa_codes_page
from integrations.management.reference.permissions import permissions_page

EXPLANATIONS = "troubleshooting.md"


def make_pages(folder: Path) -> dict[str, str]:
    """File name to text of every generated page of the reference in `folder`.

    Raises FileNotFoundError where the folder has no page that explains the codes.
    """
    return {
        "configuration.md": configuration_page(),
        "errors.md": errors_page((folder / EXPLANATIONS).read_text()),
        "events.md": events_page(),
        "hub-settings.md": hub_settings_page(),
        "mpesa-codes.md": mpesa_codes_page(),
        "permissions.md": permissions_page(),
    }
