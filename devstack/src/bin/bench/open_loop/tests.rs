use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::bail;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::Instant;

use super::{Outcome, Plan, drive};
use crate::exchange::{exchange, request};

/// When the server begins to do nothing, and when it goes on.
const STALL: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(6));

/// Answers everything at once, but for two seconds, in which nobody is answered.
async fn serve(mut stream: DuplexStream, began: Instant) {
    let mut asked = [0; 1024];
    while stream.read(&mut asked).await.is_ok_and(|length| length > 0) {
        if (STALL.0..STALL.1).contains(&began.elapsed()) {
            tokio::time::sleep_until(began + STALL.1).await;
        }
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.is_err() {
            return;
        }
    }
}

/// A thousand requests to that server, in ten seconds of a clock that the test owns; and how many of them took long from
/// when they were really sent.
async fn drive_into_the_stall(in_flight_max: usize) -> (Outcome, usize) {
    let began = Instant::now();
    let free: Arc<Mutex<Vec<DuplexStream>>> = Arc::default();
    let slow = Arc::new(Mutex::new(0));
    let plan = Plan { rate: 100.0, lasting: Duration::from_secs(10), in_flight_max };
    let work = |_| {
        let (free, slow) = (Arc::clone(&free), Arc::clone(&slow));
        async move {
            let sent = Instant::now();
            let taken = free.lock().unwrap().pop();
            let mut stream = taken.unwrap_or_else(|| {
                let (near, far) = tokio::io::duplex(1024);
                tokio::spawn(serve(far, began));
                near
            });
            exchange(&mut stream, &request("GET", "/", "token", None)).await?;
            free.lock().unwrap().push(stream);
            *slow.lock().unwrap() += usize::from(sent.elapsed() > Duration::from_millis(100));
            Ok(())
        }
    };
    let outcome = drive(plan, work).await.unwrap();
    let slow = *slow.lock().unwrap();
    (outcome, slow)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stalls_for_two_seconds_shows_it_at_p99_though_few_requests_saw_it() {
    let (outcome, slow) = drive_into_the_stall(4).await;
    assert_eq!((outcome.sent, outcome.latency.len(), outcome.failed), (1000, 1000, 0));
    // Whoever timed requests from when they were sent would find 4 of 1000 slow, and a p99 of nothing.
    assert_eq!(slow, 4);
    assert!((1_900.0..=2_010.0).contains(&outcome.ms(0.99)), "p99 {} ms", outcome.ms(0.99));
    assert!(outcome.ms(0.5) < 5.0, "p50 {} ms", outcome.ms(0.5));
    assert!((190..=200).contains(&outcome.held_back), "{} held back", outcome.held_back);
}

#[tokio::test(start_paused = true)]
async fn with_places_enough_all_are_sent_when_they_are_due_and_the_stall_shows_the_same() {
    let (outcome, slow) = drive_into_the_stall(1000).await;
    assert_eq!((outcome.sent, outcome.held_back), (1000, 0));
    assert!(slow > 180, "{slow} slow");
    assert!((1_900.0..=2_010.0).contains(&outcome.ms(0.99)), "p99 {} ms", outcome.ms(0.99));
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_counted_and_timed_with_the_rest() {
    let plan = Plan { rate: 10.0, lasting: Duration::from_secs(1), in_flight_max: 1 };
    let outcome = drive(plan, |number| async move {
        if number >= 8 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            bail!("no answer to number {number}");
        }
        Ok(())
    });
    let outcome = outcome.await.unwrap();
    assert_eq!((outcome.sent, outcome.failed, outcome.latency.len()), (10, 2, 10));
    assert_eq!(outcome.failure.as_deref(), Some("no answer to number 8"));
    assert!(outcome.ms(1.0) >= 1_000.0);
    assert!(outcome.words(plan).contains("2 FAILED, the first so: no answer to number 8"));
}
