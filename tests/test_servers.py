"""The servers that other tests rely on are real and clean."""

import smtplib
from email.message import EmailMessage

import psycopg
import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.conftest import Databases
from tests.servers import RedisServer, SmtpServer


def test_postgres_copies_have_tables_and_do_not_share_rows(databases: Databases) -> None:
    first, second = databases.create("postgresql"), databases.create("postgresql")
    with psycopg.connect(first) as connection:
        connection.execute("INSERT INTO throttle (key, failures, last_at) VALUES ('k', 1, now())")

    with psycopg.connect(second) as connection:
        assert connection.execute("SELECT count(*) FROM throttle").fetchone() == (0,)


def test_redis_is_empty_at_the_start_of_a_test(redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        assert redis.dbsize() == 0
        redis.set("left", "behind")


@pytest.mark.usefixtures("redis_url")
def test_redis_can_go_away_and_come_back(redis_server: RedisServer) -> None:
    with Redis.from_url(redis_server.url) as redis:
        redis_server.stop()
        with pytest.raises(RedisError):
            redis.ping()
        redis_server.start()
        assert redis.ping()


def test_mail_arrives_or_is_refused_as_told(smtp_server: SmtpServer) -> None:
    message = EmailMessage()
    message["Subject"] = "Ten ads"
    message.set_content("Ready for you.")
    smtp_server.answers["gone@example.com"] = "550 no such user"
    with smtplib.SMTP("127.0.0.1", int(smtp_server.url.rpartition(":")[2])) as client:
        refused = client.send_message(message, "a@example.com", ["b@example.com", "gone@example.com"])

    [mail] = smtp_server.wait_for(1)
    assert set(refused) == {"gone@example.com"}
    assert (mail.recipients, mail.message["Subject"]) == (["b@example.com"], "Ten ads")
    assert mail.text().strip() == "Ready for you."
