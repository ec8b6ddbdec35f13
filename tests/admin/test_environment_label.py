"""PRODUCTION is shown wherever real money can move, whichever row or variable decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from integrations.models import MpesaSettings
from tests.hunt.plants import PASSKEY, planted

FORM = "/admin/integrations/payment/request/"
PUSHER = ("view_payment", "push_payment")
KEYS = {
    "consumer_key": planted("consumer key"), "consumer_secret": planted("consumer secret"),
    "passkey": PASSKEY, "short_code": "600000",
}  # fmt: skip


def label(client: Client, url: str = "/admin/") -> str:
    """The word at the top of the page; the tab's title must say the same."""
    html = client.get(url).content.decode()
    header = html[html.index('id="header-inner"') : html.index('id="content"')]
    (word,) = [word for word in ("PRODUCTION", "Sandbox") if f">{word}<" in header]
    assert ("[PRODUCTION]" in html.partition("</title>")[0]) is (word == "PRODUCTION")
    return word


def installation(**values: Any) -> MpesaSettings:
    return MpesaSettings.objects.create(environment="production", **{**KEYS, **values})


@pytest.mark.parametrize(
    ("shared", "own", "word"),
    [
        (True, None, "PRODUCTION"),
        (False, None, "Sandbox"),
        # By naming its short code, b1 can use it all the same.
        (True, "sandbox", "PRODUCTION"),
        (False, "sandbox", "Sandbox"),
        (False, "production", "PRODUCTION"),
    ],
)
def test_the_installations_row_counts_where_it_is_shared_and_used(
    db: None, client_of: Callable[..., Client], shared: bool, own: str | None, word: str
) -> None:
    installation(shared=shared)
    MpesaSettings.objects.create(business="b2", environment="production")
    if own is not None:
        MpesaSettings.objects.create(business="b1", environment=own)
    assert label(client_of(businesses=("b1",))) == word


def test_one_of_several_businesses_without_a_row_is_enough(
    db: None, client_of: Callable[..., Client]
) -> None:
    installation(shared=True)
    MpesaSettings.objects.create(business="b1", environment="sandbox")
    assert label(client_of(businesses=("b1", "b2"))) == "PRODUCTION"


def test_a_shared_row_that_is_switched_off_is_not_loud(
    db: None, client_of: Callable[..., Client]
) -> None:
    link = installation(shared=True).integration
    link.is_active = False
    link.save()
    assert label(client_of(businesses=("b1",))) == "Sandbox"


@pytest.mark.parametrize(
    ("shared", "businesses", "word"),
    [
        ("", ("*",), "PRODUCTION"),
        ("", (), "PRODUCTION"),
        ("", ("b1",), "Sandbox"),
        ("true", ("b1",), "PRODUCTION"),
    ],
)
def test_variables_count_where_there_is_no_row(
    db: None, client_of: Callable[..., Client], monkeypatch: pytest.MonkeyPatch,
    shared: str, businesses: tuple[str, ...], word: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("MPESA_ENVIRONMENT", "production")
    monkeypatch.setenv("MPESA_SHARED", shared)
    client = client_of(businesses=businesses)
    assert label(client) == word
    # Rows take their place as a whole.
    MpesaSettings.objects.create(environment="sandbox", shared=bool(shared))
    MpesaSettings.objects.create(business="b1", environment="sandbox")
    assert label(client) == ("PRODUCTION" if shared and businesses == ("*",) else "Sandbox")


def test_variables_that_are_no_settings_break_no_page(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPESA_ENVIRONMENT", "moon")
    assert label(admin_client) == "Sandbox"


def test_many_businesses_cost_no_more_queries(
    client_of: Callable[..., Client], db: None, quiet_templates: None,
    django_assert_max_num_queries: Any,
) -> None:  # fmt: skip
    installation(shared=True)
    client = client_of(*PUSHER, businesses=("b1", ""))
    client.get(FORM)
    with django_assert_max_num_queries(30) as caught:
        client.get(FORM)
    few = len(caught)
    client = client_of(*PUSHER, businesses=("", *(f"b{number}" for number in range(40))))
    for number in range(0, 40, 2):
        MpesaSettings.objects.create(business=f"b{number}", environment="sandbox")
    client.get(FORM)
    with django_assert_max_num_queries(few):
        assert label(client, FORM) == "PRODUCTION"


def told(client: Client) -> str:
    """What the form says of where its push goes."""
    html = client.get(FORM).content.decode()
    part = html[html.index('id="destination"') :].partition("</div>")[0]
    return " ".join(part.replace("&#x27;", "'").partition(">")[2].split())


OTHERS = "the business's own settings decide"


def test_the_form_says_where_its_push_goes(db: None, client_of: Callable[..., Client]) -> None:
    row = installation(shared=True)
    one = client_of(*PUSHER, businesses=("b1",))
    assert told(one) == '<p>b1: <span class="badge badge-live">PRODUCTION</span></p>'
    MpesaSettings.objects.create(business="b1", environment="sandbox", **KEYS)
    assert told(one) == '<p>b1: <span class="badge badge-calm">Sandbox</span></p>'
    plain = told(client_of(*PUSHER, businesses=("",)))
    assert plain == '<p>The installation: <span class="badge badge-live">PRODUCTION</span></p>'
    for businesses in (("*",), ("", "b1")):
        both = told(client_of(*PUSHER, businesses=businesses))
        assert both.startswith(plain) and f"another business, {OTHERS}" in both
    neither = told(client_of(*PUSHER, businesses=("b1", "b2")))
    assert "badge" not in neither and f"each business, {OTHERS}" in neither
    row.integration.is_active = False
    row.integration.save()
    assert "Disabled" in told(client_of(*PUSHER, businesses=("",)))
    row.delete()
    assert "Not configured" in told(client_of(*PUSHER, businesses=("",)))
    assert "No usable settings" in told(client_of(*PUSHER, businesses=("b3",)))


def test_the_form_knows_the_variables(
    db: None, client_of: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"environment": "production", **KEYS}.items():
        monkeypatch.setenv(f"MPESA_{name}".upper(), value)
    assert "PRODUCTION" in told(client_of(*PUSHER, businesses=("",)))
