// Order in Go, with the SDK and encoding/json: its command Price adds the sums of an order to it.
package main

import sluice "sluice/guest-sdk/go"

const taxPercent = 19

// Params is what Price takes.
type Params struct {
	Order Order `sluice:"order,required" desc:"The order"`
}

// Order is an order and, when it is priced, its sums.
type Order struct {
	ID              int64  `json:"id"`
	Customer        string `json:"customer"`
	Currency        string `json:"currency"`
	DiscountPercent int64  `json:"discount_percent"`
	Lines           []Line `json:"lines"`
	Items           int64  `json:"items"`
	NetCents        int64  `json:"net_cents"`
	DiscountCents   int64  `json:"discount_cents"`
	TaxCents        int64  `json:"tax_cents"`
	GrossCents      int64  `json:"gross_cents"`
}

// Line is one line of an order.
type Line struct {
	SKU        string `json:"sku"`
	Name       string `json:"name"`
	Quantity   int64  `json:"quantity"`
	UnitCents  int64  `json:"unit_cents"`
	TotalCents int64  `json:"total_cents"`
}

// Price returns the order with its sums.
func Price(_ *sluice.Call, p Params) (*Order, error) {
	o := &p.Order
	for i := range o.Lines {
		line := &o.Lines[i]
		line.TotalCents = line.Quantity * line.UnitCents
		o.Items += line.Quantity
		o.NetCents += line.TotalCents
	}
	o.DiscountCents = o.NetCents * o.DiscountPercent / 100
	reduced := o.NetCents - o.DiscountCents
	o.TaxCents = reduced * taxPercent / 100
	o.GrossCents = reduced + o.TaxCents
	return o, nil
}

func init() {
	sluice.Connector{Name: "order", Version: "1.0.0", Description: "Prices orders"}.Register(
		sluice.Command("Price", "Adds the sums of an order to it", Price),
	)
}

func main() {}
