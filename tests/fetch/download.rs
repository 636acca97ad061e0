//! What ends up on disk, whatever the server does.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use md5::{Digest, Md5};
use petrec::fetch::{FetchError, Source, download};
use petrec::model::Architecture;
use tempfile::TempDir;

use super::server::{Conduct, Server};

/// A file of some blocks, and a folder to download it to.
struct Download {
    file: Vec<u8>,
    folder: TempDir,
}

impl Download {
    fn new() -> Self {
        let file = (0..300_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        Self { file, folder: tempfile::tempdir().expect("a folder") }
    }

    fn serve(&self, conducts: &[Conduct]) -> Server {
        Server::start(&self.file, conducts)
    }

    fn from(&self, server: &Server) -> Result<PathBuf, FetchError> {
        let md5 = petrec::text::hex(&Md5::digest(&self.file)).parse().expect("an MD5");
        let source = Source { architecture: Architecture::EfficientNetB0, url: server.url(), md5 };
        let mut last = 0;
        let path = download(&source, self.folder.path(), Duration::from_millis(400), &mut |done, total| {
            assert!(total.is_none_or(|total| done <= total));
            last = done;
        })?;
        assert!(last == 0 || last == self.file.len() as u64, "{last}");
        Ok(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What of the file is there so far.
    fn part(&self) -> Vec<u8> {
        fs::read(self.path("efficientnetb0_notop.h5.part")).expect("a part")
    }

    #[track_caller]
    fn assert_whole(&self, path: &Path) {
        assert_eq!(path, self.path("efficientnetb0_notop.h5"));
        assert!(fs::read(path).expect("readable") == self.file);
        assert_eq!(fs::read_dir(self.folder.path()).expect("readable").count(), 1);
    }
}

/// From which byte on each request asked.
fn starts(server: &Server) -> Vec<Option<usize>> {
    let of = |head: &String| {
        head.lines().find_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok())
    };
    server.requests().iter().map(of).collect()
}

#[test]
fn a_file_is_downloaded_once() {
    let download = Download::new();
    let server = download.serve(&[Conduct::Well]);

    download.from(&server).expect("downloaded");
    let path = download.from(&server).expect("still there");

    download.assert_whole(&path);
    assert_eq!(starts(&server), [None]);
}

#[test]
fn a_transfer_that_was_cut_off_goes_on_where_it_stopped() {
    let download = Download::new();
    let server = download.serve(&[Conduct::CutAfter(400_000), Conduct::CutAfter(300_000), Conduct::Well]);

    for here in [400_000, 700_000] {
        let error = download.from(&server).expect_err("cut off");
        assert!(matches!(error, FetchError::CutOff { done, total: Some(1_200_000), .. } if done == here), "{error}");
        assert!(error.to_string().contains("the same command goes on"), "{error}");
        assert_eq!(download.part(), download.file[..here as usize]);
    }
    let path = download.from(&server).expect("downloaded");

    download.assert_whole(&path);
    assert_eq!(starts(&server), [None, Some(400_000), Some(700_000)]);
}

#[test]
fn a_server_that_knows_no_ranges_sends_the_whole_file() {
    for conduct in [Conduct::Whole, Conduct::OtherPiece] {
        let download = Download::new();
        let server = download.serve(&[Conduct::CutAfter(1000), conduct, Conduct::Well]);

        download.from(&server).expect_err("cut off");
        let path = download.from(&server).expect("downloaded");

        download.assert_whole(&path);
    }
}

#[test]
fn a_part_of_another_file_gives_way() {
    let download = Download::new();
    let server = download.serve(&[Conduct::Well]);
    fs::write(download.path("efficientnetb0_notop.h5.part"), [7; 5000]).expect("written");

    let path = download.from(&server).expect("downloaded");

    download.assert_whole(&path);
    assert_eq!(starts(&server), [Some(5000), None]);
}

#[test]
fn a_part_that_is_whole_already_only_gets_its_name() {
    let download = Download::new();
    let server = download.serve(&[Conduct::Well]);
    fs::write(download.path("efficientnetb0_notop.h5.part"), &download.file).expect("written");

    let path = download.from(&server).expect("downloaded");

    download.assert_whole(&path);
    assert_eq!(starts(&server), [Some(download.file.len())]);
}

#[test]
fn a_file_with_another_hash_is_refused_and_kept() {
    let mut download = Download::new();
    let server = download.serve(&[Conduct::Well]);
    let served = download.file.clone();
    download.file[600_000] ^= 1;

    let error = download.from(&server).expect_err("another file");

    assert!(matches!(error, FetchError::Other { .. }), "{error}");
    assert!(error.to_string().contains(&petrec::text::hex(&Md5::digest(&served))), "{error}");
    assert!(download.part() == served);
    assert!(!download.path("efficientnetb0_notop.h5").exists());
}

#[test]
fn a_server_that_has_no_such_file_is_quoted() {
    let download = Download::new();
    let server = download.serve(&[Conduct::Refuse]);

    let error = download.from(&server).expect_err("refused");

    assert!(error.to_string().contains("'404 Not Found'"), "{error}");
    assert!(error.is_of_the_network());
    assert!(download.part().is_empty());
}

#[test]
fn a_server_that_falls_silent_is_given_up_and_what_came_is_kept() {
    let download = Download::new();
    let server = download.serve(&[Conduct::StallAfter(500_000), Conduct::Silent, Conduct::Well]);

    for _ in 0..2 {
        let error = download.from(&server).expect_err("given up");
        assert!(matches!(error, FetchError::Stalled { done: 500_000, .. }), "{error}");
        assert!(error.to_string().contains("nothing came for 0.4 s"), "{error}");
        assert_eq!(download.part().len(), 500_000);
    }
    let path = download.from(&server).expect("downloaded");

    download.assert_whole(&path);
}

#[test]
fn a_file_of_the_name_that_is_another_one_is_left_alone() {
    let download = Download::new();
    let server = download.serve(&[Conduct::Well]);
    let path = download.path("efficientnetb0_notop.h5");
    fs::write(&path, "years of work").expect("written");

    let error = download.from(&server).expect_err("taken");

    assert!(error.to_string().contains("move it away"), "{error}");
    assert_eq!(fs::read(&path).expect("readable"), b"years of work");
    assert!(server.requests().is_empty());
}

#[test]
fn two_downloads_of_one_file_do_not_mix() {
    let download = Download::new();
    let server = download.serve(&[Conduct::Well]);
    let other = File::create(download.path("efficientnetb0_notop.h5.part")).expect("made");
    other.lock().expect("locked");

    let error = download.from(&server).expect_err("busy");
    drop(other);

    assert!(matches!(error, FetchError::Busy { .. }), "{error}");
    download.assert_whole(&download.from(&server).expect("downloaded"));
}

#[test]
fn a_port_where_nobody_listens_is_told() {
    let download = Download::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let source = Source { url: format!("http://127.0.0.1:{port}/"), ..keras() };

    let error = petrec::fetch::download(&source, download.folder.path(), Duration::from_secs(5), &mut |_, _| ());

    let error = error.expect_err("nobody there").to_string();
    assert!(error.contains("cannot be reached") && error.contains("HTTPS_PROXY"), "{error}");
}

fn keras() -> Source {
    Source::keras(Architecture::EfficientNetB0).expect("published")
}
