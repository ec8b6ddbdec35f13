"""One HTTP exchange: a request out, an answer in, both within their bounds."""

from __future__ import annotations

import json
import logging
import time
from urllib.parse import urlencode

import requests
from urllib3.exceptions import HTTPError

from integrations.exceptions import InvalidInput, TransportError
from integrations.logs import log_event
from integrations.outbound import sockets
from integrations.outbound.call import Call, Response
from integrations.outbound.echoes import Echoes
from integrations.outbound.pool import proxies

log = logging.getLogger("integrations.outbound")

CHUNK = 16_384


def exchange(
    session: requests.Session, call: Call, *, headers: dict[str, str], deadline: float
) -> Response:
    """Send `call` once and read its answer whole.

    `deadline` is an instant of `time.monotonic()`. Raises TransportError whose `sent` tells
    whether the first byte of the request may have left; InvalidInput for what can't be sent.
    """
    started = time.monotonic()
    bounds = sockets.Exchange(deadline, call.limits.connect, call.limits.read)
    request = _prepare(session, call, headers)
    if started >= deadline:
        raise TransportError(
            "The call's time was over before it began.", sent=False, code="timeout"
        )
    try:
        with sockets.serving(bounds):
            answer = session.send(
                request,
                stream=True,
                allow_redirects=False,
                timeout=(call.limits.connect, call.limits.read),
                proxies=proxies(call.url),
            )
            body = _read(answer, call.limits.max_bytes)
    except (OSError, HTTPError) as error:  # requests' own errors are OSErrors
        raise _transport_error(error, is_sent=bounds.is_sent, deadline=deadline) from None
    except UnicodeEncodeError:  # raised while the head is put together, before its first byte
        answer = None
    if answer is None:  # outside the block: that error would carry the header with it
        raise InvalidInput("headers", "hold characters that HTTP can't carry")
    echoes = Echoes(call, headers)
    return Response(
        status=answer.status_code,
        headers=echoes.hide_in_headers(answer.headers),
        body=echoes.hide_in_body(body),
        elapsed=time.monotonic() - started,
    )


def _prepare(
    session: requests.Session, call: Call, headers: dict[str, str]
) -> requests.PreparedRequest:
    body = None
    if call.json is not None:
        try:
            body = json.dumps(call.json, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise InvalidInput("json", f"can't be written as JSON ({error})") from None
        headers = {"Content-Type": "application/json", **headers}
    elif call.form is not None:
        body = urlencode(call.form).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    try:
        return session.prepare_request(
            requests.Request(call.method, call.url, headers=headers, data=body)
        )
    except ValueError:  # header with a line break, and the like
        raise InvalidInput("headers", "can't be sent as they are") from None


def _read(answer: requests.Response, max_bytes: int) -> bytes:
    body = bytearray()
    try:
        for chunk in answer.raw.stream(CHUNK, decode_content=False):
            body += chunk
            _refuse_large(body, max_bytes)
    except BaseException:
        # Its unread rest must not be taken for the answer to the next request.
        answer.raw.close()
        raise
    finally:
        answer.raw.release_conn()
    return bytes(body)


def _refuse_large(body: bytearray, max_bytes: int) -> None:
    if len(body) > max_bytes:
        raise TransportError(
            f"The provider's answer is larger than {max_bytes} bytes.",
            sent=True,
            code="response_too_large",
        )


def _innermost(error: BaseException) -> BaseException:
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error


def _transport_error(error: Exception, *, is_sent: bool, deadline: float) -> TransportError:
    cause = _innermost(error)
    # The library's texts quote the whole URL, which may hold secrets; the type says enough.
    log_event(log, logging.INFO, "exchange_failed", sent=is_sent, error=type(cause).__name__)
    if isinstance(cause, TimeoutError) or time.monotonic() >= deadline:
        text = "did not answer in time" if is_sent else "was not called: the time was over"
        return TransportError(f"The provider {text}.", sent=is_sent, code="timeout")
    code = "connection_lost" if is_sent else "connect"
    return TransportError("The connection to the provider broke.", sent=is_sent, code=code)
