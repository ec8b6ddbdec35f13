"""Two businesses that hand in by one control unit: neither touches or sees what is the other's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from rest_framework.test import APIClient

from integrations.exceptions import InvalidInput
from integrations.kra.outbox.states import QUEUE
from integrations.kra.outbox.submit import submit
from integrations.models import ApiToken, BusinessGrant, KRAInvoice, KRASettings
from tests.conftest import clear_shared
from tests.kra.outbox.conftest import Shop, drain, state_of

API = "/api/v1/integrations/kra/invoices/"


@pytest.fixture
def shared(open_shop: Callable[..., Shop]) -> Shop:
    """The installation's settings, which every business may use."""
    return open_shop(shared=True)


def of(business: str) -> APIClient:
    """A token for one business, with every right about taxes."""
    user = User.objects.create_user(f"of-{business}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="integrations"))
    BusinessGrant.objects.create(user=user, business=business)
    _, text = ApiToken.issue(
        user, name="ERP", scopes=["tax:read", "tax:write"], business=business,
        expires_at=timezone.now() + timedelta(hours=1),
    )  # fmt: skip
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


def test_another_business_can_not_credit_an_invoice(shared: Shop) -> None:
    signed = submit(shared.invoice("A-1"), business="a")
    drain()
    assert state_of(signed) == "signed"
    for number in ("A-1", str(signed.number)):
        credit = {**shared.credit(signed), "original_invoice_number": number}
        with pytest.raises(InvalidInput) as caught:
            submit(credit, business="b")
        assert caught.value.code == "unknown_original"
        answer = of(f"b{number}").post(API, {**credit, "business": f"b{number}"}, format="json")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_original")
        clear_shared()
    assert KRAInvoice.objects.count() == 1
    assert submit(shared.credit(signed), business="a").original == signed


def test_another_business_can_not_correct_what_was_rejected(shared: Shop) -> None:
    mine = submit(shared.invoice("A-1"), business="a")
    KRAInvoice.objects.filter(pk=mine.pk).update(state="rejected", next_attempt_at=None)
    other = shared.invoice("A-1", customer={"name": "Somebody else"})
    with pytest.raises(InvalidInput) as caught:
        submit(other, business="b")
    assert (caught.value.field, caught.value.code) == ("invoice_number", "invoice_differs")
    mine.refresh_from_db()
    assert (mine.state, mine.customer_name) == ("rejected", "Mwangi & Sons")


def test_another_business_is_not_told_of_a_document_with_its_number(shared: Shop) -> None:
    data = shared.invoice("A-1")
    submit(data, business="a")
    answer = of("b").post(API, {**data, "business": "b"}, format="json")
    assert answer.status_code == 409
    assert answer.json()["error"]["field"] == "invoice_number"
    assert "Waiting" not in answer.content.decode()
    assert KRAInvoice.objects.get().business == "a"


def test_both_hand_in_by_the_one_control_unit(shared: Shop) -> None:
    made = [submit(shared.invoice(f"{name}-1"), business=name) for name in ("a", "b", "")]
    drain()
    assert [state_of(each) for each in made] == ["signed"] * 3
    assert [each.number for each in made] == [1, 2, 3]
    assert len({each.branch_id for each in made}) == 1
    assert [each.business for each in made] == ["a", "b", ""]
    assert KRASettings.objects.count() == 1 and QUEUE
