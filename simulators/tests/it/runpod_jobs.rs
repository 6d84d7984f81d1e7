//! A job from `/run` to its pictures.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use simulators::runpod::{ImageForm, JobFault, Spoil};
use simulators::{Operation, RunPodOptions, RunPodSim};

use crate::support::{Client, at_once, by_hand, get, model, options};

fn png(data: &str) -> image::DynamicImage {
    let bytes = STANDARD.decode(data).unwrap();
    image::load_from_memory_with_format(&bytes, image::ImageFormat::Png).unwrap()
}

#[tokio::test]
async fn without_generation_time_the_first_look_sees_two_different_pngs() {
    let sim = at_once();
    let client = Client::of(&sim);
    let job = client.status(&client.run_model().await).await;

    assert_eq!(job["status"], "COMPLETED");
    assert!(job["id"].as_str().unwrap().ends_with("-u1"));
    let images = job["output"]["images"].as_array().unwrap();
    assert_eq!(images.len(), 2);
    assert_ne!(images[0], images[1]);
    let picture = png(images[0].as_str().unwrap());
    assert_eq!((picture.width(), picture.height()), (48, 64));
    let metadata = &job["output"]["metadata"];
    assert_eq!(
        (&metadata["resolution"], &metadata["format"], &metadata["seed"]),
        (&json!("48x64"), &json!("png"), &json!(42))
    );
    assert_eq!((&job["delayTime"], &job["executionTime"]), (&json!(0), &json!(0)));
    assert_eq!(sim.counts().jobs_made, 1);
}

#[tokio::test]
async fn the_same_seed_draws_the_same_and_another_seed_another_picture() {
    let sim = at_once();
    let client = Client::of(&sim);
    let mut drawn = Vec::new();
    for seed in [1, 1, 2] {
        let mut input = model("a red coat");
        input["seed"] = json!(seed);
        input["width"] = json!(80);
        let job = client.status(&client.run(&json!({"input": input})).await).await;
        drawn.push(job["output"]["images"][0].as_str().unwrap().to_owned());
    }
    assert_eq!(drawn[0], drawn[1]);
    assert_ne!(drawn[0], drawn[2]);
    assert_eq!(png(&drawn[0]).width(), 80);
}

#[tokio::test]
async fn a_job_goes_from_queue_to_worker_to_completion_as_time_is_moved() {
    let sim = RunPodSim::start(RunPodOptions {
        workers: 1,
        time: simulators::Time::Manual,
        generation_time: Duration::from_secs(20),
        ..options()
    })
    .unwrap();
    let client = Client::of(&sim);
    let (first, second) = (client.run_model().await, client.run_model().await);
    assert_eq!(client.status(&first).await["status"], "IN_PROGRESS");
    assert_eq!(client.status(&second).await["status"], "IN_QUEUE");

    sim.advance(Duration::from_secs(25));
    let done = client.status(&first).await;
    assert_eq!((&done["status"], &done["executionTime"]), (&json!("COMPLETED"), &json!(20_000)));
    assert_eq!(client.status(&second).await["status"], "IN_PROGRESS");

    sim.advance(Duration::from_secs(15));
    let done = client.status(&second).await;
    assert_eq!((&done["status"], &done["delayTime"]), (&json!("COMPLETED"), &json!(20_000)));
}

#[tokio::test]
async fn a_job_can_be_completed_or_failed_by_hand() {
    let sim = by_hand();
    let client = Client::of(&sim);
    let (first, second) = (client.run_model().await, client.run_model().await);
    assert!(sim.complete(&first) && !sim.complete(&first));
    assert!(sim.fail(&second, "worker exited"));
    assert_eq!(client.status(&first).await["status"], "COMPLETED");
    let failed = client.status(&second).await;
    assert_eq!((&failed["status"], &failed["error"]), (&json!("FAILED"), &json!("worker exited")));
}

#[tokio::test]
async fn bad_input_is_refused_in_the_product_endpoints_own_form() {
    let sim = at_once();
    let client = Client::of(&sim);
    let mut input = model("x");
    input["input"]["pose"] = json!("flying");
    let job = client.status(&client.run(&json!({"input": input})).await).await;
    assert_eq!((&job["status"], &job["output"]["status"]), (&json!("COMPLETED"), &json!("error")));
    assert_eq!(job["output"]["error"]["code"], "INVALID_INPUT");
    assert_eq!(job["output"]["error"]["details"]["field"], "pose");
}

#[tokio::test]
async fn pictures_come_in_every_form_asked_for() {
    let sim = at_once();
    let client = Client::of(&sim);
    let mut outputs: Vec<Value> = Vec::new();
    for form in [
        ImageForm::DataUri,
        ImageForm::Url,
        ImageForm::UrlObject,
        ImageForm::ComfyBase64,
        ImageForm::ComfyUrl,
        ImageForm::ComfyMessage,
    ] {
        sim.script(JobFault::Form { form });
        outputs.push(client.status(&client.run_model().await).await["output"].take());
    }
    let data = outputs[0]["images"][0].as_str().unwrap().strip_prefix("data:image/png;base64,").unwrap().to_owned();
    png(&data);
    let object = &outputs[2]["images"][1];
    assert_eq!((&object["width"], &object["height"], &object["format"]), (&json!(48), &json!(64), &json!("png")));
    assert_eq!(outputs[3]["images"][0]["type"], "base64");
    assert_eq!(outputs[3]["images"][0]["data"], data);
    assert_eq!(outputs[5]["message"], data);
    for url in [&outputs[1]["images"][0], &outputs[4]["images"][0]["data"]] {
        let answer = get(url.as_str().unwrap()).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "image/png");
        assert_eq!(STANDARD.encode(answer.bytes().await.unwrap()), data);
    }
    let bytes = get(object["url"].as_str().unwrap()).await.unwrap().bytes().await.unwrap();
    assert_eq!(object["size_bytes"], bytes.len());
}

#[tokio::test]
async fn each_spoiled_picture_is_what_it_says() {
    let sim = at_once();
    let client = Client::of(&sim);
    for (how, start) in [
        (Spoil::Text, "This"),
        (Spoil::Html, "<!doctype"),
        (Spoil::Svg, "<svg"),
        (Spoil::Gif, "GIF8"),
        (Spoil::Webp, "RIFF"),
        (Spoil::Empty, ""),
    ] {
        sim.script(JobFault::SpoiledPicture { how, picture: Some(1) });
        let output = client.status(&client.run_model().await).await["output"].take();
        png(output["images"][0].as_str().unwrap());
        let bytes = STANDARD.decode(output["images"][1].as_str().unwrap()).unwrap();
        assert!(bytes.starts_with(start.as_bytes()), "{how:?}");
        assert_eq!(bytes.is_empty(), how == Spoil::Empty);
    }
    sim.script(JobFault::SpoiledPicture { how: Spoil::Truncated, picture: None });
    let output = client.status(&client.run_model().await).await["output"].take();
    let bytes = STANDARD.decode(output["images"][0].as_str().unwrap()).unwrap();
    assert_eq!(image::guess_format(&bytes).unwrap(), image::ImageFormat::Png);
    assert!(image::load_from_memory(&bytes).is_err());

    sim.script(JobFault::SpoiledPicture { how: Spoil::BadBase64, picture: None });
    let output = client.status(&client.run_model().await).await["output"].take();
    assert!(STANDARD.decode(output["images"][0].as_str().unwrap()).is_err());
}

#[tokio::test]
async fn links_can_be_broken_foreign_or_redirected() {
    let sim = at_once();
    let client = Client::of(&sim);
    let mut urls = Vec::new();
    for how in [Spoil::BrokenLink, Spoil::ForeignLink, Spoil::RedirectLink] {
        sim.script(JobFault::SpoiledPicture { how, picture: Some(0) });
        sim.script(JobFault::Form { form: ImageForm::Url });
        let output = client.status(&client.run_model().await).await["output"].take();
        urls.push(output["images"][0].as_str().unwrap().to_owned());
    }
    assert_eq!(get(&urls[0]).await.unwrap().status(), 404);
    assert!(!urls[1].starts_with(&sim.base_url()));
    let blunt = reqwest::Client::builder()
        .tls_certs_only(std::iter::empty())
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    assert_eq!(blunt.get(&urls[2]).send().await.unwrap().status(), 302);
    assert_eq!(get(&urls[2]).await.unwrap().status(), 200);
}

#[tokio::test]
async fn oversized_pictures_lose_the_output_or_weigh_on_the_link() {
    let sim = at_once();
    let client = Client::of(&sim);
    sim.script(JobFault::SpoiledPicture { how: Spoil::ManyBytes, picture: Some(0) });
    let job = client.status(&client.run_model().await).await;
    assert_eq!((&job["status"], job.get("output")), (&json!("COMPLETED"), None));

    sim.script(JobFault::SpoiledPicture { how: Spoil::ManyBytes, picture: Some(0) });
    sim.script(JobFault::Form { form: ImageForm::UrlObject });
    let job = client.status(&client.run_model().await).await;
    assert_eq!(job["output"]["images"][0]["size_bytes"], simulators::runpod::MANY_BYTES);

    sim.script(JobFault::SpoiledPicture { how: Spoil::ManyPixels, picture: Some(0) });
    let job = client.status(&client.run_model().await).await;
    let bytes = STANDARD.decode(job["output"]["images"][0].as_str().unwrap()).unwrap();
    let size =
        image::ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format().unwrap().into_dimensions().unwrap();
    assert_eq!(size, (simulators::runpod::MANY_PIXELS_SIDE, simulators::runpod::MANY_PIXELS_SIDE));
}

#[tokio::test]
async fn there_can_be_fewer_or_more_pictures_than_asked_for() {
    let sim = at_once();
    let client = Client::of(&sim);
    for count in [0, 1, 3] {
        sim.script(if count < 2 { JobFault::FewerPictures { count } } else { JobFault::MorePictures { count } });
        let job = client.status(&client.run_model().await).await;
        assert_eq!(job["status"], "COMPLETED");
        assert_eq!(job["output"]["images"].as_array().unwrap().len(), count);
    }
}

#[tokio::test]
async fn runsync_answers_with_the_finished_job() {
    let sim = at_once();
    let client = Client::of(&sim);
    let (status, job) = client.send("runsync", Some(&json!({"input": model("x")}))).await.unwrap();
    assert_eq!((status, &job["status"]), (200, &json!("COMPLETED")));
    assert!(job["id"].as_str().unwrap().starts_with("sync-"));
    assert_eq!(sim.counts().requests[&Operation::Runsync], 1);
}
