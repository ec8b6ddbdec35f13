"""Reports to KRA beside invoices: items, stock, purchases, imports, customers, insurances.

Each is a row that is sent in order, branch by branch, by the queue "kra-writes".
"""

from integrations.kra.writes.persons import resend, settle
from integrations.kra.writes.sales import report_sale
from integrations.kra.writes.sending import advance, make_queue
from integrations.kra.writes.states import QUEUE
from integrations.kra.writes.store import pending_items, queue_subject, queue_write

__all__ = [
    "QUEUE",
    "advance",
    "make_queue",
    "pending_items",
    "queue_subject",
    "queue_write",
    "report_sale",
    "resend",
    "settle",
]
