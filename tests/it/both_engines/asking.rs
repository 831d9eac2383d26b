//! Questions and acts that ask for everything that the schema lets one ask for.

use std::collections::BTreeSet;

use apollo_compiler::Schema;
use apollo_compiler::schema::{ExtendedType, ObjectType};

/// No answer of the schema nests deeper; a schema that does is recursive.
const LEVELS: usize = 9;
/// What an act's answer tells by chance: how far a worker has brought a message that was issued a moment ago.
const BY_CHANCE: [&str; 2] = ["delivery", "receipt"];

/// Writes documents by the schema itself, so that a field that is added is compared too.
pub(super) struct Asker {
    schema: Schema,
}

impl Asker {
    /// Of the schema that is served.
    pub(super) fn new() -> Self {
        Self { schema: Schema::parse_and_validate(api::graphql::sdl(), "schema.graphql").unwrap().into_inner() }
    }

    /// The names of all questions (`Query`) or acts (`Mutation`).
    pub(super) fn names(&self, root: &str) -> BTreeSet<String> {
        self.object(root).fields.keys().map(ToString::to_string).collect()
    }

    /// An act with its input as a variable, and everything that it answers.
    pub(super) fn act(&self, name: &str) -> String {
        let field = &self.object("Mutation").fields[name];
        let input = field.arguments[0].ty.inner_named_type();
        let selection = self.selection(field.ty.inner_named_type().as_str(), LEVELS, &BY_CHANCE);
        format!("mutation($input: {input}!) {{ {name}(input: $input) {selection} }}")
    }

    /// A question with its arguments as they stand in brackets, and everything that it answers.
    pub(super) fn question(&self, name: &str, given: &str) -> String {
        let field = &self.object("Query").fields[name];
        format!("{{ {name}{given} {} }}", self.selection(field.ty.inner_named_type().as_str(), LEVELS, &[]))
    }

    fn object(&self, name: &str) -> &ObjectType {
        let Some(ExtendedType::Object(object)) = self.schema.types.get(name) else { panic!("`{name}` is no object") };
        object
    }

    /// Everything below a type, without some fields, and without those that must be told more: they are asked for by
    /// themselves.
    fn selection(&self, type_name: &str, levels: usize, without: &[&str]) -> String {
        assert!(levels > 0, "`{type_name}` lies too deep");
        let mut fields = Vec::new();
        for (name, field) in &self.object(type_name).fields {
            let asks_more = field.arguments.iter().any(|argument| argument.is_required());
            if asks_more || without.contains(&name.as_str()) {
                continue;
            }
            let inner = field.ty.inner_named_type().as_str();
            let below = match self.schema.types.get(inner) {
                Some(ExtendedType::Object(_)) => self.selection(inner, levels - 1, without),
                _ => String::new(),
            };
            fields.push(format!("{name} {below}"));
        }
        format!("{{ {} }}", fields.join(" "))
    }
}
