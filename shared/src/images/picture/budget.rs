//! The memory that pictures may take at once in this process, and the turns in which they are worked on.

use std::num::NonZero;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;

use tokio::sync::Semaphore;

/// Bytes of a megabyte, as settings count them.
const MEGABYTE: u64 = 1_000_000;
/// Memory is taken in pieces of this many bytes: a semaphore counts in 32 bits.
const PIECE: u64 = 1024;
/// What holds until a program sets its own.
const DEFAULT_BYTES: u64 = 300 * MEGABYTE;

static BYTES_MAX: AtomicU64 = AtomicU64::new(DEFAULT_BYTES);
static BUDGET: LazyLock<Budget> = LazyLock::new(|| Budget::new(BYTES_MAX.load(Ordering::Relaxed)));

/// Sets how many megabytes pictures may take at once in this process. To be called once, before the first picture:
/// later calls change nothing.
pub fn set_picture_memory(megabytes: u32) {
    BYTES_MAX.store(u64::from(megabytes) * MEGABYTE, Ordering::Relaxed);
    LazyLock::force(&BUDGET);
}

/// Most memory that one picture may take: all there is.
pub(super) fn bytes_max() -> u64 {
    BUDGET.bytes_max
}

/// Does `work`, which takes at most `cost` bytes, on a blocking thread once there is a core and room for it.
/// `None` if it panicked. Waiters are served in their order, so that a large picture is not passed by for ever.
pub(super) async fn within<T: Send + 'static>(cost: u64, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    // What takes more was refused before; work that can bound itself takes all there is.
    let pieces = u32::try_from(cost.min(BUDGET.bytes_max) / PIECE).expect("a budget has gigabytes at most");
    let turn = BUDGET.turns.acquire().await.expect("the semaphore is never closed");
    let room = BUDGET.room.acquire_many(pieces).await.expect("the semaphore is never closed");
    let work = tokio::task::spawn_blocking(move || {
        let _held = (turn, room);
        work()
    });
    work.await.ok()
}

struct Budget {
    bytes_max: u64,
    room: Semaphore,
    /// Pictures in work at once: each keeps a core busy.
    turns: Semaphore,
}

impl Budget {
    fn new(bytes_max: u64) -> Self {
        let pieces = usize::try_from(bytes_max / PIECE).expect("a budget has gigabytes at most");
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self { bytes_max, room: Semaphore::new(pieces), turns: Semaphore::new(cores.max(TURNS_MIN)) }
    }
}

/// On a single core, too, a small picture does not wait for a large one to end.
const TURNS_MIN: usize = 2;
