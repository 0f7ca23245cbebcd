//! Where a device's session starts (ruling 6).

use halley_core::command::{ConnectRefused, ConnectRequest};
use halley_core::device::{
    Device, DeviceCursor, DeviceRecord, DeviceStart, LOOK_BACK_ENTRIES_MAX, LOOK_BACK_MS, Start, start_of,
};
use halley_core::ids::{AppId, UserId};
use halley_core::key::SyncKey;
use halley_core::ports::timelines::{Direction, TimelineRange};
use halley_core::timeline::TimelineId;

use crate::auth::unavailable;
use crate::service::Ports;

/// Bytes of records read at once while looking back.
const LOOK_BACK_BYTES_MAX: usize = 1 << 20;

impl Ports {
    /// Where the session begins, and the largest cursor of the user's devices; a device that is new is remembered there,
    /// durably.
    pub(crate) async fn start(
        &self,
        request: &ConnectRequest,
        app: AppId,
        user: UserId,
        records: &[DeviceRecord],
        now_ms: u64,
    ) -> Result<(Start, SyncKey), ConnectRefused> {
        let inbox = TimelineId::Inbox(app, user);
        let known = self.cursors.load(app, user).await.map_err(unavailable)?;
        let received = known.iter().map(|cursor| cursor.position).max().unwrap_or(SyncKey::START);
        let Some(device) = &request.device else {
            let head = self.timelines.head(inbox).await.map_err(unavailable)?;
            return Ok((Start::at(head), received));
        };
        let start = match start_of(&device.key, device.class, &known) {
            DeviceStart::At(start) => start,
            DeviceStart::AtMost(start) => start.at_most(self.look_back(inbox, now_ms).await?),
        };
        if !known.iter().any(|cursor| cursor.device == device.key) {
            self.make_room((app, user), records, &known).await?;
            let cursor = cursor(device, app, user, start.clone(), now_ms);
            self.cursors.begin(cursor).await.map_err(unavailable)?;
        }
        Ok((start, received))
    }

    /// Below the oldest entry that is among the newest 1,000 and of the last 7 days.
    async fn look_back(&self, timeline: TimelineId, now_ms: u64) -> Result<SyncKey, ConnectRefused> {
        let oldest_ms = now_ms.saturating_sub(LOOK_BACK_MS);
        let (mut from, mut seen) = (SyncKey::END, 0);
        while seen < LOOK_BACK_ENTRIES_MAX {
            let range = TimelineRange {
                timeline,
                from,
                direction: Direction::Before,
                entries_max: LOOK_BACK_ENTRIES_MAX - seen,
                bytes_max: LOOK_BACK_BYTES_MAX,
            };
            let page = self.timelines.read(range).await.map_err(unavailable)?;
            for entry in &page.entries {
                if entry.record.message.time_ms < oldest_ms {
                    return Ok(entry.key);
                }
            }
            seen += page.entries.len();
            let Some(last) = page.entries.last().filter(|_| page.more) else {
                return Ok(SyncKey::START);
            };
            from = last.key;
        }
        // `from` is the oldest entry that is shown.
        Ok(SyncKey::from_raw(from.raw() - 1).unwrap_or(SyncKey::START))
    }
}

fn cursor(device: &Device, app: AppId, user: UserId, start: Start, now_ms: u64) -> DeviceCursor {
    let Start { position, lagging } = start;
    DeviceCursor {
        app,
        user,
        device: device.key.clone(),
        class: device.class,
        position,
        lagging,
        updated_ms: now_ms,
    }
}
