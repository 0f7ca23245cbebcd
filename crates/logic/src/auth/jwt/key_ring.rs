//! The keys of all apps: made from the settings once, and the key set read again when its file changes.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use halley_core::app::{App, JwtSettings};
use halley_core::ids::AppId;
use parking_lot::Mutex;

use super::key_set;
use super::keys::Keys;

/// Largest key set file, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// What tells one state of a file from another: device, inode, length and time of change.
type Stamp = (u64, u64, u64, i64, i64);

struct Known {
    /// Settings are replaced, never changed in place.
    app: Arc<App>,
    stamp: Option<Stamp>,
    /// `None`: the key set cannot be read, so nothing is accepted.
    keys: Option<Arc<Keys>>,
}

/// See the module.
#[derive(Default)]
pub(in crate::auth) struct KeyRing(Mutex<HashMap<AppId, Known>>);

impl KeyRing {
    /// The keys of an app with these settings; `None` when its key set cannot be used. Reads a file: not for a bucket's
    /// thread.
    pub(in crate::auth) fn of(&self, app: &Arc<App>, settings: &JwtSettings) -> Option<Arc<Keys>> {
        let file = Some(&settings.key_set_file).filter(|path| !path.is_empty());
        let stamp = file.and_then(|path| fs::metadata(path).ok()).map(|metadata| {
            let (device, inode, length) = (metadata.dev(), metadata.ino(), metadata.size());
            (device, inode, length, metadata.mtime(), metadata.mtime_nsec())
        });
        let mut known = self.0.lock();
        if let Some(known) = known.get(&app.id)
            && Arc::ptr_eq(&known.app, app)
            && known.stamp == stamp
            && (file.is_none() || stamp.is_some() || known.keys.is_none())
        {
            return known.keys.clone();
        }
        let keys = match file.map(|path| read(path)).transpose() {
            Ok(set) => Some(Arc::new(Keys::new(settings, set))),
            Err(why) => {
                tracing::warn!(app = %app.name, why, "the key set of an app cannot be used: its JSON web tokens are refused");
                None
            }
        };
        known.insert(app.id, Known { app: Arc::clone(app), stamp, keys: keys.clone() });
        keys
    }
}

fn read(path: &str) -> Result<Vec<super::keys::SetKey>, &'static str> {
    let file = File::open(path).map_err(|_| "the file cannot be opened")?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|_| "the file cannot be read")?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err("the file is larger than 256 KiB");
    }
    key_set::read(&bytes)
}
