//! An S3 server of this test alone.

use std::ffi::OsString;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs};

use tempfile::TempDir;

/// Names the server's program.
const PROGRAM: &str = "PETREC_S3_SERVER";
pub(crate) const KEY: &str = "key";
pub(crate) const SECRET: &str = "secret";

/// The server, for as long as the test runs, with one bucket.
pub(crate) struct Server {
    folder: TempDir,
    child: Child,
    port: u16,
}

impl Server {
    /// Starts it; `None`, said plainly, where no program is named.
    pub(crate) fn start() -> Option<Self> {
        let Some(program) = env::var_os(PROGRAM) else {
            eprintln!("skipped: {PROGRAM} names no S3 server");
            return None;
        };
        // Another process may take the port in between.
        (0..5).find_map(|_| Self::try_start(&program)).or_else(|| panic!("{} does not start", program.display()))
    }

    fn try_start(program: &OsString) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("bucket")).expect("made");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let mut command = Command::new(program);
        command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--access-key", KEY, "--secret-key", SECRET]).arg(folder.path());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the server's program");
        let mut server = Self { folder, child, port };
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            if server.child.try_wait().expect("the system tells").is_some() {
                return None;
            }
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(server);
            }
            sleep(Duration::from_millis(5));
        }
        None
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where it keeps the objects whose names begin so.
    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.folder.path().join("bucket").join(key)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
