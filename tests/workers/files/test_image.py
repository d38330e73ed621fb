"""`mvstylizer image`, from one file to another. The model here only shifts brightness."""

import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import ExifTags, Image

from pipeline.pictures.own_file import Photo, read_photo, read_picture
from support.pictures import bombs, profiles
from support.pictures.clips import Brightener, picture
from workers.__main__ import main
from workers.files import image

SMOOTH = picture(0, (64, 48))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(image, "load_stylizer", lambda *_: Brightener())
    Image.fromarray(SMOOTH).save(tmp_path / "photo.png")
    return tmp_path


def refused(command: list[str], capsys: pytest.CaptureFixture) -> str:
    """The sentence with which a command ends."""
    with pytest.raises(SystemExit) as ended:
        main(["image", *command])
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.count("\n") == 1
    return said


@pytest.mark.parametrize(("suffix", "most"), [(".png", 1), (".jpg", 4), (".webp", 4)])
def test_strength_0_gives_the_source_back(folder: Path, suffix: str, most: float):
    data = bombs.encoded(Image.fromarray(SMOOTH), "PNG", icc_profile=profiles.rgb_profile(profiles.DISPLAY_P3, 2.2))
    (folder / "wide.png").write_bytes(data)

    main(["image", "wide.png", "dusk", f"out{suffix}", "--strength", "0"])

    off = np.abs(
        read_picture((folder / f"out{suffix}").read_bytes()) - profiles.shown(SMOOTH, profiles.DISPLAY_P3, 2.2)
    )
    assert off.mean() <= most and (suffix != ".png" or off.max() <= 2)


def test_it_says_what_it_wrote(folder: Path, capsys: pytest.CaptureFixture):
    main(["image", "photo.png", "dusk", "out.png", "--size", "20x10"])

    path, _, rest = capsys.readouterr().out.partition(": ")
    size, _, seconds = rest.partition(", ")
    assert (path, size) == ("out.png", "20x10") and seconds.endswith(" s.\n") and float(seconds[:-4]) >= 0


def test_what_a_photo_carries_arrives(folder: Path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Copyright] = 6, "(c) A. Photographer"
    Image.fromarray(SMOOTH).save(folder / "camera.jpg", exif=exif, dpi=(300, 300))

    main(["image", "camera.jpg", "dusk", "out.jpg", "--scale", "0.5"])

    made = Image.open(BytesIO((folder / "out.jpg").read_bytes()))
    assert made.size == (24, 32) and made.info["dpi"] == (300, 300) and made.info["icc_profile"]
    assert made.getexif()[ExifTags.Base.Copyright] == "(c) A. Photographer"
    assert made.getexif()[ExifTags.Base.Orientation] == 1


def with_alpha(hidden: tuple[int, int, int]) -> bytes:
    pixels = np.dstack([SMOOTH, np.full(SMOOTH.shape[:2], 255, np.uint8)])
    pixels[:, :30] = (*hidden, 0)
    pixels[:, 30:32, 3] = 128
    return bombs.encoded(Image.fromarray(pixels), "PNG")


def test_transparency_goes_around_the_model(folder: Path):
    (folder / "cut.png").write_bytes(with_alpha((9, 9, 9)))

    main(["image", "cut.png", "dusk", "out.png"])

    cut, made = (read_photo((folder / name).read_bytes()) for name in ("cut.png", "out.png"))
    np.testing.assert_array_equal(made.alpha, cut.alpha)
    np.testing.assert_allclose(made.rgb[:, 32:].mean(), cut.rgb[:, 32:].mean() + 25.5, atol=2)


def test_what_nobody_sees_has_no_say_in_the_look():
    seen = [image.without_hidden(read_photo(with_alpha(hidden))) for hidden in ((0, 0, 0), (255, 0, 255))]

    np.testing.assert_array_equal(*seen)


def test_edges_of_what_is_cut_out_take_no_colour_from_what_nobody_sees():
    rgb, alpha = np.full((64, 64, 3), 200, np.uint8), np.zeros((64, 64), np.uint8)
    rgb[:, :33], alpha[:, 33:] = (0, 255, 0), 255

    small, thin = image.at_size(Photo(rgb, alpha), (16, 16))

    assert (small[thin > 0] == 200).all() and 0 < thin[8, 8] < 255


LONG = "ä" * 50 + "x" * (255 - 100 - 4)  # 255 bytes with its suffix


@pytest.mark.parametrize(
    "name", ["a:b.png", "1:2:3.png", "http:x.png", "Überfluß 🌄.png", "-.png", f"{LONG}.png", "a\nb.png"]
)
def test_names_of_every_kind(folder: Path, name: str, capsys: pytest.CaptureFixture):
    os.rename("photo.png", name)
    (folder / "out").mkdir()

    main(["image", "--", name, "dusk", f"out/{name}"])

    assert [path.name for path in (folder / "out").iterdir()] == [name]
    assert capsys.readouterr().out.count("\n") == 1


def test_a_name_that_is_no_text_is_written_and_said(folder: Path):
    """The shell's encoding cannot express it; before, print() raised after all work was done."""
    name = os.fsdecode(b"\xff.png")

    main(["image", "photo.png", "dusk", name])

    assert os.path.exists(name)
    assert image.shown(name) == "\\udcff.png"


def test_standard_input_is_read_for_a_dash(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=(BytesIO((folder / "photo.png").read_bytes()))))

    main(["image", "-", "dusk", "out.png"])

    assert (folder / "out.png").exists()


def test_a_pipe_is_read(folder: Path):
    os.mkfifo("pipe")
    feeder = subprocess.Popen([sys.executable, "-c", "open('pipe', 'wb').write(open('photo.png', 'rb').read())"])

    main(["image", "pipe", "dusk", "out.png"])

    assert feeder.wait() == 0 and (folder / "out.png").exists()


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["folder", "dusk", "out.png"], "folder is a folder, not a picture."),
        (["none/photo.png", "dusk", "out.png"], "none/photo.png is not a file."),
        (["x" * 300, "dusk", "out.png"], "cannot be read: File name too long."),
        (["photo.png", "x" * 300, "out.png"], "neither a file nor a shipped style"),
        (["photo.png", "folder", "out.png"], "folder is a folder, not a picture."),
        (["photo.png", "dusk", "folder.png"], "folder.png is a folder, not a file."),
        (["photo.png", "dusk", "photo.png/out.png"], "photo.png is a file, not a folder."),
        (["photo.png", "dusk", "none/out.png"], "The folder none does not exist."),
        (["photo.png", "dusk", "x" * 300 + ".png"], "cannot be written: File name too long."),
        (["photo.png", "dusk", "-"], "- must end in .jpg, .jpeg, .png or .webp."),
        (["photo.png", "dusk", "photo.png"], "photo.png exists; --force replaces it."),
        (["photo.png", "dusk", "out.png", "--size", "99999x9"], "1 to 16000"),
        (
            ["wide.png", "dusk", "out.webp"],
            "a WEBP picture have at most 16383 px, not 16384; write a .png.",
        ),
        (["photo.heic", "dusk", "out.png"], "photo.heic: The file is a HEIC picture"),
        (["half.png", "dusk", "out.png"], "half.png: The picture is damaged or incomplete."),
        (["photo.png", "half.png", "out.png"], "half.png: The picture is damaged or incomplete."),
        (["empty.jpg", "dusk", "out.png"], "empty.jpg: The file is not a JPEG, PNG, WebP or AVIF picture."),
    ],
)
def test_each_mistake_has_a_sentence_that_blames_the_right_side(folder, capsys, command, sentence):
    (folder / "folder").mkdir()
    (folder / "folder.png").mkdir()
    (folder / "empty.jpg").touch()
    (folder / "half.png").write_bytes((folder / "photo.png").read_bytes()[:150])
    (folder / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    Image.new("RGB", (16_384, 1)).save(folder / "wide.png")
    before = sorted(folder.rglob("*"))

    assert sentence in refused(command, capsys)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write and read everywhere")
def test_folders_and_files_without_permission(folder: Path, capsys: pytest.CaptureFixture):
    (folder / "locked").mkdir(mode=0o500)
    (folder / "secret.png").touch(mode=0)

    assert "The folder locked may not be written to." in refused(["photo.png", "dusk", "locked/out.png"], capsys)
    assert "secret.png cannot be read: Permission denied." in refused(["secret.png", "dusk", "out.png"], capsys)


def test_permissions_are_asked_for_before_the_model_is_loaded(folder, capsys, monkeypatch):
    monkeypatch.setattr(image, "load_stylizer", lambda *_: pytest.fail("found out before"))
    monkeypatch.setattr("os.access", lambda *_: False)

    assert "The folder . may not be written to." in refused(["photo.png", "dusk", "out.png"], capsys)


def test_a_disk_that_is_full_is_blamed_and_the_old_picture_stays(folder, capsys, monkeypatch):
    (folder / "out.png").write_bytes(b"old")

    def fills_up(path: Path, data: bytes) -> int:
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fills_up)

    assert "out.png cannot be written: No space left on device." in refused(
        ["photo.png", "dusk", "out.png", "--force"], capsys
    )
    assert sorted(path.name for path in folder.iterdir()) == ["out.png", "photo.png"]
    assert (folder / "out.png").read_bytes() == b"old"


def test_input_and_output_may_be_the_same_file(folder: Path):
    main(["image", "photo.png", "photo.png", "photo.png", "--force"])

    np.testing.assert_allclose(read_picture((folder / "photo.png").read_bytes()).mean(), SMOOTH.mean() + 25.5, atol=2)
    assert [path.name for path in folder.iterdir()] == ["photo.png"]


def test_a_link_stays_a_link(folder: Path):
    (folder / "far").mkdir()
    (folder / "out.png").symlink_to("far/real.png")

    main(["image", "photo.png", "dusk", "out.png"])

    assert (folder / "out.png").is_symlink() and (folder / "far" / "real.png").is_file()


def test_a_file_that_never_ends_is_no_picture(folder: Path, capsys, monkeypatch):
    monkeypatch.setattr("workers.files.arguments.MAX_PICTURE_BYTES", 1 << 20)

    assert "/dev/zero has more than 1 MB, too many for a picture." in refused(["/dev/zero", "dusk", "out.png"], capsys)


def test_the_style_is_seen_in_its_colours_too(folder: Path):
    seen = []
    (folder / "style.png").write_bytes(
        bombs.encoded(Image.fromarray(SMOOTH), "PNG", icc_profile=profiles.rgb_profile(profiles.ADOBE, 2.2))
    )

    image.stylize_image(
        Photo(SMOOTH), folder / "out.png", stylizer=Brightener(), style=image.style_picture("style.png"),
        size=(64, 48), strength=1.0,
        paint=lambda content, target, stylizer, style, strength: seen.append(style) or target,
    )  # fmt: skip

    assert np.abs(seen[0] - profiles.shown(SMOOTH, profiles.ADOBE, 2.2)).max() <= 2


def test_a_refined_look_is_another_than_the_network_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(SMOOTH).save("photo.png")

    main(["image", "photo.png", "dusk", "plain.png"])
    main(["image", "photo.png", "dusk", "refined.png", "--refine", "3"])

    plain, refined = (np.asarray(Image.open(name)).astype(int) for name in ("plain.png", "refined.png"))
    assert 0 < np.abs(refined - plain).mean() < 40


@pytest.mark.parametrize(
    ("options", "reason"),
    [(["--refine", "0"], "--refine must be 1 or more"), (["--refine", "5", "--model", "paper"], "model grid only")],
)
def test_what_cannot_be_refined_is_refused(
    folder: Path, capsys: pytest.CaptureFixture, options: list[str], reason: str
):
    assert reason in refused(["photo.png", "dusk", "out.png", *options], capsys)
