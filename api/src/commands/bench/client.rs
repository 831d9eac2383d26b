//! As little of an HTTP/1.1 client as a load needs: one connection, one request at a time, answers with a length.
//!
//! It blocks, and each connection has its thread: on a machine that client and server share, every microsecond that the
//! client takes is missing in what is measured.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest head of an answer.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Longest body of an answer.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
const CHUNK_BYTES: usize = 16 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const HEAD_END: &[u8] = b"\r\n\r\n";

/// A connection that is kept alive.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer<'b> {
    pub(super) status: u16,
    pub(super) body: &'b [u8],
}

impl Answer<'_> {
    /// Whether it is a GraphQL answer without errors.
    pub(super) fn is_good(&self) -> bool {
        self.status == 200 && self.body.starts_with(b"{") && find(self.body, b"\"errors\"").is_none()
    }
}

impl Connection {
    pub(super) fn open(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, CONNECT_TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self { stream, buffer: Vec::with_capacity(CHUNK_BYTES) })
    }

    /// Sends a whole request and reads the whole answer. After an error the connection is of no more use.
    pub(super) fn ask(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.stream.write_all(request)?;
        self.buffer.clear();
        let body_at = loop {
            if let Some(end) = find(&self.buffer, HEAD_END) {
                break end + HEAD_END.len();
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(io::Error::other("the head of the answer is too long"));
            }
            self.fill()?;
        };
        let (status, length) = head(self.buffer.get(..body_at).unwrap_or_default())
            .ok_or_else(|| io::Error::other("the answer has no status or no length"))?;
        if length > BODY_BYTES_MAX {
            return Err(io::Error::other("the body of the answer is too long"));
        }
        while self.buffer.len() < body_at + length {
            self.fill()?;
        }
        if self.buffer.len() > body_at + length {
            return Err(io::Error::other("the server sent more than it was asked for"));
        }
        Ok(Answer { status, body: self.buffer.get(body_at..).unwrap_or_default() })
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut chunk = [0; CHUNK_BYTES];
        match self.stream.read(&mut chunk)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.buffer.extend_from_slice(chunk.get(..read).unwrap_or_default());
                Ok(())
            }
        }
    }
}

/// The status and the length of the body.
fn head(bytes: &[u8]) -> Option<(u16, usize)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())?;
    Some((status, length))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers one request after the other with these bytes, in two parts.
    fn answering(answers: Vec<&'static str>) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for answer in answers {
                let mut request = [0; 4];
                stream.read_exact(&mut request).unwrap();
                let (one, two) = answer.as_bytes().split_at(answer.len() / 2);
                stream.write_all(one).unwrap();
                stream.flush().unwrap();
                stream.write_all(two).unwrap();
            }
        });
        addr
    }

    #[test]
    fn answers_are_read_whole_on_one_connection() {
        let addr = answering(vec![
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"data\":{}}",
            "HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 13\r\n\r\n{\"errors\":[]}",
            "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n",
        ]);
        let mut connection = Connection::open(addr).unwrap();
        assert!(connection.ask(b"ask!").unwrap().is_good());
        assert!(!connection.ask(b"ask!").unwrap().is_good());
        assert_eq!(connection.ask(b"ask!").unwrap(), Answer { status: 429, body: b"" });
        assert!(connection.ask(b"ask!").is_err());
    }

    #[test]
    fn an_answer_without_a_length_is_refused() {
        let addr = answering(vec!["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"]);
        assert!(Connection::open(addr).unwrap().ask(b"ask!").is_err());
    }
}
