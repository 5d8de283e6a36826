package rawjson

import (
	"encoding/json"
	"strings"
	"testing"
)

// scanned is an object as engines send it: short names, texts of some length, some nesting.
var scanned = []byte(`{"url":"https://api.example.com/v1/items?q=1","headers":{"Accept":"application/json"},"n":[1,2.50,true,null],` +
	`"text":"` + strings.Repeat("Lorem ipsum dolor sit amet, ", 20) + `","é":"` + strings.Repeat("für ", 20) + `"}`)

// BenchmarkMembers scans an object; beside it encoding/json's check of the same text.
func BenchmarkMembers(b *testing.B) {
	b.Run("rawjson", func(b *testing.B) {
		b.SetBytes(int64(len(scanned)))
		b.ReportAllocs()
		for b.Loop() {
			if err := Members(scanned, MaxDepth, func(_, _ []byte) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(scanned)))
		b.ReportAllocs()
		for b.Loop() {
			if !json.Valid(scanned) {
				b.Fatal("not valid")
			}
		}
	})
}

// BenchmarkAppendString quotes a text that needs no escapes; beside it encoding/json.
func BenchmarkAppendString(b *testing.B) {
	text := strings.Repeat("Lorem ipsum dolor sit amet, ", 20)
	b.Run("rawjson", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		var dst []byte
		for b.Loop() {
			dst = AppendString(dst[:0], text)
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}
