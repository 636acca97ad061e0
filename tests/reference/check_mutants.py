"""Holds petrec's verdicts and pixels against TensorFlow's on thousands of damaged pictures of one format.

    python check_mutants.py png|jpeg|gif|webp PETREC [--count 10000] [--seed 1] [--seeds DIR] [--out exceptions.json]
    python check_mutants.py png PETREC --files DIR...     no mutants: the files of these folders as they are

Seeds are the pictures in DIR, or small ones that Pillow and TensorFlow make of examples/photos. A mutant is a seed with
one to three changes: flipped bits, other bytes, a cut, an insertion, bytes removed, and what belongs to the format (PNG chunks and RIFF
chunks, JPEG segments, GIF blocks: removed, doubled, swapped, with another length). Checksums of PNG chunks and the lengths of RIFF
files are repaired half of the time. The same seed gives the same mutants (with the same seed pictures).

TensorFlow's answer is that of tf.image.decode_jpeg(data, channels=3), petrec's that of `dump --stage pixels --json`. Prints how many
verdicts and how many pixels agree, writes the mutants that do not to OUT's folder, and exits 1 below --at-least percent.
"""
import argparse, collections, hashlib, io, json, os, pathlib, random, struct, subprocess, sys, tempfile, zlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
PHOTOS = pathlib.Path(__file__).resolve().parents[2] / "examples" / "photos"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("format", choices=MAKE_SEEDS)
    parser.add_argument("petrec", help="the program")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers")
    parser.add_argument("--seeds", type=pathlib.Path, help="folder of pictures to damage")
    parser.add_argument("--photos", type=pathlib.Path, default=PHOTOS, help="what seeds are made of without --seeds")
    parser.add_argument("--files", type=pathlib.Path, nargs="+", help="folders of files to compare as they are")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("exceptions.json"))
    parser.add_argument("--at-least", type=float, default=99.5, help="percent")
    args = parser.parse_args()

    if args.files:
        files = {str(path): path.read_bytes() for folder in args.files for path in sorted(folder.rglob("*")) if path.is_file()}
        cases = ((name, "as it is", data) for name, data in files.items())
    else:
        seeds = read_folder(args.seeds) if args.seeds else MAKE_SEEDS[args.format](args.photos)
        print(f"{len(seeds)} seeds, {sum(map(len, seeds.values())):,} bytes")
        cases = mutants(args.format, seeds, args.count, args.seed)
    compare(cases, args)


def read_folder(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file() and path.stat().st_size < 200_000}


# --- comparing --------------------------------------------------------------------------------------------------------

def compare(cases, args, batch=500):
    tally, exceptions = collections.Counter(), {}
    keep = args.out.parent / (args.out.stem + "-files")
    batch_cases = []
    def flush():
        ours = petrec([data for _, _, data in batch_cases], args.petrec)
        for (name, how, data), our in zip(batch_cases, ours):
            theirs = tensorflow(data)
            tally["files"] += 1
            tally["accepted by TensorFlow"] += theirs["status"] == "ok"
            same_verdict = theirs["status"] == our["status"]
            tally["same verdict"] += same_verdict
            both = same_verdict and our["status"] == "ok"
            tally["accepted by both"] += both
            same_pixels = both and theirs["px_sha256"] == our["px_sha256"]
            tally["same pixels"] += same_pixels
            if not same_verdict or (both and not same_pixels) or our.get("reason") == "E_DECODER_PANIC":
                keep.mkdir(parents=True, exist_ok=True)
                label = hashlib.sha256(data).hexdigest()[:12] + "-" + pathlib.Path(name).name
                (keep / label).write_bytes(data)
                exceptions[label] = {"from": name, "how": how, "tensorflow": theirs, "petrec": our}
        batch_cases.clear()
    for case in cases:
        batch_cases.append(case)
        if len(batch_cases) == batch:
            flush()
    if batch_cases:
        flush()
    args.out.write_text(json.dumps(exceptions, indent=1, sort_keys=True))
    verdicts = 100 * tally["same verdict"] / max(1, tally["files"])
    pixels = 100 * tally["same pixels"] / max(1, tally["accepted by both"])
    print(f"{tally['files']:,} files, {tally['accepted by TensorFlow']:,} accepted by TensorFlow: "
          f"{tally['same verdict']:,} verdicts agree ({verdicts:.2f} %), "
          f"{tally['same pixels']:,} of {tally['accepted by both']:,} pixels ({pixels:.2f} %)")
    print(f"{len(exceptions)} exceptions are in {args.out}, their files in {keep}")
    sys.exit(min(verdicts, pixels) < args.at_least)


def tensorflow(data):
    import tensorflow as tf
    if not getattr(tensorflow, "limited", False):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tensorflow.limited = True
    try:
        pixels = tf.image.decode_jpeg(data, channels=3).numpy()
        return {"status": "ok", "shape": list(pixels.shape), "px_sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}
    except Exception as error:
        return {"status": "error", "error": str(error).split("}} ")[-1][:160]}


def petrec(files, program):
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for index, data in enumerate(files):
            paths.append(os.path.join(folder, f"{index:06}.img"))
            pathlib.Path(paths[-1]).write_bytes(data)
        run = subprocess.run([program, "dump", "--stage", "pixels", "--json", *paths], capture_output=True)
        try:
            images = {image["path"]: image for image in json.loads(run.stdout)["images"]}
        except ValueError:
            sys.exit(f"petrec printed no JSON (exit {run.returncode}): {run.stderr.decode(errors='replace')[-2000:]}")
    answers = []
    for path in paths:
        image = images.get(path) or images[os.path.basename(path)]
        if image.get("sha256"):
            answers.append({"status": "ok", "shape": image["shape"], "px_sha256": image["sha256"]})
        else:
            answers.append({"status": "error", "reason": image["reason"], "detail": image["detail"]})
    return answers


# --- mutants ----------------------------------------------------------------------------------------------------------

def mutants(format, seeds, count, seed):
    dice = random.Random(seed)
    names = sorted(seeds)
    structural = STRUCTURE[format]
    for _ in range(count):
        name = dice.choice(names)
        data, how = seeds[name], []
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            kind = dice.choice(ANY + structural * 2)
            try:
                changed = kind(dice, data)
            except (ValueError, IndexError, struct.error):
                continue  # too little is left to change in this way
            if changed is not None and changed != data:
                data = changed
                how.append(kind.__name__)
        if dice.random() < 0.5 and format in REPAIR:
            data = REPAIR[format](data)
            how.append("repaired")
        yield name, "+".join(how), data


def flip_bit(dice, data):
    return edit(data, place(dice, data), lambda byte: byte ^ (1 << dice.randrange(8)))

def other_byte(dice, data):
    return edit(data, place(dice, data), lambda byte: dice.choice((0, 0xff, 0x7f, 0x80, byte + 1 & 0xff, byte - 1 & 0xff, dice.randrange(256))))

def flip_bits(dice, data):
    for _ in range(dice.randrange(2, 12)):
        data = flip_bit(dice, data)
    return data

def noise(dice, data):
    at, length = place(dice, data), dice.randrange(1, 40)
    return data[:at] + dice.randbytes(min(length, len(data) - at)) + data[at + length:]

def cut(dice, data):
    return data[:place(dice, data)]

def cut_near_the_end(dice, data):
    return data[:max(1, len(data) - dice.randrange(1, 40))]

def insertion(dice, data):
    at = place(dice, data)
    return data[:at] + dice.choice((dice.randbytes(dice.randrange(1, 20)), bytes(dice.randrange(1, 20)), data[at:at + dice.randrange(1, 60)])) + data[at:]

def removal(dice, data):
    at = place(dice, data)
    return data[:at] + data[at + dice.randrange(1, dice.choice((4, 40, 400))):]

def appended(dice, data):
    return data + dice.randbytes(dice.randrange(1, 40))

ANY = [flip_bit, flip_bit, flip_bits, other_byte, other_byte, noise, cut, cut_near_the_end, insertion, removal, appended]

def place(dice, data):
    # The head of a file decides more than its middle.
    near = dice.random()
    if near < 0.3:
        return dice.randrange(min(len(data), 120))
    if near < 0.4:
        return max(0, len(data) - 1 - dice.randrange(min(len(data), 60)))
    return dice.randrange(len(data))

def edit(data, at, change):
    return data[:at] + bytes((change(data[at]),)) + data[at + 1:]

def parts_changed(split, join):
    """Kinds of mutation on a file as a list of parts, of which the first stays where it is."""
    def with_parts(change):
        def kind(dice, data):
            parts = split(data)
            if len(parts) < 3:
                return None
            change(dice, parts)
            return join(parts)
        kind.__name__ = change.__name__
        return kind
    def part_removed(dice, parts):
        del parts[dice.randrange(1, len(parts))]
    def part_doubled(dice, parts):
        at = dice.randrange(1, len(parts))
        parts.insert(dice.randrange(at, len(parts)), parts[at])
    def parts_swapped(dice, parts):
        a, b = dice.randrange(1, len(parts)), dice.randrange(1, len(parts))
        parts[a], parts[b] = parts[b], parts[a]
    def part_moved(dice, parts):
        part = parts.pop(dice.randrange(1, len(parts)))
        parts.insert(dice.randrange(1, len(parts) + 1), part)
    return [with_parts(change) for change in (part_removed, part_doubled, parts_swapped, part_moved)]

# PNG

def png_parts(data):
    parts, at = [data[:8]], 8
    while at + 8 <= len(data):
        end = at + 12 + struct.unpack(">I", data[at:at + 4])[0]
        parts.append(data[at:end])
        at = end
    return parts

def png_join(parts):
    return b"".join(parts)

def png_repair(data):
    parts = png_parts(data)
    return parts[0] + b"".join(part[:-4] + struct.pack(">I", zlib.crc32(part[4:-4])) if len(part) >= 12 else part for part in parts[1:])

def png_chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

def png_random_chunk(dice, data):
    names = b"gAMA cHRM sRGB iCCP bKGD tRNS hIST pHYs sBIT sPLT tIME tEXt zTXt iTXt eXIf oFFs pCAL sCAL acTL fcTL fdAT cICP PLTE IDAT IEND IHDR prVt CgBI abcD".split()
    name = dice.choice(names)
    content = dice.choice((b"", bytes(dice.randrange(1, 30)), dice.randbytes(dice.randrange(1, 40)), b"name\0\0" + zlib.compress(b"text" * dice.randrange(1, 99)),
                           dice.randbytes(3 * dice.randrange(1, 260)), struct.pack(">IIIIIHHBB", dice.randrange(4), 5, 5, 0, 0, 1, 1, 0, 0)))
    parts = png_parts(data)
    parts.insert(dice.randrange(1, len(parts) + 1), png_chunk(name, content))
    return png_join(parts)

def png_split_idat(dice, data):
    parts, out = png_parts(data), []
    for part in parts:
        if part[4:8] == b"IDAT" and len(part) > 14:
            body, size = part[8:-4], dice.choice((1, 2, 3, 7, 100, 1000, 8191, 8192, 8193))
            size = max(size, len(body) // 300)
            pieces = [body[at:at + size] for at in range(0, len(body), size)]
            if dice.random() < 0.5:   # only the end apart
                last = dice.randrange(1, min(8, len(body)))
                pieces = [body[:-last], body[-last:]]
            if dice.random() < 0.3:
                pieces.insert(dice.randrange(len(pieces) + 1), b"")
            out += [png_chunk(b"IDAT", piece) for piece in pieces]
        else:
            out.append(part)
    return png_join(out)

def png_stream(dice, data):
    """Another end of the compressed data: Adler-32, the last block, the amount of data, the size of the window."""
    parts = png_parts(data)
    where = [index for index, part in enumerate(parts) if part[4:8] == b"IDAT"]
    stream = b"".join(parts[index][8:-4] for index in where)
    if len(stream) < 12:
        return None
    kind = dice.randrange(8)
    if kind == 0:
        stream = stream[:-4] + dice.randbytes(4)
    elif kind == 1:
        stream = stream[:-dice.randrange(1, 12)]
    elif kind == 2:
        stream += dice.randbytes(dice.randrange(1, 30))
    elif kind == 3:
        cinfo = dice.randrange(9) << 12 | 0x800
        stream = struct.pack(">H", cinfo + (31 - cinfo % 31) % 31) + stream[2:]
    elif kind == 4:
        stream = edit(stream, dice.randrange(len(stream)), lambda byte: byte ^ (1 << dice.randrange(8)))
    else:
        try:
            raw = zlib.decompress(stream)
        except zlib.error:
            return None
        change = dice.randrange(4)
        if change == 0:
            raw += dice.randbytes(dice.choice((1, 2, 100, 1023, 1024, 1025, 5000)))
        elif change == 1:
            raw = raw[:-dice.randrange(1, 10)]
        elif change == 2:
            raw = edit(raw, dice.randrange(len(raw)), lambda byte: dice.randrange(256))
        coder = zlib.compressobj(dice.choice((0, 1, 6, 9)), zlib.DEFLATED, dice.choice((9, 12, 15)), dice.randrange(1, 10), dice.randrange(5))
        stream = coder.compress(raw) + coder.flush(dice.choice((zlib.Z_FINISH, zlib.Z_FINISH, zlib.Z_SYNC_FLUSH)))
        if dice.random() < 0.3:
            stream = stream[:-4] + dice.randbytes(4)
    first = where[0]
    rest = [part for index, part in enumerate(parts) if index not in where]
    rest.insert(first, png_chunk(b"IDAT", stream))
    return png_join(rest)

def png_length(dice, data):
    parts = png_parts(data)
    at = dice.randrange(1, len(parts))
    if len(parts[at]) < 12:
        return None
    length = struct.unpack(">I", parts[at][:4])[0]
    length = dice.choice((0, 1, length - 1, length + 1, length + 12, length * 2, 0x7fffffff, 0x80000000, 0xffffffff, dice.randrange(1 << 16))) & 0xffffffff
    parts[at] = struct.pack(">I", length) + parts[at][4:]
    return png_join(parts)

def png_header(dice, data):
    if len(data) < 33:
        return None
    return png_repair(edit(data, 16 + dice.choice((3, 7, 3, 7, 8, 8, 9, 9, 10, 11, 12, 12)), lambda byte: dice.choice((byte ^ 1, byte + 1 & 0xff, dice.randrange(20), dice.choice((0, 1, 2, 3, 4, 6, 8, 16))))))

def png_resized_chunk(dice, data):
    """A chunk with more or less in it, and a right checksum."""
    parts = png_parts(data)
    at = dice.randrange(1, len(parts))
    name, body = parts[at][4:8], parts[at][8:-4]
    by = dice.randrange(1, 5)
    body = dice.choice((body[:-by], body + dice.randbytes(by), body[by:]))
    parts[at] = png_chunk(name, body)
    return png_join(parts)

# RIFF (WebP)

def riff_parts(data):
    parts, at = [data[:12]], 12
    while at + 8 <= len(data):
        length = struct.unpack("<I", data[at + 4:at + 8])[0]
        end = at + 8 + length + (length & 1)
        parts.append(data[at:end])
        at = end
    return parts

def riff_repair(data):
    return data[:4] + struct.pack("<I", max(0, len(data) - 8)) + data[8:]

def riff_length(dice, data):
    parts = riff_parts(data)
    at = dice.randrange(len(parts))
    if len(parts[at]) < 8:
        return None
    length = struct.unpack("<I", parts[at][4:8])[0]
    length = dice.choice((0, 1, length - 1, length + 1, length - 2, length + 2, length + 10, length - 10, 0x7fffffff, 0xfffffff6, 0xffffffff, dice.randrange(1 << 16))) & 0xffffffff
    parts[at] = parts[at][:4] + struct.pack("<I", length) + parts[at][8:]
    return b"".join(parts)

def riff_chunk(dice, data):
    name = dice.choice((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"XMP ", b"ICCP", b"abcd"))
    content = dice.choice((b"", bytes(10), dice.randbytes(dice.randrange(1, 40)), bytes((dice.randrange(64), 0, 0, 0)) + dice.randbytes(6)))
    parts = riff_parts(data)
    parts.insert(dice.randrange(1, len(parts) + 1), name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) & 1))
    return b"".join(parts)

def riff_head(dice, data):
    """A change in the first bytes of a chunk, where its own header is."""
    parts = riff_parts(data)
    at = dice.randrange(1, len(parts)) if len(parts) > 1 else 0
    if len(parts[at]) < 10:
        return None
    return b"".join(parts[:at] + [edit(parts[at], 8 + dice.randrange(min(14, len(parts[at]) - 8)), lambda byte: byte ^ (1 << dice.randrange(8)))] + parts[at + 1:])

# JPEG

def jpeg_parts(data):
    parts, at = [data[:2]], 2
    while at + 4 <= len(data) and data[at] == 0xff and data[at + 1] not in (0xd9, 0x00):
        end = at + 2 + struct.unpack(">H", data[at + 2:at + 4])[0]
        if data[at + 1] == 0xda:
            while end + 1 < len(data) and not (data[end] == 0xff and data[end + 1] != 0 and not 0xd0 <= data[end + 1] <= 0xd7):
                end += 1
        parts.append(data[at:end])
        at = end
    if at < len(data):
        parts.append(data[at:])
    return parts

def jpeg_length(dice, data):
    parts = jpeg_parts(data)
    at = dice.randrange(1, len(parts))
    if len(parts[at]) < 4:
        return None
    length = struct.unpack(">H", parts[at][2:4])[0]
    length = dice.choice((0, 1, 2, length - 1, length + 1, length * 2, 0xffff)) & 0xffff
    parts[at] = parts[at][:2] + struct.pack(">H", length) + parts[at][4:]
    return b"".join(parts)

def jpeg_segment(dice, data):
    """A change inside a segment, not in the entropy-coded data."""
    parts = jpeg_parts(data)
    at = dice.randrange(1, len(parts))
    if len(parts[at]) < 5:
        return None
    parts[at] = edit(parts[at], 4 + dice.randrange(min(30, len(parts[at]) - 4)), lambda byte: dice.choice((byte ^ (1 << dice.randrange(8)), dice.randrange(256), byte + 1 & 0xff)))
    return b"".join(parts)

def jpeg_marker(dice, data):
    parts = jpeg_parts(data)
    at = dice.randrange(1, len(parts) + 1)
    marker = bytes((0xff, dice.choice((0xd8, 0xd9, 0xd0, 0xd3, 0xd7, 0x01, 0xc4, 0xdd, 0xe0, 0xee, 0xfe, 0xff, dice.randrange(0xc0, 0x100)))))
    body = dice.choice((b"", b"\0\x02", b"\0\x04\0\x01", b"\0\x0eAdobe\0\x64\0\0\0\0" + bytes((dice.randrange(3),))))
    return b"".join(parts[:at]) + marker + body + b"".join(parts[at:])

# GIF

def gif_parts(data):
    if len(data) < 13:
        return [data]
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    parts = [data[:at]]
    while at < len(data):
        start = at
        if data[at] == 0x21:
            at += 2
        elif data[at] == 0x2c and at + 10 < len(data):
            at += 11 + (3 << (data[at + 9] & 7) + 1 if data[at + 9] & 0x80 else 0)
        else:
            parts.append(data[at:])
            break
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
        parts.append(data[start:at])
    return parts

def gif_block(dice, data):
    parts = gif_parts(data)
    at = dice.randrange(len(parts))
    return b"".join(parts[:at] + [edit(parts[at], dice.randrange(min(16, len(parts[at]))), lambda byte: dice.choice((byte ^ (1 << dice.randrange(8)), dice.randrange(256))))] + parts[at + 1:])


STRUCTURE = {
    "png": parts_changed(png_parts, png_join) + [png_random_chunk, png_split_idat, png_stream, png_stream, png_length, png_header, png_resized_chunk],
    "webp": parts_changed(riff_parts, b"".join) + [riff_length, riff_chunk, riff_head, riff_head],
    "jpeg": parts_changed(jpeg_parts, b"".join) + [jpeg_length, jpeg_segment, jpeg_segment, jpeg_marker],
    "gif": parts_changed(gif_parts, b"".join) + [gif_block, gif_block],
}
REPAIR = {"png": png_repair, "webp": riff_repair}


# --- seeds ------------------------------------------------------------------------------------------------------------

def small_photos(folder, sides=((64, 48), (37, 29), (5, 3))):
    from PIL import Image
    pictures = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg")):
        try:
            pictures.append((path.stem.replace(" ", "_"), Image.open(path).convert("RGB")))
        except OSError:
            pass  # two of examples/photos are broken on purpose
    for number, (name, picture) in enumerate(pictures[:6]):
        yield name, picture.resize(sides[number % len(sides)])

def saved(picture, format, **options):
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()

def png_seeds(folder):
    seeds = {}
    for name, picture in small_photos(folder):
        gray, (width, height) = picture.convert("L"), picture.size
        rgba = picture.copy(); rgba.putalpha(gray)
        kinds = {
            "rgb": (2, 8, picture.tobytes()), "rgba": (6, 8, rgba.tobytes()), "gray": (0, 8, gray.tobytes()),
            "graya": (4, 8, b"".join(bytes((v, 255 - v)) for v in gray.tobytes())),
            "gray16": (0, 16, b"".join(bytes((v, v ^ 0x5a)) for v in gray.tobytes())),
            "rgb16": (2, 16, b"".join(bytes((v, v ^ 0x5a)) for v in picture.tobytes())),
            "rgba16": (6, 16, b"".join(bytes((v, v ^ 0x5a)) for v in rgba.tobytes())),
            "graya16": (4, 16, b"".join(bytes((v, v ^ 0x5a, 255 - v, v)) for v in gray.tobytes())),
            "gray1": (0, 1, gray.tobytes()), "gray2": (0, 2, gray.tobytes()), "gray4": (0, 4, gray.tobytes()),
            "pal1": (3, 1, gray.tobytes()), "pal2": (3, 2, gray.tobytes()), "pal4": (3, 4, gray.tobytes()), "pal8": (3, 8, gray.tobytes()),
        }
        for kind, (color, depth, samples) in kinds.items():
            for interlaced in (0, 1):
                seeds[f"{name}-{kind}{'-i' * interlaced}.png"] = png_file(width, height, color, depth, samples, interlaced, kind)
    return seeds

def png_file(width, height, color, depth, samples, interlaced, kind):
    """A PNG by hand, with every filter, every kind of block, and some ancillary chunks."""
    dice = random.Random(kind + str(interlaced) + str(width))
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    pixel = channels * max(1, depth // 8)
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)) if interlaced else ((0, 0, 1, 1),)
    raw = bytearray()
    for left, top, step_x, step_y in passes:
        before = None
        for y in range(top, height, step_y):
            row = b"".join(samples[(y * width + x) * pixel:][:pixel] for x in range(left, width, step_x))
            if not row:
                continue
            if depth < 8:
                bits = "".join(f"{v >> 8 - depth:0{depth}b}" for v in row)
                bits += "0" * (-len(bits) % 8)
                row = bytes(int(bits[at:at + 8], 2) for at in range(0, len(bits), 8))
            above = before if before is not None else bytes(len(row))
            kind = dice.randrange(5)
            raw.append(kind)
            for at, value in enumerate(row):
                a, b, c = (row[at - pixel] if at >= pixel else 0), above[at], (above[at - pixel] if at >= pixel else 0)
                p = a + b - c
                paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
                raw.append(value - (0, a, b, (a + b) // 2, paeth)[kind] & 0xff)
            before = row
    coder = zlib.compressobj(dice.choice((0, 1, 6, 9)), zlib.DEFLATED, dice.choice((15, 15, 12)), 8, dice.choice((0, 0, 1, 2, 3, 4)))
    stream = coder.compress(bytes(raw)) + coder.flush()
    chunks = [png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced))]
    if dice.random() < 0.5:
        chunks += [png_chunk(b"gAMA", struct.pack(">I", 45455)), png_chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1))]
    if color == 3:
        colors = dice.choice((1 << depth, 1 << depth, max(1, (1 << depth) - 1)))
        chunks.append(png_chunk(b"PLTE", dice.randbytes(3 * colors)))
        if dice.random() < 0.5:
            chunks.append(png_chunk(b"tRNS", dice.randbytes(colors)))
    elif color in (0, 2) and dice.random() < 0.5:
        chunks.append(png_chunk(b"tRNS", bytes(2 if color == 0 else 6)))
    if dice.random() < 0.5:
        chunks += [png_chunk(b"tEXt", b"Title\0a picture"), png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"words " * 50))]
    size = dice.choice((8192, 8192, 1000, 300))
    chunks += [png_chunk(b"IDAT", stream[at:at + size]) for at in range(0, len(stream), size)]
    if dice.random() < 0.3:
        chunks.append(png_chunk(b"tIME", bytes((7, 230, 1, 1, 0, 0, 0))))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + png_chunk(b"IEND", b"")

def jpeg_seeds(folder):
    seeds = {}
    for name, picture in small_photos(folder, ((64, 48), (37, 29), (17, 33))):
        for sampling in (0, 1, 2):
            seeds[f"{name}-{sampling}.jpg"] = saved(picture, "JPEG", quality=80, subsampling=sampling)
        seeds[f"{name}-prog.jpg"] = saved(picture, "JPEG", quality=80, progressive=True)
        seeds[f"{name}-gray.jpg"] = saved(picture.convert("L"), "JPEG", quality=80)
        seeds[f"{name}-cmyk.jpg"] = saved(picture.convert("CMYK"), "JPEG", quality=80)
        seeds[f"{name}-restart.jpg"] = saved(picture, "JPEG", quality=80, restart_marker_blocks=3)
    return seeds

def gif_seeds(folder):
    return {f"{name}-{colors}-{interlace}.gif": saved(picture.quantize(colors), "GIF", interlace=interlace)
            for name, picture in small_photos(folder) for colors in (2, 16, 256) for interlace in (0, 1)}

def webp_seeds(folder):
    seeds = {}
    for name, picture in small_photos(folder, ((64, 48), (37, 29), (17, 33))):
        for quality in (10, 50, 90):
            seeds[f"{name}-{quality}.webp"] = saved(picture, "WEBP", quality=quality, method=quality // 16)
        seeds[f"{name}-lossless.webp"] = saved(picture, "WEBP", lossless=True)
        seeds[f"{name}-exif.webp"] = saved(picture, "WEBP", quality=60, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", xmp=b"<x/>")
        rgba = picture.copy(); rgba.putalpha(picture.convert("L"))
        seeds[f"{name}-alpha.webp"] = saved(rgba, "WEBP", quality=60)
        seeds[f"{name}-flat.webp"] = saved(picture.quantize(8).convert("RGB"), "WEBP", lossless=True)
    return seeds

MAKE_SEEDS = {"png": png_seeds, "jpeg": jpeg_seeds, "gif": gif_seeds, "webp": webp_seeds}

if __name__ == "__main__":
    main()
