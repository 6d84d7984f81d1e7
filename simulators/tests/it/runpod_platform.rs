//! The platform around the jobs: keys, bodies, policies, retention, cancel, retry, purge, health, rates and the script itself.

use std::time::Duration;

use serde_json::{Value, json};
use simulators::runpod::JobFault;
use simulators::{HttpFault, Operation, RunPodFault, RunPodOptions, RunPodSim};

use crate::support::{Client, at_once, by_hand, get, http, model, options};

#[tokio::test]
async fn a_wrong_key_is_refused_and_an_unknown_endpoint_is_not_found() {
    let sim = RunPodSim::start(RunPodOptions { endpoints: vec!["ep1".to_owned()], ..options() }).unwrap();
    let http = http();
    let post = |endpoint: &str, key: &str| {
        let url = format!("{}/{endpoint}/run", sim.api_url());
        http.post(url).header("authorization", key).json(&json!({"input": model("x")})).send()
    };
    let key = format!("Bearer {}", sim.api_key());
    assert_eq!(post("ep1", "Bearer wrong").await.unwrap().status(), 401);
    let foreign = post("ep2", &key).await.unwrap();
    assert_eq!(foreign.status(), 404);
    assert_eq!(foreign.json::<Value>().await.unwrap(), json!({"detail": "endpoint not found"}));
    assert_eq!(post("ep1", &key).await.unwrap().status(), 200);
    assert_eq!(post("ep1", sim.api_key()).await.unwrap().status(), 200, "the bare key is accepted too");
    assert_eq!(sim.counts().jobs_made, 2);
}

#[tokio::test]
async fn a_body_over_ten_mebibytes_is_refused_with_400() {
    let sim = at_once();
    let client = Client::of(&sim);
    let body = json!({"input": {"padding": "x".repeat(10 * 1024 * 1024)}});
    let (status, answer) = client.send("run", Some(&body)).await.unwrap();
    assert_eq!((status, answer), (400, json!("exceeded max body size of 10MiB")));
}

#[tokio::test]
async fn requests_without_an_input_or_with_a_bad_policy_are_refused() {
    let sim = at_once();
    let client = Client::of(&sim);
    for body in [
        json!({}),
        json!({"input": 5}),
        json!({"input": model("x"), "policy": {"executionTimeout": 4_999}}),
        json!({"input": model("x"), "policy": {"ttl": 9_999}}),
        json!({"input": model("x"), "policy": {"ttl": 604_800_001_u64}}),
    ] {
        assert_eq!(client.send("run", Some(&body)).await.unwrap().0, 400, "{body}");
    }
    assert_eq!(sim.counts().jobs_made, 0);
}

#[tokio::test]
async fn a_result_is_kept_for_thirty_minutes() {
    let sim = by_hand();
    let client = Client::of(&sim);
    let id = client.run_model().await;
    assert!(sim.complete(&id));
    sim.advance(Duration::from_secs(30 * 60 - 1));
    assert_eq!(client.status_code(&id).await, 200);
    sim.advance(Duration::from_secs(1));
    assert_eq!(client.status_code(&id).await, 404);
    let job = sim.job(&id).unwrap();
    assert!(job.gone && job.input.is_null(), "tests still see that it was made, and nothing that weighs: {job:?}");
}

#[tokio::test]
async fn a_result_can_be_expired_from_the_start() {
    let sim = at_once();
    let client = Client::of(&sim);
    sim.script(JobFault::ResultExpired);
    let id = client.run_model().await;
    assert_eq!(client.status_code(&id).await, 404);
}

#[tokio::test]
async fn a_cancelled_job_stays_cancelled_and_frees_its_worker() {
    let sim = by_hand();
    let client = Client::of(&sim);
    let id = client.run_model().await;
    let (status, answer) = client.post(&format!("cancel/{id}")).await;
    assert_eq!((status, answer), (200, json!({"id": id, "status": "CANCELLED"})));
    sim.advance(Duration::from_secs(60));
    assert_eq!(client.status(&id).await["status"], "CANCELLED");
    assert!(sim.job(&id).unwrap().cancelled);
    assert_eq!(sim.counts().jobs_cancelled, 1);
    assert_eq!(client.post("cancel/nobody-u1").await.0, 404);
}

#[tokio::test]
async fn a_cancel_can_be_ignored_by_the_worker() {
    let sim = by_hand();
    let client = Client::of(&sim);
    sim.script(JobFault::CancelIgnored);
    let id = client.run_model().await;
    assert_eq!(client.post(&format!("cancel/{id}")).await.1["status"], "CANCELLED");
    assert_eq!(client.status(&id).await["status"], "CANCELLED");
    sim.advance(Duration::from_secs(20));
    assert_eq!(client.status(&id).await["status"], "COMPLETED");
}

#[tokio::test]
async fn a_failed_job_can_be_retried_and_a_completed_one_cannot() {
    let sim = by_hand();
    let client = Client::of(&sim);
    let id = client.run_model().await;
    sim.fail(&id, "once");
    assert_eq!(client.post(&format!("retry/{id}")).await, (200, json!({"id": id, "status": "IN_QUEUE"})));
    assert_eq!(client.status(&id).await["status"], "IN_PROGRESS");
    sim.advance(Duration::from_secs(20));
    assert_eq!(client.status(&id).await["status"], "COMPLETED");
    assert_eq!(client.post(&format!("retry/{id}")).await.0, 400);
}

#[tokio::test]
async fn purging_removes_what_is_queued_and_health_counts_the_rest() {
    let sim =
        RunPodSim::start(RunPodOptions { workers: 1, generation_time: Duration::from_secs(60), ..options() }).unwrap();
    let client = Client::of(&sim);
    let (running, cancelled, queued) = (client.run_model().await, client.run_model().await, client.run_model().await);
    client.post(&format!("cancel/{cancelled}")).await;
    let (_, health) = client.send("health", None).await.unwrap();
    assert_eq!((&health["jobs"]["inProgress"], &health["jobs"]["inQueue"]), (&json!(1), &json!(1)));
    assert_eq!(health["workers"].as_object().unwrap().len(), 6);
    assert_eq!(client.post("purge-queue").await, (200, json!({"removed": 1, "status": "completed"})));
    assert_eq!(client.status_code(&queued).await, 404);
    assert!(sim.job(&queued).unwrap().input.is_null() && !sim.job(&running).unwrap().input.is_null());
    assert_eq!((client.status_code(&running).await, client.status_code(&cancelled).await), (200, 200));
}

#[tokio::test]
async fn documented_rates_are_enforced() {
    let sim = by_hand();
    let client = Client::of(&sim);
    let mut answers = Vec::new();
    for _ in 0..101 {
        answers.push(client.post("cancel/nobody-u1").await.0);
    }
    assert!(answers[..100].iter().all(|status| *status == 404));
    assert_eq!(answers[100], 429);
    sim.advance(Duration::from_secs(10));
    assert_eq!(client.post("cancel/nobody-u1").await.0, 404);
}

#[tokio::test]
async fn faults_are_taken_in_order_by_prompt_by_predicate_and_by_count() {
    let sim = at_once();
    let client = Client::of(&sim);
    let error = |text: &str| JobFault::Fails { error: json!(text), output: None };
    sim.script(RunPodFault::new(error("blue only")).prompt_contains("blue"));
    sim.script(RunPodFault::new(error("four outputs")).when(|input| input["num_outputs"] == 4));
    sim.script(RunPodFault::new(error("third")).skip(2).times(2));
    let mut errors = Vec::new();
    for prompt in ["red", "blue", "red", "blue", "blue"] {
        let job = client.status(&client.run(&json!({"input": model(prompt)})).await).await;
        errors.push(job["error"].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(errors, ["", "blue only", "", "third", "third"]);
}

#[tokio::test]
async fn a_rate_is_drawn_from_the_seed() {
    let share = |seed| async move {
        let sim = RunPodSim::start(RunPodOptions { seed, ..options() }).unwrap();
        let client = Client::of(&sim);
        sim.script(RunPodFault::new(HttpFault::ServerError { status: 500 }).on(Operation::Health).rate(0.3));
        let mut failed = Vec::new();
        for _ in 0..60 {
            failed.push(client.send("health", None).await.unwrap().0 == 500);
        }
        failed
    };
    let (one, again, other) = (share(1).await, share(1).await, share(2).await);
    assert_eq!(one, again);
    assert_ne!(one, other);
    assert!((5..35).contains(&one.iter().filter(|failed| **failed).count()));
}

#[tokio::test]
async fn other_processes_script_faults_and_count_jobs_over_http() {
    let sim = at_once();
    let client = Client::of(&sim);
    let http = http();
    let faults = format!("{}/_sim/faults", sim.base_url());
    let script = json!([{"fault": "product_error", "code": "GPU_ERROR", "prompt_contains": "coat"}, {"fault": "server_error", "on": "status", "times": 2}]);
    let answer = http.post(&faults).json(&script).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let id = client.run_model().await;
    assert_eq!((client.status_code(&id).await, client.status_code(&id).await), (500, 500));
    assert_eq!(client.status(&id).await["output"]["error"]["code"], "GPU_ERROR");

    for bad in [
        json!({"fault": "nonsense"}),
        json!({"fault": "latency"}),
        json!({"fault": "latency", "ms": 1, "onn": "run"}),
        json!(5),
    ] {
        assert_eq!(http.post(&faults).json(&bad).send().await.unwrap().status(), 400, "{bad}");
    }
    http.post(&faults).json(&json!({"fault": "unauthorized", "always": true})).send().await.unwrap();
    assert_eq!(client.status_code(&id).await, 401);
    http.delete(&faults).send().await.unwrap();
    assert_eq!(client.status_code(&id).await, 200);

    let seen: Value =
        get(format!("{}/_sim/jobs?prompt_contains=coat", sim.base_url())).await.unwrap().json().await.unwrap();
    assert_eq!(
        (&seen["counts"]["jobs_made"], &seen["counts"]["requests"]["run"], &seen["matching"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!((&seen["jobs"][0]["id"], &seen["jobs"][0]["status"]), (&json!(id), &json!("COMPLETED")));
}
