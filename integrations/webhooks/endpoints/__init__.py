"""Endpoints: made, changed, switched and deleted. Everything else only reads them."""

from integrations.webhooks.endpoints.changes import (
    FIELDS,
    Changed,
    Created,
    create_endpoint,
    look_up_of,
    update_endpoint,
)
from integrations.webhooks.endpoints.headers import read_headers
from integrations.webhooks.endpoints.removal import delete_endpoint, purge_deleted
from integrations.webhooks.endpoints.switches import disable, enable, pause, resume
from integrations.webhooks.endpoints.validation import clean_endpoint

__all__ = [
    "FIELDS",
    "Changed",
    "Created",
    "clean_endpoint",
    "create_endpoint",
    "delete_endpoint",
    "disable",
    "enable",
    "look_up_of",
    "pause",
    "purge_deleted",
    "read_headers",
    "resume",
    "update_endpoint",
]
