//! The worker side: what a process that speaks like RunPod's SDK is told, and what its words do to jobs.

use std::time::Duration;

use serde_json::{Value, json};
use simulators::runpod::JobFault;
use simulators::{HttpFault, Operation, RunPodFault, RunPodHandle, RunPodOptions, RunPodSim, Time};

use crate::support::{Client, Worker, get, http, options, until};

const SILENCE: Duration = Duration::from_secs(30);

/// Endpoint `ep1` is served by attached workers, which need not wait; the clock stands still.
fn attached() -> RunPodHandle {
    let attached = vec!["ep1".to_owned()];
    RunPodSim::start(RunPodOptions { time: Time::Manual, attached, poll_wait: Duration::ZERO, ..options() }).unwrap()
}

/// A simulator, its client, and a worker that has taken the one job there is.
async fn at_work() -> (RunPodHandle, Client, Worker, String) {
    let sim = attached();
    let (client, worker) = (Client::of(&sim), Worker::of(&sim, "pod1"));
    let id = client.run(&json!({"input": {"n": 1}})).await;
    assert_eq!(worker.take().await, (200, json!({"id": id, "input": {"n": 1}})));
    (sim, client, worker, id)
}

#[tokio::test]
async fn a_job_waits_for_a_worker_shows_its_progress_and_ends_with_its_result() {
    let sim = attached();
    let (client, worker) = (Client::of(&sim), Worker::of(&sim, "pod1"));
    assert_eq!(worker.take().await, (204, Value::Null));
    let id = client.run(&json!({"input": {"n": 1}})).await;
    sim.advance(Duration::from_secs(3));
    assert_eq!(client.status(&id).await["status"], "IN_QUEUE");
    assert_eq!(worker.take().await, (200, json!({"id": id, "input": {"n": 1}})));
    assert_eq!(worker.take().await, (204, Value::Null));

    sim.advance(Duration::from_secs(2));
    worker.done(&id, &json!({"status": "IN_PROGRESS", "output": {"progress": "4/10"}})).await;
    let job = client.status(&id).await;
    assert_eq!((&job["status"], &job["output"]["progress"]), (&json!("IN_PROGRESS"), &json!("4/10")));
    assert_eq!(
        (&job["executionTime"], &job["delayTime"], &job["workerId"]),
        (&json!(2000), &json!(3000), &json!("pod1"))
    );

    sim.advance(Duration::from_secs(5));
    assert_eq!(worker.done(&id, &json!({"output": {"answer": 42}})).await, 200);
    let job = client.status(&id).await;
    assert_eq!((&job["status"], &job["output"]), (&json!("COMPLETED"), &json!({"answer": 42})));
    assert_eq!((&job["executionTime"], job.get("retries")), (&json!(7000), None));
    assert_eq!(worker.done(&id, &json!({"error": "too late"})).await, 200);
    assert_eq!(client.status(&id).await["status"], "COMPLETED");
}

#[tokio::test]
async fn workers_and_clients_have_keys_of_their_own_and_workers_only_their_endpoints() {
    let sim = attached();
    for (key, endpoint, status) in
        [(sim.worker_key(), "ep1", 204), (sim.api_key(), "ep1", 401), ("", "ep1", 401), (sim.worker_key(), "ep2", 404)]
    {
        let url = format!("{}/{endpoint}/job-take/pod1?gpu=x&job_in_progress=0", sim.api_url());
        let answer = http().get(url).header("authorization", key).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    let health = format!("{}/ep1/health", sim.api_url());
    let answer = http().get(health).header("authorization", sim.worker_key()).send().await.unwrap();
    assert_eq!(answer.status(), 401);
}

#[tokio::test]
async fn a_worker_takes_several_jobs_at_once_as_a_list() {
    let sim = attached();
    let (client, worker) = (Client::of(&sim), Worker::of(&sim, "pod1"));
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(client.run(&json!({"input": {"n": n}})).await);
    }
    let (status, jobs) = worker.get("job-take-batch", "gpu=x&batch_size=2&job_in_progress=0").await;
    let taken: Vec<&Value> = jobs.as_array().unwrap().iter().map(|job| &job["id"]).collect();
    assert_eq!((status, taken), (200, vec![&json!(ids[0]), &json!(ids[1])]));
    assert_eq!(worker.take().await.1["id"], json!(ids[2]));
}

#[tokio::test]
async fn a_poll_is_held_until_there_is_a_job_or_its_time_is_up() {
    let poll_wait = Duration::from_secs(20);
    let sim = RunPodSim::start(RunPodOptions {
        time: Time::Manual,
        attached: vec!["ep1".to_owned()],
        poll_wait,
        ..options()
    })
    .unwrap();
    let client = Client::of(&sim);
    let poll = |pod: &str| {
        let worker = Worker::of(&sim, pod);
        tokio::spawn(async move { worker.take().await })
    };
    let (first, second) = (poll("pod1"), poll("pod2"));
    until("both polls are held", || sim.pods().len() == 2).await;
    let id = client.run(&json!({"input": {"n": 1}})).await;
    let (first, second) = tokio::join!(first, async {
        until("one has the job", || sim.job(&id).unwrap().pod.is_some()).await;
        sim.advance(poll_wait);
        second.await
    });
    let mut statuses = [first.unwrap().0, second.unwrap().0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 204]);
}

#[tokio::test]
async fn a_cancelled_job_is_to_be_stopped_and_its_late_result_ignored() {
    let (sim, client, worker, id) = at_work().await;
    assert_eq!(worker.get("job-stop", "gpu=x").await.0, 204);
    assert_eq!(client.post(&format!("cancel/{id}")).await.1["status"], "CANCELLED");
    assert_eq!(worker.get("job-stop", "gpu=x").await, (200, json!({"jobsToStop": [id]})));
    assert_eq!(worker.get("job-stop", "gpu=x").await.0, 204, "it is told once");
    assert_eq!(worker.done(&id, &json!({"output": 1})).await, 200);
    assert_eq!(client.status(&id).await["status"], "CANCELLED");
    assert_eq!(sim.counts().jobs_cancelled, 1);
}

#[tokio::test]
async fn a_job_over_its_execution_timeout_fails_and_is_stopped() {
    let sim = attached();
    let (client, worker) = (Client::of(&sim), Worker::of(&sim, "pod1"));
    let id = client.run(&json!({"input": {"n": 1}, "policy": {"executionTimeout": 7_000}})).await;
    worker.take().await;
    sim.advance(Duration::from_secs(7));
    assert_eq!(client.status(&id).await["error"], "executionTimeout exceeded");
    assert_eq!(worker.get("job-stop", "").await.1, json!({"jobsToStop": [id]}));
}

#[tokio::test]
async fn a_job_that_no_ping_names_goes_to_another_worker_once_and_then_fails() {
    let (sim, client, first, id) = at_work().await;
    let second = Worker::of(&sim, "pod2");
    for _ in 0..3 {
        sim.advance(SILENCE - Duration::from_secs(1));
        assert_eq!(first.get("ping", &format!("gpu=x&job_id=other,{id}&runpod_version=1.12.0")).await.0, 200);
    }
    assert_eq!(second.take().await.0, 204, "pings keep it");
    sim.advance(SILENCE);
    assert_eq!(client.status(&id).await["status"], "IN_QUEUE");
    assert_eq!(second.take().await.1["id"], json!(id));
    let job = client.status(&id).await;
    assert_eq!((&job["status"], &job["retries"], &job["workerId"]), (&json!("IN_PROGRESS"), &json!(1), &json!("pod2")));

    first.get("ping", &format!("job_id={id}")).await;
    sim.advance(SILENCE);
    let job = client.status(&id).await;
    assert_eq!((&job["status"], &job["error"]), (&json!("FAILED"), &json!("job timed out after 1 retries")));
}

#[tokio::test]
async fn the_result_of_a_worker_given_up_too_early_counts_and_the_other_is_stopped() {
    let (sim, client, first, id) = at_work().await;
    let second = Worker::of(&sim, "pod2");
    sim.advance(SILENCE);
    assert_eq!(second.take().await.1["id"], json!(id));
    first.done(&id, &json!({"output": "of the first"})).await;
    assert_eq!(client.status(&id).await["output"], "of the first");
    assert_eq!(second.get("job-stop", "").await.1, json!({"jobsToStop": [id]}));
    second.done(&id, &json!({"output": "of the second"})).await;
    assert_eq!(client.status(&id).await["output"], "of the first");
}

#[tokio::test]
async fn an_empty_input_is_left_out_and_the_job_fails_when_its_worker_says_nothing() {
    let sim = attached();
    let (client, worker) = (Client::of(&sim), Worker::of(&sim, "pod1"));
    let id = client.run(&json!({"input": {}})).await;
    for _ in 0..2 {
        assert_eq!(worker.take().await, (200, json!({"id": id})));
        sim.advance(SILENCE);
    }
    assert_eq!(client.status(&id).await["error"], "job timed out after 1 retries");
}

#[tokio::test]
async fn progress_after_the_result_is_dropped_unless_the_race_was_scripted() {
    let (sim, client, worker, id) = at_work().await;
    let late = json!({"status": "IN_PROGRESS", "output": "9/10"});
    worker.done(&id, &json!({"output": 1})).await;
    assert_eq!(worker.done(&id, &late).await, 200);
    assert_eq!(client.status(&id).await["status"], "COMPLETED");
    assert_eq!((sim.counts().progress_updates, sim.counts().progress_late), (1, 1));

    sim.script(JobFault::LateProgressWins);
    let id = client.run(&json!({"input": {"n": 2}, "policy": {"executionTimeout": 60_000}})).await;
    worker.take().await;
    sim.advance(Duration::from_secs(2));
    worker.done(&id, &json!({"output": 1})).await;
    assert_eq!(client.status(&id).await["status"], "COMPLETED");
    worker.done(&id, &late).await;
    sim.advance(Duration::from_secs(120));
    let job = client.status(&id).await;
    assert_eq!((&job["status"], &job["output"]), (&json!("IN_PROGRESS"), &json!("9/10")));
    assert_eq!(job["executionTime"], 2000, "it stands still");
    assert_eq!(client.post(&format!("cancel/{id}")).await.1["status"], "CANCELLED");
}

#[tokio::test]
async fn a_result_over_the_limit_is_refused_and_leaves_a_completed_job_without_output() {
    let (sim, client, worker, id) = at_work().await;
    let large = json!({"output": "x".repeat(11 * 1024 * 1024)});
    for _ in 0..2 {
        assert_eq!(worker.done(&id, &large).await, 400, "a repeat is told the same");
    }
    let job = client.status(&id).await;
    assert_eq!((&job["status"], job.get("output")), (&json!("COMPLETED"), None));

    let request = json!({"input": {"n": 2}});
    let (answer, ()) = tokio::join!(client.send("runsync", Some(&request)), async {
        until("it is made", || sim.jobs().len() == 2).await;
        let (_, job) = worker.take().await;
        assert_eq!(worker.done(job["id"].as_str().unwrap(), &large).await, 200, "runsync may have twice as much");
    });
    assert_eq!(answer.unwrap().1["output"].as_str().unwrap().len(), 11 * 1024 * 1024);
}

#[tokio::test]
async fn chunks_are_streamed_to_the_client_once_each() {
    let (_sim, client, worker, id) = at_work().await;
    for chunk in ["a", "b"] {
        assert_eq!(worker.post("job-stream", &id, &json!({"output": chunk})).await, 200);
    }
    let (status, answer) = client.send(&format!("stream/{id}"), None).await.unwrap();
    assert_eq!((status, &answer["status"]), (200, &json!("IN_PROGRESS")));
    assert_eq!(answer["stream"], json!([{"output": "a"}, {"output": "b"}]));
    let too_large = json!({"output": "x".repeat(1024 * 1024)});
    assert_eq!(worker.post("job-stream", &id, &too_large).await, 400);
    worker.post("job-stream", &id, &json!({"output": {"last": true}})).await;
    worker.done(&id, &json!({"output": []})).await;
    let last = client.send(&format!("stream/{id}"), None).await.unwrap().1;
    assert_eq!((&last["status"], &last["stream"]), (&json!("COMPLETED"), &json!([{"output": {"last": true}}])));
    assert_eq!(client.send(&format!("stream/{id}"), None).await.unwrap().1["stream"], json!([]));
}

#[tokio::test]
async fn health_counts_the_workers_that_live() {
    let (sim, client, worker, _) = at_work().await;
    let other = Worker::of(&sim, "pod2");
    other.get("ping", "gpu=x&runpod_version=1.12.0").await;
    let workers = client.send("health", None).await.unwrap().1["workers"].take();
    assert_eq!((&workers["ready"], &workers["running"], &workers["idle"]), (&json!(2), &json!(1), &json!(1)));
    other.get("ping", "status=unhealthy&check=gpu&reason=no+GPU").await;
    let workers = client.send("health", None).await.unwrap().1["workers"].take();
    assert_eq!((&workers["ready"], &workers["unhealthy"]), (&json!(1), &json!(1)));

    sim.advance(SILENCE);
    worker.take().await;
    let workers = client.send("health", None).await.unwrap().1["workers"].take();
    assert_eq!((&workers["ready"], &workers["unhealthy"]), (&json!(1), &json!(0)));
    let pods = get(format!("{}/_sim/pods", sim.base_url())).await.unwrap();
    let pods: Value = pods.json().await.unwrap();
    assert_eq!((&pods["pods"][1]["id"], &pods["pods"][1]["unhealthy"]), (&json!("pod2"), &json!("no GPU")));
}

#[tokio::test]
async fn faults_reach_a_workers_exchanges_and_the_endings_of_its_jobs() {
    let (sim, client, worker, id) = at_work().await;
    sim.script(RunPodFault::new(HttpFault::ServerError { status: 503 }).on(Operation::JobDone));
    assert_eq!(worker.done(&id, &json!({"output": 1})).await, 503);
    assert_eq!(client.status(&id).await["status"], "IN_PROGRESS");
    assert_eq!(worker.done(&id, &json!({"output": 1})).await, 200);

    sim.script(JobFault::NoOutput);
    let id = client.run(&json!({"input": {"n": 2}})).await;
    worker.take().await;
    worker.done(&id, &json!({"output": 1})).await;
    let job = client.status(&id).await;
    assert_eq!((&job["status"], job.get("output")), (&json!("COMPLETED"), None));
    assert_eq!(sim.counts().requests[&Operation::JobDone], 3);
}

#[tokio::test]
async fn status_sync_answers_at_the_end_of_the_job_or_of_the_wait() {
    let (sim, client, worker, id) = at_work().await;
    let path = format!("status-sync/{id}?wait=90000");
    let wait_over = async {
        until("it waits", || sim.counts().requests.contains_key(&Operation::StatusSync)).await;
        sim.advance(Duration::from_secs(90));
    };
    let (answer, ()) = tokio::join!(client.send(&path, None), wait_over);
    assert_eq!(answer.unwrap().1["status"], "IN_QUEUE", "its worker was silent for as long");
    worker.take().await;
    let (empty, result) = (json!({}), json!({"output": 1}));
    let (answer, _) = tokio::join!(client.send(&path, Some(&empty)), worker.done(&id, &result));
    assert_eq!(answer.unwrap().1["status"], "COMPLETED");
    assert_eq!(client.send("status-sync/unknown", None).await.unwrap().0, 404);
}
