//! One generation from its request to its end, and pictures to look at what became of it.

use devstack::builders::RequestBuilder;
use devstack::samples;
use devstack::test_stack::{TestStack, TestUser};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, RgbaImage};
use serde_json::Value;
use shared::images::{self, Inspected};
use uuid::Uuid;

/// What the channels of two colours may differ by and count as the same: noise, rounding, and a lossy format.
const CHANNEL_DIFFERENCE_MAX: u8 = 14;

/// A generation that has ended well, and the files that its links lead to.
pub(crate) struct Delivered {
    pub(crate) id: Uuid,
    pub(crate) seen: Value,
    pub(crate) files: Vec<Vec<u8>>,
}

impl Delivered {
    /// What each file is by its bytes, in order.
    pub(crate) fn inspected(&self) -> Vec<Inspected> {
        self.files.iter().map(|file| images::inspect(file).unwrap()).collect()
    }

    /// Format, width and height of each file.
    pub(crate) fn kinds(&self) -> Vec<(&'static str, u32, u32)> {
        self.inspected().iter().map(|file| (file.format.as_str(), file.width, file.height)).collect()
    }

    /// The only file, as pixels.
    pub(crate) fn picture(&self) -> RgbaImage {
        assert_eq!(self.files.len(), 1);
        opened(&self.files[0])
    }

    /// Whether no two files are the same.
    pub(crate) fn all_differ(&self) -> bool {
        let mut files = self.files.clone();
        files.sort();
        files.windows(2).all(|pair| pair[0] != pair[1])
    }
}

/// Sends the request, which is accepted; the id of its generation.
pub(crate) async fn accepted(user: &TestUser, request: RequestBuilder) -> Uuid {
    user.generate(&request.build()).await.unwrap().expecting(202).generation_id()
}

/// Sends the request, works until its generation is final, and fetches all of it.
pub(crate) async fn delivered(stack: &TestStack, user: &TestUser, request: RequestBuilder) -> Delivered {
    let id = accepted(user, request).await;
    finished(stack, user, id).await
}

/// Works until it is final, and fetches all of it.
pub(crate) async fn finished(stack: &TestStack, user: &TestUser, id: Uuid) -> Delivered {
    let seen = stack.finish(user, id).await;
    assert_eq!((&seen["status"], &seen["progress"]), (&"completed".into(), &100.into()), "{seen}");
    let mut files = Vec::new();
    for (n, link) in (1..).zip(seen["image_urls"].as_array().unwrap()) {
        let link = link.as_str().unwrap();
        assert!(link.contains(&format!("{}/{id}/", user.id())), "output {n}: {link}");
        files.push(user.download(link).await.unwrap());
    }
    Delivered { id, seen, files }
}

/// Sends the request, works until its generation is final, and holds that it has failed and costs nothing.
pub(crate) async fn failed(stack: &TestStack, user: &TestUser, request: RequestBuilder) -> Value {
    let before = user.balance().await.unwrap();
    let id = accepted(user, request).await;
    assert!(user.balance().await.unwrap() < before, "it is paid for first");
    let seen = stack.finish(user, id).await;
    assert_eq!((&seen["status"], &seen["cost"]["charged"]), (&"failed".into(), &0.into()), "{seen}");
    assert_eq!(user.balance().await.unwrap(), before, "a failure costs nothing: {seen}");
    seen
}

/// A picture of one colour.
pub(crate) fn flat(width: u32, height: u32, color: [u8; 3]) -> DynamicImage {
    RgbImage::from_pixel(width, height, Rgb(color)).into()
}

/// A picture of upright stripes, equally wide.
pub(crate) fn striped(width: u32, height: u32, colors: &[[u8; 3]]) -> DynamicImage {
    let stripes = u32::try_from(colors.len()).unwrap();
    let stripe = |x: u32| usize::try_from(x * stripes / width).unwrap();
    RgbImage::from_fn(width, height, |x, _| Rgb(colors[stripe(x)])).into()
}

/// As a PNG in base64.
pub(crate) fn inline(picture: &DynamicImage) -> String {
    samples::base64(&samples::file(picture, ImageFormat::Png))
}

pub(crate) fn opened(file: &[u8]) -> RgbaImage {
    image::load_from_memory(file).unwrap().into_rgba8()
}

/// Whether the pixel there has about this colour, and hides what is behind it.
pub(crate) fn is_at(picture: &RgbaImage, (x, y): (u32, u32), color: [u8; 3]) -> bool {
    let pixel = picture.get_pixel(x, y).0;
    pixel[3] > 250 && (0..3).all(|n| pixel[n].abs_diff(color[n]) <= CHANNEL_DIFFERENCE_MAX)
}
