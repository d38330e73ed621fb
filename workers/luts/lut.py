"""The command `mvstylizer lut`: saves the look of a photo in a style as a colour table."""

import argparse
from pathlib import Path

from clients.feeds.arguments import check_strength
from clients.feeds.inputs import listed, shown
from clients.media.names import check_output, renamed_at_the_end
from clients.reassembly.grid import IDENTITY, blend_grids
from pipeline.contract.errors import BadSetting
from workers.files.arguments import add_look_arguments, checked_mood, photo, style_picture
from workers.files.image import without_hidden
from workers.files.model_loading import load_stylizer
from workers.luts.lut_files import CUBE_SIDE, HALD_LEVEL, cube_file, hald_file

SIZES = {".cube": f"{CUBE_SIDE}x{CUBE_SIDE}x{CUBE_SIDE} colours", ".png": f"HaldCLUT of level {HALD_LEVEL}"}
#: What every user of a LUT should know; the page says the same.
LOST = "A LUT treats equal colours alike wherever they are, so what the look does to single places is lost."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("content", type=Path, metavar="PHOTO", help="a photo of the scene, to which the look is fitted")
    parser.add_argument("style", metavar="STYLE", help="a photo, or the name of a shipped style")
    parser.add_argument("out", type=Path, metavar="OUT", help="table to write: .cube, or .png for a HaldCLUT")
    add_look_arguments(parser)
    parser.epilog = (
        f"{LOST}\n\n"
        "examples:\n"
        "  mvstylizer lut holiday.jpg dusk dusk.cube\n"
        "  mvstylizer lut holiday.jpg sunset.jpg sunset-hald.png --strength 0.8\n"
        "  ffmpeg -i walk.mp4 -vf lut3d=dusk.cube walk-dusk.mp4\n"
        "  ffmpeg -i walk.mp4 -i sunset-hald.png -filter_complex haldclut walk-sunset.mp4"
    )


def run(args: argparse.Namespace) -> None:
    check_strength(args.strength)
    mood = checked_mood(args.mood, args.style)
    kind = args.out.suffix.lower()
    if kind not in SIZES:
        raise BadSetting(f"{shown(args.out)} must end in {listed(SIZES)}.")
    check_output(args.out, folder=False, force=args.force)
    content, style = without_hidden(photo(args.content)), style_picture(args.style)
    stylizer = load_stylizer(args.weights)
    look = blend_grids(IDENTITY, stylizer.global_look(content, stylizer.style(style, mood)), args.strength)
    data = cube_file(look, shown(Path(args.style).stem)) if kind == ".cube" else hald_file(look)
    with renamed_at_the_end(args.out) as unfinished:
        unfinished.write_bytes(data)
    print(f"{shown(args.out)}: {SIZES[kind]}. {LOST}")
