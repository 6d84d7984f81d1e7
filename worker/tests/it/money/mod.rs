//! Everything that moves credits, at random and at once, against the real database and a reference model.
//!
//! The model knows no order: what a user has is what she was given, plus what each payment brought and took back, less
//! what each generation cost. If that is negative, she owes it. A run prints its seed; `SHOOTX_MONEY_SEED` repeats it,
//! `SHOOTX_MONEY_RUNS` and `SHOOTX_MONEY_STEPS` make it long (`make test-money`).

mod acts;
mod model;
mod plans;
mod rest;
mod users;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use acts::World;

/// Runs and steps of each where nothing else is asked for.
const RUNS: u64 = 2;
const STEPS: u64 = 60;

#[tokio::test]
async fn whatever_happens_in_whatever_order_credits_add_up() {
    let given = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (runs, steps) = (given("SHOOTX_MONEY_RUNS").unwrap_or(RUNS), given("SHOOTX_MONEY_STEPS").unwrap_or(STEPS));
    let first = given("SHOOTX_MONEY_SEED").unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    for seed in first..first + runs {
        println!("SHOOTX_MONEY_SEED={seed} SHOOTX_MONEY_STEPS={steps}");
        let mut world = World::open(StdRng::seed_from_u64(seed)).await;
        for step in 0..steps {
            let act = world.act().await;
            println!("{step}: {act}");
        }
        world.rest().await;
        println!("{}", world.counted());
    }
}
