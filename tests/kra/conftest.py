"""What the tests of KRA share; the fixtures are in `fixtures.py`, known to every test."""

from tests.kra.fixtures import BRANCH, PIN, SERIAL, kra_values, make_kra

__all__ = ["BRANCH", "PIN", "SERIAL", "kra_values", "make_kra"]
