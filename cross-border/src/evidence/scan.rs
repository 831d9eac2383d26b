//! Looking for viruses: by the daemon of `ClamAV`, or not at all, which is then said of the file.

use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::exchange::vocabulary::ScanState;

/// Bytes in one piece of a file on its way to the daemon.
const CHUNK_BYTES: usize = 64 * 1024;
/// Longest answer of the daemon that is read.
const ANSWER_BYTES_MAX: u64 = 4 * 1024;
/// How long the daemon may take for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the daemon may take for a file, from its first byte to the answer.
pub const SCAN_TIMEOUT: Duration = Duration::from_secs(60);

/// Whoever looks for viruses. A failure is an answer too: the file is then kept as not scanned successfully.
#[async_trait]
pub trait Scanner: Send + Sync + 'static {
    /// Looks through a file.
    async fn scan(&self, bytes: &[u8]) -> ScanState;
}

/// Nobody looks: every file is [`ScanState::Unscanned`], and the reader is told so.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoScanner;

#[async_trait]
impl Scanner for NoScanner {
    async fn scan(&self, _bytes: &[u8]) -> ScanState {
        ScanState::Unscanned
    }
}

/// The daemon `clamd`, over TCP (its command `INSTREAM`).
///
/// The connection is neither secret nor authenticated: the daemon must stand on the same machine or in the same closed
/// network.
#[derive(Debug, Clone)]
pub struct ClamdScanner {
    /// Host and port.
    pub addr: String,
    pub connect_timeout: Duration,
    pub scan_timeout: Duration,
}

impl ClamdScanner {
    /// The daemon at this address, with the timeouts of this module.
    #[must_use]
    pub const fn new(addr: String) -> Self {
        Self { addr, connect_timeout: CONNECT_TIMEOUT, scan_timeout: SCAN_TIMEOUT }
    }

    async fn ask(&self, bytes: &[u8]) -> Result<String, Failed> {
        let connected = tokio::time::timeout(self.connect_timeout, TcpStream::connect(&self.addr)).await;
        let mut stream = connected.map_err(|_error| Failed("no connection in time"))??;
        let asked = tokio::time::timeout(self.scan_timeout, converse(&mut stream, bytes)).await;
        asked.map_err(|_error| Failed("no answer in time"))?
    }
}

#[async_trait]
impl Scanner for ClamdScanner {
    async fn scan(&self, bytes: &[u8]) -> ScanState {
        match self.ask(bytes).await {
            Ok(answer) => verdict(&answer),
            Err(Failed(what)) => {
                tracing::warn!(scanner.address = %self.addr, "A file could not be scanned: {what}");
                ScanState::Failed
            }
        }
    }
}

/// What went wrong with the daemon, in words of ours.
#[derive(Debug)]
struct Failed(&'static str);

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::ConnectionRefused => Self("the connection was refused"),
            std::io::ErrorKind::UnexpectedEof => Self("the daemon closed the connection"),
            _ => Self("the connection failed"),
        }
    }
}

/// Each piece stands behind its length as four big-endian bytes; a length of zero ends the file.
async fn converse(stream: &mut TcpStream, bytes: &[u8]) -> Result<String, Failed> {
    stream.write_all(b"zINSTREAM\0").await?;
    for chunk in bytes.chunks(CHUNK_BYTES) {
        let length = u32::try_from(chunk.len()).map_err(|_error| Failed("a piece is too long"))?;
        stream.write_all(&length.to_be_bytes()).await?;
        stream.write_all(chunk).await?;
    }
    stream.write_all(&[0; 4]).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    String::from_utf8(answer).map_err(|_error| Failed("the answer is no text"))
}

/// `stream: OK`, `stream: <name> FOUND` or `… ERROR`; anything else is a failure.
fn verdict(answer: &str) -> ScanState {
    let answer = answer.trim_end_matches(['\0', '\n', '\r']);
    if answer == "stream: OK" {
        ScanState::Clean
    } else if answer.starts_with("stream: ") && answer.ends_with(" FOUND") {
        ScanState::Infected
    } else {
        ScanState::Failed
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A daemon that hears one file out and gives this answer; what it heard comes back.
    async fn daemon(answer: &'static [u8]) -> (ClamdScanner, tokio::task::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut greeting = [0; 10];
            stream.read_exact(&mut greeting).await.unwrap();
            assert_eq!(&greeting, b"zINSTREAM\0");
            let mut file = Vec::new();
            loop {
                let mut length = [0; 4];
                stream.read_exact(&mut length).await.unwrap();
                let length = usize::try_from(u32::from_be_bytes(length)).unwrap();
                if length == 0 {
                    break;
                }
                let start = file.len();
                file.resize(start + length, 0);
                stream.read_exact(file.get_mut(start..).unwrap()).await.unwrap();
            }
            stream.write_all(answer).await.unwrap();
            file
        });
        (ClamdScanner::new(addr), heard)
    }

    #[tokio::test]
    async fn the_daemon_hears_the_whole_file_and_is_believed() {
        let file: Vec<u8> = (0..=255).cycle().take(CHUNK_BYTES * 2 + 7).collect();
        for (answer, state) in [
            (b"stream: OK\0".as_slice(), ScanState::Clean),
            (b"stream: Eicar-Test-Signature FOUND\0", ScanState::Infected),
            (b"INSTREAM size limit exceeded. ERROR\0", ScanState::Failed),
            (b"stream: OKAY\0", ScanState::Failed),
            (b"", ScanState::Failed),
            (b"\xff\xfe", ScanState::Failed),
        ] {
            let (scanner, heard) = daemon(answer).await;
            assert_eq!(scanner.scan(&file).await, state, "{answer:?}");
            assert!(heard.await.unwrap() == file);
        }
    }

    #[tokio::test]
    async fn a_daemon_that_is_not_there_or_says_nothing_fails_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let silent = ClamdScanner { scan_timeout: Duration::from_millis(50), ..ClamdScanner::new(addr.clone()) };
        assert_eq!(silent.scan(b"file").await, ScanState::Failed);
        drop(listener);
        assert_eq!(ClamdScanner::new(addr).scan(b"file").await, ScanState::Failed);
        assert_eq!(NoScanner.scan(b"file").await, ScanState::Unscanned);
    }
}
