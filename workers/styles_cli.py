"""The styles that come with the package: `mvstylizer styles`."""

import argparse

from pipeline.styles.catalog import shipped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example:\n  mvstylizer image portrait.jpg dusk out.png"


def run(args: argparse.Namespace) -> None:
    """Each as other commands take it, one a line."""
    print("\n".join(style.name.lower().replace(" ", "-") for style in shipped()))
