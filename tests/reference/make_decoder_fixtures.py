"""Makes `tests/fixtures/decoder/`: small pictures of every kind and damage, and TensorFlow's decision on each.

    python make_decoder_fixtures.py jpeg gif other                   asks TensorFlow again about the files that are there
    python make_decoder_fixtures.py jpeg gif other --from ../shared/data
                                                                     makes the files, too

All files were made for this project. Those of `COPIED` come from `../shared/data` (scikit-image's CC0 photographs through
libjpeg-turbo's tools, and files made by hand); `made` derives the others from them. Arithmetic-coded files take `jpegtran`.
`decisions-FORMAT.json` has for each file, by its path from `tests/fixtures/decoder`: `status` ok or error, `error`, the `shape` of
`tf.image.decode_jpeg(data, channels=3)`, the SHA-256 of its bytes, and that of the float32 bytes of `tf.image.resize(pixels, (224, 224))`.
Other formats' files are only asked about: `python make_decoder_fixtures.py png` after putting a file into `png/`.
"""

import argparse
import hashlib
import json
import os
import pathlib
import subprocess
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

ROOT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "decoder"

COPIED = {
    "jpeg": {
        "field/jpeg": """
            1x1_1x1_2x2 1x1_2x2_1x1-p 1x2_2x1_1x1 1x2_2x1_1x1-p 1x4_1x1_1x2 2x1_1x1_2x1-p 2x2_1x1_1x2 2x2_1x2_1x1-p
            2x2_2x2_1x1 2x3_1x1_1x1 2x4_1x1_1x1-p 3x1_1x1_1x1 4x1_2x1_1x1 adobe2 no-app14-k255
            dri-added dri-removed dri-wrong drop3 dup3 plus1 prog-drop3 ff half-eoi no-eoi no-eoi-plus0 se0 ss1se5
            eoi-soi-first tables-soi-image""",
        "jpeg/tf-suite": """
            odd_1x1_420 odd_2x2_422 odd_3x5_444 odd_7x9_420 odd_7x9_422 odd_15x17_420 odd_17x33_422 odd_33x17_422
            odd_1x300_422 odd_300x1_420 odd_2x150_422 odd_16x16_444 oddprog_17x33_422 oddprog_101x77_420
            oddprog_101x77_422 gray_odd_101x77 exif_orient6 garbage_after_soi trunc_05pct soi_app0_only soi_eoi soi_ff""",
    },
    "gif": {
        "field/other": """
            frame-0x0.gif frame-long.gif frame-short.gif garbage-after-trailer.gif garbage-before-trailer.gif
            gce-transp.gif gif88a.gif many-big-frames-short.gif no-frames.gif no-gct.gif no-trailer.gif
            screen-0x0-frame-2x2.gif screen-65535-frame-2x2.gif screen-1x1-frame-2x2.gif screen-2x2-frame-off.gif
            second-frame-cut.gif two-frames.gif""",
        "jpeg/tf-suite": "gif_single",
    },
    "other": {
        "field/other": """
            1byte 2byte 3byte 4byte cr2 exe html jxl-box jxl lfs-pointer pdf psd""",
        "jpeg/tf-suite": "ico_like",
    },
}


def copied(kind, shared):
    """The chosen files of `../shared/data`, by name."""
    for folder, names in COPIED.get(kind, {}).items():
        for name in names.split():
            name = name if "." in name else name + ".jpg"
            yield name, (shared / folder / name).read_bytes()


# --- made from these --------------------------------------------------------------------------------------------------

def segments(jpeg):
    """(marker, begin, end) of the segments up to the first scan's, whose end is that of its header."""
    at = 2
    while True:
        end = at + 2 + int.from_bytes(jpeg[at + 2:at + 4], "big")
        yield jpeg[at + 1], at, end
        if jpeg[at + 1] == 0xDA:
            return
        at = end


def without(jpeg, *markers):
    """Leaves out all segments with these markers before the first scan."""
    kept, scan = jpeg[:2], 0
    for marker, begin, end in segments(jpeg):
        kept += b"" if marker in markers else jpeg[begin:end]
        scan = end
    return kept + jpeg[scan:]


def patched(jpeg, marker, offset, new):
    """Puts `new` at `offset` from the beginning of the first segment with this marker."""
    begin = next(begin for found, begin, _ in segments(jpeg) if found == marker) + offset
    return jpeg[:begin] + new + jpeg[begin + len(new):]


def jpegtran(jpeg, *options):
    return subprocess.run(["jpegtran", *options], input=jpeg, capture_output=True, check=True).stdout


def made_jpeg(files):
    base, progressive = files["odd_33x17_422.jpg"], files["oddprog_101x77_420.jpg"]
    scan = next(end for marker, _, end in segments(base) if marker == 0xDA)
    frame = next(begin for marker, begin, _ in segments(base) if marker == 0xC0)
    for count in (1, 2, 3, 20, len(base) - scan, len(base) - scan + 4):
        yield f"cut-{count}.jpg", base[:-count]
    for count in (2, 100, 500, 1000):
        yield f"progressive-cut-{count}.jpg", progressive[:-count]
    for count in (100, 500, 1000):
        yield f"progressive-cut-{count}-eoi.jpg", progressive[:-count] + b"\xff\xd9"
    yield "cut-20-eoi.jpg", base[:-20] + b"\xff\xd9"
    yield "12-bits.jpg", patched(base, 0xC0, 4, b"\x0c")
    yield "lossless.jpg", patched(base, 0xC0, 1, b"\xc3")
    yield "hierarchical.jpg", patched(base, 0xC0, 1, b"\xc5")
    yield "extended.jpg", patched(base, 0xC0, 1, b"\xc1")
    yield "called-arithmetic.jpg", patched(base, 0xC0, 1, b"\xc9")
    yield "height-0.jpg", patched(base, 0xC0, 5, b"\0\0")
    yield "width-0.jpg", patched(base, 0xC0, 7, b"\0\0")
    yield "width-65535.jpg", patched(base, 0xC0, 7, b"\xff\xff")
    yield "65500x65500.jpg", patched(base, 0xC0, 5, b"\xff\xdc\xff\xdc")
    yield "height-doubled.jpg", patched(base, 0xC0, 5, b"\0\x22")
    yield "sampling-0.jpg", patched(base, 0xC0, 11, b"\x01")
    yield "no-dqt.jpg", without(base, 0xDB)
    yield "no-dht.jpg", without(base, 0xC4)
    yield "progressive-no-dht.jpg", without(progressive, 0xC4)
    yield "no-sof.jpg", without(base, 0xC0)
    yield "no-app0.jpg", without(base, 0xE0)
    yield "two-frames.jpg", base[:frame] + base[frame:frame + 19] + base[frame:]
    yield "stray-before-sof.jpg", base[:frame] + b"stray" + base[frame:]
    yield "stray-before-eoi.jpg", base[:-2] + b"stray" + base[-2:]
    yield "after-eoi.jpg", base + b"anything\xff\xd8\xff"
    yield "comment.jpg", base[:2] + b"\xff\xfe\0\x07words" + base[2:]
    yield "segment-length-0.jpg", base[:2] + b"\xff\xfe\0\0" + base[2:]
    yield "zeros-in-scan.jpg", base[:scan + 20] + bytes(20) + base[scan + 40:]
    yield "stuffed-ff-ff.jpg", base[:scan + 30] + b"\xff\xff\0" + base[scan + 30:]
    yield "newline-first.jpg", b"\n" + base
    yield "adobe-rgb.jpg", without(base, 0xE0)[:2] + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0" + without(base, 0xE0)[2:]
    restarts = jpegtran(base, "-restart", "1B")
    first = restarts.index(b"\xff\xd0")
    yield "restarts.jpg", restarts
    yield "restart-wrong-number.jpg", restarts[:first + 1] + b"\xd3" + restarts[first + 2:]
    yield "restart-missing.jpg", restarts[:first] + restarts[first + 2:]
    yield "restart-twice.jpg", restarts[:first] + b"\xff\xd0" + restarts[first:]
    arithmetic = jpegtran(base, "-arithmetic")
    arithmetic_progressive = jpegtran(progressive, "-arithmetic", "-progressive")
    yield "arithmetic.jpg", arithmetic
    yield "arithmetic-cut-20-eoi.jpg", arithmetic[:-20] + b"\xff\xd9"
    yield "arithmetic-damaged.jpg", arithmetic[:-60] + b"\x55\xaa\x12" + arithmetic[-57:]
    yield "arithmetic-progressive.jpg", arithmetic_progressive
    yield "arithmetic-progressive-cut-300-eoi.jpg", arithmetic_progressive[:-300] + b"\xff\xd9"
    yield "arithmetic-restarts.jpg", jpegtran(base, "-arithmetic", "-restart", "1B")
    yield "gray.jpg", jpegtran(base, "-grayscale")
    yield "three-scans.jpg", jpegtran(base, "-scans", write("0;1;2;"))
    yield "1001-scans.jpg", many_scans(1001)


def write(text):
    """A file with this text, for programs that want one."""
    path = pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / "petrec-scans.txt"
    path.write_text(text)
    return str(path)


def many_scans(count):
    """A grey picture of one block in a scan for DC and `count` empty ones for AC."""
    segment = lambda marker, content: bytes([255, marker]) + (len(content) + 2).to_bytes(2, "big") + content
    head = segment(0xDB, bytes([0] + [1] * 64)) + segment(0xC2, bytes([8, 0, 8, 0, 8, 1, 1, 0x11, 0]))
    head += segment(0xC4, bytes([0, 0, 2] + [0] * 14 + [5, 0])) + segment(0xC4, bytes([16, 1] + [0] * 15 + [0]))
    dc = segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + b"\x2b"  # 00, five bits, padding
    return b"\xff\xd8" + head + dc + (segment(0xDA, bytes([1, 1, 0, 1, 63, 0])) + b"\x7f") * count + b"\xff\xd9"


def made_gif(files):
    base, whole = files["screen-1x1-frame-2x2.gif"], files["gif_single.jpg"]
    for count in (1, 2, 3, 5, 10):
        yield f"cut-{count}.gif", base[:-count]
    for count in (1, 2, 100, 2000):
        yield f"photo-cut-{count}.gif", whole[:-count]
    frame = base.index(b",")
    yield "interlaced.gif", base[:frame + 9] + bytes([base[frame + 9] | 0x40]) + base[frame + 10:]
    yield "code-size-9.gif", base[:frame + 10] + b"\x09" + base[frame + 11:]
    yield "comment.gif", base[:frame] + b"!\xfe\x05words\0" + base[frame:]
    yield "empty-extension.gif", base[:frame] + b"!\xfe\0\0" + base[frame:]
    yield "unknown-block.gif", base[:frame] + b"?" + base[frame:]
    yield "second-frame-empty.gif", base[:-1] + b",\0\0\0\0\0\0\0\0\0\x02\0;"
    yield "second-frame-huge-cut.gif", base[:-1] + b",\0\0\0\0\xff\x7f\xff\x7f\0\x02\x01\x44\0;"


def made_other(_files):
    yield "empty.jpg", b""
    yield "zeros.jpg", bytes(64)
    yield "tiny.bmp", b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0" + bytes(28)
    yield "tiny.tif", b"II*\0\x08\0\0\0\0\0"


MADE = {"jpeg": made_jpeg, "gif": made_gif, "other": made_other}


# --- decisions --------------------------------------------------------------------------------------------------------

def decision(tf, data):
    record = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    try:
        pixels = tf.image.decode_jpeg(data, channels=3).numpy()
        resized = tf.image.resize(pixels, (224, 224)).numpy()
    except Exception as error:  # whatever TensorFlow raises is a rejection
        return record | {"status": "error", "error": str(error).split("}} ")[-1][:160]}
    return record | {
        "status": "ok",
        "shape": list(pixels.shape),
        "px_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
        "resized_f32_sha256": hashlib.sha256(resized.tobytes()).hexdigest(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("format", nargs="+", help="sub-folder of tests/fixtures/decoder")
    parser.add_argument("--from", dest="shared", type=pathlib.Path, help="../shared/data, to make the files")
    args = parser.parse_args()
    for kind in args.format if args.shared else []:
        files = dict(copied(kind, args.shared))
        files |= dict(MADE[kind](files)) if kind in MADE else {}
        (ROOT / kind).mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (ROOT / kind / name).write_bytes(data)

    import tensorflow as tf
    tf.config.threading.set_intra_op_parallelism_threads(1)
    for kind in args.format:
        paths = sorted(path for path in (ROOT / kind).iterdir() if path.is_file())
        if not paths:
            sys.exit(f"{ROOT / kind}: no files")
        decisions = {"_versions": {"tensorflow": tf.__version__}}
        decisions |= {f"{kind}/{path.name}": decision(tf, path.read_bytes()) for path in paths}
        text = json.dumps(decisions, indent=1, sort_keys=True) + "\n"
        (ROOT / f"decisions-{kind}.json").write_text(text)
        print(f"{kind}: {len(paths)} files, {sum(path.stat().st_size for path in paths):,} bytes, "
              f"{sum(record.get('status') == 'ok' for record in decisions.values())} accepted")


main()
