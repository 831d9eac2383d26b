//! Progress bars on stderr, for every command that takes a while.

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

const COUNTED: &str = "{prefix:>12} {wide_bar} {human_pos}/{human_len}  {per_sec}  {eta}";
const BYTES: &str = "{prefix:>12} {wide_bar} {bytes}/{total_bytes}  {eta}";

/// A bar over `total` things. It shows nothing when stderr is no terminal, or when the user asked for quiet.
pub(in crate::commands) fn bar(what: &'static str, total: u64, quiet: bool) -> ProgressBar {
    styled(what, total, quiet, COUNTED)
}

/// [`bar`] over the bytes of a file.
pub(in crate::commands) fn bytes(what: &'static str, total: u64, quiet: bool) -> ProgressBar {
    styled(what, total, quiet, BYTES)
}

fn styled(what: &'static str, total: u64, quiet: bool, template: &str) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    // A bar that is dropped by an error must not stay behind as if it were full.
    ProgressBar::new(total).with_style(style).with_prefix(what).with_finish(ProgressFinish::AndClear)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid_and_quiet_is_quiet() {
        assert!(ProgressStyle::with_template(COUNTED).is_ok());
        assert!(ProgressStyle::with_template(BYTES).is_ok());
        assert!(bar("rows", 1, true).is_hidden());
    }
}
