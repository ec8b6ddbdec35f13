"""Every operation of eTIMS and where each transport has it. Source: eTIMS reference, section 5."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import NamedTuple

from integrations.config import Snapshot
from integrations.exceptions import ConfigurationError, Unsupported
from integrations.models.kra_rules import OPERATIONS as KNOWN_OPERATIONS

DIRECT, GATEWAY, VSCU = "oscu_direct", "oscu_gateway", "vscu"


class Endpoint(NamedTuple):
    """One operation's path by transport; "" where none is known. `is_read` may be repeated."""

    label: str
    is_read: bool
    direct: str
    gateway: str
    vscu: str


_R, _W = True, False
OPERATIONS = MappingProxyType(
    {
        "init": Endpoint("device initialisation", _W, "/selectInitOsdcInfo", "/initialize",
                         "/initializer/selectInitInfo"),
        "code_list": Endpoint("code lists", _R, "/selectCodeList", "/selectCodeList",
                              "/code/selectCodes"),
        "item_classes": Endpoint("item classes", _R, "/selectItemClsList", "/selectItemClass",
                                 "/itemClass/selectItemsClass"),
        "find_customer": Endpoint("PIN look-up", _R, "/selectCustomer", "/customerPinInfo",
                                  "/customers/selectCustomer"),
        "branch_list": Endpoint("branches", _R, "/selectBhfList", "/branchList",
                                "/branches/selectBranches"),
        "notices": Endpoint("notices", _R, "/selectNoticeList", "/selectNoticeList",
                            "/notices/selectNotices"),
        "save_customer": Endpoint("branch customer", _W, "/saveBhfCustomer",
                                  "/branchSendCustomerInfo", "/branches/saveBrancheCustomers"),
        "save_user": Endpoint("branch user", _W, "/saveBhfUser", "/branchUserAccount",
                              "/branches/saveBrancheUsers"),
        "save_insurance": Endpoint("insurance", _W, "/saveBhfInsurance", "/branchInsuranceInfo",
                                   "/branches/saveBrancheInsurances"),
        "save_item": Endpoint("item", _W, "/saveItem", "/saveItem", "/items/saveItems"),
        "item_list": Endpoint("items", _R, "/selectItemList", "/itemInfo", "/items/selectItems"),
        "save_composition": Endpoint("item composition", _W, "/saveItemComposition",
                                     "/saveItemComposition", ""),
        "import_list": Endpoint("imports", _R, "/selectImportItemList", "/importedItemInfo",
                                "/imports/selectImportItems"),
        "update_import": Endpoint("import", _W, "/updateImportItem", "/importedItemConvertedInfo",
                                  "/imports/updateImportItems"),
        "save_sale": Endpoint("invoice", _W, "/saveTrnsSalesOsdc", "/sendSalesTransaction",
                              "/trnsSales/saveSales"),
        # Only where `is_invoice_saved_twice` says so: one source has it.
        "save_invoice": Endpoint("second call of an invoice", _W, "", "",
                                 "/trnsSales/saveInvoice"),
        "find_invoice": Endpoint("invoice look-up", _R, "/selectInvoiceDetails",
                                 "/selectInvoiceDetail", ""),
        "purchase_list": Endpoint("purchases", _R, "/selectTrnsPurchaseSalesList",
                                  "/getPurchaseTransactionInfo",
                                  "/trnsPurchase/selectTrnsPurchaseSales"),
        "save_purchase": Endpoint("purchase", _W, "/insertTrnsPurchase",
                                  "/sendPurchaseTransactionInfo", "/trnsPurchase/savePurchases"),
        "stock_list": Endpoint("stock movements", _R, "/selectStockMoveList",
                               "/selectStockMoveLists", "/stock/selectStockItems"),
        "save_stock_io": Endpoint("stock movement", _W, "/insertStockIO", "/insert/stockIO",
                                  "/stock/saveStockItems"),
        "save_stock_master": Endpoint("stock on hand", _W, "/saveStockMaster",
                                      "/save/stockMaster", "/stockMaster/saveStockMaster"),
    }
)  # fmt: skip
# Settings of their own, older than `paths` and documented.
_OWN_SETTINGS = {
    "save_sale": "invoice_path",
    "find_invoice": "invoice_status_path",
    "code_list": "sync_path",
}
_OTHERS = KNOWN_OPERATIONS - OPERATIONS.keys()
_LINE = re.compile(r"([a-z_]+)\s*=\s*(/[!-~]*[!-.0-~])")


def path_of(config: Snapshot, operation: str) -> str:
    """Where the row's transport has an operation, with the row's own paths before ours.

    Raises Unsupported where the transport has none, ConfigurationError for `paths` that can't be
    read, KeyError for an operation that eTIMS does not have.
    """
    endpoint = OPERATIONS[operation]
    own = read_paths(str(config.values["paths"] or "")).get(operation, "")
    setting = _OWN_SETTINGS.get(operation)
    if not own and setting:
        own = str(config.values[setting] or "").strip()
    transport = str(config.values["transport"])
    known = {DIRECT: endpoint.direct, GATEWAY: endpoint.gateway, VSCU: endpoint.vscu}
    path = own or known.get(transport, "")
    if not path:
        raise Unsupported(
            f"This transport has no known path for: {endpoint.label}. If KRA told you one, enter "
            f"“{operation} = /path” under “paths” in the KRA settings."
        )
    return path if path.startswith("/") else f"/{path}"


def read_paths(text: str) -> dict[str, str]:
    """The `paths` setting: a line each, “operation = /path”; raises ConfigurationError."""
    found = {}
    for line in text.splitlines():
        # A line of GavaConnect's: `gavaconnect/overrides.py` reads it.
        name = line.partition("=")[0].strip()
        if not line.strip() or line.lstrip().startswith("#") or name in _OTHERS:
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or match[1] not in OPERATIONS:
            raise ConfigurationError(
                f"The KRA settings have a path that can't be read: “{line.strip()[:60]}”. Each "
                "line is “operation = /path”, without a slash at the end.",
                code="invalid_path",
            )
        found[match[1]] = match[2]
    return found
