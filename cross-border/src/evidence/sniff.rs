//! What a file is by its bytes, and which kinds are taken.

use super::EvidenceError;

/// A kind of file that is taken.
struct Kind {
    /// As it is announced (IANA media types).
    media: &'static str,
    is: fn(&[u8]) -> bool,
}

/// The kinds that are taken: what a consumer's telephone and an officer's desk make.
const TAKEN: &[Kind] = &[
    // Readers look for the header anywhere near the beginning; what hides something before it is not taken.
    Kind {
        media: "application/pdf",
        is: |bytes| bytes.starts_with(b"%PDF") && infer::is_mime(bytes, "application/pdf"),
    },
    Kind { media: "image/jpeg", is: |bytes| infer::is_mime(bytes, "image/jpeg") },
    Kind { media: "image/png", is: |bytes| infer::is_mime(bytes, "image/png") },
    Kind { media: "image/webp", is: |bytes| bytes.starts_with(b"RIFF") && infer::is_mime(bytes, "image/webp") },
    Kind { media: "image/heic", is: |bytes| infer::is_mime(bytes, "image/heif") },
    Kind { media: "video/mp4", is: |bytes| infer::is_mime(bytes, "video/mp4") },
    Kind { media: "audio/mp4", is: |bytes| infer::is_mime(bytes, "audio/m4a") },
    Kind { media: "audio/mpeg", is: |bytes| infer::is_mime(bytes, "audio/mpeg") },
    Kind {
        media: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        is: |bytes| is_office(bytes, b"word/document.xml"),
    },
    Kind {
        media: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        is: |bytes| is_office(bytes, b"xl/workbook.xml"),
    },
    Kind { media: "text/plain", is: is_text },
];

/// What every entry of a ZIP archive's central directory begins with (APPNOTE 4.3.12).
const ENTRY_MARK: &[u8] = b"PK\x01\x02";
/// Where the length of an entry's name stands, and where the name.
const NAME_LENGTH_AT: usize = 28;
const NAME_AT: usize = 46;

/// The kinds that are taken, for messages.
#[must_use]
pub fn taken() -> String {
    TAKEN.iter().map(|kind| kind.media).collect::<Vec<_>>().join(", ")
}

/// Whether files of this kind are taken at all.
#[must_use]
pub fn is_taken(media: &str) -> bool {
    TAKEN.iter().any(|kind| kind.media == media)
}

/// Checks that a file is of the kind it was announced as, and that the kind is taken.
///
/// # Errors
/// [`EvidenceError::NotTaken`] or [`EvidenceError::OtherKind`].
pub fn check(media: &str, bytes: &[u8]) -> Result<(), EvidenceError> {
    let Some(kind) = TAKEN.iter().find(|kind| kind.media == media) else {
        return Err(EvidenceError::NotTaken { media: media.to_owned() });
    };
    if (kind.is)(bytes) { Ok(()) } else { Err(EvidenceError::OtherKind { media: media.to_owned() }) }
}

/// An Office Open XML document without macros (ISO/IEC 29500). The order of the archive's files differs from one
/// program to the next, so its directory is read; the first bytes alone would not tell.
fn is_office(bytes: &[u8], main: &[u8]) -> bool {
    let names = || entries(bytes);
    infer::is_mime(bytes, "application/zip")
        && names().any(|name| name == b"[Content_Types].xml")
        && names().any(|name| name == main)
        && !names().any(|name| name.to_ascii_lowercase().ends_with(b"vbaproject.bin"))
}

/// The names in the central directory of a ZIP archive.
fn entries(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.windows(ENTRY_MARK.len()).enumerate().filter(|(_, mark)| *mark == ENTRY_MARK).filter_map(|(at, _)| {
        let entry = bytes.get(at..)?;
        let length = entry.get(NAME_LENGTH_AT..)?.first_chunk::<2>()?;
        entry.get(NAME_AT..)?.get(..usize::from(u16::from_le_bytes(*length)))
    })
}

/// A text in UTF-8 that no browser would take for a page.
fn is_text(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    // A mark of the byte order may begin a text; anything else unseen has no place in one.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let marked_up = ["text/html", "text/xml", "text/x-shellscript"];
    !text.is_empty()
        && !text.contains(domain::complaint::is_disturbing)
        && !marked_up.iter().any(|media| infer::is_mime(text.as_bytes(), media))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const PDF: &[u8] = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n";
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0";
    const WEBP: &[u8] = b"RIFF\x24\0\0\0WEBPVP8 ";
    const HEIC: &[u8] = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
    const MP4: &[u8] = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2";
    const M4A: &[u8] = b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42";
    const MP3: &[u8] = b"ID3\x03\0\0\0\0\0\0";
    const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

    /// The bones of an archive: a local file, then a directory with these names.
    fn archive(names: &[&str]) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04\x14\0\0\0\0\0".to_vec();
        bytes.resize(60, 0);
        for name in names {
            let mut entry = ENTRY_MARK.to_vec();
            entry.resize(NAME_LENGTH_AT, 0);
            entry.extend_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
            entry.resize(NAME_AT, 0);
            entry.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(&entry);
        }
        bytes
    }

    #[test]
    fn a_file_is_what_its_bytes_say() {
        let docx = archive(&["docProps/app.xml", "[Content_Types].xml", "word/document.xml"]);
        let xlsx = archive(&["[Content_Types].xml", "xl/workbook.xml"]);
        let files: [(&str, &[u8]); 11] = [
            ("application/pdf", PDF),
            ("image/jpeg", JPEG),
            ("image/png", PNG),
            ("image/webp", WEBP),
            ("image/heic", HEIC),
            ("video/mp4", MP4),
            ("audio/mp4", M4A),
            ("audio/mpeg", MP3),
            (DOCX, &docx),
            (XLSX, &xlsx),
            ("text/plain", "\u{feff}訂單 1\r\n已付款\n".as_bytes()),
        ];
        assert_eq!(files.len(), TAKEN.len());
        for (media, bytes) in files {
            check(media, bytes).unwrap();
            for (other, _) in files.iter().filter(|(other, _)| *other != media) {
                let refused = check(other, bytes);
                assert!(matches!(refused, Err(EvidenceError::OtherKind { .. })), "{media} as {other}: {refused:?}");
            }
        }
    }

    #[test]
    fn what_hides_something_is_not_taken() {
        let macros = archive(&["[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"]);
        let shifted = [b"MZ".as_slice(), PDF].concat();
        let files: [(&str, &[u8]); 8] = [
            (DOCX, &macros),
            ("application/pdf", &shifted),
            ("text/plain", b"<html><script>alert(1)</script>"),
            ("text/plain", b"#!/bin/sh\nrm -rf ."),
            ("text/plain", b"a\0b"),
            ("text/plain", "read \u{202e}backwards".as_bytes()),
            ("text/plain", b"\xff\xfe"),
            ("text/plain", b""),
        ];
        for (media, bytes) in files {
            assert!(matches!(check(media, bytes), Err(EvidenceError::OtherKind { .. })), "{media}: {bytes:?}");
        }
        for media in ["text/html", "image/svg+xml", "application/zip", "application/msword", "", "IMAGE/PNG"] {
            assert!(matches!(check(media, PNG), Err(EvidenceError::NotTaken { .. })), "{media}");
            assert!(!is_taken(media));
        }
        assert!(is_taken("application/pdf"));
    }

    #[test]
    fn a_directory_that_breaks_off_is_read_as_far_as_it_goes() {
        let whole = archive(&["[Content_Types].xml", "word/document.xml"]);
        for length in 0..whole.len() {
            assert!(check(DOCX, whole.get(..length).unwrap()).is_err(), "{length}");
        }
        assert!(check(DOCX, &whole).is_ok());
    }
}
