//! The roles a principal can act in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What somebody does in the handling of cases; a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Registers filings and splits them.
    IntakeClerk,
    /// Sends cases to units.
    Dispatcher,
    /// Works on the cases of a unit.
    Handler,
    /// Leads mediations.
    Mediator,
    /// Checks decisions, also in law.
    Reviewer,
    /// Heads a unit: extensions, recusals, supervision.
    Head,
    /// Calls consumers back after a case is closed.
    CallbackAgent,
    /// Releases what is published about businesses.
    DisclosureReviewer,
    /// Replays and verifies any history; changes nothing.
    Auditor,
    /// Hands disputes to partner councils and takes theirs.
    CrossBorderOfficer,
    /// Sees dashboards, no case.
    Viewer,
    /// Keeps units, rules and calendars; sees no personal data.
    Administrator,
    /// A program of ours or of a partner, not a person.
    Service,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 13] = [
        Self::IntakeClerk,
        Self::Dispatcher,
        Self::Handler,
        Self::Mediator,
        Self::Reviewer,
        Self::Head,
        Self::CallbackAgent,
        Self::DisclosureReviewer,
        Self::Auditor,
        Self::CrossBorderOfficer,
        Self::Viewer,
        Self::Administrator,
        Self::Service,
    ];

    /// The name in tokens, flags and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IntakeClerk => "intake-clerk",
            Self::Dispatcher => "dispatcher",
            Self::Handler => "handler",
            Self::Mediator => "mediator",
            Self::Reviewer => "reviewer",
            Self::Head => "head",
            Self::CallbackAgent => "callback-agent",
            Self::DisclosureReviewer => "disclosure-reviewer",
            Self::Auditor => "auditor",
            Self::CrossBorderOfficer => "cross-border-officer",
            Self::Viewer => "viewer",
            Self::Administrator => "administrator",
            Self::Service => "service",
        }
    }

    /// The role of this name.
    pub fn parse(name: &str) -> Result<Self, UnknownRole> {
        match Self::ALL.into_iter().find(|role| role.as_str() == name) {
            Some(role) => Ok(role),
            None => Err(UnknownRole(name.to_owned())),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Self::parse(name)
    }
}

/// A name that is no role's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a role; the roles are {known}", known = names())]
pub struct UnknownRole(pub String);

fn names() -> String {
    Role::ALL.map(Role::as_str).join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_role_has_one_name_everywhere() {
        for role in Role::ALL {
            let json = serde_json::to_value(role).unwrap();
            assert_eq!(json, role.as_str());
            assert_eq!(serde_json::from_value::<Role>(json).unwrap(), role);
            assert_eq!(role.as_str().parse::<Role>(), Ok(role));
            assert_eq!(role.to_string(), role.as_str());
        }
        assert_eq!(BTreeSet::from(Role::ALL).len(), Role::ALL.len());
    }

    #[test]
    fn an_unknown_role_is_answered_with_the_known_ones() {
        let error = Role::parse("Auditor").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("`Auditor`") && text.contains("cross-border-officer"), "{text}");
    }
}
