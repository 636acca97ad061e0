"""Makes the pictures of `tests/fixtures/decoder/png/`: PNGs with one fault or oddity each, all smaller than 2 kB.

    python make_png_fixtures.py ../shared/data/field/png

The first part is copied from there (made by hand for this project), the second is made here, the same every time. TensorFlow's
decisions on them, `decisions-png.json`, are asked for by `python make_decoder_fixtures.py png`.
"""
import pathlib
import random
import shutil
import struct
import sys
import zlib

SOURCE = pathlib.Path(sys.argv[1])
FOLDER = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "decoder" / "png"
FOLDER.mkdir(parents=True, exist_ok=True)

# Of 112 files with a palette of a wrong length these four are enough.
PALETTES = {"plte-bd8-len4", "plte-bd1-len1", "plte-bd2-len770", "plte-bd4-len10-trns"}
for path in sorted(SOURCE.glob("*.png")):
    if path.stat().st_size <= 1600 and (not path.stem.startswith("plte-bd") or path.stem in PALETTES):
        shutil.copy(path, FOLDER / path.name)


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width, height, depth, color, interlace, *chunks):
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def rgb(*chunks):
    """4 x 3 pixels."""
    return png(4, 3, 8, 2, 0, *chunks)


def idat(data):
    return chunk(b"IDAT", data)


dice = random.Random(5)
raw = b"".join(b"\0" + dice.randbytes(12) for _ in range(3))
z = zlib.compress(raw)
bad = z[:-1] + bytes((z[-1] ^ 1,))
bomb = zlib.compress(bytes(1 << 20))


def window(log):
    """Two equal rows of 301 bytes under a zlib header that announces a window of 2 to the power of 8 + log."""
    coder = zlib.compressobj(9, zlib.DEFLATED, 15)
    row = b"\0" + bytes(dice.randrange(256) for _ in range(300))
    data = coder.compress(row * 2) + coder.flush()
    header = log << 12 | 0x800
    header += (31 - header % 31) % 31
    return png(300, 2, 8, 0, 0, idat(struct.pack(">H", header) + data[2:]))


MADE = {
    "adler-wrong-in-second-idat": rgb(idat(bad[:-4]),idat(bad[-4:])),
    "adler-half-in-second-idat": rgb(idat(bad[:-2]),idat(bad[-2:])),
    "adler-short-in-second-idat": rgb(idat(z[:-3]),idat(z[-3:-1])),
    "adler-missing-empty-idat": rgb(idat(z[:-4]),idat(b"")),
    "last-byte-in-second-idat": rgb(idat(z[:-1]),idat(z[-1:])),
    "idats-of-one-byte": rgb(*[idat(z[i:i+1]) for i in range(len(z))]),
    "too-much-1023": rgb(idat(zlib.compress(raw+bytes(1023)))),
    "too-much-1024-cut": rgb(idat(zlib.compress(raw+bytes(1024))[:-4])),
    "too-much-5000-flipped": rgb(idat(zlib.compress(raw+dice.randbytes(5000),1)[:-300]+b"\xff"*40)),
    "window-256-match-301": window(0),
    "window-512-match-301": window(1),
    "iccp-bomb": rgb(chunk(b"iCCP",b"p\0\0"+bomb),idat(z)),
    "ztxt-bomb": rgb(chunk(b"zTXt",b"p\0\0"+bomb),idat(z)),
    "itxt-bomb": rgb(chunk(b"iTXt",b"p\0\1\0\0\0"+bomb),idat(z)),
    "ancillary-huge-length": rgb(b"\x7f\xff\xff\xfftEXt",idat(z)),
    "idat-huge-length": rgb(b"\x7f\xff\xff\xffIDAT"+z),
    "plte-twice-after-idat": rgb(idat(z),chunk(b"PLTE",bytes(3)),chunk(b"PLTE",bytes(6))),
    "plte-gray-odd": png(13,2,8,0,0,chunk(b"PLTE",bytes(5)),idat(zlib.compress(raw[:28]))),
    "idat-after-text": rgb(idat(z),chunk(b"tEXt",b"a\0b"),idat(b"junk")),
    "interlaced-1x1": png(1,1,8,2,1,idat(zlib.compress(b"\0abc"))),
    "interlaced-2x1-rgba16": png(2,1,16,6,1,idat(zlib.compress(b"\0"+bytes(range(8))+b"\1"+bytes(range(8,16))))),
    "pal2-index-beyond": png(5,1,2,3,0,chunk(b"PLTE",b"abcdef"),idat(zlib.compress(b"\0\x1b\x40"))),
    "deflate-distance-without-code": rgb(idat(b"\x78\x01\x05\xc0\x81\x08\0\0\0\0\x20\x7f\xeb\x03"+bytes(20))),
}
for name, data in MADE.items():
    (FOLDER / f"{name}.png").write_bytes(data)
