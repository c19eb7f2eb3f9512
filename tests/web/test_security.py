"""Headers on every answer; hosts, sizes and proxies."""

import io
from collections.abc import Callable

import pytest
from flask import Flask, request
from freezegun import freeze_time

from app.core.settings import Settings
from app.web.security import CONTENT_SECURITY_POLICY, MAX_ANSWER_PARTS, MAX_FORM_PARTS
from tests.cast import Cast
from tests.page import token
from tests.web.routes import routes

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; manifest-src 'self'; frame-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_every_route_sends_the_headers(cast: Cast, name: str) -> None:
    client = cast.browser(cast.person(name))
    for unsafe in (False, True):
        for route in routes(cast.app, unsafe=unsafe):
            headers = client.open(route.path, method=route.method).headers
            assert (str(route), headers["Content-Security-Policy"]) == (str(route), POLICY)
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert headers["Referrer-Policy"] == ("no-referrer" if route.has_token else "same-origin")
            assert "no-store" in headers["Cache-Control"], str(route)
            assert "Strict-Transport-Security" not in headers


def test_https_answers_ask_for_https(cast: Cast) -> None:
    response = cast.browser(None).get("/sign-in", base_url="https://localhost")
    assert response.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


def test_links_with_a_token_are_kept_from_search_engines(cast: Cast) -> None:
    assert cast.browser(None).get("/setup/" + "x" * 43).headers["X-Robots-Tag"] == "noindex, nofollow"


def test_files_are_cached_for_ever_and_not_sniffed(web_app: Flask) -> None:
    client = web_app.test_client()
    for path in ("/static/icons/favicon.svg", "/static/vendor/htmx.min.js"):
        headers = client.get(path).headers
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in headers


def test_a_foreign_host_is_refused_in_production(
    web_settings: Settings, make_app: Callable[[Settings], Flask]
) -> None:
    app = make_app(web_settings.replace(environment="production", base_url="https://ads.example.com"))
    client = app.test_client()
    statuses = [
        client.get("/sign-in", headers={"Host": host}).status_code
        for host in ("ads.example.com", "localhost:5000", "evil.example", "ads.example.com.evil.example")
    ]
    assert statuses == [200, 200, 400, 400]


def test_without_a_public_address_production_answers_this_machine_alone(
    web_settings: Settings, make_app: Callable[[Settings], Flask]
) -> None:
    client = make_app(web_settings.replace(environment="production", base_url="")).test_client()
    hosts = ("localhost:5000", "127.0.0.1", "evil.example")
    assert [client.get("/sign-in", headers={"Host": host}).status_code for host in hosts] == [200, 200, 400]


def test_a_foreign_host_is_refused_in_plain_words(
    web_settings: Settings, make_app: Callable[[Settings], Flask]
) -> None:
    app = make_app(web_settings.replace(environment="production", base_url="https://ads.example.com"))
    response = app.test_client().get("/sign-in", headers={"Host": "evil.example"})
    assert "evil" not in response.text
    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


def test_too_big_a_request_is_refused_kindly(cast: Cast) -> None:
    client = cast.browser(cast.alice)
    data = {"theme": "dark", "file": (io.BytesIO(b"x" * (12 * 1024 * 1024 + 1)), "big.txt")}
    response = client.post("/settings/theme", data=data)
    assert response.status_code == 413
    said = response.text.replace("\u00a0", " ")
    assert "You sent 12.1 MB. At most 12 MB can be sent at once. Nothing was saved. Go back and choose" in said
    texts = client.post("/settings/theme", data={"theme": "x" * (4 * 1024 * 1024 + 1), "file": (io.BytesIO(b"x"), "x")})
    assert texts.status_code == 413
    assert "longer than 4 MB" in texts.text


def test_too_many_form_parts_are_refused(cast: Cast) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\n\r\nx\r\n'
    launch = "/gallery/facebook-ads-campaign/launch"
    for person, path, most in (
        (cast.alice, "/settings/theme", MAX_FORM_PARTS), (cast.alice, launch, MAX_ANSWER_PARTS),
        (None, launch, MAX_FORM_PARTS),
    ):  # fmt: skip
        sent = part * (most + 1) + b"--x--\r\n"
        answer = cast.browser(person).post(path, data=sent, content_type="multipart/form-data; boundary=x")
        assert answer.status_code == 413


@pytest.mark.parametrize(("proxies", "seen"), [(0, "127.0.0.1"), (1, "203.0.113.7")])
def test_the_address_is_taken_from_as_many_proxies_as_are_set(
    web_settings: Settings, make_app: Callable[[Settings], Flask], proxies: int, seen: str
) -> None:
    app = make_app(web_settings.replace(trusted_proxies=proxies))
    found = []
    app.before_request(lambda: found.append(request.remote_addr))
    app.test_client().get("/healthz", headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.7"})
    assert found == [seen]


def test_the_small_cookie_of_a_stranger_says_nothing(cast: Cast) -> None:
    with freeze_time("2026-11-20 10:00:00"):
        response = cast.browser(None).get("/sign-in")
    cookies = response.headers.getlist("Set-Cookie")
    assert [cookie.partition("=")[0] for cookie in cookies] == ["gl-visit"]
    assert all(part in cookies[0] for part in ("HttpOnly", "SameSite=Lax", "Path=/"))
    assert token(response.text) not in cookies[0]
