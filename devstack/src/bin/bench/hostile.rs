//! Measures how one hostile user slows ten calm users: the p99 of their requests during an attack, beside that without
//! one. One row for each kind of attack. Limits have their defaults; the rows that attacks need are made by SQL.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::Bench;
use crate::exchange::{exchange, request};
use crate::open_loop::{Outcome, Plan, drive};
use crate::requests::{IN_FLIGHT_MAX, pick};
use crate::row::{Goal, Round, Row};
use crate::server::numbered;
use crate::spend::body;
use crate::system::{Options, System};

/// The p99 of the calm users may grow by at most this factor.
const GROWTH_MAX: f64 = 2.0;
const CALM_USERS: u32 = 10;
/// The number of the user who attacks, after those of the calm ones.
const HOSTILE_USER: u32 = CALM_USERS + 1;
/// Requests a second of all calm users together.
const CALM_RATE: f64 = 40.0;
/// IP addresses that the hostile user connects from; the calm users share another.
const HOSTILE_ADDRESSES: u8 = 4;
const CONNECTIONS_PER_ADDRESS: u32 = 16;
/// Connections of one IP address in the attack that holds connections; the API admits as many by default.
const IDLE_PER_ADDRESS: u32 = 200;
/// Requests a second that the hostile user sends from one IP address: the API's default limit.
const HOSTILE_RATE_PER_ADDRESS: u32 = 100;
/// How long an attack runs before anything is measured.
const ATTACK_BEFORE: Duration = Duration::from_secs(1);
/// Longest wait of the hostile user for one answer.
const HOSTILE_PATIENCE: Duration = Duration::from_secs(10);
/// Generations of the hostile user in the attack by deletion.
const OLD_GENERATIONS: u32 = 5_000;
/// Bytes announced by a body that never ends, just below the API's limit.
const HELD_BODY_BYTES: usize = 16_000_000;
/// A lossless WebP file of 38 bytes: 8192 by 8192 pixels of one colour, 256 MiB when decoded.
const FLAT_PICTURE: &str = "UklGRh4AAABXRUJQVlA4TBEAAAAv/9//FwdQjyLXo8iBiOh/AAA=";

/// A kind of attack by the hostile user.
#[derive(Clone, Copy, Debug)]
enum Attack {
    Lists,
    Generations,
    Faults,
    Pictures,
    Deletions,
    HeldBodies,
    IdleConnections,
}

impl Attack {
    const ALL: [Self; 7] = [
        Self::Lists,
        Self::Generations,
        Self::Faults,
        Self::Pictures,
        Self::Deletions,
        Self::HeldBodies,
        Self::IdleConnections,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::Lists => "lists pages of 100",
            Self::Generations => "sends generations",
            Self::Faults => "sends invalid requests",
            Self::Pictures => "quotes 64-megapixel pictures",
            Self::Deletions => "deletes generations",
            Self::HeldBodies => "holds bodies of 16 MB open",
            Self::IdleConnections => "holds idle connections",
        }
    }

    /// Request number `number` of the attack, for those attacks that send whole requests.
    fn request(self, number: u64, token: &str) -> Vec<u8> {
        match self {
            Self::Lists => request("GET", "/api/v1/generations?limit=100", token, None),
            Self::Generations => request("POST", "/api/v1/generate", token, Some(&body(1).to_string())),
            Self::Faults => {
                let invalid = json!({"workflow_type": "model", "input_data": {"gender": "x".repeat(60_000)}});
                request("POST", "/api/v1/generate", token, Some(&invalid.to_string()))
            }
            Self::Pictures => {
                let input = json!({"input_image": FLAT_PICTURE, "target_color": "#FFD400"});
                let quoted = json!({"workflow_type": "color_change", "input_data": input});
                request("POST", "/api/v1/quotes", token, Some(&quoted.to_string()))
            }
            Self::Deletions => {
                let old = u32::try_from(number % u64::from(OLD_GENERATIONS)).unwrap_or(0);
                request("DELETE", &format!("/api/v1/generations/{}", old_generation(old)), token, None)
            }
            Self::HeldBodies | Self::IdleConnections => request("GET", "/api/v1/credits", token, None),
        }
    }
}

/// Ids of the generations that [`Attack::Deletions`] deletes, away from those of the other rows.
fn old_generation(number: u32) -> uuid::Uuid {
    numbered(0x4000_0000 + number)
}

/// One row for each attack.
pub(crate) async fn rows(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let options = Options { users: HOSTILE_USER, default_limits: true, ..bench.options(0, true) };
    ensure!(bench.arguments.users >= HOSTILE_USER, "--users is below {HOSTILE_USER}");
    let system = System::start(&bench.server, options).await?;
    make_old_generations(&system).await?;
    let mut rows = Vec::new();
    for attack in Attack::ALL {
        rows.push(row(bench, &system, attack).await?);
    }
    system.stop().await?;
    Ok(rows)
}

async fn row(bench: &Bench, system: &System, attack: Attack) -> anyhow::Result<Row> {
    let plan = Plan { rate: CALM_RATE, lasting: bench.lasting(), in_flight_max: IN_FLIGHT_MAX };
    let figure = format!("calm p99, a user {}", attack.words());
    let (mut rounds, mut notes) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds() {
        system.api.hang_up();
        let idle = calm(system, plan).await?;
        ensure!(idle.failed == 0, "the idle system: {}", idle.words(plan));
        let attackers = Attackers::start(system, attack);
        tokio::time::sleep(ATTACK_BEFORE).await;
        let attacked = calm(system, plan).await?;
        notes = vec![attacked.words(plan), attackers.stop().await];
        // A request that failed was not answered at all.
        let p99 = if attacked.failed == 0 { attacked.ms(0.99) } else { f64::INFINITY };
        eprintln!("  {figure}: {p99:.1} ms beside {:.1}", idle.ms(0.99));
        rounds.push(Round { measured: p99, reference: idle.ms(0.99) });
    }
    let row = Row::of_rounds(&figure, "ms", &rounds, "the idle system", Goal::RatioMax(GROWTH_MAX));
    Ok(notes.into_iter().fold(row, Row::note))
}

/// The calm users read their credits and their generations in turn.
async fn calm(system: &System, plan: Plan) -> anyhow::Result<Outcome> {
    drive(plan, |number| {
        let (api, users) = (Arc::clone(&system.api), Arc::clone(&system.users));
        async move {
            let user = &users[pick(number, CALM_USERS as usize)];
            let path = if number % 2 == 0 { "/api/v1/credits" } else { "/api/v1/generations" };
            api.call(&request("GET", path, &user.token, None), 200).await.map(|_| ())
        }
    })
    .await
}

/// Tasks that attack until they are stopped.
struct Attackers {
    tasks: JoinSet<()>,
    answers: Arc<[AtomicU64; 6]>,
}

impl Attackers {
    fn start(system: &System, attack: Attack) -> Self {
        let mut tasks = JoinSet::new();
        let answers: Arc<[AtomicU64; 6]> = Arc::default();
        let numbers = Arc::new(AtomicU64::new(0));
        let per_address = match attack {
            Attack::IdleConnections => IDLE_PER_ADDRESS,
            _ => CONNECTIONS_PER_ADDRESS,
        };
        for address in 0..HOSTILE_ADDRESSES {
            for _ in 0..per_address {
                let token = system.users[HOSTILE_USER as usize - 1].token.clone();
                let to = system.api.address();
                let from = SocketAddr::from((Ipv4Addr::new(127, 0, 1, address + 1), 0));
                let (numbers, answers) = (Arc::clone(&numbers), Arc::clone(&answers));
                tasks.spawn(async move {
                    // A refused connection is opened again after a pause; what becomes of it is counted, not judged.
                    loop {
                        let _ = attack_once(attack, (from, to), &token, &numbers, &answers).await;
                        tokio::time::sleep(pause()).await;
                    }
                });
            }
        }
        Self { tasks, answers }
    }

    /// What the hostile user was answered, in words.
    async fn stop(mut self) -> String {
        self.tasks.shutdown().await;
        let classes = self.answers.iter().enumerate().skip(1);
        let told = classes.map(|(class, count)| format!("{class}xx {}", count.load(Ordering::Relaxed)));
        format!("the hostile user was answered: {}", told.collect::<Vec<_>>().join(", "))
    }
}

/// Between two requests of one connection.
fn pause() -> Duration {
    Duration::from_secs(1) * CONNECTIONS_PER_ADDRESS / HOSTILE_RATE_PER_ADDRESS
}

/// Attacks over one connection, until it ends.
async fn attack_once(
    attack: Attack,
    (from, to): (SocketAddr, SocketAddr),
    token: &str,
    numbers: &AtomicU64,
    answers: &[AtomicU64; 6],
) -> anyhow::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(from)?;
    let mut stream = socket.connect(to).await?;
    if matches!(attack, Attack::HeldBodies) {
        return hold_body(&mut stream, token).await;
    }
    loop {
        let asked = attack.request(numbers.fetch_add(1, Ordering::Relaxed), token);
        let answer = tokio::time::timeout(HOSTILE_PATIENCE, exchange(&mut stream, &asked)).await??;
        if let Some(count) = answers.get(usize::from(answer.status / 100)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if matches!(attack, Attack::IdleConnections) {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(pause()).await;
    }
}

/// Sends most of a large body, and then a byte now and then.
async fn hold_body(stream: &mut TcpStream, token: &str) -> anyhow::Result<()> {
    let head = format!(
        "POST /api/v1/generate HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {HELD_BODY_BYTES}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&vec![b' '; HELD_BODY_BYTES / 2]).await?;
    loop {
        stream.write_all(b" ").await?;
        tokio::time::sleep(pause()).await;
    }
}

/// Generations that ended long ago, each with a picture of its own, for the hostile user to delete.
async fn make_old_generations(system: &System) -> anyhow::Result<()> {
    let ids: Vec<uuid::Uuid> = (0..OLD_GENERATIONS).map(old_generation).collect();
    let hostile = numbered(HOSTILE_USER);
    sqlx::query(
        "insert into public.generations (id, user_id, generation_type, method, status, input_data, output_urls, completed_at)
         select id, $2, 'model', 'automatic', 'completed', '{}', array[$2 || '/' || id || '/1.webp'], now()
         from unnest($1::uuid[]) as id",
    )
    .bind(&ids)
    .bind(hostile)
    .execute(&system.database.owner)
    .await
    .context("generations to delete cannot be made")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Attack, pause};

    #[test]
    fn every_attack_sends_whole_requests() {
        for attack in Attack::ALL {
            let text = String::from_utf8(attack.request(1, "t")).expect("text");
            assert!(text.contains("\r\n\r\n") && text.contains("authorization: Bearer t"), "{attack:?}");
        }
        assert_eq!(pause().as_millis(), 160);
    }
}
