//! The program: its lines, and its end.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{get, http};

#[tokio::test]
async fn the_program_says_where_it_listens_and_stops_when_told() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_simulators"))
        .args(["--runpod-port", "0", "--supabase-port", "0", "--payments-port", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(program.stdout.take().unwrap()).lines().take(3);
    let lines: Vec<Value> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert_eq!((&lines[0]["simulator"], &lines[1]["simulator"]), (&"runpod".into(), &"supabase".into()));
    let url = format!("{}/ep/health", lines[0]["api_url"].as_str().unwrap());
    let health = http().get(url).bearer_auth(lines[0]["api_key"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(health.status(), 200);
    let jwks = format!("{}/.well-known/jwks.json", lines[1]["issuer"].as_str().unwrap());
    assert_eq!(get(jwks).await.unwrap().status(), 200);

    assert_eq!(lines[2]["simulator"], "payments");
    let customers = format!("{}/v1/customers", lines[2]["url"].as_str().unwrap());
    let customers = http().get(customers).bearer_auth(lines[2]["secret_key"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(customers.status(), 200);

    let told = Command::new("sh").args(["-c", &format!("kill {}", program.id())]).status().unwrap();
    assert!(told.success());
    let start = Instant::now();
    let status = loop {
        if let Some(status) = program.try_wait().unwrap() {
            break status;
        }
        assert!(start.elapsed() < Duration::from_secs(5), "it does not stop");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(status.success(), "{status}");
}

#[test]
fn a_port_in_use_is_one_clear_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let program = Command::new(env!("CARGO_BIN_EXE_simulators"))
        .env_remove("RUST_BACKTRACE")
        .args(["--runpod-port", &port, "--supabase-port", "0", "--payments-port", "0"])
        .output()
        .unwrap();
    assert!(!program.status.success());
    let message = String::from_utf8(program.stderr).unwrap();
    assert!(message.contains(&format!("cannot listen on port {port}")), "{message}");
}
