//! The work of the benchmark's guest in Rust as a plug-in for Extism: the same types and the same sums, with Extism's own
//! kit in place of Sluice's.

use extism_pdk::{FnResult, Json, plugin_fn};
use serde::{Deserialize, Serialize};

const TAX_PERCENT: i64 = 19;

#[derive(Deserialize)]
struct Params {
    order: Order,
}

#[derive(Deserialize, Serialize)]
struct Order {
    id: i64,
    customer: String,
    currency: String,
    discount_percent: i64,
    lines: Vec<Line>,
    #[serde(skip_deserializing)]
    items: i64,
    #[serde(skip_deserializing)]
    net_cents: i64,
    #[serde(skip_deserializing)]
    discount_cents: i64,
    #[serde(skip_deserializing)]
    tax_cents: i64,
    #[serde(skip_deserializing)]
    gross_cents: i64,
}

#[derive(Deserialize, Serialize)]
struct Line {
    sku: String,
    name: String,
    quantity: i64,
    unit_cents: i64,
    #[serde(skip_deserializing)]
    total_cents: i64,
}

#[plugin_fn]
pub fn price(Json(params): Json<Params>) -> FnResult<Json<Order>> {
    let mut order = params.order;
    for line in &mut order.lines {
        line.total_cents = line.quantity * line.unit_cents;
        order.items += line.quantity;
        order.net_cents += line.total_cents;
    }
    order.discount_cents = order.net_cents * order.discount_percent / 100;
    let reduced = order.net_cents - order.discount_cents;
    order.tax_cents = reduced * TAX_PERCENT / 100;
    order.gross_cents = reduced + order.tax_cents;
    Ok(Json(order))
}
