//! How the search index gets at sealed text, without the read models knowing any key.

use std::error::Error;

use domain::id::SubjectId;
use domain::privacy::Sealed;
use thiserror::Error;

/// Opens the facts of a complaint for the search index.
pub trait FactsReader: Send + Sync {
    /// The text, or `None` once the person was erased: then nothing is indexed.
    ///
    /// # Errors
    /// The text can be read by nobody or not now. The projection is held up by it, it does not leave a case out.
    fn open(&self, sealed: &Sealed) -> Result<Option<String>, FactsError>;

    /// Is told whose facts are opened next, before the first of them is: whoever has to ask elsewhere for each key may
    /// ask for all at once.
    ///
    /// A subject may be named more than once, and some may never be asked for. Does nothing unless it is written to.
    ///
    /// # Errors
    /// Nobody answers now, so that [`FactsReader::open`] would wait in vain too. What else fails is told by that.
    fn prepare(&self, _subjects: &[SubjectId]) -> Result<(), FactsError> {
        Ok(())
    }
}

/// Why sealed facts could not be opened. Trying again may help: the vault is a file like any other.
#[derive(Debug, Error)]
#[error("the facts of a case could not be opened")]
pub struct FactsError {
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

impl FactsError {
    /// Wraps what the keeper of the keys said.
    #[must_use]
    pub fn new(source: impl Error + Send + Sync + 'static) -> Self {
        Self { source: Box::new(source) }
    }
}

/// Opens nothing: numbers and names of businesses are found, facts are not.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFacts;

impl FactsReader for NoFacts {
    fn open(&self, _sealed: &Sealed) -> Result<Option<String>, FactsError> {
        Ok(None)
    }
}
