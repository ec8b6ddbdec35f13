"""M-Pesa (Safaricom Daraja). docs/reference/mpesa.md is its page."""

from integrations.providers.mpesa.client import check_connection
from integrations.registry import register_connection_test

register_connection_test("mpesa", check_connection)
