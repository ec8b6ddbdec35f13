"""KRA's no."""

from __future__ import annotations

from integrations.exceptions import ProviderError
from integrations.providers.kra.codes import Kind, Meaning


class EtimsRefused(ProviderError):
    """eTIMS answered no: nothing was done. `meaning` says why, `text` is KRA's own words.

    Duplicates and sequence errors come as this too: see `meaning.kind`.
    """

    def __init__(self, meaning: Meaning, *, text: str = "", request_id: str = "") -> None:
        super().__init__(
            meaning.sentence,
            code=meaning.code or "unknown",
            permanent=meaning.kind not in (Kind.BUSY, Kind.UNKNOWN),
            request_id=request_id,
        )
        self.meaning = meaning
        self.text = text
