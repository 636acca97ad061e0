"""Makes `examples/photos/`: twelve small JPEGs in two classes, and three broken files.

Everything comes from two CC0 photographs that ship inside the scikit-image package, so no download is needed and the
pictures may be given away (`examples/README.md` names the photographers). The views differ in crop, scale and kind of
JPEG: baseline and progressive, 4:2:0, 4:2:2 and 4:4:4, grayscale, an EXIF orientation, restart markers.

    python make_photos.py            write the files
    python make_photos.py --check    make them in memory and compare with what is there; exit 1 on a difference

The bytes depend on the libjpeg-turbo inside Pillow: with another version `--check` accepts equal decoded pixels.
"""

import argparse
import hashlib
import io
import pathlib
import sys

import skimage.data
from PIL import Image, ImageOps

ROOT = pathlib.Path(__file__).resolve().parents[2]
PHOTOS = ROOT / "examples" / "photos"
SOURCES = {
    "chelsea.png": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
}
C420, C422, C444 = "4:2:0", "4:2:2", "4:4:4"
SIDEWAYS = 6  # EXIF orientation: turn clockwise to view. TensorFlow ignores it, and so does petrec.

HTML = b"""<!DOCTYPE html>
<html><head><title>404 Not Found</title></head>
<body><h1>Not Found</h1><p>The picture you asked for is no longer here.</p></body></html>
"""


def source(name):
    """One of scikit-image's sample photographs, checked to be the one we know."""
    data = (pathlib.Path(skimage.data.__file__).parent / name).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != SOURCES[name]:
        sys.exit(f"{name}: scikit-image has another picture under this name ({digest})")
    return Image.open(io.BytesIO(data)).convert("RGB")


def view(photo, box=None, size=None):
    """A part of a photo, scaled to `size`."""
    if box:
        photo = photo.crop(box)
    return photo.resize(size, Image.Resampling.LANCZOS) if size else photo


def jpeg(photo, quality=85, subsampling=C420, orientation=None, **options):
    """The bytes of a JPEG file."""
    if orientation:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = orientation
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=quality, subsampling=subsampling, **options)
    return out.getvalue()


def pictures():
    """Every file of `examples/photos`, good and broken: path below it -> bytes."""
    cat, coffee = source("chelsea.png"), source("coffee.png")
    whole_cup = view(coffee, (140, 20, 500, 380))
    return {
        "Cat/IMG_0042.JPG": jpeg(view(cat, (90, 0, 330, 300), (320, 400)).transpose(Image.Transpose.ROTATE_90),
                                 orientation=SIDEWAYS),
        "Cat/chelsea.jpg": jpeg(cat),
        "Cat/chelsea-eyes.jpg": jpeg(view(cat, (95, 60, 335, 180), (480, 240)), subsampling=C444),
        "Cat/chelsea-face.jpg": jpeg(view(cat, (80, 0, 380, 300), (333, 333)), quality=92, subsampling=C422),
        "Cat/chelsea-gray.jpg": jpeg(ImageOps.grayscale(view(cat, (0, 0, 400, 300)))),
        "Cat/chelsea-mirrored.jpg": jpeg(ImageOps.mirror(cat), progressive=True),
        "Cat/666.jpg": b"",
        "Coffee/coffee.jpg": jpeg(view(coffee, size=(480, 320))),
        "Coffee/coffee-cup.jpg": jpeg(whole_cup, subsampling=C444),
        "Coffee/coffee-dark.jpeg": jpeg(view(coffee, size=(450, 300)).point(lambda v: v * 5 // 9), quality=90),
        "Coffee/coffee-from-left.jpg": jpeg(ImageOps.mirror(view(coffee, (100, 0, 600, 400), (431, 345))),
                                            progressive=True, quality=80),
        "Coffee/coffee-portrait.jpg": jpeg(view(coffee, (180, 0, 460, 400), (280, 400)), restart_marker_rows=2),
        "Coffee/coffee-spoon.jpg": jpeg(view(coffee, (0, 160, 400, 400), (400, 240)), quality=75),
        "Coffee/11702.jpg": jpeg(whole_cup)[:9000],
        "Coffee/download (1).jpg": HTML,
    }


def pixels(data):
    """Decoded picture, for the comparison across Pillow versions; None if there is none."""
    try:
        picture = Image.open(io.BytesIO(data))
        return picture.mode, picture.size, picture.tobytes()
    except OSError:
        return None


def check(made):
    """Compares `made` with the files in place; returns the list of complaints."""
    complaints = []
    for name, data in made.items():
        path = PHOTOS / name
        if not path.is_file():
            complaints.append(f"{name}: missing")
        elif path.read_bytes() != data:
            if pixels(data) is None or pixels(path.read_bytes()) != pixels(data):
                complaints.append(f"{name}: differs from what this script makes")
            else:
                print(f"{name}: other bytes, same pixels (another libjpeg-turbo)")
    there = {path.relative_to(PHOTOS).as_posix() for path in PHOTOS.rglob("*") if path.is_file()}
    return complaints + [f"{name}: not made by this script" for name in sorted(there - set(made))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    arguments = parser.parse_args()
    made = pictures()
    if arguments.check:
        complaints = check(made)
        print(*complaints, sep="\n", end="\n" if complaints else "")
        print(f"{len(made) - len(complaints)} of {len(made)} files as made by this script")
        return 1 if complaints else 0
    for name, data in made.items():
        path = PHOTOS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        print(f"{len(data):7,} bytes  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
