//! Who may speak to the servers, and which servers are believed.

use std::path::{Path, PathBuf};

use domain::envelope::Revision;
use event_log::contract::fixture::Scene;
use event_log::eventstore::{EventStoreOptions, LogHealth};
use event_log::port::{AppendError, EventLog as _, Expected, LogFault};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tests::double::{DoubleOptions, DoubleProcess};

use super::kit::{hasty, open, options, refused, within};

fn user(name: &str, password: &str) -> Option<(String, String)> {
    Some((name.to_owned(), password.to_owned()))
}

fn with_user(of: &str) -> DoubleProcess {
    DoubleProcess::start_with(DoubleOptions { user: Some(of.to_owned()), ..DoubleOptions::default() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_not_known_is_told_so() {
    let double = with_user("baycase:right");
    for user in [None, user("baycase", "wrong"), user("somebody", "right")] {
        let fault = refused(EventStoreOptions { user, ..hasty(&double) }).await;
        assert_eq!(fault, LogFault::Credentials);
        assert!(fault.passes_by_itself(), "a person mends it at the servers");
        assert!(!fault.to_string().contains("wrong"));
    }
    let log = open(EventStoreOptions { user: user("baycase", "right"), ..options(&double) }).await;
    let scene = Scene::new(&*log, "known").await;
    log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_changes_is_mended_at_the_servers() {
    let double = with_user("baycase:right");
    let log = open(EventStoreOptions { user: user("baycase", "right"), ..hasty(&double) }).await;
    let scene = Scene::new(&*log, "changed").await;
    log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();

    double.user(Some("baycase:changed"));
    let batch = scene.append("a", Expected::At(Revision::FIRST), "2", &["{}"]);
    let refused = log.append(batch.clone()).await;
    assert!(matches!(refused, Err(AppendError::Fault(LogFault::Credentials))), "{refused:?}");
    let mut health = log.health();
    let unready = |health: &LogHealth| *health == LogHealth::Unready(LogFault::Credentials);
    assert!(within(health.wait_for(unready)).await.is_ok());

    double.user(Some("baycase:right"));
    let ready = within(health.wait_for(|health| *health == LogHealth::Ready)).await.is_ok();
    assert!(ready, "nobody starts this node again");
    assert_eq!(log.append(batch).await.unwrap().first_revision, Revision::new(1));
}

/// The files of an authority and of what it issues.
struct Files {
    dir: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { dir: tempfile::tempdir().unwrap(), authority }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The authority's own certificate.
    fn ca(&self) -> PathBuf {
        self.write("ca.pem", &self.authority.pem())
    }

    /// A certificate of a server and its key, good for the years.
    fn server(&self, name: &str, years: (i32, i32)) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        let certificate = params.signed_by(&key, &*self.authority).unwrap();
        let file = format!("{name}-{}-{}", years.0, years.1);
        let key = self.write(&format!("{file}.key"), &key.serialize_pem());
        (self.write(&format!("{file}.pem"), &certificate.pem()), key)
    }
}

fn secured(tls: (PathBuf, PathBuf)) -> DoubleProcess {
    DoubleProcess::start_with(DoubleOptions { tls: Some(tls), ..DoubleOptions::default() })
}

fn trusting(ca: &Path, options: EventStoreOptions) -> EventStoreOptions {
    EventStoreOptions { ca_file: Some(ca.to_owned()), ..options }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_good_certificate_is_believed() {
    let files = Files::new();
    let double = secured(files.server("127.0.0.1", (2020, 2100)));
    let log = open(trusting(&files.ca(), options(&double))).await;
    let scene = Scene::new(&*log, "secured").await;
    log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();
    assert_eq!(scene.events(&*log, &["a"]).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_be_believed_is_not_used_and_the_reason_is_told() {
    let (files, stranger) = (Files::new(), Files::new());
    let cases = [
        (files.ca(), files.server("127.0.0.1", (2020, 2021)), "expired"),
        (files.ca(), files.server("127.0.0.1", (2090, 2100)), "not valid yet"),
        (files.ca(), files.server("elsewhere.example", (2020, 2100)), "name"),
        (stranger.ca(), files.server("127.0.0.1", (2020, 2100)), "CA file"),
    ];
    for (ca, tls, reason) in cases {
        let double = secured(tls);
        let fault = refused(trusting(&ca, hasty(&double))).await;
        let LogFault::Certificate { what } = &fault else { panic!("{reason}: {fault:?}") };
        assert!(what.contains(reason), "{reason}: {what}");
        assert!(fault.passes_by_itself(), "a person mends it at the servers");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_read_is_named() {
    let files = Files::new();
    let double = secured(files.server("127.0.0.1", (2020, 2100)));
    for ca in [files.dir.path().join("missing.pem"), files.write("empty.pem", ""), files.write("bad.pem", "no PEM")] {
        let fault = refused(trusting(&ca, hasty(&double))).await;
        let LogFault::Certificate { what } = &fault else { panic!("{}: {fault:?}", ca.display()) };
        assert!(what.contains(ca.to_str().unwrap()), "{what}");
    }
}
