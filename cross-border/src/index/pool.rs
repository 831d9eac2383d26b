//! Connections that ask. A question waits for a free one; there are as many as questions may run at a time.

use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::error::IndexError;
use super::schema;

#[derive(Debug)]
pub(super) struct Pool {
    free: Mutex<Vec<Connection>>,
    returned: Condvar,
}

impl Pool {
    /// Opens `readers` connections, at least one.
    ///
    /// # Errors
    /// A connection cannot be opened.
    pub(super) fn open(path: &Path, readers: usize, cache_kib: u32) -> rusqlite::Result<Self> {
        let readers = readers.max(1);
        let each_kib = cache_kib / u32::try_from(readers).unwrap_or(u32::MAX);
        let free: rusqlite::Result<Vec<_>> =
            (0..readers).map(|_| schema::open_reader(path, each_kib.max(1_024))).collect();
        Ok(Self { free: Mutex::new(free?), returned: Condvar::new() })
    }

    /// Asks on one connection. Blocks while all of them are on loan.
    ///
    /// # Errors
    /// Those of the question.
    pub(super) fn with<T>(&self, ask: impl FnOnce(&Connection) -> Result<T, IndexError>) -> Result<T, IndexError> {
        let loan = Loan { pool: self, conn: Some(self.take()) };
        ask(loan.conn.as_ref().expect("a loan holds its connection until it is dropped"))
    }

    fn take(&self) -> Connection {
        let mut free = self.free();
        loop {
            match free.pop() {
                Some(conn) => return conn,
                None => free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection on loan; it goes back whatever happens to the borrower.
struct Loan<'a> {
    pool: &'a Pool,
    conn: Option<Connection>,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.pool.free().push(conn);
            self.pool.returned.notify_one();
        }
    }
}
