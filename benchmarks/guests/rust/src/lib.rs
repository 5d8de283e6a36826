//! The connector `order` in Rust, with the SDK and serde: its command `Price` adds the sums of an order to it.

use serde::{Deserialize, Serialize};
use sluice::{Answer, Call, Command, Connector, Error, Param, Result};

const TAX_PERCENT: i64 = 19;

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

fn price(call: &Call) -> Result<Answer> {
    let order: Option<Order> = call.params().get("order")?;
    let mut order = order.ok_or_else(|| Error::new("NoOrder", "There is no order to price.").status(400))?;
    for line in &mut order.lines {
        line.total_cents = line.quantity * line.unit_cents;
        order.items += line.quantity;
        order.net_cents += line.total_cents;
    }
    order.discount_cents = order.net_cents * order.discount_percent / 100;
    let reduced = order.net_cents - order.discount_cents;
    order.tax_cents = reduced * TAX_PERCENT / 100;
    order.gross_cents = reduced + order.tax_cents;
    Answer::json(&order)
}

#[allow(dead_code, reason = "used by what export! makes for wasm alone")]
const CONNECTOR: Connector = Connector::new("order", "1.0.0", "Prices orders").commands(&[Command::new(
    "Price",
    "Adds the sums of an order to it",
    price,
)
.params(&[Param::any("order", "The order").required()])]);

sluice::export!(CONNECTOR);
