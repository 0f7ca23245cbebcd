//! The reference: every key, its default, and why that is the default. A test holds it against the schema.

use std::fmt::Write as _;

use toml::Value;

use super::schema::Config;

/// Key, unit or form, and what it is for and why the default is what it is.
const KEYS: &[(&str, &str, &str)] = &[
    ("listen.txchat_tcp", "address or off", "clients of the txchat dialect over TCP; the original's port"),
    (
        "listen.txchat_ws",
        "address or off",
        "clients of the txchat dialect over WebSocket, path /sub; the original's port",
    ),
    (
        "listen.txchat_tcp_tls",
        "address or off",
        "the same as txchat_tcp, encrypted; off until there is a certificate (customary port 3103)",
    ),
    (
        "listen.txchat_ws_tls",
        "address or off",
        "the same as txchat_ws, encrypted (wss); off until there is a certificate (customary port 3104)",
    ),
    (
        "listen.gobelieve_tcp",
        "address or off",
        "reserved for the gobelieve dialect; this version does not serve it",
    ),
    (
        "listen.gobelieve_ws",
        "address or off",
        "reserved for the gobelieve dialect; this version does not serve it",
    ),
    (
        "listen.gobelieve_eio",
        "address or off",
        "reserved for the gobelieve dialect; this version does not serve it",
    ),
    (
        "listen.gobelieve_tcp_tls",
        "address or off",
        "reserved for the gobelieve dialect; this version does not serve it",
    ),
    (
        "listen.gobelieve_ws_tls",
        "address or off",
        "reserved for the gobelieve dialect; this version does not serve it",
    ),
    (
        "listen.gobelieve_eio_tls",
        "address or off",
        "reserved for the gobelieve dialect; this version does not serve it",
    ),
    (
        "listen.gobelieve_http",
        "address or off",
        "reserved for the gobelieve dialect; this version does not serve it",
    ),
    (
        "listen.admin",
        "address or off",
        "admin API, health and metrics; loopback, since its token gives everything",
    ),
    (
        "listen.comet_grpc",
        "address or off",
        "gRPC im.comet.Comet for business servers; the original's port, on loopback; elsewhere it needs grpc.token",
    ),
    (
        "listen.logic_grpc",
        "address or off",
        "gRPC im.logic.Logic for business servers; the original's port, on loopback; elsewhere it needs grpc.token",
    ),
    ("listen.replication", "address or off", "reserved for followers; this version does not serve it"),
    (
        "listen.proxy_protocol",
        "list of addresses or prefixes, such as [\"10.0.0.0/8\"]",
        "load balancers whose PROXY header (version 1 or 2) says where a client is; from these it is required, from others \
         never believed",
    ),
    (
        "tls.certificate",
        "path of a PEM file",
        "the server's certificate with its chain, its own first; read again when it changes",
    ),
    ("tls.key", "path of a PEM file", "the private key of tls.certificate; read again when it changes"),
    (
        "admin.token",
        "text, 8 characters at least",
        "bearer token of the admin API; without one it is generated into <data>/admin.token",
    ),
    (
        "grpc.token",
        "text, 8 characters at least",
        "bearer token of both gRPC services (metadata `authorization: Bearer TOKEN`); without one they want none",
    ),
    (
        "txchat.handshake_timeout",
        "duration",
        "from accept to a successful login; covers the WebSocket upgrade and is not extended",
    ),
    (
        "txchat.idle_timeout",
        "duration",
        "a connection without any frame for this long is closed; the original's 2 x 4 minutes",
    ),
    (
        "txchat.retransmit_timeout",
        "duration",
        "an unacknowledged push is sent again after this, doubling to 30s",
    ),
    (
        "txchat.window",
        "pushes, 1 to 1024",
        "unacknowledged pushes a session may have; the rest waits in its timeline, not in memory",
    ),
    (
        "journal.fsync",
        "always, interval or os",
        "when an acknowledged message is safe from a power loss; anything but always is said loudly at start",
    ),
    (
        "journal.segment_bytes",
        "size, 8MiB to 1GiB",
        "size of a journal segment: large enough to be few, small enough to delete",
    ),
    (
        "journal.tail_bytes",
        "size, 1MiB to 8GiB",
        "durable records that may wait for the index in memory; beyond it sends wait",
    ),
    (
        "journal.free_space_min_percent",
        "percent, 0 to 50",
        "with less free disk than this new messages are refused; reads go on",
    ),
    (
        "limits.user_messages_per_second",
        "messages/s, 0 for none",
        "what one user may send in the long run; far above what people type",
    ),
    ("limits.user_messages_burst", "messages", "what one user may send at once on top of that"),
    (
        "limits.app_messages_per_second",
        "messages/s, 0 for none",
        "what all users of one app may send in the long run, and a second of it at once; counted after the limit per user",
    ),
    (
        "limits.connections",
        "connections, 0 for what the descriptor limit allows",
        "more are accepted and closed at once, so that clients see it",
    ),
    (
        "limits.connections_per_address",
        "connections, 0 for none",
        "of one IPv4 address or one IPv6 /64; more are closed at once; none, since offices and phone networks share one",
    ),
    (
        "limits.connections_per_app",
        "sessions, 0 for none",
        "sessions of one app in this process; beyond it logins are refused",
    ),
    (
        "limits.sessions_per_user",
        "sessions, 0 for none",
        "with one more the user's oldest session is closed; far more than people have devices",
    ),
    (
        "retention.age",
        "duration",
        "messages older than this are no longer shown, then deleted, in apps that do not say; none: kept for ever",
    ),
    (
        "retention.entries",
        "entries",
        "as many entries of each timeline are kept, in apps that do not say; none: all",
    ),
    (
        "retention.every",
        "duration",
        "how often it is looked for what is too old or too much; a step costs next to nothing",
    ),
    (
        "retention.reclaim_after",
        "duration",
        "what is not shown any more stays on the disk for so long: repetitions of it are recognised until then",
    ),
    (
        "server.buckets",
        "threads, 0 for one a core",
        "threads that own connections and everything in their users' order",
    ),
    ("server.drain_timeout", "duration", "how long a stopping server flushes before it closes by force"),
    (
        "server.log",
        "error, warn, info, debug or trace",
        "how much is logged; tokens and message bodies never are",
    ),
    (
        "debug.failpoint",
        "kind:count",
        "ends the process inside a journal write, for crash tests; none outside them",
    ),
];

/// As a commented TOML file: a valid configuration that changes nothing.
pub fn reference() -> String {
    let mut text = String::from(
        "# Every key of Halley's configuration, with its default.\n\
         # Environment: HALLEY_SECTION__KEY. Command line: --set section.key=value. The later wins.\n",
    );
    let mut section = "";
    for (key, form, why) in KEYS {
        let (of, name) = key.split_once('.').unwrap_or(("", key));
        if of != section {
            let _ = write!(text, "\n[{of}]\n");
            section = of;
        }
        let _ = writeln!(text, "# {why}\n# ({form})");
        match default_of(key) {
            Some(value) => writeln!(text, "{name} = {value}"),
            None => writeln!(text, "# {name} = (none)"),
        }
        .unwrap_or_default();
    }
    text
}

fn default_of(key: &str) -> Option<Value> {
    let table = toml::Table::try_from(Config::default()).unwrap_or_default();
    let (section, name) = key.split_once('.')?;
    table.get(section)?.get(name).cloned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_is_described_and_every_described_key_exists() {
        let table = toml::Table::try_from(Config::default()).expect("serialises");
        let described: BTreeSet<String> = KEYS.iter().map(|(key, _, _)| (*key).to_owned()).collect();
        assert_eq!(described.len(), KEYS.len(), "no key twice");
        let mut known: BTreeSet<String> = [
            "admin.token",
            "debug.failpoint",
            "grpc.token",
            "tls.certificate",
            "tls.key",
            "retention.age",
            "retention.entries",
        ]
        .map(str::to_owned)
        .into();
        for (section, keys) in &table {
            known.extend(
                keys.as_table().expect("sections are tables").keys().map(|key| format!("{section}.{key}")),
            );
        }
        assert_eq!(described, known);
    }

    #[test]
    fn the_reference_is_itself_a_configuration_of_nothing_but_defaults() {
        let parsed: Config = toml::from_str(&reference()).expect("valid");
        assert_eq!(parsed, Config::default());
    }
}
