//! Settings of apps as the API takes and gives them.
//!
//! A secret goes in and never comes out: an answer has stars in its place, and stars that are sent back keep it.

use halley_core::app::{
    App, AppSettings, AuthMethod, GobelieveCompat, HttpAuthForm, HttpAuthSettings, JwtAlgorithm, JwtSettings,
    Retention,
};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::errors::ApiError;
use crate::extract::Object;
use crate::whole::Whole;

/// What stands for a secret that is set.
const STARS: &str = "***";

/// What a call says of a field.
#[derive(Default)]
pub(crate) enum Change<T> {
    /// Nothing: it is absent.
    #[default]
    Keep,
    /// `null`: back to what it is without.
    Clear,
    /// A value.
    Set(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Option::deserialize(deserializer)?;
        Ok(given.map_or(Self::Clear, Self::Set))
    }
}

impl<T> Change<T> {
    fn apply<U: Default>(self, to: &mut U, set: impl FnOnce(T) -> U) {
        match self {
            Self::Keep => {}
            Self::Clear => *to = U::default(),
            Self::Set(value) => *to = set(value),
        }
    }
}

/// A way of proving who one is.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuthName {
    /// Access tokens (`/v1/apps/{app}/tokens`).
    Token,
    /// JSON web tokens.
    Jwt,
    /// Signed tokens of the txchat dialect.
    Signature,
    /// The app's own server is asked.
    Http,
    /// The token is the user id. For development only.
    Dev,
}

impl From<AuthName> for AuthMethod {
    fn from(name: AuthName) -> Self {
        match name {
            AuthName::Token => Self::Token,
            AuthName::Jwt => Self::Jwt,
            AuthName::Signature => Self::Signature,
            AuthName::Http => Self::Http,
            AuthName::Dev => Self::Dev,
        }
    }
}

/// A signature algorithm of JSON web tokens.
#[derive(ToSchema)]
#[schema(as = JwtAlgorithm)]
#[expect(dead_code, reason = "the document's name for core's type")]
enum AlgorithmName {
    #[schema(rename = "HS256")]
    Hs256,
    #[schema(rename = "RS256")]
    Rs256,
    #[schema(rename = "ES256")]
    Es256,
    #[schema(rename = "EdDSA")]
    EdDsa,
}

/// Settings; what is not given keeps its value, and `null` takes it back to its default.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutApp {
    /// Accepted ways of authentication, tried in order until one says yes.
    #[schema(min_items = 1)]
    auth: Option<Vec<AuthName>>,
    /// Which generation the app's gobelieve clients are of.
    #[schema(value_type = Option<String>, example = "2023", pattern = "^(2017|2023)$")]
    gobelieve_compat: Option<GobelieveCompat>,
    /// How JSON web tokens are checked.
    #[schema(value_type = Option<PutJwt>)]
    #[serde(default)]
    jwt: Change<Object<PutJwt>>,
    /// How the app's own server is asked.
    #[schema(value_type = Option<PutHttpAuth>)]
    #[serde(default)]
    http_auth: Change<Object<PutHttpAuth>>,
    /// A signed token opens one connection only.
    replay_guard: Option<bool>,
    /// Private messages between friends only: who sends must have the receiver as a friend, and be one of the
    /// receiver's. Off in the beginning.
    friends_only: Option<bool>,
    /// Private messages of users whom the receiver has blacklisted are refused. On in the beginning.
    blacklist: Option<bool>,
    /// How long messages are kept.
    #[schema(value_type = Option<PutRetention>)]
    #[serde(default)]
    retention: Change<Object<PutRetention>>,
    /// How long after sending an author may revoke a message, in seconds; 86,400 in the beginning.
    #[schema(value_type = Option<u64>)]
    revoke_within_s: Option<Whole<u64>>,
}

/// How JSON web tokens are checked; at least one of `secret`, `public_key` and `key_set_file`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PutJwt {
    /// Accepted algorithms; empty or null accepts what the keys can check.
    #[schema(value_type = Option<Vec<AlgorithmName>>)]
    #[serde(default)]
    algorithms: Change<Vec<JwtAlgorithm>>,
    /// The shared secret of HS256, at least 32 bytes. Never shown again; `***` keeps it.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    secret: Change<String>,
    /// A public key in PEM form, for RS256, ES256 or EdDSA.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    public_key: Change<String>,
    /// Absolute path of a JSON web key set on the server; read again when it changes.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    key_set_file: Change<String>,
    /// What `iss` must be.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    issuer: Change<String>,
    /// What `aud` must be or contain.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    audience: Change<String>,
    /// The claim with the user id; `sub` when empty or null.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    user_claim: Change<String>,
    /// How much clocks may differ, in seconds.
    #[schema(value_type = Option<u32>, maximum = 300)]
    #[serde(default)]
    leeway_s: Change<Whole<u32>>,
}

/// How the app's own server is asked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PutHttpAuth {
    /// Its address.
    #[schema(example = "http://127.0.0.1:19000/user/login")]
    url: Option<String>,
    /// `dtalk`: POST with `FZM-SIGNATURE`. `zhaobi`: GET with `Authorization`.
    #[schema(value_type = Option<String>, example = "dtalk", pattern = "^(dtalk|zhaobi)$")]
    form: Option<HttpAuthForm>,
    /// Until an answer must be here, in milliseconds.
    #[schema(value_type = Option<u32>, minimum = 100, maximum = 30000)]
    timeout_ms: Option<Whole<u32>>,
    /// How long a yes is remembered, in seconds; a no never is.
    #[schema(value_type = Option<u32>, maximum = 3600)]
    cache_s: Option<Whole<u32>>,
}

/// How long messages are kept; null is for ever.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PutRetention {
    /// At most so old, in seconds.
    #[schema(value_type = Option<u64>, minimum = 1)]
    #[serde(default)]
    age_s: Change<Whole<u64>>,
    /// At most so many entries of each timeline.
    #[schema(value_type = Option<u64>, minimum = 1)]
    #[serde(default)]
    entries: Change<Whole<u64>>,
}

impl PutApp {
    /// Changes what is given.
    pub(crate) fn change(self, settings: &mut AppSettings) -> Result<(), ApiError> {
        if let Some(auth) = self.auth {
            settings.auth = auth.into_iter().map(Into::into).collect();
        }
        let before = settings.jwt.take();
        settings.jwt = match self.jwt {
            Change::Keep => before,
            Change::Clear => None,
            Change::Set(Object(put)) => Some(put.over(before.unwrap_or_default())),
        };
        let before = settings.http_auth.take();
        settings.http_auth = match self.http_auth {
            Change::Keep => before,
            Change::Clear => None,
            Change::Set(Object(put)) => Some(put.over(before.unwrap_or_default())),
        };
        match self.retention {
            Change::Keep => {}
            Change::Clear => settings.retention = Retention::default(),
            Change::Set(Object(put)) => {
                put.age_s.apply(&mut settings.retention.age_s, |Whole(age_s)| Some(age_s));
                put.entries.apply(&mut settings.retention.entries, |Whole(entries)| Some(entries));
            }
        }
        settings.gobelieve_compat = self.gobelieve_compat.unwrap_or(settings.gobelieve_compat);
        settings.replay_guard = self.replay_guard.unwrap_or(settings.replay_guard);
        settings.friends_only = self.friends_only.unwrap_or(settings.friends_only);
        settings.blacklist = self.blacklist.unwrap_or(settings.blacklist);
        settings.revoke_within_s =
            self.revoke_within_s.map_or(settings.revoke_within_s, |Whole(within_s)| within_s);
        settings.check().map_err(|bad| ApiError::field(bad.field, bad.why))
    }
}

impl PutJwt {
    fn over(self, mut jwt: JwtSettings) -> JwtSettings {
        let text = |text: String| text;
        self.algorithms.apply(&mut jwt.algorithms, |algorithms| algorithms);
        match self.secret {
            Change::Set(stars) if stars == STARS => {}
            secret => secret.apply(&mut jwt.secret, text),
        }
        self.public_key.apply(&mut jwt.public_key, text);
        self.key_set_file.apply(&mut jwt.key_set_file, text);
        self.issuer.apply(&mut jwt.issuer, text);
        self.audience.apply(&mut jwt.audience, text);
        self.user_claim.apply(&mut jwt.user_claim, text);
        self.leeway_s.apply(&mut jwt.leeway_s, |Whole(leeway_s)| leeway_s);
        jwt
    }
}

impl PutHttpAuth {
    fn over(self, before: HttpAuthSettings) -> HttpAuthSettings {
        HttpAuthSettings {
            url: self.url.unwrap_or(before.url),
            form: self.form.unwrap_or(before.form),
            timeout_ms: self.timeout_ms.map_or(before.timeout_ms, |Whole(timeout_ms)| timeout_ms),
            cache_s: self.cache_s.map_or(before.cache_s, |Whole(cache_s)| cache_s),
        }
    }
}

/// An app and its settings.
#[derive(Serialize, ToSchema)]
pub(crate) struct AppBody {
    #[schema(example = "demo")]
    app: String,
    /// Its number within the installation.
    #[schema(example = "1")]
    app_id: String,
    /// Accepted ways of authentication, tried in order.
    #[schema(value_type = Vec<AuthName>)]
    auth: Vec<AuthMethod>,
    #[schema(value_type = String, example = "2023")]
    gobelieve_compat: GobelieveCompat,
    /// Null when not set.
    #[schema(value_type = Option<JwtBody>)]
    jwt: Option<JwtBody>,
    /// Null when not set.
    #[schema(value_type = Option<HttpAuthBody>)]
    http_auth: Option<HttpAuthBody>,
    /// A signed token opens one connection only.
    replay_guard: bool,
    /// Private messages between friends only.
    friends_only: bool,
    /// Private messages of users whom the receiver has blacklisted are refused.
    blacklist: bool,
    #[schema(value_type = RetentionBody)]
    retention: RetentionBody,
    /// How long after sending an author may revoke a message, in seconds.
    revoke_within_s: u64,
}

/// How JSON web tokens are checked.
#[derive(Serialize, ToSchema)]
struct JwtBody {
    #[schema(value_type = Vec<AlgorithmName>)]
    algorithms: Vec<JwtAlgorithm>,
    /// `***` when there is one; null when not.
    secret: Option<&'static str>,
    public_key: String,
    key_set_file: String,
    issuer: String,
    audience: String,
    user_claim: String,
    leeway_s: u32,
}

/// How the app's own server is asked.
#[derive(Serialize, ToSchema)]
struct HttpAuthBody {
    url: String,
    #[schema(value_type = String, example = "dtalk")]
    form: HttpAuthForm,
    timeout_ms: u32,
    cache_s: u32,
}

/// How long messages are kept; null is for ever.
#[derive(Serialize, ToSchema)]
struct RetentionBody {
    age_s: Option<u64>,
    entries: Option<u64>,
}

impl From<&App> for AppBody {
    fn from(app: &App) -> Self {
        let settings = app.settings.clone();
        Self {
            app: app.name.to_string(),
            app_id: app.id.to_string(),
            auth: settings.auth,
            gobelieve_compat: settings.gobelieve_compat,
            jwt: settings.jwt.map(Into::into),
            http_auth: settings.http_auth.map(Into::into),
            replay_guard: settings.replay_guard,
            friends_only: settings.friends_only,
            blacklist: settings.blacklist,
            retention: RetentionBody { age_s: settings.retention.age_s, entries: settings.retention.entries },
            revoke_within_s: settings.revoke_within_s,
        }
    }
}

impl From<JwtSettings> for JwtBody {
    fn from(jwt: JwtSettings) -> Self {
        Self {
            algorithms: jwt.algorithms,
            secret: (!jwt.secret.is_empty()).then_some(STARS),
            public_key: jwt.public_key,
            key_set_file: jwt.key_set_file,
            issuer: jwt.issuer,
            audience: jwt.audience,
            user_claim: jwt.user_claim,
            leeway_s: jwt.leeway_s,
        }
    }
}

impl From<HttpAuthSettings> for HttpAuthBody {
    fn from(http: HttpAuthSettings) -> Self {
        Self { url: http.url, form: http.form, timeout_ms: http.timeout_ms, cache_s: http.cache_s }
    }
}
