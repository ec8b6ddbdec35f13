"""A server for all emulators on loopback, with faults, a clock, a control API and a panel."""

from __future__ import annotations
