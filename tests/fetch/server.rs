//! A small HTTP server on this machine that has one file, and serves it as well or as badly as it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// How a request is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Conduct {
    /// As it should be, `Range` included.
    Well,
    /// With the whole file, whatever was asked for.
    Whole,
    /// With another piece than the one that was asked for.
    OtherPiece,
    /// With so many bytes, and the end of the connection.
    CutAfter(usize),
    /// With so many bytes, and then nothing.
    StallAfter(usize),
    /// Not at all.
    Silent,
    /// `404 Not Found`; as a proxy, `403 Forbidden` where a tunnel is wanted.
    Refuse,
}

/// The server, for as long as the test runs.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves `file`: the first requests by `conducts`, one each, and all others by the last of them.
    pub(crate) fn start(file: &[u8], conducts: &[Conduct]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, file, conducts) = (Arc::clone(&requests), file.to_vec(), conducts.to_vec());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, file, conducts) = (Arc::clone(&log), file.clone(), conducts.clone());
                // A client that goes away is none of the server's business.
                thread::spawn(move || converse(stream, &log, &file, &conducts).ok());
            }
        });
        Self { address, requests }
    }

    /// The address of its file.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/weights.h5", self.address)
    }

    /// The server as a proxy.
    pub(crate) fn proxy(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of the requests that came, in small letters.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no server has failed").clone()
    }
}

fn converse(stream: TcpStream, log: &Mutex<Vec<String>>, file: &[u8], conducts: &[Conduct]) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let head = head.to_lowercase();
        let tunnels = |request: &String| request.starts_with("connect ");
        let conduct = {
            let mut log = log.lock().expect("no server has failed");
            let before = log.iter().filter(|request| !tunnels(request)).count();
            log.push(head.clone());
            conducts[before.min(conducts.len() - 1)]
        };
        if !tunnels(&head) {
            return answer(&mut stream, &head, file, conduct);
        }
        // What comes through the tunnel is for the same server.
        match conduct {
            Conduct::Refuse => return stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"),
            _ => stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?,
        }
    }
}

fn answer(stream: &mut TcpStream, head: &str, file: &[u8], conduct: Conduct) -> std::io::Result<()> {
    let range = head.lines().find_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok());
    let all = file.len();
    let from: usize = match conduct {
        Conduct::Whole => 0,
        Conduct::OtherPiece => range.map_or(0, |from: usize| from / 2),
        _ => range.unwrap_or(0),
    };
    let status = match conduct {
        Conduct::Silent => return wait_for_the_end(stream),
        Conduct::Refuse => "404 Not Found\r\ncontent-length: 0".to_owned(),
        _ if from > 0 && from >= all => format!("416 Range Not Satisfiable\r\ncontent-range: bytes */{all}"),
        Conduct::Whole => format!("200 OK\r\ncontent-length: {all}"),
        _ if range.is_some() => {
            let last = all - 1;
            format!("206 Partial Content\r\ncontent-range: bytes {from}-{last}/{all}\r\ncontent-length: {}", all - from)
        }
        _ => format!("200 OK\r\ncontent-length: {all}"),
    };
    write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\n\r\n")?;
    let rest = &file[from.min(all)..];
    match conduct {
        Conduct::Refuse => Ok(()),
        Conduct::CutAfter(count) => stream.write_all(&rest[..count.min(rest.len())]),
        Conduct::StallAfter(count) => {
            stream.write_all(&rest[..count.min(rest.len())])?;
            wait_for_the_end(stream)
        }
        _ => stream.write_all(rest),
    }
}

/// Keeps the connection until the client has had enough.
fn wait_for_the_end(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.read(&mut [0]).map(|_| ())
}
