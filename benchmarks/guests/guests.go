// Package guests is connectors that do the same work in many languages, each written as is usual there: read the
// parameters, parse them, add the sums of an order to it, and answer with the order as JSON. Sums are integers and members
// keep their order, so that all answer the same bytes.
//
// build.sh compiles them; the small ones are committed.
package guests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"sluice/runtime/sandbox/wasmtest"
)

// Guest is one guest.
type Guest struct {
	Name     string // of its folder, and of its module
	Language string // and what it parses JSON with
}

// All are the guests, from the one with the least between it and the machine on.
var All = []Guest{
	{"c", "C, no library"},
	{"assemblyscript", "AssemblyScript, json-as"},
	{"rust", "Rust, serde"},
	{"go", "Go, encoding/json"},
	{"javascript", "JavaScript, QuickJS-ng"},
}

// HTTP is the module of the Go guest that answers http/GetRequest as the bundled connector does.
const HTTP = "go-http"

// The commands of the guests, as execute takes them. Repeat, which C alone has, is 500 times the work of Price.
const (
	Price  = 0
	Repeat = 1
)

// Read returns the module of that name from the folder that build.sh built into.
func Read(dir, name string) ([]byte, error) {
	wasm, err := os.ReadFile(filepath.Join(dir, name+".wasm"))
	if err != nil {
		return nil, fmt.Errorf("the guest %s is not built, see benchmarks/guests/build.sh: %w", name, err)
	}
	return wasm, nil
}

type order struct {
	ID              int64   `json:"id"`
	Customer        string  `json:"customer"`
	Currency        string  `json:"currency"`
	DiscountPercent int64   `json:"discount_percent"`
	Lines           []*line `json:"lines"`
	*sums
}

type line struct {
	SKU        string `json:"sku"`
	Name       string `json:"name"`
	Quantity   int64  `json:"quantity"`
	UnitCents  int64  `json:"unit_cents"`
	TotalCents int64  `json:"total_cents,omitempty"`
}

type sums struct {
	Items         int64 `json:"items"`
	NetCents      int64 `json:"net_cents"`
	DiscountCents int64 `json:"discount_cents"`
	TaxCents      int64 `json:"tax_cents"`
	GrossCents    int64 `json:"gross_cents"`
}

// Work returns the parameters of a call, about a kilobyte of JSON, and the body that answers it.
func Work() (params, body []byte) {
	o := order{ID: 4711, Customer: "Ada Lovelace", Currency: "EUR", DiscountPercent: 5}
	for i := range int64(12) {
		o.Lines = append(o.Lines, &line{
			SKU: fmt.Sprintf("PART-%04d", 1000+37*i), Name: fmt.Sprintf("Brass gear with %d teeth", 12+4*i),
			Quantity: 1 + i%4, UnitCents: 1299 + 250*i,
		})
	}
	params = encode(map[string]any{"order": o})
	o.sums = new(sums)
	for _, l := range o.Lines {
		l.TotalCents = l.Quantity * l.UnitCents
		o.Items += l.Quantity
		o.NetCents += l.TotalCents
	}
	const taxPercent = 19
	o.DiscountCents = o.NetCents * o.DiscountPercent / 100
	o.TaxCents = (o.NetCents - o.DiscountCents) * taxPercent / 100
	o.GrossCents = o.NetCents - o.DiscountCents + o.TaxCents
	return params, encode(o)
}

func encode(v any) []byte {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		panic(err) // the types above can be encoded
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// LoopIterations is how often the guest of [Loop] goes round.
const LoopIterations = 100_000_000

// Loop is a guest whose command counts down from [LoopIterations] in a loop of four instructions: the most that metering
// can weigh.
func Loop() []byte {
	// Parameter 0, the command, is of no use any more and becomes the counter.
	loop := wasmtest.Code(
		wasmtest.I32(LoopIterations), []byte{0x21, 0}, // local.set 0
		[]byte{0x03, 0x40},                                  // loop
		wasmtest.LocalGet(0), wasmtest.I32(1), []byte{0x6b}, // i32.sub
		[]byte{0x22, 0},    // local.tee 0
		[]byte{0x0d, 0x00}, // br_if 0
		[]byte{0x0b},       // end
	)
	const manifest = `{"name":"loop","version":"1.0.0","commands":[{"name":"Run"}]}`
	return wasmtest.Native(manifest, wasmtest.Code(loop, answer)).Bytes()
}

// answer answers with an empty head, at the start of the memory that is free.
var answer = wasmtest.Code(
	wasmtest.I32(wasmtest.NativeFree), wasmtest.I64('{'|'}'<<8), wasmtest.Store64,
	wasmtest.I32(wasmtest.NativeFree), wasmtest.I32(2), wasmtest.Call(wasmtest.HostAnswer), wasmtest.Drop,
)
