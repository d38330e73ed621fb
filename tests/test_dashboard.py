"""rq-dashboard over real queues: all of it can be looked at, nothing changed, and only operators get in."""
import zlib
from collections.abc import Iterator

import pytest
import redis
from flask.testing import FlaskClient
from rq.job import Job

from pipeline.access import Access
from pipeline.broker import GatewayBroker, connect, stylize_queue
from pipeline.jobs import AllowListedJob, MsgpackSerializer
from pipeline.messages import KeyFrame
from workers import stylize
from workers.dashboard import application
from workers.stylize import EdgeWorker

TOKEN = "a-token-of-operators"
PAGES = ["/", "/0/view/workers", "/0/view/jobs", "/0/view/jobs/stylize.edge/queued/8/asc/1",
         "/0/view/jobs/stylize.edge/failed/8/dsc/1", "/0/view/jobs/stylize.edge/finished/8/asc/1"]
DATA = ["/0/data/queues.json", "/0/data/workers.json", "/0/data/jobs/stylize.edge/queued/8/asc/1.json",
        "/0/data/jobs/stylize.edge/finished/8/asc/1.json", "/0/data/jobs/stylize.edge/failed/8/asc/1.json"]
CHANGES = ["/job/waiting-2/delete", "/job/waiting-2/requeue", "/requeue/stylize.edge",
           "/queue/stylize.edge/queued/empty", "/queue/stylize.edge/compact"]


class Fails:
    """An edge that answers the first key frame and fails at the second."""

    def stylize(self, stream_id: str, frame_id: int) -> None:
        if frame_id == 1:
            raise RuntimeError("no memory")


@pytest.fixture
def connection(redis_url) -> Iterator[redis.Redis]:
    with connect(redis_url) as client:
        yield client


@pytest.fixture
def queues(redis_url, connection, monkeypatch) -> str:
    """One job finished, one failed, and one in the queue that a worker says it is at."""
    monkeypatch.setattr(stylize, "EDGE", Fails())
    broker, queue = GatewayBroker(redis_url, edge_id="edge", gateway_id="gateway"), stylize_queue(connection, "edge")
    worker = EdgeWorker([queue], connection=connection, job_class=AllowListedJob, serializer=MsgpackSerializer)
    worker.beacon, worker.model_version = "beacon", lambda: "version"
    for frame_id in range(2):
        broker.submit(KeyFrame("gateway", "waiting", frame_id, "style", False, b"jpeg"))
    worker.work(burst=True, logging_level="CRITICAL")
    broker.submit(KeyFrame("gateway", "waiting", 2, "style", False, b"jpeg"))
    worker.register_birth()
    worker.prepare_execution(queue.fetch_job("waiting-2"))
    broker.close()
    return redis_url


@pytest.fixture
def client(queues) -> FlaskClient:
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

    cookie = client.get(f"/?token={TOKEN}").headers["Set-Cookie"]

    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert client.get("/0/data/queues.json").status_code == 200


def test_a_job_that_is_a_pickle_is_not_read(client, connection, tmp_path):
    """One that would open a file for writing, and so leave it behind."""
    trace = tmp_path / "trace"
    pickle = b"cbuiltins\nopen\n(S'%s'\nS'w'\ntR." % bytes(trace)
    connection.hset(Job.key_for("waiting-2"), "data", zlib.compress(pickle))

    for path in ("/0/data/workers.json", "/0/data/job/waiting-2.json", DATA[2], "/0/view/job/waiting-2"):
        client.get(path)

    assert not trace.exists()
