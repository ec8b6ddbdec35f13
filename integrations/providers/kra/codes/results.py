"""Result codes of eTIMS. Source: eTIMS reference, section 8."""

from __future__ import annotations

from integrations.providers.kra.codes.words import Kind, Meaning

_REPORT = "Report it to whoever runs this system."
_PATHS = "Check transport, host and paths in the KRA settings."
_RESOLVED = "It is looked up before anything is sent again."

_ROWS = (
    Meaning("000", Kind.OK, "KRA took it.", ""),
    Meaning("001", Kind.EMPTY, "KRA has nothing for this question.", ""),
    Meaning("891", Kind.REFUSED, "The address of the call could not be built.", _PATHS),
    Meaning("892", Kind.REFUSED, "The headers of the call could not be built.", _REPORT),
    Meaning("893", Kind.REFUSED, "The body of the call could not be built.", _REPORT),
    Meaning(
        "894", Kind.UNKNOWN, "The control unit could not reach KRA's server.", _RESOLVED,
        retry_read=True,
    ),
    Meaning("895", Kind.DEVICE, "KRA does not allow this method at this address.", _PATHS),
    Meaning(
        "896", Kind.UNKNOWN, "KRA's server answered with an unexpected status.", _RESOLVED,
        retry_read=True,
    ),
    Meaning(
        "899", Kind.UNKNOWN, "The control unit had a fault that it does not name.", _RESOLVED
    ),
    Meaning(
        "900", Kind.DEVICE, "KRA misses the PIN, branch or communication key of the call.",
        "Initialise the device, or paste its communication key into the KRA settings.",
    ),
    Meaning(
        "901", Kind.DEVICE, "KRA does not accept this device.",
        "Check PIN, branch, serial and communication key; a new serial must be approved by KRA.",
    ),
    Meaning(
        "902", Kind.DEVICE, "This device was initialised before; KRA gives its key out only once.",
        "Paste the communication key and the control unit's id into the KRA settings.",
    ),
    Meaning(
        "903", Kind.DEVICE, "KRA verifies OSCU devices only, and this serial is none.",
        "Have the serial approved as an OSCU device on the eTIMS portal.",
    ),
    Meaning(
        "905", Kind.DEVICE, "KRA has not approved this serial as an OSCU device.",
        "Have the serial approved as an OSCU device on the eTIMS portal.",
    ),
    Meaning(
        "910", Kind.REFUSED, "KRA refused a value of the request.",
        "Correct the document and submit it again.",
    ),
    Meaning("911", Kind.REFUSED, "KRA got a request without content.", _REPORT),
    Meaning("912", Kind.DEVICE, "KRA has no such call at this address.", _PATHS),
    Meaning(
        "913", Kind.REFUSED, "A value is not in KRA's code list.",
        "Correct the unit, class or code that is named, from the code lists, and submit it again.",
    ),
    Meaning(
        "921", Kind.DUPLICATE, "KRA does not receive this sale: it has the number, or the order "
        "of calls is wrong.", "What KRA has under this number is looked up.",
    ),
    Meaning(
        "922", Kind.REFUSED, "KRA takes invoice data only after the sale's data.",
        "Check in the KRA settings whether saveInvoice is to be called after saveSales.",
    ),
    Meaning(
        "990", Kind.BUSY, "KRA was asked too often.", "Calls are slowed down; wait a while.",
        retry_read=True,
    ),
    Meaning(
        "991", Kind.UNKNOWN, "KRA had a fault while it stored the data.", _RESOLVED,
        retry_read=True,
    ),
    Meaning(
        "992", Kind.UNKNOWN, "KRA had a fault while it changed the data.", _RESOLVED,
        retry_read=True,
    ),
    Meaning(
        "993", Kind.UNKNOWN, "KRA had a fault while it deleted the data.", _RESOLVED,
        retry_read=True,
    ),
    Meaning(
        "994", Kind.DUPLICATE, "KRA has this number already.",
        "What KRA has under this number is looked up.",
    ),
    Meaning(
        "995", Kind.REFUSED, "KRA misses a file that belongs to the request.",
        "Ask KRA's support what the device lacks.",
    ),
    Meaning(
        "999", Kind.UNKNOWN, "KRA had a fault that it does not name.", _RESOLVED, retry_read=True
    ),
    Meaning(
        "E04", Kind.DEVICE, "KRA does not know this device or branch.",
        "Check PIN, branch and serial in the KRA settings.",
    ),
    Meaning(
        "E11", Kind.DEVICE, "The VSCU's storage is full.",
        "Let it reach KRA so that it can hand its invoices over, then go on.",
    ),
    Meaning(
        "E31", Kind.REFUSED, "KRA refused the time since which a list is asked for.",
        "Have the list read from the beginning.",
    ),
)  # fmt: skip

RESULTS = {row.code: row for row in _ROWS}
# Seen on other paths for success (section 8).
SUCCESS = frozenset({"000", "0", "00", "0000"})
# The same text for a number that exists and for damaged device files (section 8).
VSCU_899 = Meaning(
    "899",
    Kind.DUPLICATE,
    "The VSCU refused without naming why: it has this number already, or its files are damaged.",
    "Look into the VSCU's book for the number; if it is not there, have the VSCU repaired.",
    is_certain=False,
)
