"""The queues as RQ sees them: rq-dashboard's data on pages of our own, read-only, behind the operators' token.

Its own pages make markup and scripts of what jobs say of themselves, which is whatever somebody wrote into Redis. Ours
make text of it, and the security policy lets no script run but the one in dashboard_page.
"""

import argparse
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import redis
import rq_dashboard
import rq_dashboard.web
from flask import Flask, Response, redirect, request, send_from_directory
from jinja2 import FileSystemLoader
from rq import Queue, Worker, registry
from rq.exceptions import NoSuchJobError
from rq.worker.base import BaseWorker
from rq.worker_registration import REDIS_WORKER_KEYS
from werkzeug.exceptions import HTTPException
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response as BaseResponse

from pipeline.contract.settings import Settings
from pipeline.gateway.app import own_names
from pipeline.http.head import RequestRefused
from pipeline.http.hosts import Hosts
from pipeline.monitoring.auth import COOKIE, SENTENCE, Access
from pipeline.queues.redis_errors import reason
from pipeline.queues.rq_job import AllowListedJob, MsgpackSerializer
from workers.gateway import check_port_free

logger = logging.getLogger(__name__)

DEFAULT_PORT = 9181
#: A thread is held for no longer by who sends half a request.
REQUEST_TIMEOUT_S = 10
#: Our script and style sheet; its templates stand in for those of the same names in rq-dashboard.
PAGE = Path(__file__).parent / "dashboard_page"
#: Whose style sheets, the application's static ones, and what only reads. Some of the others change queues, one even
#: when it is merely requested (GET /requeue/NAME).
READING = {"static", "page"} | {
    f"rq_dashboard.{name}"
    for name in (
        "favicon",
        "queues_overview",
        "workers_overview",
        "jobs_overview",
        "job_view",
        "list_queues",
        "list_jobs",
        "list_workers",
        "job_info",
    )
}
REGISTRIES = tuple(f"{kind}JobRegistry" for kind in "Canceled Deferred Failed Finished Scheduled Started".split())
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class ReadJob(AllowListedJob):
    """rq-dashboard reads some jobs without saying how they are written, and would take them for pickles."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options | {"serializer": MsgpackSerializer})

    def get_call_string(self) -> str:
        return readable(super().get_call_string) or "?"


class ReadQueue(Queue):
    """A job that cannot be read hides no other."""

    job_class = ReadJob

    def get_job_ids(self, offset: int = 0, length: int = -1) -> list[str]:
        end = length if length < 0 else offset + length - 1
        return [as_text(job_id) for job_id in self.connection.lrange(self.key, offset, end)] if length else []

    def fetch_job(self, job_id: str) -> ReadJob | None:
        with contextlib.suppress(NoSuchJobError):
            return readable(super().fetch_job, job_id)
        return None


class ReadRegistry(registry.BaseRegistry):
    """Before a registry of RQ: as above."""

    def get_job_ids(self, start: int = 0, end: int = -1, desc: bool = False, cleanup: bool = True) -> list[str]:
        ids = map(as_text, cast(list[bytes], self.connection.zrange(self.key, start, end)))
        return [self.parse_job_id(job_id) for job_id in ids]


class ReadWorker(Worker):
    """As above, for workers and for the job that one is at."""

    @classmethod
    def all(cls, *_: Any, **options: Any) -> list[BaseWorker]:
        options |= {"job_class": ReadJob, "serializer": MsgpackSerializer}
        keys = map(as_text, options["connection"].smembers(REDIS_WORKER_KEYS))
        return list(filter(None, [cls.find_by_key(key, **options) for key in keys]))

    @classmethod
    def find_by_key(cls, worker_key: str, *args: Any, **options: Any) -> BaseWorker | None:
        return readable(super().find_by_key, worker_key, *args, **options)

    def get_current_job(self, *args: Any) -> ReadJob | None:
        return readable(super().get_current_job, *args)


def as_text(name: bytes | str) -> str:
    """RQ's own stops at what is no UTF-8."""
    return name if isinstance(name, str) else name.decode(errors="replace")


def readable(find: Any, *args: Any, **options: Any) -> Any:
    """What `find` finds; None where that is broken in one of the many ways in which RQ's parsers fail."""
    try:
        return find(*args, **options)
    except redis.ConnectionError:
        raise
    except Exception as error:
        logger.info("a record of RQ cannot be read (%s)", type(error).__name__)
        return None


def application(redis_url: str, access: Access, hosts: Hosts = Hosts()) -> Flask:
    """The WSGI application."""
    web = rq_dashboard.web
    web.config.serializer, web.Job, web.Worker, web.Queue = MsgpackSerializer, ReadJob, ReadWorker, ReadQueue
    for name in REGISTRIES:
        setattr(web, name, type(name, (ReadRegistry, getattr(registry, name)), {}))
    app = Flask("mvstylizer", static_folder=rq_dashboard.blueprint.static_folder, static_url_path="/static")
    app.jinja_loader = FileSystemLoader(PAGE)
    app.config.from_object(rq_dashboard.default_settings)
    app.config |= {"RQ_DASHBOARD_REDIS_URL": redis_url, "RQ_DASHBOARD_DISABLE_DELETE": True}
    web.setup_rq_connection(app)
    app.before_request(lambda: guard(access, hosts))
    app.after_request(lambda response: dress(response, access))
    app.register_error_handler(Exception, sentence)
    app.add_url_rule("/page/<path:filename>", "page", lambda filename: send_from_directory(PAGE, filename))
    app.register_blueprint(rq_dashboard.blueprint)
    return app


def guard(access: Access, hosts: Hosts) -> BaseResponse | None:
    """Why a request is not let in, if it is not; who brings the token is sent on without it in the address."""
    try:
        hosts.check_host({"host": request.headers.get("Host", "")})
    except RequestRefused as refused:
        return Response(refused.sentence, refused.status, mimetype="text/plain")
    cookie, query = request.cookies.get(COOKIE, ""), request.args.get("token", "")
    if not access.granted(cast(Mapping[str, str], request.headers), cookie=cookie, query=query):
        return Response(SENTENCE, 401, {"WWW-Authenticate": "Bearer"}, mimetype="text/plain")
    if request.endpoint not in READING or request.method not in ("GET", "HEAD"):
        return Response("This dashboard only looks.", 405, mimetype="text/plain")
    return redirect(request.path, 303) if access.opens(query) else None


def dress(response: Response, access: Access) -> Response:
    response.headers.update(HEADERS)
    if access.opens(request.args.get("token", "")):
        response.set_cookie(COOKIE, access.token, httponly=True, samesite="Strict", secure=request.is_secure)
    return response


def sentence(error: Exception) -> BaseResponse:
    """What is wrong, without a trace: what RQ's parsers stumble over is somebody else's."""
    if isinstance(error, HTTPException):
        return error.get_response()
    if isinstance(error, redis.RedisError):
        return Response(f"Redis cannot be used: {reason(error)}.", 503, mimetype="text/plain")
    if isinstance(error, (NoSuchJobError, LookupError)):
        return Response("There is no such thing, or not any more.", 404, mimetype="text/plain")
    logger.info("%s cannot be shown (%s)", request.endpoint, type(error).__name__)
    return Response("This cannot be shown: it is none of ours.", 422, mimetype="text/plain")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"port to listen on (default {DEFAULT_PORT})")
    parser.add_argument("--redis", metavar="URL", help="Redis to show (default MVS_REDIS_URL)")


def run(args: argparse.Namespace) -> None:
    settings = replace(Settings.from_environment(), host=args.host)
    check_port_free(args.host, args.port)
    access = Access.of(settings)
    app = application(args.redis or settings.redis_url, access, Hosts(own_names(settings.host), settings.allowed_hosts))
    server = make_server(args.host, args.port, app, threaded=True, request_handler=QuietHandler)
    host = f"[{args.host}]" if ":" in args.host else args.host
    print(f"Queues: {access.url(f'http://{host}:{args.port}/')}   (Ctrl-C stops it)", flush=True)
    server.serve_forever()


class QuietHandler(WSGIRequestHandler):
    """Does not write requests down: their addresses may hold the token. Waits for none for ever."""

    timeout = REQUEST_TIMEOUT_S

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass
