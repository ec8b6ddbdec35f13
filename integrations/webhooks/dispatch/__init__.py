"""The dispatcher of webhooks: `serve` is one turn of its queue.

See docs/explanation/webhooks.md.
"""

from integrations.webhooks.dispatch.desk import close_desk
from integrations.webhooks.dispatch.serve import LONGEST_REQUEST, QUEUE, make_queue, serve

__all__ = ["LONGEST_REQUEST", "QUEUE", "close_desk", "make_queue", "serve"]
