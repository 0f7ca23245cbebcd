//! Devices: what is remembered of each, for other devices, for operators and for third-party push.

use crate::device::{DeviceKey, DeviceRecord};
use crate::ids::{AppId, UserId};
use crate::ports::PortError;
use crate::reply::Reply;

/// Device records. A push token belongs to one device of its app: the one that presented it last.
pub trait Devices: Send + Sync {
    /// The devices of a user, in no order. What was put in this process is seen at once. A record whose push token another
    /// device has presented since is without one.
    fn of_user(&self, app: AppId, user: UserId) -> Reply<Result<Vec<DeviceRecord>, PortError>>;

    /// A device has logged in; written behind, and replaces what was remembered of it.
    fn put(&self, record: DeviceRecord);

    /// Forgets a device and its cursor; durable when answered. `false`: neither was known.
    fn remove(&self, app: AppId, user: UserId, device: DeviceKey) -> Reply<Result<bool, PortError>>;

    /// The device that presented this push token last.
    fn push_token_owner(
        &self,
        app: AppId,
        push_token: &str,
    ) -> Reply<Result<Option<(UserId, DeviceKey)>, PortError>>;
}
