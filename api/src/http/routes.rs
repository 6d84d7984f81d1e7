//! What is known of each route beside its endpoint: how the document names it, and the methods it answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use poem::PathPattern;
use poem::http::HeaderValue;
use poem_openapi::OpenApi;

/// The name of what no route answers, so that made-up paths cannot make labels.
const NO_ROUTE: &str = "none";
/// The method of the pages, which are not operations.
const PAGE_METHODS: &str = "GET";
/// How the router's patterns begin a parameter.
const PARAMETER: &str = "/:";

/// The operations' routes, by the pattern that the router knows them under. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Routes(Arc<BTreeMap<String, Operations>>);

/// The operations of one route.
#[derive(Debug)]
struct Operations {
    path: String,
    allow: HeaderValue,
}

impl Routes {
    /// Reads them from the operations of `T`.
    pub(crate) fn of<T: OpenApi>() -> Self {
        let mut methods: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for path in T::meta().into_iter().flat_map(|api| api.paths) {
            let operations = path.operations.iter().map(|operation| operation.method.to_string());
            methods.entry(path.path).or_default().extend(operations);
        }
        let operations = methods.into_iter().map(|(path, methods)| {
            let allow = HeaderValue::from_str(&methods.join(", ")).expect("methods are visible ASCII");
            (pattern(&path), Operations { path, allow })
        });
        Self(Arc::new(operations.collect()))
    }

    /// The route as logs and metrics name it.
    pub(crate) fn name(&self, route: Option<&PathPattern>) -> String {
        // What no operation and no page answers is known by the pattern of nothing.
        match route.filter(|pattern| !pattern.0.is_empty()) {
            Some(pattern) => self.find(pattern).map_or(pattern.0.as_ref(), |operations| &operations.path).to_owned(),
            None => NO_ROUTE.to_owned(),
        }
    }

    /// The methods that a route answers; those that are no operations are pages, which are only read.
    pub(crate) fn allow(&self, route: Option<&PathPattern>) -> HeaderValue {
        let operations = route.and_then(|pattern| self.find(pattern));
        operations.map_or_else(|| HeaderValue::from_static(PAGE_METHODS), |operations| operations.allow.clone())
    }

    /// The methods that exist at the path of a request, even if the request itself was not routed.
    pub(crate) fn allow_at(&self, path: &str) -> HeaderValue {
        let matching = self.0.iter().filter(|(pattern, _)| is_match(pattern, path));
        // `/a/b` is its own route where `/a/:param0` is another.
        let closest = matching.min_by_key(|(pattern, _)| pattern.matches(PARAMETER).count());
        closest.map_or_else(|| HeaderValue::from_static(PAGE_METHODS), |(_, operations)| operations.allow.clone())
    }

    fn find(&self, pattern: &PathPattern) -> Option<&Operations> {
        self.0.get(pattern.0.as_ref())
    }
}

/// The router's pattern for a documented path: it knows parameters by their number.
fn pattern(path: &str) -> String {
    let mut parameters = 0;
    let part = |part: &str| {
        if !part.starts_with('{') {
            return part.to_owned();
        }
        parameters += 1;
        format!(":param{}", parameters - 1)
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn is_match(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('/').zip(path.split('/'));
    pattern.matches('/').count() == path.matches('/').count()
        && parts.all(|(part, of_path)| part == of_path || part.starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::{is_match, pattern};

    #[test]
    fn a_path_matches_the_pattern_of_its_length() {
        for (path, expected) in
            [("/a/1/b/2", true), ("/a/1/b", false), ("/a/1/b/2/c", false), ("/a/1/c/2", false), ("", false)]
        {
            assert_eq!(is_match("/a/:param0/b/:param1", path), expected, "{path}");
        }
    }

    #[test]
    fn parameters_are_numbered() {
        assert_eq!(pattern("/a/{id}/b/{n}"), "/a/:param0/b/:param1");
        assert_eq!(pattern("/livez"), "/livez");
    }
}
