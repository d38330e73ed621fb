"""rq-dashboard with real queues shows everything and changes nothing, and only operators get in."""

import re
import zlib

import pytest
from flask.testing import FlaskClient
from rq.job import Job

from pipeline.monitoring.auth import Access
from support.services.rq_queues import queues  # noqa: F401 (a fixture)
from workers.dashboard import application

TOKEN = "a-token-of-operators"
PAGES = [
    "/",
    "/0/view/workers",
    "/0/view/jobs",
    "/0/view/jobs/stylize.edge/queued/8/asc/1",
    "/0/view/jobs/stylize.edge/failed/8/dsc/1",
    "/0/view/jobs/stylize.edge/finished/8/asc/1",
]
DATA = [
    "/0/data/queues.json",
    "/0/data/workers.json",
    "/0/data/jobs/stylize.edge/queued/8/asc/1.json",
    "/0/data/jobs/stylize.edge/finished/8/asc/1.json",
    "/0/data/jobs/stylize.edge/failed/8/asc/1.json",
]
CHANGES = [
    "/job/waiting-2/delete",
    "/job/waiting-2/requeue",
    "/requeue/stylize.edge",
    "/queue/stylize.edge/queued/empty",
    "/queue/stylize.edge/compact",
]


@pytest.fixture
def client(queues) -> FlaskClient:  # noqa: F811
    return application(queues, Access(TOKEN, local=True)).test_client()


def test_every_page_and_every_table_is_there(client):
    answers = {path: client.get(path) for path in [*PAGES, *DATA, "/0/view/job/waiting-0"]}

    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert "frame-ancestors 'none'" in answers["/"].headers["Content-Security-Policy"]


def test_it_shows_what_is_in_the_queues(client):
    (queue,) = client.get("/0/data/queues.json").json["queues"]
    (worker,) = client.get("/0/data/workers.json").json["workers"]
    (failed,) = client.get(DATA[-1]).json["jobs"]
    done = client.get("/0/data/job/waiting-0.json").json

    assert (queue["name"], queue["count"], queue["failed_job_registry_count"]) == ("stylize.edge", 1, 1)
    assert queue["finished_job_registry_count"] == 1
    assert worker["current_job"]["call_string"] == "workers.stylize.stylize_key_frame('waiting', 2)"
    assert "no memory" in failed["exc_info"]
    assert (done["status"], done["result"], done["origin"]) == ("finished", None, "stylize.edge")


def test_nothing_can_be_changed(client, connection):
    before = {key: connection.dump(key) for key in connection.keys("rq:*")}

    for path in [*PAGES, *DATA, *CHANGES]:
        for method in ("POST", "PUT", "DELETE", *(["GET"] if path in CHANGES else [])):
            assert client.open(path, method=method).status_code == 405, (method, path)

    assert {key: connection.dump(key) for key in connection.keys("rq:*")} == before


def test_beyond_loopback_nothing_is_seen_without_the_token(redis_url):
    client = application(redis_url, Access(TOKEN, local=False)).test_client()

    for path in [*PAGES, *DATA, *CHANGES, "/static/css/main.css", "/nowhere", "/?token=wrong"]:
        assert client.get(path).status_code == client.post(path).status_code == 401, path


def test_a_token_in_the_address_becomes_a_cookie(redis_url):
    client = application(redis_url, Access(TOKEN, local=False)).test_client()

    answer = client.get(f"/?token={TOKEN}")
    cookie = answer.headers["Set-Cookie"]

    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")  # no token stays in the address
    assert client.get("/0/data/queues.json").status_code == 200


def test_a_job_that_is_a_pickle_is_not_read(client, connection, tmp_path):
    """This pickle would open a file for writing, and so leave it behind."""
    trace = tmp_path / "trace"
    pickle = b"cbuiltins\nopen\n(S'%s'\nS'w'\ntR." % bytes(trace)
    connection.hset(Job.key_for("waiting-2"), "data", zlib.compress(pickle))

    for path in ("/0/data/workers.json", "/0/data/job/waiting-2.json", DATA[2], "/0/view/job/waiting-2"):
        client.get(path)

    assert not trace.exists()


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "a b"])
def test_by_another_name_nothing_is_seen(queues, host):  # noqa: F811
    """It may be the name of a foreign page, rebound to this machine."""
    client = application(queues, Access(TOKEN, local=True)).test_client()

    assert client.get("/0/data/queues.json", headers={"Host": host}).status_code in (400, 421)
    assert client.get("/0/data/queues.json", headers={"Host": "127.0.0.1:9181"}).status_code == 200


def test_no_script_runs_but_ours(client):
    policy = client.get("/").headers["Content-Security-Policy"]

    assert "script-src 'self';" in policy and "default-src 'none'" in policy and "unsafe" not in policy
    for path in (*PAGES, "/0/view/job/waiting-0"):
        page = client.get(path).text
        assert page.count("<script") == 1 and '<script type="module" src="/page/dashboard.js"></script>' in page
        assert "style=" not in page and "<style" not in page and "onclick" not in page


def test_every_asset_of_every_page_is_there(client):
    for path in (*PAGES, "/0/view/job/waiting-0"):
        assets = re.findall(r'<(?:link|script)[^>]* (?:href|src)="([^"]+)"', client.get(path).text)
        assert len(assets) == 4
        for asset in assets:
            with client.get(asset) as answer:
                assert answer.status_code == 200, asset


BROKEN = {
    "created_at": "never",
    "enqueued_at": b"\xff",
    "status": b"\xff\xfe",
    "timeout": "soon",
    "data": b"rubbish",
    "origin": b"\xc3",
    "description": b"\xff",
}


@pytest.mark.parametrize("field", BROKEN)
def test_a_job_that_cannot_be_read_hides_no_other(client, connection, field, caplog):
    connection.hset(Job.key_for("waiting-2"), field, BROKEN[field])
    connection.lpush("rq:queue:stylize.edge", b"\xff\xfe", "gone")

    for path in ["/0/data/queues.json", "/0/data/workers.json", DATA[2]]:
        assert client.get(path).status_code == 200, path
    assert client.get("/0/data/job/waiting-2.json").status_code in (200, 404, 422)
    assert client.get("/0/data/job/gone.json").status_code == 404
    assert "Traceback" not in caplog.text


def test_a_worker_that_cannot_be_read_hides_no_other(client, connection):
    connection.sadd("rq:workers", "rq:worker:broken", "no worker", b"\xff")
    connection.hset("rq:worker:broken", mapping={"birth": "never", "last_heartbeat": "x", "pid": "many"})

    assert len(client.get("/0/data/workers.json").json["workers"]) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/9/data/queues.json",
        "/0/data/jobs/q/nothing/8/asc/1.json",
        "/0/view/job/nowhere",
        "/0/data/jobs/q/queued/x/asc/1.json",
        "/0/data/jobs/q/failed/0/asc/0.json",
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(client, path, caplog):
    answer = client.get(path)

    assert answer.status_code in (404, 422) and "<" not in answer.text
    assert "Traceback" not in caplog.text


def test_without_redis_it_says_so():
    client = application("redis://127.0.0.1:1/0", Access(TOKEN, local=True)).test_client()

    assert client.get("/0/data/queues.json").status_code == 503
