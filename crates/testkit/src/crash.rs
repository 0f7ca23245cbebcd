//! The crash run: clients that talk, a server that is ended again and again, and a ledger that knows every promise.
//!
//! Ways to end: `kill -9` at a random instant, a failpoint inside a write or sync of the journal, or a mixture of kills and
//! clean stops. Clients may have their connections cut at random besides ([`Crowd`]).

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use halley_client::txchat::{Device, Login, Outcome, Outgoing, SessionConfig, Target};
use halley_client::{Client, ClientConfig, ClientEvent, Endpoint};
use halley_wire::txchat::pb::MsgType;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::http::Admin;
use crate::ledger::{DeviceName, Ledger, Listed, Said, To};
use crate::process::{Options, Server};
use crate::rng::Rng;

/// How the server dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Death {
    /// `kill -9` at a random instant.
    Kill,
    /// Inside a write or sync of the journal, by a failpoint.
    InsideCommit,
    /// At random: `kill -9`, or a clean stop.
    KillOrStop,
}

/// Who talks, and over what.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// How many users.
    pub users: usize,
    /// The devices of each: `phone`, `desktop`, `web` (over WebSocket), or any other name. The first one talks.
    pub devices: &'static [&'static str],
    /// They talk in a super group too.
    pub super_group: bool,
    /// A client's connection is cut after this many milliseconds, at random between the two, again and again.
    pub cut_ms: Option<(u64, u64)>,
    /// Milliseconds between two messages of one of a user's four lanes, at random between the two.
    pub pause_ms: (u64, u64),
}

impl Default for Crowd {
    /// Few who talk without a pause, over TCP.
    fn default() -> Self {
        Self { users: 6, devices: &["phone", "tablet"], super_group: false, cut_ms: None, pause_ms: (0, 0) }
    }
}

impl Crowd {
    /// Twenty users with a phone, a desktop and a browser each, whose connections are cut all the time.
    #[must_use]
    pub fn soak() -> Self {
        Self {
            users: 20,
            devices: &["phone", "desktop", "web"],
            super_group: true,
            cut_ms: Some((300, 4_000)),
            pause_ms: (20, 200),
        }
    }
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// All choices follow from it.
    pub seed: u64,
    /// Deaths.
    pub rounds: u32,
    /// How.
    pub death: Death,
    /// The server lives this long before `kill -9`, at random between the two.
    pub life_ms: (u64, u64),
    /// More `--set` lines for the server.
    pub set: Vec<String>,
    /// The clients.
    pub crowd: Crowd,
}

/// What it came to.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Deaths.
    pub deaths: u32,
    /// Messages acknowledged.
    pub acknowledged: usize,
    /// Messages said.
    pub said: usize,
    /// Everything that contradicts the promises.
    pub wrong: Vec<String>,
    /// The longest start after a death.
    pub start_max: Duration,
}

const APP: &str = "crash";
const GROUP: &str = "77";
const SUPER_GROUP: &str = "88";
const IN_FLIGHT: usize = 4;
/// After the last death everything must have arrived within this.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// Runs the plan on this data directory.
///
/// # Errors
/// When the run itself fails; broken promises are in the summary.
pub fn run(data: &Path, plan: &Plan) -> Result<Summary> {
    let mut rng = Rng::new(plan.seed);
    let (tcp, web_socket) = (free_port()?, free_port()?);
    let mut options = Options { set: plan.set.clone(), ..Options::default() };
    options.set.push(format!("listen.txchat_tcp=127.0.0.1:{tcp}"));
    options.set.push(format!("listen.txchat_ws=127.0.0.1:{web_socket}"));
    let server = Server::start(data, &options);
    let crowd = &plan.crowd;
    let users: Vec<String> = (1..=crowd.users).map(|user| user.to_string()).collect();
    prepare(&Admin::new(server.address("admin"), server.admin_token()), &users, crowd);

    let ledger = Arc::new(Ledger::default());
    let (talking, living) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    let clients = {
        let talk = Talk {
            users: users.clone(),
            crowd: crowd.clone(),
            tcp: SocketAddr::from(([127, 0, 0, 1], tcp)),
            web_socket: SocketAddr::from(([127, 0, 0, 1], web_socket)),
            ledger: Arc::clone(&ledger),
            talking: Arc::clone(&talking),
            living: Arc::clone(&living),
            seed: rng.bits(),
        };
        thread::Builder::new()
            .name("clients".to_owned())
            .spawn(move || talk.run())
            .context("start the clients")?
    };

    let mut start_max = Duration::ZERO;
    let mut server = server;
    for _round in 0..plan.rounds {
        if plan.death == Death::InsideCommit {
            server = die_inside(server, data, &options, &mut rng)?;
        } else {
            thread::sleep(between(plan.life_ms, &mut rng));
            if plan.death == Death::KillOrStop && rng.below(2) == 0 {
                let status = server.stop();
                if !status.success() {
                    bail!("a stop under load was not clean: {status}");
                }
            } else {
                server.kill();
            }
            server = Server::start(data, &options);
        }
        start_max = start_max.max(server.ready_after);
    }
    talking.store(false, Ordering::Relaxed);
    let devices = devices_of(&users, crowd);
    settle(&ledger, &devices)?;
    living.store(false, Ordering::Relaxed);
    let ended = clients.join();
    if ended.is_err() {
        bail!("a client panicked");
    }
    let admin = Admin::new(server.address("admin"), server.admin_token());
    let inboxes = users
        .iter()
        .map(|user| Ok((user.clone(), messages(&admin, &format!("user/{user}"))?)))
        .collect::<Result<BTreeMap<_, _>>>()?;
    let mut feeds = BTreeMap::new();
    if crowd.super_group {
        feeds.insert(SUPER_GROUP.to_owned(), messages(&admin, &format!("group/{SUPER_GROUP}"))?);
    }
    let wrong = ledger.check(&inboxes, &feeds);
    let status = server.stop();
    if !status.success() {
        bail!("the last stop was not clean: {status}");
    }
    Ok(Summary {
        deaths: plan.rounds,
        acknowledged: ledger.acknowledged_count(),
        said: ledger.said_count(),
        wrong,
        start_max,
    })
}

/// Ends this server by `kill -9`, and starts one that dies at a random write or sync, then a healthy one.
fn die_inside(server: Server, data: &Path, options: &Options, rng: &mut Rng) -> Result<Server> {
    server.kill();
    let (operation, action) = *rng.one_of(&[
        ("write", "abort"),
        ("write", "tear"),
        ("write", "abort_after"),
        ("sync", "abort"),
        ("sync", "abort_after"),
    ]);
    let mut doomed = options.clone();
    doomed.set.push(format!("debug.failpoint={operation}:{}:{action}", 3 + rng.below(60)));
    match Server::try_start(data, &doomed) {
        // It died during recovery: so be it.
        Err(_) => {}
        Ok(mut server) => {
            let status = server.wait_end(Duration::from_secs(30));
            if status.success() {
                bail!("a server with a failpoint ended with success");
            }
        }
    }
    Ok(Server::start(data, options))
}

fn free_port() -> Result<u16> {
    let probe = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(probe.local_addr().context("find a free port")?.port())
}

fn between((least, most): (u64, u64), rng: &mut Rng) -> Duration {
    Duration::from_millis(least + rng.below(most - least + 1))
}

fn prepare(admin: &Admin, users: &[String], crowd: &Crowd) {
    let _app = admin.call("PUT", &format!("/v1/apps/{APP}"), &json!({ "auth": ["dev"] }));
    let group = json!({ "group_id": GROUP, "name": "all", "owner": users[0], "members": users });
    let _group = admin.call("POST", &format!("/v1/apps/{APP}/groups"), &group);
    if crowd.super_group {
        let group = json!({
            "group_id": SUPER_GROUP, "name": "crowd", "owner": users[0], "members": users, "super": true,
        });
        let _group = admin.call("POST", &format!("/v1/apps/{APP}/groups"), &group);
    }
}

fn devices_of(users: &[String], crowd: &Crowd) -> Vec<DeviceName> {
    let names = |user: &String| {
        let name = |device: &&str| DeviceName { user: user.clone(), device: (*device).to_owned() };
        crowd.devices.iter().map(name).collect::<Vec<_>>()
    };
    users.iter().flat_map(names).collect()
}

fn settle(ledger: &Ledger, devices: &[DeviceName]) -> Result<()> {
    let end = Instant::now() + SETTLED_WITHIN;
    let mut acknowledged = 0;
    loop {
        let outstanding = ledger.outstanding(devices);
        let now = ledger.acknowledged_count();
        if outstanding.is_empty() && now == ledger.said_count() && now == acknowledged {
            return Ok(());
        }
        acknowledged = now;
        if Instant::now() > end {
            let some: Vec<_> = outstanding.iter().take(10).collect();
            bail!(
                "{} deliveries and {} answers are still missing: {some:#?}",
                outstanding.len(),
                ledger.said_count() - now
            );
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// The messages of a whole timeline, through the history API.
fn messages(admin: &Admin, timeline: &str) -> Result<Vec<Listed>> {
    let (mut after, mut listed) = ("0".to_owned(), Vec::new());
    loop {
        let page = admin.call(
            "GET",
            &format!("/v1/apps/{APP}/timelines/{timeline}?after={after}&limit=500"),
            &Value::Null,
        );
        for entry in page["entries"].as_array().context("a page has entries")? {
            let message = &entry["message"];
            after = entry["key"].as_str().context("an entry has a key")?.to_owned();
            if message["kind"] != json!("message") {
                continue;
            }
            let text = |name: &str| {
                message[name].as_str().map(str::to_owned).with_context(|| format!("{name} in {entry}"))
            };
            listed.push(Listed {
                client_id: text("client_id")?,
                message_id: text("id")?.parse().context("a message id")?,
            });
        }
        if page["more"] != json!(true) {
            return Ok(listed);
        }
    }
}

/// The clients: every user with some devices, of which one talks.
struct Talk {
    users: Vec<String>,
    crowd: Crowd,
    tcp: SocketAddr,
    web_socket: SocketAddr,
    ledger: Arc<Ledger>,
    talking: Arc<AtomicBool>,
    living: Arc<AtomicBool>,
    seed: u64,
}

impl Talk {
    fn run(self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let talk = Arc::new(self);
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for device in devices_of(&talk.users, &talk.crowd) {
                let talk = Arc::clone(&talk);
                tasks.spawn(async move { talk.device(device).await });
            }
            while let Some(ended) = tasks.join_next().await {
                ended.expect("a client does not panic");
            }
        });
    }

    async fn device(&self, device: DeviceName) {
        let (kind, endpoint) = match device.device.as_str() {
            "phone" => (Device::Android, Endpoint::Tcp { authority: self.tcp.to_string() }),
            "desktop" => (Device::Windows, Endpoint::Tcp { authority: self.tcp.to_string() }),
            "web" => {
                let authority = self.web_socket.to_string();
                (Device::Web, Endpoint::WebSocket { authority, path: "/sub".to_owned() })
            }
            _ => (Device::Linux, Endpoint::Tcp { authority: self.tcp.to_string() }),
        };
        let login = Login { uuid: device.device.clone(), device: kind, ..Login::default() };
        let mut session = SessionConfig::new(APP, &device.user, Some(login));
        session.resend_after = Some(Duration::from_millis(300));
        session.seen_max = 1 << 20;
        let mut config = ClientConfig::new(endpoint, session);
        config.retry_first = Duration::from_millis(5);
        config.retry_longest = Duration::from_millis(40);
        let (client, mut events) = loop {
            match Client::connect(config.clone()).await {
                Ok(connected) => break connected,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let mut senders = JoinSet::new();
        if device.device == self.crowd.devices[0] {
            let said = Arc::new(AtomicU64::new(0));
            for lane in 0..IN_FLIGHT as u64 {
                let mut rng = Rng::new(self.seed ^ device.user.parse::<u64>().unwrap_or(0) << 8 ^ lane);
                let (client, ledger, talking) =
                    (client.clone(), Arc::clone(&self.ledger), Arc::clone(&self.talking));
                let (user, users, said) = (device.user.clone(), self.users.clone(), Arc::clone(&said));
                let crowd = self.crowd.clone();
                senders.spawn(async move {
                    while talking.load(Ordering::Relaxed) {
                        let client_id = format!("{user}-{}", said.fetch_add(1, Ordering::Relaxed));
                        let to = choose(&mut rng, &users, &crowd);
                        say(&client, &ledger, &user, to, client_id).await;
                        if crowd.pause_ms.1 > 0 {
                            tokio::time::sleep(between(crowd.pause_ms, &mut rng)).await;
                        }
                    }
                });
            }
        }
        let number = device.user.parse::<u64>().unwrap_or(0);
        let mut rng = Rng::new(self.seed ^ number << 16 ^ device.device.len() as u64);
        let mut next_cut = self.crowd.cut_ms.map(|cut| Instant::now() + between(cut, &mut rng));
        while self.living.load(Ordering::Relaxed) {
            if let (Some(cut), Some(at)) = (self.crowd.cut_ms, next_cut)
                && Instant::now() >= at
                && self.talking.load(Ordering::Relaxed)
            {
                next_cut = Some(Instant::now() + between(cut, &mut rng));
                if client.reconnect().await.is_err() {
                    return self.ledger.is_wrong(format!("{device:?} ended by itself"));
                }
            }
            let Ok(event) = tokio::time::timeout(Duration::from_millis(50), events.recv()).await else {
                continue;
            };
            match event {
                // Of the group's making; not said by anybody.
                Some(ClientEvent::Message(message)) if message.kind == i32::from(MsgType::Notice) => {}
                Some(ClientEvent::Message(message)) => {
                    self.ledger.shown(&device, &message.client_id, message.message_id);
                }
                Some(ClientEvent::Ended { reason }) => {
                    return self.ledger.is_wrong(format!("{device:?} was told to go: {reason}"));
                }
                None => return self.ledger.is_wrong(format!("{device:?} ended by itself")),
                Some(_) => {}
            }
        }
    }
}

fn choose(rng: &mut Rng, users: &[String], crowd: &Crowd) -> To {
    match rng.below(4) {
        0 => To::Group(GROUP.to_owned()),
        1 if crowd.super_group => To::SuperGroup(SUPER_GROUP.to_owned()),
        _ => To::User(rng.one_of(users).clone()),
    }
}

async fn say(client: &Client, ledger: &Ledger, user: &str, to: To, client_id: String) {
    let target = match &to {
        To::User(other) => Target::User(other.clone()),
        To::Group(group) | To::SuperGroup(group) | To::Feed(group) => Target::Group(group.clone()),
    };
    ledger.says(&client_id, Said { from: user.to_owned(), to });
    let outgoing = Outgoing::text(target, &client_id, client_id.clone());
    let receipt = match client.send(outgoing).await {
        Ok(receipt) => receipt,
        Err(error) => return ledger.is_wrong(format!("{client_id} was not taken by the client: {error}")),
    };
    match receipt.answer().await {
        Ok(Outcome::Acknowledged { message_id, .. }) => ledger.acknowledged(&client_id, message_id),
        Ok(Outcome::Refused { code }) => ledger.is_wrong(format!("{client_id} was refused with {code}")),
        Err(error) => ledger.is_wrong(format!("{client_id} was never answered: {error}")),
    }
}
