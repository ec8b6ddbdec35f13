"""Key rotation while serving: each stage waits until every process has seen the one before.

A new key is announced (it decrypts), promoted (it encrypts), and then everything stored is put
under it; retiring the old key is a later step of its own. The rotation is a row of durable work,
so what a killed command leaves is continued by the next one, or by any worker.
docs/explanation/secrets.md tells why.
"""

from integrations.config.rotation.keys import (
    count_stored,
    database_keys,
    present_keys,
    survey_all,
)
from integrations.config.rotation.legacy import migrate_legacy, own_keys
from integrations.config.rotation.row import QUEUE, active_rotation, last_rotation
from integrations.config.rotation.start import (
    restore_lost_key,
    resume,
    start_reencryption,
    start_retiring,
    start_rotation,
)
from integrations.config.rotation.steps import advance

__all__ = [
    "QUEUE",
    "active_rotation",
    "advance",
    "count_stored",
    "database_keys",
    "last_rotation",
    "migrate_legacy",
    "own_keys",
    "present_keys",
    "restore_lost_key",
    "resume",
    "start_reencryption",
    "start_retiring",
    "start_rotation",
    "survey_all",
]
