"""The paths of the three ways to a control unit (section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

DIRECT, GATEWAY, VSCU = "direct", "gateway", "vscu"
PREFIXES = MappingProxyType({"/etims-api": DIRECT, "/etims-oscu/api/v1": GATEWAY, "/vscu": VSCU})
# Section 3: [3+]; that of payments and duty [1]. A token of either is good everywhere.
TOKEN_PATHS = frozenset({"/v1/token/generate", "/oauth/v1/generate"})
# Operation: direct [3+]; gateway [2]; VSCU [1], but for saveSales, selectInitInfo, saveItems [2].
_TABLE = """
init             /selectInitOsdcInfo           /initialize                                /initializer/selectInitInfo
code_list        /selectCodeList               /selectCodeList                            /code/selectCodes
item_classes     /selectItemClsList            /selectItemClass,/selectItemClsList        /itemClass/selectItemsClass
find_customer    /selectCustomer               /customerPinInfo,/selectCustomerList,/selectTaxpayerInfo /customers/selectCustomer
branch_list      /selectBhfList                /branchList                                /branches/selectBranches
notices          /selectNoticeList             /selectNoticeList                          /notices/selectNotices
save_customer    /saveBhfCustomer              /branchSendCustomerInfo                    /branches/saveBrancheCustomers
save_user        /saveBhfUser                  /branchUserAccount                         /branches/saveBrancheUsers
save_insurance   /saveBhfInsurance             /branchInsuranceInfo                       /branches/saveBrancheInsurances
save_item        /saveItem                     /saveItem                                  /items/saveItems
item_list        /selectItemList               /itemInfo,/selectItemList                  /items/selectItems
save_composition /saveItemComposition          /saveItemComposition                       -
import_list      /selectImportItemList         /importedItemInfo                          /imports/selectImportItems
update_import    /updateImportItem             /importedItemConvertedInfo                 /imports/updateImportItems
save_sale        /saveTrnsSalesOsdc            /sendSalesTransaction,/saveTrnsSalesOsdc   /trnsSales/saveSales
find_invoice     /selectInvoiceDetails         /selectInvoiceDetail,/selectSalesTransactions -
purchase_list    /selectTrnsPurchaseSalesList  /getPurchaseTransactionInfo                /trnsPurchase/selectTrnsPurchaseSales
save_purchase    /insertTrnsPurchase           /sendPurchaseTransactionInfo               /trnsPurchase/savePurchases
stock_list       /selectStockMoveList          /selectStockMoveLists                      /stock/selectStockItems
save_stock_io    /insertStockIO                /insert/stockIO,/insertStockIO             /stock/saveStockItems
save_stock_master /saveStockMaster             /save/stockMaster,/saveStockMaster         /stockMaster/saveStockMaster
confirm_sale     -                             -                                          /trnsSales/saveInvoice
"""  # noqa: E501 - a table


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes: by which way, to which operation ("" for a path that is none)."""

    door: str
    operation: str
    path: str


def _paths() -> dict[tuple[str, str], str]:
    found = {}
    for line in _TABLE.strip().splitlines():
        operation, *columns = line.split()
        for door, column in zip((DIRECT, GATEWAY, VSCU), columns, strict=True):
            for path in column.split(","):
                if path != "-":
                    found[door, path] = operation
    return found


PATHS = MappingProxyType(_paths())
OPERATIONS = frozenset(PATHS.values())
# What changes something; the rest are reads.
WRITES = frozenset(name for name in OPERATIONS if name.startswith(("save_", "update_", "confirm_")))


def find_route(path: str) -> Route | None:
    """The route of a path below the emulator's prefix; None where no eTIMS is."""
    for prefix, door in PREFIXES.items():
        if path.startswith(prefix + "/"):
            rest = path[len(prefix) :]
            return Route(door, PATHS.get((door, rest), ""), rest)
    return None
