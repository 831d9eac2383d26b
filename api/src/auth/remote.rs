//! Keys that an issuer publishes at an address, fetched again as they age or when a token names a new one.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::claims::Trust;
use super::key_set::{KeySet, KeySetError};

const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const JWKS_BYTES_MAX: usize = 256 * 1024;

/// However many tokens name unknown keys, the issuer is asked no more often than this.
const ATTEMPTS_APART: Duration = Duration::from_secs(30);

/// Why the issuer's keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum KeyFetchError {
    /// No answer, or not in time.
    #[error("the issuer's keys could not be fetched")]
    Request {
        /// What the client said, without the address.
        #[source]
        source: reqwest::Error,
    },
    /// An answer other than 200. Redirects are not followed.
    #[error("the issuer answered {status} instead of its keys")]
    Status {
        /// The status.
        status: StatusCode,
    },
    /// An answer that is too long.
    #[error("the issuer's keys are longer than {max} bytes", max = JWKS_BYTES_MAX)]
    TooLong,
    /// An answer that is no usable key set.
    #[error("the issuer's keys are not usable")]
    KeySet {
        /// What is wrong with it.
        #[source]
        source: KeySetError,
    },
}

/// The keys behind an address.
pub(super) struct RemoteKeys {
    url: Url,
    client: Client,
    trust: Arc<Trust>,
    /// Keys that are accepted besides, wherever the issuer is.
    pinned: KeySet,
    refresh: Duration,
    state: RwLock<State>,
    /// When the issuer was last asked; held while it is, so that one asks for all.
    attempted: Mutex<Option<Instant>>,
}

struct State {
    keys: Arc<KeySet>,
    /// Of the answer that `keys` were read from.
    digest: Option<Vec<u8>>,
    refresh_after: Instant,
}

/// What somebody hopes to find at the issuer.
enum Wanted {
    Anything,
    Key(Option<String>),
}

impl RemoteKeys {
    pub(super) fn new(
        url: Url,
        trust: Arc<Trust>,
        pinned: KeySet,
        refresh: Duration,
    ) -> Result<Arc<Self>, reqwest::Error> {
        let builder = Client::builder()
            .timeout(FETCH_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .user_agent(concat!("baycase/", env!("CARGO_PKG_VERSION")));
        // Without TLS the system's certificates are not needed, and a machine may have none.
        let builder = match url.scheme() {
            "http" => builder.tls_certs_only([]),
            _ => builder,
        };
        Ok(Arc::new(Self {
            url,
            client: builder.build()?,
            trust,
            state: RwLock::new(State { keys: Arc::new(pinned.clone()), digest: None, refresh_after: Instant::now() }),
            pinned,
            refresh,
            attempted: Mutex::new(None),
        }))
    }

    /// The keys at hand. When they have aged, they are fetched again behind the caller's back.
    pub(super) fn current(self: &Arc<Self>) -> Arc<KeySet> {
        if self.claim_refresh() {
            // Ends by itself: the client has a timeout.
            let this = Arc::clone(self);
            drop(tokio::spawn(async move {
                if let Err(error) = this.fetch(Wanted::Anything).await {
                    report(&error);
                }
            }));
        }
        self.keys()
    }

    /// The keys, after asking the issuer for one that nobody here knows.
    pub(super) async fn look_for(self: &Arc<Self>, kid: Option<&str>) -> Arc<KeySet> {
        if self.attempted.try_lock().is_ok_and(|attempted| is_recent(*attempted)) {
            return self.keys();
        }
        // A task of its own, so that a client who hangs up does not spoil the attempt for everybody.
        let this = Arc::clone(self);
        let wanted = Wanted::Key(kid.map(str::to_owned));
        match tokio::spawn(async move { this.fetch(wanted).await }).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => report(&error),
            Err(error) => error!(%error, "The task that fetches the issuer's keys failed"),
        }
        self.keys()
    }

    /// Asks the issuer now, whatever was asked before.
    pub(super) async fn refresh_now(&self) -> Result<(), KeyFetchError> {
        let mut attempted = self.attempted.lock().await;
        *attempted = Some(Instant::now());
        self.download_and_store().await
    }

    /// Whether the issuer has ever answered.
    pub(super) fn has_answered(&self) -> bool {
        self.read(|state| state.digest.is_some())
    }

    fn keys(&self) -> Arc<KeySet> {
        self.read(|state| Arc::clone(&state.keys))
    }

    fn claim_refresh(&self) -> bool {
        let now = Instant::now();
        if self.read(|state| state.refresh_after > now) {
            return false;
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.refresh_after > now {
            return false;
        }
        state.refresh_after = now + ATTEMPTS_APART;
        true
    }

    async fn fetch(&self, wanted: Wanted) -> Result<(), KeyFetchError> {
        let mut attempted = self.attempted.lock().await;
        // Whoever held the lock may have brought the key.
        if matches!(&wanted, Wanted::Key(kid) if self.keys().knows(kid.as_deref())) {
            return Ok(());
        }
        if is_recent(*attempted) {
            return Ok(());
        }
        *attempted = Some(Instant::now());
        self.download_and_store().await
    }

    async fn download_and_store(&self) -> Result<(), KeyFetchError> {
        let body = self.download().await?;
        let fingerprint = digest(&SHA256, &body).as_ref().to_vec();
        let fetched = KeySet::parse(&body, &self.trust).map_err(|source| KeyFetchError::KeySet { source })?;

        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.refresh_after = Instant::now() + self.refresh;
        if state.digest.as_deref() != Some(fingerprint.as_slice()) {
            let mut keys = fetched.with(&self.pinned);
            keys.generation = state.keys.generation.saturating_add(1);
            state.keys = Arc::new(keys);
            state.digest = Some(fingerprint);
            info!("The issuer's keys have changed and are in use");
        }
        Ok(())
    }

    async fn download(&self) -> Result<Vec<u8>, KeyFetchError> {
        let failed = |source: reqwest::Error| KeyFetchError::Request { source: source.without_url() };
        let mut response = self.client.get(self.url.clone()).send().await.map_err(failed)?;
        if response.status() != StatusCode::OK {
            return Err(KeyFetchError::Status { status: response.status() });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > JWKS_BYTES_MAX {
                return Err(KeyFetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn is_recent(attempted: Option<Instant>) -> bool {
    attempted.is_some_and(|at| at.elapsed() < ATTEMPTS_APART)
}

fn report(error: &KeyFetchError) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    warn!(%error, cause, "The issuer's keys could not be refreshed; those at hand stay in use");
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::http::header::LOCATION;
    use axum::routing::get;
    use serde_json::json;

    use super::*;

    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn jwks(kid: &str) -> String {
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": X }] }).to_string()
    }

    /// Serves `router` until the test ends, and gives keys that are fetched from `/jwks` there.
    async fn keys_of(router: Router) -> Arc<RemoteKeys> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let trust = Arc::new(Trust { issuer: "issuer".to_owned(), audience: "baycase".to_owned() });
        let url = Url::parse(&format!("http://{address}/jwks")).unwrap();
        RemoteKeys::new(url, trust, KeySet::empty(), Duration::from_secs(300)).unwrap()
    }

    #[tokio::test]
    async fn one_request_serves_all_who_wait_and_no_other_follows_soon() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let answer = move || async move {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(50)).await;
            jwks("a")
        };
        let keys = keys_of(Router::new().route("/jwks", get(answer))).await;

        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let keys = Arc::clone(&keys);
                tokio::spawn(async move { keys.look_for(Some("a")).await.knows(Some("a")) })
            })
            .collect();
        for task in waiting {
            assert!(task.await.unwrap());
        }
        assert!(!keys.look_for(Some("b")).await.knows(Some("b")));
        assert!(keys.has_answered());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_unchanged_answer_keeps_the_generation() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let answer = move || async move {
            match counter.fetch_add(1, Ordering::SeqCst) {
                0 | 1 => jwks("a"),
                _ => jwks("b"),
            }
        };
        let keys = keys_of(Router::new().route("/jwks", get(answer))).await;

        keys.refresh_now().await.unwrap();
        assert_eq!(keys.keys().generation, 1);
        keys.refresh_now().await.unwrap();
        assert_eq!(keys.keys().generation, 1);
        keys.refresh_now().await.unwrap();
        assert_eq!(keys.keys().generation, 2);
        assert!(!keys.keys().knows(Some("a")), "a withdrawn key is gone");
    }

    #[tokio::test]
    async fn answers_that_are_no_keys_are_refused() {
        let long = keys_of(Router::new().route("/jwks", get(|| async { " ".repeat(JWKS_BYTES_MAX + 1) }))).await;
        let empty = keys_of(Router::new().route("/jwks", get(|| async { r#"{"keys":[]}"# }))).await;
        let moved =
            keys_of(Router::new().route("/jwks", get(|| async { (StatusCode::FOUND, [(LOCATION, "/other")]) }))).await;

        assert!(matches!(long.refresh_now().await, Err(KeyFetchError::TooLong)));
        assert!(matches!(empty.refresh_now().await, Err(KeyFetchError::KeySet { .. })));
        assert!(matches!(moved.refresh_now().await, Err(KeyFetchError::Status { status: StatusCode::FOUND })));
        assert!(!long.has_answered());
    }
}
