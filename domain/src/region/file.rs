//! Reads the two tables of divisions: comma-separated, `#` comments, one header line, no quoting.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use thiserror::Error;

use super::{ParseRegionCodeError, Region, RegionCode, RegionLevel};

const DIVISIONS_HEADER: &str = "code6,name,level,parent6,in_gba9,valid_from,valid_to";
const TOWNS_HEADER: &str = "code9,name,area6,city6,valid_from,valid_to";

/// Why a table of divisions is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegionTableError {
    #[error("the first line of the {file} table must be `{expected}`")]
    Header { file: &'static str, expected: &'static str },
    #[error("line {line} of the {file} table cannot be read")]
    Line { file: &'static str, line: usize, source: RegionLineError },
    #[error("{code} is valid twice on one day")]
    Overlap { code: RegionCode },
    #[error("{code} does not lie in a division of a higher level")]
    Parent { code: RegionCode },
}

/// What is wrong with one line of a table of divisions.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegionLineError {
    #[error("the number of columns is not that of the header")]
    Columns,
    #[error(transparent)]
    Code(#[from] ParseRegionCodeError),
    #[error("the level is none of province, city, county")]
    Level,
    #[error("in_gba9 is neither 0 nor 1")]
    Flag,
    #[error("the city is not among the divisions")]
    City,
    #[error("a day is not written as YYYY-MM-DD")]
    Day(#[from] chrono::ParseError),
}

/// The province, the cities and the counties, in the order of the file.
pub(super) fn divisions(text: &str) -> Result<Vec<Region>, RegionTableError> {
    rows("divisions", text, DIVISIONS_HEADER, division)
}

/// The towns, in the order of the file; whether one is in the Greater Bay Area is taken from its city in `divisions`.
pub(super) fn towns(text: &str, divisions: &[Region]) -> Result<Vec<Region>, RegionTableError> {
    let gba9: BTreeMap<RegionCode, bool> = divisions
        .iter()
        .filter(|region| region.level == RegionLevel::City)
        .map(|region| (region.code, region.gba9))
        .collect();
    rows("towns", text, TOWNS_HEADER, |columns: [&str; 6]| town(columns, &gba9))
}

fn rows<const N: usize>(
    file: &'static str,
    text: &str,
    expected: &'static str,
    parse: impl Fn([&str; N]) -> Result<Region, RegionLineError>,
) -> Result<Vec<Region>, RegionTableError> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    match lines.next() {
        Some((_, header)) if header == expected => {}
        Some(_) | None => return Err(RegionTableError::Header { file, expected }),
    }
    let mut regions = Vec::new();
    for (index, line) in lines {
        let columns: Vec<&str> = line.split(',').collect();
        let region = <[&str; N]>::try_from(columns)
            .ok()
            .ok_or(RegionLineError::Columns)
            .and_then(&parse)
            .map_err(|source| RegionTableError::Line { file, line: index.saturating_add(1), source })?;
        regions.push(region);
    }
    Ok(regions)
}

fn division(columns: [&str; 7]) -> Result<Region, RegionLineError> {
    let [code, name, level, parent, gba9, valid_from, valid_to] = columns;
    Ok(Region {
        code: RegionCode::parse(code)?,
        name: name.to_owned(),
        level: match level {
            "province" => RegionLevel::Province,
            "city" => RegionLevel::City,
            "county" => RegionLevel::County,
            _ => return Err(RegionLineError::Level),
        },
        parent: filled(parent).map(RegionCode::parse).transpose()?,
        gba9: match gba9 {
            "0" => false,
            "1" => true,
            _ => return Err(RegionLineError::Flag),
        },
        valid_from: valid_from.parse()?,
        valid_to: filled(valid_to).map(str::parse::<NaiveDate>).transpose()?,
    })
}

fn town(columns: [&str; 6], gba9: &BTreeMap<RegionCode, bool>) -> Result<Region, RegionLineError> {
    let [code, name, area, city, valid_from, valid_to] = columns;
    let city = RegionCode::parse(city)?;
    Ok(Region {
        code: RegionCode::parse(code)?,
        name: name.to_owned(),
        level: RegionLevel::Town,
        parent: Some(RegionCode::parse(area)?),
        gba9: *gba9.get(&city).ok_or(RegionLineError::City)?,
        valid_from: valid_from.parse()?,
        valid_to: filled(valid_to).map(str::parse::<NaiveDate>).transpose()?,
    })
}

fn filled(column: &str) -> Option<&str> {
    (!column.is_empty()).then_some(column)
}
