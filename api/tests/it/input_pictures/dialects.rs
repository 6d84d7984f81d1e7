//! What a plain ComfyUI cannot do is refused where one runs the workflow, and taken where none does.

use devstack::builders::{RequestBuilder, request};
use devstack::test_stack::TestStack;

use super::{Door, fault};

fn beyond_graphs() -> [(&'static str, RequestBuilder, &'static str); 3] {
    let elsewhere = "is not available here: leave it out or use false";
    [
        (
            "/input_data/fill_mode",
            request("resize").input("fill_mode", "content_aware"),
            "content_aware is not available here: use stretch, crop or letterbox",
        ),
        ("/input_data/enhance_face", request("upscale").input("enhance_face", true), elsewhere),
        ("/input_data/match_perspective", request("graphic_transfer").input("match_perspective", true), elsewhere),
    ]
}

#[tokio::test]
async fn what_no_graph_can_do_is_refused_before_anything_is_worked_on() {
    let door = Door::of(TestStack::builder().graphs()).await;
    for (pointer, request, detail) in beyond_graphs() {
        assert_eq!(door.refused(422, request).await, fault(pointer, detail));
    }
    assert_eq!(door.uploads(), 0);
    door.nothing_was_taken().await;
    for workflow in ["resize", "upscale", "graphic_transfer", "color_change"] {
        let id = door.accepted(request(workflow)).await;
        let dialect = format!("gateway.run where dialect = 'worker-comfyui' and generation_id = '{id}'");
        assert_eq!(door.count(&dialect).await, 1, "{workflow}");
    }
    door.close().await;
}

#[tokio::test]
async fn a_product_endpoint_takes_all_of_it() {
    let door = Door::open().await;
    for (_, request, _) in beyond_graphs() {
        let id = door.accepted(request).await;
        let dialect = format!("gateway.run where dialect = 'product' and generation_id = '{id}'");
        assert_eq!(door.count(&dialect).await, 1);
    }
    door.close().await;
}
