"""KRA's settings in the admin: the sections, and the device's button, which asks KRA once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from integrations.models import DeviceState, KRABranch, KRASettings
from tests.hunt.plants import planted
from tests.hunt.spool import spool
from tests.kra.fixtures import PIN, kra_values
from tests.sandbox.driver import SandboxDriver

LIST = "/admin/integrations/krasettings/"


def page_of(row: KRASettings) -> str:
    return f"{LIST}{row.pk}/change/"


def asked(sandbox: SandboxDriver) -> int:
    return int(sandbox.kra_counters().get("init", 0))


def learn_key() -> None:
    spool.learn("communication key", KRASettings.objects.get().communication_key.reveal())


def test_every_field_stands_once_in_its_section(
    admin_client: Client,
    kra: KRASettings,
) -> None:
    html = admin_client.get(page_of(kra)).content.decode()
    for name in (*KRASettings.config_fields(), *KRASettings.owner_fields()):
        assert html.count(f'id="id_{name}"') == 1, name
    for title in ("Control unit", "Invoices", "Receipts", "GavaConnect"):
        assert title in html
    for secret in ("communication key", "client id", "client secret"):
        assert planted(secret) not in html
    assert "Initialise device" not in html


def test_the_list_shows_branches_and_devices(
    admin_client: Client,
    kra: KRASettings,
) -> None:
    KRASettings.objects.create(
        kra_pin=PIN, branch_code="01", is_main=False, device_serial="X", transport="oscu_direct"
    )
    html = admin_client.get(LIST).content.decode()
    assert "Initialised" in html
    assert "Not initialised" in html
    assert admin_client.get(f"{LIST}?transport__exact=vscu").status_code == 200


def test_the_button_asks_first_and_then_asks_kra_once(
    admin_client: Client,
    kra_row: KRASettings,
    kra_hosts: SandboxDriver,
) -> None:
    device = f"{page_of(kra_row)}device/"
    assert device in admin_client.get(page_of(kra_row)).content.decode()
    asking = admin_client.get(device).content.decode()
    assert "hands the communication key out once" in asking
    assert admin_client.post(device).status_code == 200
    assert asked(kra_hosts) == 0
    done = admin_client.post(device, {"confirmed": "yes"}, follow=True)
    learn_key()
    assert "initialised the control unit KRACU" in done.content.decode()
    assert KRABranch.objects.get().device_state == DeviceState.READY
    again = admin_client.post(device, {"confirmed": "yes"}, follow=True)
    assert "has its control unit already" in again.content.decode()
    assert asked(kra_hosts) == 1


def test_after_a_refusal_a_person_has_to_say_that_kra_did_nothing(
    admin_client: Client,
    kra_hosts: SandboxDriver,
) -> None:
    row = KRASettings.objects.create(**kra_values(kra_hosts))
    device = f"{page_of(row)}device/"
    refused = admin_client.post(device, {"confirmed": "yes"}, follow=True).content.decode()
    assert "approved" in refused
    second = admin_client.post(device, {"confirmed": "yes"}, follow=True).content.decode()
    assert "KRA was asked before" in second
    assert asked(kra_hosts) == 1
    assert "We know from KRA" in admin_client.get(device).content.decode()
    kra_hosts.kra("approve", serial=row.device_serial)
    admin_client.post(device, {"confirmed": "yes", "accepted": "yes"})
    learn_key()
    assert KRABranch.objects.get().device_state == DeviceState.READY


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        (("view_krasettings", "initialise_krabranch"), 403),
        (("view_krasettings", "change_krasettings"), 403),
        (("view_krasettings", "change_krasettings", "initialise_krabranch"), 200),
    ],
)
def test_the_device_is_for_those_who_may(
    client_of: Callable[..., Client],
    kra_row: KRASettings,
    permissions: tuple[str, ...],
    status: int,
) -> None:
    client = client_of(*permissions)
    assert client.get(f"{page_of(kra_row)}device/").status_code == status
    has_link = f"{page_of(kra_row)}device/" in client.get(page_of(kra_row)).content.decode()
    assert has_link == ("initialise_krabranch" in permissions)


def test_another_business_finds_no_device(
    client_of: Callable[..., Client],
    kra_row: KRASettings,
) -> None:
    KRASettings.objects.update(business="shop")
    stranger = client_of(
        "view_krasettings", "change_krasettings", "initialise_krabranch", businesses=("other",)
    )
    answer = stranger.post(f"{page_of(kra_row)}device/", {"confirmed": "yes"})
    assert answer.status_code in (403, 404)
    assert KRABranch.objects.count() == 0


def test_a_form_that_is_wrong_says_so_beside_its_field(
    admin_client: Client,
    kra: KRASettings,
) -> None:
    html = admin_client.post(
        f"{LIST}add/", {"kra_pin": "1", "branch_code": "0", "environment": "sandbox"}
    ).content.decode()
    assert "A KRA PIN is a letter, 9 digits and a letter" in html
    assert "A branch has two digits" in html
