"""The generated pages are those of the present code, and hold what they are for."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from integrations import registry
from integrations.conf import declared
from integrations.crypto.fields import EncryptedTextField
from integrations.events.catalogue import event_types
from integrations.kra.outbox import book
from integrations.management.commands.make_reference import FOLDER
from integrations.models import ApprovalState, MpesaSettings, Payment, PaymentState, TokenScope
from integrations.payments import ledger, sums
from integrations.payments.event_types import PAYLOAD

ROOT = Path(__file__).parent.parent.parent


def rows(page: str) -> dict[str, str]:
    """The table rows of a generated page by their first code span."""
    lines = (FOLDER / page).read_text().splitlines()
    return {match[1]: line for line in lines if (match := re.match(r"\| \[?`([^`]+)`", line))}


def test_the_generated_pages_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("make_reference", "--check")
    assert "6 pages are up to date" in capsys.readouterr().out


def test_a_stale_page_is_named_and_written_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "reference"
    shutil.copytree(FOLDER, folder)
    (folder / "events.md").write_text("old")
    (folder / "errors.md").unlink()
    with pytest.raises(CommandError, match=r"errors\.md, events\.md"):
        call_command("make_reference", "--check", folder=folder)
    assert (folder / "events.md").read_text() == "old"
    call_command("make_reference", folder=folder)
    assert "written: events.md" in capsys.readouterr().out
    call_command("make_reference", "--check", folder=folder)


def test_a_folder_that_is_no_reference_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is missing"):
        call_command("make_reference", folder=tmp_path)


def test_every_field_of_every_integration_is_in_the_configuration() -> None:
    found = rows("configuration.md")
    page = (FOLDER / "configuration.md").read_text()
    for integration in registry.integrations():
        # Two integrations may have fields of one name: the variable tells them apart.
        for name in registry.settings_model(integration.slug).config_fields():
            variable = f"{integration.slug}_{name}".upper()
            assert re.search(rf"^\| `{name}` \|.*`{variable}`", page, re.M), variable
    assert "secret, required" in found["consumer_key"]
    assert str(MpesaSettings._meta.get_field("passkey").help_text) in found["passkey"]


def test_no_value_of_a_secret_field_is_printed() -> None:
    """Their defaults are empty, and must stay so: the page prints defaults."""
    for name in MpesaSettings.secret_fields():
        field = MpesaSettings._meta.get_field(name)
        assert isinstance(field, EncryptedTextField)
        assert rows("configuration.md")[name].split(" | ")[3] == "-"


def test_every_setting_scope_and_permission_has_its_row() -> None:
    assert set(rows("hub-settings.md")) == {item.name for item in declared()}
    found = rows("permissions.md")
    assert set(TokenScope.values) <= set(found)
    assert {f"integrations.{name}" for name, _label in Payment._meta.permissions} <= set(found)


def test_the_events_that_are_declared_are_those_that_are_published() -> None:
    published = {f"payment.{state}" for state in ledger.TOLD}
    published |= {f"invoice.{state}" for state in book.TOLD}
    published |= {f"approval.{state}" for state in ApprovalState if state != ApprovalState.OPEN}
    published |= set(sums.EVENT_OF.values())
    for path in (ROOT / "integrations").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "publish":
                published |= {
                    argument.value
                    for argument in node.args[:1]
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
                }
    assert "payment.receipt" in published
    own = ("settings.", "webhook.")
    declared_names = {item.name for item in event_types()}
    assert {name for name in declared_names if not name.startswith(own)} == published


def test_the_payload_that_is_declared_is_the_one_that_is_published() -> None:
    payment = Payment(state=PaymentState.SUCCEEDED, amount=1, phone="254712345678")
    always = [name for name, key in PAYLOAD.items() if not key.only]
    assert list(ledger.describe(payment)) == always


def test_a_page_has_no_cell_that_breaks_its_table() -> None:
    for path in sorted(FOLDER.glob("*.md")):
        if "make_reference" not in path.read_text()[:80]:
            continue
        for block in re.findall(r"(?:^\|.*\n?)+", path.read_text(), re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(widths) == 1, (path.name, block[:200])


def test_nothing_of_a_machine_is_in_the_pages() -> None:
    """A default such as a function or a path would differ from one machine to the next."""
    for path in FOLDER.glob("*.md"):
        assert " at 0x" not in path.read_text()
        assert str(ROOT) not in path.read_text()
