"""A gateway whose task fails serves on."""

from pipeline.monitoring import task_owner
from support.webrtc.peers import Client, Running, until


async def test_a_gateway_whose_reader_of_answers_dies_answers_again(redis_url, tmp_path, edge, monkeypatch):
    """Before, it answered nobody from then on, while /healthz said that all was well."""
    monkeypatch.setattr(task_owner, "RESTART_S", 0.05)
    async with Running(redis_url, tmp_path) as running:
        client = Client(running.url)
        await client.open()
        await until(lambda: len(client.grids) >= 1)
        broken = running.gateway._sessions
        running.gateway._sessions = None  # whatever the reader does with its next answer raises
        await until(lambda: running.count("mvs_tasks_restarted_total", task="answers") >= 1)
        running.gateway._sessions = broken

        before = len(client.grids)
        await until(lambda: len(client.grids) > before)
        await client.close()
