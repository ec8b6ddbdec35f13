"""The private servers do what the chaos tests rely on."""

from __future__ import annotations

from tests.private_services import PrivatePostgres, PrivateRedis


def test_a_restarted_redis_has_lost_everything(own_redis: PrivateRedis) -> None:
    own_redis.client().set("a", "1")
    own_redis.kill()
    assert not own_redis.is_up()
    own_redis.start()
    assert own_redis.client().get("a") is None


def test_a_restarted_postgres_has_kept_everything(own_postgres: PrivatePostgres) -> None:
    own_postgres.execute("CREATE TABLE a AS SELECT 1 AS b")
    own_postgres.restart()
    assert own_postgres.execute("SELECT b FROM a") == [(1,)]
