//! Contracts as files: whoever changes one sees it in the diff. `UPDATE_GOLDEN=1 cargo t contracts` writes them anew.

use std::path::Path;

fn golden(path: &str, now: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path);
    if std::env::vars().any(|(key, value)| key == "UPDATE_GOLDEN" && value == "1") {
        std::fs::write(&path, now).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == now,
        "{} differs from the program; if that is meant, run `UPDATE_GOLDEN=1 cargo t contracts` and say in \
         api/CHANGELOG.md who must act",
        path.display()
    );
}

#[test]
fn the_schema_is_committed() {
    golden("api/schema.graphql", &api::graphql::sdl());
}

#[test]
fn another_library_finds_the_schema_valid() {
    let schema = apollo_compiler::Schema::parse_and_validate(api::graphql::sdl(), "schema.graphql");
    schema.unwrap_or_else(|errors| panic!("{errors}"));
}

#[test]
fn the_partner_contract_is_committed() {
    golden("cross-border/partner.graphql", &api::partner::schema::sdl());
}

#[test]
fn every_document_we_send_fits_the_partner_contract() {
    let schema = apollo_compiler::Schema::parse_and_validate(api::partner::schema::sdl(), "partner.graphql");
    let schema = schema.unwrap_or_else(|errors| panic!("{errors}"));
    for document in cross_border::delivery::documents::ALL {
        let checked =
            apollo_compiler::ExecutableDocument::parse_and_validate(&schema, document.text, document.operation);
        checked.unwrap_or_else(|errors| panic!("{errors}"));
    }
}

#[test]
fn the_error_codes_are_a_closed_list() {
    let sdl = api::graphql::sdl();
    let from = sdl.find("enum ErrorCode {").unwrap();
    let listed = &sdl[from..from + sdl[from..].find('}').unwrap()];
    let codes: Vec<&str> = listed.lines().skip(1).map(str::trim).filter(|line| is_code(line)).collect();
    insta::assert_snapshot!(codes.join("\n"));
}

fn is_code(line: &str) -> bool {
    !line.is_empty() && line.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
}

#[test]
fn sequence_numbers_and_money_are_never_int() {
    let sdl = api::graphql::sdl();
    for line in sdl.lines().map(str::trim) {
        for field in ["position", "revision", "minorUnits", "recoveredLoss"] {
            assert!(!(line.starts_with(&format!("{field}:")) && line.contains("Int")), "{line}");
        }
    }
}
