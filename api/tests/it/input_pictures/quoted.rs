//! Quotes of requests with pictures: looked at as if they were to be accepted, and stored nowhere.

use devstack::builders::RequestBuilder;
use devstack::samples::{Sample, base64};
use image::ImageFormat::{Jpeg, Png};

use super::{Door, clip, resize};

impl Door {
    async fn quoted(&self, request: &RequestBuilder) -> String {
        let quote = self.user.quote(&request.clone().build()).await.unwrap().expecting(201);
        quote.body["quote_id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_quote_of_pictures_stores_none_and_is_honoured_for_the_same() {
    let door = Door::open().await;
    let path = door.upload("a.png", Sample::Mug.file(48, Png)).await;
    let uploads = door.uploads();
    let request = clip(&[base64(&Sample::Mug.file(48, Png)), path]);
    let quote_id = door.quoted(&request).await;
    assert_eq!((door.kept().len(), door.uploads()), (0, uploads));
    door.nothing_was_taken().await;
    let other = clip(&[base64(&Sample::Mug.file(48, Jpeg))]).field("quote_id", quote_id.as_str());
    let faults = door.send(other).await.expecting(422);
    assert_eq!(faults.body["errors"][0]["pointer"], "/quote_id");
    assert_eq!(door.uploads(), uploads, "what is refused is not stored");
    door.accepted(request.field("quote_id", quote_id)).await;
    assert_eq!(door.kept().len(), 1);
    door.close().await;
}

#[tokio::test]
async fn the_same_picture_in_another_spelling_is_the_same_request() {
    let door = Door::open().await;
    let mug = base64(&Sample::Mug.file(48, Png));
    let quote_id = door.quoted(&resize(mug.as_str())).await;
    let labelled = resize(format!("data:image/png;base64,{mug}"));
    door.accepted(labelled.field("quote_id", quote_id)).await;
    door.close().await;
}
