//! The crash run: clients that talk without a pause, a server that is killed again and again, and a ledger that knows every
//! promise.
//!
//! Two ways to die: `kill -9` at a random instant, or a failpoint inside a write or sync of the journal.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use halley_client::txchat::{Login, Outcome, Outgoing, SessionConfig, Target};
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
const USERS: usize = 6;
const IN_FLIGHT: usize = 4;
/// After the last death everything must have arrived within this.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// Runs the plan on this data directory.
///
/// # Errors
/// When the run itself fails; broken promises are in the summary.
pub fn run(data: &Path, plan: &Plan) -> Result<Summary> {
    let mut rng = Rng::new(plan.seed);
    let port = free_port()?;
    let mut options = Options { set: plan.set.clone(), ..Options::default() };
    options.set.push(format!("listen.txchat_tcp=127.0.0.1:{port}"));
    let server = Server::start(data, &options);
    let users: Vec<String> = (1..=USERS).map(|user| user.to_string()).collect();
    prepare(&Admin::new(server.address("admin"), server.admin_token()), &users);

    let ledger = Arc::new(Ledger::default());
    let (talking, living) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    let clients = {
        let talk = Talk {
            users: users.clone(),
            address: SocketAddr::from(([127, 0, 0, 1], port)),
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
        server = match plan.death {
            Death::Kill => {
                let (least, most) = plan.life_ms;
                thread::sleep(Duration::from_millis(least + rng.below(most - least + 1)));
                server.kill();
                Server::start(data, &options)
            }
            Death::InsideCommit => die_inside(server, data, &options, &mut rng)?,
        };
        start_max = start_max.max(server.ready_after);
    }
    talking.store(false, Ordering::Relaxed);
    let devices = devices_of(&users);
    settle(&ledger, &devices)?;
    living.store(false, Ordering::Relaxed);
    let ended = clients.join();
    if ended.is_err() {
        bail!("a client panicked");
    }
    let admin = Admin::new(server.address("admin"), server.admin_token());
    let inboxes = users
        .iter()
        .map(|user| Ok((user.clone(), inbox(&admin, user)?)))
        .collect::<Result<BTreeMap<_, _>>>()?;
    let wrong = ledger.check(&inboxes);
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

fn prepare(admin: &Admin, users: &[String]) {
    let _app = admin.call("PUT", &format!("/v1/apps/{APP}"), &json!({ "auth": ["dev"] }));
    let group = json!({ "group_id": GROUP, "name": "all", "owner": users[0], "members": users });
    let _group = admin.call("POST", &format!("/v1/apps/{APP}/groups"), &group);
}

fn devices_of(users: &[String]) -> Vec<DeviceName> {
    let names = |user: &String| {
        ["phone", "tablet"].map(|device| DeviceName { user: user.clone(), device: device.to_owned() })
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

/// A user's whole inbox through the history API.
fn inbox(admin: &Admin, user: &str) -> Result<Vec<Listed>> {
    let (mut after, mut listed) = ("0".to_owned(), Vec::new());
    loop {
        let page = admin.call(
            "GET",
            &format!("/v1/apps/{APP}/timelines/user/{user}?after={after}&limit=500"),
            &Value::Null,
        );
        for entry in page["entries"].as_array().context("a page has entries")? {
            let message = &entry["message"];
            let text = |name: &str| {
                message[name].as_str().map(str::to_owned).with_context(|| format!("{name} in {entry}"))
            };
            listed.push(Listed {
                client_id: text("client_id")?,
                message_id: text("id")?.parse().context("a message id")?,
            });
            after = entry["key"].as_str().context("an entry has a key")?.to_owned();
        }
        if page["more"] != json!(true) {
            return Ok(listed);
        }
    }
}

/// The clients: every user with two devices, of which one talks.
struct Talk {
    users: Vec<String>,
    address: SocketAddr,
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
            for device in devices_of(&talk.users) {
                let talk = Arc::clone(&talk);
                tasks.spawn(async move { talk.device(device).await });
            }
            while let Some(ended) = tasks.join_next().await {
                ended.expect("a client does not panic");
            }
        });
    }

    async fn device(&self, device: DeviceName) {
        let login = Login { uuid: device.device.clone(), ..Login::default() };
        let mut session = SessionConfig::new(APP, &device.user, Some(login));
        session.resend_after = Some(Duration::from_millis(300));
        session.seen_max = 1 << 20;
        let mut config = ClientConfig::new(Endpoint::Tcp { authority: self.address.to_string() }, session);
        config.retry_first = Duration::from_millis(5);
        config.retry_longest = Duration::from_millis(40);
        let (client, mut events) = loop {
            match Client::connect(config.clone()).await {
                Ok(connected) => break connected,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let mut senders = JoinSet::new();
        if device.device == "phone" {
            let said = Arc::new(AtomicU64::new(0));
            for lane in 0..IN_FLIGHT as u64 {
                let mut rng = Rng::new(self.seed ^ device.user.parse::<u64>().unwrap_or(0) << 8 ^ lane);
                let (client, ledger, talking) =
                    (client.clone(), Arc::clone(&self.ledger), Arc::clone(&self.talking));
                let (user, users, said) = (device.user.clone(), self.users.clone(), Arc::clone(&said));
                senders.spawn(async move {
                    while talking.load(Ordering::Relaxed) {
                        let client_id = format!("{user}-{}", said.fetch_add(1, Ordering::Relaxed));
                        say(&client, &ledger, &mut rng, &user, &users, client_id).await;
                    }
                });
            }
        }
        while self.living.load(Ordering::Relaxed) {
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

async fn say(
    client: &Client,
    ledger: &Ledger,
    rng: &mut Rng,
    user: &str,
    users: &[String],
    client_id: String,
) {
    let (target, to) = if rng.below(4) == 0 {
        (Target::Group(GROUP.to_owned()), To::Group(GROUP.to_owned()))
    } else {
        let other = rng.one_of(users).clone();
        (Target::User(other.clone()), To::User(other))
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
