"""Pictures that ask for much more than they are, each with the verdict, the time and the memory that petrec spends on it.

    python attacks.py target/release/petrec              prints the table of docs/reliability.md
    python attacks.py target/release/petrec --together   all of them beside 20 photos, with 1.5 GB of address space, by `convert`
    python attacks.py target/release/petrec --keep DIR   leaves the pictures there

Every picture is made here, from code. Linux; nothing but Python's own library. Time is that of the processor. Exits 1 where an attack ends
the run, where a photo's record is missing, or where one takes more than 15 s or 2.5 GB.
"""

import argparse
import json
import os
import pathlib
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

PHOTOS = pathlib.Path(__file__).resolve().parents[2] / "examples" / "photos"
ADDRESS_SPACE = 1_500_000_000
MOST_SECONDS, MOST_BYTES = 15, 2_500_000_000


# --- JPEG -------------------------------------------------------------------------------------------------------------

def segment(marker, content):
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def grey(frame, width, height):
    """A grey picture's headers. DC: 0 is no difference. AC: 0 is a run of 2^14 blocks and more that end, 10 ends a block."""
    return b"\xff\xd8" + segment(0xDB, bytes([0] + [1] * 64)) \
        + segment(frame, struct.pack(">BHHB", 8, height, width, 1) + bytes([1, 0x11, 0])) \
        + segment(0xC4, bytes([0, 1] + [0] * 15 + [0])) + segment(0xC4, bytes([0x10, 1, 1] + [0] * 14 + [0xE0, 0]))


def scan(first, last, bits, data=b""):
    return segment(0xDA, bytes([1, 1, 0, first, last, bits])) + data


def bits(text):
    """Bits as entropy-coded bytes."""
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")


def jpeg_refinements():
    width, height = 65_496, 8_192  # 2^29 samples, less a few
    blocks = width * height // 64
    ends = ("0" + "1" * 14) * (blocks // 32_767) + "10"
    return grey(0xC2, width, height) + scan(0, 0, 0, b"\0") + scan(1, 63, 1, bits(ends)) \
        + scan(1, 63, 0x10, bits(ends)) * 80 + b"\xff\xd9"


def jpeg_arithmetic():
    return grey(0xCA, 65_496, 8_192) + scan(0, 0, 1) + scan(0, 0, 0x10) * 1000 + b"\xff\xd9"


def jpeg_claims(width, height):
    photo = (PHOTOS / "Cat" / "chelsea.jpg").read_bytes()
    frame = max(photo.find(b"\xff\xc0"), photo.find(b"\xff\xc2"))
    return photo[:frame + 5] + struct.pack(">HH", height, width) + photo[frame + 9:]


def jpeg_filled(filling):
    photo = (PHOTOS / "Cat" / "chelsea.jpg").read_bytes()
    return photo[:2] + filling + photo[2:]


# --- PNG --------------------------------------------------------------------------------------------------------------

def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def zeros(count):
    """`count` zero bytes, compressed: one block again and again."""
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = packer.compress(bytes(count & 0xFFFFF)) + packer.flush()
    return b"\x78\xda" + block * (count >> 20) + rest + struct.pack(">HH", count % 65_521, 1)


def png(width, height, depth, colour, *more, rows=None):
    samples = {0: 1, 2: 3, 6: 4}[colour]
    rows = rows or height * (1 + (width * samples * depth + 7) // 8)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)) \
        + b"".join(more) + chunk(b"IDAT", zeros(rows)) + chunk(b"IEND", b"")


# --- GIF --------------------------------------------------------------------------------------------------------------

def gif(*frames):
    return b"GIF89a\1\0\1\0\x80\0\0" + bytes(6) + b"".join(frames) + b";"


def frame(width, height, size, codes):
    """A frame of LZW codes of `size` bits and more; sub-blocks of 255 bytes."""
    data = codes.tobytes() if hasattr(codes, "tobytes") else bytes(codes)
    blocks = b"".join(bytes([len(data[at:at + 255])]) + data[at:at + 255] for at in range(0, len(data), 255))
    return b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + bytes([size]) + blocks + b"\0"


def black(width, height):
    """A complete frame of zeros in as few codes as can be: each is one pixel longer than the one before."""
    clear, value, count, size, following = 2, 0, 0, 3, 4
    out, left = bytearray(), width * height
    def put(code):
        nonlocal value, count
        value, count = value | code << count, count + size
        while count >= 8:
            out.append(value & 0xFF)
            value, count = value >> 8, count - 8
    size = 2 + 1
    clear, end = 4, 5
    put(clear)
    put(0)
    left, following, length = left - 1, end + 1, 2
    while left > 0:
        put(min(following, 4095))
        left -= length
        if following < 4095:
            following, length = following + 1, length + 1
            if following == 1 << size and size < 12:
                size += 1
    put(end)
    out.append(value & 0xFF)
    return frame(width, height, 2, out)


# --- WebP -------------------------------------------------------------------------------------------------------------

def webp_lossless(side):
    """One colour: five prefix codes of one symbol each, whose pixels take no bits."""
    value, count = 0, 0
    fields = [(0x2F, 8), (side - 1, 14), (side - 1, 14), (0, 1), (0, 3), (0, 1), (0, 1), (0, 1)]
    for content, width in fields + [(1, 1), (0, 1), (0, 1), (0, 1)] * 5:
        value, count = value | content << count, count + width
    data = value.to_bytes((count + 7) // 8 + 4, "little")
    data += b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(data) + 12) + b"WEBPVP8L" + struct.pack("<I", len(data)) + data


ATTACKS = {
    "JPEG, 65,500 x 65,500 by its header": lambda: jpeg_claims(65_500, 65_500),
    "JPEG, 13,000 x 13,000 by its header, the scan ends long before": lambda: jpeg_claims(13_000, 13_000),
    "JPEG, 2^29 samples, 80 scans that refine nothing": jpeg_refinements,
    "JPEG, 2^29 samples, arithmetic-coded, 1,000 scans without data": jpeg_arithmetic,
    "JPEG with 16 MB of empty segments": lambda: jpeg_filled(b"\xff\xfe\0\2" * (4 << 20)),
    "JPEG with 64 MB of fill bytes": lambda: jpeg_filled(b"\xff" * (64 << 20)),
    "PNG, 2 x 10^9 pixels wide and high by its header": lambda: png(2 * 10**9, 2 * 10**9, 8, 2, rows=8),
    "PNG, 13,000 x 13,000 black pixels": lambda: png(13_000, 13_000, 8, 2),
    "PNG, 16-bit RGBA, 23,000 x 23,000 black pixels": lambda: png(23_000, 23_000, 16, 6),
    "PNG, an iCCP chunk of 1 GB": lambda: png(8, 8, 8, 2, chunk(b"iCCP", b"p\0\0" + zeros(1 << 30))),
    "PNG, ten zTXt chunks of 256 MB": lambda: png(8, 8, 8, 2, chunk(b"zTXt", b"p\0\0" + zeros(1 << 28)) * 10),
    "GIF, 13,000 x 13,000 black pixels": lambda: gif(black(13_000, 13_000)),
    "GIF, the second of two frames 46,000 x 46,000": lambda: gif(black(1, 1), black(46_000, 46_000)),
    "GIF, 8 MB of codes that clear the table": lambda: gif(frame(2, 2, 1, b"\xaa" * (8 << 20))),
    "GIF, 64 MB of empty extensions": lambda: gif(b"!\xfe\1\0\0" * (13 << 20), black(1, 1)),
    "WebP, lossless, 16,383 x 16,383 pixels of one colour": lambda: webp_lossless(16_383),
}


# --- measuring --------------------------------------------------------------------------------------------------------

def run(command, limit=None):
    """Exit code, seconds of the processor and peak memory of a command, and what it said."""
    def before():
        if limit:
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(command, stdout=out, stderr=out, preexec_fn=before)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return child.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, out.read().decode(errors="replace")


def size(count):
    return f"{count} B" if count < 1000 else f"{count / 1e3:.0f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"


def one_by_one(petrec, pictures, folder):
    """Prints a row of the table for each; returns what was too much."""
    print("| input | length | outcome | time | memory |\n| --- | --- | --- | --- | --- |")
    faults = []
    for name, path in pictures.items():
        report = folder / "report.json"
        code, seconds, memory, said = run([petrec, "validate", "--quiet", "--report", report, path])
        finding = json.loads(report.read_text())["files"][0] if code == 0 else {"reason": f"exit code {code}: {said}"}
        outcome = f"rejected, {finding['reason']}" if finding.get("reason") else "accepted"
        print(f"| {name} | {size(path.stat().st_size)} | {outcome} | {seconds:.2f} s | {memory / 1e6:.0f} MB |", flush=True)
        if code != 0 or seconds > MOST_SECONDS or memory > MOST_BYTES:
            faults.append(name)
        report.unlink(missing_ok=True)
    return faults


def together(petrec, pictures, folder):
    """`convert` of all beside 20 photos with little address space."""
    data, records = folder / "data", folder / "records"
    for kind in ("Attack", "Photo"):
        (data / kind).mkdir(parents=True)
    for path in pictures.values():
        shutil.copy(path, data / "Attack")
    report = folder / "report.json"
    run([petrec, "validate", "--quiet", "--report", report, PHOTOS])
    sound = [entry["path"] for entry in json.loads(report.read_text())["files"] if not entry.get("reason")]
    for number in range(20):
        shutil.copy(sound[number % len(sound)], data / "Photo" / f"{number}.jpg")
    command = [petrec, "convert", "--quiet", "--backend", "cpu", "--model", "efficientnet-lite0", "--pool", "avg", data, records]
    code, seconds, memory, said = run(command, ADDRESS_SPACE)
    print(f"exit code {code}, {seconds:.1f} s of the processor, {memory / 1e6:.0f} MB\n{said}")
    if code != 0:
        return ["together"]
    files = json.loads((records / "petrec-report.json").read_text())["files"]
    missing = [entry["path"] for entry in files if "/Photo/" in entry["path"] and entry.get("reason")]
    print(f"{len(files)} files; {20 - len(missing)} of 20 photos in the records")
    for entry in files:
        if "/Attack/" in entry["path"]:
            print(f"{pathlib.Path(entry['path']).name}: {entry.get('reason') or 'accepted'}  {entry.get('detail', '')}")
    return missing


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("petrec", type=pathlib.Path, help="the program")
    parser.add_argument("--together", action="store_true", help="all at once, with little address space")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the pictures")
    parser.add_argument("--only", default="", help="those whose name has this in it")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        kept = args.keep or folder / "pictures"
        kept.mkdir(parents=True, exist_ok=True)
        pictures = {}
        for number, (name, make) in enumerate(ATTACKS.items()):
            if args.only in name:
                path = kept / f"{number:02}-{''.join(c if c.isalnum() else '-' for c in name)[:60]}.jpg"
                if not path.exists():
                    path.write_bytes(make())
                pictures[name] = path
        petrec = args.petrec.resolve()
        faults = together(petrec, pictures, folder) if args.together else one_by_one(petrec, pictures, folder)
    sys.exit(f"too much: {', '.join(faults)}" if faults else 0)


main()
