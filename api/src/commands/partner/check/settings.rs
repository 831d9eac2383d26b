//! What a run is made of: who we pretend to be, whose server it is, with which keys, and how it is reached.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use cross_border::delivery::client::{ClientError, ClientOptions, http_client};
use cross_border::delivery::resolver::{GuardedResolver, SystemLookup, is_public};
use cross_border::partner::{Partner, PartnerId, PartnerRegister};
use cross_border::peer::{Peer, Transport};
use cross_border::trust::{KeyId, SigningKey, VerifyingKey};
use reqwest::Url;
use toml::{Table, Value};

use super::CheckArgs;
use super::draw::fresh_seed;
use super::unanswered::innermost;
use crate::commands::Failure;
use crate::commands::path_error::at;
use crate::partner::GRAPHQL_PATH;

/// The settings of a run.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) endpoint: Url,
    /// The council that we pretend to be.
    pub(super) own: &'static Partner,
    /// The council whose server it is.
    pub(super) partner: &'static Partner,
    /// A council that is neither.
    pub(super) third: &'static Partner,
    pub(super) key: SigningKey,
    /// The keys by which the server signs.
    pub(super) peer_keys: Vec<VerifyingKey>,
    pub(super) seed: u64,
    /// Longest time of one exchange.
    pub(super) timeout: Duration,
    /// How long its answer to the recall is waited for.
    pub(super) recall_wait: Duration,
}

impl Settings {
    /// Reads keys and councils.
    ///
    /// # Errors
    /// An argument is not what it must be; the text says which.
    pub(super) fn of(args: &CheckArgs, now: DateTime<Utc>) -> Result<Self, Failure> {
        let endpoint = endpoint(args)?;
        let (own, partner) = (council(&args.own)?, council(&args.partner)?);
        if own.id == partner.id {
            return Err("--as and --to name the same council; one refers a dispute to another".into());
        }
        let others = || PartnerRegister::builtin().partners().iter();
        let third = others().find(|other| other.id != own.id && other.id != partner.id);
        let third = third.ok_or("the register holds no third council to be mistaken for")?;
        let key = SigningKey::read(&args.key).map_err(at(&args.key, "of --key cannot be used"))?;
        if !key.is_valid_at(now) {
            return Err(
                format!("key `{}` is valid from {} to {}, not now", key.id, key.not_before, key.not_after).into()
            );
        }
        let mut peer_keys = Vec::new();
        for given in &args.peer_key {
            peer_keys.extend(keys_in(&text_of(given)?, &partner.id)?);
        }
        Ok(Self {
            endpoint,
            own,
            partner,
            third,
            key,
            peer_keys,
            seed: args.seed.map_or_else(fresh_seed, Ok)?,
            timeout: Duration::from_millis(u64::from(args.timeout_ms)),
            recall_wait: Duration::from_millis(u64::from(args.recall_wait_ms)),
        })
    }

    /// The server's key of this name, if it was given.
    pub(super) fn peer_key(&self, id: &KeyId) -> Option<&VerifyingKey> {
        self.peer_keys.iter().find(|key| key.id == *id)
    }
}

fn council(id: &PartnerId) -> Result<&'static Partner, Failure> {
    let register = PartnerRegister::builtin();
    register.get(id).ok_or_else(|| {
        let known: Vec<&str> = register.partners().iter().map(|partner| partner.id.as_str()).collect();
        format!("`{id}` is no council of the register; there are {}", known.join(", ")).into()
    })
}

fn endpoint(args: &CheckArgs) -> Result<Url, Failure> {
    let refused = |what: &str| -> Failure { format!("`{}` cannot be checked: {what}", args.url).into() };
    let url = Url::parse(&args.url).map_err(|error| refused(&format!("it is not a URL ({error})")))?;
    match url.scheme() {
        "https" => {}
        "http" if args.allow_plain_http => {}
        "http" => return Err(refused("it is plain HTTP; --allow-plain-http allows that for trying things out")),
        _ => return Err(refused("it is neither https nor http")),
    }
    if !url.path().ends_with(GRAPHQL_PATH) {
        return Err(refused(&format!("its path does not end in {GRAPHQL_PATH}")));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(refused("it has a query, a fragment, a user or a password"));
    }
    let literal = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    if !args.allow_private_address && literal.is_some_and(|address| !is_public(address)) {
        return Err(refused("it is an address of an inner network; --allow-private-address allows that"));
    }
    Ok(url)
}

/// The content of a file, where one of this name lies; else the text itself.
fn text_of(given: &str) -> Result<String, Failure> {
    // A text of TOML is no name of a file on any system, and asking for one of that name does no harm.
    let path = Path::new(given);
    if !path.is_file() {
        return Ok(given.to_owned());
    }
    std::fs::read_to_string(path).map_err(|error| format!("{given} cannot be read: {error}").into())
}

/// The keys of a council in a text: the entry that `baycase partner key new` prints, a key alone, or a configuration.
fn keys_in(text: &str, council: &PartnerId) -> Result<Vec<VerifyingKey>, Failure> {
    let hint = "give what `baycase partner key new` printed on the server, or the name of a file that holds it";
    let table: Table = toml::from_str(text).map_err(|error| format!("--peer-key is no TOML: {error}; {hint}"))?;
    let entries = if table.contains_key("public") { vec![Value::Table(table)] } else { entries(&table, council) };
    let mut keys = Vec::new();
    for entry in entries {
        let key = entry.try_into::<VerifyingKey>();
        keys.push(key.map_err(|error| format!("an entry of --peer-key is no public key: {error}; {hint}"))?);
    }
    if keys.is_empty() { Err(format!("--peer-key holds no key of `{council}`; {hint}").into()) } else { Ok(keys) }
}

/// The entries `partner.peer.keys`: of the one peer of an entry by itself, or of this council among those of a
/// configuration.
fn entries(table: &Table, council: &PartnerId) -> Vec<Value> {
    let peers: Vec<&Value> = match table.get("partner").and_then(|partner| partner.get("peer")) {
        Some(Value::Array(peers)) => {
            let is_theirs = |peer: &&Value| peer.get("id").and_then(Value::as_str) == Some(council.as_str());
            peers.iter().filter(is_theirs).collect()
        }
        Some(peer) => vec![peer],
        None => Vec::new(),
    };
    let keys = peers.into_iter().filter_map(|peer| peer.get("keys")?.as_array());
    keys.flatten().cloned().collect()
}

/// The client, built as that of a delivery: no redirects, no proxies, no address of an inner network, and a connection
/// of its own for each exchange.
///
/// # Errors
/// A certificate or key cannot be read; the text says which.
pub(super) fn client(args: &CheckArgs, settings: &Settings) -> Result<reqwest::Client, Failure> {
    let peer = Peer {
        id: args.partner.clone(),
        endpoint: Some(args.url.clone()),
        transport: Transport::Push,
        pull: false,
        keys: settings.peer_keys.clone(),
        certificates: Vec::new(),
        server_ca_file: args.server_ca.clone(),
        allow_private_address: args.allow_private_address,
        allow_plain_http: args.allow_plain_http,
    };
    let timeout = settings.timeout;
    let options = ClientOptions { timeout, connect_timeout: timeout, ..ClientOptions::default() };
    let resolver = GuardedResolver::new(Arc::new(SystemLookup), args.allow_private_address);
    let identity = identity(args)?;
    http_client(&peer, &settings.endpoint, identity.as_deref(), &options, resolver)
        .map_err(|error| unusable(error, args.server_ca.as_deref()))
}

/// Why there is no client, with the option that helps.
fn unusable(error: ClientError, server_ca: Option<&Path>) -> Failure {
    let hint = match (&error, server_ca) {
        (ClientError::Build { .. }, Some(path)) => format!("is {} of --server-ca a PEM file?", path.display()),
        (ClientError::Build { .. }, None) => {
            "are the system's certificates installed? else name the server's authority with --server-ca".to_owned()
        }
        (ClientError::Identity(_), _) => "--client-certificate and --client-key are PEM and belong together".to_owned(),
        _ => return error.into(),
    };
    format!("{error} ({}); {hint}", innermost(&error)).into()
}

/// Our certificate with its key, one text behind the other.
fn identity(args: &CheckArgs) -> Result<Option<Vec<u8>>, Failure> {
    match (&args.client_certificate, &args.client_key) {
        (Some(certificate), Some(key)) => {
            let mut pem = read(certificate)?;
            pem.push(b'\n');
            pem.extend(read(key)?);
            Ok(Some(pem))
        }
        (None, None) => Ok(None),
        _ => Err("--client-certificate and --client-key are of no use alone".into()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()).into())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::super::testing::{args, signing_key as signing};
    use super::*;

    const HONG_KONG: &str = "hk-consumer-council";

    fn id(text: &str) -> PartnerId {
        PartnerId::parse(text).unwrap()
    }

    #[test]
    fn a_public_key_is_read_in_every_form_it_is_given_in() {
        let key = signing("hk-consumer-council:1").verifying();
        let alone = toml::to_string(&key).unwrap();
        let printed = format!("[[partner.peer.keys]]\n{alone}");
        let other = toml::to_string(&signing("mo-consumer-council:1").verifying()).unwrap();
        let configured = format!(
            "[[partner.peer]]\nid = \"mo-consumer-council\"\n[[partner.peer.keys]]\n{other}\n\
             [[partner.peer]]\nid = \"{HONG_KONG}\"\n{printed}"
        );
        for text in [&alone, &printed, &configured] {
            assert_eq!(keys_in(text, &id(HONG_KONG)).unwrap(), std::slice::from_ref(&key), "{text}");
        }
        let twice = format!("{printed}{}", printed.replace("council:1", "council:2"));
        assert_eq!(keys_in(&twice, &id(HONG_KONG)).unwrap().len(), 2);
        for text in ["", "a = 1", "=", &alone.replace("ed25519", "rsa"), &configured.replace(HONG_KONG, "x")] {
            let error = keys_in(text, &id(HONG_KONG)).unwrap_err().to_string();
            assert!(error.contains("baycase partner key new"), "{text}: {error}");
        }
    }

    #[test]
    fn the_keys_are_given_as_text_or_as_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hk.toml");
        std::fs::write(&file, "content").unwrap();
        assert_eq!(text_of(file.to_str().unwrap()).unwrap(), "content");
        assert_eq!(text_of("id = \"x\"\n").unwrap(), "id = \"x\"\n");
    }

    #[test]
    fn a_run_is_settled_before_anything_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gd.key.json");
        signing("gd-consumer-council:1").write_new(&path).unwrap();
        let good = args(&path);
        let now = crate::clock::now();
        let settings = Settings::of(&good, now).unwrap();
        assert_eq!(settings.third.id.as_str(), "mo-consumer-council");
        assert_eq!(settings.peer_keys.len(), 1);
        let of = |change: fn(&mut CheckArgs), at: DateTime<Utc>| {
            let mut args = good.clone();
            change(&mut args);
            Settings::of(&args, at).map(drop)
        };
        assert!(of(|args| args.seed = Some(7), now).is_ok());
        assert!(of(|_| {}, now + TimeDelta::days(2)).is_err(), "the key is over");
        let wrong: [fn(&mut CheckArgs); 8] = [
            |args| args.partner = args.own.clone(),
            |args| args.partner = id("sg-consumer-council"),
            |args| args.url = "https://partners.example.org/graphql".to_owned(),
            |args| args.url = "http://partners.example.org/partner/graphql".to_owned(),
            |args| args.url = "https://127.0.0.1/partner/graphql".to_owned(),
            |args| args.url = "https://[::1]/partner/graphql".to_owned(),
            |args| args.url = "https://partners.example.org/partner/graphql?a=b".to_owned(),
            |args| args.key = "nowhere.key.json".into(),
        ];
        for (number, change) in wrong.into_iter().enumerate() {
            assert!(of(change, now).is_err(), "{number}");
        }
        let mut loopback = good.clone();
        loopback.url = "http://127.0.0.1:9/partner/graphql".to_owned();
        (loopback.allow_plain_http, loopback.allow_private_address) = (true, true);
        let settings = Settings::of(&loopback, now).unwrap();
        assert!(client(&loopback, &settings).is_ok());
        let half = CheckArgs { client_key: Some(path.clone()), ..loopback };
        assert!(client(&half, &settings).is_err(), "a key without its certificate");
    }

    #[test]
    fn a_file_that_is_of_no_use_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gd.key.json");
        signing("gd-consumer-council:1").write_new(&path).unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        let refused = |change: &dyn Fn(&mut CheckArgs)| {
            let mut args = args(&path);
            change(&mut args);
            let settings = Settings::of(&args, crate::clock::now()).unwrap();
            client(&args, &settings).unwrap_err().to_string()
        };
        let nowhere = folder.path().join("nowhere.pem");
        let text = refused(&|args| args.server_ca = Some(empty.clone()));
        assert!(text.contains("empty.pem"), "{text}");
        let text = refused(&|args| args.server_ca = Some(nowhere.clone()));
        assert!(text.contains("nowhere.pem"), "{text}");
        let text = refused(&|args| {
            args.client_certificate = Some(nowhere.clone());
            args.client_key = Some(empty.clone());
        });
        assert!(text.contains("nowhere.pem"), "{text}");
        let text = refused(&|args| {
            args.client_certificate = Some(empty.clone());
            args.client_key = Some(empty.clone());
        });
        assert!(text.contains("--client-certificate"), "{text}");
    }
}
