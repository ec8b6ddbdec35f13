"""URLs judged on their text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.outbound import check_url, host_port


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://Sandbox.Safaricom.co.ke/oauth", "sandbox.safaricom.co.ke:443"),
        ("https://api.example.com.:443", "api.example.com:443"),
        ("http://api.example.com", "api.example.com:80"),
        ("HTTPS://api.example.com:8243/x?y=z#f", "api.example.com:8243"),
        ("https://b\u00fccher.example/", "xn--bcher-kva.example:443"),
        ("http://127.0.0.1:8001/", "127.0.0.1:8001"),
        ("http://[0:0::1]:8001/", "[::1]:8001"),
        ("https://under_score.example.com", "under_score.example.com:443"),
    ],
)
def test_a_host_has_one_spelling(url, place):
    assert host_port(url) == place


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "//api.example.com/",
        "ftp://api.example.com/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://good.example\\@127.0.0.1/",
        "https://good.example/%5c@evil",
        "https://good.example/%5C@evil",
        "https://me:pw@good.example/",
        "https://me@good.example/",
        "https://@good.example/",
        "https://good.example/a b",
        "https://good.example/a\tb",
        "https://good.example/\r\nHost: evil",
        "https://good.example/\x00",
        "https://good.example/\u00a0",
        "https://good.example/\x85",
        "https://good.example:0/",
        "https://good.example:99999/",
        "https://good.example:x/",
        "https://-bad-.example/",
        "https://a..b/",
        "https://exa$mple.com/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://\uff41pi.example.com/",
        "https://127.1/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://0/",
        "https://1.2.3.4.5/",
        "https://example.0x1/",
        "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
        "https://127\u30020\u30020\u30021/",
        "https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/",
    ],
)
def test_a_url_that_parsers_could_read_differently_is_refused(url):
    with pytest.raises(InvalidInput, match=r"^url: "):
        host_port(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/",
        "https://api.example.com:22/",
        "https://api.example.com:80/",
        "https://localhost/",
        "https://intranet/",
        "https://erp.local/",
        "https://db.internal/",
        "https://x.localhost/",
        "https://pay.default.svc/",
        "https://pay.default.svc.cluster.local/",
        "https://kv.consul/",
        "https://nas.lan/",
        "https://router.home.arpa/",
        "https://erp.corp/",
        "https://erp.intranet/",
    ],
)
def test_plain_http_low_ports_and_internal_names_need_the_operators_word(url, settings):
    settings.OUTBOUND_ALLOWED_HOSTS = []
    with pytest.raises(InvalidInput):
        check_url(url)
    settings.OUTBOUND_ALLOWED_HOSTS = [host_port(url).upper()]
    assert check_url(url) == host_port(url)


@pytest.mark.parametrize(
    "url", ["https://api.example.com/", "https://api.example.com:8243/", "https://8.8.8.8/"]
)
def test_public_https_needs_nobodys_word(url, settings):
    settings.OUTBOUND_ALLOWED_HOSTS = []
    assert check_url(url) == host_port(url)


@pytest.mark.parametrize("entry", ["localhost", "127.0.0.1", ":80", "a b:80", "*:80", "host:http"])
def test_an_exception_that_is_not_an_exact_host_and_port_is_an_error(entry, settings):
    settings.OUTBOUND_ALLOWED_HOSTS = [entry]
    with pytest.raises(ConfigurationError, match="exact host:port"):
        check_url("https://api.example.com/")


@given(st.text(max_size=40))
def test_any_text_is_either_a_place_or_refused(text):
    for url in (text, f"https://{text}", f"https://{text}.example.com/"):
        try:
            place = host_port(url)
        except InvalidInput:
            continue
        assert place == place.lower()
        assert host_port(f"https://{place}") == place
