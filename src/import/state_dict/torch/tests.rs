use std::fs;
use std::path::Path;

use super::*;
use crate::import::zip::tests::archive;

/// What torch saved as `{"t": tensor([0.])}` under a stem of 21 letters, which leaves its first file's padding without content.
fn saved() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/stem_of_21_letters.pth");
    fs::read(path).expect("readable")
}

/// The instructions that make a tensor of one value, of storage 0.
fn tensor() -> Vec<u8> {
    let pickle =
        Archive::open(&saved()).expect("sound").read("mmmmmmmmmmmmmmmmmmmmm/data.pkl").expect("there").into_owned();
    let start = pickle.windows(13).position(|window| window == b"ctorch._utils").expect("a tensor");
    pickle[start..pickle.len() - 2].to_vec() // without "set item" and "stop"
}

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A file of torch's with this pickle, and 2.5 as storage 0.
fn with(pickle: &[u8], stem: &str) -> Vec<u8> {
    let value = 2.5f32.to_le_bytes();
    archive(&[(format!("{stem}/data.pkl"), pickle), (format!("{stem}/data/0"), &value)])
}

fn problem(bytes: &[u8]) -> String {
    TorchFile::open(bytes).err().expect("must be refused")
}

#[test]
fn what_torch_saved_under_a_stem_of_21_letters_is_read() {
    let bytes = saved();

    let file = TorchFile::open(&bytes).expect("a sound file");

    assert_eq!(file.names().collect::<Vec<_>>(), ["t"]);
    assert_eq!(file.shape("t"), Some(&[1][..]));
    assert_eq!(file.values("t").expect("is read"), [0.0]);
}

#[test]
fn a_state_dict_under_a_stem_of_any_length_is_read() {
    let pickle = [b"\x80\x02}", &text("t")[..], &tensor(), b"s."].concat();
    for length in 1..=64 {
        let bytes = with(&pickle, &"m".repeat(length));

        let file = TorchFile::open(&bytes).unwrap_or_else(|problem| panic!("{length}: {problem}"));

        assert_eq!(file.values("t").expect("is read"), [2.5], "{length}");
    }
}

#[test]
fn a_module_and_a_torchscript_archive_give_the_names_of_their_state_dict() {
    // {"_modules": {"conv_stem": {"_parameters": {"weight": t}}}, "training": True} as an object's state, twice over.
    let parameters = [b"}", &text("weight")[..], &tensor(), b"s"].concat();
    let layer = [b"c__main__\nConv\n)\x81}", &text("_parameters")[..], &parameters, b"sb"].concat();
    let modules = [b"}", &text("conv_stem")[..], &layer, b"s"].concat();
    let module =
        [b"\x80\x02c__main__\nNet\n)\x81}", &text("_modules")[..], &modules, b"s", &text("training"), b"\x88sb."];
    // TorchScript has the attributes themselves, some with the name of their type.
    let tagged = [b"ctorch.jit._pickle\nrestore_type_tag\n", &tensor()[..], &text("Tensor"), b"\x86R"].concat();
    let inner = [b"c__torch__.torch\nConv\n)\x81}", &text("weight")[..], &tagged, b"sb"].concat();
    let script = [b"\x80\x02c__torch__\nNet\n)\x81}", &text("conv_stem")[..], &inner, b"sb."];

    for pickle in [module.concat(), script.concat()] {
        let bytes = with(&pickle, "net");
        let file = TorchFile::open(&bytes).expect("is read");

        assert_eq!(file.names().collect::<Vec<_>>(), ["conv_stem.weight"]);
        assert_eq!(file.values("conv_stem.weight").expect("is read"), [2.5]);
    }
}

#[test]
fn a_file_from_before_torch_1_6_is_read() {
    let magic = [b"\x80\x02", OLD_MAGIC, b"."].concat();
    let system = |endian: &[u8]| [b"\x80\x02}", &text("little_endian")[..], endian, b"s."].concat();
    let objects = [b"\x80\x02}", &text("t")[..], &tensor(), b"s."].concat();
    let keys = [b"\x80\x02]", &text("0")[..], b"a."].concat();
    let file = |endian: &[u8], count: [u8; 8], value: [u8; 4]| {
        [&magic[..], b"\x80\x02M\xe9\x03.", &system(endian), &objects, &keys, &count, &value].concat()
    };

    let little = file(b"\x88", 1u64.to_le_bytes(), 2.5f32.to_le_bytes());
    let big = file(b"\x89", 1u64.to_be_bytes(), 2.5f32.to_be_bytes());
    let claimed = file(b"\x88", u64::MAX.to_le_bytes(), [0; 4]);

    for bytes in [&little, &big] {
        assert_eq!(TorchFile::open(bytes).expect("is read").values("t").expect("is read"), [2.5]);
    }
    assert!(problem(&claimed).contains("cut off"), "{}", problem(&claimed));
    assert!((0..little.len()).all(|length| TorchFile::open(&little[..length]).is_err()));
}

#[test]
fn a_hostile_pickle_is_refused_in_bounded_time_and_memory() {
    // A list that holds itself, and 64 dictionaries each of which has the one before it twice.
    let circle = with(b"\x80\x02]q\x00h\x00a.", "a");
    let mut twice = b"\x80\x02}q\x00".to_vec();
    for level in 1..=60u8 {
        let below = [b'h', level - 1];
        twice.extend([b"}q", &[level][..], &text("a"), &below, b"s", &text("b"), &below, b"s"].concat());
    }
    let twice = with(&[&twice[..], b"."].concat(), "a");
    // A text of 4 GB in a pickle of a few bytes.
    let long = with(b"\x80\x02X\xff\xff\xff\xff.", "a");

    assert!(problem(&circle).contains("too deeply"), "{}", problem(&circle));
    assert!(problem(&twice).contains("too many"), "{}", problem(&twice));
    assert!(problem(&long).contains("cut off"), "{}", problem(&long));
}

#[test]
fn altered_files_never_panic() {
    let whole = saved();
    for at in 0..whole.len() {
        for value in [0, b'.', b'R', 0x7F, 0xFF] {
            let mut altered = whole.clone();
            altered[at] = value;
            if let Ok(file) = TorchFile::open(&altered) {
                let names: Vec<String> = file.names().map(str::to_owned).collect();
                let small =
                    |name: &&String| file.shape(name).is_some_and(|shape| shape.iter().product::<usize>() < 1000);
                names.iter().filter(small).for_each(|name| drop(file.values(name)));
            }
        }
    }
}
