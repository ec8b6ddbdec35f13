"""What every product of a comparison is configured with."""

from __future__ import annotations

# Published by Safaricom for its sandbox short code (Daraja reference, section 1).
PASSKEY = "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919"
# The eight settings that the comparison of config reads is about.
FIELDS = {
    "consumer_key": "bench-consumer-key",
    "consumer_secret": "bench-consumer-secret",
    "passkey": PASSKEY,
    "security_credential": "bench-security-credential",
    "short_code": "174379",
    "base_url": "https://sandbox.safaricom.co.ke",
    "callback_base_url": "https://erp.example.ke",
    "initiator_name": "bench-initiator",
}
