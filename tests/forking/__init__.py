"""Processes that use every kind of connection, fork, and use them again, before witnesses."""
