use super::*;

fn params(query: &str) -> Params {
    Params::from_json(serde_json::json!({ "query": query })).expect("parameters")
}

fn verdict(query: &str) -> Result<OperationType, &'static str> {
    match prepare(params(query), &EdgeLimits::default()) {
        Ok(prepared) => Ok(prepared.kind()),
        Err(fault) => Err(fault.code()),
    }
}

#[test]
fn a_document_at_the_size_limit_passes_and_one_past_it_does_not() {
    let limits = EdgeLimits::default();
    let of = |bytes: usize| {
        let query = format!("{{ a }}{}", " ".repeat(bytes - 5));
        prepare(params(&query), &limits).map(|prepared| prepared.kind()).map_err(|fault| fault.code())
    };
    assert_eq!(of(limits.document_bytes_max), Ok(OperationType::Query));
    assert_eq!(of(limits.document_bytes_max + 1), Err("DOCUMENT_TOO_LARGE"));
}

#[test]
fn every_hundredth_selection_costs_one_more() {
    let cost = |query: &str| prepare(params(query), &EdgeLimits::default()).map(|prepared| prepared.cost()).ok();
    assert_eq!(cost("{ a }"), Some(1));
    assert_eq!(cost(&format!("{{ {} }}", "a ".repeat(99))), Some(1));
    assert_eq!(cost(&format!("{{ {} }}", "a ".repeat(100))), Some(2));
    // Two spreads and their content, expanded.
    assert_eq!(cost(&format!("{{ ...F ...F }} fragment F on T {{ {} }}", "a ".repeat(49))), Some(2));
    assert_eq!(cost(&format!("{{ {} }}", "a ".repeat(1_000))), Some(11));
}

#[test]
fn brackets_at_the_limit_pass_and_one_past_it_do_not() {
    let list = |deep: usize| format!("{{ a(x: {}{}) }}", "[".repeat(deep), "]".repeat(deep));
    assert_eq!(verdict(&list(BRACKETS_MAX - 2)), Ok(OperationType::Query));
    assert_eq!(verdict(&list(BRACKETS_MAX - 1)), Err("DOCUMENT_TOO_DEEP"));
    let limits = EdgeLimits { document_bytes_max: 1 << 20, ..EdgeLimits::default() };
    let abyss = prepare(params(&"{a".repeat(200_000)), &limits);
    assert_eq!(abyss.err().map(|fault| fault.code()), Some("DOCUMENT_TOO_DEEP"));
}

#[test]
fn brackets_in_strings_and_comments_do_not_count_and_open_quotes_hide_none() {
    let many = "[".repeat(100);
    assert_eq!(verdict(&format!("{{ a(x: \"{many}\") }}")), Ok(OperationType::Query));
    assert_eq!(verdict(&format!("{{ a(x: \"\\\"{many}\") }}")), Ok(OperationType::Query));
    assert_eq!(verdict(&format!("{{ a(x: \"\"\"\n\\\"\"\"{many}\"\"\") }}")), Ok(OperationType::Query));
    assert_eq!(verdict(&format!("{{ a # {many}\n }}")), Ok(OperationType::Query));
    assert_eq!(verdict(&format!("{{ a(x: \"\") b # \"\n }} # {many}")), Ok(OperationType::Query));
    let deep = "DOCUMENT_TOO_DEEP";
    assert_eq!(verdict(&format!("{{ a(x: [\"\"\" {many}")), Err(deep));
    assert_eq!(verdict(&format!("{{ a(x: [\" {many}")), Err(deep));
    assert_eq!(verdict(&format!("{{ a # \"\n {many}")), Err(deep));
}

#[test]
fn what_is_not_graphql_is_named() {
    assert_eq!(verdict("{"), Err("GRAPHQL_PARSE_FAILED"));
    assert_eq!(verdict(""), Err("GRAPHQL_PARSE_FAILED"));
    assert_eq!(verdict("fragment F on T { a }"), Err("GRAPHQL_PARSE_FAILED"));
    assert_eq!(verdict("{ a } query B { b }"), Err("GRAPHQL_PARSE_FAILED"));
}

#[test]
fn the_operation_is_chosen_by_name() {
    let query = "query A { a } mutation B { b } subscription C { c }";
    let named = |name: &str| {
        let params = serde_json::json!({ "query": query, "operationName": name });
        let params = Params::from_json(params).expect("parameters");
        prepare(params, &EdgeLimits::default()).map(|prepared| prepared.kind()).map_err(|fault| fault.code())
    };
    assert_eq!(named("A"), Ok(OperationType::Query));
    assert_eq!(named("B"), Ok(OperationType::Mutation));
    assert_eq!(named("C"), Ok(OperationType::Subscription));
    assert_eq!(named("D"), Err("GRAPHQL_VALIDATION_FAILED"));
    assert_eq!(verdict(query), Err("GRAPHQL_VALIDATION_FAILED"));
    assert_eq!(verdict("mutation B { b }"), Ok(OperationType::Mutation));
}

#[test]
fn a_mutation_holds_each_response_key_once() {
    let duplicate = Err("DUPLICATE_MUTATION_FIELD");
    assert_eq!(verdict("mutation { a a }"), duplicate);
    assert_eq!(verdict("mutation { a(x: 1) { b } a(x: 1) { c } }"), duplicate);
    assert_eq!(verdict("mutation { x: a x: b }"), duplicate);
    assert_eq!(verdict("mutation { a ... { a } }"), duplicate);
    assert_eq!(verdict("mutation { a ... on M { ... on M { a } } }"), duplicate);
    assert_eq!(verdict("mutation { a ...F } fragment F on M { ...G } fragment G on M { a }"), duplicate);
    assert_eq!(verdict("mutation { ...F ...F } fragment F on M { a }"), duplicate);
    assert_eq!(verdict("mutation { x: a y: a }"), Ok(OperationType::Mutation));
    assert_eq!(verdict("mutation { a { b b } }"), Ok(OperationType::Mutation));
    assert_eq!(verdict("mutation { a __typename ... { __typename } }"), Ok(OperationType::Mutation));
    assert_eq!(verdict("{ a a }"), Ok(OperationType::Query));
}

#[test]
fn fields_of_a_mutation_at_the_limit_pass_and_one_past_it_do_not() {
    let limits = EdgeLimits { mutation_fields_max: 1, ..EdgeLimits::default() };
    let of =
        |query: &str| prepare(params(query), &limits).map(|prepared| prepared.kind()).map_err(|fault| fault.code());
    let many = Err("TOO_MANY_MUTATION_FIELDS");
    assert_eq!(of("mutation { a { b c } __typename x: __typename }"), Ok(OperationType::Mutation));
    assert_eq!(of("mutation { a b }"), many);
    assert_eq!(of("mutation { x: a y: a }"), many);
    assert_eq!(of("mutation { a ... { b } }"), many);
    assert_eq!(of("mutation { ...F b } fragment F on M { a }"), many);
    assert_eq!(of("mutation { a b @skip(if: true) }"), many, "whatever the variables say");
    assert_eq!(of("mutation { a a }"), Err("DUPLICATE_MUTATION_FIELD"));
    assert_eq!(of("{ a b }"), Ok(OperationType::Query));
}

#[test]
fn a_body_that_names_a_member_twice_is_refused() {
    for body in [
        r#"{"query":"{ a }","query":"{ b }"}"#,
        r#"{"query":"{ a }","variables":{"x":{"y":1,"y":2}}}"#,
        r#"{"query":"{ a }","extensions":{"x":1,"x":1}}"#,
    ] {
        let fault = Params::from_body(body.as_bytes()).expect_err("refused");
        assert_eq!(fault.code(), "BAD_REQUEST");
        assert!(fault.message().contains("twice in one object"), "{}", fault.message());
    }
    assert!(Params::from_body(br#"{"query":"{ a }","variables":{"x":{"y":1},"y":2}}"#).is_ok());
}

#[test]
fn a_subscription_selects_one_field_directly() {
    assert_eq!(verdict("subscription { a { b c } }"), Ok(OperationType::Subscription));
    assert_eq!(verdict("subscription { a b }"), Err("GRAPHQL_VALIDATION_FAILED"));
    assert_eq!(verdict("subscription { ...F } fragment F on S { a }"), Err("GRAPHQL_VALIDATION_FAILED"));
}

#[test]
fn the_query_string_is_read_strictly() {
    let of = |query: &str| {
        let uri: Uri = format!("/graphql?{query}").parse().expect("a URI");
        Params::from_uri(&uri).map_err(|fault| fault.code())
    };
    let params =
        of("query=%7Ba%7D&variables=%7B%22x%22%3A1%7D&operationName=&extensions=&other=1").expect("parameters");
    assert_eq!(params.query, "{a}");
    assert_eq!(params.operation_name, None);
    assert_eq!(params.variables.len(), 1);
    let twice = "query=a&variables=%7B%22x%22%3A1%2C%22x%22%3A2%7D";
    for bad in ["", "variables=%7B%7D", "query=a&query=b", "query=a&variables=x", "query=a&variables=1", twice] {
        assert_eq!(of(bad).err(), Some("BAD_REQUEST"), "{bad}");
    }
}
