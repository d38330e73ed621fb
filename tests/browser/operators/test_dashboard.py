"""rq-dashboard in Chromium, while queues and workers hold markup."""

import base64
import threading
import zlib
from collections.abc import Iterator

import pytest
from rq.job import Job
from werkzeug.serving import make_server

from pipeline.monitoring.auth import Access
from support.browsers.chromium import chromium
from support.services.rq_queues import queues  # noqa: F401 (a fixture)
from workers.dashboard import QuietHandler, application

TOKEN = "a-token-of-operators"


EVIL = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script><b id=bold>${7*7}</b>"


@pytest.fixture
def hostile(queues, connection) -> str:  # noqa: F811
    """Jobs and workers whose every text would run as markup."""
    connection.hset(Job.key_for("waiting-0"), "description", EVIL)
    connection.hset(Job.key_for("waiting-2"), "description", EVIL)
    connection.xadd(
        "rq:results:waiting-1",
        {"type": "2", "created_at": "1", "exc_string": base64.b64encode(zlib.compress(EVIL.encode())).decode()},
    )
    connection.sadd("rq:queues", f"rq:queue:{EVIL}")
    (worker,) = connection.smembers("rq:workers")
    name = worker.removeprefix(b"rq:worker:")
    for key in connection.keys("rq:*"):
        if name in key:
            connection.rename(key, key.replace(name, EVIL.encode()))
    connection.srem("rq:workers", worker)
    connection.sadd("rq:workers", f"rq:worker:{EVIL}")
    return queues


@pytest.fixture
def served(hostile) -> Iterator[str]:
    server = make_server(
        "127.0.0.1", 0, application(hostile, Access(TOKEN, local=False)), threaded=True, request_handler=QuietHandler
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


# A browser that closes amid a file leaves it to the collector: werkzeug's server does not close it then.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("path", "row", "told"),
    [
        ("/", "#queues tr[data-role=queue]", "stylize.edge"),
        ("/0/view/workers", "#workers tr[data-role=worker]", "stylize_key_frame"),
        ("/0/view/jobs/stylize.edge/queued/8/asc/1", "#jobs tr[data-role=job]", "waiting-2"),
        ("/0/view/jobs/stylize.edge/failed/8/asc/1", "#jobs tr[data-role=job] pre", "<img src=x"),
        ("/0/view/job/waiting-0", "#job-data .description", "<img src=x"),
    ],
    ids=["queues", "workers", "jobs", "failed jobs", "a job"],
)
async def test_in_a_browser_the_tables_fill_and_nothing_that_is_told_runs(served, path, row, told, tmp_path):
    answers, complaints = {}, []
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 1200, "height": 700})
        page.on("response", lambda response: answers.update({response.url: response.status}))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"{served}{path}?token={TOKEN}")
        await page.locator(row).first.wait_for()
        shown = " ".join(await page.locator("main").all_inner_texts())
        title, bold = await page.title(), await page.locator("#bold").count()
        await page.screenshot(path=tmp_path / "dashboard.png")
        address = page.url

    assert told in shown
    assert (title, bold, complaints) == ("Queues - MVStylizer", 0, [])
    assert {status for status in answers.values()} <= {200, 303} and len(answers) >= 5
    assert TOKEN not in address
