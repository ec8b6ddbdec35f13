"""`manage.py demo`: the main job once, on a throw-away installation; with --stay, until Ctrl-C."""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from integrations.kra.service import KRAService
from integrations.models import (
    Approval,
    ExpectationState,
    ExpectedPayment,
    KRABranch,
    KRASettings,
    MpesaSettings,
    Payment,
)
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.sandbox.hook_listener import HookListener, listening
from integrations.sandbox.stack import (
    PROJECT,
    LocalStack,
    StackError,
    fresh_environment,
    running,
)
from integrations.sandbox.visitor import Visitor, wait_until, wait_until_final
from integrations.webhooks.endpoints import create_endpoint

ADMIN = "admin"
# Amounts at which the sandbox plays a certain phone (docs/reference/sandbox.md).
WRONG_PIN_AMOUNT = 2001
# What the webhook endpoint gets, and how many of the story's payments are paid.
PAID, PAYMENTS = "payment.succeeded", 3

# What the ERP sells, and to whom.
ITEM = {
    "name": "Sugar 1 kg", "class_code": "5059690800", "packaging_unit": "NT",
    "quantity_unit": "NO", "tax_type": "B", "price": "116.00", "reference": "SUGAR",
}  # fmt: skip
INVOICE = {
    "invoice_number": "INV-1001",
    "issue_date": "2026-11-23",
    "customer": {"name": "Mwangi & Sons", "kra_pin": "A123456789B"},
    "prices_include_tax": True,
    "items": [
        {"description": "Sugar 1 kg", "reference": "SUGAR", "quantity": 10, "unit_price": "116.00"}
    ],
}
# A PIN that KRA's portal publishes for tests (reference, section 11).
SOMEBODY = "A744610021G"


class Command(BaseCommand):
    """Starts web, worker and sandbox; walks money both ways and an invoice through them."""

    help = "Shows M-Pesa both ways and invoices signed by KRA, from settings to receipts."
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--stay", action="store_true", help="keep running until Ctrl-C")
        # The second half runs in a child, whose settings name the throw-away installation.
        parser.add_argument(
            "--story", nargs=3, metavar=("WEB", "SANDBOX", "RECEIVER"), help="internal"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run it; raises CommandError (exit 1) when any step fails."""
        # A shell starts background jobs with SIGINT ignored; both signals stop the children.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        try:
            if options["story"]:
                self._tell(*options["story"], is_setup_only=options["stay"])
            elif options["stay"]:
                self._stay()
            else:
                with tempfile.TemporaryDirectory(prefix="bengoerp-demo-") as folder:
                    self._once(Path(folder))
        except StackError as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            raise CommandError("Stopped.", returncode=130) from None

    def _say(self, text: str = "") -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _once(self, folder: Path) -> None:
        self._say("BengoERP Integrations: M-Pesa both ways and KRA, from settings to receipts.\n")
        self._say("1. Starting web, worker and sandbox on free loopback ports…")
        stack = LocalStack(folder, fresh_environment(folder))
        stack.environment["DEMO_PASSWORD"] = secrets.token_urlsafe(12)
        with running(stack):
            self._say(f"   web {stack.web_url}   sandbox {stack.sandbox_url}   database SQLite")
            self._run_story(stack)
        self._say("\nAll three processes are stopped. Next: `make run`, then docs/tutorial.")

    def _stay(self) -> None:
        folder = PROJECT / ".demo"
        folder.mkdir(mode=0o700, exist_ok=True)
        password = secrets.token_urlsafe(12)
        stack = LocalStack(folder, _kept_environment(folder), is_interactive=True)
        stack.environment["DEMO_PASSWORD"] = password
        self._say("Starting web, worker and sandbox…")
        with running(stack):
            self._run_story(stack, "--stay")
            _write_environment(folder, stack.environment)
            self._say(f"\n  Admin    {stack.web_url}/admin/   user {ADMIN}   password {password}")
            self._say(f"  API      {stack.web_url}/api/docs/")
            self._say(f"  Phone    {stack.sandbox_url}/   (approve, cancel or mistype the PIN)")
            self._say("\n  In a second terminal, ask for money and then play the phone:")
            self._say("    make push phone=0712345678 amount=1000 reference=INV001")
            self._say("  Payouts above KES 1,000 wait for a second person: docs/tutorial.")
            self._say("\n  Ctrl-C stops everything.")
            try:
                stack.watch()
            except KeyboardInterrupt:
                self._say("\nStopping…")

    def _run_story(self, stack: LocalStack, *more: str) -> None:
        places = [stack.web_url, stack.sandbox_url, stack.receiver_place]
        arguments = ["manage.py", "demo", "--story", *places, *more]
        done = subprocess.run(  # noqa: S603 - our own command line
            [sys.executable, *arguments], cwd=PROJECT, env=stack.environment, check=False
        )
        if done.returncode:
            raise StackError("The demo stopped at the step above.")

    def _tell(
        self, web_url: str, sandbox_url: str, receiver_place: str, *, is_setup_only: bool
    ) -> None:
        password = os.environ["DEMO_PASSWORD"]
        users = get_user_model()._default_manager
        user, _ = users.get_or_create(
            username=ADMIN, defaults={"is_staff": True, "is_superuser": True}
        )
        user.set_password(password)
        user.save()
        visitor = Visitor(web_url)
        visitor.log_in(ADMIN, password)
        if is_setup_only and not _needs_settings(sandbox_url):
            return
        number = "" if is_setup_only else "2. "
        self._say(f"{number}Typing the M-Pesa keys into the admin form, once…")
        path = visitor.save_settings(sandbox_url)
        self._say(f"   saved and encrypted: {web_url}{path}")
        self._say(f"{number.replace('2', '3')}Pressing “Test connection”…")
        words = visitor.test_connection(path)
        self._say(f"   {words}")
        if not words.startswith("Connected"):
            raise StackError("The connection test failed.")
        visitor.register_c2b(path)
        kra_path = visitor.save_kra_settings(sandbox_url)
        if not is_setup_only:
            with listening(receiver_place) as listener:
                self._register(listener)
                self._take(visitor, listener)
            self._tax(visitor, kra_path)
            self._health(visitor)

    def _register(self, listener: HookListener) -> None:
        self._say("4. Giving another system a webhook endpoint, for every paid payment:")
        created = create_endpoint(
            {"name": "Demo", "url": listener.url, "event_types": [PAID]}, actor=None
        )
        listener.secret = created.secret
        self._say(f"   {listener.url}   with a secret that is shown this once")

    def _take(self, visitor: Visitor, listener: HookListener) -> None:
        self._say("5. Asking 0712 345 678 for KES 1,000, as ERP code does:")
        self._say('   MpesaPaymentService.initiate_stk_push("0712345678", 1000, "INV001")')
        self._timeline(self._push("0712345678", 1000, "INV001"), expected="succeeded")
        self._say("6. The same with a payer who mistypes the PIN:")
        refused = self._push("0723456789", WRONG_PIN_AMOUNT, "INV002")
        self._timeline(refused, expected="failed")
        self._say("7. A customer pays KES 2,500 by himself, for an order that is expected:")
        self._timeline(self._receive("0722000001", 2500, "ORDER-7"), expected="succeeded")
        self._say("8. Paying KES 1,500 to 0733 000 002, which a second person has to approve:")
        self._say('   MpesaPaymentService.pay_out("0733000002", 1500, "SUP-31")')
        self._timeline(self._pay_out(visitor, "0733000002", 1500, "SUP-31"), expected="succeeded")
        self._say("9. What the other system received, checked with its secret (Standard Webhooks):")
        self._received(listener)

    def _tax(self, visitor: Visitor, path: str) -> None:
        self._say(
            "10. KRA: PIN, branch and serial are typed in; pressing “Initialise device”, once:"
        )
        self._say(f"   {visitor.initialise_device(path)}")
        kra = KRAService()
        _done(kra.sync_tax_data(lists=["codes", "item_classes"]))
        _done(kra.save_item(ITEM))
        self._say("11. Handing in an invoice, as ERP code does, and waiting for its signature:")
        self._say("   KRAService().submit_invoice({…})")
        self._signed(_done(kra.submit_invoice(INVOICE)))
        self._say("12. Crediting 2 of the 10 bags:")
        self._say(
            '   KRAService().credit_invoice("INV-1001", [{…}], number="CN-1001", reason="03")'
        )
        line = {"original_line": 1, "quantity": 2}
        self._signed(_done(kra.credit_invoice("INV-1001", [line], number="CN-1001", reason="03")))
        pdf = _done(kra.get_receipt("INV-1001", "pdf"))
        if not pdf.startswith(b"%PDF-"):
            raise StackError("The receipt is no PDF.")
        self._say(
            f"   The receipt of INV-1001, with KRA's QR code, is a PDF of {len(pdf) >> 10} KB."
        )
        self._say("13. Asking KRA who is behind a PIN (GavaConnect):")
        found = _done(kra.check_pin_online(SOMEBODY))
        self._say(f"     {SOMEBODY}  {found['name']}, {'active' if found['is_active'] else '-'}")

    def _signed(self, told: dict[str, Any]) -> None:
        amounts = f"KES {Decimal(told['total']):,.2f}, VAT {Decimal(told['tax']):,.2f}"
        number = f"KRA's number {told['number']}, {told['control_unit_id']}"
        self._say(f"     {told['invoice_number']:<9} {told['status']:<8} {amounts:<27} {number}")
        if told["status"] != "signed":
            raise StackError(f"{told['invoice_number']} is not signed: {told['message']}")

    def _health(self, visitor: Visitor) -> None:
        self._say("14. Health, as the API answers it:")
        answer = visitor.health()
        for slug, status in answer["integrations"].items():
            self._say(f"   {slug:<13} {status['status']:<15} {status['message']}")
        for slug in ("mpesa", "kra"):
            if not answer["integrations"][slug]["connected"]:
                raise StackError(f"Health says that {slug} is not connected.")

    def _received(self, listener: HookListener) -> None:
        events = wait_until(lambda: list(listener.received), lambda found: len(found) >= PAYMENTS)
        for event in events:
            verdict = "signature genuine" if event.is_genuine else "FORGED"
            payment = f"KES {Decimal(event.data['amount']):,.0f}, receipt {event.data['receipt']}"
            self._say(f"     {event.event_type:<17} {payment:<31} {verdict}")
        if len(events) != PAYMENTS or not all(event.is_genuine for event in events):
            raise StackError("The webhooks are not those that were expected.")

    def _receive(self, phone: str, amount: int, reference: str) -> Payment:
        expected, message, data = MpesaPaymentService.expect_payment(reference, amount)
        if expected and data is not None:
            paid, message, _ = MpesaPaymentService.simulate_c2b(phone, amount, "order 7")
        if not expected or data is None or not paid:
            raise StackError(f"The sandbox did not play the customer: {message}")
        order = wait_until(
            lambda: ExpectedPayment.objects.get(public_id=data["expectation_id"]),
            lambda row: row.state == ExpectationState.PAID,
        )
        self._say(f"   → {reference}: {order.get_state_display()}, KES {order.received:,.0f}")
        return Payment.objects.get(allotment__expectation=order)

    def _pay_out(self, visitor: Visitor, phone: str, amount: int, reference: str) -> Payment:
        success, message, data = MpesaPaymentService.pay_out(phone, amount, reference)
        if not success or data is None or data["state"] != "awaiting_approval":
            raise StackError(f"The payout was not held for approval: {message}")
        self._say(f"   → ({success}, state {data['state']!r})   now approved in the admin:")
        visitor.approve(Approval.objects.get().pk)
        found: Payment = wait_until_final(lambda: Payment.objects.get(public_id=data["payment_id"]))
        return found

    def _push(self, phone: str, amount: int, reference: str) -> Payment:
        success, message, data = MpesaPaymentService.initiate_stk_push(phone, amount, reference)
        if not success or data is None:
            raise StackError(f"The push was refused: {message}")
        self._say(f"   → ({success}, {message!r}, checkout {data['checkout_id']})")
        found: Payment = wait_until_final(lambda: Payment.objects.get(public_id=data["payment_id"]))
        return found

    def _timeline(self, payment: Payment, *, expected: str) -> None:
        for event in payment.events.all():
            moment = event.at.astimezone().strftime("%H:%M:%S.%f")[:-3]
            self._say(f"     {moment}  {event.to_state or '·':<17} {event.text}")
        if payment.state != expected:
            raise StackError(f"The payment is {payment.state}, not {expected}: {payment.message}")


def _kept_environment(folder: Path) -> dict[str, str]:
    """Keys of an earlier `make run`, so that its database stays readable; else fresh ones."""
    fresh = fresh_environment(folder)
    path = folder / "run.env"
    if path.exists() and (folder / "demo.sqlite3").exists():
        pairs = (line.split("=", 1) for line in shlex.split(path.read_text()))
        kept = dict(pair for pair in pairs if len(pair) == 2)
        fresh |= {name: kept[name] for name in ("CYPHER_KEY", "DJANGO_SECRET_KEY") if name in kept}
    return fresh


def _write_environment(folder: Path, environment: dict[str, str]) -> None:
    names = (
        "BENGOERP_NO_DOTENV",
        "DJANGO_DEBUG", "DJANGO_LOG_LEVEL", "DJANGO_SECRET_KEY", "CYPHER_KEY", "DATABASE_URL",
        "PUBLIC_BASE_URL", "OUTBOUND_ALLOWED_HOSTS",
    )  # fmt: skip
    text = "".join(f"{name}={shlex.quote(environment[name])}\n" for name in names)
    path = folder / "run.env"
    path.touch(mode=0o600)
    path.write_text(text)


def _done(answer: tuple[bool, Any]) -> Any:
    """The data of an answer of KRA's; raises StackError for a failure."""
    success, told = answer
    if not success:
        raise StackError(f"KRA: {told}")
    return told


def _needs_settings(sandbox_url: str) -> bool:
    """Whether the installation has no rows that point at this sandbox."""
    row = MpesaSettings.objects.filter(business="").first()
    if row is None:
        return True
    if not row.sandbox_url.startswith(sandbox_url):
        # A new sandbox has a new port, and secrets are bound to the host: type them again.
        row.delete()
        KRASettings.objects.filter(business="").delete()
        for unit in KRABranch.objects.exclude(key__contains="#"):
            # Its numbers are those of the sandbox that is gone; the new one begins at 1.
            KRABranch.objects.filter(pk=unit.pk).update(key=f"{unit.key}#{unit.pk}")
        return True
    return False
