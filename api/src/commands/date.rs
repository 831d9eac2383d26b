//! Days as the command line takes them.

use chrono::NaiveDate;

/// Characters of a day, which are as many bytes.
const LENGTH: usize = 10;

/// Reads a day written as YYYY-MM-DD and in no other form: `20-1-1` would be a day of the year 20.
///
/// # Errors
/// It has another form, or there is no such day.
pub fn parse(text: &str) -> Result<NaiveDate, String> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    day.filter(|day| text.len() == LENGTH && day.to_string() == text)
        .ok_or_else(|| "it is not a day in the form YYYY-MM-DD, such as 2026-04-30".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_one_form() {
        assert_eq!(parse("2026-04-30"), Ok(NaiveDate::from_ymd_opt(2026, 4, 30).unwrap()));
        for text in ["20-1-1", "2026-4-30", "2026-4-030", "+12026-04-30", "2026-02-30", "30.04.2026", ""] {
            assert!(parse(text).unwrap_err().contains("YYYY-MM-DD"), "{text}");
        }
    }
}
