"""The fields of a sale or credit note (sections 6.1 to 6.3)."""

from __future__ import annotations

from integrations.providers.kra.emulator.fields import REGISTRAR, fields

LETTERS = "ABCDE"
TAX_FIELDS = fields(
    ";".join(
        f"taxblAmt{letter} N18,2 M; taxRt{letter} N7,2 M; taxAmt{letter} N18,2 M"
        for letter in LETTERS
    )
    + "; totTaxblAmt N18,2 M; totTaxAmt N18,2 M; totAmt N18,2 M"
)
HEADER = (
    *fields(
        """
        trdInvcNo C50 M; invcNo N38 M; orgInvcNo N38 M; custTin C11; custNm C60; salesTyCd C5;
        rcptTyCd C5 M; pmtTyCd C5; salesSttsCd C5 M; cfmDt T14 M; salesDt D8 M; stockRlsDt T14;
        cnclReqDt T14; cnclDt T14; rfdDt T14; rfdRsnCd C5; totItemCnt N10 M;
        prchrAcptcYn F1 M; remark C400
        """
    ),
    *TAX_FIELDS,
    *REGISTRAR,
)
RECEIPT = fields(
    """
    custTin C11; custMblNo C20; rcptPbctDt T14 M; trdeNm C20; adrs C200; topMsg C20; btmMsg C20;
    prchrAcptcYn F1 M
    """
)
LINE = fields(
    """
    itemSeq N10 M; itemCd C20 M; itemClsCd C10; itemNm C200 M; bcd C20; pkgUnitCd C5 M;
    pkg N13,2 M; qtyUnitCd C5 M; qty N13,2 M; prc N18,2 M; splyAmt N18,2 M; dcRt N5,2 M;
    dcAmt N18,2 M; isrccCd C10; isrccNm C100; isrcRt N3; isrcAmt N18,2; taxTyCd C5 M;
    taxblAmt N18,2 M; taxAmt N18,2 M; totAmt N18,2 M
    """
)
