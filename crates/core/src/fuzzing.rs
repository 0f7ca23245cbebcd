//! Bodies of the fuzz targets over what the journal holds. For fuzzing and the replay of its corpus only.

use bytes::Bytes;

use crate::event::{Login, Revocation, receipt_ids};
use crate::key::SyncKey;
use crate::ports::accounts::JournaledChange;
use crate::record::{Entry, Record};

/// Records: what decodes is written again as what decodes to the same, and what an entry says is read without harm,
/// whatever its kind claims to be.
pub fn record(data: &[u8]) {
    let content = data.get(data.len() / 2..).unwrap_or_default();
    let _revocation = Revocation::decode(content);
    let _login = serde_json::from_slice::<Login>(content);
    assert_eq!(receipt_ids(content).count(), content.len() / 8);

    let Ok((epoch, record)) = Record::decode(&Bytes::copy_from_slice(data)) else { return };
    let mut again = Vec::new();
    record.encode(epoch, &mut again);
    let again = Record::decode(&again.into());
    assert_eq!(
        again.as_ref().ok(),
        Some(&(epoch, record.clone())),
        "what was read is written so that it reads alike"
    );
    assert!(record.targets.inboxes().is_sorted_by(|a, b| a < b));
    let entry = Entry { key: SyncKey::new(epoch, 1).unwrap_or_default(), record: record.into() };
    let _change = JournaledChange::of(&entry);
}
