//! What a graph of plain nodes cannot do, said to the customer before anything is charged. Pure.

use serde_json::{Map, Value};

use super::super::WorkflowType;

/// A value of a parameter that no graph can honour.
struct Refusal {
    workflow: WorkflowType,
    parameter: &'static str,
    value: Asked,
    detail: &'static str,
}

/// What is asked for.
enum Asked {
    Word(&'static str),
    Yes,
}

static REFUSALS: &[Refusal] = &[
    Refusal {
        workflow: WorkflowType::Resize,
        parameter: "fill_mode",
        value: Asked::Word("content_aware"),
        detail: "content_aware is not available here: use stretch, crop or letterbox",
    },
    Refusal {
        workflow: WorkflowType::Upscale,
        parameter: "enhance_face",
        value: Asked::Yes,
        detail: "is not available here: leave it out or use false",
    },
    Refusal {
        workflow: WorkflowType::GraphicTransfer,
        parameter: "match_perspective",
        value: Asked::Yes,
        detail: "is not available here: leave it out or use false",
    },
];

/// What a graph cannot do of these parameters: the parameter's name, and what is wrong with it for the customer.
#[must_use]
pub fn refusals(workflow: WorkflowType, parameters: &Map<String, Value>) -> Vec<(&'static str, String)> {
    let of_workflow = REFUSALS.iter().filter(|refusal| refusal.workflow == workflow);
    let asked = of_workflow.filter(|refusal| match refusal.value {
        Asked::Word(word) => parameters.get(refusal.parameter).and_then(Value::as_str) == Some(word),
        Asked::Yes => parameters.get(refusal.parameter).and_then(Value::as_bool) == Some(true),
    });
    asked.map(|refusal| (refusal.parameter, refusal.detail.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{REFUSALS, refusals};
    use crate::workflow::WorkflowType;

    fn refused(workflow: WorkflowType, parameters: &Value) -> Vec<&'static str> {
        let parameters = parameters.as_object().expect("an object");
        refusals(workflow, parameters).into_iter().map(|(parameter, _)| parameter).collect()
    }

    #[test]
    fn what_needs_a_model_is_refused_and_nothing_else_is() {
        let none: [&str; 0] = [];
        assert_eq!(refused(WorkflowType::Resize, &json!({"fill_mode": "content_aware"})), ["fill_mode"]);
        assert_eq!(refused(WorkflowType::Resize, &json!({"fill_mode": "crop"})), none);
        assert_eq!(refused(WorkflowType::Upscale, &json!({"enhance_face": true})), ["enhance_face"]);
        assert_eq!(refused(WorkflowType::Upscale, &json!({"enhance_face": false})), none);
        assert_eq!(refused(WorkflowType::GraphicTransfer, &json!({"match_perspective": true})), ["match_perspective"]);
        assert_eq!(refused(WorkflowType::ColorChange, &json!({"fill_mode": "content_aware"})), none);
    }

    #[test]
    fn every_refusal_is_of_a_parameter_that_the_catalogue_has() {
        for refusal in REFUSALS {
            let parameters = refusal.workflow.workflow().parameters;
            assert!(parameters.iter().any(|parameter| parameter.name == refusal.parameter), "{}", refusal.parameter);
        }
    }
}
