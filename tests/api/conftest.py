"""Callers with and without rights; nothing remembered from another test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from integrations.api.recent import recent


@pytest.fixture(autouse=True)
def _nothing_recent() -> Iterator[None]:
    recent.forget()
    yield
    recent.forget()


@pytest.fixture
def caller(transactional_db: None) -> Callable[..., APIClient]:
    """Makes an API client with a real session of an ordinary or a staff user."""

    def make(*, is_staff: bool = False) -> APIClient:
        user = User.objects.create_user(f"caller-{User.objects.count()}", is_staff=is_staff)
        client = APIClient(enforce_csrf_checks=True)
        client.force_login(user)
        return client

    return make
