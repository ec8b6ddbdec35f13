"""KRA's no."""

from __future__ import annotations

from integrations.exceptions import IntegrationError, ProviderError
from integrations.providers.kra.codes import Kind, Meaning

BAD_CREDENTIALS = "bad_credentials"


def keys_refused(text: str, *, request_id: str = "") -> ProviderError:
    """The error of a client id and secret that KRA does not take: nothing was done.

    Never to be tried again by itself (section 3): whoever retries looks with `are_keys_refused`.
    """
    return ProviderError(text, code=BAD_CREDENTIALS, permanent=True, request_id=request_id)


def are_keys_refused(error: IntegrationError) -> bool:
    """Whether only a person, or other settings, can heal it."""
    return error.code == BAD_CREDENTIALS


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
