//! Where refresh tokens and the custom tokens of guests are exchanged.

use warp2api_upstream_sim::EmbeddedCredential;

use crate::config::EMBEDDED_URL;
use crate::read::Reader;

/// The address of the token exchange. `Debug` leaves the key in its query out.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenUrl(pub String);

impl std::fmt::Debug for TokenUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.split('?').next().unwrap_or_default())
    }
}

/// Where refresh tokens and the custom tokens of guests are exchanged, as far as it does not depend on the upstream.
pub(crate) struct ExchangeSettings {
    token: Option<String>,
    identity: Option<String>,
    key: Option<String>,
}

impl ExchangeSettings {
    pub(crate) fn read(read: &mut Reader) -> Self {
        let what = "the address of a token exchange; its key goes into WARP_FIREBASE_API_KEY";
        let token = read.take(|s| &mut s.warp_token_url);
        let identity = read.take(|s| &mut s.warp_identity_url);
        Self {
            token: token.map(|written| read.url("warp_token_url", &written, what)),
            identity: identity.map(|written| read.url("warp_identity_url", &written, what)),
            key: read.take(|s| &mut s.warp_firebase_api_key),
        }
    }

    pub(crate) fn token_url(&self, root: &str) -> TokenUrl {
        self.url(self.token.as_deref(), root, "/proxy/token")
    }

    pub(crate) fn identity_url(&self, root: &str) -> TokenUrl {
        self.url(self.identity.as_deref(), root, "/proxy/customToken")
    }

    fn url(&self, written: Option<&str>, root: &str, path: &str) -> TokenUrl {
        let url = written.map_or_else(|| format!("{root}{path}"), str::to_owned);
        let embedded = (root == EMBEDDED_URL).then_some(EmbeddedCredential::WEB_API_KEY);
        TokenUrl(match self.key.as_deref().or(embedded) {
            Some(key) => format!("{url}?key={key}"),
            None => url,
        })
    }
}
