"""The queues as RQ sees them: rq-dashboard, read-only, behind the operators' token."""
import argparse
from dataclasses import replace
from typing import Any

import rq_dashboard
import rq_dashboard.web
from flask import Flask, Response, request
from rq import Worker
from werkzeug.serving import WSGIRequestHandler, make_server

from pipeline.access import COOKIE, SENTENCE, Access
from pipeline.jobs import AllowListedJob, MsgpackSerializer
from pipeline.settings import Settings
from workers.gateway import check_port_free

DEFAULT_PORT = 9181
#: All that only reads. Some of the others change queues, one even when it is merely looked at (GET /requeue/NAME).
READING = {
    f"rq_dashboard.{name}"
    for name in ("static", "favicon", "queues_overview", "workers_overview", "jobs_overview", "job_view", "list_queues",
                 "list_jobs", "list_workers", "list_instances", "job_info")
}
HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'", "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class ReadJob(AllowListedJob):
    """rq-dashboard looks at some jobs without saying how they are written, and would take them for pickles."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options | {"serializer": MsgpackSerializer})


class ReadWorker(Worker):
    """As above, for the job that a worker is at."""

    @classmethod
    def all(cls, **options: Any) -> list[Worker]:
        return super().all(**options | {"job_class": ReadJob, "serializer": MsgpackSerializer})


def application(redis_url: str, access: Access) -> Flask:
    """The WSGI application."""
    web = rq_dashboard.web
    web.config.serializer, web.Job, web.Worker = MsgpackSerializer, ReadJob, ReadWorker
    app = Flask("mvstylizer")
    app.config.from_object(rq_dashboard.default_settings)
    app.config |= {"RQ_DASHBOARD_REDIS_URL": redis_url, "RQ_DASHBOARD_DISABLE_DELETE": True}
    web.setup_rq_connection(app)
    app.before_request(lambda: guard(access))
    app.after_request(lambda response: dress(response, access))
    app.register_blueprint(rq_dashboard.blueprint)
    return app


def guard(access: Access) -> Response | None:
    """Why a request is not let in, if it is not."""
    cookie, query = request.cookies.get(COOKIE, ""), request.args.get("token", "")
    if not access.granted(request.headers, cookie=cookie, query=query):
        return Response(SENTENCE, 401, {"WWW-Authenticate": "Bearer"}, mimetype="text/plain")
    if request.endpoint not in READING or request.method not in ("GET", "HEAD"):
        return Response("This dashboard only looks.", 405, mimetype="text/plain")
    return None


def dress(response: Response, access: Access) -> Response:
    response.headers.update(HEADERS)
    if access.opens(request.args.get("token", "")):
        response.set_cookie(COOKIE, access.token, httponly=True, samesite="Strict", secure=request.is_secure)
    return response


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"port to listen on (default {DEFAULT_PORT})")
    parser.add_argument("--redis", metavar="URL", help="Redis to look into (default MVS_REDIS_URL)")


def run(args: argparse.Namespace) -> None:
    settings = replace(Settings.from_environment(), host=args.host)
    check_port_free(args.host, args.port)
    access = Access.of(settings)
    app = application(args.redis or settings.redis_url, access)
    server = make_server(args.host, args.port, app, threaded=True, request_handler=QuietHandler)
    print(f"Queues: {access.url(f'http://{args.host}:{args.port}/')}   (Ctrl-C stops it)", flush=True)
    server.serve_forever()


class QuietHandler(WSGIRequestHandler):
    """Does not write requests down: their addresses may hold the token."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass
