"""SMS, email, push and in-app messages. Imports `integrations`; is never imported by it."""
