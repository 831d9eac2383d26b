//! One file of rows, CSV or NDJSON, read row by row with its line numbers.

use std::borrow::Cow;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use csv::{ByteRecord, ReaderBuilder, StringRecord};
use serde_json::{Map, Value};
use thiserror::Error;

/// Largest file that is imported at once.
pub(super) const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Longest row; what is longer is a quotation mark that is not closed.
pub(super) const ROW_BYTES_MAX: usize = 1024 * 1024;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Why a file cannot be read as a table.
#[derive(Debug, Error)]
pub(super) enum TableError {
    #[error("`{}` is neither CSV (.csv) nor NDJSON (.ndjson, .jsonl)", .0.display())]
    Extension(PathBuf),
    #[error("`{}` cannot be read", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the file has {bytes} bytes, more than the {FILE_BYTES_MAX} that are imported at once; split it by cases")]
    TooLarge { bytes: u64 },
    #[error("the file cannot be read behind line {line}")]
    Csv {
        line: u64,
        #[source]
        source: csv::Error,
    },
    #[error("the row that begins in line {line} is longer than {ROW_BYTES_MAX} bytes")]
    RowTooLong { line: u64 },
    #[error(
        "the first line, which names the columns, is not UTF-8; convert it, for example with `iconv -f gb18030 -t utf-8`"
    )]
    Header,
    #[error("mapping key `{key}`: the file has no column `{column}`; it has {known}")]
    NoColumn { key: &'static str, column: String, known: String },
    #[error("mapping key `{key}`: the file has {count} columns `{column}`")]
    SameColumns { key: &'static str, column: String, count: usize },
}

/// A row of one line, or of several where a quoted field has line breaks.
#[derive(Debug)]
pub(super) struct Line {
    /// Where it begins; the first is 1.
    pub(super) number: u64,
    /// The row, or why it is none.
    pub(super) record: Result<Record, String>,
}

/// The cells of one row.
#[derive(Debug)]
pub(super) enum Record {
    Csv { names: Rc<[String]>, cells: StringRecord },
    Json(Map<String, Value>),
}

/// A column that the mapping names.
#[derive(Debug)]
pub(super) struct Column {
    key: &'static str,
    name: String,
    index: usize,
    /// Whether any row had it: a key that no NDJSON object has is a mistake in the mapping.
    seen: Cell<bool>,
}

impl Column {
    /// As the file names it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Record {
    /// The cell of a column, trimmed; empty where the row says nothing.
    ///
    /// # Errors
    /// It holds a list or an object.
    pub(super) fn text(&self, column: &Column) -> Result<Cow<'_, str>, String> {
        match self {
            Self::Csv { cells, .. } => Ok(Cow::Borrowed(cells.get(column.index).unwrap_or_default().trim())),
            Self::Json(fields) => {
                let value = fields.get(&column.name);
                column.seen.set(column.seen.get() || value.is_some());
                match value {
                    None | Some(Value::Null) => Ok(Cow::Borrowed("")),
                    Some(Value::String(text)) => Ok(Cow::Borrowed(text.trim())),
                    Some(plain @ (Value::Bool(_) | Value::Number(_))) => Ok(Cow::Owned(plain.to_string())),
                    Some(Value::Array(_) | Value::Object(_)) => {
                        Err("it holds a list or an object, not a value".to_owned())
                    }
                }
            }
        }
    }

    /// The whole row, for the reject file.
    pub(super) fn into_object(self) -> Map<String, Value> {
        match self {
            Self::Csv { names, cells } => {
                names.iter().zip(cells.iter()).map(|(name, cell)| (name.clone(), Value::from(cell))).collect()
            }
            Self::Json(fields) => fields,
        }
    }
}

/// An open file of rows.
#[derive(Debug)]
pub(super) struct Table {
    path: PathBuf,
    bytes: u64,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    Csv { reader: csv::Reader<Guarded>, names: Rc<[String]>, record: ByteRecord, behind: u64 },
    Ndjson { reader: BufReader<File>, buffer: Vec<u8>, line: u64, read: u64 },
}

impl Table {
    /// Opens a file by its extension. Of CSV the first row names the columns.
    ///
    /// # Errors
    /// It is of no known kind, too large, or cannot be read.
    pub(super) fn open(path: &Path, delimiter: u8) -> Result<Self, TableError> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let csv = match extension.to_ascii_lowercase().as_str() {
            "csv" => true,
            "ndjson" | "jsonl" => false,
            _ => return Err(TableError::Extension(path.to_owned())),
        };
        let unreadable = |source| TableError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        if bytes > FILE_BYTES_MAX {
            return Err(TableError::TooLarge { bytes });
        }
        let rows = if csv {
            open_csv(path, file, delimiter)?
        } else {
            Rows::Ndjson { reader: BufReader::new(file), buffer: Vec::new(), line: 0, read: 0 }
        };
        Ok(Self { path: path.to_owned(), bytes, rows })
    }

    /// The size of the file.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How much of the file has been read.
    pub(super) fn bytes_read(&self) -> u64 {
        match &self.rows {
            Rows::Csv { reader, .. } => reader.position().byte(),
            Rows::Ndjson { read, .. } => *read,
        }
    }

    /// Finds a column that a mapping key names.
    ///
    /// # Errors
    /// The header does not have it, or has it twice.
    pub(super) fn column(&self, key: &'static str, name: &str) -> Result<Column, TableError> {
        let Rows::Csv { names, .. } = &self.rows else {
            return Ok(Column { key, name: name.to_owned(), index: 0, seen: Cell::new(false) });
        };
        let column = name.to_owned();
        let mut found = names.iter().enumerate().filter(|(_, known)| *known == name).map(|(index, _)| index);
        let Some(index) = found.next() else {
            return Err(TableError::NoColumn { key, column, known: names.join(", ") });
        };
        match found.count() {
            0 => Ok(Column { key, name: column, index, seen: Cell::new(true) }),
            more => Err(TableError::SameColumns { key, column, count: more + 1 }),
        }
    }

    /// Says that a column was in no row, after the last one.
    ///
    /// # Errors
    /// [`TableError::NoColumn`], when it was in none.
    pub(super) fn check_seen(column: &Column) -> Result<(), TableError> {
        if column.seen.get() {
            return Ok(());
        }
        let known = "other keys in every line".to_owned();
        Err(TableError::NoColumn { key: column.key, column: column.name.clone(), known })
    }

    /// The next row; `None` at the end. Empty lines are passed over.
    ///
    /// # Errors
    /// The file cannot be read on, or a row is too long to be one.
    pub(super) fn read_row(&mut self) -> Result<Option<Line>, TableError> {
        match &mut self.rows {
            Rows::Csv { reader, names, record, behind } => {
                let line = reader.position().line();
                reader.get_mut().since_row = 0;
                if !read_record(reader, record, line)? {
                    return Ok(None);
                }
                let number = record.position().map_or(line, csv::Position::line).saturating_add(*behind);
                Ok(Some(Line { number, record: csv_record(names, record) }))
            }
            Rows::Ndjson { reader, buffer, line, read } => loop {
                buffer.clear();
                let most = u64::try_from(ROW_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
                let unreadable = |source| TableError::Read { path: self.path.clone(), source };
                let count = reader.by_ref().take(most).read_until(b'\n', buffer).map_err(unreadable)?;
                if count == 0 {
                    return Ok(None);
                }
                *line += 1;
                *read = read.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
                if count > ROW_BYTES_MAX {
                    return Err(TableError::RowTooLong { line: *line });
                }
                let whole: &[u8] = buffer;
                let text = whole.strip_prefix(BOM).filter(|_| *line == 1).unwrap_or(whole).trim_ascii();
                if !text.is_empty() {
                    return Ok(Some(Line { number: *line, record: json_record(text) }));
                }
            },
        }
    }
}

fn open_csv(path: &Path, file: File, delimiter: u8) -> Result<Rows, TableError> {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(Guarded { file, since_row: 0 });
    let mut record = ByteRecord::new();
    read_record(&mut reader, &mut record, 1)?;
    let Ok(header) = StringRecord::from_byte_record(record) else { return Err(TableError::Header) };
    let names: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    let ending = ends_with_both(path, reader.position().byte());
    let behind = u64::from(ending.map_err(|source| TableError::Read { path: path.to_owned(), source })?);
    Ok(Rows::Csv { reader, names: names.into(), record: ByteRecord::new(), behind })
}

/// Whether the header ends with a carriage return and a line feed. The reader counts the line feed only with the next
/// row, so that every row seems to begin one line too early.
fn ends_with_both(path: &Path, byte: u64) -> io::Result<bool> {
    let mut ending = [0; 2];
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(byte.saturating_sub(1)))?;
    match file.read_exact(&mut ending) {
        Ok(()) => Ok(&ending == b"\r\n"),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn read_record(reader: &mut csv::Reader<Guarded>, record: &mut ByteRecord, line: u64) -> Result<bool, TableError> {
    reader.read_byte_record(record).map_err(|source| {
        let too_long =
            matches!(source.kind(), csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge);
        if too_long { TableError::RowTooLong { line } } else { TableError::Csv { line, source } }
    })
}

fn csv_record(names: &Rc<[String]>, record: &ByteRecord) -> Result<Record, String> {
    if record.len() != names.len() {
        return Err(format!("it has {} fields, and the first line names {} columns", record.len(), names.len()));
    }
    match StringRecord::from_byte_record(record.clone()) {
        Ok(cells) => Ok(Record::Csv { names: Rc::clone(names), cells }),
        Err(_) => Err("it is not UTF-8; convert the file, for example with `iconv -f gb18030 -t utf-8`".to_owned()),
    }
}

fn json_record(text: &[u8]) -> Result<Record, String> {
    serde_json::from_slice(text).map(Record::Json).map_err(|error| format!("it is not a JSON object: {error}"))
}

/// A file that refuses to be read further than one row may be long.
#[derive(Debug)]
struct Guarded {
    file: File,
    since_row: usize,
}

impl Read for Guarded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since_row > ROW_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let count = self.file.read(buffer)?;
        self.since_row = self.since_row.saturating_add(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
