"""Shows RQ's queues to operators: rq-dashboard's data on our own pages, read-only, and behind the operators' token.

rq-dashboard's own pages turn parts of jobs into markup and scripts, although anybody who reaches Redis may have written
them. Our pages turn them into text, and the security policy allows no script but the one in dashboard_page.
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
from pipeline.queues.broker import connect
from pipeline.queues.redis_errors import reason
from pipeline.queues.rq_job import AllowListedJob, MsgpackSerializer
from workers.gateway import check_port_free

logger = logging.getLogger(__name__)

DEFAULT_PORT = 9181
#: A client that sends only half a request holds a thread for no longer than this.
REQUEST_TIMEOUT_S = 10
#: The folder of our script, our style sheet, and the templates that replace those of the same names in rq-dashboard.
PAGE = Path(__file__).parent / "dashboard_page"
#: The endpoints that may be called: static files, and views that only read. Some of rq-dashboard's other views change
#: queues, one of them even upon a GET (/requeue/NAME).
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
    """A job that is always read as msgpack. rq-dashboard names no serializer for some jobs, which then means pickle."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options | {"serializer": MsgpackSerializer})

    def get_call_string(self) -> str:
        return readable(super().get_call_string) or "?"


class ReadQueue(Queue):
    """A queue whose readable jobs are shown even if others cannot be read."""

    job_class = ReadJob

    def get_job_ids(self, offset: int = 0, length: int = -1) -> list[str]:
        end = length if length < 0 else offset + length - 1
        return [as_text(job_id) for job_id in self.connection.lrange(self.key, offset, end)] if length else []

    def fetch_job(self, job_id: str) -> ReadJob | None:
        with contextlib.suppress(NoSuchJobError):
            return readable(super().fetch_job, job_id)
        return None


class ReadRegistry(registry.BaseRegistry):
    """A mixin for RQ's registries, which shows their jobs even if some ids cannot be read."""

    def get_job_ids(self, start: int = 0, end: int = -1, desc: bool = False, cleanup: bool = True) -> list[str]:
        ids = map(as_text, cast(list[bytes], self.connection.zrange(self.key, start, end)))
        return [self.parse_job_id(job_id) for job_id in ids]


class ReadWorker(Worker):
    """A worker that is shown even if other workers, or its current job, cannot be read."""

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
    """Decode a name; unlike RQ's own function, this accepts invalid UTF-8."""
    return name if isinstance(name, str) else name.decode(errors="replace")


def readable(find: Any, *args: Any, **options: Any) -> Any:
    """Call `find` and return its result, or None if RQ fails to parse a record, which raises errors of many types."""
    try:
        return find(*args, **options)
    except redis.ConnectionError:
        raise
    except Exception as error:
        logger.info("a record of RQ cannot be read (%s)", type(error).__name__)
        return None


def application(redis_url: str, access: Access, hosts: Hosts = Hosts()) -> Flask:
    """Return the WSGI application."""
    web = rq_dashboard.web
    web.from_url = lambda url, **_: (None, connect(url))
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
    """Return a response that refuses the request, or None to let it in.

    A request with the right token in its address is redirected to the address without the token.
    """
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
    """Add the security headers, and a cookie if the address had the right token."""
    response.headers.update(HEADERS)
    if access.opens(request.args.get("token", "")):
        response.set_cookie(COOKIE, access.token, httponly=True, samesite="Strict", secure=request.is_secure)
    return response


def sentence(error: Exception) -> BaseResponse:
    """Turn an error into a response of one sentence. There is no stack trace, since bad records are not our errors."""
    if isinstance(error, HTTPException):
        return error.get_response()
    if isinstance(error, redis.RedisError):
        return Response(f"Redis cannot be used: {reason(error)}.", 503, mimetype="text/plain")
    if isinstance(error, (NoSuchJobError, LookupError)):
        return Response("There is no such thing, or not any more.", 404, mimetype="text/plain")
    logger.info("%s cannot be shown (%s)", request.endpoint, type(error).__name__)
    return Response("This cannot be shown, since it is not ours.", 422, mimetype="text/plain")


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
    """Handles requests with a time-out, and logs none, since their addresses may contain the token."""

    timeout = REQUEST_TIMEOUT_S

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass
