"""The documentation names what the code has, all of it, and its links lead somewhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.urls import get_resolver

from integrations import gauges, metrics
from integrations.management.reference.mpesa_codes import ANSWERS, HEADINGS
from integrations.models import KRASettings, MpesaSettings, PaymentState
from integrations.payments import ledger
from integrations.payments.stk_asking import NOTHING_TO_ASK_BY
from integrations.payments.stk_callback import DISPUTED, UNCONFIRMED
from integrations.payments.stk_query import GIVEN_UP, WRONG_AMOUNT
from integrations.providers.kra.client.gavaconnect import PRODUCTS
from integrations.providers.mpesa.codes import C2B_REJECTIONS, RESULTS, TOKEN_REJECTIONS
from integrations.services import IntegrationConfigService, KRAService

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


@pytest.mark.parametrize("product", RESULTS)
def test_every_result_code_is_explained_as_the_code_explains_it(product: str) -> None:
    section = section_of("docs/reference/mpesa-codes.md", HEADINGS[product])
    found = {row[0]: row for row in table_rows(section)}
    told = C2B_REJECTIONS if product == "c2b" else RESULTS[product]
    assert set(found) == {f"`{code}`" for code in told}
    for code, known in told.items():
        assert found[f"`{code}`"] == [
            f"`{code}`",
            known.outcome.value,
            known.cause,
            known.next_step or "-",
            "yes" if known.retry else "no",
            "yes" if known.is_credential_fault else "no",
        ]


def section_of(page: str, heading: str) -> str:
    after = read(page).partition(f"### {heading}\n")[2]
    assert after, heading
    return re.split(r"^##", after, maxsplit=1, flags=re.MULTILINE)[0]


def table_rows(section: str) -> list[list[str]]:
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_error_answer_of_the_reference_is_on_the_page() -> None:
    page = read("docs/reference/mpesa-codes.md").partition("## Error answers")[2]
    found = {row[0].strip("`") for row in table_rows(page)}
    assert {code for _status, code, _message in ANSWERS if code} <= found
    assert found >= TOKEN_REJECTIONS


def test_every_mpesa_field_and_payment_state_is_documented() -> None:
    cells = first_cells("docs/reference/mpesa.md")
    assert set(MpesaSettings.config_fields()) <= cells
    states = first_cells("docs/reference/mpesa.md") | set(
        re.findall(r"`(\w+)`", read("docs/reference/mpesa.md"))
    )
    assert set(PaymentState.values) <= states


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


def test_every_method_of_the_tax_service_is_documented() -> None:
    page = read("docs/reference/services.md").partition("## KRAService")[2].partition("\n## ")[0]
    told = set(re.findall(r"`(\w+)\(", page))
    names = {name for name in dir(KRAService) if not name.startswith("_")}
    assert "submit_invoice" in names
    assert names - {"config", "branch_row"} == told - {"KRAService"}


def test_every_unproven_fact_about_kra_names_settings_that_change_it() -> None:
    table = read("docs/reference/kra.md").partition("## What is not proven")[2]
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+) \|$", table, re.MULTILINE)[1:]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row[2])}
    assert len(rows) > 15
    assert {"base_url", "amount_profile", "gavaconnect_facts"} <= named
    assert named <= set(KRASettings.config_fields())
    undocumented = KRASettings.sections["What KRA does not document"]
    assert [name for name in undocumented if name not in named] == []
    told = {row[2].strip("`"): row[1] for row in rows}
    for name in (
        "offline_hours", "offline_alarm_hours", "requests_per_second", "read_timeout",
        "purchase_rejected_code", "first_list_date",
    ):  # fmt: skip
        assert str(KRASettings._meta.get_field(name).default) in told[name], name


def test_every_product_of_gavaconnect_is_in_the_table() -> None:
    cells = first_cells("docs/reference/kra.md")
    assert set(PRODUCTS) <= cells


def test_every_metric_is_documented_with_its_labels_and_no_other() -> None:
    page = read("docs/how-to/observe.md")
    rows = re.findall(r"^\| `(integrations_\w+)` \| (\w+) \| (.*?) \|", page, re.MULTILINE)
    told = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    counted = {
        each.family._name + ("_total" if each.family._type == "counter" else ""): (
            each.family._type,
            each.family._labelnames,
        )
        for each in metrics.DECLARED
    }
    assert counted.items() <= told.items()
    read_at_scrape = set(told) - set(counted)
    assert read_at_scrape == set(gauges.NAMES)
    assert {told[name][0] for name in read_at_scrape} == {"gauge"}


def test_every_named_event_is_in_the_list_of_lines_or_is_no_news() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "integrations").rglob("*.py"))
    named = set(re.findall(r'log_event\(\s*\w+,\s*logging\.\w+,\s*"(\w+)"', sources))
    named |= set(re.findall(r'_warn\(payment, "(\w+)"', sources))
    page = read("docs/how-to/observe.md").partition("## Ids")[0]
    told = set(re.findall(r"`(\w+)`", page))
    assert {"provider_call", "redis_away", "late_success"} <= named
    assert named - told <= {
        "circuits_not_read", "classify_failed", "exchange_failed", "scrape_failed",
        "throttle_unread", "token_cache_unavailable",
    }  # fmt: skip


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
    listed = re.findall(r"[\w/-]+\.md", str(site["nav"]))
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in PAGES)
    assert site["theme"]["font"] is False
    assert "extra_javascript" not in site
    assert "extra_css" not in site


def test_every_endpoint_its_scope_and_its_permission_are_documented() -> None:
    page = read("docs/reference/http-api.md")
    for pattern in get_resolver("integrations.urls").url_patterns:
        view = getattr(pattern.callback, "view_class", None)
        if view is None:
            continue
        address = str(pattern.pattern).replace("<str:pk>", "{id}")
        address = (
            address.replace("<str:public_id>", "{payment_id}")
            .replace("<str:approval_id>", "{approval_id}")
            .replace("<str:batch_id>", "{batch_id}")
            .replace("<str:query_id>", "{query_id}")
            .replace("<str:expectation_id>", "{expectation_id}")
            .replace("<str:statement_id>", "{statement_id}")
            .replace("<str:endpoint_id>", "{endpoint_id}")
            .replace("<str:event_id>", "{event_id}")
            .replace("<str:replay_id>", "{replay_id}")
            .replace("<str:slug>", "<slug>")
        )
        address = re.sub(r"<str:(\w+)>", r"{\1}", address)
        for method, right in view.rights.items():
            rows = [line for line in page.splitlines() if f"`{address}`" in line]
            told = [line for line in rows if f"`{right.scope.value}`" in line and method in line]
            assert told, (method, address)
            assert right.permission in told[0], (method, address)


def test_every_test_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"`make ([a-z-]+)`", read("README.md")))
    assert {"demo", "test", "run"} <= targets
    defined = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    assert targets <= defined


def test_every_printed_selection_of_chaos_tests_finds_one() -> None:
    told = re.search(r"pytest (tests/chaos.*) -s", read("Makefile"))
    hostile = re.search(
        r"^HOSTILE := \$\(addprefix (\S+?),((?:.*\\\n)*.*)\)", read("Makefile"), re.M
    )
    assert told is not None
    assert hostile is not None
    assert "$(HOSTILE)" in told[1]
    pages = [ROOT / f"{hostile[1]}{name}" for name in hostile[2].replace("\\", "").split()]
    pages += (ROOT / "tests/chaos").glob("test_*.py")
    names = " ".join(
        f"{page.stem} {' '.join(re.findall('def (test_[a-z0-9_]+)', page.read_text()))}"
        for page in pages
    )
    words = re.findall(r'-k ([a-z_0-9]+)"', read("docs/explanation/chaos.md"))
    assert len(words) >= 11
    assert [word for word in words if word not in names] == []


def test_the_changelog_tells_each_change_once() -> None:
    parts = re.split(r"(?m)^(?=- |#)", read("CHANGELOG.md"))
    entries = [part.strip() for part in parts if part.startswith("- ")]
    assert len(entries) > 50
    assert sorted(entries) == sorted(set(entries))
