//! Every metric of the server, by name, in one file. Handles are bound once; counting is an atomic addition.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

macro_rules! reasons {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub struct $name {
            $($(#[$doc])* pub $field: Counter,)*
        }

        impl $name {
            fn bind(family: &Family<Reason, Counter>) -> Self {
                Self { $($field: family.get_or_create_owned(&Reason { reason: stringify!($field) }),)* }
            }

            /// Name and value of each, for `/v1/stats`.
            #[must_use]
            pub fn values(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field.get()),)*]
            }
        }
    };
}

reasons! {
    /// Things that were dropped, by reason (promise 5). A durable entry is never among them.
    Drops {
        /// An answer to a send whose connection was gone; the client repeats and is answered then.
        reply_without_connection,
        /// An answer to a send whose bucket's queue was full; as above.
        reply_queue_full,
        /// A frame with an op that clients may not send (spec 1.3).
        frame_op_ignored,
        /// A frame other than Auth before authentication (spec 1.4).
        frame_before_auth,
        /// An acknowledgement of a push that is not outstanding.
        ack_unknown,
        /// A transient push for a session whose window was full.
        transient_window_full,
        /// A transient push for a bucket whose queue was full.
        transient_queue_full,
        /// A connection that could not move to its user's bucket because that bucket's queue was full.
        adoption_queue_full,
    }
}

reasons! {
    /// Connections the server closed, by reason.
    Closes {
        /// No authentication in time.
        handshake_timeout,
        /// No frame within the idle timeout.
        idle_timeout,
        /// Bytes that are no frame.
        malformed,
        /// The login was refused.
        auth_refused,
        /// A push was not acknowledged after all resends; the cursor stays.
        resend_exhausted,
        /// Writes made no progress in time.
        write_timeout,
        /// Answers piled up beyond the bound for a client that does not read.
        write_overflow,
        /// More connections than the limit.
        connection_limit,
        /// More connections from one address than its limit.
        address_limit,
        /// More sessions of one app than its limit; the login was refused.
        app_limit,
        /// More sessions of one user than the limit; this was the oldest.
        session_limit,
        /// Not TLS, or TLS that could not be agreed on or was broken off.
        tls,
        /// No PROXY header from a peer whose header is required.
        proxy_header,
        /// Kicked.
        kicked,
        /// The server is stopping.
        shutdown,
        /// The operating system reported an error on the socket.
        socket_error,
    }
}

reasons! {
    /// Messages refused, by reason ([`crate::command::Refusal`]).
    Refusals {
        /// The type is not for clients.
        type_not_allowed,
        /// Malformed.
        malformed,
        /// Too large.
        too_large,
        /// No such user.
        unknown_user,
        /// No such group.
        unknown_group,
        /// Not a member.
        not_member,
        /// Muted.
        muted,
        /// The group is muted.
        group_muted,
        /// Too many.
        rate_limited,
        /// Disk nearly full.
        storage_full,
        /// A decision could not be made.
        unavailable,
        /// Blacklisted by the receiver.
        blacklisted,
        /// Not a friend of the receiver.
        not_friend,
    }
}

impl Refusals {
    /// The counter of a refusal.
    #[must_use]
    pub fn of(&self, refusal: crate::command::Refusal) -> &Counter {
        use crate::command::Refusal;
        match refusal {
            Refusal::TypeNotAllowed => &self.type_not_allowed,
            Refusal::Malformed => &self.malformed,
            Refusal::TooLarge => &self.too_large,
            Refusal::UnknownUser => &self.unknown_user,
            Refusal::UnknownGroup => &self.unknown_group,
            Refusal::NotMember => &self.not_member,
            Refusal::Muted => &self.muted,
            Refusal::GroupMuted => &self.group_muted,
            Refusal::RateLimited => &self.rate_limited,
            Refusal::StorageFull => &self.storage_full,
            Refusal::Unavailable => &self.unavailable,
            Refusal::Blacklisted => &self.blacklisted,
            Refusal::NotFriend => &self.not_friend,
        }
    }
}

reasons! {
    /// Logins refused, by reason ([`crate::command::ConnectRefused`]).
    LoginRefusals {
        /// No such app.
        unknown_app,
        /// The token proves nothing.
        invalid_token,
        /// The token is too old, or dated too far ahead.
        expired,
        /// The token has opened a connection already.
        replayed,
        /// The login is malformed.
        malformed,
        /// A backend, or the app's own server, did not answer.
        unavailable,
        /// A queue of logins, or the memory of used tokens, is full.
        busy,
        /// Another phone has logged in since.
        newer_device,
    }
}

impl LoginRefusals {
    /// The counter of a refusal.
    #[must_use]
    pub fn of(&self, refused: &crate::command::ConnectRefused) -> &Counter {
        use crate::command::ConnectRefused;
        match refused {
            ConnectRefused::UnknownApp => &self.unknown_app,
            ConnectRefused::InvalidToken => &self.invalid_token,
            ConnectRefused::Expired => &self.expired,
            ConnectRefused::Replayed => &self.replayed,
            ConnectRefused::Malformed => &self.malformed,
            ConnectRefused::Unavailable => &self.unavailable,
            ConnectRefused::Busy => &self.busy,
            ConnectRefused::NewerDevice(_) => &self.newer_device,
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Call {
    service: &'static str,
    method: &'static str,
    code: &'static str,
}

/// Calls answered, by service, method and code; each a fixed set.
#[derive(Clone, Debug, Default)]
pub struct Calls(Family<Call, Counter>);

impl Calls {
    /// Counts one answer.
    pub fn count(&self, service: &'static str, method: &'static str, code: &'static str) {
        self.0.get_or_create(&Call { service, method, code }).inc();
    }

    /// How many there were.
    #[must_use]
    pub fn get(&self, service: &'static str, method: &'static str, code: &'static str) -> u64 {
        self.0.get(&Call { service, method, code }).map_or(0, |counter| counter.get())
    }
}

/// How long a stage takes, in seconds.
#[derive(Clone, Debug)]
pub struct Stage(Histogram);

impl Stage {
    fn new() -> Self {
        // 50 us, doubling, to 26 s.
        let bounds = std::iter::successors(Some(50e-6), |bound| Some(bound * 2.0)).take(20);
        Self(Histogram::new(bounds))
    }

    /// Counts one passage.
    pub fn observe(&self, took: Duration) {
        self.0.observe(took.as_secs_f64());
    }
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $field:ident: $kind:ty = $name:literal, $help:literal;)*) => {
        /// All of them. Cheap to share; made once per process.
        #[derive(Debug)]
        pub struct Metrics {
            $($(#[$doc])* pub $field: $kind,)*
            /// Dropped, by reason.
            pub drops: Drops,
            /// Connections closed by the server, by reason.
            pub closes: Closes,
            /// Messages refused, by reason.
            pub refusals: Refusals,
            /// Logins refused, by reason.
            pub login_refusals: LoginRefusals,
        }

        impl Metrics {
            /// The metrics and the registry that renders them.
            #[must_use]
            pub fn new() -> (Arc<Self>, Registry) {
                let mut registry = Registry::with_prefix("halley");
                let (drops, closes, refusals) = (Family::default(), Family::default(), Family::default());
                registry.register("drops", "Things dropped, by reason; never a durable entry", drops.clone());
                registry.register("closes", "Connections closed by the server, by reason", closes.clone());
                registry.register("refusals", "Messages refused, by reason", refusals.clone());
                let logins = Family::default();
                registry.register("login_refusals", "Logins refused, by reason", logins.clone());
                let metrics = Self {
                    $($field: <$kind as Make>::make(),)*
                    drops: Drops::bind(&drops),
                    closes: Closes::bind(&closes),
                    refusals: Refusals::bind(&refusals),
                    login_refusals: LoginRefusals::bind(&logins),
                };
                $(registry.register($name, $help, metrics.$field.handle());)*
                (Arc::new(metrics), registry)
            }
        }
    };
}

trait Make {
    type Handle;
    fn make() -> Self;
    fn handle(&self) -> Self::Handle;
}

impl Make for Counter {
    type Handle = Self;
    fn make() -> Self {
        Self::default()
    }
    fn handle(&self) -> Self {
        self.clone()
    }
}

impl Make for Gauge {
    type Handle = Self;
    fn make() -> Self {
        Self::default()
    }
    fn handle(&self) -> Self {
        self.clone()
    }
}

impl Make for Stage {
    type Handle = Histogram;
    fn make() -> Self {
        Self::new()
    }
    fn handle(&self) -> Histogram {
        self.0.clone()
    }
}

impl Make for Calls {
    type Handle = Family<Call, Counter>;
    fn make() -> Self {
        Self::default()
    }
    fn handle(&self) -> Family<Call, Counter> {
        self.0.clone()
    }
}

metrics! {
    /// Connections open now.
    connections: Gauge = "connections", "Connections open now";
    /// Sessions (authenticated connections) now.
    sessions: Gauge = "sessions", "Authenticated connections now";
    /// Connections accepted.
    accepts: Counter = "accepts", "Connections accepted";
    /// Logins that succeeded.
    logins: Counter = "logins", "Logins that succeeded";
    /// TLS handshakes that were completed.
    tls_handshakes: Counter = "tls_handshakes", "TLS handshakes completed, resumptions included";
    /// TLS handshakes that resumed a session, without a certificate.
    tls_resumptions: Counter = "tls_resumptions", "TLS handshakes that resumed an earlier session";
    /// Sends refused for their app's rate; they are among the refusals too.
    app_rate_limited: Counter = "app_rate_limited", "Sends refused because their app was over its rate";
    /// Messages acknowledged as durable, repetitions not counted.
    messages: Counter = "messages", "Messages accepted and durable";
    /// Sends answered from the dedup window.
    repetitions: Counter = "repetitions", "Sends that were repetitions";
    /// Entries and system messages that business servers put into timelines.
    business_entries: Counter = "business_entries", "Entries that business servers put into timelines";
    /// Calls of business servers, by service, method and code.
    grpc_calls: Calls = "grpc_calls", "gRPC calls answered, by service, method and code";
    /// Entries pushed to sessions, resends not counted.
    pushes: Counter = "pushes", "Entries pushed to sessions, resends not counted";
    /// Pushes sent again.
    resends: Counter = "resends", "Pushes sent again for want of an acknowledgement";
    /// Pushes acknowledged.
    push_acks: Counter = "push_acks", "Pushes acknowledged by clients";
    /// Times a session fell behind the feed and read its timeline again.
    sessions_behind: Counter = "sessions_behind", "Times a session fell behind the live feed";
    /// Receipts written: entries that say which private messages have reached their reader.
    receipts: Counter = "receipts", "Receipts written for private messages that reached their reader";
    /// Times a feed of a super group began to lag behind its session.
    feeds_lagging: Counter = "feeds_lagging", "Times a feed of a super group began to lag behind its session";
    /// Times a feed reader fell behind the tail.
    feed_breaks: Counter = "feed_breaks", "Times a bucket's feed reader fell behind the tail";
    /// Accepts that failed (no descriptors left).
    accept_errors: Counter = "accept_errors", "Accepts that failed, mostly for want of descriptors";
    /// Commits of the journal.
    commits: Counter = "journal_commits", "Group commits of the journal";
    /// Bytes committed.
    commit_bytes: Counter = "journal_commit_bytes", "Bytes committed to the journal";
    /// Commits that failed for want of disk space and are retried.
    commit_retries: Counter = "journal_commit_retries", "Commits retried because the disk was full";
    /// Bytes of torn tail cut off at start.
    torn_bytes: Counter = "journal_torn_bytes", "Bytes of torn tail cut off at start";
    /// Records in the tail that are not indexed yet.
    index_lag: Gauge = "index_lag_records", "Durable records that are not indexed yet";
    /// Signature checks of logins that wait for a thread.
    login_checks_waiting: Gauge = "login_checks_waiting", "Signature checks of logins that wait for a thread";
    /// Questions to apps' own servers that wait for a thread.
    login_calls_waiting: Gauge = "login_calls_waiting", "Questions to apps' own servers that wait for a thread";
    /// Devices forgotten because their user had too many.
    devices_forgotten: Counter = "devices_forgotten", "Devices forgotten because their user had too many";
    /// From a question to an app's own server to its answer.
    stage_login_call: Stage = "stage_login_call_seconds", "Time of a question to an app's own authentication server";
    /// Reads that began below the floor of their timeline: the cursor moved up with it.
    cursors_moved: Counter = "cursors_moved", "Cursors that a floor has moved up";
    /// Floors raised by retention and deletion.
    floors_raised: Counter = "floors_raised", "Floors raised by retention and deletion";
    /// Bytes of the journal given back to the disk.
    reclaimed_bytes: Counter = "journal_reclaimed_bytes", "Bytes of the journal given back to the disk";
    /// Segments of the journal.
    segments: Gauge = "journal_segments", "Segments of the journal";
    /// Steps of retention that failed and are done again.
    retention_failures: Counter = "retention_failures", "Steps of retention that failed and are done again";
    /// From the bus to answer's decision.
    stage_queue: Stage = "stage_queue_seconds", "Time of a send in the inbound queue";
    /// From append to durable.
    stage_commit_wait: Stage = "stage_commit_wait_seconds", "Time from append to durable";
    /// The fdatasync itself.
    stage_fsync: Stage = "stage_fsync_seconds", "Time of one fdatasync";
    /// From durable to the acknowledgement in the socket.
    stage_ack_write: Stage = "stage_ack_write_seconds", "Time from durable to the acknowledgement written";
    /// From the feed to the push in the socket.
    stage_push_write: Stage = "stage_push_write_seconds", "Time from the feed to the push written";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_registered_under_the_prefix_and_counts() {
        let (metrics, registry) = Metrics::new();
        metrics.drops.ack_unknown.inc();
        metrics.stage_fsync.observe(Duration::from_micros(70));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("writes to a string");
        assert!(text.contains("halley_drops_total{reason=\"ack_unknown\"} 1"), "{text}");
        assert!(text.contains("halley_stage_fsync_seconds_bucket{le=\"0.0001\"} 1"), "{text}");
    }
}
