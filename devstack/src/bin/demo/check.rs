//! Whether what was delivered is what was asked for.

use std::collections::BTreeMap;

use shared::images::inspect;
use shared::workflow::OutputFormat;

use super::delivery::Delivery;
use super::requests::Request;

/// Everything that is wrong with the outputs, in words. Empty is well.
pub(super) fn faults(deliveries: &[Delivery]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen: BTreeMap<&[u8], String> = BTreeMap::new();
    for delivery in deliveries {
        let request = &delivery.request;
        let asked = asked(request);
        if asked != delivery.outputs.len() {
            faults.push(format!("{}: {} outputs instead of {asked}", request.workflow, delivery.outputs.len()));
        }
        for (n, output) in (1..).zip(&delivery.outputs) {
            let name = format!("{} {n} ({})", request.workflow, request.format);
            faults.extend(fault(request, output).map(|fault| format!("{name}: {fault}")));
            if let Some(twin) = seen.insert(output, name.clone()) {
                faults.push(format!("{name}: equal to {twin}"));
            }
        }
    }
    faults
}

/// How many outputs the request is for.
fn asked(request: &Request) -> usize {
    let default = shared::workflow::find(request.workflow).map_or(1, |workflow| u64::from(workflow.outputs_default));
    let asked = request.body["settings"]["output_count"].as_u64().unwrap_or(default);
    usize::try_from(asked).unwrap_or(usize::MAX)
}

/// What is wrong with one output.
fn fault(request: &Request, output: &[u8]) -> Option<String> {
    let found = match inspect(output) {
        Ok(found) => found,
        Err(error) => return Some(error.to_string()),
    };
    if found.format != request.format {
        return Some(format!("{} instead of {}", found.format, request.format));
    }
    if let Some((width, height)) = request.size.filter(|size| *size != (found.width, found.height)) {
        return Some(format!("{} x {} instead of {width} x {height}", found.width, found.height));
    }
    // What the `image` crate cannot read is known by its boxes alone.
    if matches!(found.format, OutputFormat::Avif | OutputFormat::Mp4) {
        return None;
    }
    image::load_from_memory(output).err().map(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use devstack::samples::{Sample, bad};
    use image::ImageFormat;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn delivery(size: Option<(u32, u32)>, outputs: Vec<Vec<u8>>) -> Delivery {
        let body = json!({"settings": {"output_count": 2}});
        let request = Request { workflow: "model", body, format: OutputFormat::Png, size };
        Delivery { request, generation_id: Uuid::nil(), price: 2, outputs, took: Duration::ZERO }
    }

    #[test]
    fn what_was_asked_for_passes() {
        let outputs = [Sample::Mug, Sample::Bottle].map(|sample| sample.file(32, ImageFormat::Png)).to_vec();
        assert_eq!(faults(&[delivery(Some((32, 32)), outputs)]), Vec::<String>::new());
    }

    #[test]
    fn every_difference_is_named() {
        let png = |side| Sample::Mug.file(side, ImageFormat::Png);
        let table = [
            (vec![png(32)], "1 outputs instead of 2"),
            (vec![png(32), png(32)], "equal to model 1 (png)"),
            (vec![png(32), png(48)], "48 x 48 instead of 32 x 32"),
            (vec![png(32), Sample::Mug.file(32, ImageFormat::Jpeg)], "jpg instead of png"),
            (vec![png(32), bad::text()], "the file is of no known picture type"),
            (vec![png(32), bad::truncated(ImageFormat::Png)], "64 x 64 instead of 32 x 32"),
        ];
        for (outputs, expected) in table {
            let found = faults(&[delivery(Some((32, 32)), outputs)]);
            assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
        }
        let cut_off = faults(&[delivery(None, vec![png(32), bad::truncated(ImageFormat::Png)])]);
        assert_eq!(cut_off.len(), 1, "{cut_off:?}");
    }
}
