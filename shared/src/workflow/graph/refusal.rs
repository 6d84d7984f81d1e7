//! What a graph of plain nodes cannot do, said to the customer before anything is charged. Pure.

use serde_json::{Map, Value};

use crate::workflow::{Dialect, Fault, Request, WorkflowType};

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

impl WorkflowType {
    /// What an endpoint of that dialect cannot do of these parameters: the parameter's name, and what is wrong with it
    /// for the customer.
    #[must_use]
    pub fn refusals(self, dialect: Dialect, parameters: &Map<String, Value>) -> Vec<(&'static str, String)> {
        match dialect {
            Dialect::Product => Vec::new(),
            Dialect::WorkerComfyui => refusals(self, parameters),
        }
    }
}

impl Request {
    /// Whether an endpoint of that dialect can do all of it.
    ///
    /// # Errors
    /// A fault for each parameter that asks for what it cannot do.
    pub fn check_dialect(&self, dialect: Dialect) -> Result<(), Vec<Fault>> {
        let refusals = self.workflow.kind.refusals(dialect, &self.parameters).into_iter();
        let pointer = |parameter| self.pointers.get(parameter).cloned().unwrap_or_default();
        let faults: Vec<_> =
            refusals.map(|(parameter, detail)| Fault { pointer: pointer(parameter), detail }).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// What a graph cannot do of these parameters.
pub(super) fn refusals(workflow: WorkflowType, parameters: &Map<String, Value>) -> Vec<(&'static str, String)> {
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
    use crate::workflow::{Dialect, Request, WorkflowType};

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
    fn a_refusal_names_the_parameter_as_the_customer_spelt_it() {
        let asked = |input: &str, fill_mode: &str| {
            let picture = "https://shop.example.com/a.png";
            let mut body = json!({"workflow_type": "resize"});
            body[input] =
                json!({"input_image": picture, "target_width": 64, "target_height": 64, "maintain_aspect": true});
            body[input][fill_mode] = json!("content_aware");
            Request::parse(&body).expect("a good request")
        };
        for (input, fill_mode) in [("input_data", "fill_mode"), ("inputData", "fillMode"), ("input_data", "fillMode")] {
            let request = asked(input, fill_mode);
            assert_eq!(request.check_dialect(Dialect::Product), Ok(()));
            let faults = request.check_dialect(Dialect::WorkerComfyui).expect_err("refused");
            assert_eq!((faults.len(), &faults[0].pointer), (1, &format!("/{input}/{fill_mode}")));
        }
    }

    #[test]
    fn every_refusal_is_of_a_parameter_that_the_catalogue_has() {
        for refusal in REFUSALS {
            let parameters = refusal.workflow.workflow().parameters;
            assert!(parameters.iter().any(|parameter| parameter.name == refusal.parameter), "{}", refusal.parameter);
        }
    }
}
