"""The mvstylizer command, with a subcommand for each role and tool."""

import argparse
import importlib
import logging
import sys
from importlib import metadata
from typing import NoReturn

from pipeline.contract.errors import MissingExtra, Misuse, MVStylizerError
from pipeline.contract.redaction import in_url, redact
from pipeline.contract.settings import Settings
from workers.process import extras
from workers.process.runtime import set_up_logging
from workers.process.supervisor import EXIT_MISUSE

logger = logging.getLogger(__name__)

#: The module of each subcommand, and what it does. Only the chosen one is imported, since torch takes seconds.
COMMANDS = {
    "up": ("workers.up", "start everything on this machine and print the page's address"),
    "image": ("workers.files.image", "stylize a photo, or a folder of photos"),
    "video": ("workers.files.cli", "stylize a video, every frame of it"),
    "lut": ("workers.luts.lut", "save a look as a colour table for video and photo programs"),
    "client": ("clients.headless.cli", "stream a video or camera to a gateway, and write what a viewer sees"),
    "load": ("clients.load.cli", "load a gateway with many clients, and measure how late the answers come"),
    "gateway": ("workers.gateway", "run only the gateway"),
    "stylize": ("workers.stylize", "run only an edge worker"),
    "train": ("workers.train", "run only an edge's trainer: learn from the key frames that clients share"),
    "aggregate": ("workers.aggregate", "run only the cloud: average what edges learn, and hand it to all"),
    "dashboard": ("workers.dashboard", "show operators what is in the queues (rq-dashboard)"),
    "styles": ("workers.styles_cli", "list the styles that come along"),
    "models": ("workers.models_cli", "list the global models, inspect one, or go back to one"),
    "pretrain": ("cloud.pretraining.pretrain", "train the model that is shipped"),
}
#: These roles are restarted when they end. An error while they run is not the user's mistake, unless it is a Misuse.
SUPERVISED = {"gateway", "stylize", "train", "aggregate"}
#: These run until they are stopped. A ValueError in them is our mistake, not the user's.
LASTING = {*SUPERVISED, "up", "dashboard"}


def main(argv: list[str] | None = None) -> None:
    argv = sys.argv[1:] if argv is None else argv
    chosen = next((word for word in argv if not word.startswith("-")), None)
    try:
        extras.check(chosen)
    except Misuse as error:
        _end(chosen, error)
    parser = _parser(chosen)
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help()
        return
    set_up_logging(args.verbose)
    try:
        check_arguments(args)
        args.run(args)
    except (MVStylizerError, ValueError) as error:
        if not is_misuse(args.command, error):
            raise  # this is a crash: its stack trace is logged, and the supervisor restarts the role
        logger.info("%s failed", args.command, exc_info=True)
        _end(args.command, error)
    except KeyboardInterrupt:
        sys.exit(130)


def check_arguments(args: argparse.Namespace) -> None:
    """Raise Misuse if an argument holds a password, which stands in `ps` for as long as the process lives."""
    if in_url(getattr(args, "redis", None) or ""):
        raise Misuse("Every user of this machine can read a password in --redis: set MVS_REDIS_URL instead.")


def _end(command: str | None, error: Exception) -> NoReturn:
    """End the process with the error's sentence, for the user."""
    remedy = f": {extras.remedy(error.extra)}" if isinstance(error, MissingExtra) else ""
    print(f"mvstylizer {command}: {redact(str(error), Settings.secrets())}{remedy}", file=sys.stderr)
    sys.exit(EXIT_MISUSE)


def is_misuse(command: str, error: Exception) -> bool:
    """Return whether the error is the user's: then its sentence is enough, and trying again is of no use."""
    if command in SUPERVISED:
        return isinstance(error, Misuse)
    return isinstance(error, MVStylizerError) or command not in LASTING  # edge and cloud raise ValueError for bad input


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    """Return a parser that knows the names of all subcommands, but only the arguments of the chosen one."""
    parser = argparse.ArgumentParser(prog="mvstylizer", description="Live photorealistic video style transfer.")
    _add_verbose(parser, default=False)
    parser.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (module_name, summary) in COMMANDS.items():
        sub = subparsers.add_parser(
            name,
            help=summary,
            description=summary.capitalize() + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == chosen:
            module = importlib.import_module(module_name)
            module.add_arguments(sub)
            _add_verbose(sub, default=argparse.SUPPRESS)  # so that a -v before the subcommand is kept
            sub.set_defaults(run=module.run)
    return parser


def _add_verbose(parser: argparse.ArgumentParser, *, default: object) -> None:
    parser.add_argument("-v", "--verbose", action="store_true", default=default, help="log what happens, to stderr")


def _version() -> str:
    try:
        return metadata.version("mvstylizer")
    except metadata.PackageNotFoundError:  # it runs from its source folder
        return "(not installed)"


if __name__ == "__main__":
    main()
