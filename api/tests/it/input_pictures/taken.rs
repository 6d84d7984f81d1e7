//! Every road of a picture, in every format that is taken.

use devstack::builders::request;
use devstack::samples::{Sample, base64};
use serde_json::{Value, json};
use shared::workflow::{CATALOGUE, Kind};

use super::{Door, TAKEN, clip, place, resize};
use crate::harness::WELCOME;

#[tokio::test]
async fn a_picture_inside_a_request_is_kept_and_the_row_says_where() {
    let door = Door::open().await;
    for (format, ext, content_type) in TAKEN {
        let file = Sample::Mug.file(64, format);
        let path = place(&door.user, &file, ext);
        let id = door.accepted(resize(base64(&file))).await;
        assert_eq!(door.row(id).await["input_image"], path);
        assert_eq!(door.object(&path), file, "without metadata it is kept as it came");
        let object = door.stack.supabase.objects().into_iter().find(|object| object.key == path).unwrap();
        assert_eq!(object.content_type, content_type);
    }
    assert_eq!(door.kept().len(), 3);
    door.close().await;
}

#[tokio::test]
async fn a_label_and_another_alphabet_make_no_difference() {
    let door = Door::open().await;
    for (format, ext, content_type) in TAKEN {
        let file = Sample::Mug.file(64, format);
        let plain = base64(&file);
        let url_safe = plain.replace('+', "-").replace('/', "_").replace('=', "");
        for text in [format!("data:{content_type};base64,{plain}"), url_safe, plain] {
            let id = door.accepted(resize(text)).await;
            assert_eq!(door.row(id).await["input_image"], place(&door.user, &file, ext));
        }
    }
    assert_eq!((door.kept().len(), door.uploads()), (3, 3), "each file is stored once");
    door.close().await;
}

#[tokio::test]
async fn an_upload_of_her_own_is_taken_by_its_path() {
    let door = Door::open().await;
    for (format, ext, _) in TAKEN {
        let path = door.upload(&format!("summer/mug (1).{ext}"), Sample::Mug.file(64, format)).await;
        let before = door.uploads();
        let id = door.accepted(resize(path.as_str())).await;
        assert_eq!(door.row(id).await["input_image"], path);
        assert_eq!(door.uploads(), before, "it is there already");
    }
    assert_eq!(door.kept(), Vec::<String>::new());
    door.close().await;
}

#[tokio::test]
async fn an_output_of_her_own_is_taken_by_its_path() {
    let door = Door::open().await;
    for (format, ext, _) in TAKEN {
        let first = door.accepted(resize(base64(&Sample::Mug.file(64, format))).format(ext)).await;
        assert_eq!(door.stack.finish(&door.user, first).await["status"], "completed");
        let path = format!("{}/{first}/1.{ext}", door.user.id());
        let next = door.accepted(resize(path.as_str())).await;
        assert_eq!(door.row(next).await["input_image"], path);
        assert_eq!(door.stack.finish(&door.user, next).await["status"], "completed");
    }
    door.close().await;
}

#[tokio::test]
async fn an_address_is_kept_as_it_will_be_asked_and_is_not_asked_here() {
    let door = Door::open().await;
    let before = door.calls();
    for (given, kept) in [
        ("https://shop.example.com/mug.png", "https://shop.example.com/mug.png"),
        ("HTTPS://Shop.Example.com:443/a/../mug.webp?v=2", "https://shop.example.com/mug.webp?v=2"),
        // Nobody is there to answer; whether somebody is, the worker finds out.
        ("https://no-such-host.example/mug.jpg", "https://no-such-host.example/mug.jpg"),
    ] {
        let id = door.accepted(resize(given)).await;
        assert_eq!(door.row(id).await["input_image"], kept);
    }
    assert_eq!(door.calls(), before, "there is nothing to look for in the store");
    door.close().await;
}

#[tokio::test]
async fn the_pictures_of_one_request_may_come_by_different_roads() {
    let door = Door::open().await;
    let file = Sample::Bottle.file(64, image::ImageFormat::WebP);
    let upload = door.upload("a.png", Sample::Mug.file(64, image::ImageFormat::Png)).await;
    let address = "https://shop.example.com/mug.png".to_owned();
    let pictures = [address.clone(), base64(&file), upload.clone(), base64(&file)];
    let id = door.accepted(clip(&pictures)).await;
    let kept = place(&door.user, &file, "webp");
    assert_eq!(door.row(id).await["input_images"], json!([address, kept, upload, kept]));
    assert_eq!(door.kept(), [kept]);
    door.close().await;
}

#[tokio::test]
async fn every_workflow_takes_its_pictures_and_stores_no_bytes() {
    let door = Door::open().await;
    let mut spent = 0;
    for workflow in CATALOGUE {
        let id = door.accepted(request(workflow.kind.as_str())).await;
        let row = door.row(id).await;
        for parameter in workflow.parameters {
            let pictures = match (parameter.kind, &row[parameter.name]) {
                (_, Value::Null) => Vec::new(),
                (Kind::Picture, value) => vec![value.clone()],
                (Kind::Pictures { .. }, values) => values.as_array().unwrap().clone(),
                _ => Vec::new(),
            };
            for picture in pictures {
                let path = picture.as_str().unwrap();
                assert!(path.starts_with(&format!("{}/inputs/", door.user.id())), "{}: {path}", workflow.kind);
                door.object(path);
            }
        }
        assert!(row.to_string().len() < 1_000, "{}: {row}", workflow.kind);
        spent += i64::from(workflow.cost.get());
    }
    assert_eq!(door.user.balance().await.unwrap(), WELCOME - spent);
    // A mug, a garment, a logo and a portrait, several times each.
    assert_eq!((door.kept().len(), door.uploads()), (4, 4));
    door.close().await;
}
