//! Storage: buckets, objects, lists, and what is kept over a restart.

use reqwest::Method;
use serde_json::{Value, json};
use simulators::{SupabaseOptions, SupabaseSim};
use uuid::Uuid;

use crate::support::{Files, refused, with_bucket};

#[tokio::test]
async fn buckets_are_made_once_and_changed() {
    let sim = with_bucket().await;
    let files = Files::of(&sim);
    let again = files.json(Method::POST, "bucket", &json!({"name": "pictures"})).await;
    refused(&again, 400, "409", "BucketAlreadyExists");
    refused(&files.json(Method::POST, "bucket", &json!({"name": "a/b"})).await, 400, "400", "InvalidBucketName");
    refused(&files.get("bucket/nope").await, 400, "404", "NoSuchBucket");
    let changed =
        files.json(Method::PUT, "bucket/pictures", &json!({"public": false, "file_size_limit": "20MB"})).await;
    assert_eq!(changed.body, json!({"message": "Successfully updated"}));
    let bucket = files.get("bucket/pictures").await.body;
    assert_eq!((&bucket["file_size_limit"], &bucket["public"]), (&json!(20_000_000), &json!(false)));

    files.upload("pictures/a.png", b"png").await;
    refused(&files.json(Method::DELETE, "bucket/pictures", &json!({})).await, 400, "409", "ResourceNotEmpty");
    assert_eq!(files.json(Method::POST, "bucket/pictures/empty", &json!({})).await.status, 200);
    assert_eq!(files.json(Method::DELETE, "bucket/pictures", &json!({})).await.status, 200);
}

#[tokio::test]
async fn an_object_is_uploaded_once_unless_it_is_an_upsert() {
    let sim = with_bucket().await;
    let files = Files::of(&sim);
    let first = files.upload("pictures/u1/a.png", b"first").await;
    assert_eq!((first.status, &first.body["Key"]), (200, &json!("pictures/u1/a.png")));
    refused(&files.upload("pictures/u1/a.png", b"second").await, 400, "409", "KeyAlreadyExists");
    let upsert = files
        .send(
            files
                .request(Method::POST, "object/pictures/u1/a.png")
                .header("x-upsert", "true")
                .header("content-type", "image/png")
                .body("third"),
        )
        .await;
    assert_eq!((upsert.status, &upsert.body["Id"]), (200, &first.body["Id"]));
    let put = files.request(Method::PUT, "object/pictures/u1/new.png").header("content-type", "image/png").body("put");
    assert_eq!(files.send(put).await.status, 200);
    assert_eq!(sim.object("pictures", "u1/a.png").unwrap().as_ref(), b"third");
}

#[tokio::test]
async fn uploads_are_refused_for_type_size_key_and_bucket() {
    let sim = with_bucket().await;
    let files = Files::of(&sim);
    let text = files.request(Method::POST, "object/pictures/a.txt").header("content-type", "text/plain").body("x");
    let answer = files.send(text).await;
    refused(&answer, 400, "415", "InvalidMimeType");
    assert_eq!(answer.body["message"], "mime type text/plain is not supported");
    let none = files.send(files.request(Method::POST, "object/pictures/a.png").body("x")).await;
    assert_eq!(none.body["message"], "mime type application/octet-stream is not supported");
    refused(&files.upload("pictures/big.png", &vec![0; 1_048_577]).await, 400, "413", "EntityTooLarge");
    refused(&files.upload("nowhere/a.png", b"x").await, 400, "404", "NoSuchBucket");
    for key in ["%C3%A9.png", "a%23b.png", "a/..%2Fb.png"] {
        refused(&files.upload(&format!("pictures/{key}"), b"x").await, 400, "400", "InvalidKey");
    }
    assert_eq!(files.upload("pictures/with%20space.png", b"").await.status, 200, "spaces and empty bodies are taken");
    assert!(sim.object("pictures", "with space.png").unwrap().is_empty());
}

#[tokio::test]
async fn an_object_comes_back_whole_in_part_or_not_at_all() {
    let sim = with_bucket().await;
    let files = Files::of(&sim);
    let upload = files.request(Method::POST, "object/pictures/a.png").header("content-type", "image/png");
    files.send(upload.header("cache-control", "max-age=3600").body("0123456789")).await;
    for path in ["object/pictures/a.png", "object/authenticated/pictures/a.png"] {
        let whole = files.request(Method::GET, path).send().await.unwrap();
        assert_eq!((whole.status().as_u16(), &whole.headers()["content-type"]), (200, &"image/png".parse().unwrap()));
        assert_eq!(
            (&whole.headers()["cache-control"], &whole.headers()["x-robots-tag"]),
            (&"max-age=3600".parse().unwrap(), &"none".parse().unwrap())
        );
        assert!(whole.headers().contains_key("last-modified") && whole.headers().contains_key("accept-ranges"));
        assert_eq!(whole.text().await.unwrap(), "0123456789");
    }
    let part = files.request(Method::GET, "object/pictures/a.png").header("range", "bytes=0-7").send().await.unwrap();
    assert_eq!((part.status().as_u16(), &part.headers()["content-range"]), (206, &"bytes 0-7/10".parse().unwrap()));
    let tag = part.headers()["etag"].clone();
    assert!(tag.to_str().unwrap().starts_with('"'));
    assert_eq!(part.text().await.unwrap(), "01234567");
    let cached = files.request(Method::GET, "object/pictures/a.png").header("if-none-match", tag).send().await.unwrap();
    assert_eq!(cached.status(), 304);
    let head = files.request(Method::HEAD, "object/pictures/a.png").send().await.unwrap();
    assert_eq!((head.status().as_u16(), &head.headers()["content-length"]), (200, &"10".parse().unwrap()));
    assert_eq!(files.request(Method::HEAD, "object/pictures/no.png").send().await.unwrap().status(), 400);
    let info = files.get("object/info/pictures/a.png").await.body;
    assert_eq!(
        (&info["size"], &info["content_type"], &info["bucket_id"]),
        (&json!(10), &json!("image/png"), &json!("pictures"))
    );
    refused(&files.get("object/pictures/no.png").await, 400, "404", "NoSuchKey");
    refused(&files.get("object/public/pictures/a.png").await, 400, "404", "NoSuchBucket");
}

#[tokio::test]
async fn lists_show_one_level_or_all_of_it_page_by_page() {
    let sim = with_bucket().await;
    let files = Files::of(&sim);
    for key in ["u1/a.png", "u1/b.png", "u1/deep/c.png", "u2/d.png"] {
        files.upload(&format!("pictures/{key}"), b"x").await;
    }
    let list = |body: Value| {
        let files = Files::of(&sim);
        async move { files.json(Method::POST, "object/list/pictures", &body).await.body }
    };
    let names = |rows: &Value| {
        rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let rows = list(json!({"prefix": "u1"})).await;
    assert_eq!(names(&rows), ["a.png", "b.png", "deep"]);
    assert_eq!((&rows[0]["metadata"]["size"], &rows[2]["id"]), (&json!(1), &Value::Null));
    assert_eq!(names(&list(json!({"prefix": "", "limit": 1, "offset": 1})).await), ["u2"]);
    assert_eq!(files.json(Method::POST, "object/list/nowhere", &json!({"prefix": ""})).await.body, json!([]));
    refused(&files.json(Method::POST, "object/list/pictures", &json!({})).await, 400, "400", "InvalidRequest");

    let mut cursor = Value::Null;
    let mut keys = Vec::new();
    for _ in 0..2 {
        let page = files
            .json(Method::POST, "object/list-v2/pictures", &json!({"prefix": "u1/", "limit": 2, "cursor": cursor}))
            .await
            .body;
        keys.extend(names(&page["objects"]));
        cursor = page["nextCursor"].clone();
    }
    assert_eq!(
        (keys, cursor),
        (vec!["u1/a.png".to_owned(), "u1/b.png".to_owned(), "u1/deep/c.png".to_owned()], Value::Null)
    );
    let level = files
        .json(Method::POST, "object/list-v2/pictures", &json!({"prefix": "u1/", "with_delimiter": true}))
        .await
        .body;
    assert_eq!((&level["folders"][0]["name"], level["objects"].as_array().unwrap().len()), (&json!("u1/deep/"), 2));
}

#[tokio::test]
async fn objects_are_moved_copied_and_deleted() {
    let sim = with_bucket().await;
    let files = Files::of(&sim);
    files.upload("pictures/a.png", b"x").await;
    let body = |from: &str, to: &str| json!({"bucketId": "pictures", "sourceKey": from, "destinationKey": to});
    assert_eq!(files.json(Method::POST, "object/copy", &body("a.png", "b.png")).await.body["Key"], "pictures/b.png");
    refused(&files.json(Method::POST, "object/copy", &body("a.png", "b.png")).await, 400, "409", "KeyAlreadyExists");
    assert_eq!(
        files.json(Method::POST, "object/move", &body("a.png", "c.png")).await.body,
        json!({"message": "Successfully moved"})
    );
    refused(&files.json(Method::POST, "object/move", &body("a.png", "d.png")).await, 400, "404", "NoSuchKey");

    let deleted = files.json(Method::DELETE, "object/pictures", &json!({"prefixes": ["b.png", "missing.png"]})).await;
    assert_eq!(
        (deleted.status, deleted.body.as_array().unwrap().len(), &deleted.body[0]["name"]),
        (200, 1, &json!("b.png"))
    );
    let none = files.json(Method::DELETE, "object/pictures", &json!({"prefixes": []})).await;
    assert_eq!(none.body["message"], "body/prefixes must NOT have fewer than 1 items");
    assert_eq!(
        files.json(Method::DELETE, "object/pictures/c.png", &json!({})).await.body,
        json!({"message": "Successfully deleted"})
    );
    refused(&files.json(Method::DELETE, "object/pictures/c.png", &json!({})).await, 400, "404", "NoSuchKey");
    assert!(sim.objects().is_empty());
    let nowhere = files.get("nothing/here").await;
    assert_eq!((nowhere.status, &nowhere.body["statusCode"]), (404, &json!(404)));
}

#[tokio::test]
async fn a_directory_keeps_objects_over_a_restart() {
    let directory = std::env::temp_dir().join(format!("simulated-storage-{}", Uuid::new_v4()));
    let start = || {
        SupabaseSim::start(SupabaseOptions { storage_dir: Some(directory.clone()), ..SupabaseOptions::default() })
            .unwrap()
    };
    let sim = start();
    let files = Files::of(&sim);
    files.json(Method::POST, "bucket", &json!({"name": "pictures"})).await;
    files.upload("pictures/u1/a.png", b"kept").await;
    files.upload("pictures/u1/b.png", b"gone").await;
    files.json(Method::DELETE, "object/pictures/u1/b.png", &json!({})).await;
    drop(sim);

    let sim = start();
    assert_eq!(sim.object("pictures", "u1/a.png").unwrap().as_ref(), b"kept");
    assert_eq!(sim.objects().len(), 1);
    assert_eq!(Files::of(&sim).get("bucket/pictures").await.status, 200);
    std::fs::remove_dir_all(directory).unwrap();
}
