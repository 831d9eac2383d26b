//! From what a client sent to a request the executor may have: parameters, parsing, measuring, root rules.

use std::collections::HashSet;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::parser::{self, parse_query};
use async_graphql::{Extensions, Pos, Positioned, Request, Variables};
use axum::extract::Query;
use axum::http::{StatusCode, Uri};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answer::Inquiry;
use super::fault::{Code, Fault};
use super::{EdgeLimits, RequestFacts, json, limits};

/// Brackets of any kind inside each other. The parser is recursive, so this is checked before it starts.
pub const BRACKETS_MAX: usize = 64;

/// Expanded selections that raise the cost of an operation by one.
const FIELDS_PER_COST: usize = 100;

/// The parameters of one GraphQL request, of the right types and nothing more.
#[derive(Debug, Clone)]
pub struct Params {
    query: String,
    operation_name: Option<String>,
    variables: Variables,
    extensions: Extensions,
}

impl Params {
    /// Reads a JSON body. Fails with `BAD_REQUEST`, also when an object in it names a member twice, or with
    /// `BATCH_NOT_SUPPORTED`.
    pub fn from_body(body: &[u8]) -> Result<Self, Fault> {
        match json::parse(body) {
            Ok(body) => Self::from_json(body),
            Err(fault) => Err(Fault::bad_request(format!("the body {fault}"))),
        }
    }

    /// Takes the parameters from a JSON object. Fails with `BAD_REQUEST` or `BATCH_NOT_SUPPORTED`.
    pub fn from_json(body: Value) -> Result<Self, Fault> {
        let mut body = match body {
            Value::Object(body) => body,
            Value::Array(_) => {
                let message = "send one request at a time";
                return Err(Fault::exchange(StatusCode::BAD_REQUEST, Code::BatchNotSupported, message));
            }
            _ => return Err(Fault::bad_request("the body is not a JSON object")),
        };
        let Some(Value::String(query)) = body.remove("query") else {
            return Err(Fault::bad_request("`query` must be a string"));
        };
        let operation_name = match body.remove("operationName") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name),
            Some(_) => return Err(Fault::bad_request("`operationName` must be a string")),
        };
        let variables = map(body.remove("variables"), "`variables` must be a map")?;
        let extensions = map(body.remove("extensions"), "`extensions` must be a map")?;
        Ok(Self { query, operation_name, variables, extensions })
    }

    /// Takes the parameters from a query string, where `variables` and `extensions` are JSON texts.
    ///
    /// An empty parameter counts as absent, except `query`. Fails with `BAD_REQUEST`, also when one comes twice.
    pub fn from_uri(uri: &Uri) -> Result<Self, Fault> {
        let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
            return Err(Fault::bad_request("the query string is not form-urlencoded"));
        };
        let mut query = None;
        let mut operation_name = None;
        let mut variables = None;
        let mut extensions = None;
        for (name, value) in pairs {
            let slot = match name.as_str() {
                "query" => &mut query,
                "operationName" => &mut operation_name,
                "variables" => &mut variables,
                "extensions" => &mut extensions,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(Fault::bad_request("a parameter was given twice"));
            }
        }
        let Some(query) = query else {
            return Err(Fault::bad_request("`query` is missing"));
        };
        Ok(Self {
            query,
            operation_name: operation_name.filter(|name| !name.is_empty()),
            variables: map(json_value("variables", variables)?, "`variables` must be a map")?,
            extensions: map(json_value("extensions", extensions)?, "`extensions` must be a map")?,
        })
    }
}

/// The value of a map parameter; absent and null are empty maps.
fn map<T: DeserializeOwned>(value: Option<Value>, otherwise: &str) -> Result<T, Fault> {
    match value.unwrap_or_default() {
        value @ (Value::Null | Value::Object(_)) => {
            serde_json::from_value(value).map_err(|error| Fault::bad_request(format!("{otherwise}: {error}")))
        }
        _ => Err(Fault::bad_request(otherwise)),
    }
}

/// The value of a parameter that is a JSON text.
fn json_value(name: &str, text: Option<String>) -> Result<Option<Value>, Fault> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match json::parse(text.as_bytes()) {
        Ok(value) => Ok(Some(value)),
        Err(fault) => Err(Fault::bad_request(format!("`{name}` {fault}"))),
    }
}

/// A request whose document was parsed, measured and found fit for the executor.
pub struct Prepared {
    request: Request,
    kind: OperationType,
    cost: u32,
    fields: HashSet<Pos>,
}

impl Prepared {
    /// What kind of operation will be executed.
    pub fn kind(&self) -> OperationType {
        self.kind
    }

    /// What the operation costs its principal: 1, and 1 more for every hundred expanded selections of the document.
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// The request with the principal and the facts in its data, and what is needed to judge its answer.
    pub(super) fn into_request<P: Send + Sync + 'static>(
        self,
        principal: P,
        facts: RequestFacts,
    ) -> (Request, Inquiry) {
        let request = self.request.data(principal).data(facts.clone()).data(self.kind);
        (request, Inquiry { facts, fields: self.fields })
    }
}

/// Parses the document once, measures it, applies the rules of the root, and keeps the parsed form for the executor.
///
/// Fails with the codes of [`limits::check`], and with `DOCUMENT_TOO_LARGE`, `DOCUMENT_TOO_DEEP`,
/// `GRAPHQL_PARSE_FAILED`, `GRAPHQL_VALIDATION_FAILED`, `DUPLICATE_MUTATION_FIELD` and `TOO_MANY_MUTATION_FIELDS`.
pub fn prepare(params: Params, limits: &EdgeLimits) -> Result<Prepared, Fault> {
    let Params { query, operation_name, variables, extensions } = params;
    if query.len() > limits.document_bytes_max {
        let message = format!("the document is longer than {} bytes", limits.document_bytes_max);
        return Err(Fault::document(Code::DocumentTooLarge, message, Vec::new()));
    }
    check_brackets(&query)?;
    let document = parse_query(&query).map_err(parse_fault)?;
    let measure = limits::check(&document, limits)?;
    let cost = u32::try_from(measure.fields / FIELDS_PER_COST).unwrap_or(u32::MAX).saturating_add(1);
    let operation = select(&document, operation_name.as_deref())?;
    let kind = operation.ty;
    match kind {
        OperationType::Query => {}
        OperationType::Mutation => check_mutation(&document, operation, limits.mutation_fields_max)?,
        OperationType::Subscription => check_subscription(operation)?,
    }
    let fields = field_positions(&document);
    let mut request = Request::new(query).variables(variables);
    request.operation_name = operation_name;
    request.extensions = extensions;
    request.set_parsed_query(document);
    Ok(Prepared { request, kind, cost, fields })
}

fn parse_fault(error: parser::Error) -> Fault {
    let code = match error {
        parser::Error::RecursionLimitExceeded => Code::DocumentTooDeep,
        _ => Code::GraphqlParseFailed,
    };
    Fault::document(code, error.to_string(), error.positions().collect())
}

fn invalid(message: impl Into<String>, at: Pos) -> Fault {
    Fault::document(Code::GraphqlValidationFailed, message, vec![at])
}

/// The operation to execute.
fn select<'a>(document: &'a ExecutableDocument, name: Option<&str>) -> Result<&'a OperationDefinition, Fault> {
    let found = match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Some(operation),
        (DocumentOperations::Single(_), Some(_)) => None,
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => operations.values().next(),
        (DocumentOperations::Multiple(_), None) => {
            let message = "`operationName` is required: the document has several operations";
            return Err(Fault::document(Code::GraphqlValidationFailed, message, Vec::new()));
        }
    };
    found.map(|operation| &operation.node).ok_or_else(|| {
        Fault::document(Code::GraphqlValidationFailed, "the document has no operation of that name", Vec::new())
    })
}

/// Refuses a mutation whose root holds one response key twice, or more fields than are carried out at once.
///
/// By the specification fields of one key are merged and run once; the executor would run them twice. Fields count
/// whether or not a directive leaves them out, so that the answer does not depend on variables.
fn check_mutation(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    fields_max: usize,
) -> Result<(), Fault> {
    let mut fields = Vec::new();
    collect_root(document, &operation.selection_set.node, &mut fields);
    let mut keys = HashSet::new();
    let mut acts: usize = 0;
    for field in fields {
        let key = field.node.response_key().node.as_str();
        let has_no_effect = field.node.name.node.as_str() == "__typename";
        if !keys.insert(key) && !has_no_effect {
            let message = format!("`{key}` occurs twice at the root of the mutation; use aliases to run it twice");
            return Err(Fault::document(Code::DuplicateMutationField, message, vec![field.pos]));
        }
        acts = acts.saturating_add(usize::from(!has_no_effect));
        if acts > fields_max {
            let message = format!("at most {fields_max} at the root of a mutation here; send the others by themselves");
            return Err(Fault::document(Code::TooManyMutationFields, message, vec![field.pos]));
        }
    }
    Ok(())
}

/// All fields of a root selection set. Its size is bounded, because the document was measured expanded.
fn collect_root<'a>(document: &'a ExecutableDocument, set: &'a SelectionSet, fields: &mut Vec<&'a Positioned<Field>>) {
    for item in &set.items {
        match &item.node {
            Selection::Field(field) => fields.push(field),
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    collect_root(document, &fragment.node.selection_set.node, fields);
                }
            }
            Selection::InlineFragment(inline) => collect_root(document, &inline.node.selection_set.node, fields),
        }
    }
}

/// Refuses a subscription that does not select one field, and directly.
///
/// The specification asks for one field; the executor would open a stream for each, and none for those in fragments.
fn check_subscription(operation: &OperationDefinition) -> Result<(), Fault> {
    let set = &operation.selection_set;
    match set.node.items.as_slice() {
        [only] if matches!(only.node, Selection::Field(_)) => Ok(()),
        _ => Err(invalid("a subscription must select exactly one field, and not through a fragment", set.pos)),
    }
}

/// Where the document's fields are. Errors of resolvers lie there; errors of arguments lie elsewhere.
fn field_positions(document: &ExecutableDocument) -> HashSet<Pos> {
    fn collect(set: &SelectionSet, positions: &mut HashSet<Pos>) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    positions.insert(field.pos);
                    collect(&field.node.selection_set.node, positions);
                }
                Selection::FragmentSpread(_) => {}
                Selection::InlineFragment(inline) => collect(&inline.node.selection_set.node, positions),
            }
        }
    }
    let mut positions = HashSet::new();
    for (_, operation) in document.operations.iter() {
        collect(&operation.node.selection_set.node, &mut positions);
    }
    for fragment in document.fragments.values() {
        collect(&fragment.node.selection_set.node, &mut positions);
    }
    positions
}

/// Refuses a text whose brackets lie deeper than [`BRACKETS_MAX`], skipping comments and strings as the parser does.
fn check_brackets(document: &str) -> Result<(), Fault> {
    let mut rest = document.as_bytes();
    let mut open: usize = 0;
    while let [first, tail @ ..] = rest {
        rest = match first {
            b'{' | b'[' | b'(' => {
                open += 1;
                if open > BRACKETS_MAX {
                    let message = format!("the document nests more than {BRACKETS_MAX} brackets");
                    return Err(Fault::document(Code::DocumentTooDeep, message, Vec::new()));
                }
                tail
            }
            b'}' | b']' | b')' => {
                open = open.saturating_sub(1);
                tail
            }
            b'#' => after_comment(tail),
            b'"' => after_quote(tail),
            _ => tail,
        };
    }
    Ok(())
}

fn after_comment(mut rest: &[u8]) -> &[u8] {
    while let [first, tail @ ..] = rest {
        if matches!(first, b'\n' | b'\r') {
            return rest;
        }
        rest = tail;
    }
    rest
}

/// What follows a string, given what follows its first quote. Where no string ends, only that quote is skipped, so that
/// an open quote hides no brackets.
fn after_quote(rest: &[u8]) -> &[u8] {
    if let [b'"', b'"', block @ ..] = rest {
        // Without an end it is an empty string and another quote, which the parser tries next.
        return after_block(block).unwrap_or_else(|| rest.get(1..).unwrap_or_default());
    }
    let mut body = rest;
    loop {
        body = match body {
            [b'"', tail @ ..] => return tail,
            [] | [b'\n' | b'\r', ..] => return rest,
            [b'\\', _, tail @ ..] | [_, tail @ ..] => tail,
        };
    }
}

fn after_block(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'\\', b'"', b'"', b'"', tail @ ..] => tail,
            [b'"', b'"', b'"', tail @ ..] => return Some(tail),
            [_, tail @ ..] => tail,
        };
    }
}

#[cfg(test)]
mod tests;
