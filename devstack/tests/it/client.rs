//! Acting as a user.

use devstack::samples::Sample;
use devstack::test_stack::TestStack;
use image::ImageFormat;

#[tokio::test]
async fn a_picture_is_uploaded_under_the_user_s_own_name_once() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let (auth, file) = (stack.auth(), Sample::Mug.file(48, ImageFormat::Png));
    let path = auth.upload(&user.signed_in, "mug.png", file.clone(), "image/png").await.expect("it is stored");
    assert_eq!(path, format!("{}/uploads/mug.png", user.id()));
    let again = auth.upload(&user.signed_in, "mug.png", file, "image/png").await;
    assert!(again.is_err(), "what is there stays as it is");
}
