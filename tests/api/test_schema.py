"""The schema is complete, and its pages need nobody else's server."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client


def test_the_schema_is_valid_and_without_warnings(transactional_db: None) -> None:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    schema = out.getvalue()
    for path in ("health/:", "health/{slug}/:", "cache/clear/:", "summary/:"):
        assert f"  /api/v1/integrations/{path}" in schema
    # Callbacks are the providers' business.
    assert "/cb/" not in schema


@pytest.mark.parametrize("page", ["/api/docs/", "/api/redoc/"])
def test_the_pages_of_the_schema_work_offline(client: Client, page: str) -> None:
    html = client.get(page).content.decode()
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', html)
    scripts = re.findall(r'<script src="([^"]+)"', html)
    assert scripts
    for script in scripts:
        assert client.get(script).status_code == 200
