//! From a filter to SQL. Numbers of our own stand in the text, everything that came from outside is a parameter.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};

use super::super::{CaseFilter, FILTER_CHARS_MAX, StageFilter};
use crate::case_table::STAGE_CLOSED;
use crate::error::QueryError;
use crate::register::{Reach, Register};
use crate::scope::Scope;
use crate::text;
use crate::writer::View;

/// Characters of a unified social credit code.
const CREDIT_CODE_CHARS: usize = 18;

/// A condition and the value it compares with, if any.
type Part = (String, Option<Value>);

/// What a row must fulfil.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// About where the case stands and what it is; not asked where a measure says which cases they are.
    standing: Vec<Part>,
    /// About the row itself; with a measure, also that the case is still the caller's to ask about.
    row: Vec<Part>,
    /// In the language of the search index.
    search: Option<String>,
}

impl Conditions {
    /// The conditions of a filter inside a reach; `None` if no row can fulfil them.
    pub(super) fn of(
        conn: &Connection,
        view: &View,
        filter: &CaseFilter,
        reach: &Reach,
    ) -> Result<Option<Self>, QueryError> {
        if reach.is_empty() {
            return Ok(None);
        }
        let mut conditions = Self::default();
        if filter.measure.is_none() && !conditions.stand(conn, view, filter, reach)? {
            return Ok(None);
        }
        if let Some(stage) = filter.stage {
            conditions.row.push((stage_condition(stage), None));
        }
        if let Some(number) = &filter.number {
            check_text(number)?;
            conditions.row.push(("c.number = ?".to_owned(), Some(Value::Text(number.trim().to_owned()))));
        }
        let mut searched = Vec::new();
        if let Some(business) = &filter.business {
            check_text(business)?;
            match credit_code(business) {
                Some(code) => conditions.row.push(("c.uscc = ?".to_owned(), Some(Value::Text(code)))),
                None => match text::query_form(business) {
                    Some(query) => searched.push(format!("{{respondent}} : ({query})")),
                    None => return Ok(None),
                },
            }
        }
        if let Some(raw) = &filter.text {
            check_text(raw)?;
            match text::query_form(raw) {
                Some(query) => searched.push(format!("({query})")),
                None => return Ok(None),
            }
        }
        conditions.search = (!searched.is_empty()).then(|| searched.join(" AND "));
        if filter.measure.is_some() && conditions.asks_of_row() {
            conditions.stand_here_now(&view.register, filter);
        }
        Ok(Some(conditions))
    }

    /// False if no case can stand so.
    fn stand(
        &mut self,
        conn: &Connection,
        view: &View,
        filter: &CaseFilter,
        reach: &Reach,
    ) -> Result<bool, QueryError> {
        if let Some(condition) = in_reach(&view.register, reach) {
            self.standing.push((condition, None));
        }
        if let Some(handler) = &filter.handler {
            check_text(handler)?;
            let mut statement = conn.prepare_cached("SELECT key FROM handler WHERE name = ?1")?;
            let key: Option<i64> = statement.query_row([handler], |row| row.get(0)).optional()?;
            let Some(key) = key else { return Ok(false) };
            // The second half tells the planner that the index of handlers may be used.
            self.standing.push(("c.handler = ? AND c.handler <> 0".to_owned(), Some(Value::Integer(key))));
        }
        if let Some(channel) = filter.channel {
            self.standing.push((format!("c.channel = {}", channel as u8), None));
        }
        if let Some(category) = filter.category {
            self.standing.push((format!("c.category = {}", category as u8), None));
        }
        Ok(true)
    }

    /// That a case which counted inside the caller's authority stands there still. A row and its facts tell of today:
    /// asking them of a case that has gone elsewhere would tell, yes or no, what the caller may no longer read.
    fn stand_here_now(&mut self, register: &Register, filter: &CaseFilter) {
        if let Some(condition) = in_reach(register, &authority(register, filter)) {
            self.row.push((condition, None));
        }
    }

    /// Every row fulfils them.
    pub(super) fn are_none(&self) -> bool {
        self.standing.is_empty() && !self.asks_of_row()
    }

    /// Whether a row must be looked at.
    pub(super) fn asks_of_row(&self) -> bool {
        !self.row.is_empty() || self.search.is_some()
    }

    /// Where the rows come from: from the index of texts, where one is searched.
    pub(super) fn tables(&self) -> &'static str {
        match self.search {
            Some(_) => "search.case_text CROSS JOIN case_row c ON c.key = case_text.rowid",
            None => "case_row c",
        }
    }

    /// The column that rows are ordered by.
    pub(super) fn key(&self) -> &'static str {
        match self.search {
            Some(_) => "case_text.rowid",
            None => "c.key",
        }
    }

    /// All of them.
    pub(super) fn sql(&self) -> String {
        let search = self.search.as_ref().map(|_| "case_text MATCH ?");
        joined(search.into_iter().chain(self.standing.iter().chain(&self.row).map(|(sql, _)| sql.as_str())))
    }

    /// The values of [`Conditions::sql`], in its order.
    pub(super) fn values(&self) -> Vec<Value> {
        let search = self.search.clone().map(Value::Text);
        let values = self.standing.iter().chain(&self.row).filter_map(|(_, value)| value.clone());
        search.into_iter().chain(values).collect()
    }

    /// Those about the row itself, for rows that are found in another way.
    pub(super) fn of_row(&self) -> String {
        let search = self
            .search
            .as_ref()
            .map(|_| "EXISTS (SELECT 1 FROM search.case_text WHERE case_text MATCH ? AND case_text.rowid = c.key)");
        joined(search.into_iter().chain(self.row.iter().map(|(sql, _)| sql.as_str())))
    }

    /// The values of [`Conditions::of_row`], in its order.
    pub(super) fn row_values(&self) -> Vec<Value> {
        let search = self.search.clone().map(Value::Text);
        search.into_iter().chain(self.row.iter().filter_map(|(_, value)| value.clone())).collect()
    }
}

fn joined<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let parts: Vec<&str> = parts.collect();
    if parts.is_empty() { "TRUE".to_owned() } else { parts.join(" AND ") }
}

/// The units inside the caller's authority.
fn authority(register: &Register, filter: &CaseFilter) -> Reach {
    let scopes = filter.scope.iter().map(|scope| register.resolve(scope));
    scopes.fold(Reach::default(), |all, one| all.union(&one))
}

/// The units that a filter is about: inside the caller's authority, and inside what it narrows that to.
pub(in crate::query) fn narrowed(view: &View, filter: &CaseFilter) -> Reach {
    let register = &view.register;
    let mut reach = authority(register, filter);
    if let Some(region) = filter.region {
        reach = reach.intersection(&register.resolve(&Scope::Region(region)), register);
    }
    if let Some(unit) = &filter.unit {
        let key = register.find(unit);
        reach = Reach::of(register, |other, _| key == Some(other) && reach.contains(other));
    }
    reach
}

/// That a case stands inside a reach; `None` where every case does. A plus sign keeps an index from being used that
/// would cost a sort.
pub(in crate::query) fn in_reach(register: &Register, reach: &Reach) -> Option<String> {
    if reach.is_all() {
        return None;
    }
    let cities = reach.cities();
    let members = reach.members();
    if let [only] = members.as_slice() {
        return Some(format!("c.custody = {only}"));
    }
    Some(match (cities.as_slice(), reach.whole_cities(register).is_some()) {
        ([city], true) => format!("c.city = {city}"),
        ([city], false) => format!("c.city = {city} AND +c.custody IN ({})", listed(&members)),
        (_, true) => format!("+c.city IN ({})", listed(&cities)),
        (_, false) => format!("+c.custody IN ({})", listed(&members)),
    })
}

fn listed<T: ToString>(numbers: &[T]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn stage_condition(stage: StageFilter) -> String {
    let code = match stage {
        StageFilter::Open => return format!("c.stage < {STAGE_CLOSED}"),
        StageFilter::AtIntake => 0,
        StageFilter::Dispatched => 1,
        StageFilter::Received => 2,
        StageFilter::Accepted => 3,
        StageFilter::Mediating => 4,
        StageFilter::Ended => 5,
        StageFilter::NotAccepted => 6,
        StageFilter::Closed => STAGE_CLOSED,
    };
    format!("c.stage = {code}")
}

/// A text that can only be meant as a credit code.
fn credit_code(raw: &str) -> Option<String> {
    let raw = raw.trim();
    let is_code = raw.len() == CREDIT_CODE_CHARS
        && raw.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && raw.bytes().any(|byte| byte.is_ascii_digit());
    is_code.then(|| raw.to_ascii_uppercase())
}

fn check_text(text: &str) -> Result<(), QueryError> {
    let chars = text.chars().count();
    if chars > FILTER_CHARS_MAX {
        return Err(QueryError::TextTooLong { chars, max: FILTER_CHARS_MAX });
    }
    Ok(())
}
