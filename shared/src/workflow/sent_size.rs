//! What follows for a request from pictures that were made smaller to be sent. Pure.

use serde_json::{Map, Value};

use super::{Kind, Workflow, WorkflowType};

/// Brings numbers that count in a picture's own pixels in line with pictures that are sent smaller than they were given,
/// so that the output looks the same. `share` is how wide a picture is sent, as a share of how wide it was given.
pub fn follow_sent_sizes(workflow: &Workflow, parameters: &mut Map<String, Value>, share: impl Fn(&str) -> f64) {
    if workflow.kind != WorkflowType::GraphicTransfer {
        return;
    }
    // The graphic is as many times as large on a smaller product, and has to be enlarged for having become smaller itself.
    let factor = share("base_image") / share("graphic_image");
    let bounds = workflow.parameters.iter().find(|parameter| parameter.name == "scale").map(|scale| scale.kind);
    let scale = parameters.get_mut("scale");
    if let (Some(Kind::Number { min, max }), Some(scale)) = (bounds, scale)
        && let Some(asked) = scale.as_f64().filter(|_| factor.is_normal() && (factor - 1.0).abs() > f64::EPSILON)
    {
        *scale = Value::from((asked * factor).clamp(min, max));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::follow_sent_sizes;
    use crate::workflow::WorkflowType;

    /// `scale` of 3 after this much of the product and of the graphic was sent.
    fn scale(workflow: WorkflowType, asked: &Value, base: f64, graphic: f64) -> Value {
        let mut parameters = json!({ "scale": asked }).as_object().expect("an object").clone();
        let share = |name: &str| if name == "base_image" { base } else { graphic };
        follow_sent_sizes(workflow.workflow(), &mut parameters, share);
        parameters["scale"].clone()
    }

    #[test]
    fn a_graphic_keeps_its_size_on_the_product_whichever_of_them_is_sent_smaller() {
        let scaled = |base, graphic| scale(WorkflowType::GraphicTransfer, &json!(3), base, graphic);
        assert_eq!(scaled(1.0, 1.0), json!(3), "the number is left as it was given");
        assert_eq!(scaled(0.5, 1.0), json!(1.5));
        assert_eq!(scaled(1.0, 0.5), json!(6.0));
        assert_eq!(scaled(0.5, 0.5), json!(3));
        assert_eq!(scaled(1.0, 0.001), json!(100.0), "within what an endpoint takes");
        assert_eq!(scaled(0.001, 1.0), json!(0.01));
    }

    #[test]
    fn what_cannot_be_followed_and_other_workflows_are_left_alone() {
        for (base, graphic) in [(f64::NAN, 1.0), (1.0, 0.0), (0.0, 0.0)] {
            assert_eq!(scale(WorkflowType::GraphicTransfer, &json!(3), base, graphic), json!(3));
        }
        assert_eq!(scale(WorkflowType::Resize, &json!(3), 0.5, 1.0), json!(3));
        assert_eq!(scale(WorkflowType::GraphicTransfer, &json!("3"), 0.5, 1.0), json!("3"));
    }
}
