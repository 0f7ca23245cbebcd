//! Test doubles of the account ports, in memory, and the switches by which tests make ports fail or stall.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::pending;
use std::sync::Arc;
use std::time::Instant;

use halley_core::app::{App, AppSettings};
use halley_core::clock::{Clock, Now};
use halley_core::command::SendOutcome;
use halley_core::device::DeviceRecord;
use halley_core::group::Group;
use halley_core::ids::{AppId, GroupId, UserId};
use halley_core::key::SyncKey;
use halley_core::message::Content;
use halley_core::ports::PortError;
use halley_core::ports::accounts::{Apps, TokenGrant, Tokens, USER_NAME_BYTES_MAX, Unknown, Users};
use halley_core::ports::backup::BackupStatus;
use halley_core::ports::business::{
    BusinessSend, EntryError, GroupError, Revoke, RevokeError, SystemMessage,
};
use halley_core::ports::floors::FloorOf;
use halley_core::ports::relations::Relation;
use halley_core::record::Entry;
use halley_core::reply::Reply;
use halley_core::session::{ConnAddr, KickReason, SessionInfo};
use halley_core::timeline::TimelineId;
use parking_lot::Mutex;

/// The time it always is.
pub(crate) const NOW_MS: u64 = 1_800_000_000_000;

/// How ports behave.
#[derive(Clone, Default)]
pub(crate) enum Mode {
    #[default]
    Works,
    Fails(PortError),
    Stalls,
}

#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) mode: Mode,
    /// Calls that will never be answered.
    pub(crate) stalled: usize,
    pub(crate) apps: Vec<Arc<App>>,
    pub(crate) aliases: Vec<Arc<str>>,
    pub(crate) tokens: HashMap<(AppId, String), TokenGrant>,
    pub(crate) groups: BTreeMap<(AppId, GroupId), Arc<Group>>,
    /// Every change that was asked for: operator, silent.
    pub(crate) asked: Vec<(Option<UserId>, bool)>,
    /// Why no group is made or changed.
    pub(crate) group_refusal: Option<GroupError>,
    pub(crate) relations: BTreeMap<(AppId, UserId, UserId), Relation>,
    pub(crate) forbidden: HashSet<(AppId, UserId)>,
    pub(crate) sessions: Vec<SessionInfo>,
    pub(crate) devices: Vec<DeviceRecord>,
    pub(crate) kicks: Vec<(ConnAddr, KickReason)>,
    pub(crate) kicks_refused: bool,
    pub(crate) sends: Vec<BusinessSend>,
    pub(crate) outcome: Option<SendOutcome>,
    pub(crate) revokes: Vec<Revoke>,
    pub(crate) revoke_refused: Option<RevokeError>,
    pub(crate) system: Vec<SystemMessage>,
    pub(crate) entry_error: Option<EntryError>,
    pub(crate) announced: Vec<Content>,
    pub(crate) entries: Vec<(TimelineId, Entry)>,
    pub(crate) last_key: u64,
    pub(crate) backup: Option<BackupStatus>,
    pub(crate) floors: Vec<(FloorOf, SyncKey)>,
}

/// Everything behind the API.
pub(crate) struct World {
    pub(crate) contents: Mutex<Contents>,
    started: Instant,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { contents: Mutex::default(), started: Instant::now() }
    }

    pub(crate) fn add_app(&self, name: &str) -> Arc<App> {
        let mut contents = self.contents.lock();
        let number = u32::try_from(contents.apps.len()).expect("few apps") + 1;
        let app = Arc::new(App { id: AppId(number), name: name.into(), settings: AppSettings::default() });
        contents.apps.push(Arc::clone(&app));
        app
    }

    /// From now on every port fails like this.
    pub(crate) fn fail(&self, error: PortError) {
        self.contents.lock().mode = Mode::Fails(error);
    }

    /// From now on no port ever answers.
    pub(crate) fn stall(&self) {
        self.contents.lock().mode = Mode::Stalls;
    }

    /// What a port does in the present mode.
    pub(crate) fn answer<T: Send + 'static, E: From<PortError> + Send + 'static>(
        &self,
        work: impl FnOnce(&mut Contents) -> Result<T, E>,
    ) -> Reply<Result<T, E>> {
        let mut contents = self.contents.lock();
        match contents.mode.clone() {
            Mode::Works => Reply::Ready(work(&mut contents)),
            Mode::Fails(error) => Reply::Ready(Err(error.into())),
            Mode::Stalls => {
                contents.stalled += 1;
                Reply::later(pending())
            }
        }
    }
}

impl Clock for World {
    fn now(&self) -> Now {
        Now { mono: self.started, wall_ms: NOW_MS }
    }
}

impl Apps for World {
    fn by_name(&self, name: &str) -> Reply<Result<Option<Arc<App>>, PortError>> {
        self.answer(|contents| Ok(contents.apps.iter().find(|app| &*app.name == name).cloned()))
    }

    fn by_id(&self, id: AppId) -> Reply<Result<Option<Arc<App>>, PortError>> {
        self.answer(|contents| Ok(contents.apps.iter().find(|app| app.id == id).cloned()))
    }

    fn list(&self) -> Reply<Result<Vec<Arc<App>>, PortError>> {
        self.answer(|contents| Ok(contents.apps.clone()))
    }

    fn put(&self, name: &str, settings: AppSettings) -> Reply<Result<Arc<App>, PortError>> {
        self.answer(|contents| {
            let apps = &mut contents.apps;
            let at = apps.iter().position(|app| &*app.name == name).unwrap_or(apps.len());
            let app = Arc::new(App {
                id: AppId(u32::try_from(at).expect("few apps") + 1),
                name: name.into(),
                settings,
            });
            apps.truncate(apps.len().max(at));
            if at < apps.len() {
                apps[at] = Arc::clone(&app);
            } else {
                apps.push(Arc::clone(&app));
            }
            Ok(app)
        })
    }
}

impl Users for World {
    fn number(&self, _app: AppId, name: &str, unknown: Unknown) -> Reply<Result<Option<UserId>, PortError>> {
        self.answer(|contents| {
            if name.is_empty() || name.len() > USER_NAME_BYTES_MAX {
                return Ok(None);
            }
            if let Some(user) = UserId::from_decimal(name) {
                return Ok(Some(user));
            }
            let known = contents.aliases.iter().position(|alias| &**alias == name);
            let at = match (known, unknown) {
                (Some(at), _) => at,
                (None, Unknown::Refuse) => return Ok(None),
                (None, Unknown::Number) => {
                    contents.aliases.push(name.into());
                    contents.aliases.len() - 1
                }
            };
            Ok(Some(UserId(UserId::ALIAS_FIRST.0 + i64::try_from(at).expect("few"))))
        })
    }

    fn name(&self, _app: AppId, user: UserId) -> Reply<Result<Option<Arc<str>>, PortError>> {
        self.answer(|contents| {
            if !user.is_alias() {
                return Ok(Some(user.to_string().into()));
            }
            let at = usize::try_from(user.0 - UserId::ALIAS_FIRST.0).expect("an alias");
            Ok(contents.aliases.get(at).cloned())
        })
    }
}

impl Tokens for World {
    fn verify(&self, app: AppId, token: &str, now_ms: u64) -> Reply<Result<Option<TokenGrant>, PortError>> {
        let key = (app, token.to_owned());
        self.answer(|contents| {
            let grant = contents.tokens.get(&key).copied();
            Ok(grant.filter(|grant| grant.expires_ms > now_ms))
        })
    }

    fn put(&self, app: AppId, token: &str, grant: TokenGrant) -> Reply<Result<(), PortError>> {
        let key = (app, token.to_owned());
        self.answer(|contents| {
            contents.tokens.insert(key, grant);
            Ok(())
        })
    }

    fn remove(&self, app: AppId, token: &str) -> Reply<Result<Option<TokenGrant>, PortError>> {
        let key = (app, token.to_owned());
        self.answer(|contents| Ok(contents.tokens.remove(&key)))
    }
}
