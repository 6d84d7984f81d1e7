//! The checkout page: what is sold, and one button for each way it can end. No script, no picture, nothing to type.

use std::sync::Arc;

use poem::http::{StatusCode, header};
use poem::web::{Data, Path};
use poem::{Response, Route, get, handler, post};
use serde_json::Value;

use super::Platform;
use super::engine::Ending;
use super::shelf::Kind;

pub(super) fn routes() -> Route {
    Route::new().at("/c/pay/:id", get(show)).at("/c/pay/:id/:ending", post(end))
}

#[handler]
fn show(platform: Data<&Arc<Platform>>, Path(id): Path<String>) -> Response {
    page(&platform, &id, "")
}

/// A button was pressed: the customer goes where the session says, as a browser is sent by Stripe.
#[handler]
fn end(platform: Data<&Arc<Platform>>, Path((id, ending)): Path<(String, String)>) -> Response {
    let ending = match ending.as_str() {
        "pay" => Ending::Paid,
        "fail" => Ending::Failed,
        "abandon" => Ending::Abandoned,
        _ => return StatusCode::NOT_FOUND.into(),
    };
    let (was_open, session) = platform.with(|engine| {
        let was_open = engine.end_session(&id, ending);
        (was_open, engine.shelves.find(Kind::Session, &id).cloned())
    });
    let Some(session) = session else { return StatusCode::NOT_FOUND.into() };
    let next = match ending {
        _ if !was_open => None,
        Ending::Abandoned => session["cancel_url"].as_str(),
        // A decline that was scripted leaves the session open.
        _ if session["status"] == "complete" => session["success_url"].as_str(),
        Ending::Paid | Ending::Failed | Ending::PaidLater => None,
    };
    match next {
        Some(next) => redirect(&next.replace("{CHECKOUT_SESSION_ID}", &id)),
        None if session["status"] == "open" && ending != Ending::Abandoned => {
            page(&platform, &id, "Your card was declined.")
        }
        None => page(&platform, &id, ""),
    }
}

fn redirect(url: &str) -> Response {
    Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, url).finish()
}

fn page(platform: &Platform, id: &str, message: &str) -> Response {
    let Some(session) = platform.with(|engine| engine.shelves.find(Kind::Session, id).cloned()) else {
        return StatusCode::NOT_FOUND.into();
    };
    let lines = session["line_items"]["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lines: String = lines.iter().map(line).collect();
    let form = match session["status"].as_str() {
        Some("open") => buttons(id),
        Some("complete") => "<p>This payment is complete.</p>".to_owned(),
        _ => "<p>This checkout page has expired.</p>".to_owned(),
    };
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Simulated checkout</title>\n\
         <body style=\"font: 16px sans-serif; max-width: 30em; margin: 4em auto\">\n<h1>Simulated checkout</h1>\n\
         <p>No money moves here.</p>\n<ul>{lines}</ul>\n<p><strong>Total {}</strong></p>\n<p role=\"alert\">{message}</p>\n{form}\n\
         </body></html>\n",
        money(&session["amount_total"], &session["currency"])
    );
    Response::builder().content_type("text/html; charset=utf-8").body(html)
}

fn line(line: &Value) -> String {
    let description = escaped(line["description"].as_str().unwrap_or_default());
    format!("<li>{} × {description}: {}</li>", line["quantity"], money(&line["amount_total"], &line["currency"]))
}

fn buttons(id: &str) -> String {
    let id = escaped(id);
    let button = |(ending, label): (&str, &str)| {
        format!(
            "<form method=\"post\" action=\"/c/pay/{id}/{ending}\"><button id=\"{ending}\">{label}</button></form>\n"
        )
    };
    [("pay", "Pay"), ("fail", "Pay with a card that is declined"), ("abandon", "Go back")].map(button).concat()
}

fn money(amount: &Value, currency: &Value) -> String {
    let amount = amount.as_i64().unwrap_or_default();
    format!("{}.{:02} {}", amount / 100, amount % 100, escaped(&currency.as_str().unwrap_or_default().to_uppercase()))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
