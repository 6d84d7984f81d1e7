//! What was run, in numbers.

use std::fmt::Write as _;

use shared::images::inspect;

use super::delivery::Delivery;

/// One row for each delivery; `dialects` are theirs, in the same order.
pub(super) fn table(deliveries: &[Delivery], dialects: &[String]) -> String {
    let mut table = format!(
        "  {:<17} {:<15} {:>7}  {:<12} {:<6} {:>7} {:>8}\n",
        "workflow", "dialect", "outputs", "size", "format", "credits", "seconds"
    );
    for (delivery, dialect) in deliveries.iter().zip(dialects) {
        let found = delivery.outputs.first().and_then(|output| inspect(output).ok());
        let size = found.map_or_else(String::new, |found| format!("{} x {}", found.width, found.height));
        let (request, count) = (&delivery.request, delivery.outputs.len());
        let (format, seconds) = (request.format.as_str(), delivery.took.as_secs_f64());
        let _ = writeln!(
            table,
            "  {:<17} {dialect:<15} {count:>7}  {size:<12} {format:<6} {:>7} {seconds:>8.1}",
            request.workflow, delivery.price
        );
    }
    table
}
