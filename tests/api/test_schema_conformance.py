"""Generated requests against every documented endpoint: no crash, no undocumented answer."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from django.contrib.auth import get_user_model
from django.core.wsgi import get_wsgi_application
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi import checks

CHECKS = (
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
)
pytestmark = pytest.mark.browser  # Slow, and the same on every stack: runs once.


def load_schema() -> Any:
    raw = SchemaGenerator().get_schema(request=None, public=True)
    schema = schemathesis.openapi.from_dict(raw)
    schema.app = get_wsgi_application()
    return schema


SCHEMA = load_schema()


@pytest.fixture
def session(transactional_db: None) -> str:
    """The cookie header of a logged-in staff user."""
    user = get_user_model().objects.create_user("generated", password="x", is_staff=True)
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


@SCHEMA.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_endpoint_answers_as_documented(case: Any, session: str) -> None:
    answer = case.call(cookies={"sessionid": session})
    case.validate_response(answer, checks=CHECKS)
    # 500 is documented too, but nothing that is sent may cause it.
    assert answer.status_code != 500
