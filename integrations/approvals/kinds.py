"""What can be approved: each kind says who may, what is shown, and what happens then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.exceptions import ConfigurationError
from integrations.models import Approval

Handler = Callable[[Any, Approval], None]


@dataclass(frozen=True)
class Kind:
    """One kind of thing that waits for a second person.

    `permission` is what the approver needs ("integrations.approve_payout"). `on_approved` and
    `on_rejected` get the subject, freshly read and locked, and the approval as it now stands;
    they run inside the transaction of the decision, so they only write rows, and what they raise
    undoes the decision. `on_rejected` is called too where the request was withdrawn or has
    expired: `approval.state` tells which, `approval.reason` why.

    `describe` gives the essential facts of a subject, in the order in which they are shown:
    everything that decides what will be done (amount, receiver, reference, account), and nothing
    that changes by itself.
    """

    name: str
    label: str
    permission: str
    on_approved: Handler
    on_rejected: Handler
    describe: Callable[[Any], Mapping[str, str]]


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Make `kind` known; ConfigurationError when its name means something else."""
    if _kinds.setdefault(kind.name, kind) != kind:
        raise ConfigurationError(f"Two different kinds of approval are named {kind.name}.")


def unregister(name: str) -> None:
    """Forget a kind (a host project that replaces one, and tests)."""
    _kinds.pop(name, None)


def kinds() -> list[Kind]:
    """Every registered kind, by name."""
    return [_kinds[name] for name in sorted(_kinds)]


def get_kind(name: str) -> Kind:
    """The kind of that name; ConfigurationError lists the known ones."""
    try:
        return _kinds[name]
    except KeyError:
        known = ", ".join(sorted(_kinds)) or "none"
        raise ConfigurationError(f"No approval is of kind {name}; there are: {known}.") from None


def label_of(name: str) -> str:
    """The kind for people; its name where it is not registered any more."""
    kind = _kinds.get(name)
    return kind.label if kind else name
