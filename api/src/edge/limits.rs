//! How large a document is once its fragments are expanded, measured without expanding them.
//!
//! Each fragment is measured once and remembered: a document of 30 fragments that each spread the next one twice has
//! 2^30 selections, and adding that up takes 30 steps.

use std::collections::HashMap;

use async_graphql::Name;
use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};

use super::EdgeLimits;
use super::fault::{Code, Fault};

/// Selection sets inside each other, counting fragments, as the executor's own guard counts them.
pub const LEVELS_MAX: usize = 32;

/// Fields on the longest path below and including `__schema` or `__type`. The standard introspection query has 15.
pub const INTROSPECTION_DEPTH_MAX: usize = 20;

/// Lists inside each other in an introspection; each one multiplies the answer by the size of the schema.
pub const INTROSPECTION_LISTS_MAX: usize = 2;

/// The introspection fields that can lead from a type to types again, and so on without end.
const INTROSPECTION_LISTS: [&str; 4] = ["fields", "interfaces", "possibleTypes", "inputFields"];

/// The size of a part of a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measure {
    /// Expanded selections: fields, spreads and inline fragments.
    pub fields: usize,
    /// Expanded aliases.
    pub aliases: usize,
    /// Expanded directives.
    pub directives: usize,
    /// Fields on the longest path; an introspection counts as one.
    pub depth: usize,
    /// Selection sets inside each other, counting fragments.
    pub levels: usize,
    /// Fields on the longest path of any introspection.
    pub introspection_depth: usize,
    /// Type-to-type lists on the longest path of any introspection.
    pub introspection_lists: usize,
    /// Fields on the longest path, whatever they are.
    path: usize,
    /// Fields named like type-to-type lists on the longest path, whatever they are.
    lists: usize,
}

impl Measure {
    /// Both parts, side by side.
    fn beside(self, other: Self) -> Self {
        Self {
            fields: self.fields.saturating_add(other.fields),
            aliases: self.aliases.saturating_add(other.aliases),
            directives: self.directives.saturating_add(other.directives),
            depth: self.depth.max(other.depth),
            levels: self.levels.max(other.levels),
            introspection_depth: self.introspection_depth.max(other.introspection_depth),
            introspection_lists: self.introspection_lists.max(other.introspection_lists),
            path: self.path.max(other.path),
            lists: self.lists.max(other.lists),
        }
    }

    /// The part inside a spread or an inline fragment, which is a selection too.
    fn spread(self, directives: usize) -> Self {
        Self {
            fields: self.fields.saturating_add(1),
            levels: self.levels.saturating_add(1),
            ..self.decorated(directives)
        }
    }

    /// The part under directives.
    fn decorated(self, directives: usize) -> Self {
        Self { directives: self.directives.saturating_add(directives), ..self }
    }
}

/// Measures all operations of a document together.
///
/// Fails with `GRAPHQL_VALIDATION_FAILED` when fragments form a cycle, and with `DOCUMENT_TOO_DEEP` as soon as the walk
/// itself would go deeper than [`LEVELS_MAX`]. Unknown fragments count as empty: validation reports them better.
pub fn measure(document: &ExecutableDocument) -> Result<Measure, Fault> {
    let mut walk = Walk { document, fragments: HashMap::new() };
    let mut total = Measure::default();
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        let on_variables: usize =
            operation.variable_definitions.iter().map(|variable| variable.node.directives.len()).sum();
        let measure = walk.set(&operation.selection_set.node, 0)?;
        total = total.beside(measure.decorated(operation.directives.len().saturating_add(on_variables)));
    }
    for name in document.fragments.keys() {
        walk.fragment(name, 0)?;
    }
    Ok(total)
}

/// Measures a document and refuses one that is larger than allowed.
pub fn check(document: &ExecutableDocument, limits: &EdgeLimits) -> Result<Measure, Fault> {
    let measure = measure(document)?;
    if measure.depth > limits.depth_max {
        return Err(refuse(Code::DocumentTooDeep, format!("the document is deeper than {} fields", limits.depth_max)));
    }
    if measure.levels > LEVELS_MAX {
        return Err(too_many_levels());
    }
    if measure.introspection_depth > INTROSPECTION_DEPTH_MAX {
        let message = format!("an introspection may be {INTROSPECTION_DEPTH_MAX} fields deep");
        return Err(refuse(Code::DocumentTooDeep, message));
    }
    if measure.aliases > limits.aliases_max {
        return Err(refuse(Code::TooManyAliases, format!("the document has more than {} aliases", limits.aliases_max)));
    }
    if measure.fields > limits.fields_max {
        let message = format!("the document has more than {} selections, fragments expanded", limits.fields_max);
        return Err(refuse(Code::DocumentTooComplex, message));
    }
    if measure.directives > limits.directives_max {
        let message = format!("the document has more than {} directives, fragments expanded", limits.directives_max);
        return Err(refuse(Code::DocumentTooComplex, message));
    }
    if measure.introspection_lists > INTROSPECTION_LISTS_MAX {
        let message = format!("an introspection may nest {INTROSPECTION_LISTS_MAX} lists of members");
        return Err(refuse(Code::DocumentTooComplex, message));
    }
    Ok(measure)
}

fn refuse(code: Code, message: String) -> Fault {
    Fault::document(code, message, Vec::new())
}

fn too_many_levels() -> Fault {
    refuse(Code::DocumentTooDeep, format!("the document nests more than {LEVELS_MAX} selection sets"))
}

/// A walk over a document that enters every fragment once.
struct Walk<'a> {
    document: &'a ExecutableDocument,
    /// `None` while a fragment is being measured, so that meeting it again is a cycle.
    fragments: HashMap<&'a str, Option<Measure>>,
}

impl<'a> Walk<'a> {
    fn set(&mut self, set: &'a SelectionSet, level: usize) -> Result<Measure, Fault> {
        // The walk is recursive: this bound is what keeps it on the stack.
        if level > LEVELS_MAX {
            return Err(too_many_levels());
        }
        let mut total = Measure::default();
        for item in &set.items {
            let part = match &item.node {
                Selection::Field(field) => self.field(&field.node, level)?,
                Selection::FragmentSpread(spread) => {
                    let inner = self.fragment(&spread.node.fragment_name.node, level + 1)?;
                    inner.spread(spread.node.directives.len())
                }
                Selection::InlineFragment(inline) => {
                    let inner = self.set(&inline.node.selection_set.node, level + 1)?;
                    inner.spread(inline.node.directives.len())
                }
            };
            total = total.beside(part);
        }
        Ok(total)
    }

    fn field(&mut self, field: &'a Field, level: usize) -> Result<Measure, Fault> {
        let set = &field.selection_set.node;
        let is_leaf = set.items.is_empty();
        let inner = if is_leaf { Measure::default() } else { self.set(set, level + 1)? };
        let name = field.name.node.as_str();
        let path = inner.path.saturating_add(1);
        let lists = inner.lists.saturating_add(usize::from(INTROSPECTION_LISTS.contains(&name)));
        let own = Measure {
            fields: inner.fields.saturating_add(1),
            aliases: inner.aliases.saturating_add(usize::from(field.alias.is_some())),
            depth: inner.depth.saturating_add(1),
            levels: if is_leaf { 0 } else { inner.levels.saturating_add(1) },
            path,
            lists,
            ..inner.decorated(field.directives.len())
        };
        if matches!(name, "__schema" | "__type") {
            return Ok(Measure { depth: 1, introspection_depth: path, introspection_lists: lists, ..own });
        }
        Ok(own)
    }

    fn fragment(&mut self, name: &'a Name, level: usize) -> Result<Measure, Fault> {
        match self.fragments.get(name.as_str()) {
            Some(Some(measure)) => return Ok(*measure),
            Some(None) => {
                let message = format!("fragment `{name}` spreads itself");
                return Err(refuse(Code::GraphqlValidationFailed, message));
            }
            None => {}
        }
        let Some(fragment) = self.document.fragments.get(name) else {
            return Ok(Measure::default());
        };
        self.fragments.insert(name.as_str(), None);
        let inner = self.set(&fragment.node.selection_set.node, level)?;
        let measure = inner.decorated(fragment.node.directives.len());
        self.fragments.insert(name.as_str(), Some(measure));
        Ok(measure)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;
    use crate::edge::testing::INTROSPECTION;

    fn verdict(document: &str) -> Result<(), &'static str> {
        let document = parse_query(document).expect("a document");
        check(&document, &EdgeLimits::default()).map(|_measure| ()).map_err(|fault| fault.code())
    }

    fn nested(fields: usize) -> String {
        format!("{}{}", "{ a ".repeat(fields), "}".repeat(fields))
    }

    #[test]
    fn depth_at_the_limit_and_one_past_it() {
        assert_eq!(verdict(&nested(12)), Ok(()));
        assert_eq!(verdict(&nested(13)), Err("DOCUMENT_TOO_DEEP"));
    }

    #[test]
    fn depth_is_counted_through_fragments() {
        let inner = nested(8);
        assert_eq!(verdict(&format!("{{ a {{ b {{ c {{ ...F }} }} }} }} fragment F on T {inner}")), Ok(()));
        let deeper = format!("{{ a {{ b {{ c {{ d {{ ...on T {{ ...F }} }} }} }} }} }} fragment F on T {inner}");
        assert_eq!(verdict(&deeper), Ok(()));
        let too_deep = format!("{{ a {{ b {{ c {{ d {{ e {{ ...F }} }} }} }} }} }} fragment F on T {inner}");
        assert_eq!(verdict(&too_deep), Err("DOCUMENT_TOO_DEEP"));
    }

    #[test]
    fn levels_at_the_limit_and_one_past_it() {
        let chain = |inline: usize| format!("{{ {} a {} }}", "... {".repeat(inline), "}".repeat(inline));
        assert_eq!(verdict(&chain(32)), Ok(()));
        assert_eq!(verdict(&chain(33)), Err("DOCUMENT_TOO_DEEP"));
    }

    #[test]
    fn selections_at_the_limit_and_one_past_it() {
        assert_eq!(verdict(&format!("{{ {} }}", "a ".repeat(1_000))), Ok(()));
        assert_eq!(verdict(&format!("{{ {} }}", "a ".repeat(1_001))), Err("DOCUMENT_TOO_COMPLEX"));
    }

    #[test]
    fn aliases_at_the_limit_and_one_past_it() {
        assert_eq!(verdict(&format!("{{ {} }}", "x: a ".repeat(30))), Ok(()));
        assert_eq!(verdict(&format!("{{ {} }}", "x: a ".repeat(31))), Err("TOO_MANY_ALIASES"));
        let twice = |aliases: usize| format!("{{ ...F ...F }} fragment F on T {{ {} }}", "x: a ".repeat(aliases));
        assert_eq!(verdict(&twice(15)), Ok(()));
        assert_eq!(verdict(&twice(16)), Err("TOO_MANY_ALIASES"));
    }

    #[test]
    fn directives_at_the_limit_and_one_past_it() {
        let on_field = |count: usize| format!("{{ a {} }}", "@d ".repeat(count));
        assert_eq!(verdict(&on_field(50)), Ok(()));
        assert_eq!(verdict(&on_field(51)), Err("DOCUMENT_TOO_COMPLEX"));
        let everywhere = "query($v: Int @d) @d { a @d ...F @d ... @d { b } } fragment F on T @d { c }";
        let document = parse_query(everywhere).expect("a document");
        assert_eq!(measure(&document).map(|measure| measure.directives).ok(), Some(6));
    }

    #[test]
    fn a_bomb_of_fragments_is_refused() {
        let mut bomb = "{ ...F0 }".to_owned();
        for level in 0..29 {
            let next = level + 1;
            bomb.push_str(&format!(" fragment F{level} on Query {{ ...F{next} ...F{next} }}"));
        }
        bomb.push_str(" fragment F29 on Query { hello }");
        assert_eq!(verdict(&bomb), Err("DOCUMENT_TOO_COMPLEX"));
        // A bomb whose last fragment is missing has no field at all, but as many spreads.
        let missing = bomb.replace(" fragment F29 on Query { hello }", "");
        assert_eq!(verdict(&missing), Err("DOCUMENT_TOO_COMPLEX"));
    }

    #[test]
    fn a_cycle_is_refused_even_where_nothing_uses_it() {
        assert_eq!(
            verdict("{ ...A } fragment A on T { ...B } fragment B on T { ...A }"),
            Err("GRAPHQL_VALIDATION_FAILED")
        );
        assert_eq!(verdict("{ a } fragment A on T { b { ...A } }"), Err("GRAPHQL_VALIDATION_FAILED"));
    }

    #[test]
    fn the_standard_introspection_passes_and_a_deeper_one_does_not() {
        assert_eq!(verdict(INTROSPECTION), Ok(()));
        let of_type = |deep: usize| format!("{{ __type(name: \"T\") {} }}", nested(deep).replace(" a ", " ofType "));
        assert_eq!(verdict(&of_type(19)), Ok(()));
        assert_eq!(verdict(&of_type(20)), Err("DOCUMENT_TOO_DEEP"));
    }

    #[test]
    fn introspection_lists_at_the_limit_and_one_past_it() {
        let two = "{ __schema { types { fields { type { fields { name } } } } } }";
        let three = "{ __schema { types { fields { type { fields { type { possibleTypes { name } } } } } } } }";
        assert_eq!(verdict(two), Ok(()));
        assert_eq!(verdict(three), Err("DOCUMENT_TOO_COMPLEX"));
        let ours = "{ fields { fields { fields { interfaces } } } }";
        assert_eq!(verdict(ours), Ok(()));
    }
}
