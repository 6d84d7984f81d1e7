//! The bodies of purchases: each names one offer.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use serde_json::Value;
use shared::workflow::Fault;
use uuid::Uuid;

use crate::payload::CheckedBody;

/// Most bytes of such a body.
const BYTES_MAX: usize = 4 * 1024;
/// Longest id of a pack.
const PACK_ID_CHARS_MAX: usize = 40;

/// Which pack.
pub(super) struct PurchaseBody;

/// Which plan.
pub(super) struct SubscriptionBody;

impl CheckedBody for PurchaseBody {
    type Output = String;
    const NAME: &'static str = "PurchaseRequest";
    const BYTES_MAX: usize = BYTES_MAX;

    fn schema(_registry: &mut Registry) -> MetaSchema {
        let id = MetaSchema {
            min_length: Some(1),
            max_length: Some(PACK_ID_CHARS_MAX),
            pattern: Some("^[a-z0-9_-]+$".to_owned()),
            description: Some("The `pack_id` of `list_packs`."),
            ..MetaSchema::new("string")
        };
        of_one("Which pack is bought.", "pack_id", id)
    }

    fn check(body: &Value) -> Result<String, Vec<Fault>> {
        let id = only(body, ["pack_id", "packId"])?;
        let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        let is_id = (1..=PACK_ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(is_known);
        if is_id { Ok(id.to_owned()) } else { Err(fault("/pack_id", "must be 1 to 40 of a-z, 0-9, '_', '-'")) }
    }
}

impl CheckedBody for SubscriptionBody {
    type Output = Uuid;
    const NAME: &'static str = "SubscriptionRequest";
    const BYTES_MAX: usize = BYTES_MAX;

    fn schema(_registry: &mut Registry) -> MetaSchema {
        let id = MetaSchema {
            format: Some("uuid"),
            description: Some("The `plan_id` of `list_plans`."),
            ..MetaSchema::new("string")
        };
        of_one("Which plan is subscribed to.", "plan_id", id)
    }

    fn check(body: &Value) -> Result<Uuid, Vec<Fault>> {
        only(body, ["plan_id", "planId"])?.parse().map_err(|_| fault("/plan_id", "must be a UUID"))
    }
}

fn of_one(about: &'static str, name: &'static str, schema: MetaSchema) -> MetaSchema {
    MetaSchema {
        description: Some(about),
        properties: vec![(name, MetaSchemaRef::Inline(Box::new(schema)))],
        required: vec![name],
        additional_properties: Some(Box::new(MetaSchemaRef::Inline(Box::new(MetaSchema::ANY)))),
        ..MetaSchema::new("object")
    }
}

/// The text of the one name that the body may have, in either spelling.
fn only<'a>(body: &'a Value, spellings: [&str; 2]) -> Result<&'a str, Vec<Fault>> {
    let Value::Object(fields) = body else { return Err(fault("", "must be an object")) };
    let pointer = format!("/{}", spellings[0]);
    let mut given = fields.iter().filter(|(name, _)| spellings.contains(&name.as_str()));
    let (first, second) = (given.next(), given.next());
    if let Some((name, _)) = fields.iter().find(|(name, _)| !spellings.contains(&name.as_str())) {
        return Err(fault(&format!("/{}", name.replace('~', "~0").replace('/', "~1")), "is not known here"));
    }
    match (first, second) {
        (Some((_, Value::String(text))), None) => Ok(text),
        (Some(_), None) => Err(fault(&pointer, "must be a string")),
        (Some(_), Some(_)) => Err(fault(&pointer, "is given twice")),
        (None, _) => Err(fault(&pointer, "is missing")),
    }
}

fn fault(pointer: &str, detail: &str) -> Vec<Fault> {
    vec![Fault { pointer: pointer.to_owned(), detail: detail.to_owned() }]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{PurchaseBody, SubscriptionBody};
    use crate::payload::CheckedBody;

    #[test]
    fn a_body_names_one_offer_and_nothing_else() {
        assert_eq!(PurchaseBody::check(&json!({"pack_id": "starter"})).expect("good"), "starter");
        assert_eq!(PurchaseBody::check(&json!({"packId": "starter"})).expect("good"), "starter");
        let long = "x".repeat(41);
        for (bad, pointer) in [
            (json!([]), ""),
            (json!({}), "/pack_id"),
            (json!({"pack_id": 1}), "/pack_id"),
            (json!({"pack_id": ""}), "/pack_id"),
            (json!({"pack_id": long}), "/pack_id"),
            (json!({"pack_id": "\u{0}"}), "/pack_id"),
            (json!({"pack_id": "../x"}), "/pack_id"),
            (json!({"pack_id": "a", "packId": "a"}), "/pack_id"),
            (json!({"pack_id": "a", "credits": 1000}), "/credits"),
        ] {
            let faults = PurchaseBody::check(&bad).expect_err("bad");
            assert_eq!(faults[0].pointer, pointer, "{bad}");
        }
        assert!(SubscriptionBody::check(&json!({"plan_id": "x"})).is_err());
    }
}
