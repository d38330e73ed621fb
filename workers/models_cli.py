"""The command `mvstylizer models`: lists the global models in this machine's registry, shows one, or rolls back."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from cloud.federated.registry import Record, Registry
from pipeline.contract.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=["list", "show", "rollback"], default="list")
    parser.add_argument("version", nargs="?", type=int, help="which one (default: show the newest, roll back by one)")
    parser.add_argument("--models", type=Path, metavar="DIR", help="where globals are kept (default MVS_MODELS_DIR)")
    parser.epilog = (
        "examples:\n"
        "  mvstylizer models                  the versions that are kept, the newest last\n"
        "  mvstylizer models show 7           what version 7 was made of\n"
        "  mvstylizer models rollback         go back to the model before the newest; again, to the one before that\n"
        "  mvstylizer models rollback 7       make version 7 the newest again, whatever became of it\n\n"
        "A running aggregator hands a rolled-back model to all edges within a second, without a pause."
    )


def run(args: argparse.Namespace) -> None:
    """Do what the arguments say and print the result; raises ValueError for a version that is not kept."""
    registry = Registry(args.models or Settings.from_environment().models_dir)
    print({"list": listed, "show": shown, "rollback": rolled_back}[args.action](registry, args.version))


def listed(registry: Registry, version: int | None = None) -> str:
    newest = registry.latest().version
    rows = [row(record) + ("  <- newest" if record.version == newest else "") for record in registry.records()]
    return "\n".join([f"{'version':>7}  {'model':12}  {'from':12}  {'images':>8}  {'loss before':>11}  after", *rows])


def row(record: Record) -> str:
    images, rounds = sum(record.examples.values()), record.origin == "round"
    losses = f"{record.loss_before:11.4f}  {record.loss_after:.4f}" if rounds else ""
    return f"{record.version:7}  {record.model_version:12}  {record.origin:12}  {images if rounds else '':>8}  {losses}"


def shown(registry: Registry, version: int | None) -> str:
    return json.dumps(asdict(of(registry, version)), indent=1)


def rolled_back(registry: Registry, version: int | None) -> str:
    wanted = registry.version_before() if version is None else of(registry, version).version
    record = registry.rollback(wanted)
    return f"Version {record.version} is version {wanted} again ({record.model_version})."


def of(registry: Registry, version: int | None) -> Record:
    if version is None:
        return registry.latest()
    kept = {record.version: record for record in registry.records()}
    if version not in kept:
        raise ValueError(f"version {version} is not kept; these are: {', '.join(map(str, kept))}")
    return kept[version]
