"""The documentation names what the code has, all of it, and its links lead somewhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from integrations.models import MpesaSettings, PaymentState
from integrations.payments import ledger
from integrations.payments.ledger import TOLD
from integrations.payments.reconcile import NOTHING_TO_ASK_BY
from integrations.payments.stk_callback import DISPUTED, UNCONFIRMED
from integrations.payments.stk_query import GIVEN_UP, WRONG_AMOUNT
from integrations.providers.mpesa.codes import STK_RESULTS
from integrations.services import IntegrationConfigService

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
ROOT_PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
DECLARED = re.compile(r"^#?\s?([A-Z][A-Z0-9_]+)=", re.MULTILINE)
CHECK_ID = re.compile(r"integrations\.[EW]\d{3}")


def read(path: str) -> str:
    return (ROOT / path).read_text()


def first_cells(page: str) -> set[str]:
    """The code spans in the first column of the page's tables."""
    return set(re.findall(r"^\| `([^`]+)`", read(page), re.MULTILINE))


def names_read_by_settings() -> set[str]:
    """First arguments of env.str(...), env.list(...) and so on."""
    tree = ast.parse(read("bengoerp/settings.py"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {str(call.args[0].value) for call in calls if _reads_environment(call)}  # type: ignore[attr-defined]


def _reads_environment(call: ast.Call) -> bool:
    function: Any = call.func
    is_env = isinstance(function, ast.Attribute) and getattr(function.value, "id", "") == "env"
    return is_env and bool(call.args) and isinstance(call.args[0], ast.Constant)


def test_the_reader_of_settings_finds_the_names() -> None:
    assert {"DJANGO_DEBUG", "CYPHER_KEY", "DATABASE_URL"} <= names_read_by_settings()


def test_every_setting_has_its_row_in_the_reference() -> None:
    assert names_read_by_settings() <= first_cells("docs/reference/settings.md")


def test_the_settings_reference_names_nothing_that_is_not_read() -> None:
    table = read("docs/reference/settings.md").partition("## Python settings")[0]
    named = set(re.findall(r"^\| `([A-Z][A-Z0-9_]+)`", table, re.MULTILINE))
    assert named == names_read_by_settings()


def test_the_example_environment_names_exactly_what_is_read() -> None:
    named = DECLARED.findall(read(".env.example"))
    assert sorted(named) == sorted(names_read_by_settings())


def test_the_example_environment_holds_no_secret() -> None:
    filled = re.findall(r"^#?\s?([A-Z_]*(?:KEY|URL|PROXY))=(.+)$", read(".env.example"), re.M)
    assert filled == []


@pytest.mark.parametrize("code", STK_RESULTS)
def test_every_result_code_is_explained_as_the_code_explains_it(code: str) -> None:
    known = STK_RESULTS[code]
    cells = ["", f" `{code}` ", f" {known.outcome} ", known.cause, known.next_step]
    rows = [line.split("|") for line in read("docs/reference/mpesa.md").splitlines()]
    row = next((row for row in rows if row[:2] == cells[:2]), None)
    assert row is not None, f"no row for {code}"
    assert row[2] == cells[2]
    assert row[3].strip() == known.cause
    assert row[4].strip() == (known.next_step or "–")
    assert row[5].strip() == ("yes" if known.retry else "no")


def test_the_reference_has_no_result_code_that_the_code_has_not() -> None:
    page = read("docs/reference/mpesa.md")
    section = page.partition("## Result codes")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)) == set(STK_RESULTS)


def test_every_mpesa_field_and_payment_state_is_documented() -> None:
    cells = first_cells("docs/reference/mpesa.md")
    assert set(MpesaSettings.config_fields()) <= cells
    states = first_cells("docs/reference/mpesa.md") | set(
        re.findall(r"`(\w+)`", read("docs/reference/mpesa.md"))
    )
    assert set(PaymentState.values) <= states


def test_every_event_that_is_published_is_documented() -> None:
    cells = first_cells("docs/how-to/listen-to-events.md")
    assert {f"payment.{state}" for state in TOLD} | {"payment.receipt"} == cells & events_named()


def events_named() -> set[str]:
    return set(re.findall(r"`(payment\.[a-z]+)`", read("docs/how-to/listen-to-events.md")))


def test_every_fixed_reason_for_attention_is_explained() -> None:
    page = read("docs/how-to/reconcile-payments.md")
    reasons = [
        ledger.LATE_SUCCESS,
        GIVEN_UP,
        NOTHING_TO_ASK_BY,
        DISPUTED,
        UNCONFIRMED,
        WRONG_AMOUNT,
    ]
    assert [text for text in reasons if f"| {text} |" not in page] == []


def test_every_kind_of_history_is_explained() -> None:
    """Each literal `kind=` and second argument of `note(` in the payments package."""
    sources = "".join(path.read_text() for path in (ROOT / "integrations/payments").glob("*.py"))
    kinds = set(re.findall(r'kind="(\w+)"', sources))
    kinds |= set(re.findall(r'note\(\s*payment,\s*"(\w+)"', sources))
    assert {"created", "callback", "attention"} <= kinds
    assert kinds <= first_cells("docs/how-to/reconcile-payments.md")


def test_every_method_of_the_configuration_service_is_documented() -> None:
    page = read("docs/reference/services.md")
    names = [name for name in dir(IntegrationConfigService) if not name.startswith("_")]
    assert "get_mpesa_config" in names
    assert [name for name in names if name not in page] == []


def test_every_system_check_is_documented_and_no_other() -> None:
    sources = (ROOT / "integrations").rglob("*.py")
    raised = {
        found
        for path in sources
        for found in re.findall(r'\bid="(integrations\.[EW]\d{3})"', path.read_text())
    }
    assert raised
    assert raised == set(CHECK_ID.findall(read("docs/reference/checks.md")))


@pytest.mark.parametrize("page", [*ROOT_PAGES, *PAGES], ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_the_site_lists_every_page_and_loads_nothing_from_elsewhere() -> None:
    site = yaml.safe_load(read("mkdocs.yml"))
    listed = set(re.findall(r"[\w/-]+\.md", str(site["nav"])))
    assert listed == {str(page.relative_to(DOCS)) for page in PAGES}
    assert site["theme"]["font"] is False
    assert "extra_javascript" not in site
    assert "extra_css" not in site


def test_every_test_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"`make ([a-z-]+)`", read("README.md")))
    assert {"demo", "test", "run"} <= targets
    defined = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    assert targets <= defined
