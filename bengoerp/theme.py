"""The admin's theme: names, colours, and the functions that fill its navigation.

A host project writes an UNFOLD of its own and may name the same functions.
"""

from __future__ import annotations

from typing import Any

_PART = "integrations.admin.theme"

# White on the sixth shade and the fifth on the dark ground both reach 4.5 to 1.
_PRIMARY = {
    "50": "#eff6ff",
    "100": "#dbeafe",
    "200": "#bfdbfe",
    "300": "#93c5fd",
    "400": "#60a5fa",
    "500": "#3b82f6",
    "600": "#2563eb",
    "700": "#1d4ed8",
    "800": "#1e40af",
    "900": "#1e3a8a",
    "950": "#172554",
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "BengoERP Integrations",
    "SITE_HEADER": "BengoERP Integrations",
    "SITE_SUBHEADER": "Integration hub",
    "SITE_SYMBOL": "hub",
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": f"{_PART}.environment",
    "ENVIRONMENT_TITLE_PREFIX": f"{_PART}.title_prefix",
    "DASHBOARD_CALLBACK": "integrations.admin.start.fill_start_page",
    "STYLES": [f"{_PART}.style_sheet"],
    "SCRIPTS": [f"{_PART}.script"],
    "COLORS": {"primary": _PRIMARY},
    "SIDEBAR": {"navigation": f"{_PART}.navigation"},
}
