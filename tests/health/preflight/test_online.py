"""What only the provider can tell, against the sandbox over real HTTP; no money moves."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from integrations.config.rows import describe_row, row_snapshot
from integrations.health import preflight
from integrations.health.preflight import Finding, Level
from integrations.health.preflight.online import INVENTED_ID
from integrations.models import AuditEntry, InitiatorAlarm, MpesaSettings, Payment, ProviderCall
from tests.api.conftest import logged_in, user_with
from tests.conftest import CONSUMER_KEY, CONSUMER_SECRET, run_work
from tests.sandbox.driver import SandboxDriver

PAGE = "/admin/integrations/mpesasettings/{}/change/check/"
NAME, PASSWORD = "testapi", "Safaricom123"


@pytest.fixture
def full(mpesa: MpesaSettings, sandbox: SandboxDriver) -> MpesaSettings:
    """With an initiator that the sandbox knows."""
    sandbox.initiator("174379", name=NAME, password=PASSWORD)
    mpesa.initiator_name, mpesa.initiator_password = NAME, PASSWORD
    mpesa.certificate = sandbox.certificate()
    mpesa.save()
    return mpesa


def examine(row: MpesaSettings, *, works: bool = True, wait: float = 5.0) -> list[Finding]:
    """With a worker that looks whenever the check waits, or with none."""

    driver = SandboxDriver(row.sandbox_url.removesuffix("/mpesa-daraja"))

    def sleep(_seconds: float) -> None:
        if works:
            driver.settle()
            run_work("queries", "callbacks")

    config = row_snapshot("mpesa", row.business, describe_row(row), source="row")
    return preflight.examine(config, row, wait_seconds=wait, sleep=sleep)


def told(lines: list[Finding], level: Level) -> dict[str, str]:
    return {each.field: each.reason for each in lines if each.level is level}


def test_a_configuration_that_works_is_told_so(full: MpesaSettings, sandbox: SandboxDriver) -> None:
    lines = examine(full)
    assert told(lines, Level.ERROR).keys() <= {"worker"}
    good = told(lines, Level.OK)
    assert "Connected to" in [e.reason for e in lines if e.field == "consumer_key"][-1]
    assert "M-Pesa Express" in good["products"]
    assert "B2C" in good["products"]
    assert "told the balance" in good["initiator_name"]
    assert "took the password" in [e.reason for e in lines if e.field == "passkey"][-1]


def test_nothing_moves_and_nobody_is_prompted(full: MpesaSettings, sandbox: SandboxDriver) -> None:
    before = sandbox.accounts("174379")
    examine(full)
    assert sandbox.accounts("174379") == before
    assert sandbox.prompts() == []
    assert not Payment.objects.exists()
    assert set(ProviderCall.objects.values_list("operation", flat=True)) <= {
        "token", "probe", "stk_query", "account_balance",
    }  # fmt: skip


def test_a_wrong_key_is_told_and_nothing_more_is_asked(
    full: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.app(CONSUMER_KEY, CONSUMER_SECRET, refused=True)
    errors = told(examine(full), Level.ERROR)
    assert "refused the consumer key" in errors["consumer_key"]
    assert "stk_query" not in sandbox.counters()


def test_a_wrong_passkey_is_told(full: MpesaSettings) -> None:
    full.passkey = "ab12" * 16
    full.save()
    assert "passkey" in told(examine(full), Level.ERROR)["passkey"]


def test_a_short_code_that_m_pesa_does_not_know_is_told(full: MpesaSettings) -> None:
    full.short_code = "600123"
    full.save()
    assert "does not know this short code" in told(examine(full), Level.ERROR)["short_code"]


@pytest.mark.parametrize(
    ("products", "field"),
    [(["stk_push"], "b2c"), (["b2c_v3"], "stk_push")],
)
def test_a_product_that_is_not_ticked_is_told(
    full: MpesaSettings, sandbox: SandboxDriver, products: list[str], field: str
) -> None:
    sandbox.app(CONSUMER_KEY, CONSUMER_SECRET, products=products)
    assert "not enabled" in told(examine(full), Level.ERROR)[field]


def test_a_wrong_initiator_password_is_told_in_words(
    full: MpesaSettings, sandbox: SandboxDriver
) -> None:
    full.initiator_password = "Wrong1"
    full.save()
    errors = told(examine(full), Level.ERROR)
    assert "2001" in errors["initiator_password"]


def test_an_initiator_that_is_held_is_not_asked_again(
    full: MpesaSettings, sandbox: SandboxDriver
) -> None:
    full.initiator_password = "Wrong1"
    full.save()
    for _ in range(3):
        examine(full)
    assert InitiatorAlarm.objects.get().raised_at is not None
    assert ProviderCall.objects.filter(operation="account_balance").count() == 2
    assert "not asked" in " ".join(e.reason for e in examine(full))


def test_without_a_worker_the_answer_is_only_accepted(full: MpesaSettings) -> None:
    warnings = told(examine(full, works=False, wait=1.0), Level.WARNING)
    assert "accepted the question, and no answer came in 1 seconds" in warnings["initiator_name"]


def test_a_provider_that_is_away_is_told(full: MpesaSettings, sandbox: SandboxDriver) -> None:
    sandbox.fault("drop", times=None)
    assert "base_url" in told(examine(full), Level.ERROR)


def command(*arguments: str) -> tuple[int, str]:
    out, code = StringIO(), 0
    try:
        call_command("check_integrations", "mpesa", *arguments, stdout=out, no_color=True)
    except SystemExit as end:
        code = int(str(end.code))
    return code, out.getvalue()


def test_the_command_prints_a_line_for_each_field_and_exits_1(mpesa: MpesaSettings) -> None:
    mpesa.passkey = ""
    mpesa.save()
    code, text = command("--offline")
    assert code == 1
    assert text.startswith("M-Pesa 174379 (installation, sandbox)\n")
    assert "  ERROR    passkey: is empty. Enter it" in text
    assert "  OK       consumer_key: and consumer_secret have no mistake" in text


def test_the_command_answers_in_json_for_each_account(
    mpesa: MpesaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"consumer_key": "k", "consumer_secret": "s", "passkey": "p"}
    MpesaSettings.objects.create(**values, short_code="600997", is_main=False)
    MpesaSettings.objects.create(**values, short_code="600111", business="duka")
    lines = json.loads(command("--offline", "--json")[1])
    assert {(e["business"], e["short_code"]) for e in lines} == {
        ("", "174379"), ("", "600997"), ("duka", "600111"),
    }  # fmt: skip
    assert set(lines[0]) == {
        "business", "short_code", "environment", "level", "field", "reason", "action",
    }  # fmt: skip
    one = json.loads(command("--offline", "--json", "--business", "duka")[1])
    assert {e["short_code"] for e in one} == {"600111"}
    account = json.loads(command("--offline", "--json", "--short-code", "600997")[1])
    assert {e["short_code"] for e in account} == {"600997"}


def test_the_command_refuses_settings_that_do_not_exist(mpesa: MpesaSettings) -> None:
    with pytest.raises(CommandError, match="no M-Pesa settings for the short code '1'"):
        command("--short-code", "1")
    with pytest.raises(CommandError, match="'kiosk' has no M-Pesa settings"):
        command("--business", "kiosk")


def test_the_page_has_the_button_and_shows_what_was_found(
    mpesa: MpesaSettings, admin_client: Client
) -> None:
    form = admin_client.get(f"/admin/integrations/mpesasettings/{mpesa.pk}/change/")
    assert "Check this configuration" in form.content.decode()
    page = PAGE.format(mpesa.pk)
    assert admin_client.get(page).status_code == 405
    html = admin_client.post(page).content.decode()
    assert "Connected to" in html
    assert "took the password" in html
    entry = AuditEntry.objects.get(action="settings.checked")
    assert entry.detail.startswith(("Found", "Nothing"))
    assert admin_client.post(PAGE.format(99)).status_code == 404


def test_the_api_answers_with_the_same_findings(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    mpesa.passkey = "ab12" * 16
    mpesa.save()
    user = user_with("change_mpesasettings", is_staff=True)
    url = f"/api/v1/integrations/mpesa-settings/{mpesa.pk}/check/"
    answer = logged_in(user).post(url)
    assert logged_in(user_with("view_mpesasettings", is_staff=True)).post(url).status_code == 403
    body = answer.json()
    assert answer.status_code == 200
    assert body["success"] is False
    assert body["message"].startswith("Found ")
    assert {"level", "field", "reason", "action"} == set(body["findings"][0])
    assert any(e["field"] == "passkey" and e["level"] == "error" for e in body["findings"])


def test_the_invented_id_is_nobodys(mpesa: MpesaSettings) -> None:
    assert INVENTED_ID.startswith("ws_CO_0101200")
