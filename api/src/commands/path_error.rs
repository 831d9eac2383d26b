//! Errors of the system with the path that they are about: the system itself does not say which one it means.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Failure;

/// Something that could not be done with a path.
#[derive(Debug, Error)]
#[error("`{}` {what}", .path.display())]
pub struct PathError {
    path: PathBuf,
    what: &'static str,
    #[source]
    source: Failure,
}

/// Names the path of an error; `what` is the rest of the sentence, for example "cannot be written".
pub fn at<E: Into<Failure>>(path: &Path, what: &'static str) -> impl FnOnce(E) -> Failure {
    move |source| PathError { path: path.to_owned(), what, source: source.into() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_path_and_keeps_its_cause() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none").join("file");
        let error = std::fs::write(&path, b"x").map_err(at(&path, "cannot be written")).unwrap_err();
        assert_eq!(error.to_string(), format!("`{}` cannot be written", path.display()));
        let cause = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>()).unwrap();
        assert_eq!(cause.kind(), std::io::ErrorKind::NotFound);
    }
}
