"""`manage.py pay_out_file`."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from integrations.models import MpesaSettings, PayoutBatch
from tests.approvals.conftest import person
from tests.payments.batches.conftest import text_of


def run(path: Path, *arguments: str) -> str:
    out = StringIO()
    call_command("pay_out_file", str(path), *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "may.csv"
    path.write_text(text_of(5))
    return path


def test_it_stores_the_file_and_says_what_is_in_it(paying: MpesaSettings, file: Path) -> None:
    person("mary")
    told = run(file, "--name", "May", "--key", "may", "--user", "mary")
    batch = PayoutBatch.objects.get()
    assert f"{batch.public_id}, 5 payouts, KES {batch.total}, running." in told
    assert (batch.name, batch.requested_by_name) == ("May", "mary")
    assert "given before" in run(file, "--key", "may")


def test_faults_and_findings_are_told(paying: MpesaSettings, file: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(text_of(1) + "12,ten,A1\n")
    with pytest.raises(CommandError, match="line 3, phone"):
        run(bad)
    run(file)
    with pytest.raises(CommandError, match="--confirm same_file"):
        run(file)
    assert "5 payouts" in run(file, "--confirm", "same_file")


def test_what_is_not_there_is_told(paying: MpesaSettings, file: Path) -> None:
    with pytest.raises(CommandError, match="can't be read"):
        run(file.parent / "missing.csv")
    with pytest.raises(CommandError, match="no user nobody"):
        run(file, "--user", "nobody")
