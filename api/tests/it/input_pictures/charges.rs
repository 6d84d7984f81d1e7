//! What a request with pictures costs: its rate once, its price once, and an upload only where it can be paid for.

use devstack::samples::{Sample, bad, base64};
use devstack::test_stack::TestStack;
use image::ImageFormat::{Jpeg, Png};
use reqwest::Method;
use serde_json::{Value, json};
use simulators::supabase::StorageFault;
use simulators::{Operation, SupabaseFault};
use uuid::Uuid;

use super::{Door, POINTER, TWO_A_MINUTE, clip, no_such_pictures, place, resize, send_text};
use crate::harness::{Answered, WELCOME};

const KEY: &str = "order-17";

fn mug() -> String {
    base64(&Sample::Mug.file(48, Png))
}

impl Door {
    async fn slow() -> Self {
        Self::of(TestStack::builder().set(TWO_A_MINUTE.0, TWO_A_MINUTE.1)).await
    }

    /// Takes all of her credits but `left`, by the hand of an operator.
    async fn leave_credits(&self, left: i64) {
        sqlx::query(
            "with entry as (
               insert into public.credit_transactions (user_id, amount, transaction_type, description)
               select user_id, $2 - balance, 'adjustment', 'test' from public.credits where user_id = $1)
             update public.credits set balance = $2 where user_id = $1",
        )
        .bind(self.user.id())
        .bind(i32::try_from(left).unwrap())
        .execute(self.stack.database.pool())
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn an_accepted_request_is_charged_once_whatever_road_its_pictures_take() {
    for road in ["inside", "upload", "address"] {
        let door = Door::slow().await;
        let picture = match road {
            "inside" => mug(),
            "upload" => door.upload("a.png", Sample::Mug.file(48, Png)).await,
            _ => "https://shop.example.com/a.png".to_owned(),
        };
        door.accepted(resize(picture.as_str())).await;
        assert_eq!((door.charged().await, door.user.balance().await.unwrap()), (1, WELCOME - 1), "{road}");
        door.accepted(resize(picture.as_str())).await;
        assert_eq!(door.charged().await, 2, "{road}");
        let limited = door.send(resize(picture)).await.expecting(429);
        assert!((1..=30).contains(&limited.header("retry-after").parse::<u64>().unwrap()), "{road}");
        assert_eq!((door.charged().await, door.user.balance().await.unwrap()), (2, WELCOME - 2), "{road}");
        door.close().await;
    }
}

#[tokio::test]
async fn work_that_was_done_for_a_refused_picture_counts_and_a_look_at_the_body_does_not() {
    let door = Door::slow().await;
    door.refused(422, resize("http://shop.example.com/a.png")).await;
    door.refused(422, resize(base64(&bad::svg()))).await;
    door.refused(415, resize(base64(&bad::avif()))).await;
    door.refused(422, resize(format!("{}/uploads/a.png", Uuid::new_v4()))).await;
    assert_eq!(door.charged().await, 0);
    door.refused(422, resize(base64(&bad::truncated(Png)))).await;
    assert_eq!(door.charged().await, 1);
    door.refused(422, resize(format!("{}/uploads/a.png", door.user.id()))).await;
    assert_eq!(door.charged().await, 2);
    let before = door.calls();
    door.send(resize(mug())).await.answered(429);
    assert_eq!(door.calls(), before, "who asks too often makes no work");
    door.nothing_was_taken().await;
    door.close().await;
}

#[tokio::test]
async fn too_few_credits_are_told_before_anything_is_uploaded() {
    let door = Door::slow().await;
    door.leave_credits(4).await;
    let before = door.calls();
    let refused = door.send(clip(&[mug()])).await.expecting(402);
    assert_eq!((&refused.body["price"], &refused.body["balance"]), (&json!(5), &json!(4)));
    assert_eq!((door.calls(), door.charged().await), (before, 1));
    assert_eq!((door.user.balance().await.unwrap(), door.count("public.generations").await), (4, 0));
    door.close().await;
}

#[tokio::test]
async fn of_two_for_the_last_credits_one_wins() {
    let door = Door::open().await;
    door.leave_credits(5).await;
    let request = clip(&[mug()]).build();
    let (one, other) = tokio::join!(door.user.generate(&request), door.user.generate(&request));
    let mut statuses = [one.unwrap().status.as_u16(), other.unwrap().status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 402]);
    assert_eq!((door.user.balance().await.unwrap(), door.count("public.generations").await), (0, 1));
    door.close().await;
}

/// Status, `Location`, whether it says it is a repeat, and the bytes of the body.
async fn sent(door: &Door, body: &Value) -> (u16, String, bool, Vec<u8>) {
    let request = door.user.request(Method::POST, "/api/v1/generate").header("Idempotency-Key", KEY);
    let answer = request.json(body).send().await.unwrap();
    let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    let replayed = answer.headers().contains_key("idempotent-replayed");
    (answer.status().as_u16(), location.unwrap_or_default(), replayed, answer.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn a_repeat_under_its_key_is_answered_as_the_first_time_and_works_on_nothing() {
    let door = Door::slow().await;
    let first = sent(&door, &resize(mug()).build()).await;
    assert_eq!((first.0, first.2), (202, false));
    let before = door.calls();
    // Even where the picture is gone: what was accepted is not looked at again.
    door.stack.worker.images.delete(&[place(&door.user, &Sample::Mug.file(48, Png), "png")]).await.unwrap();
    for text in [mug(), format!("data:image/png;base64,{}", mug()), mug().replace('=', "")] {
        let again = sent(&door, &resize(text).build()).await;
        assert_eq!(again, (202, first.1.clone(), true, first.3.clone()));
    }
    assert_eq!((door.calls(), door.charged().await, door.kept().len()), (before, 1, 0));
    assert_eq!((door.user.balance().await.unwrap(), door.count("public.generations").await), (WELCOME - 1, 1));
    door.close().await;
}

#[tokio::test]
async fn another_picture_under_the_same_key_is_another_request() {
    let door = Door::slow().await;
    assert_eq!(sent(&door, &resize(mug()).build()).await.0, 202);
    let (uploads, other) = (door.uploads(), base64(&Sample::Mug.file(48, Jpeg)));
    let answer = door.user.generate_once(KEY, &resize(other).build()).await.unwrap().expecting(422);
    assert_eq!(answer.body["code"], "idempotency-key-reused");
    assert_eq!((door.uploads(), door.charged().await, door.count("public.generations").await), (uploads, 1, 1));
    door.close().await;
}

#[tokio::test]
async fn many_at_once_under_one_key_are_charged_one_price() {
    let door = Door::open().await;
    let request = resize(mug()).build();
    let answers = futures::future::join_all((0..6).map(|_| sent(&door, &request))).await;
    assert!(answers.iter().all(|answer| (answer.0, &answer.3) == (202, &answers[0].3)));
    assert_eq!(answers.iter().filter(|answer| !answer.2).count(), 1);
    assert_eq!((door.user.balance().await.unwrap(), door.count("public.generations").await), (WELCOME - 1, 1));
    door.close().await;
}

#[tokio::test]
async fn while_the_store_is_down_nothing_is_taken_and_a_repeat_is_accepted_later() {
    let door = Door::open().await;
    let upload = door.upload("a.png", Sample::Mug.file(48, Png)).await;
    // Keys that sign tokens come from the same address: they are known by now.
    door.user.balance().await.unwrap();
    door.stack.supabase.go_offline().await;
    for picture in [mug(), upload] {
        let refused = door.user.generate_once(KEY, &resize(picture).build()).await.unwrap().expecting(503);
        assert_eq!(refused.body["code"], "unavailable");
        assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    }
    door.nothing_was_taken().await;
    door.accepted(resize("https://shop.example.com/a.png")).await;
    door.stack.supabase.go_online().await;
    door.user.generate_once(KEY, &resize(mug()).build()).await.unwrap().answered(202);
    door.close().await;
}

#[tokio::test]
async fn a_store_that_takes_nothing_in_is_told_apart_from_a_bad_picture() {
    let door = Door::open().await;
    let error = |code: &str, status| StorageFault::StorageError { status, code: code.to_owned() };
    for (effect, status) in [
        (StorageFault::SlowDown, 503),
        (StorageFault::AccessDenied, 503),
        (error("NoSuchBucket", 404), 503),
        (error("InvalidMimeType", 415), 503),
        (error("InvalidRequest", 400), 503),
        (error("EntityTooLarge", 413), 422),
    ] {
        door.stack.supabase.script(SupabaseFault::from(effect.clone()).on(Operation::Upload).always());
        let refused = door.send(resize(mug())).await.expecting(status);
        assert_eq!(refused.headers.contains_key("retry-after"), status == 503, "{effect:?}");
        door.nothing_was_taken().await;
        door.stack.supabase.clear_faults();
    }
    // Once is no refusal: the store is asked again.
    door.stack.supabase.script(SupabaseFault::from(StorageFault::SlowDown).on(Operation::Upload));
    door.accepted(resize(mug())).await;
    door.close().await;
}

#[tokio::test]
async fn a_body_of_more_than_sixteen_mebibytes_is_refused_whatever_is_in_it() {
    const LIMIT: usize = 16 * 1024 * 1024;
    let door = Door::slow().await;
    let (head, tail) = (r#"{"workflow_type": "resize", "input_data": {"input_image": ""#, r#""}}"#);
    let filled = |length: usize| format!("{head}{}{tail}", "A".repeat(length - head.len() - tail.len()));
    let refused = send_text(&door.user, filled(LIMIT + 1)).await.expecting(413);
    assert_eq!(refused.body["code"], "payload-too-large");
    let read = send_text(&door.user, filled(LIMIT)).await.expecting(422);
    assert_eq!(read.body["errors"][0]["pointer"], POINTER);
    assert_eq!(door.charged().await, 0);
    door.nothing_was_taken().await;
    door.close().await;
}

#[tokio::test]
async fn faults_of_a_path_do_not_hide_behind_those_of_credits() {
    let door = Door::open().await;
    door.leave_credits(0).await;
    door.send(resize(mug())).await.answered(402);
    let foreign = format!("{}/uploads/a.png", Uuid::new_v4());
    assert_eq!(door.refused(422, resize(foreign)).await, no_such_pictures(&[POINTER]));
    door.close().await;
}
