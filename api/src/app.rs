//! The application: which address leads where, and what surrounds every endpoint.

use std::sync::Arc;

use poem::endpoint::make_sync;
use poem::http::header;
use poem::{Endpoint, EndpointExt, Response, Route, get};
use poem_openapi::{ContactObject, OpenApiService};

use crate::document::Document;
use crate::endpoints::billing::BillingApi;
use crate::endpoints::credits::CreditsApi;
use crate::endpoints::files::find_file;
use crate::endpoints::generate::GenerateApi;
use crate::endpoints::generations::GenerationsApi;
use crate::endpoints::health::HealthApi;
use crate::endpoints::notifications::NotificationsApi;
use crate::endpoints::problems::find_problem;
use crate::endpoints::quotes::QuotesApi;
use crate::endpoints::status::StatusApi;
use crate::endpoints::stripe_webhook::StripeWebhookApi;
use crate::endpoints::subscriptions::SubscriptionsApi;
use crate::endpoints::webhook::WebhookApi;
use crate::endpoints::workflows::WorkflowsApi;
use crate::http::{Cors, Drain, Observe, Problems, Routes, Throttle};
use crate::state::ApiState;
use crate::stopping::Farewell;

/// The version of the HTTP interface; additions do not change it.
const VERSION: &str = "1.0.0";
const DESCRIPTION: &str = "AI image generation for e-commerce. A request is paid in credits, runs as a job, and what is not \
    delivered is refunded. Every refusal is an `application/problem+json` of RFC 9457 whose `type` leads to its \
    explanation.";
/// The docs page brings its own script and style, and loads nothing from elsewhere.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: 'self'; \
    connect-src 'self'; frame-ancestors 'none'";

type Operations = (
    QuotesApi,
    GenerateApi,
    StatusApi,
    GenerationsApi,
    WorkflowsApi,
    CreditsApi,
    BillingApi,
    SubscriptionsApi,
    NotificationsApi,
    WebhookApi,
    StripeWebhookApi,
    HealthApi,
);

fn service() -> OpenApiService<Operations, ()> {
    let workflows = WorkflowsApi::default();
    let operations = (
        QuotesApi,
        GenerateApi,
        StatusApi,
        GenerationsApi,
        workflows,
        CreditsApi,
        BillingApi,
        SubscriptionsApi,
        NotificationsApi,
        WebhookApi,
        StripeWebhookApi,
        HealthApi,
    );
    OpenApiService::new(operations, "ShootX", VERSION)
        .description(DESCRIPTION)
        .contact(ContactObject::new().name("ShootX"))
        .server("/")
}

/// The application on `state`, with everything that surrounds its endpoints.
#[must_use]
pub fn build(state: ApiState) -> impl Endpoint + 'static {
    let service = service();
    let document = Document::of(&service);
    let routes = Routes::of::<Operations>();
    let problems = Problems { routes: routes.clone(), https: state.settings.https };
    let cors = Cors::new(&state.settings.cors_origins, routes.clone(), document.headers);
    let drain = Drain::new(Arc::clone(&state.budgets));
    let farewell = Farewell { stopping: state.stopping.clone() };
    Route::new()
        .at("/docs", get(page("text/html; charset=utf-8", document.page, Some(DOCS_POLICY))))
        .at("/openapi.yaml", get(page("application/yaml", document.yaml, None)))
        .at("/openapi.json", get(page("application/json", document.json, None)))
        .at("/problems/:code", get(find_problem))
        .at("/files/*path", get(find_file))
        .nest("/", service)
        .data(state.clone())
        .with(Throttle { state })
        .with(problems)
        .with(cors)
        .with(Observe { routes })
        .with(drain)
        .with(farewell)
}

/// The description of the interface as YAML: what `openapi.yaml` holds. The same at every call.
#[must_use]
pub fn document() -> String {
    Document::of(&service()).yaml
}

/// A page that never changes while the process lives.
fn page(content_type: &'static str, text: String, policy: Option<&'static str>) -> impl Endpoint + 'static {
    let text = bytes::Bytes::from(text);
    make_sync(move |_| {
        let response = Response::builder().content_type(content_type).header(header::CACHE_CONTROL, "no-cache");
        let response = match policy {
            Some(policy) => response.header(header::CONTENT_SECURITY_POLICY, policy),
            None => response,
        };
        response.body(text.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::{Operations, document};
    use poem_openapi::OpenApi;

    #[test]
    fn the_document_is_the_same_at_every_call() {
        assert_eq!(document(), document());
    }

    #[test]
    fn every_operation_has_a_name_of_the_form_verb_resource() {
        for operation in Operations::meta().into_iter().flat_map(|api| api.paths).flat_map(|path| path.operations) {
            let id = operation.operation_id.expect("named");
            let verb = id.split('_').next().expect("never empty");
            assert!(["create", "find", "list", "cancel", "delete", "resume", "note"].contains(&verb), "{id}");
        }
    }
}
