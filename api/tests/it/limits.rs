//! Rates, counts and time: what one caller may take of what is everybody's.

use std::time::Duration;

use devstack::attack::{self, Target};
use devstack::builders::model;
use devstack::client::{Answer, Client};
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Answered, Stack, User, WELCOME};

/// Far more requests than any burst of these tests, so that a slow machine gives back less than is taken.
const MANY: usize = 400;

/// `status code` of a refusal.
fn named(answer: &Answer) -> String {
    format!("{} {}", answer.status.as_u16(), answer.body["code"].as_str().unwrap_or("-"))
}

async fn generate(user: &User) -> Answer {
    user.client.generate(&model().outputs(1).build()).await.unwrap()
}

#[tokio::test]
async fn the_rate_is_exact_across_processes_and_every_answer_tells_what_is_left() {
    let stack = Stack::with(&[("GENERATE_RATE_PER_MINUTE", "6")]).await;
    let second = stack.beside().await;
    let user = stack.sign_up().await;
    let elsewhere = Client::new(second.base.clone(), Some(stack.issuer.token(user.id))).unwrap();
    let first = generate(&user).await.expecting(202);
    assert_eq!(first.header("ratelimit"), "\"generate\";r=5;t=10");
    let policy = "\"generate\";q=6;w=60, \"generations-open\";q=20;qu=\"concurrent-requests\"";
    assert_eq!(first.header("ratelimit-policy"), policy);

    let request = model().outputs(1).build();
    let asked = (0..10).map(|n| if n % 2 == 0 { &user.client } else { &elsewhere }.generate(&request));
    let answers: Vec<_> = futures::future::join_all(asked).await.into_iter().map(Result::unwrap).collect();
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    let refused = answers.iter().find(|answer| answer.status != 202).unwrap();
    attack::is_met(Target::Limits, "11 requests at two API processes where 6 a minute may be", 6, 1 + accepted);
    assert_eq!(named(refused), "429 rate-limited");
    assert!((1..=10).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    assert!(refused.header("ratelimit").starts_with("\"generate\";r=0;t="), "{}", refused.header("ratelimit"));
    assert_eq!(user.client.balance().await.unwrap(), WELCOME - 6);
    second.finish().await;
    stack.finish().await;
}

#[tokio::test]
async fn generations_under_way_are_bounded_and_the_next_may_start_when_one_has_ended() {
    let stack = Stack::with(&[("GENERATIONS_OPEN_MAX", "2")]).await;
    let user = stack.sign_up().await;
    let first = generate(&user).await.expecting(202).generation_id();
    generate(&user).await.answered(202);
    let refused = generate(&user).await.expecting(429);
    attack::is_met(
        Target::Limits,
        "a third generation where 2 may be under way",
        "429 too-many-generations",
        named(&refused),
    );
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(user.client.balance().await.unwrap(), WELCOME - 2);
    user.client.cancel(first).await.unwrap().answered(200);
    generate(&user).await.answered(202);
    stack.finish().await;
}

#[tokio::test]
async fn a_full_queue_puts_requests_off_and_takes_nothing() {
    let stack = Stack::with(&[("QUEUE_MAX", "2")]).await;
    let user = stack.sign_up().await;
    for _ in 0..2 {
        generate(&user).await.answered(202);
    }
    let refused = generate(&user).await.expecting(503);
    attack::is_met(Target::Limits, "a request while the queue is full", "503 queue-full", named(&refused));
    assert_eq!(refused.header("retry-after"), "30");
    assert_eq!(user.client.balance().await.unwrap(), WELCOME - 2);
    assert_eq!((stack.count("generations").await, stack.count("jobs").await), (2, 2));
    stack.finish().await;
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_refused_before_its_token_is_looked_at() {
    let stack = Stack::with(&[("ADDRESS_RATE_PER_SECOND", "2"), ("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let forged = stack.client(Some("not.a.token".to_owned()));
    let from = async |address: &str| {
        let request = forged.request(Method::GET, "/api/v1/credits").header("X-Forwarded-For", address);
        forged.send(request).await.unwrap()
    };
    let mut answers = Vec::new();
    for _ in 0..MANY {
        answers.push(named(&from("203.0.113.7").await));
        if answers.last().unwrap().starts_with("429") {
            break;
        }
    }
    assert!(answers.len() > 8 && answers[..8].iter().all(|answer| answer == "401 invalid-token"), "{answers:?}");
    attack::is_met(
        Target::Limits,
        "more requests than one address may send",
        "429 rate-limited",
        answers.last().unwrap(),
    );
    // Whoever writes another address in front of her own is still herself; others are not kept out.
    let posing = from("198.51.100.1, 203.0.113.7").await;
    attack::is_met(Target::Limits, "the same behind a made-up first hop", "429 rate-limited", named(&posing));
    assert_eq!(named(&from("203.0.113.8").await), "401 invalid-token");
    stack.finish().await;
}

#[tokio::test]
async fn forwarded_addresses_are_not_believed_of_just_anyone() {
    let stack = Stack::with(&[("ADDRESS_RATE_PER_SECOND", "2")]).await;
    let client = stack.client(None);
    let mut last = String::new();
    for n in 0..MANY {
        let request = client.request(Method::GET, "/livez").header("X-Forwarded-For", format!("203.0.113.{}", n % 250));
        last = named(&client.send(request).await.unwrap());
        if last.starts_with("429") {
            break;
        }
    }
    attack::is_met(Target::Limits, "a made-up X-Forwarded-For with each request", "429 rate-limited", last);
    stack.finish().await;
}

#[tokio::test]
async fn a_user_who_looks_too_often_is_refused_and_others_are_not() {
    let stack = Stack::with(&[("USER_RATE_PER_SECOND", "2")]).await;
    let (user, other) = (stack.sign_up().await, stack.sign_up().await);
    let first = user.client.get("/api/v1/credits").await.unwrap().expecting(200);
    assert_eq!((first.header("ratelimit-policy"), first.header("ratelimit")), ("\"user\";q=8;w=4", "\"user\";r=7;t=1"));
    let mut last = first;
    for _ in 0..MANY {
        last = user.client.get("/api/v1/generations").await.unwrap();
        if last.status != 200 {
            break;
        }
    }
    attack::is_met(Target::Limits, "more looks than one user may take", "429 rate-limited", named(&last));
    other.client.get("/api/v1/credits").await.unwrap().answered(200);
    generate(&other).await.answered(202);
    stack.finish().await;
}

#[tokio::test]
async fn one_address_holds_a_part_of_the_connections_and_no_more() {
    let stack = Stack::with(&[("CONNECTIONS_MAX", "16")]).await;
    let address = stack.base.socket_addrs(|| None).unwrap()[0];
    let mut held = Vec::new();
    for _ in 0..10 {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let _ = connection.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut byte = [0];
        let answered = matches!(connection.read(&mut byte).await, Ok(1));
        held.push((connection, answered));
    }
    let answered = held.iter().filter(|(_, answered)| *answered).count();
    assert_eq!(answered, 10, "an idle connection makes room for another one of the same address");
    let mut open = 0;
    for (connection, _) in &mut held {
        let _ = connection.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
        // What is left of the first answer, and then the second; or the end.
        let mut seen = Vec::new();
        while !seen.windows(8).any(|eight| eight == b"HTTP/1.1") {
            match connection.read_buf(&mut seen).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        open += usize::from(seen.windows(8).any(|eight| eight == b"HTTP/1.1"));
    }
    attack::is_met(Target::Limits, "10 connections from one address where 4 may be", "4 open", format!("{open} open"));
    drop(held);
    let freed = async {
        while stack.client(None).get("/livez").await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), freed).await.expect("places come back");
    stack.finish().await;
}
