//! Devices: whose cursor a connection moves, and where a new one starts (ruling 6).

use std::fmt;
use std::sync::Arc;

use crate::ids::{AppId, GroupId, UserId};
use crate::key::SyncKey;

/// The class of a device; one person's phones share what they have seen, a new one starts there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DeviceClass {
    /// Android, iOS.
    Phone,
    /// Windows, Linux, macOS.
    Desktop,
    /// A browser.
    Web,
}

impl DeviceClass {
    /// A stable name, used in keys and shown to operators.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Desktop => "desktop",
            Self::Web => "web",
        }
    }

    /// The class of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Phone, Self::Desktop, Self::Web].into_iter().find(|class| class.as_str() == name)
    }
}

/// A device of a user: its uuid, or class and name where it has none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeviceKey(pub Arc<str>);

/// Longest device key kept, in bytes; a longer uuid or name is refused at login.
pub const DEVICE_KEY_BYTES_MAX: usize = 255;

impl DeviceKey {
    /// The key of a device that says this of itself; an empty uuid falls back to class and name.
    #[must_use]
    pub fn new(uuid: &str, class: DeviceClass, name: &str) -> Self {
        if uuid.is_empty() {
            Self(format!("{}:{name}", class.as_str()).into())
        } else {
            Self(format!("id:{uuid}").into())
        }
    }

    /// The device's own id; empty when it has none.
    #[must_use]
    pub fn uuid(&self) -> &str {
        self.0.strip_prefix("id:").unwrap_or_default()
    }
}

/// What a client said of its device at login.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Whose cursor it is.
    pub key: DeviceKey,
    /// Its class.
    pub class: DeviceClass,
    /// The dialect's own type number (txchat `Device`, spec 2.6).
    pub platform: i32,
    /// Its name, for people.
    pub name: Arc<str>,
}

/// A device as it is remembered: what it said at its newest login.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceRecord {
    /// The app.
    pub app: AppId,
    /// The user.
    pub user: UserId,
    /// Which one.
    pub key: DeviceKey,
    /// Its class.
    pub class: DeviceClass,
    /// The dialect's own type number.
    pub platform: i32,
    /// Its name, for people.
    pub name: Arc<str>,
    /// The name the user goes by on it, for people.
    pub user_name: Arc<str>,
    /// Where a third party pushes to it; empty when nowhere. Secret: never logged.
    pub push_token: Arc<str>,
    /// When, unix milliseconds.
    pub logged_in_ms: u64,
}

impl fmt::Debug for DeviceRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("DeviceRecord");
        debug.field("app", &self.app).field("user", &self.user).field("key", &self.key);
        debug.field("logged_in_ms", &self.logged_in_ms).finish_non_exhaustive()
    }
}

/// Most devices remembered of a user; the one least recently logged in goes.
pub const DEVICES_MAX: usize = 100;
/// Longest name of a device, and of a user on it, in bytes.
pub const DEVICE_NAME_BYTES_MAX: usize = 255;
/// Longest push token, in bytes.
pub const PUSH_TOKEN_BYTES_MAX: usize = 1_024;

/// How far a device has acknowledged what is for its user: the inbox, and the feeds of its user's super groups. Never
/// leads: everything at or below was acknowledged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceCursor {
    /// The app.
    pub app: AppId,
    /// The user.
    pub user: UserId,
    /// The device.
    pub device: DeviceKey,
    /// Its class.
    pub class: DeviceClass,
    /// The last key of the contiguous acknowledged prefix; of the inbox, and of every feed that is not in `lagging`.
    pub position: SyncKey,
    /// The feeds that stand elsewhere, mostly further back, each with its own position.
    pub lagging: Vec<(GroupId, SyncKey)>,
    /// When it was last moved or confirmed, unix milliseconds.
    pub updated_ms: u64,
}

/// A place to start from, as [`DeviceCursor`] has it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Start {
    /// Of the inbox and the feeds.
    pub position: SyncKey,
    /// Of the feeds that stand elsewhere.
    pub lagging: Vec<(GroupId, SyncKey)>,
}

impl Start {
    /// Everything from here.
    #[must_use]
    pub fn at(position: SyncKey) -> Self {
        Self { position, lagging: Vec::new() }
    }

    /// This or `position`, whatever is lower.
    #[must_use]
    pub fn at_most(mut self, position: SyncKey) -> Self {
        if position < self.position {
            // What stands further on than the rest has been acknowledged; it is shown again with the rest.
            self.lagging.retain(|(_, at)| *at < position);
            self.position = position;
        }
        self
    }
}

impl From<&DeviceCursor> for Start {
    fn from(cursor: &DeviceCursor) -> Self {
        Self { position: cursor.position, lagging: cursor.lagging.clone() }
    }
}

/// Where a device starts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DeviceStart {
    /// Here.
    At(Start),
    /// Here or at the look-back bound (7 days or 1,000 entries, whichever is less), whatever is lower.
    AtMost(Start),
}

/// First of its class: look back at least this long, unless [`LOOK_BACK_ENTRIES_MAX`] is less.
pub const LOOK_BACK_MS: u64 = 7 * 24 * 3_600_000;
/// First of its class: look back at least this many entries, unless [`LOOK_BACK_MS`] is less.
pub const LOOK_BACK_ENTRIES_MAX: usize = 1_000;

/// Where `device` starts, given the cursors its user's devices have (ruling 6).
#[must_use]
pub fn start_of(device: &DeviceKey, class: DeviceClass, known: &[DeviceCursor]) -> DeviceStart {
    if let Some(own) = known.iter().find(|cursor| cursor.device == *device) {
        return DeviceStart::At(own.into());
    }
    let furthest = |of: Option<DeviceClass>| {
        let of_class = known.iter().filter(|cursor| of.is_none_or(|class| cursor.class == class));
        of_class.max_by_key(|cursor| cursor.position)
    };
    if let Some(cursor) = furthest(Some(class)) {
        return DeviceStart::At(cursor.into());
    }
    match furthest(None) {
        Some(cursor) => DeviceStart::AtMost(cursor.into()),
        None => DeviceStart::At(Start::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(name: &str, class: DeviceClass, place: i64) -> DeviceCursor {
        let position = SyncKey::from_raw(place).expect("positive");
        let device = DeviceKey::new(name, class, "");
        DeviceCursor {
            app: AppId(1),
            user: UserId(1),
            device,
            class,
            position,
            lagging: vec![(GroupId(7), SyncKey::from_raw(place / 2).expect("positive"))],
            updated_ms: 0,
        }
    }

    #[test]
    fn a_new_device_starts_where_ruling_6_says() {
        let known = [
            cursor("a", DeviceClass::Phone, 10),
            cursor("b", DeviceClass::Phone, 30),
            cursor("c", DeviceClass::Web, 50),
        ];
        let key = |raw| SyncKey::from_raw(raw).expect("positive");
        let at = |raw| Start { position: key(raw), lagging: vec![(GroupId(7), key(raw / 2))] };
        let start = |uuid, class| start_of(&DeviceKey::new(uuid, class, ""), class, &known);
        assert_eq!(start("a", DeviceClass::Phone), DeviceStart::At(at(10)), "its own cursor");
        assert_eq!(start("new", DeviceClass::Phone), DeviceStart::At(at(30)), "the furthest of its class");
        assert_eq!(
            start("new", DeviceClass::Desktop),
            DeviceStart::AtMost(at(50)),
            "the furthest of any class"
        );
        let first = start_of(&DeviceKey::new("x", DeviceClass::Web, ""), DeviceClass::Web, &[]);
        assert_eq!(first, DeviceStart::At(Start::default()), "the first device gets the whole inbox");
        assert_eq!(at(50).at_most(key(60)), at(50));
        assert_eq!(at(50).at_most(key(26)), Start { position: key(26), ..at(50) });
        assert_eq!(at(50).at_most(key(20)), Start::at(key(20)), "the feed is shown again with the rest");
    }
}
