"""KRA's emulator: devices, the first sale by each way, what is found of it."""

from __future__ import annotations

import re

import pytest

from tests.sandbox.driver import SandboxDriver
from tests.sandbox.kra import ABSENT, PIN, SERIAL, Trader, result

WAYS = ("oscu_direct", "oscu_gateway", "vscu")
BY_WAY = pytest.mark.parametrize("way", WAYS)
INIT = {"tin": PIN, "bhfId": "00", "dvcSrlNo": SERIAL}


@BY_WAY
def test_an_approved_device_gets_its_key_once(sandbox: SandboxDriver, way: str) -> None:
    trader = Trader(sandbox, way)
    trader.enrol()
    software = "vscu" if way == "vscu" else "oscu"
    sandbox.kra("approve", serial=SERIAL, software=software)
    unit = {"tin": ABSENT, "bhfId": ABSENT, "cmcKey": ABSENT}
    code, data = result(trader.post("init", INIT, unit))
    assert code == "000"
    info = data["info"]
    assert re.fullmatch(r"[0-9A-F]{32}", info["cmcKey"])
    assert re.fullmatch(r"KRACU\d{10}", info["sdcId"])
    assert (info["tin"], info["bhfId"], info["hqYn"]) == (PIN, "00", "Y")
    again, nothing = result(trader.post("init", INIT, unit))
    assert again == ("This device is installed" if way == "oscu_gateway" else "902")
    assert nothing is None


def test_the_gateway_may_answer_a_second_initialisation_like_the_first(
    sandbox: SandboxDriver,
) -> None:
    sandbox.kra("settings", gateway_second_init="same")
    sandbox.kra("approve", serial=SERIAL)
    unit = {"tin": ABSENT, "bhfId": ABSENT, "cmcKey": ABSENT}
    trader = Trader(sandbox, "oscu_gateway")
    trader.enrol()
    first = result(trader.post("init", INIT, unit))
    assert first[0] == "000"
    assert result(trader.post("init", INIT, unit)) == first
    # KRA's own host keeps to its word.
    assert result(Trader(sandbox).post("init", INIT, unit))[0] == "902"


def test_an_unknown_serial_is_refused(sandbox: SandboxDriver) -> None:
    assert result(Trader(sandbox).post("init", INIT))[0] == "905"
    sandbox.kra("approve", serial="ANOTHER")
    assert result(Trader(sandbox).post("init", INIT))[0] == "905"
    assert result(Trader(sandbox, "vscu").post("init", INIT))[0] == "901"
    assert result(Trader(sandbox).post("init", INIT | {"dvcSrlNo": ABSENT}))[0] == "910"


@BY_WAY
def test_a_sale_is_signed(sandbox: SandboxDriver, way: str) -> None:
    trader = Trader(sandbox, way).equip()
    code, data = result(trader.sell())
    assert code == "000"
    assert re.fullmatch(r"[A-Z2-7]{16}", data["rcptSign"])
    assert re.fullmatch(r"[A-Z2-7]{26}", data["intrlData"])
    (sold,) = sandbox.kra_unit()["sales"]
    assert (sold["number"], sold["trader_number"], sold["signature"]) == (
        1, "INV-000001", data["rcptSign"],
    )  # fmt: skip
    assert sold["total"] == "2320.00"
    code, data = result(trader.credit(1))
    assert code == "000", code
    assert (data.get("curRcptNo") or data["rcptNo"], data["totRcptNo"]) == (1, 2)


@pytest.mark.parametrize("way", ["oscu_direct", "oscu_gateway"])
def test_a_sale_is_found(sandbox: SandboxDriver, way: str) -> None:
    trader = Trader(sandbox, way).equip()
    assert result(trader.post("find", {"invcNo": 1})) == ("001", {"salesList": []})
    signed = result(trader.sell())[1]
    code, data = result(trader.post("find", {"invcNo": 1}))
    (found,) = data["salesList"]
    assert code == "000"
    assert found["receipt"]["rcptSign"] == signed["rcptSign"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", found["receipt"]["sdcDateTime"])


def test_the_vscu_has_no_lookup_unless_it_is_opened(sandbox: SandboxDriver) -> None:
    trader = Trader(sandbox, "vscu").equip()
    trader.sell()
    assert result(trader.post("/trnsSales/selectSale", {"invcNo": 1}))[0] == "912"
    sandbox.kra("settings", vscu_lookup_path="/trnsSales/selectSale")
    assert result(trader.post("/trnsSales/selectSale", {"invcNo": 1}))[0] == "000"


@BY_WAY
def test_the_code_list_has_the_rates(sandbox: SandboxDriver, way: str) -> None:
    trader = Trader(sandbox, way).equip()
    code, data = result(trader.post("codes", {"lastReqDt": "20180101000000"}))
    assert code == "000"
    classes = {each["cdCls"]: each["dtlList"] for each in data["clsList"]}
    rates = {each["cd"]: each["userDfnCd1"] for each in classes["04"]}
    assert rates == {"A": "0", "B": "16", "C": "0", "D": "0", "E": "8"}
    assert {"04", "05", "07", "10", "17", "24", "32"} <= classes.keys()
    later = result(trader.post("codes", {"lastReqDt": "20260101000000"}))
    assert later == ("001", {"clsList": []})
