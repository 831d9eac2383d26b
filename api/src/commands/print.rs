//! What a command says on stdout.
//!
//! The macros of the standard library panic where it cannot be written, and with them goes what the command was about: a
//! backup half made, a key made of which nobody learns.

use std::fmt;
use std::io::{self, Write};
use std::sync::OnceLock;

/// Why something was not told.
static UNTOLD: OnceLock<io::ErrorKind> = OnceLock::new();

/// Writes a text. What cannot be written is remembered ([`untold`]) and stops nothing.
pub fn text(text: fmt::Arguments<'_>) {
    tell(&mut io::stdout().lock(), text);
}

/// The first reason why something that a command said could not be written, if there was any. That a reader has gone is
/// its right and no reason.
pub fn untold() -> Option<io::ErrorKind> {
    UNTOLD.get().copied()
}

fn tell(out: &mut impl Write, text: fmt::Arguments<'_>) {
    let written = out.write_fmt(text).and_then(|()| out.flush());
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        // The first one says most; there may be one already.
        let _ = UNTOLD.set(error.kind());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing, for a reason.
    struct Shut(io::ErrorKind);

    impl Write for Shut {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_remembered_and_a_reader_that_has_gone_is_not() {
        tell(&mut Shut(io::ErrorKind::BrokenPipe), format_args!("a"));
        assert_eq!(untold(), None);
        tell(&mut Shut(io::ErrorKind::StorageFull), format_args!("b"));
        tell(&mut Shut(io::ErrorKind::WriteZero), format_args!("c"));
        assert_eq!(untold(), Some(io::ErrorKind::StorageFull));
    }
}
