// The connector order in JavaScript: its command Price adds the sums of an order to it.
const TAX_PERCENT = 19;

function Price({ order }) {
  order.items = 0;
  order.net_cents = 0;
  for (const line of order.lines) {
    line.total_cents = line.quantity * line.unit_cents;
    order.items += line.quantity;
    order.net_cents += line.total_cents;
  }
  order.discount_cents = Math.trunc((order.net_cents * order.discount_percent) / 100);
  const reduced = order.net_cents - order.discount_cents;
  order.tax_cents = Math.trunc((reduced * TAX_PERCENT) / 100);
  order.gross_cents = reduced + order.tax_cents;
  return order;
}

({
  name: "order",
  version: "1.0.0",
  description: "Prices orders",
  commands: [
    {
      name: "Price",
      description: "Adds the sums of an order to it",
      parameters: [{ id: "order", type: "any", required: true }],
      run: Price,
    },
  ],
});
