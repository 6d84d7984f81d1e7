//! Storage paths: only what is hers and there, and nothing is told of what is not.

use devstack::samples::{Sample, base64};
use image::ImageFormat::Png;
use serde_json::json;
use uuid::Uuid;

use super::{Door, POINTER, clip, fault, no_such_pictures, place, resize, upload};
use crate::harness::WELCOME;

fn picture() -> Vec<u8> {
    Sample::Mug.file(48, Png)
}

#[tokio::test]
async fn what_is_another_users_is_as_good_as_absent() {
    let door = Door::open().await;
    let other = door.stack.user().await;
    let theirs = upload(&door.stack, &other, "a.png", picture()).await;
    let accepted = other.generate(&resize(base64(&picture())).format("png").build()).await.unwrap().expecting(202);
    let id = accepted.generation_id();
    assert_eq!(door.stack.finish(&other, id).await["status"], "completed");
    let output = format!("{}/{id}/1.png", other.id());
    door.object(&output);
    let input = place(&other, &picture(), "png");
    door.object(&input);
    for path in [
        theirs,
        output,
        input,
        // The same generation and file, in her own folder.
        format!("{}/{id}/1.png", door.user.id()),
        format!("{}/uploads/nothing.png", other.id()),
        format!("{}/uploads/a.png", Uuid::new_v4()),
    ] {
        assert_eq!(door.refused(422, resize(path.as_str())).await, no_such_pictures(&[POINTER]), "{path}");
    }
    let hers = format!("public.generations where user_id = '{}'", door.user.id());
    assert_eq!((door.count(&hers).await, door.user.balance().await.unwrap()), (0, WELCOME));
    door.close().await;
}

#[tokio::test]
async fn what_is_not_there_is_refused_wherever_it_is_named() {
    let door = Door::open().await;
    let (mine, absent) = (door.upload("a.png", picture()).await, format!("{}/uploads/b.png", door.user.id()));
    let output = format!("{}/{}/1.png", door.user.id(), Uuid::new_v4());
    let pictures = [mine.clone(), absent.clone(), base64(&picture()), absent.clone()];
    let expected = no_such_pictures(&["/input_data/input_images/1", "/input_data/input_images/3"]);
    assert_eq!(door.refused(422, clip(&pictures)).await, expected);
    let expected = no_such_pictures(&["/input_data/input_images/1"]);
    assert_eq!(door.refused(422, clip(&[mine.clone(), output])).await, expected);
    let folder = format!("{}/uploads/folder", door.user.id());
    door.upload("folder/a.png", picture()).await;
    assert_eq!(door.refused(422, resize(folder)).await, no_such_pictures(&[POINTER]));
    assert_eq!(door.kept(), Vec::<String>::new(), "nothing is stored of a request that is refused for a path");
    door.nothing_was_taken().await;
    door.accepted(clip(&[mine])).await;
    door.close().await;
}

#[tokio::test]
async fn an_upload_that_was_removed_is_absent() {
    let door = Door::open().await;
    let path = door.upload("a.png", picture()).await;
    door.accepted(resize(path.as_str())).await;
    door.stack.worker.images.delete(std::slice::from_ref(&path)).await.unwrap();
    assert_eq!(door.refused(422, resize(path)).await, no_such_pictures(&[POINTER]));
    door.close().await;
}

#[tokio::test]
async fn the_folders_that_are_ours_are_not_for_her_to_name() {
    let door = Door::open().await;
    let id = door.accepted(resize(base64(&picture()))).await;
    let kept = place(&door.user, &picture(), "png");
    door.object(&kept);
    let mine = door.user.id();
    for path in [
        kept,
        format!("{mine}/a.png"),
        format!("{mine}/uploads"),
        format!("{mine}/Uploads/a.png"),
        format!("{mine}/{id}"),
        format!("{mine}/{id}/1/1.png"),
        // Hers and accepted, but nothing has been made of it.
        format!("{mine}/{id}/1.png"),
        format!("{}/uploads/a.png", mine.to_string().to_uppercase()),
        format!("{}/uploads/a.png", mine.simple()),
        format!("{mine}/urn:uuid:{id}/1.png"),
    ] {
        assert_eq!(door.refused(422, resize(path.as_str())).await, no_such_pictures(&[POINTER]), "{path}");
    }
    door.close().await;
}

#[tokio::test]
async fn a_path_that_leads_elsewhere_is_no_path() {
    let door = Door::open().await;
    let other = door.stack.user().await;
    upload(&door.stack, &other, "a.png", picture()).await;
    door.upload("a.png", picture()).await;
    let mine = door.user.id();
    let wanted = "must be a storage path of your own, an https address or base64";
    for path in [
        format!("{mine}/uploads/../../{}/uploads/a.png", other.id()),
        format!("{mine}/uploads/../inputs/a.png"),
        format!("{mine}/../{}/uploads/a.png", other.id()),
        format!("{mine}/uploads/./a.png"),
        format!("{mine}/uploads//a.png"),
        format!("{mine}//uploads/a.png"),
        format!("/{mine}/uploads/a.png"),
        format!("{mine}/uploads/a.png/"),
        format!("{mine}/uploads/a.png\0"),
        format!("{mine}/uploads/%61.png"),
        format!("{mine}/uploads/%2e%2e/%2e%2e/{}/uploads/a.png", other.id()),
        format!("{mine}/uploads\\a.png"),
        format!("{mine}/uploads/ａ.png"),
        format!("{mine}/uploads/\u{202e}gnp.a"),
        format!("{mine}/uploads/a\u{301}.png"),
        format!("{mine}/uploads/{}.png", "a".repeat(300)),
        format!("{{{mine}}}/uploads/a.png"),
    ] {
        assert_eq!(door.refused(422, resize(path.as_str())).await, fault(POINTER, wanted), "{path:?}");
    }
    door.nothing_was_taken().await;
    door.close().await;
}

#[tokio::test]
async fn a_path_may_hold_what_the_store_lets_a_name_hold() {
    let door = Door::open().await;
    let path = door.upload("summer & sun (1), new!.png", picture()).await;
    let id = door.accepted(resize(path.as_str())).await;
    assert_eq!(door.row(id).await["input_image"], json!(path));
    door.close().await;
}
