//! Nothing of what is said about a person stands in clear in a log, an index or any other file of a node.

use std::fs;
use std::path::Path;

use super::life::live;
use crate::council::testing::dispute::{ADDRESS, FACTS, NAME, NOTE, PHONE, REQUEST};
use crate::council::testing::{Node, Pair, text};
use crate::evidence::sniff::tests::PDF;
use crate::exchange::content::renditions;
use crate::partner::Language;

const FILE_NAME: &str = "陈大文的收据";

/// Everything that must not be readable: what was typed in, and what was made of it.
fn secrets() -> Vec<String> {
    let mut secrets: Vec<String> = [NAME, PHONE, ADDRESS, FACTS, REQUEST, NOTE, FILE_NAME].map(str::to_owned).to_vec();
    for original in [FACTS, REQUEST] {
        let wanted = [Language::TraditionalHongKong];
        let rendered = renditions("facts", &text(Language::SimplifiedChinese, original), &wanted);
        secrets.extend(rendered.into_iter().map(|rendition| rendition.text));
    }
    secrets
}

fn assert_none_in(bytes: &[u8], what: &str) {
    for secret in secrets() {
        // As it is, and as JSON would escape it.
        let escaped: String = secret.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        for needle in [secret.as_bytes(), escaped.as_bytes()] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle), "`{secret}` in {what}");
        }
    }
}

fn assert_none_in_files(folder: &Path) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += assert_none_in_files(&path);
        } else {
            files += 1;
            assert_none_in(&fs::read(&path).unwrap(), &path.display().to_string());
        }
    }
    files
}

async fn assert_keeps_secrets(node: &Node) {
    node.catch_up();
    let events = node.events().await;
    assert!(events.len() > 10);
    for event in events {
        assert_none_in(event.payload.as_bytes(), &event.kind);
        assert_none_in(event.metadata.as_bytes(), &event.kind);
    }
    assert!(assert_none_in_files(node.folder.path()) >= 2, "a vault and an index at least");
}

#[tokio::test]
async fn no_log_index_or_file_holds_a_text_in_clear() {
    let pair = Pair::new();
    let (here, there) = pair.delivered().await;
    let origin = &pair.origin;
    let digest = origin.announce(here, FILE_NAME, "application/pdf", PDF).await.unwrap();
    origin.put_in(here, &digest, PDF).await.unwrap();
    live(&pair, here).await;
    let messages = pair.target.council.content(there).await.unwrap();
    let said: String = messages.into_iter().filter_map(|message| message.said).map(|(text, _)| text).collect();
    for secret in [NAME, PHONE, FACTS, REQUEST, NOTE, FILE_NAME] {
        assert!(said.contains(secret), "`{secret}` was told");
    }
    assert_keeps_secrets(origin).await;
    assert_keeps_secrets(&pair.target).await;
}
