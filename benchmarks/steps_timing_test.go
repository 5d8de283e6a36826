package benchmarks

import (
	"encoding/json"
	"testing"

	"sluice/internal/rawjson"
	"sluice/runtime/envelope"
)

// request is the body of a call as an engine sends it, the data of a small process with it.
const request = `{"url":"http://127.0.0.1:9000/json","headers":{"Accept":"application/json"},` +
	`"spiff__process_instance_id":42,"spiff__process_model_identifier":"order/ship",` +
	`"spiff__task_id":"0b5c9d7e-3a51-4c5e-9f6e-2f1d5a1f3b0c","spiff__task_data":{"order":` + Document + `,"lines":[` +
	Document + `,` + Document + `,` + Document + `]},"spiff__callback_url":"http://127.0.0.1:8000/v1.0/tasks/42/callback"}`

// BenchmarkScan finds the parameters in a request's body: raw values beside decoded ones.
func BenchmarkScan(b *testing.B) {
	text := []byte(request)
	b.Run("rawjson", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			members := 0
			if err := rawjson.Members(text, rawjson.MaxDepth, func(_, _ []byte) error { members++; return nil }); err != nil || members == 0 {
				b.Fatal(members, err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			var members map[string]any
			if err := json.Unmarshal(text, &members); err != nil || len(members) == 0 {
				b.Fatal(members, err)
			}
		}
	})
}

// BenchmarkEnvelope writes the envelope of an answer: its body as it came beside one that is decoded and encoded.
func BenchmarkEnvelope(b *testing.B) {
	body := []byte(Document)
	b.Run("append", func(b *testing.B) {
		a := envelope.Answer{HTTPStatus: 200, Mimetype: envelope.DefaultMimetype, Headers: []byte("{}"), Body: body}
		b.ReportAllocs()
		for b.Loop() {
			if out := a.AppendV2(make([]byte, 0, len(body)+256)); len(out) <= len(body) {
				b.Fatal(len(out))
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var value any
			if err := json.Unmarshal(body, &value); err != nil {
				b.Fatal(err)
			}
			out, err := json.Marshal(map[string]any{
				"command_response":         map[string]any{"body": value, "mimetype": "application/json", "http_status": 200, "headers": map[string]any{}},
				"command_response_version": 2, "error": nil, "spiff__logs": []string{},
			})
			if err != nil || len(out) <= len(body) {
				b.Fatal(len(out), err)
			}
		}
	})
}
