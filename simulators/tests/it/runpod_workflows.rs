//! What each workflow makes of its inputs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{AnimationDecoder, DynamicImage};
use serde_json::{Value, json};
use simulators::runpod::{ImageForm, JobFault, Spoil};

use crate::pictures::{RED, WHITE, WORKFLOWS, graphic, parameters, plain, product, request, sent};
use crate::support::{Client, at_once, get};

/// The files a request ends with.
async fn files(client: &Client, body: &Value) -> Vec<Vec<u8>> {
    let job = client.status(&client.run(body).await).await;
    let images = job["output"]["images"].as_array().unwrap_or_else(|| panic!("no output: {job}"));
    images.iter().map(|image| STANDARD.decode(image.as_str().unwrap()).unwrap()).collect()
}

/// The first output of a workflow with these parameters instead of the usual ones.
async fn drawn(client: &Client, workflow: &str, changes: Value) -> DynamicImage {
    let mut parameters = parameters(workflow);
    parameters.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    image::load_from_memory(&files(client, &request(workflow, &parameters)).await[0]).unwrap()
}

#[track_caller]
fn looks(picture: &DynamicImage, (x, y): (u32, u32), color: [u8; 3]) {
    let there = picture.to_rgb8().get_pixel(x, y).0;
    assert!(there.iter().zip(color).all(|(there, color)| there.abs_diff(color) <= 12), "{there:?} is not {color:?}");
}

#[tokio::test]
async fn each_workflow_makes_outputs_of_its_own_in_its_size() {
    let sim = at_once();
    let client = Client::of(&sim);
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for (workflow, size) in WORKFLOWS.into_iter().zip([
        (48, 64), // of the simulator's options
        (96, 64),
        (96, 64),
        (192, 128),
        (96, 64),
        (128, 72),
        (96, 64),
        (48, 64),
        (320, 240),
        (120, 90),
    ]) {
        let mut body = request(workflow, &parameters(workflow));
        if workflow == "video" {
            body["input"]["output_format"] = json!("gif");
        }
        let made = files(&client, &body).await;
        assert_eq!(made, files(&client, &body).await, "{workflow} repeats itself with its seed");
        for file in &made {
            let picture = image::load_from_memory(file).unwrap();
            assert_eq!((picture.width(), picture.height()), size, "{workflow}");
        }
        body["input"]["seed"] = json!(6);
        seen.extend(made);
        seen.extend(files(&client, &body).await);
    }
    assert_eq!(seen.len(), 40);
    for (n, file) in seen.iter().enumerate() {
        assert!(!seen[..n].contains(file), "output {n} repeats another");
    }
}

#[tokio::test]
async fn inputs_of_odd_shapes_and_depths_are_drawn_by_every_workflow() {
    let sim = at_once();
    let client = Client::of(&sim);
    let grey = product(16, 300).into_luma16();
    let deep = graphic(40).into_rgba16();
    for picture in [DynamicImage::ImageLuma16(grey), DynamicImage::ImageRgba16(deep)] {
        let sent = sent(&picture);
        for workflow in WORKFLOWS {
            let mut parameters = parameters(workflow);
            for (name, value) in parameters.as_object_mut().unwrap() {
                match value {
                    Value::Array(list) => list.fill(json!(sent)),
                    value if name.ends_with("_image") => *value = json!(sent),
                    _ => {}
                }
            }
            let mut body = request(workflow, &parameters);
            if workflow == "video" {
                body["input"]["output_format"] = json!("gif");
            }
            for file in files(&client, &body).await {
                image::load_from_memory(&file).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn transparency_outlives_an_upscale() {
    let sim = at_once();
    let client = Client::of(&sim);
    let picture = drawn(&client, "upscale", json!({"input_image": sent(&graphic(40))})).await;
    assert_eq!((picture.to_rgba8().get_pixel(2, 2).0[3], picture.to_rgba8().get_pixel(40, 40).0[3]), (0, 255));
}

#[tokio::test]
async fn a_garment_lies_on_the_middle_of_the_model() {
    let sim = at_once();
    let client = Client::of(&sim);
    let garment = sent(&plain(40, 40, RED));
    let picture = drawn(&client, "tryon", json!({ "garment_image": garment })).await;
    looks(&picture, (48, 30), RED);
    looks(&picture, (4, 4), [90, 120, 90]);
}

#[tokio::test]
async fn a_colour_changes_where_the_mask_or_the_subject_is() {
    let sim = at_once();
    let client = Client::of(&sim);
    let picture = drawn(&client, "color_change", json!({"target_color": "#2050D0"})).await;
    looks(&picture, (48, 32), [0x20, 0x50, 0xd0]);
    looks(&picture, (4, 4), WHITE);

    let mask = sent(&product(96, 64).grayscale().adjust_contrast(100.0));
    let picture = drawn(&client, "color_change", json!({ "mask": mask })).await;
    looks(&picture, (48, 32), RED);
    looks(&picture, (4, 4), [0x20, 0x50, 0xd0]);
}

#[tokio::test]
async fn an_upscale_is_the_input_so_many_times_as_large() {
    let sim = at_once();
    let client = Client::of(&sim);
    for level in [2, 4, 8] {
        let picture = drawn(&client, "upscale", json!({ "upscale_level": level })).await;
        assert_eq!((picture.width(), picture.height()), (96 * level, 64 * level));
        looks(&picture, (48 * level, 32 * level), RED);
        looks(&picture, (4, 4), WHITE);
    }
    let mut parameters = parameters("upscale");
    parameters["input_image"] = json!(sent(&plain(1_100, 1_000, RED)));
    parameters["upscale_level"] = json!(8);
    let job = client.status(&client.run(&request("upscale", &parameters)).await).await;
    assert_eq!(job["output"]["error"]["details"]["field"], "upscale_level", "70 megapixels are too many");
}

#[tokio::test]
async fn a_graphic_lies_at_its_position_in_its_scale_and_blend() {
    let sim = at_once();
    let client = Client::of(&sim);
    let graphic = sent(&graphic(32));
    let place = |x: f64, y: f64, scale: f64, blend: &str| json!({"graphic_image": graphic, "position": {"x": x, "y": y}, "scale": scale, "blend_mode": blend});
    let picture = drawn(&client, "graphic_transfer", place(0.25, 0.5, 1.0, "normal")).await;
    looks(&picture, (24, 32), [20, 60, 220]);
    looks(&picture, (48, 32), RED);
    let picture = drawn(&client, "graphic_transfer", place(0.25, 0.5, 4.0, "normal")).await;
    looks(&picture, (48, 32), [20, 60, 220]);
    let picture = drawn(&client, "graphic_transfer", place(0.5, 0.5, 1.0, "multiply")).await;
    looks(&picture, (48, 32), [16, 9, 35]);
}

#[tokio::test]
async fn a_resize_fills_its_new_shape_as_told() {
    let sim = at_once();
    let client = Client::of(&sim);
    let square = |fill: &str| json!({"input_image": sent(&plain(96, 64, RED)), "target_width": 96, "target_height": 96, "fill_mode": fill});
    let letterbox = drawn(&client, "resize", square("letterbox")).await;
    looks(&letterbox, (48, 48), RED);
    looks(&letterbox, (48, 2), [24, 24, 28]);
    for fill in ["stretch", "crop", "content_aware"] {
        looks(&drawn(&client, "resize", square(fill)).await, (48, 2), RED);
    }
    // The square of the input is 48 by 32, in the middle; 72 high it ends where the fill lets it.
    let ends =
        |fill: &str| json!({"target_width": 96, "target_height": 128, "maintain_aspect": false, "fill_mode": fill});
    looks(&drawn(&client, "resize", ends("stretch")).await, (28, 64), RED);
    looks(&drawn(&client, "resize", ends("crop")).await, (4, 64), RED);
    looks(&drawn(&client, "resize", ends("content_aware")).await, (48, 34), WHITE);
}

#[tokio::test]
async fn a_background_goes_or_becomes_what_the_prompt_says() {
    let sim = at_once();
    let client = Client::of(&sim);
    let alone = drawn(&client, "background", json!({"remove_only": true, "prompt": null})).await;
    assert!(alone.color().has_alpha());
    let alpha = |x, y| alone.to_rgba8().get_pixel(x, y).0[3];
    assert_eq!((alpha(0, 0), alpha(95, 63), alpha(48, 32)), (0, 0, 255));

    let blue = drawn(&client, "background", json!({"prompt": "a blue wall", "match_lighting": false})).await;
    looks(&blue, (48, 32), RED);
    let corner = blue.to_rgb8().get_pixel(2, 2).0;
    assert!(corner[2] > corner[0] && corner != WHITE, "{corner:?}");
}

#[tokio::test]
async fn a_poster_has_its_platforms_size_unless_told_otherwise() {
    let sim = at_once();
    let client = Client::of(&sim);
    for (platform, size) in [
        ("instagram_post", "1080x1080"),
        ("instagram_story", "1080x1920"),
        ("facebook", "1200x630"),
        ("twitter", "1200x675"),
        ("linkedin", "1200x627"),
    ] {
        let mut parameters = parameters("poster");
        parameters["platform"] = json!(platform);
        parameters["dimensions"] = Value::Null;
        let mut body = request("poster", &parameters);
        body["input"]["num_outputs"] = json!(1);
        let job = client.status(&client.run(&body).await).await;
        assert_eq!(job["output"]["metadata"]["resolution"], size);
    }
    let text = |text: &str| json!({"text_overlay": {"text": text, "position": "top", "color": "#10F010"}});
    assert_ne!(drawn(&client, "poster", text("SALE")).await, drawn(&client, "poster", text("SOLD")).await);
}

#[tokio::test]
async fn a_clip_is_an_mp4_or_a_gif_that_moves_and_is_named_so() {
    let sim = at_once();
    let client = Client::of(&sim);
    for (format, media_type) in [("mp4", "video/mp4"), ("gif", "image/gif")] {
        let mut parameters = parameters("video");
        parameters["format"] = json!(format);
        let body = request("video", &parameters);
        let made = files(&client, &body).await;
        assert_ne!(made[0], made[1]);

        sim.script(JobFault::Form { form: ImageForm::DataUri });
        let output = client.status(&client.run(&body).await).await["output"].take();
        assert!(output["images"][0].as_str().unwrap().starts_with(&format!("data:{media_type};base64,")));
        assert_eq!(output["metadata"]["format"], format);

        sim.script(JobFault::Form { form: ImageForm::UrlObject });
        let object = client.status(&client.run(&body).await).await["output"]["images"][1].take();
        assert_eq!((&object["format"], &object["width"]), (&json!(format), &json!(320)));
        assert!(object["url"].as_str().unwrap().ends_with(&format!("/1.{format}")));
        let answer = get(object["url"].as_str().unwrap()).await.unwrap();
        assert_eq!(answer.headers()["content-type"], media_type);
        assert_eq!(answer.bytes().await.unwrap(), made[1]);

        if format == "mp4" {
            assert_eq!(&made[0][4..12], b"ftypisom");
        } else {
            assert_eq!(&made[0][..6], b"GIF89a");
            let gif = image::codecs::gif::GifDecoder::new(std::io::Cursor::new(&made[0])).unwrap();
            let frames = gif.into_frames().collect_frames().unwrap();
            assert!(frames.len() > 5 && frames[0].buffer() != frames[5].buffer());
        }
    }
}

#[tokio::test]
async fn a_clip_can_be_spoiled_too() {
    let sim = at_once();
    let client = Client::of(&sim);
    let body = request("video", &parameters("video"));
    for (how, start) in [
        (Spoil::Png, &b"\x89PNG"[..]),
        (Spoil::Jpeg, b"\xff\xd8\xff"),
        (Spoil::Gif, b"GIF8"),
        (Spoil::Html, b"<!doctype"),
    ] {
        sim.script(JobFault::SpoiledPicture { how, picture: Some(0) });
        let made = files(&client, &body).await;
        assert!(made[0].starts_with(start), "{how:?}");
        assert_eq!(&made[1][4..8], b"ftyp");
    }
    sim.script(JobFault::SpoiledPicture { how: Spoil::Truncated, picture: Some(0) });
    let made = files(&client, &body).await;
    assert_eq!((&made[0][4..8], made[0].len()), (&b"ftyp"[..], made[1].len() / 2));
    sim.script(JobFault::FewerPictures { count: 1 });
    assert_eq!(files(&client, &body).await.len(), 1);
    sim.script(JobFault::SpoiledPicture { how: Spoil::Mp4, picture: None });
    assert_eq!(&files(&client, &request("poster", &parameters("poster"))).await[0][4..8], b"ftyp");
}
