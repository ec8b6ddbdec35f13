"""KRA (eTIMS and GavaConnect). docs/reference/kra.md is its page."""

from integrations.providers.kra.check import check_connection
from integrations.registry import register_connection_test

register_connection_test("kra", check_connection)
