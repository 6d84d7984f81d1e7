//! Copies of pictures: out of the store and back.

use std::fs;

use devstack::builders::{model, request};
use devstack::samples::Sample;
use image::ImageFormat;

use super::World;
use crate::operations::{Ran, operate};

fn copy(world: &World, way: &str, list: &str) -> Ran {
    let dir = world.dir.path().join("copies");
    operate(&world.stack, &["objects", way, "--list", list, "--dir", dir.to_str().unwrap()])
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_copied_once_checked_and_brought_back() {
    let world = World::new().await;
    // Its two pictures come as base64, and are stored as inputs.
    let id = world.user.generate(&request("tryon").build()).await.unwrap().expecting(202).generation_id();
    world.stack.drain().await;
    for job in world.stack.runpod.jobs() {
        world.stack.runpod.complete(&job.id);
    }
    assert_eq!(world.stack.finish(&world.user, id).await["status"], "completed");
    let backup = world.back_up();
    let list = backup.join("objects.jsonl");
    let listed = fs::read_to_string(&list).unwrap();
    let paths: Vec<String> = listed
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["path"].as_str().unwrap().to_owned())
        .collect();
    let (inputs, outputs): (Vec<_>, Vec<_>) = paths.iter().partition(|path| path.contains("/inputs/"));
    assert_eq!(inputs.len(), 2, "{listed}");
    assert!(!outputs.is_empty() && outputs.iter().all(|path| path.contains(&id.to_string())), "{listed}");

    let list = list.to_str().unwrap();
    let first = copy(&world, "export", list);
    let all = paths.len();
    assert!(first.code == 0 && first.said.contains(&format!("{all} pictures copied")), "{first:?}");
    let again = copy(&world, "export", list);
    assert!(again.said.contains(&format!("0 pictures copied (0 bytes), {all} were there")), "{again:?}");

    let mut stored = Vec::new();
    for path in &paths {
        stored.push(world.stack.worker.images.get(path).await.unwrap());
    }
    world.stack.worker.images.delete(&paths).await.unwrap();
    // One copy is not what was copied: it is not brought back as if it were.
    let damaged = world.dir.path().join("copies").join(&paths[0]);
    let whole = fs::read(&damaged).unwrap();
    fs::write(&damaged, vec![0; whole.len()]).unwrap();
    let half = copy(&world, "import", list);
    assert!(half.code == 1 && half.said.contains("1 failed"), "{half:?}");
    fs::write(&damaged, whole).unwrap();
    let back = copy(&world, "import", list);
    assert!(back.code == 0 && back.said.contains("1 pictures copied"), "{back:?}");
    for (path, was) in paths.iter().zip(stored) {
        assert_eq!(world.stack.worker.images.get(path).await.unwrap(), was);
    }

    world.stack.worker.images.delete(&[outputs[0].clone()]).await.unwrap();
    fs::remove_dir_all(world.dir.path().join("copies")).unwrap();
    let missing = copy(&world, "export", list);
    assert!(missing.code == 1 && missing.said.contains("missing: 1 outputs, 0 inputs"), "{missing:?}");
    world.stack.reconcile().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_users_name_their_files_and_prompts_stops_no_copy() {
    let world = World::new().await;
    let id = world.user.id();
    let prompt = format!("{id}/uploads/é");
    drop(world.user.generate(&model().prompt(&prompt).build()).await.unwrap().expecting(202));
    let auth = world.stack.auth();
    let mut paths = Vec::new();
    for name in ["a", "a/b.png"] {
        let picture = Sample::Mug.file(80, ImageFormat::Png);
        paths.push(auth.upload(&world.user.signed_in, name, picture, "image/png").await.unwrap());
        let request = request("upscale").picture("input_image", paths.last().unwrap().as_str()).build();
        drop(world.user.generate(&request).await.unwrap().expecting(202));
    }
    let list = world.back_up().join("objects.jsonl");
    let copied = copy(&world, "export", list.to_str().unwrap());
    assert!(copied.code == 0 && copied.said.contains("2 pictures copied"), "{copied:?}");
    world.stack.worker.images.delete(&paths).await.unwrap();
    let back = copy(&world, "import", list.to_str().unwrap());
    assert!(back.code == 0 && back.said.contains("2 pictures copied"), "{back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_leads_out_of_the_directory_is_not_followed() {
    let world = World::new().await;
    let list = world.dir.path().join("list");
    fs::write(&list, "{\"path\": \"../outside.png\", \"kind\": \"output\"}\n").unwrap();
    let ran = copy(&world, "export", list.to_str().unwrap());
    assert!(ran.code == 0 && ran.said.contains("0 pictures copied"), "{ran:?}");
    fs::write(&list, "no entry\n").unwrap();
    let refused = copy(&world, "export", list.to_str().unwrap());
    assert!(refused.code == 1 && refused.complained.contains("line 1 of the list: not an entry"), "{refused:?}");
}
