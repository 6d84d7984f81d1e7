//! What an expression of PromQL looks at: metrics, and the labels they are chosen by.

/// Labels whose values, too, must be there: bounds of distributions, routes, and jobs of Prometheus.
const EXACT: [&str; 3] = ["le", "route", "job"];

/// One metric, and the matchers in its braces.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selector {
    metric: String,
    matchers: Vec<Matcher>,
}

#[derive(Debug, PartialEq, Eq)]
struct Matcher {
    label: String,
    /// The operator and the quoted value, as they are written.
    rest: String,
}

impl Selector {
    /// A query that finds something if anybody shows such a metric with such labels.
    pub(super) fn presence(&self) -> String {
        let matcher = |Matcher { label, rest }: &Matcher| {
            if EXACT.contains(&label.as_str()) { format!("{label}{rest}") } else { format!("{label}!=\"\"") }
        };
        let matchers: Vec<_> = self.matchers.iter().map(matcher).collect();
        format!("count({}{{{}}})", self.metric, matchers.join(","))
    }
}

/// Every metric of ours, of processes, and `up`, in the order they are written. What rules record is not among them.
pub(super) fn all(expression: &str) -> Vec<Selector> {
    let mut selectors = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '"') {
        rest = &rest[start..];
        if let Some(text) = rest.strip_prefix('"') {
            rest = after_text(text);
            continue;
        }
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        let is_metric = word.starts_with("shootx_") || word.starts_with("process_") || word == "up";
        if is_metric && !word.contains(':') {
            let mut matchers = Vec::new();
            if let Some(braces) = after.strip_prefix('{') {
                (matchers, rest) = read_matchers(braces);
            }
            selectors.push(Selector { metric: word.to_owned(), matchers });
        }
    }
    selectors
}

/// What follows the end of a quoted text, whose first quote has been read.
fn after_text(text: &str) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return &text[at + 1..],
            _ => escaped = c == '\\' && !escaped,
        }
    }
    ""
}

/// The matchers up to the closing brace, and what follows it.
fn read_matchers(mut rest: &str) -> (Vec<Matcher>, &str) {
    let mut matchers = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ', '\n']);
        let Some(operator) = rest.find(['=', '!']).filter(|_| !rest.starts_with('}')) else {
            return (matchers, rest.strip_prefix('}').unwrap_or(rest));
        };
        let label = rest[..operator].trim().to_owned();
        let quote = rest.find('"').map_or(rest.len(), |at| at + 1);
        let after = after_text(&rest[quote..]);
        matchers.push(Matcher { label, rest: rest[operator..rest.len() - after.len()].to_owned() });
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::all;

    fn presences(expression: &str) -> Vec<String> {
        all(expression).iter().map(super::Selector::presence).collect()
    }

    #[test]
    fn metrics_are_asked_for_by_the_names_of_their_labels() {
        let expression = r#"sum by (queue) (rate(shootx_http_requests_total{route!~"/livez|/readyz",status=~"5.."}[5m]))
            and on () max(shootx_ledger_imbalance) > 0 or absent(up{job="shootx-api"} == 1)"#;
        let expected = [
            r#"count(shootx_http_requests_total{route!~"/livez|/readyz",status!=""})"#,
            "count(shootx_ledger_imbalance{})",
            r#"count(up{job="shootx-api"})"#,
        ];
        assert_eq!(presences(expression), expected);
    }

    #[test]
    fn bounds_are_asked_for_as_they_are() {
        let expression = r#"1 - sum(rate(shootx_settle_seconds_bucket{le="30"}[15m]))"#;
        assert_eq!(presences(expression), [r#"count(shootx_settle_seconds_bucket{le="30"})"#]);
    }

    #[test]
    fn what_is_recorded_or_quoted_is_no_metric() {
        let expression =
            r#"queue:shootx_queue_oldest_seconds:max > label_replace(x, "gauge", "shootx_a_total", "", "")"#;
        assert_eq!(presences(expression), Vec::<String>::new());
    }
}
