import argparse
from pathlib import Path

import cv2
import numpy as np
import pytest

from clients.media.clip import Clip
from clients.media.geometry import resized
from clients.reassembly.flow import Dis, lucas_kanade, no_flow
from edge.grid_model.stylizer import GridStylizer
from edge.paper_model.model import PaperModel
from edge.paper_model.weights import save
from edge.vgg.vgg import VGG
from pipeline.contract.errors import BadSetting
from pipeline.contract.image_codec import encode_jpeg
from pipeline.pictures.own_file import Photo, read_picture
from support.models.teacher import write_vgg
from support.pictures.clips import STYLE, Brightener, displayed_size, make_clip, picture
from workers.__main__ import main
from workers.files import cli, image
from workers.files.arguments import image_size, style_picture


def arguments(command: str, *words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    {"image": image, "video": cli}[command].add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


# pictures


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".webp", ".PNG"])
def test_image_is_stylized_at_the_wanted_size(tmp_path: Path, suffix: str):
    content, out = picture(0, (65, 43)), tmp_path / f"out{suffix}"

    image.stylize_image(
        Photo(content), out, stylizer=Brightener(), style=STYLE, size=(33, 21), strength=1.0, paint=image.paint_grid
    )

    painted = read_picture(out.read_bytes())
    assert painted.shape == (21, 33, 3)
    np.testing.assert_allclose(painted.mean((0, 1)), content.mean((0, 1)) + 25.5, atol=3)
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(("options", "size"), [
    ([], (65, 43)), (["--scale", "0.5"], (32, 22)), (["--scale", "0.001"], (1, 1)), (["--size", "7x9"], (7, 9)),
])  # fmt: skip
def test_size_and_scale_of_an_image(options: list[str], size: tuple[int, int]):
    args = arguments("image", "in.jpg", "dusk", "out.jpg", *options)

    assert image_size(args.size, args.scale, np.zeros((43, 65, 3), np.uint8)) == size


def test_style_is_a_photo_or_a_shipped_name(tmp_path: Path):
    photo = tmp_path / "dusk"
    photo.write_bytes(encode_jpeg(np.full((10, 20, 3), 99, np.uint8)))

    assert style_picture(str(photo)).shape == (10, 20, 3)
    assert style_picture("Golden Hour").shape == (512, 768, 3)


# the command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_clip(tmp_path / "in.mp4", frames=2)
    make_clip(tmp_path / "full.mp4", frames=2)
    (tmp_path / "photo.png").write_bytes(cv2.imencode(".png", picture(0, (64, 48)))[1])
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").touch()
    return tmp_path


@pytest.mark.parametrize(("command", "sentence"), [
    ("video none.mp4 o.mp4 --style dusk", "none.mp4 is not a file."),
    ("video text.mp4 o.mp4 --style dusk", "not a readable video"),
    ("video photo.png o.mp4 --style nosuch", "Autumn, Dusk"),
    ("video in.mp4 o.mp4 --style text.jpg", "not a JPEG, PNG, WebP or AVIF"),
    ("video in.mp4 full.mp4 --style dusk", "full.mp4 exists; --force"),
    ("video in.mp4 full --style dusk", "not empty; --force"),
    ("video in.mp4 o.avi --style dusk", "must end in .mp4, .mov, .mkv or .webm, or be a folder"),
    ("video in.mp4 no/o.mp4 --style dusk", "does not exist"),
    ("video in.mp4 o.mp4 --style dusk --size 64", "WIDTHxHEIGHT"),
    ("video in.mp4 o.mp4 --style dusk --size 0x48", "1 to 16000"),
    ("video in.mp4 o.mp4 --style dusk --size 64x99999", "1 to 16000"),
    ("video in.mp4 o.mp4 --style dusk --crf 99", "--crf must be 0 to 63"),
    ("video in.mp4 o.mp4 --style dusk --encoder nosuch", "--encoder must be one of libx264,"),
    ("video in.mp4 frames --style dusk --crf 20", "A folder gets lossless PNG frames"),
    ("video in.mp4 o.mp4 --style dusk --interval 0", "--interval must be 1 to 120"),
    ("video in.mp4 o.mp4 --style dusk --model paper --mode grid", "take --mode residual or warp"),
    ("video in.mp4 o.mp4 --style dusk --model paper", "go with the original VGG-19: name its file with --vgg"),
    ("video in.mp4 o.mp4 --style dusk --strength 2", "--strength must be 0 to 1"),
    ("video in.mp4 o.mp4 --style dusk --mood 1.5", "--mood must be 0 to 1"),
    ("video in.mp4 o.mp4 --style dusk --mood 0.5 --model paper", "--mood is for the looks of model grid only"),
    ("video in.mp4 o.mp4 --style dusk --strength nan", "--strength must be 0 to 1"),
    ("image none.jpg dusk o.jpg", "none.jpg is not a file."),
    ("image text.jpg dusk o.jpg", "not a JPEG, PNG, WebP or AVIF"),
    ("image photo.png nosuch o.jpg", "neither a file nor a shipped style"),
    ("image photo.png dusk o.gif", "must end in .jpg, .jpeg, .png or .webp"),
    ("image photo.png dusk photo.png", "photo.png exists; --force"),
    ("image photo.png dusk full", "must end in"),
    ("image photo.png dusk o.png --scale 0", "--scale must be a number above 0"),
    ("image photo.png dusk o.png --scale inf", "--scale must be a number above 0"),
    ("image photo.png dusk o.png --scale 9999", "1 to 16000"),
    ("image photo.png dusk o.png --size axb", "WIDTHxHEIGHT"),
    ("image photo.png dusk o.png --model paper", "go with the original VGG-19: name its file with --vgg"),
    ("image photo.png dusk o.png --model paper --weights text.jpg --vgg text.mp4", "text.mp4 holds no VGG-19 weights"),
])  # fmt: skip
def test_misuse_is_one_sentence_and_exit_code_2(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, command: str, sentence: str
):
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    for command_module in (cli, image):
        monkeypatch.setattr(
            command_module, "load_stylizer", lambda *_: pytest.fail("found out before the model is loaded")
        )

    with pytest.raises(SystemExit) as ended:
        main(command.split())

    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert sentence in said and said.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_damaged_video_is_misuse(folder: Path):
    (folder / "half.mp4").write_bytes((folder / "in.mp4").read_bytes()[:600])

    with pytest.raises(BadSetting, match="not a readable video"):
        Clip(folder / "half.mp4")


def test_whole_commands_with_the_shipped_model(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    stylizer = GridStylizer.load(device="cpu")
    for module in (cli, image):
        monkeypatch.setattr(module, "load_stylizer", lambda *_: stylizer)

    main("image photo.png golden_hour painted.png --scale 2".split())
    main("video in.mp4 frames --style autumn --every-frame --size 80x60".split())
    main("video in.mp4 full.mp4 --style autumn --force --strength 0.5".split())

    painted = read_picture((folder / "painted.png").read_bytes())
    original = resized(read_picture((folder / "photo.png").read_bytes()), (128, 96))
    assert painted.shape == (96, 128, 3)
    assert np.abs(painted.astype(int) - original).mean() > 5
    assert len(list((folder / "frames").iterdir())) == 2
    assert displayed_size(folder / "full.mp4") == (64, 48)


@pytest.mark.parametrize("photo", [
    np.linspace(0, 65535, 40 * 60 * 3).reshape(40, 60, 3).astype(np.uint16), np.full((40, 60), 77, np.uint8),
    np.full((40, 60, 4), (10, 200, 90, 128), np.uint8), np.full((40, 60, 4), 0, np.uint8),
    picture(0, (4000, 1)), picture(0, (1, 4000)), np.full((1, 1, 3), 200, np.uint8), np.zeros((40, 60, 3), np.uint8),
], ids=["16-bit", "grey", "alpha", "transparent", "4000x1", "1x4000", "one-pixel", "black"])  # fmt: skip
def test_odd_photos_and_styles_are_painted(folder: Path, monkeypatch: pytest.MonkeyPatch, photo: np.ndarray):
    monkeypatch.chdir(folder)
    (folder / "odd.png").write_bytes(cv2.imencode(".png", photo)[1])
    stylizer = GridStylizer.load(device="cpu")
    monkeypatch.setattr(image, "load_stylizer", lambda *_: stylizer)

    main("image odd.png dusk as-content.png".split())
    main("image photo.png odd.png as-style.png".split())

    assert read_picture((folder / "as-content.png").read_bytes()).shape == (*photo.shape[:2], 3)
    assert read_picture((folder / "as-style.png").read_bytes()).shape == (48, 64, 3)


@pytest.mark.parametrize("mode", ["residual", "warp"])
def test_a_video_by_model_paper(folder: Path, monkeypatch: pytest.MonkeyPatch, mode: str):
    monkeypatch.chdir(folder)
    make_clip(folder / "six.mp4", frames=6)
    save(PaperModel(VGG(write_vgg(folder / "vgg.npz"))), folder / "paper.safetensors")
    command = "video six.mp4 {} --style dusk --model paper --weights paper.safetensors --vgg vgg.npz --mode {} {}"

    main(command.format("every", mode, "--every-frame").split())
    main(command.format("out", mode, "--interval 3 --key-frames codec").split())

    first, last = (
        [read_picture((folder / f"{out}/{index:06}.png").read_bytes()) for out in ("every", "out")] for index in (0, 5)
    )
    # With several threads, sums are rounded in another order, and random weights make much of that in some pixels.
    assert np.mean(first[0] != first[1]) < 0.05
    assert last[0].shape == last[1].shape == (48, 64, 3)


def test_an_image_by_model_paper(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    save(PaperModel(VGG(write_vgg(folder / "vgg.npz"))), folder / "paper.safetensors")
    command = "image photo.png dusk {} --model paper --weights paper.safetensors --vgg vgg.npz --scale 2 --strength {}"

    main(command.format("painted.png", 1).split())
    main(command.format("untouched.png", 0).split())

    original = resized(read_picture((folder / "photo.png").read_bytes()), (128, 96))
    assert np.array_equal(read_picture((folder / "untouched.png").read_bytes()), original)
    assert np.abs(read_picture((folder / "painted.png").read_bytes()).astype(int) - original).mean() > 5


@pytest.mark.parametrize(("words", "estimate"), [
    ([], no_flow), (["--flow", "lk"], lucas_kanade), (["--mode", "warp", "--flow", "none"], no_flow),
])  # fmt: skip
def test_looks_stay_in_place_unless_flow_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], estimate: object
):
    seen = {}
    monkeypatch.setattr(cli, "load_stylizer", lambda *_: Brightener())
    monkeypatch.setattr(cli, "stylize_video", lambda *_, **options: seen.update(options) or 1)

    cli.run(arguments("video", folder / "in.mp4", folder / "out.mp4", "--style", "dusk", *words))

    assert seen["estimate"] is estimate


def test_pixels_move_along_a_dense_flow(folder: Path, monkeypatch: pytest.MonkeyPatch):
    seen = {}
    monkeypatch.setattr(cli, "load_stylizer", lambda *_: Brightener())
    monkeypatch.setattr(cli, "stylize_video", lambda *_, **options: seen.update(options) or 1)

    cli.run(arguments("video", folder / "in.mp4", folder / "out.mp4", "--style", "dusk", "--mode", "residual"))

    assert isinstance(seen["estimate"], Dis)
