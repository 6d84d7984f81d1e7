//! A closed loop: connections that do the same, each again as soon as it is done. It tells what the most is that can be
//! done; how long one takes means nothing then.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::task::JoinSet;

/// Of each connection, before anything is measured: Postgres plans a prepared statement anew five times.
const WARM_UPS: u32 = 10;

/// Opens the connections and has each do `work` a few times. Answers with how often it was done.
///
/// # Errors
/// The first of `work`.
pub(crate) async fn warm_up<W, F>(connections: u32, work: W) -> anyhow::Result<u32>
where
    W: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = anyhow::Result<()>> + Send,
{
    join(start(connections, |count| count < WARM_UPS, work)).await
}

/// Has `connections` tasks do `work` until `lasting` is over. Answers with the rate a second, and how often it was done.
///
/// # Errors
/// The first of `work`, and when none was done.
pub(crate) async fn load<W, F>(connections: u32, lasting: Duration, work: W) -> anyhow::Result<(f64, u32)>
where
    W: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = anyhow::Result<()>> + Send,
{
    let began = Instant::now();
    let end = began + lasting;
    let count = join(start(connections, move |_| Instant::now() < end, work)).await?;
    ensure!(count > 0, "nothing was done within {lasting:?}");
    Ok((f64::from(count) / began.elapsed().as_secs_f64(), count))
}

fn start<G, W, F>(connections: u32, goes_on: G, work: W) -> JoinSet<anyhow::Result<u32>>
where
    G: Fn(u32) -> bool + Copy + Send + 'static,
    W: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = anyhow::Result<()>> + Send,
{
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let work = work.clone();
        tasks.spawn(async move {
            let mut count = 0;
            while goes_on(count) {
                work().await?;
                count += 1;
            }
            Ok(count)
        });
    }
    tasks
}

async fn join(mut tasks: JoinSet<anyhow::Result<u32>>) -> anyhow::Result<u32> {
    let mut count = 0;
    while let Some(done) = tasks.join_next().await {
        count += done??;
    }
    Ok(count)
}
