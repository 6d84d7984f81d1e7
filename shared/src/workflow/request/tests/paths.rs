//! Whose a storage path is, as far as it says so itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, ImageFormat};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::super::{NO_SUCH_PICTURE, Request};
use super::faults;
use super::whole::{body, joined, parts};
use crate::ids::UserId;
use crate::workflow::{PICTURE_WANTED, PathOwner, path_owner};

const USER: UserId = UserId(Uuid::from_u128(0x018f_2d60_91c4_7e0b_b8a1_6d5f_0c3e_9a72));
const OTHER: UserId = UserId(Uuid::from_u128(0x018f_2d60_91c4_7e0b_b8a1_6d5f_0c3e_9a73));
const GENERATION: Uuid = Uuid::from_u128(0x018f_0000_0000_7000_8000_0000_0000_0001);

fn clip(pictures: &[String]) -> Value {
    let (needed, _) = parts("video");
    body("video", &joined(&needed, &json!({"input_images": pictures})))
}

#[test]
fn uploads_and_outputs_of_her_own_are_hers() {
    let mine = [
        (format!("{USER}/uploads/a.png"), PathOwner::Upload),
        (format!("{USER}/uploads/summer (1)/a, b & c.jpeg"), PathOwner::Upload),
        (format!("{USER}/{GENERATION}/1.webp"), PathOwner::Output(GENERATION)),
    ];
    let paths: Vec<_> = mine.iter().map(|(path, _)| path.clone()).collect();
    let request = Request::parse(&clip(&paths)).expect("a sound body").for_user(USER).expect("all hers");
    assert_eq!(request.parameters["input_images"], json!(paths));
    for (path, owner) in mine {
        assert_eq!(path_owner(&path, USER), owner, "{path}");
        assert_eq!(path_owner(&path, OTHER), PathOwner::Foreign, "{path}");
    }
}

#[test]
fn what_is_not_hers_is_refused_where_it_stands() {
    let upper = USER.to_string().to_uppercase();
    let foreign = [
        format!("{OTHER}/uploads/a.png"),
        format!("{OTHER}/{GENERATION}/1.webp"),
        format!("{USER}/inputs/{}.png", "0".repeat(64)),
        format!("{USER}/a.png"),
        format!("{USER}/uploads"),
        format!("{USER}/Uploads/a.png"),
        format!("{USER}/{GENERATION}/deep/1.webp"),
        format!("{upper}/uploads/a.png"),
    ];
    let mine = format!("{USER}/uploads/a.png");
    for path in foreign {
        let body = clip(&[mine.clone(), path.clone()]);
        let faults = Request::parse(&body).expect("it has the form of a path").for_user(USER).expect_err("not hers");
        let found: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.detail.as_str())).collect();
        assert_eq!(found, [("/input_data/input_images/1", NO_SUCH_PICTURE)], "{path}");
    }
}

#[test]
fn a_path_that_leads_elsewhere_is_no_path() {
    for rest in [
        "uploads/../inputs/a.png",
        "uploads/./a.png",
        "uploads//a.png",
        "uploads/",
        "../other/uploads/a.png",
        "uploads/..",
        "uploads/%2e%2e/a.png",
        "uploads\\..\\a.png",
        "uploads/a\u{0}.png",
        "uploads/a\u{202e}gnp.png",
        "uploads/ａ.png",
        "uploads/é.png",
        "uploads/a\u{301}.png",
        "uploads/a#b.png",
    ] {
        let expected = [("/input_data/input_images/0".to_owned(), format!("must be {PICTURE_WANTED}"))];
        assert_eq!(faults(&clip(&[format!("{USER}/{rest}")])), expected, "{rest:?}");
    }
}

#[test]
fn a_file_gets_a_place_of_its_own_in_the_folder_of_whoever_sends_it() {
    let mut file = std::io::Cursor::new(Vec::new());
    DynamicImage::new_rgb8(4, 4).write_to(&mut file, ImageFormat::Png).expect("it is written to memory");
    let file = file.into_inner();
    let digest: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
    let path = format!("{USER}/uploads/a.png");
    let body = clip(&[STANDARD.encode(&file), path.clone(), "https://example.com/a.png".to_owned()]);
    for user in [USER, OTHER] {
        let body = if user == USER { body.clone() } else { clip(&[STANDARD.encode(&file)]) };
        let request = Request::parse(&body).expect("a sound body").for_user(user).expect("hers");
        assert_eq!(request.parameters["input_images"][0], json!(format!("{user}/inputs/{digest}.png")));
    }
    let request = Request::parse(&body).expect("a sound body").for_user(USER).expect("hers");
    assert_eq!(request.parameters["input_images"][1], json!(path));
    assert_eq!(request.parameters["input_images"][2], json!("https://example.com/a.png"));
    let text = Value::Object(request.parameters).to_string();
    assert!(!text.contains(&STANDARD.encode(&file)), "what is stored holds no bytes");
}
