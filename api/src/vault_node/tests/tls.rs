//! Both sides show a certificate, and one that another authority issued opens nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use event_log::vault::contract::run_all;
use event_log::vault::keys::{KeyStore, KeyStoreError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::kit::{Served, at, config, made, remote, subject};
use crate::config::{VaultNodeConfig, VaultRole};
use crate::partner::tls::TlsFiles;
use crate::vault_node::LinkError;
use crate::vault_node::remote::{RemoteKeys, RemoteOptions};
use crate::vault_node::wire::FaultCode;

/// An authority with the files of those it vouches for.
struct Authority<'f> {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: &'f Path,
    name: &'static str,
}

impl<'f> Authority<'f> {
    fn new(folder: &'f Path, name: &'static str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, folder, name }
    }

    fn write(&self, what: &str, text: &str) -> PathBuf {
        let path = self.folder.join(format!("{}-{what}", self.name));
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Files with a certificate of this authority, which believe those of `trusting`.
    fn files(&self, host: &str, trusting: &Self) -> TlsFiles {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &*self.issuer).unwrap();
        TlsFiles {
            certificate: self.write(&format!("{host}-for-{}.crt", trusting.name), &certificate.pem()),
            key: self.write(&format!("{host}-for-{}.key", trusting.name), &key.serialize_pem()),
            client_ca: trusting.write("ca.pem", &trusting.issuer.pem()),
        }
    }
}

fn serving(files: &TlsFiles, base: VaultNodeConfig) -> VaultNodeConfig {
    VaultNodeConfig {
        cert_file: Some(files.certificate.clone()),
        key_file: Some(files.key.clone()),
        client_ca_file: Some(files.client_ca.clone()),
        ..base
    }
}

/// A standby that takes the word of whoever shows one of these names.
fn standby_of(files: &TlsFiles, primaries: &[&str]) -> VaultNodeConfig {
    let mirror_clients = primaries.iter().map(|name| (*name).to_owned()).collect();
    VaultNodeConfig { role: VaultRole::Standby, mirror_clients, ..serving(files, config()) }
}

#[test]
fn keys_keep_the_contract_over_mutual_tls_with_a_standby() {
    let [certificates, one, two] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let ours = Authority::new(certificates.path(), "ours");
    let of_nodes = ours.files("127.0.0.1", &ours);
    let standby = standby_of(&of_nodes, &["127.0.0.1"]);
    let standby = Served::start(two.path(), &standby);
    let primary = VaultNodeConfig { standby: Some(standby.url()), ..serving(&of_nodes, config()) };
    let primary = Served::start(one.path(), &primary);
    assert!(primary.url().starts_with("https://") && standby.url().starts_with("https://"));
    let client = ours.files("node-1.example.org", &ours);
    let store: Arc<dyn KeyStore> = Arc::new(remote(&primary.url(), Some(&standby.url()), Some(client)));
    run_all("vault node over TLS", || Arc::clone(&store));
    assert_eq!(primary.rows(), standby.rows());
    primary.stop();
    standby.stop();
}

#[test]
fn a_certificate_of_another_authority_opens_nothing() {
    let [certificates, folder] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let ours = Authority::new(certificates.path(), "ours");
    let theirs = Authority::new(certificates.path(), "theirs");
    let served = Served::start(folder.path(), &serving(&ours.files("127.0.0.1", &ours), config()));
    let foreign_client = theirs.files("node-1.example.org", &ours);
    let mistaken_client = ours.files("node-2.example.org", &theirs);
    for (what, files) in [
        ("a client of another authority", Some(foreign_client)),
        ("a server of another authority", Some(mistaken_client)),
        ("no certificate at all", None),
    ] {
        let keys = remote(&served.url(), None, files);
        for refused in [
            keys.find(&[subject("a")]).map(drop),
            keys.insert_missing(&[made("a", 1)], at(0)).map(drop),
            keys.destroy(subject("a"), at(0)).map(drop),
        ] {
            assert!(matches!(refused, Err(KeyStoreError::Unavailable { .. })), "{what}: {refused:?}");
        }
    }
    assert_eq!(served.has(subject("a")), None, "nothing was written");
    let keys = remote(&served.url(), None, Some(ours.files("node-3.example.org", &ours)));
    keys.insert_missing(&[made("a", 1)], at(0)).unwrap();
    served.stop();
}

#[test]
fn a_standby_takes_the_word_of_those_alone_whom_it_names() {
    let [certificates, one, two] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let ours = Authority::new(certificates.path(), "ours");
    let of_standby = ours.files("127.0.0.1", &ours);
    // A node of the API has a certificate of the same authority, and asks the vault like any other.
    let cases: [(&str, &[&str], bool); 3] = [
        ("node-1.example.org", &["vault-1.example.org"], false),
        ("vault-1.example.org", &[], false),
        ("vault-1.example.org", &["vault-9.example.org", "vault-1.example.org"], true),
    ];
    for (whose, named, is_let_in) in cases {
        let standby = Served::start(two.path(), &standby_of(&of_standby, named));
        let primary = ours.files(whose, &ours);
        let primary = VaultNodeConfig { standby: Some(standby.url()), ..serving(&primary, config()) };
        let primary = Served::start(one.path(), &primary);
        match primary.step() {
            Ok(()) => assert!(is_let_in && standby.node.is_in_step(), "{whose}, {named:?}"),
            Err(fault) => {
                assert!(!is_let_in && !standby.node.is_in_step(), "{whose}, {named:?}: {fault}");
                assert_eq!(fault.code, FaultCode::StandbyUnavailable);
                assert!(fault.message.contains("`vault_node.mirror_clients`"), "it says what to set: {fault}");
            }
        }
        primary.stop();
        standby.stop();
    }
}

#[test]
fn a_name_that_no_certificate_can_hold_keeps_a_vault_node_from_starting() {
    let [certificates, folder] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let ours = Authority::new(certificates.path(), "ours");
    let config = standby_of(&ours.files("127.0.0.1", &ours), &["https://vault-1"]);
    let refused = Served::try_start(folder.path(), &config).err().unwrap().to_string();
    assert!(refused.contains("`https://vault-1` in vault_node.mirror_clients"), "{refused}");
}

#[test]
fn a_certificate_for_another_host_is_not_believed() {
    let [certificates, folder] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let ours = Authority::new(certificates.path(), "ours");
    let elsewhere = ours.files("vault-9.example.org", &ours);
    let served = Served::start(folder.path(), &serving(&elsewhere, config()));
    let keys = remote(&served.url(), None, Some(ours.files("node-1.example.org", &ours)));
    let refused = keys.find(&[subject("a")]).unwrap_err();
    assert!(matches!(refused, KeyStoreError::Unavailable { .. }), "{refused:?}");
    served.stop();
}

#[test]
fn files_that_cannot_be_used_are_named_before_anything_is_asked() {
    let certificates = tempfile::tempdir().unwrap();
    let ours = Authority::new(certificates.path(), "ours");
    let files = TlsFiles { key: certificates.path().join("missing.key"), ..ours.files("node-1.example.org", &ours) };
    let url = "https://127.0.0.1:1".to_owned();
    let timeout = std::time::Duration::from_secs(1);
    let refused = RemoteKeys::start(&RemoteOptions { url, standby: None, files: Some(files), timeout }).unwrap_err();
    let LinkError::Tls(source) = refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains("missing.key"), "{source}");
}
