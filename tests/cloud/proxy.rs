//! What stands between petrec and the server, and does harm.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is passed on, and so is the answer.
    Well,
    /// The proxy answers, with this status.
    Status(u16),
    /// The connection ends before the request is passed on.
    Reset,
    /// The server does what was asked, and its answer is lost.
    Lost,
    /// The answer ends after so many bytes.
    CutAfter(u64),
    /// It waits for some milliseconds.
    Late(u64),
    /// Nothing ever comes of it, while the connection stays.
    Silence,
}

/// A request, as far as anybody decides by it.
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// How many requests came before.
    pub(crate) number: usize,
}

/// A proxy, for as long as the process lives.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    requests: Arc<AtomicUsize>,
}

impl Proxy {
    /// Stands before the server at `port`; `decide` says what becomes of each request.
    pub(crate) fn start(port: u16, decide: impl Fn(&Request) -> Fate + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy =
            Self { port: listener.local_addr().expect("an address").port(), requests: Arc::new(AtomicUsize::new(0)) };
        let (requests, decide) = (Arc::clone(&proxy.requests), Arc::new(decide));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (requests, decide) = (Arc::clone(&requests), Arc::clone(&decide));
                // Connections that end early are what this is about.
                thread::spawn(move || converse(client, port, &requests, decide.as_ref()).ok());
            }
        });
        proxy
    }

    /// How many requests came so far.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// One request and its answer: neither side is let to keep the connection.
fn converse(
    client: TcpStream,
    port: u16,
    requests: &AtomicUsize,
    decide: &(dyn Fn(&Request) -> Fate + Send + Sync),
) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (mut head, mut length) = (Vec::new(), 0);
    loop {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line)?;
        let text = String::from_utf8_lossy(&line).to_ascii_lowercase();
        if line.is_empty() {
            return Ok(()); // opened and not used
        }
        if let Some(value) = text.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        if text.trim().is_empty() {
            break;
        }
        if !text.starts_with("connection:") {
            head.extend(line);
        }
    }
    head.extend(b"Connection: close\r\n\r\n");
    let first = String::from_utf8_lossy(&head).into_owned();
    let mut words = first.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let fate = decide(&Request { method, target, number: requests.fetch_add(1, Ordering::SeqCst) });

    if fate == Fate::Reset {
        return client.shutdown(Shutdown::Both);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    match fate {
        Fate::Status(status) => {
            return (&client).write_all(
                format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes(),
            );
        }
        Fate::Silence => loop {
            thread::park(); // with the connection open
        },
        Fate::Late(milliseconds) => thread::sleep(Duration::from_millis(milliseconds)),
        Fate::Well | Fate::Reset | Fate::Lost | Fate::CutAfter(_) => {}
    }
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    server.write_all(&head)?;
    server.write_all(&body)?;
    let limit = match fate {
        Fate::Lost => {
            io::copy(&mut server, &mut io::sink())?;
            0
        }
        Fate::CutAfter(bytes) => bytes,
        _ => u64::MAX,
    };
    io::copy(&mut server.take(limit), &mut &client)?;
    client.shutdown(Shutdown::Both)
}
