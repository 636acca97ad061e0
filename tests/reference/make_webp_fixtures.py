"""Makes the pictures of `tests/fixtures/decoder/webp/`: WebPs of every kind, with one oddity or damage each, all small.

    python make_webp_fixtures.py ../shared/data/field/webp

wants `pip install webp==0.4.0` (libwebp with all options of its encoder). The first part is copied from there (made by hand for this
project), the second is encoded here, the third is cut out of the second. Two files are made nowhere: `begins-with-255.webp` and
`coefficients-leave-16-bits.webp` were found among random changes to files of the second part, and are kept as they are.
TensorFlow's decisions, `decisions-webp.json`, are asked for by `python make_decoder_fixtures.py webp`.
"""
import pathlib
import shutil
import struct
import sys

import webp
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "fixtures" / "decoder" / "webp"
PHOTO = ROOT / "examples" / "photos" / "Cat" / "chelsea-eyes.jpg"

# Of these there are others that show the same.
LEFT_OUT = {
    "anim1", "exif-after-vp8-no-vp8x", "lossy-exact-opaque", "lossy-exif", "lossy-icc", "lossy-opaque-rgba", "ok", "version1",
    "vp8-odd-unpadded", "vp8x-canvas-smaller", "vp8x-exif-no-flag", "vp8x-icc-flag-no-chunk", "vp8x-icc-no-flag",
    "vp8x-reserved-bits", "vp8x-unknown-first",
}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.webp")):
    if path.stat().st_size <= 1600 and path.stem not in LEFT_OUT:
        shutil.copy(path, FOLDER / path.name)


def encode(name, size, colors=None, partitions=0, **options):
    """Encodes the photo at a size, with so many colors; the options are those of libwebp's `WebPConfig`."""
    picture = Image.open(PHOTO).convert("RGB").resize(size)
    if colors:
        picture = picture.quantize(colors).convert("RGB")
    config = webp.WebPConfig.new()
    # The binding has no name for this one, which is the 19th of the structure's numbers.
    if partitions:
        webp.ffi.buffer(config.ptr)[18 * 4 : 19 * 4] = struct.pack("<i", partitions)
    for option, value in options.items():
        setattr(config.ptr, option, value)
    data = bytes(webp.WebPPicture.from_pil(picture).encode(config).buffer())
    (FOLDER / f"{name}.webp").write_bytes(data)
    return data


encode("simple-filter", (67, 45), quality=30, filter_type=0, filter_strength=60, filter_sharpness=3, segments=4)
partitions = encode(
    "eight-partitions", (48, 150), quality=40, partitions=3, filter_type=1, filter_sharpness=6, segments=4,
    filter_strength=80, sns_strength=80,
)
encode("no-filter", (33, 17), quality=60, filter_strength=0)
encode("best-quality", (40, 31), quality=100, segments=1)
for colors, name, size in [(2, "two", (35, 21)), (4, "four", (35, 21)), (16, "sixteen", (35, 21)), (40, "forty", (50, 40))]:
    encode(f"lossless-{name}-colors", size, colors, lossless=1)
encode("lossless-best", (45, 30), lossless=1, quality=100, method=6)
lossless = encode("lossless-plain", (30, 20), lossless=1, quality=0, method=0)
encode("lossless-column", (1, 40), lossless=1)


def write(name, content):
    riff = b"RIFF" + struct.pack("<I", 4 + len(content)) + b"WEBP" + content
    (FOLDER / f"{name}.webp").write_bytes(riff)


HEAD = 20  # RIFF, its length, WEBP, the chunk's name and length
write("no-chunk-header", (FOLDER / "lossy.webp").read_bytes()[HEAD:])
write("lossless-no-chunk-header", lossless[HEAD:])
for name, kind, data, less in [
    ("lossless-cut", b"VP8L", lossless, 200),
    ("eight-partitions-cut", b"VP8 ", partitions, 60),
]:
    write(name, kind + struct.pack("<I", len(data) - HEAD - less) + data[HEAD:-less])
# The chunk says less than there is: decoders read on to the end of the file.
shorter = struct.pack("<I", (len(partitions) - HEAD) // 2)
(FOLDER / "chunk-shorter-than-data.webp").write_bytes(partitions[: HEAD - 4] + shorter + partitions[HEAD:])
