"""JWTs: issued for a password, renewed, and refused for whatever is wrong with them."""

from __future__ import annotations

import base64
import hmac
import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries, Settings

from realtime.auth import jwts
from realtime.auth.jwts import LONGEST_JWT, find_jwt, issue_jwts, renew_jwt
from realtime.auth.keys import find_key
from realtime.auth.proofs import ProofKind
from realtime.auth.tokens import InvalidToken, TokenExpired, TokenRevoked
from realtime.timestamps import now
from tests.realtime.people import make_key, make_user

pytestmark = pytest.mark.django_db
PASSWORD = "secret words"


@pytest.fixture
def user() -> User:
    return make_user("reader", "trading.view_position")


@pytest.fixture
def access(user: User) -> str:
    return issue_jwts(user)["access"]


def payload_of(jwt: str) -> dict[str, Any]:
    body = jwt.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def signed(claims: dict[str, Any], *, key: str = "") -> str:
    """A JWT made by hand, with the service's own key by default."""
    text = f"{encoded({'alg': 'HS256', 'typ': 'JWT'})}.{encoded(claims)}"
    secret = (key or django_settings.SECRET_KEY).encode()
    signature = hmac.digest(secret, text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def post(path: str, **body: Any) -> Any:
    return Client().post(path, json.dumps(body), content_type="application/json")


def refusal(jwt: str) -> str:
    with pytest.raises(InvalidToken) as caught:
        find_key(jwt)
    assert str(caught.value)
    return caught.value.code


def test_jwt_is_its_users_for_as_long_as_the_setting_says(user: User, settings: Settings) -> None:
    settings.REALTIME_JWT_ACCESS_SECONDS = 120.0
    settings.REALTIME_JWT_REFRESH_SECONDS = 3600.0
    issued = issue_jwts(user)
    found = find_jwt(issued["access"])
    assert found.user == user
    assert timedelta(seconds=110) < found.expires_at - now() <= timedelta(seconds=120)
    lasts = payload_of(issued["refresh"])["exp"] - now().timestamp()
    assert 3590 < lasts <= 3600


def test_jwt_takes_one_query(
    user: User, access: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        key = find_key(access)
    assert (key.user, key.proof.kind) == (user, ProofKind.JWT)
    assert key.proof.expires_at == key.expires_at


def test_jwt_does_not_hold_the_password(user: User) -> None:
    shown = json.dumps([payload_of(jwt) for jwt in issue_jwts(user).values()])
    assert user.password not in shown
    assert user.get_session_auth_hash() not in shown


def test_refresh_jwt_opens_nothing(user: User) -> None:
    assert refusal(issue_jwts(user)["refresh"]) == "invalid_token"


def test_access_jwt_renews_nothing(access: str) -> None:
    with pytest.raises(InvalidToken):
        renew_jwt(access)


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_expired_jwt_is_refused_as_such(user: User, kind: str) -> None:
    expired = signed(payload_of(issue_jwts(user)[kind]) | {"exp": int(time.time()) - 1})
    with pytest.raises(TokenExpired):
        find_key(expired) if kind == "access" else renew_jwt(expired)


def test_jwt_without_an_end_is_refused(access: str) -> None:
    claims = payload_of(access)
    assert find_key(signed(claims)).proof.kind is ProofKind.JWT
    del claims["exp"]
    assert refusal(signed(claims)) == "invalid_token"


@pytest.mark.parametrize("algorithm", ["none", "None", "HS512", "RS256"])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_jwt_of_another_algorithm_is_refused(access: str, algorithm: str, signature: str) -> None:
    header = encoded({"alg": algorithm, "typ": "JWT"})
    forged = f"{header}.{access.split('.')[1]}.{signature}"
    assert refusal(forged) == "invalid_token"


def test_jwt_signed_with_another_key_is_refused(access: str) -> None:
    other = "another secret of more than thirty-two characters"
    assert refusal(signed(payload_of(access), key=other)) == "invalid_token"


def test_jwt_whose_claims_were_changed_is_refused(access: str) -> None:
    other = make_user("other")
    header, _, signature = access.split(".")
    claims = payload_of(access) | {"user_id": str(other.pk)}
    assert refusal(f"{header}.{encoded(claims)}.{signature}") == "invalid_token"


def test_jwt_of_a_user_that_is_not_active_or_gone_is_refused(user: User) -> None:
    issued = issue_jwts(user)
    User.objects.update(is_active=False)
    assert refusal(issued["access"]) == "invalid_token"
    with pytest.raises(InvalidToken):
        renew_jwt(issued["refresh"])
    User.objects.all().delete()
    assert refusal(issued["access"]) == "invalid_token"


def test_jwt_of_before_a_change_of_password_is_refused(user: User) -> None:
    issued = issue_jwts(user)
    user.set_password("other words")
    user.save()
    assert refusal(issued["access"]) == "token_revoked"
    with pytest.raises(TokenRevoked):
        renew_jwt(issued["refresh"])
    assert find_key(issue_jwts(user)["access"]).user == user


def test_jwt_without_our_claim_is_refused(user: User) -> None:
    from rest_framework_simplejwt.tokens import AccessToken

    assert refusal(str(AccessToken.for_user(user))) == "invalid_token"


def test_jwt_that_is_too_long_is_not_even_read(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert refusal("a." + "b" * LONGEST_JWT + ".c") == "invalid_token"


@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(parts=st.lists(st.text(max_size=30), min_size=3, max_size=3))
def test_no_text_with_two_dots_raises_anything_else(db: None, parts: list[str]) -> None:
    with pytest.raises(InvalidToken):
        find_key(".".join(parts))


def test_without_the_library_a_jwt_is_an_unknown_token(
    access: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwts, "are_available", lambda: False)
    assert refusal(access) == "invalid_token"


# Over REST.


def test_jwts_are_issued_for_a_password_and_renewed(user: User) -> None:
    issued = post("/api/jwt/", username="reader", password=PASSWORD)
    assert issued.status_code == 200
    assert set(issued.json()) == {"access", "refresh"}
    renewed = post("/api/jwt/refresh/", refresh=issued.json()["refresh"])
    assert renewed.status_code == 200
    for jwt in (issued.json()["access"], renewed.json()["access"]):
        for scheme in ("Bearer", "Token"):
            headers = {"authorization": f"{scheme} {jwt}"}
            assert Client().get("/api/events/", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/api/jwt/", {"username": "reader", "password": "wrong"}, 401, "invalid_credentials"),
        ("/api/jwt/", {"username": "nobody", "password": PASSWORD}, 401, "invalid_credentials"),
        ("/api/jwt/", {"username": "reader"}, 400, "invalid_value"),
        ("/api/jwt/refresh/", {}, 400, "invalid_value"),
        ("/api/jwt/refresh/", {"refresh": ["x"]}, 400, "invalid_value"),
        ("/api/jwt/refresh/", {"refresh": "nonsense"}, 401, "invalid_token"),
        ("/api/jwt/refresh/", {"refresh": "a.b.c"}, 401, "invalid_token"),
    ],
)
def test_no_jwt_for_a_bad_request(
    user: User, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = post(path, **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == {"code", "message", "fields"}


def test_refresh_of_before_a_change_of_password_is_a_401(user: User) -> None:
    refresh = issue_jwts(user)["refresh"]
    user.set_password("other words")
    user.save()
    answer = post("/api/jwt/refresh/", refresh=refresh)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    assert answer.headers["WWW-Authenticate"] == "Token"


def test_token_key_is_no_jwt(user: User) -> None:
    key = make_key(user)
    assert find_key(key).proof.kind is ProofKind.TOKEN
    assert not jwts.looks_like_jwt(key)
