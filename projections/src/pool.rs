//! Connections that ask. A question waits for a free one; there are as many as questions may run at a time.

use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::error::QueryError;
use crate::schema;

#[derive(Debug)]
pub(crate) struct Pool {
    free: Mutex<Vec<Connection>>,
    returned: Condvar,
}

/// A connection on loan; it goes back whatever happens to the borrower.
struct Loan<'a> {
    pool: &'a Pool,
    conn: Option<Connection>,
}

impl Pool {
    /// Opens `readers` connections, at least one.
    ///
    /// # Errors
    /// A connection cannot be opened.
    pub(crate) fn open(path: &Path, readers: usize, cache_kib: u32) -> rusqlite::Result<Self> {
        let each_kib = cache_kib / u32::try_from(readers.max(1)).unwrap_or(u32::MAX);
        let free: rusqlite::Result<Vec<_>> =
            (0..readers.max(1)).map(|_| schema::open_reader(path, each_kib.max(1_024))).collect();
        Ok(Self { free: Mutex::new(free?), returned: Condvar::new() })
    }

    /// Asks on one connection, in one snapshot of the files. Blocks while all connections are on loan.
    ///
    /// # Errors
    /// Those of the question.
    pub(crate) fn with<T>(&self, ask: impl FnOnce(&Connection) -> Result<T, QueryError>) -> Result<T, QueryError> {
        let loan = self.lend();
        let Some(conn) = &loan.conn else { return Err(QueryError::Closed) };
        let snapshot = conn.unchecked_transaction()?;
        let answer = ask(&snapshot);
        snapshot.finish()?;
        answer
    }

    fn lend(&self) -> Loan<'_> {
        let mut free = self.free();
        loop {
            if let Some(conn) = free.pop() {
                return Loan { pool: self, conn: Some(conn) };
            }
            free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.pool.free().push(conn);
            self.pool.returned.notify_one();
        }
    }
}
