"""The command `mvstylizer styles`: lists the styles that come with the package."""

import argparse

from pipeline.styles.catalog import shipped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example:\n  mvstylizer image portrait.jpg dusk out.png"


def run(args: argparse.Namespace) -> None:
    """Print one name on each line, as other commands accept it."""
    print("\n".join(style.name.lower().replace(" ", "-") for style in shipped()))
