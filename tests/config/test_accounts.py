"""Several rows of one business, told apart by their short code."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from integrations.config import clear_cache, get_snapshot
from integrations.config.shared import shared
from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.models import AuditEntry, MpesaSettings
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.services import IntegrationConfigService as Service
from tests.config.conftest import VALUES
from tests.processes import child_environment

OTHER = {**VALUES, "short_code": "600997", "is_main": False}


def code_of(business: str = "", account: str = "") -> str:
    return str(get_snapshot("mpesa", business, account).values["short_code"])


def refused(business: str, account: str) -> tuple[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        get_snapshot("mpesa", business, account)
    return caught.value.code, caught.value.message


@pytest.fixture
def further(row: MpesaSettings) -> MpesaSettings:
    return MpesaSettings.objects.create(**OTHER)


def test_an_account_is_found_by_its_short_code(further: MpesaSettings) -> None:
    assert code_of() == "600000"
    assert code_of(account="600997") == "600997"
    assert code_of(account="600000") == "600000"
    # And again, from the memory of this process.
    assert (code_of(), code_of(account="600997")) == ("600000", "600997")


def test_each_account_has_its_own_secrets(row: MpesaSettings) -> None:
    MpesaSettings.objects.create(**{**OTHER, "consumer_key": "another key"})
    assert get_snapshot("mpesa", account="600997").text("consumer_key") == "another key"
    assert get_snapshot("mpesa").text("consumer_key") == VALUES["consumer_key"]


@pytest.mark.parametrize("business", ["", "duka"])
def test_an_unknown_account_is_named_and_refused(further: MpesaSettings, business: str) -> None:
    code, text = refused(business, "111222")
    assert code == "unknown_account"
    assert "'111222'" in text
    assert "short code" in text


def test_only_shared_accounts_of_the_installation_serve_a_business(further: MpesaSettings) -> None:
    assert refused("duka", "600997")[0] == "unknown_account"
    further.shared = True
    further.save()
    assert code_of("duka", "600997") == "600997"
    # The main row is not shared, so without a name nothing serves the business.
    assert refused("duka", "")[0] == "unknown_business"


def test_the_accounts_of_one_business_are_not_those_of_another(further: MpesaSettings) -> None:
    MpesaSettings.objects.create(**{**OTHER, "business": "duka", "is_main": True})
    further.delete()
    assert code_of("duka") == "600997"
    assert refused("", "600997")[0] == "unknown_account"
    assert refused("kiosk", "600997")[0] == "unknown_account"


def test_a_business_with_its_own_row_can_name_a_shared_one(further: MpesaSettings) -> None:
    MpesaSettings.objects.create(**{**VALUES, "business": "duka", "short_code": "600111"})
    further.shared = True
    further.save()
    assert code_of("duka") == "600111"
    assert code_of("duka", "600997") == "600997"
    # Its own goes first.
    own = {**OTHER, "business": "duka", "consumer_key": "own key"}
    MpesaSettings.objects.create(**own)
    assert get_snapshot("mpesa", "duka", "600997").text("consumer_key") == "own key"


def test_accounts_without_a_main_one_have_to_be_named(row: MpesaSettings) -> None:
    row.shared = True
    row.save()
    MpesaSettings.objects.create(**{**OTHER, "business": "duka"})
    assert refused("duka", "")[0] == "no_main_account"
    assert refused("duka", "")[0] == "no_main_account"  # cached as well
    assert code_of("duka", "600997") == "600997"


@pytest.mark.parametrize("account", [600997, "6\x00", "1" * 101, ["600997"], b"600997"])
def test_what_is_no_text_is_no_account(further: MpesaSettings, account: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        get_snapshot("mpesa", "", account)
    assert (caught.value.field, caught.value.code) == ("short_code", "unknown_account")


def test_a_business_can_not_reach_an_account_through_the_cache_key(
    further: MpesaSettings,
) -> None:
    """Both tiers: whatever colons and quotes the texts hold, they are other questions."""
    code_of(account="600997")
    for business in ("600997", ":600997", "', '600997", "x', '', '600997"):
        assert refused(business, "")[0] == "unknown_business"


def test_the_shared_tier_knows_accounts_apart(further: MpesaSettings) -> None:
    shared._paused_until = 0.0
    assert (code_of(), code_of(account="600997")) == ("600000", "600997")
    MpesaSettings.objects.all()._raw_delete(using="default")  # type: ignore[attr-defined]
    clear_cache()
    # The rows are gone without a new stamp, so what answers is the shared tier.
    assert (code_of(), code_of(account="600997")) == ("600000", "600997")


def test_a_change_of_one_account_is_seen_at_once(further: MpesaSettings) -> None:
    code_of(account="600997")
    further.maximum_amount = 5
    further.save()
    assert get_snapshot("mpesa", account="600997").values["maximum_amount"] == 5
    further.delete()
    assert refused("", "600997")[0] == "unknown_account"


def test_one_main_row_and_each_short_code_once(further: MpesaSettings) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        MpesaSettings.objects.create(**{**VALUES, "short_code": "600111"})
    with pytest.raises(IntegrityError), transaction.atomic():
        MpesaSettings.objects.create(**OTHER)
    with pytest.raises(ValidationError, match="already has settings for this short code"):
        MpesaSettings(**OTHER).full_clean()
    with pytest.raises(ValidationError, match="with “Main account” unticked"):
        MpesaSettings(**{**VALUES, "short_code": "600111"}).full_clean()
    with pytest.raises(ValidationError, match="needs it, to be named"):
        MpesaSettings(**{**OTHER, "short_code": ""}).full_clean()


def test_the_environment_serves_the_main_account_only(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPESA_SHORT_CODE", "600111")
    assert code_of() == code_of(account="600111") == "600111"
    assert refused("", "600997")[0] == "unknown_account"
    MpesaSettings.objects.create(**OTHER)
    assert (code_of(), code_of(account="600997")) == ("600111", "600997")
    monkeypatch.setenv("MPESA_SHARED", "true")
    clear_cache()
    assert code_of("duka") == "600111"


def test_another_row_becomes_the_main_one_in_one_step(
    row: MpesaSettings, further: MpesaSettings
) -> None:
    further.make_main()
    assert code_of() == "600997"
    assert code_of(account="600000") == "600000"
    row.refresh_from_db()
    assert (row.is_main, further.is_main) == (False, True)
    changes = AuditEntry.objects.filter(action="settings.changed").values_list("fields", flat=True)
    assert list(changes) == [["is_main"], ["is_main"]]


def test_the_present_main_row_must_have_a_name_before_it_steps_back(
    row: MpesaSettings, further: MpesaSettings
) -> None:
    MpesaSettings.objects.filter(pk=row.pk).update(short_code="")
    with pytest.raises(ValidationError, match="no short code"):
        further.make_main()
    assert MpesaSettings.objects.get(is_main=True).pk == row.pk


def test_the_service_takes_a_short_code(further: MpesaSettings) -> None:
    assert Service.get_mpesa_config(short_code="600997")["short_code"] == "600997"
    assert Service.is_mpesa_configured(short_code="600997") is True
    assert Service.is_mpesa_active(short_code="1") is False
    assert Service.test_mpesa_connection(short_code="1")[0] is False
    with pytest.raises(TypeError):
        Service.get_mpesa_config(shortcode="600997")
    assert MpesaPaymentService.get_settings(short_code="600997") == further
    assert MpesaPaymentService.get_settings() != further


def test_another_process_sees_both_accounts(further: MpesaSettings) -> None:
    script = (
        "import django; django.setup()\n"
        "from integrations.config import get_snapshot\n"
        "for account in ('', '600997', '600997'):\n"
        "    config = get_snapshot('mpesa', '', account)\n"
        "    print(config.values['short_code'], bool(config.text('passkey')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=child_environment(), capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split("\n")[:3] == ["600000 True", "600997 True", "600997 True"]
