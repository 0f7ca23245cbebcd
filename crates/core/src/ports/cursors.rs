//! Cursors: how far each device has acknowledged.

use crate::device::DeviceCursor;
use crate::ids::{AppId, UserId};
use crate::ports::PortError;
use crate::reply::Reply;

/// Device cursors. They may lag after a crash (re-delivery is harmless), they never lead.
pub trait Cursors: Send + Sync {
    /// All devices of a user. What was saved in this process is seen at once.
    fn load(&self, app: AppId, user: UserId) -> Reply<Result<Vec<DeviceCursor>, PortError>>;

    /// A device that is new starts here; durable when answered, so that the device is known from its first login on,
    /// whatever happens. No effect on a device that is known.
    fn begin(&self, cursor: DeviceCursor) -> Reply<Result<(), PortError>>;

    /// Remembers a position; written behind, coalesced per device. No effect on a device that is not known: one that was
    /// forgotten does not come back with the end of its session.
    fn save(&self, cursor: DeviceCursor);
}
