//! A mapping is read as documented, and every mistake is told by its key.

use super::*;

fn refused(text: &str) -> String {
    match Mapping::parse(text).unwrap_err() {
        MappingError::Syntax(source) => source.to_string(),
        error @ (MappingError::Key { .. } | MappingError::Read { .. }) => error.to_string(),
    }
}

/// The documented mapping with one text replaced, which must stand in it.
fn with(old: &str, new: &str) -> String {
    assert!(KEYS.contains(old), "{old}");
    KEYS.replacen(old, new, 1)
}

#[test]
fn the_documented_mapping_is_valid() {
    let mapping = Mapping::parse(KEYS).unwrap();
    assert_eq!(mapping.system, "old-12315");
    assert_eq!(mapping.delimiter, b',');
    assert_eq!(mapping.registered.as_deref(), Some("registered"));
    assert_eq!(mapping.channel.read("网站"), Ok(Some(Channel::Web)));
    assert_eq!(mapping.channel.read("phone"), Ok(Some(Channel::Phone)));
    assert_eq!(mapping.channel.read("传真"), Ok(Some(Channel::Department)));
    assert_eq!(mapping.channel.read(""), Ok(None));
    assert_eq!(mapping.category.default, Some(Category::Other));
    let status = mapping.status.unwrap();
    assert_eq!(status.meanings.get("等待鉴定"), Some(&Status::Waiting));
    let unit = mapping.unit.unwrap();
    assert_eq!(unit.parent, mapping.intake);
    assert_eq!(unit.kind, UnitKind::Station);
    assert_eq!(mapping.intake_unit.unwrap().kind, UnitKind::City);
}

#[test]
fn a_word_without_code_or_default_is_refused() {
    let mapping = Mapping::parse(&with("default = \"department\"", "")).unwrap();
    assert!(mapping.channel.read("传真").unwrap_err().contains("传真"));
}

#[test]
fn an_unknown_key_is_named() {
    assert!(refused(&with("per = \"row\"", "per = \"row\"\nonce = true")).contains("once"));
    assert!(refused(&with("[row_id]", "[rowid]")).contains("rowid"));
}

#[test]
fn a_missing_key_is_named() {
    assert!(refused(&with("system = \"old-12315\"", "")).contains("system"));
    assert!(refused(&with("[time]\n", "[times]\n")).contains("time"));
}

#[test]
fn a_wrong_value_is_told_by_its_key() {
    let cases = [
        ("system = \"old-12315\"", "system = \"Old 12315\"", "source.system"),
        ("time_zone = \"+08:00\"", "time_zone = \"Peking\"", "source.time_zone"),
        ("delimiter = \",\"", "delimiter = \"::\"", "source.delimiter"),
        ("# first_row = true", "first_row = true", "registered"),
        ("\"来访\" = \"visit\"", "\"来访\" = \"fax\"", "channel.map.\"来访\""),
        ("default = \"department\"", "default = \"fax\"", "channel.default"),
        ("default = \"other\"", "", "category"),
        ("default = \"440300\"", "default = \"119999\"", "region.default"),
        ("id = \"old-intake\"", "id = \"Old Intake\"", "intake.id"),
        ("name = \"旧系统接收单位\"", "", "intake.name"),
        ("kind = \"station\"", "kind = \"office\"", "unit.kind"),
        ("id_prefix = \"old-\"", "id_prefix = \"OLD \"", "unit.id_prefix"),
        ("\"福田所\" = \"old-futian\"", "\"福田所\" = \"福田\"", "unit_ids.\"福田所\""),
        ("per = \"row\"", "per = \"day\"", "handler.per"),
        ("closed = []", "closed = [\"办结\"]", "closed"),
        ("in_work = [\"办理中\"]", "in_work = [\"等待鉴定\"]", "status"),
    ];
    for (old, new, key) in cases {
        let error = refused(&with(old, new));
        assert!(error.contains(&format!("`{key}`")), "{key}: {error}");
    }
}

#[test]
fn texts_need_somebody_who_looked_through_them() {
    let declared = "activity_is_free_of_personal_data = true";
    assert!(refused(&with(declared, "")).contains("activity_is_free_of_personal_data"));
    let without = with("[activity]\ncolumn = \"step\"\nby = \"officer\"", "");
    assert!(Mapping::parse(&without.replacen(declared, "", 1)).is_ok());
}
